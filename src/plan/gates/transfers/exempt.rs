//! A transfer that rests on few persons a year, and somebody's count of them. Nothing here counts persons: whether two events are
//! one person only an identity would tell, which does not leave the region.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::api::Transfer;
use crate::packs::{Fact, LimitKind, Regime};

/// The instrument that rests on the number.
pub(in crate::plan) const EXEMPT: &str = "exemptVolume";
/// For how many months a count is believed.
pub(in crate::plan) const BELIEVED_MONTHS: i32 = 3;

/// What an attested count says of a limit, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Count {
    /// Nobody counted.
    Missing,
    /// Fewer, until then.
    Below(Timestamp),
    /// Fewer, once; or of a year that is over.
    Old,
    /// As many or more, until the year is over: in a year they only become more.
    Reached(Timestamp),
}

impl Count {
    /// When it says something else.
    pub(in crate::plan) fn ends(self) -> Option<Timestamp> {
        match self {
            Self::Missing | Self::Old => None,
            Self::Below(at) | Self::Reached(at) => Some(at),
        }
    }
}

/// Whether a transfer rests on the number.
pub(in crate::plan) fn is_exempt(transfer: &Transfer) -> bool {
    transfer.instrument.eq_ignore_ascii_case(EXEMPT)
}

/// The number from which on a regime exempts nobody.
pub(in crate::plan) fn limit(regime: &Regime) -> Option<&Fact<u64>> {
    regime.limits.get(&LimitKind::ExportedPersonsPerYear)
}

/// What the transfer's count says of a limit.
pub(in crate::plan) fn counted(
    transfer: &Transfer,
    limit: u64,
    zone: &TimeZone,
    now: Timestamp,
) -> Count {
    let Some(attested) = &transfer.exported_persons else {
        return Count::Missing;
    };
    let Some((believed, year)) = ends(&attested.counted_on, zone) else {
        return Count::Old;
    };
    let count = u64::try_from(attested.persons).unwrap_or_default();
    if count >= limit && now < year {
        Count::Reached(year)
    } else if count < limit && now < believed {
        Count::Below(believed)
    } else {
        Count::Old
    }
}

/// Why a transfer that rests on the number exempts nobody, if so. A count that is old was one: it is asked for anew, and closes
/// nothing until then.
pub(super) fn refused(transfer: &Transfer, limit: u64, count: Count) -> Option<String> {
    let is_on = format!("is on {EXEMPT}, for fewer than {limit} persons in a calendar year");
    match (count, &transfer.exported_persons) {
        (Count::Below(_) | Count::Old, _) => None,
        (Count::Reached(year), Some(attested)) => Some(format!(
            "{is_on}, and {} were counted on {}: until {year} it exempts nobody",
            attested.persons, attested.counted_on
        )),
        (Count::Missing | Count::Reached(_), _) => Some(format!(
            "{is_on}, and nobody attests how many there were: count them, and write that into its exportedPersons"
        )),
    }
}

/// Until when a count of a day is believed, and when its year is over: the count begins anew on 1 January.
fn ends(day: &str, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let day: Date = day.parse().ok()?;
    let months = day.checked_add(BELIEVED_MONTHS.months()).ok()?;
    let year = day.last_of_year().tomorrow().ok()?;
    let begin = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp());
    Some((begin(months.min(year))?, begin(year)?))
}
