//! What is to stand in the regions' chains of a channel: which regimes no policy carries for it, as long as that is so.
//!
//! What its status says of this is gone with the object, or once it is covered: an auditor is told from here. It follows from
//! specs and packs, not from whether a region answers, and has no moment in it: each change is a record.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::chain::{Statement, When};
use crate::api::SocialChannel;
use crate::evidence::body::{ChannelCoverage, UncarriedRegime};
use crate::evidence::{About, Kind, canonical};
use crate::plan::gates::{Missing, Sanction};
use crate::plan::{ChannelWorkloads, Lacking, Plan};

/// Data sets that a record has room for, over all regimes.
const DATASETS: usize = 500;
/// Characters of a law: a pack of one's own may have provisions of any length.
const LAW: usize = 400;

/// By region, of all that there are: a channel that is for a region no more may have to say there that it has ended.
#[must_use]
pub fn channel_statements<'a>(
    plan: &Plan<ChannelWorkloads>,
    channel: &SocialChannel,
    regions: impl IntoIterator<Item = &'a String>,
) -> BTreeMap<String, Vec<Statement>> {
    let uid = channel.uid().unwrap_or_default();
    let generation = channel.metadata.generation.unwrap_or_default();
    let statement = |region: &String| {
        // Of what is deleted no region is chosen any more.
        let note = plan.notes.get(region).filter(|note| note.chosen);
        let lacking = note.and_then(|note| note.lacking.as_ref());
        let (body, when) = match lacking {
            Some(lacking) => (told(lacking), When::Changed),
            None => (ChannelCoverage::ended(), When::Ended),
        };
        Statement {
            kind: Kind::Coverage,
            about: About {
                kind: "SocialChannel".to_owned(),
                name: channel.name_any(),
                namespace: channel.namespace(),
            },
            source: format!("{uid}/{generation}"),
            // Of texts and whole numbers: what has no one spelling would be a bug, and is not written.
            body: canonical::object(&body).unwrap_or_default(),
            when,
        }
    };
    let all = regions.into_iter();
    all.map(|region| (region.clone(), vec![statement(region)]))
        .filter(|(_, told)| told.iter().all(|one| !one.body.is_empty()))
        .collect()
}

fn told(lacking: &Lacking) -> ChannelCoverage {
    let room = DATASETS / lacking.missing.len().max(1);
    let regime = |missing: &Missing| UncarriedRegime {
        regime: missing.called.regime.clone(),
        law: missing.called.law.chars().take(LAW).collect(),
        nearest: missing.nearest.clone(),
        datasets: missing.datasets.iter().take(room).cloned().collect(),
        more_datasets: u32::try_from(missing.datasets.len().saturating_sub(room))
            .unwrap_or(u32::MAX),
    };
    let enforcement = match lacking.sanction {
        // Of what is covered nothing is lacking.
        Sanction::None => None,
        Sanction::Warn => Some("Warn"),
        Sanction::Grace(_) => Some("Grace"),
        Sanction::Withdraw => Some("Withdraw"),
    };
    ChannelCoverage {
        regimes: lacking.missing.iter().map(regime).collect(),
        enforcement: enforcement.map(str::to_owned),
        ended: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::plan::gates::Called;
    use crate::plan::{Baseline, RegionNote, Verdict};

    fn lacking(datasets: usize, regimes: usize) -> Lacking {
        let called = |n: usize| Called {
            regime: format!("regime-{n}"),
            law: "é".repeat(10_000),
            by: BTreeSet::new(),
            source: "s".to_owned(),
            confirmed: true,
            from: None,
        };
        let table = |n: usize| format!("{}/{}{n}", "s".repeat(63), "t".repeat(120));
        let missing = |n: usize| Missing {
            called: called(n),
            datasets: (0..datasets).map(table).collect(),
            nearest: Some("p".to_owned()),
            message: "m".to_owned(),
        };
        Lacking {
            missing: (0..regimes).map(missing).collect(),
            sanction: Sanction::Grace(Timestamp::UNIX_EPOCH),
        }
    }

    /// What is told of a channel in one region.
    fn stated(chosen: bool, lacking: Option<Lacking>) -> Statement {
        let note = RegionNote {
            chosen,
            lacking,
            ..RegionNote::default()
        };
        let plan = Plan {
            verdict: Verdict::Accepted,
            regions: BTreeMap::new(),
            notes: BTreeMap::from([("eu".to_owned(), note)]),
            findings: Vec::new(),
            uncovered: Vec::new(),
            baseline: Baseline::default(),
            wake_at: None,
            deleting: None,
        };
        let channel = serde_json::from_value(json!({
            "metadata": {"name": "shop", "namespace": "aurora", "uid": "u", "generation": 3},
            "spec": {"platform": {"name": "Generic"}, "regions": {"names": ["eu"]}},
        }));
        let regions = ["eu".to_owned()];
        let told = channel_statements(&plan, &channel.unwrap(), &regions);
        told["eu"][0].clone()
    }

    #[test]
    fn a_channel_is_told_as_long_as_a_regime_is_not_carried_and_then_that_it_ended() {
        let told = stated(true, Some(lacking(2, 1)));
        assert_eq!(
            (told.about.to_string(), told.source.as_str(), told.when),
            ("SocialChannel aurora/shop".to_owned(), "u/3", When::Changed)
        );
        let body: ChannelCoverage = canonical::read(&told.body).unwrap();
        assert_eq!(body.enforcement.as_deref(), Some("Grace"));
        assert_eq!(body.regimes[0].datasets.len(), 2);
        // What reads a policy's coverage takes it for none that lacks a table, or tells a finding.
        let other: crate::evidence::body::Coverage = canonical::read(&told.body).unwrap();
        assert_eq!(other, crate::evidence::body::Coverage::default());
        for (chosen, lacks) in [(true, false), (false, true)] {
            let told = stated(chosen, lacks.then(|| lacking(2, 1)));
            let body: ChannelCoverage = canonical::read(&told.body).unwrap();
            assert_eq!((body, told.when), (ChannelCoverage::ended(), When::Ended));
        }
    }

    #[test]
    fn the_longest_fits_into_a_record() {
        let told = stated(true, Some(lacking(300, 20)));
        let body: ChannelCoverage = canonical::read(&told.body).unwrap();
        assert_eq!(
            (
                body.regimes[0].datasets.len(),
                body.regimes[0].more_datasets
            ),
            (25, 275)
        );
        let text = String::from_utf8(canonical::encode(&told.body)).unwrap();
        assert!(text.chars().count() < 200_000, "{}", text.chars().count());
    }
}
