//! Persons whose data leaves in a calendar year, where a law lets it leave below a number of them. Nothing here counts
//! persons: one who writes twice is two events, and whether two events are one person only an identity would tell, which
//! does not leave the region. So somebody counts in the sources, and attests it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{Severity, Transfer};
use crate::packs::Check;
use crate::plan::gates::{self, BELIEVED_MONTHS as MONTHS, Count, EXEMPT as INSTRUMENT};
use crate::plan::placement::earlier;

/// Looks at every transfer that rests on a number of persons. Answers when an attested count says something else.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let mut wake_at = None;
    for place in &ground.places {
        let spec = &place.facts.region.spec;
        let zone = TimeZone::get(&spec.locale.time_zone).unwrap_or(TimeZone::UTC);
        for transfer in spec.transfers.iter().filter(|it| gates::is_exempt(it)) {
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
    let mut wake_at = None;
    let day = transfer.exported_persons.as_ref();
    let day = day.map_or("", |it| it.counted_on.as_str());
    for regime in &place.regimes {
        let limits = ground.facts.packs.regime(regime);
        let Some(limit) = limits.and_then(gates::limit).map(|fact| fact.value) else {
            continue;
        };
        let count = gates::counted(transfer, limit, zone, ground.now);
        wake_at = earlier(wake_at, count.ends());
        let (message, at_most) = match count {
            Count::Below(_) => continue,
            Count::Reached(_) => {
                let persons = transfer
                    .exported_persons
                    .as_ref()
                    .map_or(0, |it| it.persons);
                (
                    format!(
                        "{persons} persons were counted on {day}, and {INSTRUMENT} is for fewer than {limit} in a calendar year"
                    ),
                    Severity::High,
                )
            }
            Count::Old => (
                format!(
                    "the count of {day} is of last year, or older than {MONTHS} months, and {INSTRUMENT} is for fewer than {limit} persons in a calendar year"
                ),
                Severity::Medium,
            ),
            Count::Missing => (
                format!(
                    "{INSTRUMENT} is for fewer than {limit} persons in a calendar year, and nobody says how many there were: nothing here counts persons, and it exempts nobody until somebody does"
                ),
                Severity::High,
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
    wake_at
}
