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
    for regime in &place.regimes {
        let limits = ground.facts.packs.regime(regime);
        let Some(limit) = limits.and_then(gates::limit).map(|fact| fact.value) else {
            continue;
        };
        let count = gates::counted(transfer, limit, zone, ground.now);
        wake_at = earlier(wake_at, count.ends());
        let Some((message, at_most)) = told(transfer, limit, count) else {
            continue;
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

/// What is so, and how bad that is: where it exempts nobody, nothing goes.
fn told(transfer: &Transfer, limit: u64, count: Count) -> Option<(String, Severity)> {
    let is_for = format!("{INSTRUMENT} is for fewer than {limit} persons in a calendar year");
    let attested = transfer.exported_persons.as_ref();
    let (persons, day) = attested.map_or((0, ""), |it| (it.persons, it.counted_on.as_str()));
    Some(match count {
        Count::Below(_) => return None,
        Count::Reached(_) => (
            format!(
                "{persons} persons were counted on {day}, and {INSTRUMENT} is for fewer than {limit} in a calendar year"
            ),
            Severity::High,
        ),
        Count::Old(_) => (
            format!("the count of {day} is older than {MONTHS} months, and {is_for}"),
            Severity::Medium,
        ),
        Count::LastYear(until) => (
            format!(
                "the count of {day} is of last year, and {is_for}: from {until} on it exempts nobody"
            ),
            Severity::Medium,
        ),
        Count::OverYear => (
            format!(
                "the {persons} persons of {day} are of a year that is over, and {is_for}: it exempts nobody until somebody counts this year's"
            ),
            Severity::High,
        ),
        Count::NoDay => (
            format!(
                "the persons were counted on {day}, which is no day, and {is_for}: it exempts nobody"
            ),
            Severity::High,
        ),
        Count::Ahead(_) => (
            format!(
                "the persons were counted on {day}, which has not come, and {is_for}: it exempts nobody until then"
            ),
            Severity::High,
        ),
        Count::Missing => (
            format!(
                "{is_for}, and nobody says how many there were: nothing here counts persons, and it exempts nobody until somebody does"
            ),
            Severity::High,
        ),
    })
}
