//! What the story did stands in the regions' chains, each region's own key signed it, and whoever has it exported can prove
//! that it is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tradewind::api::EvidenceRecord;
use tradewind::evidence::{Kind, Tip};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::RUNS;
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::quickstart::rule_adds_up;
use crate::silence::found;
use crate::{SOON, holds, planted, request};

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
        let (told, all) = settle::until(&format!("{region} signs"), SOON, || async {
            let found = settle::get(&hub, "region", None, region).await?.unwrap();
            let told = found["status"]["evidence"].clone();
            let all = chain(stage, region).await;
            let run = all.iter().rfind(|object| object.spec.kind == Kind::Run);
            let run = u64::try_from(run.unwrap().spec.sequence).unwrap();
            let signed = all.iter().flat_map(EvidenceRecord::checkpoints);
            let is_signed = signed.map(|made| made.tip.sequence).max() >= Some(run);
            Ok(if is_signed && told["reason"].is_null() {
                Ok((told, all))
            } else {
                Err(told.to_string())
            })
        })
        .await
        .unwrap();
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

/// A table of customers that nobody thought of: it is listed, and no rule erases from it.
const FORGOTTEN: &str = "wishlists";

async fn policy_until(hub: &Cluster, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let (policy, _) = quickstart::POLICIES[0];
    settle::until(what, SOON, || async {
        let seen = settle::get(hub, "datapolicy", None, policy).await?;
        let seen = seen.unwrap_or_default();
        Ok(if is_so(&seen) {
            Ok(seen)
        } else {
            Err(format!(
                "{} {}",
                seen["status"]["uncovered"], seen["status"]["conditions"]
            ))
        })
    })
    .await
    .unwrap()
}

async fn list_stores(hub: &Cluster, region: &str, stores: &Value) {
    let patch = json!({"spec": {"dataStores": stores}}).to_string();
    let args = ["patch", "region", region, "--type=merge", "-p", &patch];
    hub.kubectl(&args).await.unwrap();
}

/// What is covered, what is not and why, and what the law asks for: as an officer reads it in the policy's status.
pub(crate) async fn what_is_not_covered_is_told(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let (_, region) = quickstart::POLICIES[0];
    let is_covered = |seen: &Value| {
        settle::condition(seen, "CoverageComplete").is_some_and(|said| said.0 == "True")
    };
    policy_until(&hub, "all that is listed is covered", is_covered).await;
    let before = settle::get(&hub, "region", None, region).await.unwrap();
    let before = before.unwrap()["spec"]["dataStores"].clone();
    let mut stores = before.clone();
    stores[0]["datasets"]
        .as_array_mut()
        .unwrap()
        .push(FORGOTTEN.into());
    list_stores(&hub, region, &stores).await;

    let findings = |seen: &Value| -> Vec<Value> {
        let all = seen["status"]["findings"].as_array();
        let all = all.into_iter().flatten();
        all.filter(|one| one["place"].as_str().unwrap().contains(FORGOTTEN))
            .cloned()
            .collect()
    };
    let seen = policy_until(&hub, "the table is told", |seen| {
        !is_covered(seen) && !findings(seen).is_empty()
    })
    .await;
    let [one] = seen["status"]["uncovered"].as_array().unwrap().as_slice() else {
        panic!("{}", seen["status"]["uncovered"]);
    };
    let told = (&one["region"], &one["store"], &one["table"]);
    assert_eq!(
        told,
        (&json!(region), &json!("aurora-orders"), &json!(FORGOTTEN))
    );
    assert!(one["reason"].as_str().unwrap().contains("rule"), "{one}");
    let found = findings(&seen);
    let found = found
        .iter()
        .find(|one| one["check"] == "PersonalTableWithoutRule");
    let found = found.unwrap_or_else(|| panic!("{}", seen["status"]["findings"]));
    assert_eq!(found["severity"], "High", "{found}");
    assert!(found["law"].as_str().unwrap().contains("GDPR"), "{found}");
    assert!(!found["remedy"].as_str().unwrap().is_empty(), "{found}");
    settle::until("the gap is recorded", SOON, || async {
        let mut all = chain(stage, region).await;
        // The channels there lack the rule, too.
        all.retain(|object| object.spec.about.kind == "DataPolicy");
        let last = of(&all, Kind::Coverage).pop().unwrap_or_default();
        let is_said = last["uncovered"].to_string().contains(FORGOTTEN);
        Ok(if is_said {
            Ok(())
        } else {
            Err(last.to_string())
        })
    })
    .await
    .unwrap();

    // The table has nobody's data after all.
    list_stores(&hub, region, &before).await;
    policy_until(&hub, "the gap is closed", |seen| {
        is_covered(seen) && findings(seen).is_empty()
    })
    .await;
}

/// `tradewind audit`, as an officer types it.
fn audit(stage: &Stage, args: &[&str]) -> Output {
    let mut command = Command::new(&stage.spec.program);
    command.arg("audit").args(args).output().unwrap()
}

/// The name that the fleet was installed under, as its objects have it.
pub(crate) async fn fleet(stage: &Stage) -> String {
    let (_, region) = quickstart::POLICIES[0];
    let signing = stage.fleet.cluster(region).unwrap();
    let map = settle::get(&signing, "configmap", Some(RUNS), "tradewind-evidence").await;
    let map = map.unwrap().unwrap();
    let fleet = &map["metadata"]["labels"]["tradewind.dev/fleet"];
    fleet.as_str().unwrap().to_owned()
}

/// The quarter that it is.
pub(crate) fn quarter() -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    format!("{}-Q{}", today.year(), (today.month() - 1) / 3 + 1)
}

/// What is trusted, from elsewhere than the evidence: here from what each Region shows of its key.
async fn trusted(stage: &Stage, file: &Path) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let mut regions = BTreeMap::new();
    for (_, region) in quickstart::POLICIES {
        let told = settle::get(&hub, "region", None, region).await.unwrap();
        let key = told.unwrap()["status"]["evidence"]["key"].clone();
        regions.insert(region, json!({"keys": [key]}));
    }
    let fleet = fleet(stage).await;
    let trust = json!({"fleet": fleet, "regions": regions});
    std::fs::write(file, trust.to_string()).unwrap();
}

/// The hub's records leave it as a file, and offline it is seen that they are whole, what they say of the quarter, and that
/// one bit of them is another.
pub(crate) async fn the_quarter_is_exported_and_verified(stage: &mut Stage) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (held, lines, trust) = (
        file("held.json"),
        file("evidence.jsonl"),
        file("trust.yaml"),
    );
    let hub = stage.fleet.cluster(HUB).unwrap();
    let list = hub.kubectl(&["get", "evr", "-o", "json"]).await.unwrap();
    std::fs::write(&held, list).unwrap();
    trusted(stage, Path::new(&trust)).await;
    let ran = audit(
        stage,
        &[
            "export", "--from", &held, "--format", "lines", "--out", &lines,
        ],
    );
    assert!(ran.status.success(), "{ran:?}");
    for from in [&held, &lines] {
        let ran = audit(stage, &["verify", "--from", from, "--trust", &trust]);
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(said.contains("no fault found"), "{said}");
        assert_eq!(ran.status.code(), Some(0), "{said}");
    }

    let quarter = quarter();
    let export = |format: &str, name: &str| {
        let out = file(name);
        let what = [
            "export", "--from", &lines, "--trust", &trust, "--period", &quarter,
        ];
        let how = ["--format", format, "--out", &out];
        let ran = audit(stage, &[&what[..], &how].concat());
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        out
    };
    let pages =
        ["one.html", "two.html"].map(|name| std::fs::read_to_string(export("html", name)).unwrap());
    assert_eq!(pages[0], pages[1], "the same evidence makes the same bytes");
    // Nobody of whom the chapters before knew is told, in any form of it.
    for (format, name) in [
        ("json", "all.json"),
        ("csv", "tables"),
        ("oscal", "oscal.json"),
    ] {
        export(format, name);
    }
    let mut persons = vec![
        request::EMAIL,
        request::SHOP_EMAIL,
        request::CUSTOMER,
        holds::HELD,
    ];
    persons.extend(planted::planted());
    let told = found(folder.path(), &persons);
    assert!(told.is_empty(), "{told}");
    for name in [
        "held.json",
        "evidence.jsonl",
        "one.html",
        "all.json",
        "tables",
        "oscal.json",
    ] {
        let of = folder.path().join(name);
        assert!(
            !found(&of, &[request::NAME]).is_empty(),
            "{name} has no request"
        );
    }
    // Who erased what, what was held and asked for, and what was not covered for a while.
    let all = chain(stage, quickstart::POLICIES[0].1).await;
    let run = of(&all, Kind::Run).pop().unwrap();
    for word in [
        "eu-customers",
        "us-customers",
        FORGOTTEN,
        request::NAME,
        "case-7",
        run["job"].as_str().unwrap(),
    ] {
        assert!(pages[0].contains(word), "{word} is not in the report");
    }

    // A dry run is made something else by one bit: who did that cannot sign it.
    let mut bytes = std::fs::read(&lines).unwrap();
    let word = b"DryRun";
    let at = bytes.windows(word.len()).position(|part| part == word);
    let at = at.expect("a dry run in the evidence");
    bytes[at] ^= 1;
    std::fs::write(&lines, &bytes).unwrap();
    let ran = audit(
        stage,
        &[
            "verify", "--from", &lines, "--trust", &trust, "--format", "json",
        ],
    );
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let line = bytes
        .split(|byte| *byte == b'\n')
        .find(|line| line.windows(word.len()).any(|part| part == b"EryRun"));
    let line: Value = serde_json::from_slice(line.unwrap()).unwrap();
    let faults = found["faults"].as_array().unwrap();
    let is_it = |fault: &&Value| {
        fault["region"] == line["record"]["region"]
            && fault["sequence"] == line["record"]["sequence"]
    };
    let named = faults.iter().find(is_it);
    let named = named.unwrap_or_else(|| panic!("{found}"));
    assert_eq!(named["name"], "Rewritten", "{found}");
}
