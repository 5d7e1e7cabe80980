//! What is to stand in the regions' chains of a legal hold: how it stands there, whenever that is another than before.
//!
//! It follows from what the databases said, not from whether their region answers just now: a broken line is no event.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::chain::{Statement, When};
use super::legal_hold::asked;
use crate::api::{
    HeldScope, HeldStoreStatus, HoldRegionStatus, HoldState, LegalHold, LegalHoldStatus,
};
use crate::evidence::{About, Kind, body, canonical};
use crate::plan::reason::Word as PlanWord;
use crate::plan::{HoldWorkloads, Plan, RegionNote, RegionPlan};

/// By region. `told` is the status that is about to be written: it remembers what databases said whose Job is gone.
#[must_use]
pub fn hold_statements(
    plan: &Plan<HoldWorkloads>,
    hold: &LegalHold,
    told: &LegalHoldStatus,
) -> BTreeMap<String, Vec<Statement>> {
    let old = hold.status.iter().flat_map(|status| &status.regions);
    // What a region said last, once it is told no more, is told here for the last time.
    let mut entries: BTreeMap<&str, &HoldRegionStatus> =
        old.map(|entry| (entry.name.as_str(), entry)).collect();
    entries.extend(
        told.regions
            .iter()
            .map(|entry| (entry.name.as_str(), entry)),
    );
    let uid = hold.uid().unwrap_or_default();
    let generation = hold.metadata.generation.unwrap_or_default();
    let statement = |entry: &HoldRegionStatus| Statement {
        kind: Kind::Hold,
        about: About::cluster("LegalHold", &hold.name_any()),
        source: format!("{uid}/{generation}"),
        // Of texts: what has no one spelling would be a bug, and is not written.
        body: canonical::object(&body(plan, hold, entry)).unwrap_or_default(),
        when: When::Changed,
    };
    entries
        .into_iter()
        .map(|(region, entry)| (region.to_owned(), vec![statement(entry)]))
        .filter(|(_, told)| told.iter().all(|one| !one.body.is_empty()))
        .collect()
}

fn body(plan: &Plan<HoldWorkloads>, hold: &LegalHold, entry: &HoldRegionStatus) -> body::Hold {
    let note = plan.notes.get(&entry.name);
    let asked = note.and_then(|note| note.spec_hash.as_ref());
    let decision = plan.regions.get(&entry.name).and_then(RegionPlan::reason);
    // Where nothing was to be held, nobody is asked.
    let is_over = decision.is_some_and(|reason| reason.word == PlanWord::Released.as_str());
    let is_answered = is_over || entry.task.is_some() && entry.task.as_ref() == asked;
    let spec = &hold.spec;
    let store = |store: &HeldStoreStatus| body::HeldStore {
        name: store.name.clone(),
        in_force_since: store.in_force_since.clone(),
        released_at: store.released_at.clone(),
    };
    body::Hold {
        state: format!("{:?}", state(hold, note, entry, is_answered)),
        ground: spec.ground.clone(),
        opened_by: spec.opened_by.clone(),
        review_on: spec.review_on.clone(),
        scopes: spec.scopes.iter().flat_map(|it| scopes(it, note)).collect(),
        stores: entry.stores.iter().map(store).collect(),
        release: spec.release.as_ref().map(|release| body::HoldRelease {
            by: release.by.clone(),
            ground: release.ground.clone(),
        }),
        deleted: hold.metadata.deletion_timestamp.is_some(),
    }
}

/// A scope; of one with a category or a subject each table that it means in the region.
fn scopes(scope: &HeldScope, note: Option<&RegionNote>) -> Vec<body::HeldScope> {
    let told =
        |store: Option<&String>, table: Option<&String>, column: Option<&String>| body::HeldScope {
            name: scope.name.clone(),
            store: store.cloned(),
            category: scope.category.clone(),
            subject: scope.subject.as_ref().map(|it| it.identity.clone()),
            table: table.cloned(),
            column: column.cloned(),
        };
    let tables = note.iter().flat_map(|note| &note.held_tables);
    let own = tables.filter(|table| table.scope == scope.name);
    let own: Vec<_> = own
        .map(|it| told(Some(&it.store), Some(&it.table), it.column.as_ref()))
        .collect();
    if own.is_empty() {
        let (store, table) = (scope.store.as_ref(), scope.table.as_ref());
        return vec![told(store, table, scope.column.as_ref())];
    }
    own
}

/// The hold in one region, by what its databases said, and whether that is of all that is asked by now.
fn state(
    hold: &LegalHold,
    note: Option<&RegionNote>,
    entry: &HoldRegionStatus,
    is_answered: bool,
) -> HoldState {
    let is_held = |name: &str| {
        let mut stores = entry.stores.iter();
        stores.any(|told| told.name == name && told.is_in_force())
    };
    let any = entry.stores.iter().any(HeldStoreStatus::is_in_force);
    match &hold.spec.release {
        Some(_) if is_answered && !any => HoldState::Released,
        Some(_) => HoldState::Releasing,
        None if is_answered && asked(hold, note).into_iter().all(is_held) => HoldState::InForce,
        None if any => HoldState::PartlyInForce,
        None => HoldState::Opening,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::{Baseline, Verdict};

    fn hold(stores: &Value, release: &Value) -> LegalHold {
        let hold = json!({
            "metadata": {"name": "case-7", "uid": "u", "generation": 2},
            "spec": {
                "ground": "28 O 117/26", "openedBy": "counsel", "reviewOn": "2027-06-01",
                "selector": {"regions": ["eu"]}, "release": release,
                "scopes": [
                    {"name": "a", "store": "orders", "table": "public.orders", "column": "id",
                        "valuesSecretRef": {"name": "case-7-ids", "key": "ids"}},
                    {"name": "b", "store": "shop"},
                ],
            },
            "status": {"regions": [{"name": "eu", "state": "Run", "reason": "Any", "task": "asked", "stores": stores}]},
        });
        serde_json::from_value(hold).unwrap()
    }

    /// What is planned, by the name of its task.
    fn plan(asked: &str) -> Plan<HoldWorkloads> {
        let note = RegionNote {
            spec_hash: Some(asked.to_owned()),
            ..RegionNote::default()
        };
        Plan {
            verdict: Verdict::Accepted,
            regions: BTreeMap::new(),
            notes: BTreeMap::from([("eu".to_owned(), note)]),
            findings: Vec::new(),
            uncovered: Vec::new(),
            baseline: Baseline::default(),
            wake_at: None,
            deleting: None,
        }
    }

    fn told(hold: &LegalHold) -> Statement {
        told_of(hold, "asked")
    }

    fn told_of(hold: &LegalHold, asked: &str) -> Statement {
        let status = hold.status.clone().unwrap();
        let mut all = hold_statements(&plan(asked), hold, &status);
        all.remove("eu").unwrap().remove(0)
    }

    #[test]
    fn it_stands_as_the_databases_say() {
        let held = json!({"name": "orders", "inForceSince": "2026-11-20T08:00:00Z"});
        let both = json!([held, {"name": "shop", "inForceSince": "2026-11-20T08:00:00Z"}]);
        let over = json!([
            {"name": "orders", "inForceSince": "2026-11-20T08:00:00Z", "releasedAt": "2027-03-02T08:00:00Z"},
            {"name": "shop"},
        ]);
        let release = json!({"by": "counsel", "ground": "settled"});
        for (stores, release, wanted) in [
            (json!([]), Value::Null, "Opening"),
            (json!([held]), Value::Null, "PartlyInForce"),
            (both.clone(), Value::Null, "InForce"),
            (both.clone(), release.clone(), "Releasing"),
            (over.clone(), release.clone(), "Released"),
        ] {
            let body = told(&hold(&stores, &release)).body;
            assert_eq!(body["state"], canonical::Value::Text(wanted.to_owned()));
        }
        // More is asked than was answered.
        for (stores, release, wanted) in [
            (both, Value::Null, "PartlyInForce"),
            (over, release, "Releasing"),
        ] {
            let body = told_of(&hold(&stores, &release), "wider").body;
            assert_eq!(body["state"], canonical::Value::Text(wanted.to_owned()));
        }
    }

    #[test]
    fn no_identifier_and_no_secrets_name_is_in_it() {
        let text = format!("{:?}", told(&hold(&json!([]), &Value::Null)));
        assert!(
            !text.contains("case-7-ids") && text.contains("28 O 117/26"),
            "{text}"
        );
    }

    #[test]
    fn a_region_that_is_told_no_more_is_still_recorded_and_a_broken_line_is_not() {
        let held = json!([{"name": "orders", "inForceSince": "2026-11-20T08:00:00Z"}]);
        let one = hold(&held, &Value::Null);
        let before = told(&one);
        let gone = hold_statements(&plan("asked"), &one, &LegalHoldStatus::default());
        assert_eq!(gone["eu"], std::slice::from_ref(&before));
        let mut lost = one.clone();
        let entry = &mut lost.status.as_mut().unwrap().regions[0];
        "RegionUnreachable".clone_into(&mut entry.reason);
        entry.unreachable_since = Some("2026-11-20T09:00:00Z".to_owned());
        assert_eq!(told(&lost), before);
    }
}
