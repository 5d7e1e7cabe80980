//! May who the person is go into a region, and their copy out of it? Whatever was decided before, what has no instrument
//! that is valid today is taken away: a request waits, what has crossed a border does not come back.
//!
//! The copy leaves the Region like a feed of personal data. Who the person is comes from where the person's law is: from a
//! Region of that law, if the hub has one, on the instruments that it has.

use jiff::Timestamp;

use crate::api::DataSubjectRequestSpec;
use crate::packs::{Country, Jurisdiction};
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
    Some(gates::transfer(&border(facts, region, now), &to))
}

fn border<'a>(facts: &'a RequestFacts, from: &'a RegionFacts, now: Timestamp) -> Border<'a> {
    Border {
        region: &from.region,
        regions: &facts.regions,
        packs: &facts.packs,
        now,
    }
}

/// What the person's laws say to the Region's countries. Of a law that no Region is under nobody knows an instrument, and
/// nothing is said; of several Regions of one law, one that may send there suffices.
fn of_identity(facts: &RequestFacts, to: &RegionFacts, now: Timestamp) -> Option<Judgement> {
    let goals = gates::countries(&to.region);
    let of_origin = |from: &RegionFacts| {
        let border = border(facts, from, now);
        let all = goals.iter().map(|goal| gates::transfer(&border, goal));
        all.reduce(|one, other| chosen(one, other, false))
    };
    let of_law = |law: Country| {
        let regions = facts.regions.values();
        let origins = regions.filter(|from| gates::countries(&from.region).contains(&law));
        let all = origins.filter_map(of_origin);
        all.reduce(|one, other| chosen(one, other, true))
    };
    let codes = facts.request.spec.jurisdictions.iter();
    let laws = codes.filter_map(|code| Some(Jurisdiction::parse(code)?.country().clone()));
    let all = laws.filter(|law| !goals.contains(law)).filter_map(of_law);
    all.reduce(|one, other| chosen(one, other, false))
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
