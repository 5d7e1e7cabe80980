//! Legal holds whose review date has passed: nobody is seen to ask whether they are still needed. And regions in which the
//! policy erases for weeks though a hold may be opened meanwhile that they would not hear of.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{LegalHold, Severity};
use crate::contract::RetainMode;
use crate::packs::Check;
use crate::plan::placement::earlier;
use crate::plan::{hold_list, legal_hold};

/// How old a list of holds may be without anybody being asked whether so long is meant.
const LONGEST: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Looks at every hold over a store of the policy's rules. Answers when the next review date passes.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let rules = ground.facts.policy.spec.rules.iter();
    let stores: BTreeSet<&str> = rules.map(|rule| rule.dataset.store.as_str()).collect();
    let mut wake_at = None;
    let said = legal_hold::Said {
        policies: &ground.facts.policies,
        channels: &ground.facts.channels,
    };
    for place in &ground.places {
        let region = &place.facts.region;
        let binds = |hold: &LegalHold| {
            // A store that the Region lacks is the policy's name for it all the same.
            let named = hold.spec.scopes.iter().filter_map(|it| it.store.as_deref());
            let meant = legal_hold::parts(hold, region, said).into_iter();
            let meant = meant.map(|part| part.store.name.as_str());
            named.chain(meant).any(|store| stores.contains(store))
        };
        let holds = ground.facts.holds.values().filter(|hold| {
            hold.spec.release.is_none() && legal_hold::is_for(hold, region) && binds(hold)
        });
        let holds: Vec<&Arc<LegalHold>> = holds.collect();
        unbounded(ground, place, !holds.is_empty(), book);
        for hold in holds {
            // A date that is none is told by the hold itself.
            let Some(over) = review_over(hold) else {
                continue;
            };
            if over > ground.now {
                wake_at = earlier(wake_at, Some(over));
                continue;
            }
            enter(place, hold, book);
        }
    }
    wake_at
}

/// A region that is cut off erases until then by the list that it was told last. It matters more where something is held:
/// counsel may widen that at any time.
fn unbounded(ground: &Ground<'_>, place: &Place<'_>, is_held: bool, book: &mut Book<'_>) {
    let spec = &ground.facts.policy.spec;
    let erases =
        spec.mode == Some(RetainMode::Enforce) && spec.rules.iter().any(|it| it.erase.is_some());
    let bound = place.facts.region.spec.hold_list();
    if hold_list::length(&bound) <= LONGEST || !erases {
        return;
    }
    let message = format!(
        "Region {} erases by a list of legal holds that may be {} old: cut off from the hub, it does not hear for so long of a hold that is opened meanwhile",
        place.name, bound.max_age
    );
    let remedy = "let the list be two weeks old at most, such as holds: {maxAge: P3D}, which is also what absent means";
    let field = format!("Region {}, spec.holds.maxAge", place.name);
    for regime in &place.regimes {
        let told = Told {
            at_most: if is_held {
                Severity::High
            } else {
                Severity::Low
            },
            ..Told::once(message.as_str(), remedy)
        };
        let spot = Spot::here(place.name, field.as_str());
        book.enter(regime, Check::HoldListUnbounded, spot, told);
    }
}

fn enter(place: &Place<'_>, hold: &LegalHold, book: &mut Book<'_>) {
    let name = hold.name_any();
    let message = format!(
        "the review date {} of LegalHold {name} has passed, and what it holds stays: nobody is seen to ask whether that is still needed",
        hold.spec.review_on
    );
    let remedy =
        format!("have counsel look at LegalHold {name}, and move spec.reviewOn or release it");
    for regime in &place.regimes {
        let told = Told::once(message.as_str(), remedy.as_str());
        let spot = Spot::here(place.name, format!("LegalHold {name}, spec.reviewOn"));
        book.enter(regime, Check::HoldPastReview, spot, told);
    }
}

/// The day of the review ends everywhere in UTC, as the hold's own condition has it.
fn review_over(hold: &LegalHold) -> Option<Timestamp> {
    let next = legal_hold::review_on(hold)?.tomorrow().ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
