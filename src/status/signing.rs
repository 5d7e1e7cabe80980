//! What a region's key signed, from what its runs report. A region's pods write that: a signature counts when it is
//! one, by its key, over what the hub has.

use kube::ResourceExt;

use super::behind::behind;
use super::chain::{Chain, Statement};
use super::keeper::keeper;
use super::reapplied::reapplied;
use super::reason::Word;
use super::{RunEnd, Seen, SigningObserved};
use crate::api::{Region, RequestsStatus, SigningStatus, names};
use crate::contract::{AttestReport, Behind, Outcome};
use crate::evidence::body::KeyRotation;
use crate::evidence::{Checkpoint, Countersignature, KeyId, Tip};
use crate::plan::{Plan, Reason, RegionPlan, SigningWorkloads};

/// What is known of a region's signing.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// For the Region's status.
    pub status: SigningStatus,
    /// The key for requests, where the region takes any.
    pub requests: Option<RequestsStatus>,
    /// A signature that its record does not have yet.
    pub checkpoint: Option<Checkpoint>,
    /// What erasing again did, for the region's chain.
    pub reapplied: Option<Statement>,
    /// The key that is to sign next, named by the one that signs, as the region's last run told it.
    pub next: Option<KeyRotation>,
    /// Signatures over other regions' chains, as the region's runs told them.
    pub countersignatures: Vec<Countersignature>,
    /// How far the region's last run came with other regions' chains.
    pub came: Vec<Behind>,
    /// What is left of it in the region, `the signing of its evidence (2 objects)`: a Region that is being deleted waits
    /// until nothing is.
    pub left: Option<String>,
}

/// What is to be told.
#[must_use]
pub fn signing(
    plan: &Plan<SigningWorkloads>,
    seen: Option<&Seen<SigningObserved>>,
    chain: &Chain,
    region: &Region,
) -> Signed {
    let name = region.name_any();
    let none = SigningStatus::default();
    let told = region.status.as_ref().and_then(|s| s.evidence.as_ref());
    let old = told.unwrap_or(&none);
    let decision = plan.regions.get(&name);
    let (known, clean) = match seen {
        Some(Seen::Known {
            children,
            inventory,
            troubles,
        }) => (Some((children, inventory)), troubles.is_empty()),
        Some(Seen::Unknown { .. }) | None => (None, false),
    };
    let is_left = !matches!(decision, Some(RegionPlan::Leave(_)));
    let mut inventory = known.map_or_else(|| old.inventory.clone(), |(_, now)| now.clone());
    inventory.retain(|_| is_left);
    let is_gone =
        matches!(decision, Some(RegionPlan::Withdraw(_))) && clean && inventory.is_empty();
    let children = known.map(|(children, _)| children);
    let checkpoint = children.and_then(|seen| newest(seen, chain, &name));
    let reason = children.map_or_else(|| said(old), |seen| unsigned(seen, chain, &name, old));
    let signed = checkpoint.as_ref().or(chain.signed());
    let told = children.and_then(last_word);
    let next = told.and_then(|told| told.next.clone());
    let next = next.filter(|next| signed.is_some_and(|signed| next.is_named_by(signed.key, &name)));
    let status = SigningStatus {
        key: signed.map(|signed| signed.key.to_string()),
        sequence: signed.and_then(|signed| i64::try_from(signed.tip.sequence).ok()),
        head: signed.map(|signed| signed.tip.head.to_string()),
        signed_at: signed.map(|signed| signed.at.to_string()),
        reason: reason.as_ref().map(|reason| reason.word.clone()),
        message: reason.map(|reason| reason.message),
        next_key: chain.successor(&name).map(|record| record.source),
        unproven: told.map_or_else(|| old.unproven.clone(), |told| told.unproven.clone()),
        behind: told.map_or_else(|| old.behind.clone(), |told| behind(&told.behind)),
        sealed_to: place(chain.sealed_to()),
        sealing_problem: old.sealing_problem.clone(),
        expired_to: place(chain.expired_to()),
        kept_for: old.kept_for.clone(),
        untrusted_key: chain.unnamed_key(&name).map(untrusted),
        last_handled_rotate_at: rotated(told, region)
            .or_else(|| old.last_handled_rotate_at.clone()),
        last_handled_run_at: handled(decision, children, region)
            .or_else(|| old.last_handled_run_at.clone()),
        inventory,
    };
    let objects = status.inventory.len();
    let mut requests = keeper(decision, seen, region);
    let reapplied = reapplied(&mut requests, decision, seen, region);
    Signed {
        requests,
        reapplied,
        left: (is_left && !is_gone && (objects > 0 || known.is_some())).then(|| left(objects)),
        status,
        checkpoint,
        next,
        countersignatures: children.map_or_else(Vec::new, |seen| others(seen, &name)),
        came: told.map_or_else(Vec::new, |told| came(told, &name)),
    }
}

/// What is left of signing in a region, in words.
fn left(objects: usize) -> String {
    format!("the signing of its evidence ({objects} objects)")
}

/// The place of a record; none before the first.
fn place(tip: Tip) -> Option<i64> {
    i64::try_from(tip.sequence).ok().filter(|place| *place > 0)
}

/// What a region's runs countersigned.
fn others(children: &SigningObserved, by: &str) -> Vec<Countersignature> {
    let reports = children.run.ended.iter();
    let told = reports.filter_map(|end| end.report.as_ref()?.body.as_ref());
    let made = told.flat_map(|told| &told.countersignatures);
    made.filter(|made| made.by == by && made.is_signed())
        .cloned()
        .collect()
}

/// How far a run countersigned other regions' chains.
fn came(told: &AttestReport, by: &str) -> Vec<Behind> {
    let made = told.countersignatures.iter();
    let made = made.filter(|made| made.by == by && made.is_signed());
    let to = |made: &Countersignature| Behind {
        region: made.region.clone(),
        noted: made.tip,
    };
    made.map(to).collect()
}

/// What the last run that said anything said.
fn last_word(children: &SigningObserved) -> Option<&AttestReport> {
    let mut ended = children.run.ended.iter().rev();
    ended.find_map(|end| end.report.as_ref()?.body.as_ref())
}

/// The request for another key, once the key that signs is the one that it asked for.
fn rotated(told: Option<&AttestReport>, region: &Region) -> Option<String> {
    let asked = region.annotations().get(names::ANNOTATION_ROTATE_AT)?;
    let asked = names::acknowledged(asked);
    (told?.rotated.as_ref() == Some(&asked)).then_some(asked)
}

fn untrusted((signs, before): (KeyId, KeyId)) -> String {
    format!(
        "{signs} signs, and {before}, which signed before it, has not named it: `audit verify` says UntrustedKey. Find out \
         why the region's Secret {} was lost or restored; then tell the new key to whoever verifies, by another way than \
         the evidence, and they write it beside the old one. The next orderly change of key ends this message",
        names::SIGNING
    )
}

/// The newest signature over our chain that is newer than what the chain knows. One over the same place again counts only while
/// nothing waits behind it: from a region that was cut off it would say that what came meanwhile was written later than it was.
fn newest(children: &SigningObserved, chain: &Chain, region: &str) -> Option<Checkpoint> {
    let signed = chain
        .signed()
        .map(|signed| (signed.tip.sequence, signed.at));
    let reports = children.run.ended.iter();
    reports
        .filter_map(|end| sound(end, chain, region))
        .filter(|made| match signed {
            Some((to, at)) if to == made.tip.sequence => at < made.at && chain.tip() == made.tip,
            Some((to, _)) => to < made.tip.sequence,
            None => true,
        })
        .max_by_key(|made| (made.tip.sequence, made.at))
        .cloned()
}

/// A signature that a run reports, when it is one.
fn sound<'a>(end: &'a RunEnd<AttestReport>, chain: &Chain, region: &str) -> Option<&'a Checkpoint> {
    let made = end.report.as_ref()?.body.as_ref()?.checkpoint.as_ref()?;
    (made.region == region && chain.holds(&made.tip) && made.is_signed()).then_some(made)
}

/// Why the last run signed nothing.
fn unsigned(
    children: &SigningObserved,
    chain: &Chain,
    region: &str,
    old: &SigningStatus,
) -> Option<Reason> {
    let Some(last) = &children.run.last else {
        return said(old);
    };
    match &last.report {
        Some(report) if report.outcome != Outcome::Done => Some(Reason {
            word: report.reason.clone(),
            message: report.message.clone(),
        }),
        Some(_) if sound(last, chain, region).is_some() => None,
        Some(_) => Some(Word::NotThisChain.because(format!(
            "what Job {} signed is not what the hub has recorded of this region",
            last.job
        ))),
        // Its pod is gone; what it said was read before, or was a success.
        None if last.succeeded => said(old),
        None => Some(Word::SigningFailed.because(format!(
            "Job {} failed and left no report: its pod was killed, never started or timed out; is ServiceAccount {} \
             there, which the chart makes in the region?",
            last.job,
            names::SIGNING
        ))),
    }
}

fn said(old: &SigningStatus) -> Option<Reason> {
    Some(Reason {
        word: old.reason.clone()?,
        message: old.message.clone().unwrap_or_default(),
    })
}

/// The run-at annotation's value, once the Job that it asked for is there.
fn handled(
    decision: Option<&RegionPlan<SigningWorkloads>>,
    children: Option<&SigningObserved>,
    region: &Region,
) -> Option<String> {
    let (workloads, children) = (decision?.workloads()?, children?);
    let job = workloads
        .run_now
        .as_ref()
        .and_then(|job| job.metadata.name.as_ref());
    let is_made = job.is_none_or(|name| children.run.jobs.contains(name));
    let asked = region.annotations().get(names::ANNOTATION_RUN_AT);
    asked
        .filter(|_| is_made)
        .map(|asked| names::acknowledged(asked))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::{RunObserved, Statement, When};
    use super::*;
    use crate::evidence::{About, Kind, Object, Signer, checkpoint};

    fn chain() -> Chain {
        let mut chain = Chain::new("f", "eu");
        for source in ["a", "b"] {
            let statement = Statement {
                kind: Kind::Run,
                about: About::cluster("DataPolicy", "p"),
                source: source.to_owned(),
                body: Object::new(),
                when: When::Once,
            };
            let entry = chain.entry(&statement, Timestamp::UNIX_EPOCH).unwrap();
            let record = entry.append("eu", &chain.tip());
            chain.enter(&record, Vec::new());
        }
        chain
    }

    fn end(made: Option<Checkpoint>, outcome: &str) -> RunEnd<AttestReport> {
        let report = json!({
            "version": 1, "command": "attest", "outcome": outcome, "reason": "NotAnExtension", "message": "no",
            "startedAt": "2026-11-22T09:59:00Z", "finishedAt": "2026-11-22T09:59:59Z",
            "body": AttestReport { checkpoint: made, ..AttestReport::default() },
        });
        RunEnd {
            job: "j".to_owned(),
            uid: "u".to_owned(),
            scheduled: None,
            started: None,
            at: Timestamp::UNIX_EPOCH,
            succeeded: outcome == "Done",
            report: Some(serde_json::from_value(report).unwrap()),
        }
    }

    fn observed(end: RunEnd<AttestReport>) -> SigningObserved {
        let run = RunObserved {
            last: Some(end.clone()),
            ended: vec![end],
            ..RunObserved::default()
        };
        SigningObserved {
            run,
            ..SigningObserved::default()
        }
    }

    #[test]
    fn only_a_signature_over_what_the_hub_has_is_believed() {
        let (chain, signer) = (chain(), Signer::new(&[3; 32]));
        let at = Timestamp::from_second(60).unwrap();
        let sign = |region: &str, tip| checkpoint(&signer, region, tip, at).unwrap();
        let good = sign("eu", chain.tip());
        let mut forged = good.clone();
        forged.at = Timestamp::from_second(61).unwrap();
        let mut longer = chain.tip();
        longer.sequence += 1;
        for (made, believed) in [
            (good.clone(), true),
            (forged, false),
            (sign("us", chain.tip()), false),
            (sign("eu", longer), false),
            (sign("eu", Tip::genesis("f", "eu")), false),
        ] {
            let seen = observed(end(Some(made), "Done"));
            assert_eq!(newest(&seen, &chain, "eu").is_some(), believed);
            let why = unsigned(&seen, &chain, "eu", &SigningStatus::default());
            let word = why.map(|why| why.word);
            assert_eq!(word.as_deref(), (!believed).then_some("NotThisChain"));
        }
        let refused = observed(end(None, "Refused"));
        let why = unsigned(&refused, &chain, "eu", &SigningStatus::default());
        assert_eq!(why.unwrap().word, "NotAnExtension");
    }

    #[test]
    fn a_signature_is_written_once() {
        let (mut chain, signer) = (chain(), Signer::new(&[3; 32]));
        let made = checkpoint(&signer, "eu", chain.tip(), Timestamp::UNIX_EPOCH).unwrap();
        let seen = observed(end(Some(made.clone()), "Done"));
        assert_eq!(newest(&seen, &chain, "eu"), Some(made.clone()));
        chain.sign(&made);
        assert_eq!(newest(&seen, &chain, "eu"), None);
        assert_eq!(chain.signed(), Some(&made));
        // Another key, later: the old one's stays beside it.
        let later = Timestamp::from_second(9).unwrap();
        let other = checkpoint(&Signer::new(&[4; 32]), "eu", chain.tip(), later).unwrap();
        assert_eq!(chain.with(&other), [other.clone(), made]);
    }

    /// The plan that a Region of these annotations and status has, and the Region.
    fn planned(
        annotations: &serde_json::Value,
        evidence: &serde_json::Value,
    ) -> (Plan<SigningWorkloads>, Region) {
        let region: Region = serde_json::from_value(json!({
            "metadata": {"name": "eu", "annotations": annotations},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
            "status": {"clusterId": "one", "evidence": evidence},
        }))
        .unwrap();
        let own = std::sync::Arc::new(region.clone());
        let known = crate::plan::RegionFacts {
            region: own.clone(),
            reach: crate::plan::Reach::Ready,
            namespaces: None,
            remains: false,
        };
        let facts = crate::plan::SigningFacts {
            region: own,
            regions: [("eu".to_owned(), known)].into(),
            from: Tip::genesis("f", "eu"),
            digests: Vec::new(),
            holds_seen: None,
            successor: None,
            witness: Vec::new(),
            in_use: true,
            policies: std::collections::BTreeMap::new(),
            channels: Vec::new(),
            holds: std::collections::BTreeMap::new(),
            packs: std::sync::Arc::default(),
            settings: std::sync::Arc::new(crate::plan::Settings {
                fleet: "f".into(),
                image: "i".into(),
                image_pull_policy: None,
            }),
        };
        (crate::plan::signing(&facts, Timestamp::UNIX_EPOCH), region)
    }

    fn known(children: SigningObserved, objects: usize) -> Seen<SigningObserved> {
        let entry = crate::api::InventoryEntry {
            kind: "ConfigMap".into(),
            namespace: "runs".into(),
            name: "x".into(),
            uid: "u".into(),
        };
        Seen::Known {
            children,
            inventory: vec![entry; objects],
            troubles: Vec::new(),
        }
    }

    /// A run that said this, and no more.
    fn told(report: AttestReport) -> RunEnd<AttestReport> {
        let mut end = end(None, "Done");
        end.report.as_mut().unwrap().body = Some(report);
        end
    }

    #[test]
    fn the_last_run_that_said_anything_is_believed_about_keys() {
        let (chain, old, next) = (chain(), Signer::new(&[3; 32]), Signer::new(&[4; 32]));
        let at = Timestamp::from_second(60).unwrap();
        let made = checkpoint(&old, "eu", chain.tip(), at).unwrap();
        let named = crate::evidence::name(&old, "eu", next.key());
        let by_another = crate::evidence::name(&next, "eu", next.key());
        let asked = json!({"tradewind.dev/rotate-key-at": "second"});
        let (plan, region) = planned(
            &asked,
            &json!({"lastHandledRotateAt": "first", "unproven": ["us"]}),
        );
        let signed = |next: &KeyRotation, rotated: &str| {
            let said = told(AttestReport {
                checkpoint: Some(made.clone()),
                next: Some(next.clone()),
                rotated: Some(rotated.to_owned()),
                unproven: vec!["br".to_owned()],
                ..AttestReport::default()
            });
            let mut silent = end(None, "Done");
            silent.report = None;
            let mut children = observed(said);
            children.run.ended.push(silent);
            signing(&plan, Some(&known(children, 1)), &chain, &region)
        };
        let good = signed(&named, "second");
        assert_eq!(good.next, Some(named.clone()));
        assert_eq!(good.checkpoint, Some(made.clone()));
        assert_eq!(good.status.key, Some(old.key().to_string()));
        assert_eq!(good.status.unproven, ["br"]);
        assert_eq!(
            good.status.last_handled_rotate_at.as_deref(),
            Some("second")
        );
        let other = signed(&by_another, "first");
        assert_eq!(other.next, None, "named by a key that does not sign");
        assert_eq!(
            other.status.last_handled_rotate_at.as_deref(),
            Some("first")
        );
        // Of a region that does not answer the last word stands.
        let lost = signing(&plan, None, &chain, &region).status;
        assert_eq!(lost.unproven, ["us"]);
        assert_eq!(lost.last_handled_rotate_at.as_deref(), Some("first"));
    }

    #[test]
    fn a_newer_signature_takes_the_place_of_the_one_before() {
        let (mut chain, signer) = (chain(), Signer::new(&[3; 32]));
        let sign = |tip, second| {
            checkpoint(&signer, "eu", tip, Timestamp::from_second(second).unwrap()).unwrap()
        };
        let first = sign(chain.tip(), 1);
        chain.sign(&first);
        let again = sign(chain.tip(), 2);
        let seen = observed(end(Some(again.clone()), "Done"));
        assert_eq!(newest(&seen, &chain, "eu"), Some(again.clone()));
        chain.sign(&again);
        let seen = observed(end(Some(first), "Done"));
        assert_eq!(newest(&seen, &chain, "eu"), None, "an older one");
    }

    #[test]
    fn only_what_the_region_itself_countersigned_is_taken_from_it() {
        let chain = chain();
        let by = |by: &str| {
            let witness = crate::evidence::Witness {
                by,
                region: "us",
                previous: None,
            };
            let signer = Signer::new(&[3; 32]);
            crate::evidence::countersign(&signer, witness, chain.tip(), Timestamp::UNIX_EPOCH)
                .unwrap()
        };
        let mut forged = by("eu");
        forged.region = "br".to_owned();
        let children = observed(told(AttestReport {
            countersignatures: vec![by("eu"), by("br"), forged],
            ..AttestReport::default()
        }));
        assert_eq!(others(&children, "eu"), [by("eu")]);
        let (plan, region) = planned(&json!({}), &json!({}));
        let came = signing(&plan, Some(&known(children, 1)), &chain, &region).came;
        let noted = chain.tip();
        let region = "us".to_owned();
        assert_eq!(came, [Behind { region, noted }]);
    }

    #[test]
    fn what_is_left_is_told_while_something_is_or_nobody_has_looked() {
        let entry = json!({"kind": "ConfigMap", "namespace": "runs", "name": "x", "uid": "u"});
        let (plan, region) = planned(&json!({}), &json!({"inventory": [entry, entry]}));
        let left = |seen: Option<&Seen<SigningObserved>>, region: &Region| {
            signing(&plan, seen, &chain(), region).left
        };
        let of = |objects: u8| Some(format!("the signing of its evidence ({objects} objects)"));
        assert_eq!(left(None, &region), of(2), "as it was last seen");
        assert_eq!(
            left(Some(&known(SigningObserved::default(), 1)), &region),
            of(1)
        );
        assert_eq!(
            left(Some(&known(SigningObserved::default(), 0)), &region),
            of(0),
            "it is to be made"
        );
        let (_, unknown) = planned(&json!({}), &json!({}));
        assert_eq!(left(None, &unknown), None);
        // What is left to itself keeps nobody.
        let mut orphaned = plan.clone();
        let why = Word::NotThisChain.because("any");
        orphaned
            .regions
            .insert("eu".to_owned(), RegionPlan::Leave(why));
        let seen = known(SigningObserved::default(), 1);
        assert_eq!(
            signing(&orphaned, Some(&seen), &chain(), &region).left,
            None
        );
    }

    #[test]
    fn why_nothing_is_signed_stands_until_a_run_says_another_thing() {
        let old = SigningStatus {
            reason: Some("NotAnExtension".into()),
            message: Some("no".into()),
            ..SigningStatus::default()
        };
        let word = |seen: &SigningObserved| {
            let why = unsigned(seen, &chain(), "eu", &old);
            why.map(|why| (why.word, why.message))
        };
        let before = Some(("NotAnExtension".to_owned(), "no".to_owned()));
        assert_eq!(word(&SigningObserved::default()), before, "no run since");
        let mut gone = end(None, "Done");
        gone.report = None;
        assert_eq!(
            word(&observed(gone.clone())),
            before,
            "its pod is cleared away"
        );
        gone.succeeded = false;
        assert_eq!(word(&observed(gone)).unwrap().0, "SigningFailed");
    }

    /// A run that somebody asked for is acknowledged once its Job is there, and the value before it until then.
    #[test]
    fn a_run_now_is_acknowledged_when_its_job_is_there() {
        let asked = json!({"tradewind.dev/run-at": "second"});
        let (plan, region) = planned(&asked, &json!({"lastHandledRunAt": "first"}));
        let job = plan.regions["eu"]
            .workloads()
            .unwrap()
            .run_now
            .clone()
            .unwrap();
        let handled = |jobs: &[String]| {
            let mut children = SigningObserved::default();
            children.run.jobs = jobs.iter().cloned().collect();
            let signed = signing(&plan, Some(&known(children, 1)), &chain(), &region);
            signed.status.last_handled_run_at
        };
        assert_eq!(handled(&[]).as_deref(), Some("first"));
        assert_eq!(
            handled(&[job.metadata.name.unwrap()]).as_deref(),
            Some("second")
        );
    }

    /// Which key signs though the one before it has not named it, and how far the archive goes.
    #[test]
    fn a_key_that_nobody_named_is_told_with_both_keys() {
        let (mut chain, old, next) = (chain(), Signer::new(&[3; 32]), Signer::new(&[4; 32]));
        let (plan, region) = planned(&json!({}), &json!({}));
        let first = checkpoint(&old, "eu", chain.tip(), Timestamp::UNIX_EPOCH).unwrap();
        chain.sign(&first);
        let status = |chain: &Chain| signing(&plan, None, chain, &region).status;
        let sound = status(&chain);
        assert_eq!(
            (sound.untrusted_key, sound.sealed_to, sound.expired_to),
            (None, None, None)
        );
        let later = Timestamp::from_second(9).unwrap();
        chain.sign(&checkpoint(&next, "eu", chain.tip(), later).unwrap());
        let told = status(&chain).untrusted_key.unwrap();
        let says = format!(
            "{} signs, and {}, which signed before it",
            next.key(),
            old.key()
        );
        assert!(told.starts_with(&says), "{told}");
        let of = |sequence| Tip {
            sequence,
            ..chain.tip()
        };
        assert_eq!(
            [0, 1, 7].map(|sequence| place(of(sequence))),
            [None, Some(1), Some(7)]
        );
    }
}
