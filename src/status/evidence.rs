//! What is to stand in the regions' chains of a policy: what it asks for, who approved what, what is covered, and how
//! each run ended. It is worked out anew at each look; what stands there already is written no second time.

mod covered;
mod unread;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::chain::{Statement, When};
use super::gone_by;
use super::reason::Word;
use super::run::{self, Runs};
use super::timing::earliest;
use super::{PolicyObserved, RunEnd, RunMarks, Seen};
use crate::api::{BindingKeep, DataPolicy, PolicyRegionStatus, Region, RunPhase, RunStatus, names};
use crate::contract::{OWN_TABLES, OwnTables, RetainMode, RetainReport};
use crate::evidence::{About, Kind, body, canonical};
use crate::packs::Packs;
use crate::plan::{self, Horizons, Plan, PolicyFacts, PolicyWorkloads, RegionPlan, Verdict};
use unread::Ledger;

/// A run that ended well may still be told by its pod, whose end is seen by another watch than its Job's: what is
/// written as lost stays so.
const SETTLE: SignedDuration = SignedDuration::from_mins(10);

/// What is to stand in the regions' chains, and when more will.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statements {
    /// By region, in the order of writing.
    pub regions: BTreeMap<String, Vec<Statement>>,
    /// When a run that left no report counts as lost.
    pub wake_at: Option<Timestamp>,
}

/// Which packs are in force, for a region's chain; and beside the rules that a house may replace those that it may not, by which
/// the agent's own tables go: as this release has them, which is the one that is in force.
#[must_use]
pub fn packs_in_force(packs: &Packs) -> Statement {
    let mut body = json!({
        "platforms": {"asOf": packs.platforms.as_of.to_string(), "hash": packs.hashes.platforms},
        "regimes": {"asOf": packs.regimes.as_of.to_string(), "hash": packs.hashes.regimes},
    });
    body[body::OWN_RULES] = OWN_TABLES.iter().map(own).collect();
    let signers = &packs.signers;
    for (pack, key) in [
        ("platforms", &signers.platforms),
        ("regimes", &signers.regimes),
    ] {
        if let Some(key) = key {
            body[pack]["signedBy"] = key.as_str().into();
        }
    }
    Statement {
        kind: Kind::PackChange,
        about: About::cluster("Packs", "packs"),
        source: names::short_hash(&[&packs.hashes.platforms, &packs.hashes.regimes], 32),
        body: canonical::object(&body).unwrap_or_default(),
        when: When::Changed,
    }
}

/// A rule of the agent's own tables, as a record has it.
fn own(rule: &OwnTables) -> Value {
    let schema = rule.database.schema();
    let tables = rule.tables.iter().map(|table| format!("{schema}.{table}"));
    json!({
        "database": rule.database.title(), "tables": tables.collect::<Vec<_>>(),
        "holds": rule.holds, "period": rule.period, "ground": rule.ground,
    })
}

/// On which grounds data may leave a region, for its chain. A region that never had one has nothing to say.
#[must_use]
pub fn transfers_in_force(region: &Region) -> Statement {
    let transfers = &region.spec.transfers;
    let (uid, generation) = (region.uid(), region.metadata.generation);
    Statement {
        kind: Kind::TransferChange,
        about: About::cluster("Region", &region.name_any()),
        source: format!(
            "{}/{}",
            uid.unwrap_or_default(),
            generation.unwrap_or_default()
        ),
        body: canonical::object(&json!({"transfers": transfers})).unwrap_or_default(),
        when: if transfers.is_empty() {
            When::Ended
        } else {
            When::Changed
        },
    }
}

/// Which key signs a region's evidence, or is to sign it next, for its chain. Once: a key that another one replaced comes
/// back by no orderly way, and one that was named is in the chain before it signs.
#[must_use]
pub fn key_in_use(region: &str, key: &body::KeyRotation) -> Statement {
    Statement {
        kind: Kind::KeyRotation,
        about: About::cluster("Region", region),
        source: key.key.to_string(),
        body: canonical::object(key).unwrap_or_default(),
        when: When::Once,
    }
}

/// That records are in the archive, for their chain.
#[must_use]
pub fn sealed(region: &str, segment: String, body: canonical::Object) -> Statement {
    Statement {
        kind: Kind::Seal,
        about: About::cluster("Region", region),
        source: segment,
        body,
        when: When::Once,
    }
}

/// That records went by the rule on how long evidence is kept, for their chain.
#[must_use]
pub fn expired(region: &str, expiry: &body::Expiry) -> Statement {
    Statement {
        kind: Kind::Seal,
        about: About::cluster("Region", region),
        source: format!("{}/expired", expiry.segment),
        body: canonical::object(expiry).unwrap_or_default(),
        when: When::Once,
    }
}

/// A policy in one region.
struct Scope<'a> {
    facts: &'a PolicyFacts,
    plan: &'a Plan<PolicyWorkloads>,
    region: &'a str,
    now: Timestamp,
}

/// What is to be written. `seen` is what was there before anything is changed: what is about to be taken away is told
/// first.
#[must_use]
pub fn statements(
    facts: &PolicyFacts,
    plan: &Plan<PolicyWorkloads>,
    seen: &BTreeMap<String, Seen<PolicyObserved>>,
    now: Timestamp,
) -> Statements {
    let mut all = Statements::default();
    // Also where nothing is planned any more: a chain may have to say that the policy ended there.
    for region in facts.regions.keys() {
        let scope = Scope {
            facts,
            plan,
            region,
            now,
        };
        let mut told: Vec<Statement> = scope.policy().into_iter().collect();
        if plan.notes.get(region).is_some_and(|note| note.chosen) {
            told.extend(scope.approval());
        }
        // What nobody accepted was not looked at: it opens and ends no finding. What is deleted ends all the same.
        if !matches!(plan.verdict, Verdict::Invalid(_)) || plan.deleting.is_some() {
            told.push(scope.coverage());
        }
        if let Some(Seen::Known { children, .. }) = seen.get(region) {
            let (runs, wake_at) = scope.runs(children);
            told.extend(runs);
            all.wake_at = earliest([all.wake_at, wake_at], now);
        }
        told.retain(|statement| !statement.body.is_empty());
        if !told.is_empty() {
            all.regions.insert(region.clone(), told);
        }
    }
    all
}

/// What laws of the packs oblige to keep of the records that the policy's rules name.
fn kept_by_law(facts: &PolicyFacts, region: &Region, now: Timestamp) -> Vec<body::KeptByLaw> {
    let told = |keep: BindingKeep| {
        let from = serde_json::to_value(keep.from).ok()?;
        Some(body::KeptByLaw {
            rule: keep.rule,
            records: keep.records?,
            law: keep.law?,
            reference: keep.reference,
            period: keep.period,
            from: from.as_str()?.to_owned(),
        })
    };
    let keeps = plan::kept_by_law(facts, region, now).into_iter();
    keeps.filter_map(told).collect()
}

impl Scope<'_> {
    fn policy_of(&self) -> &DataPolicy {
        &self.facts.policy
    }

    fn statement(&self, kind: Kind, source: String, body: &Value, when: When) -> Statement {
        Statement {
            kind,
            about: About::cluster("DataPolicy", &self.policy_of().name_any()),
            source,
            // Of our own structs of texts and whole numbers: what has no one spelling would be a bug, and is not written.
            body: canonical::object(body).unwrap_or_default(),
            when,
        }
    }

    /// The policy's UID, and more.
    fn source(&self, more: &str) -> String {
        format!("{}/{more}", self.policy_of().uid().unwrap_or_default())
    }

    fn generation(&self) -> i64 {
        self.policy_of().metadata.generation.unwrap_or_default()
    }

    /// What the policy asks for here from now on. Where nothing of it can be stopped or changed (a
    /// namespace is missing, or the region does not answer), what was said before still holds.
    fn policy(&self) -> Option<Statement> {
        let is_chosen = |region: &str| self.plan.notes.get(region).is_some_and(|n| n.chosen);
        let (runs, when) = match self.plan.regions.get(self.region) {
            Some(RegionPlan::Run(_)) => (true, When::Changed),
            Some(RegionPlan::Pause(..)) => (false, When::Changed),
            // It only keeps.
            Some(RegionPlan::Withdraw(_)) if is_chosen(self.region) => (false, When::Changed),
            Some(RegionPlan::Withdraw(_) | RegionPlan::Leave(_)) | None => (false, When::Ended),
            Some(RegionPlan::Keep(_) | RegionPlan::Hold(_)) => return None,
        };
        let spec = &self.policy_of().spec;
        let mut told = serde_json::to_value(spec).unwrap_or_default();
        if let Some(fields) = told.as_object_mut() {
            fields.remove("approvals");
        }
        let zone = self.facts.regions.get(self.region)?;
        let body = body::Policy {
            generation: self.generation(),
            runs,
            schedule: spec.retention.schedule.clone(),
            zone: zone.region.spec.locale.time_zone.clone(),
            window: spec.retention.window().to_owned(),
            spec: canonical::object(&told).ok()?,
            laws: kept_by_law(self.facts, &zone.region, self.now),
        };
        let source = self.source(&self.generation().to_string());
        let body = serde_json::to_value(body).ok()?;
        Some(self.statement(Kind::PolicyChange, source, &body, when))
    }

    /// An approval that is good for what would be erased now.
    fn approval(&self) -> Option<Statement> {
        let note = self.plan.notes.get(self.region)?;
        let preview = note.approved.as_ref()?;
        if Some(&preview.spec_hash) != note.spec_hash.as_ref() {
            return None;
        }
        let mut approvals = self.policy_of().spec.approvals.iter();
        let approval = approvals.find(|approval| approval.region == self.region)?;
        let by = names::short_hash(&[&approval.by], 16);
        let source = self.source(&format!("{}/{by}", approval.preview_hash));
        let body = json!({
            "by": approval.by, "previewHash": approval.preview_hash, "asOf": preview.as_of,
            "specHash": preview.spec_hash, "rules": preview.rules,
        });
        Some(self.statement(Kind::Approval, source, &body, When::Once))
    }

    /// What is covered and what is missing; of a policy that is not for the region any more, that it is not.
    fn coverage(&self) -> Statement {
        let note = self.plan.notes.get(self.region);
        let (body, when) = if note.is_some_and(|note| note.chosen) {
            (covered::coverage(self.plan, self.region), When::Changed)
        } else {
            (body::Coverage::ended(), When::Ended)
        };
        let body = serde_json::to_value(body).unwrap_or_default();
        let source = self.source(&self.generation().to_string());
        self.statement(Kind::Coverage, source, &body, when)
    }

    /// Every run that ended and of which all is known that will ever be.
    fn runs(&self, seen: &PolicyObserved) -> (Vec<Statement>, Option<Timestamp>) {
        let entries = self.policy_of().status.iter().flat_map(|s| &s.regions);
        let old = entries.into_iter().find(|entry| entry.name == *self.region);
        let told = self.told(seen, old);
        let (mut out, mut wake_at) = (Vec::new(), None);
        for end in &seen.run.ended {
            let known = told
                .as_ref()
                .filter(|run| run.uid.as_ref() == Some(&end.uid));
            let settled = end.at.checked_add(SETTLE).ok();
            // Where all is taken away nobody tells it later.
            let is_settled = !self.is_read_back() || settled.is_none_or(|at| at <= self.now);
            let ledger = match known {
                Some(run) if run.is_report_lost() && self.is_read_back() => Ledger::Open,
                // Its ledger has answered: nothing more will be known of it.
                Some(run) if names::is_read_back(&run.job) => Ledger::Told(Box::new(run.clone())),
                Some(_) => Ledger::Silent,
                None => self.ledger(seen, end),
            };
            let run = match (&end.report, known, ledger) {
                (Some(_), _, _) => reported(end),
                (None, _, Ledger::Open) => continue,
                (None, _, Ledger::Told(run)) => remembered(&run),
                _ if !is_settled => {
                    wake_at = earliest([wake_at, settled], self.now);
                    continue;
                }
                (None, Some(run), Ledger::Silent) => remembered(run),
                (None, None, Ledger::Silent) => lost(end),
            };
            let marks = seen.run.marks.get(&end.job);
            out.extend(self.run(&end.uid, end.scheduled, (&run, marks)));
        }
        out.extend(self.gone(seen, old, told.as_ref()));
        // Its Job is there no more, and its ledger has been read back, or never will be.
        if let Some(run) = told.filter(|run| !run.is_report_lost() || !self.is_read_back()) {
            let uid = run.uid.clone().unwrap_or_default();
            let is_there = seen.run.ended.iter().any(|end| end.uid == uid);
            if !is_there && !uid.is_empty() {
                let marks = seen.run.marks.get(&run.job);
                out.extend(self.run(&uid, None, (&remembered(&run), marks)));
            }
        }
        (out, wake_at)
    }

    /// The last run that ended, as status will tell it.
    fn told(&self, seen: &PolicyObserved, old: Option<&PolicyRegionStatus>) -> Option<RunStatus> {
        let note = self.plan.notes.get(self.region);
        let hash = note.and_then(|note| note.spec_hash.clone());
        let scope = run::Scope {
            region: self.region,
            spec_hash: &hash.unwrap_or_default(),
            mode: self.policy_of().spec.mode(),
            schedule: &names::retention(&self.policy_of().name_any()),
        };
        let Runs { ended, .. } = run::runs(Some(&seen.run), old, scope);
        ended.filter(|run| run.phase != RunPhase::Running)
    }

    /// A run, and what its own Job says that it was made under: what is in force when it is written down may be something
    /// else. Of a Job that is there no more nobody knows it, and nothing is said.
    fn run(
        &self,
        uid: &str,
        scheduled: Option<Timestamp>,
        (run, marks): (&body::Run, Option<&RunMarks>),
    ) -> Option<Statement> {
        let mut run = run.clone();
        run.scheduled = scheduled.map(|at| at.to_string());
        let region = self.facts.regions.get(self.region);
        let horizons = region.map(|region| Horizons::of(&region.region.spec));
        run.gone_by = horizons.and_then(|horizons| {
            let ended = run.finished_at.as_deref();
            gone_by::run(&self.policy_of().spec, &horizons, (ended, &run.rules))
        });
        let mut body = serde_json::to_value(&run).ok()?;
        if let Some(marks) = marks {
            body["specHash"] = marks.spec_hash.clone().into();
            let is_by_approval =
                run.preview_hash.is_none() && run.mode == Some(RetainMode::Enforce);
            if let Some(approved) = marks.approved.as_ref().filter(|_| is_by_approval) {
                body["previewHash"] = approved.clone().into();
            }
        }
        Some(self.statement(Kind::Run, uid.to_owned(), &body, When::Once))
    }
}

/// A run as its own report has it.
fn reported(end: &RunEnd<RetainReport>) -> body::Run {
    let report = end.report.as_ref();
    let body = report.and_then(|report| report.body.as_ref());
    body::Run {
        job: end.job.clone(),
        run: body.and_then(RetainReport::id),
        scheduled: None,
        mode: report.and_then(run::mode_of),
        reason: report
            .map(|report| report.reason.clone())
            .unwrap_or_default(),
        started_at: report.map(|report| report.started_at.clone()),
        finished_at: report.map(|report| report.finished_at.clone()),
        preview_hash: body.and_then(|body| body.preview_hash.clone()),
        gone_by: None,
        rules: body.map(|body| body.rules.clone()).unwrap_or_default(),
    }
}

/// A run whose report was read before, or read back from its ledger.
fn remembered(run: &RunStatus) -> body::Run {
    let reason = run.reason.clone();
    // Of a run that told nothing status shows the numbers of the one before.
    let is_failed = run.reason.as_deref() == Some(Word::RunFailed.as_str());
    let tells = run.mode.is_some() && !is_failed && !run.is_report_lost();
    body::Run {
        job: run.job.clone(),
        run: run.run.clone().filter(|_| tells),
        scheduled: None,
        mode: run.mode,
        reason: reason.unwrap_or_else(|| RunStatus::REPORT_LOST.to_owned()),
        started_at: run.started_at.clone(),
        finished_at: run.finished_at.clone(),
        preview_hash: None,
        gone_by: None,
        rules: if tells { run.rules.clone() } else { Vec::new() },
    }
}

/// A run of which nobody knows more than that it ended.
fn lost(end: &RunEnd<RetainReport>) -> body::Run {
    body::Run {
        job: end.job.clone(),
        run: None,
        scheduled: None,
        mode: None,
        reason: RunStatus::REPORT_LOST.to_owned(),
        started_at: end.started.map(|at| at.to_string()),
        finished_at: Some(end.at.to_string()),
        preview_hash: None,
        gone_by: None,
        rules: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chain;
    use super::*;

    /// Which of these are recorded, one after the other.
    fn recorded(statements: &[&Statement]) -> Vec<bool> {
        let mut chain = Chain::new("f", "eu");
        let mut enter = |statement: &&Statement| {
            let entry = chain.entry(statement, Timestamp::UNIX_EPOCH);
            if let Some(entry) = &entry {
                let record = entry.clone().append("eu", &chain.tip());
                chain.enter(&record, Vec::new());
            }
            entry.is_some()
        };
        statements.iter().map(&mut enter).collect()
    }

    #[test]
    fn a_regions_transfers_are_recorded_once_they_are_there_and_when_they_end() {
        let region = |transfers: Value| -> Region {
            let region = json!({
                "metadata": {"name": "eu", "uid": "u", "generation": 1},
                "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "transfers": transfers,
                    "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
            });
            serde_json::from_value(region).unwrap()
        };
        let some = region(json!([
            {"name": "us", "to": "US", "instrument": "Scc", "reference": "contract 7"}
        ]));
        let (some, none) = (
            transfers_in_force(&some),
            transfers_in_force(&region(json!([]))),
        );
        let told = recorded(&[&none, &some, &some, &none, &none]);
        assert_eq!(told, [false, true, false, true, false]);
    }

    /// A release with other rules for its own tables says so in each chain, once; a record of an earlier one had none.
    #[test]
    fn the_rules_of_the_agents_own_tables_are_recorded_with_the_packs() {
        let packs = Packs::builtin().unwrap();
        let now = packs_in_force(&packs);
        let mut before = now.clone();
        before.body.remove(body::OWN_RULES);
        let mut other = now.clone();
        other.body.insert(
            body::OWN_RULES.to_owned(),
            canonical::Value::List(Vec::new()),
        );
        let told = recorded(&[&before, &now, &now, &other, &now]);
        assert_eq!(told, [true, true, false, true, true]);
        let Some(canonical::Value::List(rules)) = now.body.get(body::OWN_RULES) else {
            panic!("no rules in {:?}", now.body);
        };
        assert_eq!(rules.len(), OWN_TABLES.len());
        let said = format!("{:?}", rules[0]);
        assert!(
            said.contains("tradewind.pin") && said.contains("keys of due rows"),
            "{said}"
        );
    }

    /// Of a run whose Job went away status shows the numbers of the one before: they are not its own.
    #[test]
    fn a_lost_run_has_no_numbers() {
        let status = |reason: &str| -> RunStatus {
            let told = json!({
                "job": "j", "uid": "u", "phase": "Failed", "mode": "Enforce", "reason": reason,
                "rules": [{"name": "r", "rows": 5, "due": 3, "erased": 3}],
            });
            serde_json::from_value(told).unwrap()
        };
        for (reason, rules) in [("Done", 1), ("ReportLost", 0), ("RunFailed", 0)] {
            let run = remembered(&status(reason));
            assert_eq!((run.reason.as_str(), run.rules.len()), (reason, rules));
        }
    }
}
