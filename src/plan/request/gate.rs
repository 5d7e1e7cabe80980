//! May who the person is go into a region, and their copy out of it? Whatever was decided before, what has no instrument
//! that is valid today is taken away: a request waits, what has crossed a border does not come back.
//!
//! The copy leaves the Region like a feed of personal data. Who the person is comes from where the person's law is: from any
//! Region under that law, on the instruments that it has; without such a Region, on none.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::api::{DataSubjectRequestSpec, Region};
use crate::packs::Country;
use crate::plan::gates::{self, Border, Judgement};
use crate::plan::placement::{Decision, earlier};
use crate::plan::{Reason, RegionFacts, RegionPlan, RequestFacts, RequestWorkloads};

/// A country that is none.
pub(super) fn misspelt(spec: &DataSubjectRequestSpec) -> Option<Reason> {
    let country = &spec.delivery.as_ref()?.object_store.country;
    let field = "spec.delivery.objectStore.country";
    gates::codes(field, std::slice::from_ref(country)).err()
}

/// The decision for a region, unless a law stands in its way.
pub(super) fn lawful(
    facts: &RequestFacts,
    region: &RegionFacts,
    now: Timestamp,
    decision: Decision<RequestWorkloads>,
) -> Decision<RequestWorkloads> {
    let RegionPlan::Run(workloads) = &decision.plan else {
        return decision;
    };
    let data = workloads.config_map.data.iter().flatten();
    let mut carried = data.filter(|(key, _)| *key == super::job::CIPHERTEXT);
    let identity = carried.next().map(|_| of_identity(facts, region, now));
    let copy = copy(facts, region, now);
    let (mut wake_at, mut refusal) = (decision.wake_at, None);
    for (what, judgement) in [
        ("who the person is", identity.flatten()),
        ("the copy", copy),
    ] {
        let Some(judgement) = judgement else { continue };
        wake_at = earlier(wake_at, judgement.wake_at);
        refusal = refusal.or_else(|| {
            let why = judgement.refusal()?;
            Some(Reason {
                message: format!("{what}: {}; until then nothing runs here", why.message),
                ..why
            })
        });
    }
    match refusal {
        None => Decision {
            wake_at,
            ..decision
        },
        Some(why) => Decision {
            wake_at,
            ..RegionPlan::Withdraw(why).into()
        },
    }
}

/// What the Region's laws say to the country of the copy.
fn copy(facts: &RequestFacts, region: &RegionFacts, now: Timestamp) -> Option<Judgement> {
    let delivery = facts.request.spec.delivery.as_ref()?;
    let to = Country::parse(&delivery.object_store.country)?;
    Some(gates::transfer(&border(facts, &region.region, now), &to))
}

fn border<'a>(facts: &'a RequestFacts, from: &'a Region, now: Timestamp) -> Border<'a> {
    Border {
        region: from,
        regions: &facts.regions,
        packs: &facts.packs,
        now,
    }
}

/// What the person's laws say to the Region's countries: each of them that asks for an instrument and is not the Region's
/// too. Of several Regions under one law, one that may send there suffices. Of a law that no Region is under nobody has an
/// instrument: what no decision lets go stays.
fn of_identity(facts: &RequestFacts, to: &RegionFacts, now: Timestamp) -> Option<Judgement> {
    let person = person(facts, to);
    let there = under(&to.region, facts, now);
    let laws = under(&person, facts, now);
    let all = laws.difference(&there).filter_map(|law| {
        let regions = facts.regions.values().map(|from| from.region.as_ref());
        let origins = regions.filter(|from| under(from, facts, now).contains(law));
        let all = origins.filter_map(|from| of_law(facts, (from, to), law, now));
        all.reduce(|one, other| chosen(one, other, true))
            .or_else(|| Some(nobodys(of_law(facts, (&person, to), law, now)?, (law, to))))
    });
    all.reduce(|one, other| chosen(one, other, false))
}

/// What stands for a Region under the person's law alone, without an instrument.
fn person(facts: &RequestFacts, to: &RegionFacts) -> Region {
    let mut region = to.region.as_ref().clone();
    region
        .spec
        .jurisdictions
        .clone_from(&facts.request.spec.jurisdictions);
    region.spec.transfers.clear();
    region
}

/// The regimes that a Region's law calls for today.
fn under(region: &Region, facts: &RequestFacts, now: Timestamp) -> BTreeSet<String> {
    let called = gates::called_for(region, &facts.packs, now).into_iter();
    let today = called.filter(|called| called.from.is_none());
    today.map(|called| called.regime).collect()
}

/// What one law says from a Region to all countries of another.
fn of_law(
    facts: &RequestFacts,
    (from, to): (&Region, &RegionFacts),
    law: &str,
    now: Timestamp,
) -> Option<Judgement> {
    let border = border(facts, from, now);
    let goals = gates::countries(&to.region);
    let all = goals.iter().map(|goal| {
        let mut judgement = gates::transfer(&border, goal);
        // What other laws that Region is under is not the person's matter.
        judgement.closed.retain(|(id, _)| id == law);
        judgement
    });
    all.reduce(|one, other| chosen(one, other, false))
}

/// The same where no Region is there to name an instrument in.
fn nobodys(mut judgement: Judgement, (law, to): (&str, &RegionFacts)) -> Judgement {
    let goals: Vec<String> = gates::countries(&to.region)
        .iter()
        .map(|goal| goal.as_str().to_owned())
        .collect();
    for (_, why) in &mut judgement.closed {
        why.message = format!(
            "{law} lets nothing go to {} without an instrument that is valid today, and no Region is under {law}, which could name one: make one, with the instrument in its spec.transfers",
            goals.join(", ")
        );
    }
    judgement
}

/// The first of two that is open, or closed; looked at again when either may turn.
fn chosen(one: Judgement, other: Judgement, is_open: bool) -> Judgement {
    let wake_at = earlier(one.wake_at, other.wake_at);
    let chosen = if one.is_open() == is_open { one } else { other };
    Judgement { wake_at, ..chosen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::reason::Word;

    #[test]
    fn one_closed_way_closes_and_one_open_origin_suffices_and_both_are_looked_at_again() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let open = Judgement {
            grounds: vec![("eu-gdpr".to_owned(), "contract 7".to_owned())],
            wake_at: at("2027-06-01T00:00:00Z"),
            ..Judgement::default()
        };
        let closed = Judgement {
            closed: vec![(
                "eu-gdpr".to_owned(),
                Word::NobodyMapped.because("no instrument"),
            )],
            wake_at: at("2027-01-01T00:00:00Z"),
            ..Judgement::default()
        };
        for (one, other) in [(&open, &closed), (&closed, &open)] {
            for (wanted, it) in [(true, &open), (false, &closed)] {
                let first = chosen(one.clone(), other.clone(), wanted);
                assert_eq!(
                    (&first.closed, &first.grounds),
                    (&it.closed, &it.grounds),
                    "{wanted}"
                );
                assert_eq!(first.wake_at, closed.wake_at, "whichever turns first");
            }
        }
        let later = chosen(open.clone(), open.clone(), false);
        assert!(later.is_open(), "none is closed");
    }
}
