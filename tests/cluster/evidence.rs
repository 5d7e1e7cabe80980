//! What the story did stands in the regions' chains, and each region's own key signed it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tradewind::api::EvidenceRecord;
use tradewind::evidence::{Kind, Tip};
use tradewind_dev::fleet::HUB;
use tradewind_dev::story::install::RUNS;
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::quickstart::rule_adds_up;

/// A region's chain, checked from its first record on: nothing missing, nothing twice.
async fn chain(stage: &Stage, region: &str) -> Vec<EvidenceRecord> {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let field = format!("spec.region={region}");
    let args = ["get", "evr", "--field-selector", &field, "-o", "json"];
    let list: Value = serde_json::from_str(&hub.kubectl(&args).await.unwrap()).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let mut all: Vec<EvidenceRecord> = items
        .map(|item| serde_json::from_value(item.clone()).unwrap())
        .collect();
    all.sort_by_key(|object| object.spec.sequence);
    let mut tip: Option<Tip> = None;
    let mut sources = BTreeSet::new();
    for object in &all {
        let record = object.record().expect("a record with its own hash");
        let follows = tip
            .is_none_or(|tip| (record.previous, record.sequence) == (tip.head, tip.sequence + 1));
        assert!(
            follows,
            "{region}: record {} is out of place",
            record.sequence
        );
        let once = (record.kind, record.source.clone());
        assert!(
            sources.insert(once),
            "{region}: twice: {} {}",
            record.kind,
            record.source
        );
        tip = Some(Tip::of(&record));
    }
    assert!(
        all.first().is_some_and(|first| first.spec.sequence == 1),
        "{region}"
    );
    all
}

fn of(all: &[EvidenceRecord], kind: Kind) -> Vec<Value> {
    let of_kind = all.iter().filter(|object| object.spec.kind == kind);
    of_kind
        .map(|object| serde_json::from_str(&object.spec.body).unwrap())
        .collect()
}

/// UIDs of the runs that ended and are still there, without those that only read a ledger back.
async fn runs(stage: &Stage, region: &str) -> BTreeMap<String, String> {
    let cluster = stage.fleet.cluster(region).unwrap();
    let label = "app.kubernetes.io/component=retention";
    let args = ["get", "jobs", "-n", RUNS, "-l", label, "-o", "json"];
    let list: Value = serde_json::from_str(&cluster.kubectl(&args).await.unwrap()).unwrap();
    let ended = |job: &&Value| {
        let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        conditions
            .any(|c| c["status"] == "True" && (c["type"] == "Complete" || c["type"] == "Failed"))
    };
    let text = |job: &Value, field: &str| job["metadata"][field].as_str().unwrap().to_owned();
    let jobs = list["items"].as_array().unwrap().iter().filter(ended);
    jobs.map(|job| (text(job, "uid"), text(job, "name")))
        .filter(|(_, name)| !name.ends_with("-read-back"))
        .collect()
}

/// Whatever happened to the operator: each chain is whole, and has every run that is there, once.
pub(crate) async fn each_chain_is_whole(stage: &Stage) {
    for (_, region) in quickstart::POLICIES {
        settle::until(
            &format!("every run in {region} is recorded"),
            SOON,
            || async {
                let all = chain(stage, region).await;
                let told = all.iter().filter(|object| object.spec.kind == Kind::Run);
                let told: BTreeSet<&str> = told.map(|object| object.spec.source.as_str()).collect();
                let runs = runs(stage, region).await;
                let lost: Vec<_> = runs
                    .iter()
                    .filter(|(uid, _)| !told.contains(uid.as_str()))
                    .collect();
                Ok(if lost.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{lost:?}"))
                })
            },
        )
        .await
        .unwrap();
    }
}

/// The runs and approvals of the chapters before are there, and the key that the region made signs them in a pod.
pub(crate) async fn what_was_done_is_recorded_and_signed(stage: &mut Stage) {
    each_chain_is_whole(stage).await;
    let hub = stage.fleet.cluster(HUB).unwrap();
    let ask = [
        "annotate",
        "--overwrite",
        "region",
        "--all",
        "tradewind.dev/run-at=signed",
    ];
    hub.kubectl(&ask).await.unwrap();
    for (policy, region) in quickstart::POLICIES {
        let told = settle::until(&format!("{region} signs"), SOON, || async {
            let found = settle::get(&hub, "region", None, region).await?.unwrap();
            let told = found["status"]["evidence"].clone();
            Ok(if told["key"].is_string() && told["reason"].is_null() {
                Ok(told)
            } else {
                Err(told.to_string())
            })
        })
        .await
        .unwrap();
        let all = chain(stage, region).await;
        let runs = of(&all, Kind::Run);
        for mode in ["DryRun", "Enforce"] {
            assert!(
                runs.iter().any(|run| run["mode"] == mode),
                "{region}: no {mode}: {runs:?}"
            );
        }
        for run in &runs {
            for rule in run["rules"].as_array().unwrap() {
                rule_adds_up(rule);
            }
        }
        assert!(
            !of(&all, Kind::Approval).is_empty(),
            "{region}: no approval"
        );
        assert!(!of(&all, Kind::PolicyChange).is_empty() && !of(&all, Kind::Coverage).is_empty());
        let signed: Vec<_> = all.iter().flat_map(EvidenceRecord::checkpoints).collect();
        let newest = signed.iter().max_by_key(|made| made.at).unwrap();
        assert_eq!(told["key"], newest.key.to_string());
        let last_run = all
            .iter()
            .rfind(|object| object.spec.kind == Kind::Run)
            .unwrap();
        assert!(newest.tip.sequence >= u64::try_from(last_run.spec.sequence).unwrap());
        settle::condition_true(&hub, ("datapolicy", None, policy), "EvidenceFresh", SOON)
            .await
            .unwrap();
        // Nobody deletes any of it, not even the administrator.
        let name = EvidenceRecord::name_of(region, 1);
        let refused = hub.kubectl(&["delete", "evr", &name]).await.unwrap_err();
        assert!(
            format!("{refused:?}").contains("deleted by nobody"),
            "{refused:?}"
        );
    }
}
