//! Whether a policy's evidence is fresh: silence is red.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::reason::Word;
use super::resource::ready_field;
use super::said::{Said, word};
use super::timing::{Firing, earliest};
use crate::api::condition::Truth;
use crate::api::{DataPolicy, Region, RegionEvidence};
use crate::plan::{Plan, PolicyWorkloads, Reason, RegionPlan};

/// What is known of a policy's evidence in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The region's zone, in which both schedules are read.
    pub zone: String,
    /// When the region's key signs, five cron fields.
    pub signing: String,
    /// The UIDs of those of its runs that stand there, of all that status or the region knows.
    pub runs: BTreeSet<String>,
    /// When the last recorded run of the policy began.
    pub last_run: Option<Timestamp>,
    /// When the region's key last signed.
    pub signed_at: Option<Timestamp>,
    /// Since when the chain's oldest record waits for that.
    pub unsigned_since: Option<Timestamp>,
    /// The place of the first object that breaks the chain.
    pub fault: Option<u64>,
    /// Why what is to be written could not be.
    pub unwritten: Option<String>,
    /// What the region's key answered when it did not sign: its reason and sentence.
    pub unsigned_because: Option<Reason>,
    /// Regions that were shown another chain than they had countersigned.
    pub unproven_by: Vec<String>,
    /// Regions that have yet to be shown what came between what they had countersigned and what the hub still has.
    pub behind_by: Vec<String>,
    /// Why auditors do not trust the key that signs.
    pub untrusted_key: Option<String>,
}

impl Recorded {
    /// Takes in what Regions say of what they countersign: of the chain of this one.
    pub fn seen_by<'a>(&mut self, region: &str, regions: impl Iterator<Item = &'a Region>) {
        for other in regions {
            let told = other
                .status
                .as_ref()
                .and_then(|told| told.evidence.as_ref());
            let Some(told) = told.filter(|_| other.name_any() != region) else {
                continue;
            };
            if told.unproven.iter().any(|named| named == region) {
                self.unproven_by.push(other.name_any());
            }
            if told.behind.iter().any(|named| named.region == region) {
                self.behind_by.push(other.name_any());
            }
        }
        self.unproven_by.sort();
        self.behind_by.sort();
    }
}

/// What is so in one region, and when it changes by itself.
pub(super) fn say(
    region: &str,
    policy: &DataPolicy,
    recorded: Option<&Recorded>,
    now: Timestamp,
) -> (Said, Option<Timestamp>) {
    let Some(recorded) = recorded else {
        let why = Word::NotAsked.because("the region's chain is not known");
        return (Said::of(region, Truth::Unknown, why), None);
    };
    let broken = broken(recorded);
    let (run, until_run) = runs(policy, recorded, now);
    let (signed, until_signed) = signed(recorded, now);
    let said = [broken, run, signed, doubted(recorded)];
    let worst = [Truth::False, Truth::Unknown]
        .into_iter()
        .find_map(|truth| {
            let mut all = said.iter().flatten();
            all.find(|(told, _)| *told == truth).cloned()
        });
    let (truth, reason) = worst.unwrap_or_else(|| {
        let message = "no two runs in a row that were due are without a record, and the region's key signs what is recorded";
        (Truth::True, Word::Fresh.because(message))
    });
    let wake_at = earliest([until_run, until_signed], now);
    (Said::of(region, truth, reason), wake_at)
}

/// The same, for the region's entry in a policy's status.
pub(super) fn here(
    region: &str,
    policy: &DataPolicy,
    recorded: Option<&Recorded>,
    now: Timestamp,
) -> RegionEvidence {
    let (said, _) = say(region, policy, recorded, now);
    let (fresh, reason) = (ready_field(said.truth), word(said.reason.word));
    let entries = policy.status.iter().flat_map(|status| &status.regions);
    let old = entries.into_iter().find(|entry| entry.name == region);
    let old = old.and_then(|entry| entry.evidence.as_ref());
    let same = old.filter(|old| old.fresh == fresh && old.reason == reason);
    let moment = Timestamp::from_second(now.as_second()).unwrap_or(now);
    RegionEvidence {
        fresh,
        reason,
        since: same.map_or_else(|| moment.to_string(), |old| old.since.clone()),
    }
}

/// Where the last that is to be recorded of a region could not be written, nothing is taken away: what is there is the
/// only other place that knows of it. It is stopped, and all other regions go on.
pub fn stop_unrecorded<'a>(
    plan: &mut Plan<PolicyWorkloads>,
    unwritten: impl Iterator<Item = (&'a String, String)>,
) {
    for (region, why) in unwritten {
        if let Some(decided @ RegionPlan::Withdraw(_)) = plan.regions.get_mut(region) {
            let message = format!(
                "what happened there is recorded before anything is taken away, and that fails: {why}"
            );
            *decided = RegionPlan::Pause(Word::NotRecorded.because(message));
        }
    }
}

type Judged = (Option<(Truth, Reason)>, Option<Timestamp>);

fn broken(recorded: &Recorded) -> Option<(Truth, Reason)> {
    if let Some(place) = recorded.fault {
        let message = format!(
            "the region's chain is broken at record {place}: it is missing, or not the one that followed; \
             look for who changed it, and verify an export against the region's last signature"
        );
        return Some((Truth::False, Word::ChainBroken.because(message)));
    }
    if !recorded.unproven_by.is_empty() {
        let message = format!(
            "{} countersigned another chain of the region than the hub shows now: compare an export from before with what the hub \
             has, and look for who changed it",
            recorded.unproven_by.join(", ")
        );
        return Some((Truth::False, Word::ChainUnproven.because(message)));
    }
    let why = recorded.unwritten.as_ref()?;
    let message = format!("what is to be recorded could not be written: {why}");
    Some((Truth::False, Word::NotRecorded.because(message)))
}

/// What is in order by itself, and what somebody must look at before it proves anything.
fn doubted(recorded: &Recorded) -> Option<(Truth, Reason)> {
    if let Some(why) = &recorded.untrusted_key {
        return Some((Truth::False, Word::KeyUntrusted.because(why.as_str())));
    }
    let by = recorded.behind_by.first()?;
    let message = format!(
        "{} countersigned the region's chain up to an earlier record than those that the hub still has, and is to be shown what is between \
         from the archive: status.evidence.behind of Region {by} says how far it has come, and why where it does not go on",
        recorded.behind_by.join(", ")
    );
    Some((Truth::Unknown, Word::ChainNotShown.because(message)))
}

/// A run that was due twice and stands nowhere. A pause is no excuse: whoever made it is told for how long.
fn runs(policy: &DataPolicy, recorded: &Recorded, now: Timestamp) -> Judged {
    if policy.spec.rules.iter().all(|rule| rule.erase.is_none()) {
        return (None, None);
    }
    let made = policy.metadata.creation_timestamp.as_ref().map(|at| at.0);
    let Some(since) = recorded.last_run.or(made) else {
        return (None, None);
    };
    let limit = limit(&policy.spec.retention.schedule, &recorded.zone, since);
    // The run that was due may take its time.
    let window = policy.spec.retention.window().parse::<SignedDuration>();
    let limit = limit.and_then(|limit| limit.checked_add(window.unwrap_or_default()).ok());
    let Some(limit) = limit else {
        let why = Word::NotAsked.because("the policy's schedule cannot be read");
        return (Some((Truth::Unknown, why)), None);
    };
    if limit <= now {
        let what = match recorded.last_run {
            Some(at) => format!("the last recorded run began at {at}"),
            None => format!("no run is recorded since the policy was made at {since}"),
        };
        let message = format!("{what}, and two have been due since");
        return (
            Some((Truth::False, Word::RunNotRecorded.because(message))),
            None,
        );
    }
    let first = recorded.last_run.is_none().then(|| {
        let why = Word::AwaitingFirstRun.because("no run is recorded yet");
        (Truth::Unknown, why)
    });
    (first, Some(limit))
}

/// The region's key signs what is there each time anew, so that its silence is seen also where nothing happens.
fn signed(recorded: &Recorded, now: Timestamp) -> Judged {
    if let Some(refused) = &recorded.unsigned_because {
        return (Some((Truth::False, refused.clone())), None);
    }
    let Some(since) = recorded.signed_at.or(recorded.unsigned_since) else {
        let why = Word::AwaitingSignature.because("nothing is recorded that could be signed");
        return (Some((Truth::Unknown, why)), None);
    };
    let limit = limit(&recorded.signing, &recorded.zone, since);
    if limit.is_none_or(|limit| limit <= now) {
        let what = match recorded.signed_at {
            Some(at) => format!("the region's key last signed at {at}"),
            None => format!("the region's key has signed nothing that was recorded since {since}"),
        };
        let message = format!(
            "{what}, and was to twice since; look at CronJob tradewind-evidence in the region's runNamespace"
        );
        return (Some((Truth::False, Word::NotSigned.because(message))), None);
    }
    let first = recorded.signed_at.is_none().then(|| {
        let why = Word::AwaitingSignature.because("the region's key has not signed yet");
        (Truth::Unknown, why)
    });
    (first, limit)
}

/// A little after the second time that a schedule fires after a moment.
fn limit(schedule: &str, zone: &str, since: Timestamp) -> Option<Timestamp> {
    let firing = Firing::at(schedule, TimeZone::get(zone).ok()?)?;
    firing.limit(firing.after(since))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(schedule: &str) -> DataPolicy {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "creationTimestamp": "2026-11-01T00:00:00Z"},
            "spec": {"regimes": ["eu-gdpr"], "selector": {"regions": ["eu"]}, "mode": "DryRun", "retention": {"schedule": schedule},
                "rules": [{"name": "r", "dataset": {"store": "s", "table": "t", "clock": "at"},
                    "erase": {"after": "P90D", "method": "Delete"}}]},
        }))
        .unwrap()
    }

    fn recorded() -> Recorded {
        Recorded {
            zone: "Europe/Berlin".to_owned(),
            signing: "7 * * * *".to_owned(),
            runs: BTreeSet::new(),
            last_run: "2026-11-22T01:00:00Z".parse().ok(),
            signed_at: "2026-11-22T09:07:00Z".parse().ok(),
            ..Recorded::default()
        }
    }

    /// What is broken comes before what nobody knows, and that before what is well.
    #[test]
    fn the_worst_of_a_region_is_told() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let told = |schedule: &str, fault: Option<u64>| {
            let recorded = Recorded {
                fault,
                ..recorded()
            };
            let (said, _) = say("eu", &policy(schedule), Some(&recorded), now);
            (said.truth, said.reason.word)
        };
        let (daily, unread) = ("0 2 * * *", "whenever");
        assert_eq!(told(daily, None), (Truth::True, "Fresh".to_owned()));
        assert_eq!(told(unread, None), (Truth::Unknown, "NotAsked".to_owned()));
        assert_eq!(
            told(daily, Some(3)),
            (Truth::False, "ChainBroken".to_owned())
        );
        assert_eq!(
            told(unread, Some(3)),
            (Truth::False, "ChainBroken".to_owned())
        );
        assert_eq!(say("eu", &policy(daily), None, now).0.truth, Truth::Unknown);
    }

    /// What another region says of the chain is told, and a key that nobody named; a chain that it could not compare is no alarm.
    #[test]
    fn what_another_region_saw_and_a_key_that_nobody_named_are_told() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let region = |name: &str, evidence: serde_json::Value| -> Region {
            serde_json::from_value(json!({
                "metadata": {"name": name}, "status": {"evidence": evidence},
                "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                    "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
            }))
            .unwrap()
        };
        let behind = json!({"region": "eu", "sequence": 3, "head": "sha256-0"});
        let told = |others: &[Region], untrusted: Option<&str>, fault: Option<u64>| {
            let mut recorded = Recorded {
                untrusted_key: untrusted.map(str::to_owned),
                fault,
                ..recorded()
            };
            recorded.seen_by("eu", others.iter());
            let (said, _) = say("eu", &policy("0 2 * * *"), Some(&recorded), now);
            (said.truth, said.reason.word, said.reason.message)
        };
        let forked = [
            region("us", json!({"unproven": ["br", "eu"]})),
            region("br", json!({"unproven": ["eu"]})),
        ];
        let (truth, word, message) = told(&forked, Some("why"), None);
        assert_eq!((truth, word.as_str()), (Truth::False, "ChainUnproven"));
        assert!(message.starts_with("br, us countersigned"), "{message}");
        assert_eq!(told(&forked, None, Some(3)).1, "ChainBroken");
        let away = [region("us", json!({"behind": [behind]}))];
        let (truth, word, message) = told(&away, None, None);
        assert_eq!((truth, word.as_str()), (Truth::Unknown, "ChainNotShown"));
        assert!(message.contains("Region us"), "{message}");
        let (truth, word, message) = told(&away, Some("why"), None);
        assert_eq!(
            (truth, word.as_str(), message.as_str()),
            (Truth::False, "KeyUntrusted", "why")
        );
        // What they say of others, and it of others, is nothing of its own.
        let others = [
            region("us", json!({"unproven": ["br"]})),
            region("eu", json!({"unproven": ["eu", "us"], "behind": [behind]})),
        ];
        assert_eq!(told(&others, None, None).1, "Fresh");
    }

    /// Since when it is so in a region, whoever looks again.
    #[test]
    fn a_regions_entry_says_since_when_its_evidence_stands_so() {
        let mut policy = policy("0 2 * * *");
        let mut look = |at: &str, fault: Option<u64>| {
            let recorded = Recorded {
                fault,
                ..recorded()
            };
            let now = at.parse().unwrap();
            let told = here("eu", &policy, Some(&recorded), now);
            let entry =
                json!({"name": "eu", "state": "Run", "reason": "Running", "evidence": told});
            policy.status = serde_json::from_value(json!({"regions": [entry]})).unwrap();
            (told.fresh, told.reason, told.since)
        };
        let first = "2026-11-22T10:00:00Z".to_owned();
        let fresh = (Some(true), "Fresh".to_owned(), first);
        assert_eq!(look("2026-11-22T10:00:00.5Z", None), fresh);
        assert_eq!(look("2026-11-22T10:01:00Z", None), fresh);
        let then = "2026-11-22T10:02:00Z".to_owned();
        let broken = (Some(false), "ChainBroken".to_owned(), then);
        assert_eq!(look("2026-11-22T10:02:00Z", Some(3)), broken);
        assert_eq!(look("2026-11-22T10:03:00Z", Some(3)), broken);
    }

    /// Only what would be taken away unrecorded is stopped.
    #[test]
    fn nothing_is_taken_away_unrecorded() {
        let why = || Word::NotAsked.because("any");
        let mut plan = Plan {
            verdict: crate::plan::Verdict::Accepted,
            regions: [
                ("goes", RegionPlan::Withdraw(why())),
                ("stays", RegionPlan::Keep(why())),
            ]
            .map(|(name, decided)| (name.to_owned(), decided))
            .into(),
            notes: std::collections::BTreeMap::new(),
            findings: Vec::new(),
            uncovered: Vec::new(),
            baseline: crate::plan::Baseline::default(),
            wake_at: None,
            deleting: None,
        };
        let names = ["goes", "stays", "gone"].map(str::to_owned);
        stop_unrecorded(
            &mut plan,
            names.iter().map(|name| (name, "no answer".to_owned())),
        );
        let word = |name: &str| plan.regions[name].reason().unwrap().word.clone();
        assert!(matches!(plan.regions["goes"], RegionPlan::Pause(_)));
        assert_eq!(
            (word("goes").as_str(), word("stays").as_str()),
            ("NotRecorded", "NotAsked")
        );
        assert_eq!(plan.regions.len(), 2);
    }
}
