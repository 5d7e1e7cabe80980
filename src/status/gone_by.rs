//! By when what a run or a request erased is gone from backups too.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::{DataPolicy, DataPolicySpec, RequestRegionStatus, RunPhase, RunStatus};
use crate::contract::{RetainedRule, rule_of};
use crate::plan::Horizons;

/// A run with its date, as the Region says now; none while it is under way.
pub(super) fn told(
    run: Option<RunStatus>,
    policy: &DataPolicy,
    horizons: &Horizons,
) -> Option<RunStatus> {
    let run = run?;
    let ended = run.finished_at.as_deref();
    let is_over = run.phase != RunPhase::Running && !run.is_report_lost();
    let ended = ended.filter(|_| is_over);
    let gone_by = self::run(&policy.spec, horizons, (ended, &run.rules));
    Some(RunStatus { gone_by, ..run })
}

/// The same of a run's end and numbers. Of a rule that is no more, nobody knows the store.
pub(super) fn run(
    spec: &DataPolicySpec,
    horizons: &Horizons,
    (ended, rules): (Option<&str>, &[RetainedRule]),
) -> Option<String> {
    let store = |rule: &RetainedRule| {
        let mut rules = spec.rules.iter();
        let found = rules.find(|one| one.name == rule_of(&rule.name));
        found.map_or("", |one| one.dataset.store.as_str())
    };
    let erasing = rules.iter().filter(|rule| !rule.erased.is_zero());
    let stores: BTreeSet<&str> = erasing.map(store).collect();
    let by = horizons.gone_by(ended?.parse().ok()?, stores.into_iter());
    by.map(|at| at.to_string())
}

/// The latest of all regions of a request.
pub(super) fn request(
    entries: &[RequestRegionStatus],
    horizons: &BTreeMap<&str, &Horizons>,
) -> Option<String> {
    let mut last: Option<Timestamp> = None;
    for entry in entries {
        let stores = entry.stores.iter();
        let erased =
            stores.filter(|store| store.tables.iter().any(|table| !table.erased.is_zero()));
        let stores: BTreeSet<&str> = erased.map(|store| store.name.as_str()).collect();
        if stores.is_empty() {
            continue;
        }
        let ended = entry.reported_at.as_deref()?.parse().ok()?;
        let by = horizons.get(entry.name.as_str())?;
        last = last.max(Some(by.gone_by(ended, stores.into_iter())?));
    }
    last.map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RegionSpec;
    use serde_json::json;

    fn horizons(keeps: &[(&str, Option<&str>)]) -> Horizons {
        let stores = keeps.iter().map(|(name, keep)| {
            let backups = keep.map(|keep| json!({"keep": keep}));
            json!({"name": name, "datasets": [], "postgres": {"secretRef": {"name": "s", "key": "url"}}, "backups": backups})
        });
        let region: RegionSpec = serde_json::from_value(json!({
            "jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs", "dataStores": stores.collect::<Vec<_>>(),
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "UTC"},
        }))
        .unwrap();
        Horizons::of(&region)
    }

    fn policy() -> DataPolicy {
        let rule = |name: &str, store: &str| json!({"name": name, "dataset": {"store": store, "table": name, "clock": "at"}, "erase": {"after": "P1Y", "method": "Delete"}});
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {
            "regimes": ["eu-gdpr"], "selector": {"jurisdictions": ["DE"]}, "retention": {"schedule": "0 2 * * *"},
            "rules": [rule("orders", "shop"), rule("letters", "inbox")],
        }}))
        .unwrap()
    }

    #[test]
    fn only_what_erased_counts_and_only_once_it_ended() {
        let horizons = horizons(&[("shop", Some("P35D")), ("inbox", None)]);
        let run = |phase: &str, reason: &str, letters: i64| {
            let run = json!({"job": "j", "phase": phase, "reason": reason, "finishedAt": "2026-01-01T02:00:00Z", "goneBy": "2020-01-01T00:00:00Z",
                "rules": [{"name": "orders", "rows": 9, "due": 3, "erased": 3}, {"name": "letters", "rows": 9, "due": 5, "erased": letters}]});
            let run = serde_json::from_value(run).unwrap();
            told(Some(run), &policy(), &horizons).unwrap().gone_by
        };
        let by = Some("2026-02-05T02:00:00Z".to_owned());
        assert_eq!(run("Succeeded", "Done", 0), by);
        assert_eq!(run("Failed", "Throttled", 0), by, "what it did is done");
        assert_eq!(
            run("Succeeded", "Done", 1),
            None,
            "of one store nobody knows"
        );
        assert_eq!(run("Running", "Done", 0), None);
        assert_eq!(
            run("Failed", RunStatus::REPORT_LOST, 0),
            None,
            "these are another run's numbers"
        );
    }

    #[test]
    fn a_request_is_gone_from_backups_once_it_is_in_every_region() {
        let entry = |name: &str, at: &str, erased: i64| -> RequestRegionStatus {
            serde_json::from_value(json!({"name": name, "state": "Run", "reason": "r", "message": "m", "reportedAt": at,
                "stores": [{"name": "shop", "tables": [{"name": "orders", "state": "Verified", "found": erased, "erased": erased}]}]}))
            .unwrap()
        };
        let (known, unknown) = (
            horizons(&[("shop", Some("P35D"))]),
            horizons(&[("shop", None)]),
        );
        let eu = entry("eu", "2026-01-01T02:00:00Z", 3);
        let later = entry("us", "2026-01-03T02:00:00Z", 1);
        let nothing = entry("us", "2026-01-03T02:00:00Z", 0);
        let by = |entries: &[RequestRegionStatus], us: &Horizons| {
            request(entries, &BTreeMap::from([("eu", &known), ("us", us)]))
        };
        assert_eq!(
            by(&[eu.clone(), later.clone()], &known).as_deref(),
            Some("2026-02-07T02:00:00Z")
        );
        assert_eq!(by(&[eu.clone(), later], &unknown), None);
        assert_eq!(
            by(&[eu, nothing.clone()], &unknown).as_deref(),
            Some("2026-02-05T02:00:00Z")
        );
        assert_eq!(by(&[nothing], &known), None);
    }
}
