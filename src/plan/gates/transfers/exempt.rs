//! A transfer that rests on few persons a year, and somebody's count of them. Nothing here counts persons: whether two events are
//! one person only an identity would tell, which does not leave the region.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::api::Transfer;
use crate::packs::{Fact, LimitKind, Regime};

/// The instrument that rests on the number.
pub(in crate::plan) const EXEMPT: &str = "exemptVolume";
/// For how many months a count is believed; and within how many of a new year somebody counts anew.
pub(in crate::plan) const BELIEVED_MONTHS: i32 = 3;

/// What an attested count says of a limit, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Count {
    /// Nobody counted.
    Missing,
    /// On a day that no calendar has.
    NoDay,
    /// On a day that has not come, and begins then.
    Ahead(Timestamp),
    /// Fewer, until then.
    Below(Timestamp),
    /// Fewer once, in the year that ends then.
    Old(Timestamp),
    /// Fewer in the year before: time until then to count anew.
    LastYear(Timestamp),
    /// Of a year that is over, and so is that time; or as many or more in that year.
    OverYear,
    /// As many or more, until the year is over: in a year they only become more.
    Reached(Timestamp),
}

impl Count {
    /// When it says something else.
    pub(in crate::plan) fn ends(self) -> Option<Timestamp> {
        match self {
            Self::Missing | Self::NoDay | Self::OverYear => None,
            Self::Ahead(at)
            | Self::Below(at)
            | Self::Old(at)
            | Self::LastYear(at)
            | Self::Reached(at) => Some(at),
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
    let Some(ends) = Ends::of(&attested.counted_on, zone) else {
        return Count::NoDay;
    };
    let count = u64::try_from(attested.persons).unwrap_or_default();
    if now < ends.begins {
        Count::Ahead(ends.begins)
    } else if count >= limit && now < ends.year {
        Count::Reached(ends.year)
    } else if count >= limit || ends.grace <= now {
        // Too many once is no ground to take the next year's for few before somebody counts them.
        Count::OverYear
    } else if now < ends.believed {
        Count::Below(ends.believed)
    } else if now < ends.year {
        Count::Old(ends.year)
    } else {
        Count::LastYear(ends.grace)
    }
}

/// When a count opens nothing any more, however few they were.
pub(super) fn closes(transfer: &Transfer, zone: &TimeZone) -> Option<Timestamp> {
    let attested = transfer.exported_persons.as_ref()?;
    Ends::of(&attested.counted_on, zone).map(|ends| ends.grace)
}

/// Why a transfer that rests on the number exempts nobody, if so. A count that is old was one of this year, or of the last and there
/// is time yet to count: it is asked for anew, and closes nothing until then.
pub(super) fn refused(transfer: &Transfer, limit: u64, count: Count) -> Option<String> {
    let is_on = format!("is on {EXEMPT}, for fewer than {limit} persons in a calendar year");
    let attested = transfer.exported_persons.as_ref();
    let (persons, day) = attested.map_or((0, ""), |it| (it.persons, it.counted_on.as_str()));
    let why = match count {
        Count::Below(_) | Count::Old(_) | Count::LastYear(_) => return None,
        Count::Reached(year) => {
            format!("{persons} were counted on {day}: until {year} it exempts nobody")
        }
        Count::Missing => "nobody attests how many there were: count them, and write that into its exportedPersons".to_owned(),
        Count::NoDay => format!(
            "its exportedPersons.countedOn is {day}, which is no day: write the last day that was counted"
        ),
        Count::Ahead(_) => format!(
            "its exportedPersons.countedOn is {day}, which has not come: write the last day that was counted"
        ),
        Count::OverYear => format!(
            "{persons} were counted on {day}, in a year that is over: count those since 1 January, and write that into its exportedPersons"
        ),
    };
    Some(format!("{is_on}, and {why}"))
}

/// What a count of a day is worth, and how long.
struct Ends {
    /// The day's beginning.
    begins: Timestamp,
    /// It is believed until then.
    believed: Timestamp,
    /// Its year is over: the count begins anew on 1 January.
    year: Timestamp,
    /// There was time enough to count in the next year.
    grace: Timestamp,
}

impl Ends {
    fn of(day: &str, zone: &TimeZone) -> Option<Self> {
        let day: Date = day.parse().ok()?;
        let months = day.checked_add(BELIEVED_MONTHS.months()).ok()?;
        let year = day.last_of_year().tomorrow().ok()?;
        let grace = year.checked_add(BELIEVED_MONTHS.months()).ok()?;
        let begin = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp());
        Some(Self {
            begins: begin(day)?,
            believed: begin(months.min(year))?,
            year: begin(year)?,
            grace: begin(grace)?,
        })
    }
}
