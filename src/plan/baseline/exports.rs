//! Persons whose data leaves in a calendar year, where a law lets it leave below a number of them. Nothing here counts
//! persons: one who writes twice is two events, and whether two events are one person only an identity would tell, which
//! does not leave the region. So somebody counts in the sources, and attests it.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil::Date};

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{Severity, Transfer};
use crate::packs::{Check, LimitKind};
use crate::plan::placement::earlier;

/// The instrument that rests on the number.
const INSTRUMENT: &str = "exemptVolume";
/// How long a count is believed.
const MONTHS: i32 = 3;

/// Looks at every transfer that rests on a number of persons. Answers when an attested count grows old.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let mut wake_at = None;
    for place in &ground.places {
        let spec = &place.facts.region.spec;
        let zone = TimeZone::get(&spec.locale.time_zone).unwrap_or(TimeZone::UTC);
        let resting = spec
            .transfers
            .iter()
            .filter(|it| it.instrument.eq_ignore_ascii_case(INSTRUMENT));
        for transfer in resting {
            wake_at = earlier(wake_at, counted(ground, (place, &zone), transfer, book));
        }
    }
    wake_at
}

fn counted(
    ground: &Ground<'_>,
    (place, zone): (&Place<'_>, &TimeZone),
    transfer: &Transfer,
    book: &mut Book<'_>,
) -> Option<Timestamp> {
    let attested = transfer.exported_persons.as_ref();
    let day = attested.and_then(|it| it.counted_on.parse::<Date>().ok());
    let end = day.and_then(|day| believed_until(day, zone));
    let fresh = end.is_some_and(|end| ground.now < end);
    for regime in &place.regimes {
        let Some(limit) = limit(ground, regime) else {
            continue;
        };
        let count = attested.map_or(0, |it| u64::try_from(it.persons).unwrap_or_default());
        let (message, at_most) = match (attested, fresh) {
            (Some(_), true) if count < limit => continue,
            (Some(it), true) => (
                format!(
                    "{count} persons were counted on {}, and {INSTRUMENT} is for fewer than {limit} in a calendar year",
                    it.counted_on
                ),
                Severity::High,
            ),
            (Some(it), false) => (
                format!(
                    "the count of {} is of last year, or older than {MONTHS} months, and {INSTRUMENT} is for fewer than {limit} persons in a calendar year",
                    it.counted_on
                ),
                Severity::Medium,
            ),
            (None, _) => (
                format!(
                    "{INSTRUMENT} is for fewer than {limit} persons in a calendar year, and nobody says how many there were: nothing here counts persons"
                ),
                Severity::Medium,
            ),
        };
        let remedy = format!(
            "count the persons since 1 January in the systems that send, and attest it in Region {}, spec.transfers[{}].exportedPersons; at {limit} or more, another instrument",
            place.name, transfer.name
        );
        let field = format!(
            "Region {}, spec.transfers[{}].exportedPersons",
            place.name, transfer.name
        );
        let told = Told {
            at_most,
            ..Told::once(message, remedy)
        };
        let spot = Spot::here(place.name, field);
        book.enter(regime, Check::ExportedPersonsUncounted, spot, told);
    }
    end.filter(|end| *end > ground.now)
}

fn limit(ground: &Ground<'_>, regime: &str) -> Option<u64> {
    let limits = &ground.facts.packs.regime(regime)?.limits;
    limits
        .get(&LimitKind::ExportedPersonsPerYear)
        .map(|fact| fact.value)
}

/// Three months, and not beyond its year: the count begins anew on 1 January.
fn believed_until(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let months = day.checked_add(MONTHS.months()).ok()?;
    let year = day.last_of_year().tomorrow().ok()?;
    let end = months.min(year).to_zoned(zone.clone()).ok()?;
    Some(end.timestamp())
}
