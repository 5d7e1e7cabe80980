//! Case samples: a few runs, requests and holds of the period, each with its whole trail of records, so that an auditor can
//! walk a case from policy over approval to run.
//!
//! Which cases these are nobody chooses: the order in which they are drawn is by a hash over the region's chain as it stood
//! when the period ended and the case itself. More samples of the same period are those and others.

use jiff::Timestamp;

use super::log::facts;
use super::standing::standing;
use super::{Column, Table, text};
use crate::cli::audit::period::Period;
use crate::contract::RetainMode;
use crate::evidence::{Hash, Kind, Record, body, canonical};

/// The reason of a run that wanted to erase, and only counted.
const AWAITING: &str = "AwaitingApproval";

const DRAW: &str = "tradewind.dev/audit/case\n";

const CASES: &[Column] = &[
    text("case", "Case"),
    text("region", "Region"),
    text("about", "About"),
    text("drawn", "Drawn"),
    text("step", "Step"),
    text("what", "What it is"),
    text("record", "Record"),
    text("hash", "Hash of the record"),
    text("at", "When"),
    text("facts", "What was recorded"),
];

/// A case with its trail.
#[derive(Clone, Debug)]
pub(in crate::cli::audit) struct Case {
    /// `Run 17 of eu-west`.
    pub(in crate::cli::audit) name: String,
    pub(in crate::cli::audit) region: String,
    pub(in crate::cli::audit) about: String,
    /// `2 of 13`.
    pub(in crate::cli::audit) drawn: String,
    pub(in crate::cli::audit) steps: Vec<Step>,
}

/// A record of a trail, or one that should be there.
#[derive(Clone, Debug)]
pub(in crate::cli::audit) struct Step {
    /// `Approval`.
    pub(in crate::cli::audit) what: String,
    pub(in crate::cli::audit) record: Option<Record>,
}

impl Step {
    fn of(what: impl Into<String>, record: Option<&Record>) -> Self {
        Self {
            what: what.into(),
            record: record.cloned(),
        }
    }
}

/// At most so many cases of each kind in each region.
pub(in crate::cli::audit) fn cases(records: &[Record], period: &Period, most: usize) -> Vec<Case> {
    let known: Vec<&Record> = records.iter().filter(|one| one.at < period.to).collect();
    let mut regions: Vec<&str> = known.iter().map(|one| one.region.as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    let mut cases = Vec::new();
    for region in regions {
        let chain: Vec<&Record> = known
            .iter()
            .copied()
            .filter(|one| one.region == region)
            .collect();
        let Some(head) = chain.iter().max_by_key(|one| one.sequence) else {
            continue;
        };
        for kind in [Kind::Run, Kind::Request, Kind::Hold] {
            let all = population(&chain, kind, period);
            let count = all.len();
            let drawn = draw(all, head.hash()).into_iter().take(most);
            cases.extend(drawn.zip(1_usize..).map(|(last, place)| Case {
                name: format!("{kind} {} of {region}", last.sequence),
                region: region.to_owned(),
                about: last.about.to_string(),
                drawn: format!("{place} of {count}"),
                steps: trail(&chain, last),
            }));
        }
    }
    cases
}

/// Each case of a kind by its last record: each run, each request of which something was recorded in the period, and each hold that
/// stood in it.
fn population<'a>(chain: &[&'a Record], kind: Kind, period: &Period) -> Vec<&'a Record> {
    let known = chain.iter().copied();
    let mut all: Vec<&Record> = match kind {
        Kind::Hold => standing(known, kind, period),
        _ => known
            .filter(|one| one.kind == kind && period.has(one.at))
            // Of the same kind are the records of what was erased again after a restore.
            .filter(|one| kind != Kind::Request || one.about.kind == "DataSubjectRequest")
            .collect(),
    };
    if kind != Kind::Run {
        all.sort_by_key(|one| (&one.about.name, std::cmp::Reverse(one.sequence)));
        all.dedup_by_key(|one| &one.about.name);
    }
    all
}

/// The order in which cases are drawn.
fn draw(mut all: Vec<&Record>, head: Hash) -> Vec<&Record> {
    let ticket = |one: &Record| match one.kind {
        Kind::Run => one.source.clone(),
        _ => one.about.to_string(),
    };
    all.sort_by_cached_key(|one| {
        let (kind, case) = (one.kind.to_string(), ticket(one));
        let parts = [&head.0[..], kind.as_bytes(), b"\0", case.as_bytes()];
        Hash::of(DRAW, &parts).0
    });
    all
}

fn trail(chain: &[&Record], last: &Record) -> Vec<Step> {
    let of_it = |one: &&&Record| one.kind == last.kind && one.about == last.about;
    match last.kind {
        Kind::Run => run(chain, last),
        _ => chain
            .iter()
            .filter(of_it)
            .map(|one| Step::of(state(one), Some(one)))
            .collect(),
    }
}

/// How a request or hold stood.
fn state(record: &Record) -> String {
    record
        .body
        .get("state")
        .map_or_else(|| record.kind.to_string(), super::concept::plain)
}

/// The policy in force when the run began, what it covered, the preview and the approval that the run names, and the run.
fn run(chain: &[&Record], last: &Record) -> Vec<Step> {
    let before = |kind: Kind| {
        let of_it = chain.iter().copied().filter(move |one| {
            one.kind == kind && one.about == last.about && one.sequence < last.sequence
        });
        of_it.collect::<Vec<_>>()
    };
    let told = canonical::read::<body::Run>(&last.body).ok();
    let began = told.as_ref().and_then(|run| run.started_at.as_deref());
    let began = began.and_then(|at| at.parse::<Timestamp>().ok());
    // Of a run it may be recorded that it ended when something else is in force already. What was recorded first counts also
    // where a region's clock is behind the hub's.
    let in_force = |kind: Kind| {
        let all = before(kind);
        let is_since = |one: &&Record| began.is_none_or(|began| one.at <= began);
        let since = all.iter().copied().rfind(is_since);
        since.or_else(|| all.first().copied())
    };
    let mut steps = vec![
        Step::of("Policy in force", in_force(Kind::PolicyChange)),
        Step::of("Coverage", in_force(Kind::Coverage)),
    ];
    if let Some(hash) = told
        .filter(|run| !counts(run))
        .and_then(|run| run.preview_hash)
    {
        let hash = Some(hash);
        let names = |one: &&&Record| one.body.get("previewHash").map(super::concept::plain) == hash;
        let mut counted = before(Kind::Run);
        counted.retain(|one| canonical::read(&one.body).is_ok_and(|run| counts(&run)));
        let approved = before(Kind::Approval);
        steps.push(Step::of("Preview", counted.iter().find(names).copied()));
        steps.push(Step::of("Approval", approved.iter().find(names).copied()));
    }
    steps.push(Step::of("Run", Some(last)));
    steps
}

/// Whether a run only counted: its hash is of its own preview, and waits for an approval.
fn counts(run: &body::Run) -> bool {
    run.mode != Some(RetainMode::Enforce) || run.reason == AWAITING
}

/// The table.
pub(super) fn table(cases: &[Case]) -> Table {
    Table {
        id: "cases",
        title: "Case samples",
        note: "A few runs, requests and holds of the period in each region, each with all its records. Which, follows from the region's chain as it stood when the period ended: who makes the report cannot choose. A step without a record should be there, and this evidence does not have it.",
        columns: CASES,
        rows: cases.iter().flat_map(rows).collect(),
    }
}

fn rows(case: &Case) -> Vec<Vec<String>> {
    let count = case.steps.len();
    let row = |(step, place): (&Step, usize)| {
        let record = step.record.as_ref();
        let of = |told: fn(&Record) -> String| record.map(told).unwrap_or_default();
        vec![
            case.name.clone(),
            case.region.clone(),
            case.about.clone(),
            case.drawn.clone(),
            format!("{place} of {count}"),
            step.what.clone(),
            of(|one| one.sequence.to_string()),
            of(|one| one.hash().to_string()),
            of(|one| one.at.to_string()),
            record.map_or_else(|| "not in this evidence".to_owned(), facts),
        ]
    };
    case.steps.iter().zip(1_usize..).map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{About, Entry, Tip};

    /// A chain of runs by their mode, reason and hash, behind a policy and an approval of `a`.
    fn chain(runs: &[(&str, &str, &str)]) -> Vec<Record> {
        let mut tip = Tip::genesis("f", "eu");
        let mut records: Vec<Record> = Vec::new();
        let mut add = |kind: Kind, source: &str, body: &Value| {
            let entry = Entry {
                kind,
                at: jiff::Timestamp::from_second(
                    1_790_000_000 + i64::try_from(tip.sequence).unwrap(),
                )
                .unwrap(),
                about: About::cluster("DataPolicy", "shop"),
                source: source.to_owned(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append("eu", &tip);
            tip = Tip::of(&record);
            records.push(record);
        };
        add(Kind::PolicyChange, "p", &json!({"generation": 1}));
        for (place, (mode, reason, hash)) in runs.iter().enumerate() {
            if *mode == "approve" {
                add(
                    Kind::Approval,
                    &format!("a{place}"),
                    &json!({"by": "dpo", "previewHash": hash}),
                );
                continue;
            }
            let body = json!({"job": "j", "mode": mode, "reason": reason, "previewHash": hash, "rules": []});
            add(Kind::Run, &format!("r{place}"), &body);
        }
        records
    }

    fn of(records: &[Record], most: usize) -> Vec<Case> {
        cases(records, &Period::parse("2026").unwrap(), most)
    }

    #[test]
    fn a_run_is_walked_from_the_policy_over_preview_and_approval() {
        let records = chain(&[
            ("DryRun", "Previewed", "a"),
            ("approve", "", "a"),
            ("Enforce", "Done", "a"),
            ("Enforce", "AwaitingApproval", "b"),
            ("Enforce", "Done", "c"),
        ]);
        let told: Vec<Vec<(String, Option<u64>)>> = of(&records, 9)
            .iter()
            .map(|case| {
                let steps = case.steps.iter();
                let steps = steps.map(|step| {
                    (
                        step.what.clone(),
                        step.record.as_ref().map(|one| one.sequence),
                    )
                });
                steps.collect()
            })
            .collect();
        let first = records[0].sequence;
        let step = |what: &str, at: Option<u64>| (what.to_owned(), at.map(|at| first + at));
        let begin = [step("Policy in force", Some(0)), step("Coverage", None)];
        let walked = |more: &[(String, Option<u64>)]| [&begin[..], more].concat();
        let wanted = [
            walked(&[step("Run", Some(1))]),
            walked(&[
                step("Preview", Some(1)),
                step("Approval", Some(2)),
                step("Run", Some(3)),
            ]),
            walked(&[step("Run", Some(4))]),
            walked(&[
                step("Preview", None),
                step("Approval", None),
                step("Run", Some(5)),
            ]),
        ];
        assert_eq!(told.len(), 4);
        assert!(wanted.iter().all(|one| told.contains(one)), "{told:?}");
    }

    /// A policy that was changed while a run was under way is not the one that it ran by.
    #[test]
    fn the_policy_of_a_run_is_that_of_its_beginning() {
        let of_run = |began: Option<i64>| -> [u64; 2] {
            let mut tip = Tip::genesis("f", "eu");
            let moment = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
            let mut run = json!({"job": "j", "mode": "Enforce", "reason": "Done", "rules": []});
            if let Some(began) = began {
                run["startedAt"] = moment(began).to_string().into();
            }
            let policy = |generation| json!({"generation": generation});
            let covered = |more: i64| json!({"uncovered": [], "findings": [], "more": more});
            let told = [
                (Kind::PolicyChange, policy(1)),
                (Kind::Coverage, covered(1)),
                (Kind::PolicyChange, policy(2)),
                (Kind::Coverage, covered(2)),
                (Kind::Run, run),
            ];
            let records = told
                .iter()
                .zip((0..).step_by(10))
                .map(|((kind, body), second)| {
                    let entry = Entry {
                        kind: *kind,
                        at: moment(second),
                        about: About::cluster("DataPolicy", "shop"),
                        source: format!("s{second}"),
                        body: canonical::object(body).unwrap(),
                    };
                    let record = entry.append("eu", &tip);
                    tip = Tip::of(&record);
                    record
                });
            let records: Vec<Record> = records.collect();
            let cases = of(&records, 1);
            let at = |step: usize| cases[0].steps[step].record.as_ref().unwrap().sequence;
            [0, 1].map(|step| at(step) - records[0].sequence)
        };
        assert_eq!(of_run(Some(15)), [0, 1]);
        assert_eq!(of_run(Some(20)), [2, 1]);
        assert_eq!(of_run(Some(35)), [2, 3]);
        assert_eq!(of_run(None), [2, 3], "nothing says when it began");
        assert_eq!(of_run(Some(-5)), [0, 1], "its clock is behind");
    }

    #[test]
    fn more_samples_are_the_same_and_others_and_another_chain_draws_others() {
        let runs = |last: &'static str| {
            let mut runs = vec![("DryRun", "Previewed", "a"); 40];
            runs.push(("DryRun", last, "a"));
            chain(&runs)
        };
        let names = |records: &[Record], most| -> Vec<String> {
            of(records, most)
                .into_iter()
                .map(|case| case.name)
                .collect()
        };
        let records = runs("Previewed");
        let few = names(&records, 5);
        assert_eq!(few.len(), 5);
        assert_eq!(names(&records, 20)[..5], few);
        assert_eq!(names(&records, 1000).len(), 41);
        assert_ne!(
            names(&runs("Failed"), 5),
            few,
            "one record at the end, another draw"
        );
        assert!(names(&records, 0).is_empty());
    }
}
