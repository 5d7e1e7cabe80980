//! What happened stands in the regions' chains: once, whole, and signed by a key that the hub cannot read.

#[path = "evidence/channels.rs"]
mod channels;
#[path = "evidence/countersigning.rs"]
mod countersigning;
#[path = "evidence/keeping.rs"]
mod keeping;
#[path = "evidence/returning.rs"]
mod returning;
#[path = "evidence/sealing.rs"]
mod sealing;
#[path = "evidence/signing.rs"]
mod signing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tradewind::api::EvidenceRecord;
use tradewind::contract::{Count, RetainedRule, Sum};
use tradewind::evidence::{Kind, Record, Salt, Standing, Tip, seal, standing};
use tradewind_dev::fleet::Cluster;
use tradewind_dev::story::install;

use crate::given::{self, REGIONS, RUNS};
use crate::world::{PATIENCE, World, condition, entry, with_operator};

/// Who erases in eu-west.
const POLICY: &str = "eu-west-customers";

/// The hub's records of a region, by their place.
async fn records(world: &World, region: &str) -> Vec<EvidenceRecord> {
    let field = format!("spec.region={region}");
    let args = ["get", "evr", "--field-selector", &field, "-o", "json"];
    let list: Value = serde_json::from_str(&world.hub().kubectl(&args).await.unwrap()).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let mut all: Vec<EvidenceRecord> = items
        .map(|item| serde_json::from_value(item.clone()).unwrap())
        .collect();
    all.sort_by_key(|object| object.spec.sequence);
    all
}

/// A region's chain, checked from its first record on.
pub(crate) async fn chain(world: &World, region: &str) -> Vec<EvidenceRecord> {
    let all = records(world, region).await;
    // Of what another test sealed only the last record about each thing is left.
    let sealed = all.iter().filter(|object| object.spec.kind == Kind::Seal);
    let sealed = sealed.map(|object| serde_json::from_str::<Value>(&object.spec.body).unwrap());
    let sealed = sealed
        .map(|seal| seal["last"].as_i64().unwrap())
        .max()
        .unwrap_or(0);
    let mut tip: Option<Tip> = None;
    let mut sources = BTreeSet::new();
    for object in &all {
        let record = object.record().expect("a record with its own hash");
        if object.spec.sequence <= sealed {
            continue;
        }
        if let Some(tip) = tip {
            assert_eq!(
                (record.previous, record.sequence),
                (tip.head, tip.sequence + 1)
            );
        } else {
            let first = object.spec.sequence;
            assert_eq!(first, sealed + 1, "the first record is there");
        }
        let once = (record.kind, record.source.clone());
        assert!(
            sources.insert(once),
            "twice: {} {}",
            record.kind,
            record.source
        );
        tip = Some(Tip::of(&record));
    }
    all
}

/// The records that a region's chain got since, all but what every test leaves.
async fn since(world: &World, region: &str, sequence: i64) -> Vec<Record> {
    let all = chain(world, region).await.into_iter();
    let new = all.filter(|object| object.spec.sequence > sequence);
    new.map(|object| object.record().unwrap()).collect()
}

async fn length(world: &World, region: &str) -> i64 {
    let all = chain(world, region).await;
    all.last().map_or(0, |object| object.spec.sequence)
}

fn kinds(records: &[Record]) -> Vec<Kind> {
    records.iter().map(|record| record.kind).collect()
}

fn is_said(text: &Value, wanted: &str) -> Result<(), String> {
    if text == wanted {
        Ok(())
    } else {
        Err(text.to_string())
    }
}

/// A run as a region would have it: a Job of the schedule's, and a pod that ended with this report.
async fn run(
    world: &World,
    (region, schedule): (&str, &str),
    name: &str,
    report: &Value,
) -> String {
    let cluster = world.cluster(region);
    let from = format!("--from=cronjob/{schedule}");
    let create = ["create", "job", "-n", RUNS, name, &from];
    cluster.kubectl(&create).await.unwrap();
    let of_job = format!("job-name={name}");
    let pods = ["get", "pods", "-n", RUNS, "-l", &of_job, "-o", "json"];
    let pod = world
        .until("the run's pod", async || {
            let list: Value = serde_json::from_str(&cluster.kubectl(&pods).await.unwrap()).unwrap();
            let name = list["items"][0]["metadata"]["name"].as_str();
            name.map(str::to_owned).ok_or_else(|| "none".to_owned())
        })
        .await;
    let exit = if report["outcome"] == "Done" { 0 } else { 64 };
    let phase = if exit == 0 { "Succeeded" } else { "Failed" };
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let status = json!({"status": {
        "phase": phase, "startTime": now,
        "containerStatuses": [{
            "name": "agent", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": {"terminated": {
                "exitCode": exit, "startedAt": now, "finishedAt": now, "message": report.to_string()}},
        }],
    }});
    let status = status.to_string();
    let patch = [
        "patch",
        "pod",
        &pod,
        "-n",
        RUNS,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    cluster.kubectl(&patch).await.unwrap();
    let job = world
        .until("the run's end", async || {
            let job = world.get(&cluster, "job", RUNS, name).await.unwrap();
            let ended = job.pointer("/status/conditions").and_then(Value::as_array);
            let is_ended = ended
                .into_iter()
                .flatten()
                .any(|c| c["type"] == "Complete" || c["type"] == "Failed");
            if is_ended {
                Ok(job)
            } else {
                Err(job["status"].to_string())
            }
        })
        .await;
    job["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn report(due: i64) -> Value {
    json!({
        "version": 1, "command": "retain", "outcome": "Done", "reason": "Done", "message": "erased",
        "startedAt": "2026-11-22T02:00:01Z", "finishedAt": "2026-11-22T02:00:09Z",
        "body": {"run": "r", "rules": [{"name": "orders", "rows": 100, "due": due, "erased": due}]},
    })
}

/// Three of a hundred, as a region tells it.
fn few() -> Value {
    let small = Count::below(5);
    let parts = [
        small,
        0.into(),
        0.into(),
        0.into(),
        0.into(),
        0.into(),
        0.into(),
    ];
    let sum = Sum {
        whole: small,
        parts: parts.to_vec(),
    };
    let openings = seal(&sum, (3, &[3, 0, 0, 0, 0, 0, 0]), |_| Salt::new(&[7; 64]));
    let commitments: Vec<_> = openings.iter().map(|opening| opening.commitment).collect();
    let mut report = report(3);
    let rule = &mut report["body"]["rules"][0];
    (rule["due"], rule["erased"]) = (json!(small), json!(small));
    rule["commitments"] = json!(commitments);
    report
}

/// Waits until so many changes of policies stand in the chain of eu-west behind a place.
async fn until_changes(world: &World, before: i64, count: usize) {
    world
        .until("the change is recorded", async || {
            let new = kinds(&since(world, "eu-west", before).await);
            let changes = new.iter().filter(|kind| **kind == Kind::PolicyChange);
            if changes.count() >= count {
                Ok(())
            } else {
                Err(format!("{new:?}"))
            }
        })
        .await;
}

async fn annotate(world: &World, name: &str, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    let args = ["patch", "datapolicy", name, "--type=merge", "-p", &patch];
    world.hub().kubectl(&args).await.unwrap();
}

#[test]
fn what_happens_is_recorded_once_and_by_whom_it_is_meant() {
    with_operator(|mut world| async move {
        let before = [
            length(&world, REGIONS[0]).await,
            length(&world, REGIONS[1]).await,
        ];
        world.converged().await;
        for (region, before) in REGIONS.iter().zip(before) {
            let new = since(&world, region, before).await;
            let mut told = kinds(&new);
            // The packs, and what is covered, may be as they were for the test before; its policy of the same name may
            // end in this chain yet.
            told.retain(|kind| !matches!(kind, Kind::PackChange | Kind::Coverage));
            assert!(
                told.iter().all(|kind| *kind == Kind::PolicyChange),
                "{region}: {told:?}"
            );
            let runs = |record: &&Record| {
                let body = serde_json::to_value(&record.body).unwrap();
                record.kind == Kind::PolicyChange && body["runs"] == true
            };
            let begun: Vec<&Record> = new.iter().filter(runs).collect();
            assert_eq!(begun.len(), 1, "{region}: {begun:?}");
            let all = chain(&world, region).await;
            for kind in [Kind::PackChange, Kind::Coverage] {
                assert!(
                    all.iter().any(|object| object.spec.kind == kind),
                    "{region}: no {kind}"
                );
            }
            let policy = begun[0];
            assert_eq!(policy.about.name, format!("{region}-customers"));
            let body = serde_json::to_value(&policy.body).unwrap();
            assert_eq!(
                (&body["runs"], &body["generation"]),
                (&json!(true), &json!(1))
            );
            assert_eq!(body["spec"]["rules"][0]["erase"]["after"], "P8Y");
        }
        // A run is written down with its numbers, and by its own region only.
        let before = [
            length(&world, REGIONS[0]).await,
            length(&world, REGIONS[1]).await,
        ];
        let schedule = format!("{POLICY}-retention");
        let uid = run(&world, ("eu-west", &schedule), "asked-for", &few()).await;
        let new = world
            .until("the run is recorded", async || {
                let new = since(&world, "eu-west", before[0]).await;
                if new.is_empty() {
                    Err("nothing".to_owned())
                } else {
                    Ok(new)
                }
            })
            .await;
        world.quiet().await;
        assert_eq!((kinds(&new), new[0].source.clone()), (vec![Kind::Run], uid));
        let body = serde_json::to_value(&new[0].body).unwrap();
        assert_eq!(
            (&body["rules"][0]["due"], &body["mode"]),
            (&json!("<5"), &json!("Enforce"))
        );
        // Told as few wherever it is told, with what stands for it.
        let told: RetainedRule = serde_json::from_value(body["rules"][0].clone()).unwrap();
        assert_eq!(
            standing(&told.sum(), &told.commitments),
            Standing::Committed
        );
        let policy = world
            .hub()
            .kubectl(&["get", "datapolicy", POLICY])
            .await
            .unwrap();
        let row = policy.lines().nth(1).unwrap();
        assert_eq!(
            row.split_whitespace().filter(|cell| *cell == "<5").count(),
            2,
            "{policy}"
        );
        assert!(since(&world, "us-east", before[1]).await.is_empty());
        // A change, a pause, its end and the policy's end, each once.
        let before = length(&world, "eu-west").await;
        let edits = [
            json!({"retention": {"maxPercent": 7}}),
            json!({"suspend": {"reason": "r", "by": "b"}}),
            json!({"suspend": null}),
        ];
        for (nth, edit) in edits.iter().enumerate() {
            annotate(&world, POLICY, edit).await;
            // Two edits that are seen at once are one change.
            until_changes(&world, before, nth + 1).await;
            world.quiet().await;
        }
        crate::deletion::delete(&world, "datapolicy", POLICY).await;
        until_changes(&world, before, edits.len() + 1).await;
        world.quiet().await;
        let new = since(&world, "eu-west", before).await.into_iter();
        let (of_channels, mut new): (Vec<Record>, Vec<Record>) =
            new.partition(|record| record.about.kind == "SocialChannel");
        channels::paused_and_left(&of_channels);
        // With the policy its findings end.
        let end = new.pop().unwrap();
        let body = serde_json::to_value(&end.body).unwrap();
        assert_eq!((end.kind, &body["ended"]), (Kind::Coverage, &json!(true)));
        let runs: Vec<Value> = new
            .iter()
            .map(|r| serde_json::to_value(&r.body).unwrap()["runs"].clone())
            .collect();
        assert_eq!(runs, [true, false, true, false], "{new:#?}");
        // Nobody writes anything for it after a restart.
        let mark = world.mark();
        world.stop().await;
        world.start().await;
        world.quiet().await;
        let again = mark
            .writes()
            .into_iter()
            .filter(|r| r.resource.starts_with("evidencerecords"));
        assert_eq!(again.collect::<Vec<_>>(), []);
    });
}

#[test]
fn killed_after_any_record_nothing_is_lost_or_doubled() {
    with_operator(|mut world| async move {
        world.converged().await;
        let schedules = REGIONS.map(|region| format!("{region}-customers-retention"));
        let mut uids = BTreeSet::new();
        for round in 0..4 {
            let mark = world.mark();
            world.kill().await;
            // While nobody looks runs end in both regions, and the policies change.
            for (region, schedule) in REGIONS.iter().zip(&schedules) {
                for n in 0..2 {
                    let name = format!("round-{round}-{n}");
                    uids.insert(run(&world, (region, schedule), &name, &report(n)).await);
                }
                let policy = format!("{region}-customers");
                annotate(
                    &world,
                    &policy,
                    &json!({"retention": {"maxPercent": 10 + round}}),
                )
                .await;
            }
            world.launch(&[]).await;
            let begun = Instant::now();
            let records = || {
                mark.writes()
                    .into_iter()
                    .filter(|r| r.resource == "evidencerecords")
                    .count()
            };
            while records() <= round {
                assert!(
                    begun.elapsed() < PATIENCE,
                    "round {round}: {} records\n{}",
                    records(),
                    world.log()
                );
                // One that could not renew its lease in time has ended; Kubernetes would start it again.
                if !world.is_running() {
                    world.launch(&[]).await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            world.kill().await;
            let killed_after = records();
            world.start().await;
            let wanted = json!(10 + round);
            world
                .until("all of it is recorded", async || {
                    let (runs, asked) = recorded(&world).await;
                    let lost: Vec<_> = uids.difference(&runs).collect();
                    let is_asked = asked.iter().all(|asked| asked.last() == Some(&wanted));
                    if lost.is_empty() && is_asked {
                        Ok(())
                    } else {
                        Err(format!("{lost:?} {asked:?}"))
                    }
                })
                .await;
            world.quiet().await;
            println!(
                "round {round}: killed after {killed_after} records of {}",
                records()
            );
        }
        for asked in recorded(&world).await.1 {
            let last = &asked[asked.len() - 4..];
            assert_eq!(last, [10, 11, 12, 13], "each generation, once");
        }
    });
}

/// The sources of all recorded runs, and what share of a table each region's policy allowed, one after the other.
async fn recorded(world: &World) -> (BTreeSet<String>, Vec<Vec<Value>>) {
    let (mut runs, mut asked) = (BTreeSet::new(), Vec::new());
    for region in REGIONS {
        let all = chain(world, region).await;
        let of_kind = |kind: Kind| all.iter().filter(move |object| object.spec.kind == kind);
        runs.extend(of_kind(Kind::Run).map(|object| object.spec.source.clone()));
        let changes = of_kind(Kind::PolicyChange)
            .map(|object| serde_json::from_str::<Value>(&object.spec.body).unwrap())
            .filter(|body| body["runs"] == true)
            .map(|body| body["spec"]["retention"]["maxPercent"].clone());
        asked.push(changes.collect());
    }
    (runs, asked)
}

#[test]
fn whoever_is_behind_looks_again() {
    with_operator(|world| async move {
        world.converged().await;
        let all = chain(&world, "eu-west").await;
        let last = all.last().unwrap().record().unwrap();
        // Another process leads, as far as it knows, and this one hears nothing of what it writes.
        world
            .take_rights("hub", "evidencerecords", &["list", "watch"])
            .await;
        let other = tradewind::evidence::Entry {
            kind: Kind::Coverage,
            at: jiff::Timestamp::now(),
            about: tradewind::evidence::About::cluster("DataPolicy", "other"),
            source: format!("other/{}", last.sequence),
            body: tradewind::evidence::Object::new(),
        };
        let other = EvidenceRecord::of(&other.append("eu-west", &Tip::of(&last))).unwrap();
        let mark = world.mark();
        // A watch that is open goes on: both write at the same time.
        let change = json!({"retention": {"maxPercent": 9}});
        let ours = annotate(&world, POLICY, &change);
        let text = serde_json::to_string(&other).unwrap();
        let hub = world.hub();
        let theirs = install::apply(&hub, &text);
        let (theirs, ()) = tokio::join!(theirs, ours);
        world.give_rights().await;
        world.quiet().await;
        let new = since(&world, "eu-west", i64::try_from(last.sequence).unwrap()).await;
        let wanted = if theirs.is_ok() { 2 } else { 1 };
        assert_eq!(new.len(), wanted, "{new:#?}");
        let changed = new
            .iter()
            .filter(|record| record.kind == Kind::PolicyChange);
        assert_eq!(changed.count(), 1);
        let refused = mark
            .writes()
            .into_iter()
            .filter(|r| r.resource == "evidencerecords" && r.code == 409);
        println!(
            "{} writes met 409; the other's record was taken: {}",
            refused.count(),
            theirs.is_ok()
        );
    });
}

#[test]
fn without_the_right_to_write_evidence_the_rest_goes_on_and_silence_is_red() {
    with_operator(|world| async move {
        world
            .take_rights("hub", "evidencerecords", &["create"])
            .await;
        world.apply(&given::all()).await;
        for region in REGIONS {
            world.until_children(region, &given::children(region)).await;
        }
        let fresh = async || {
            let policy = world
                .get(&world.hub(), "datapolicy", "", POLICY)
                .await
                .unwrap();
            condition(&policy, "EvidenceFresh")
        };
        world
            .until("the policy says that nothing is recorded", async || {
                let (status, reason, message) = fresh().await;
                let is_red =
                    status == "False" && reason == "NotRecorded" && message.contains("403");
                if is_red || message.contains("forbidden") {
                    Ok(())
                } else {
                    Err(format!("{status} {reason} {message}"))
                }
            })
            .await;
        world.give_rights().await;
        let look = [
            "annotate",
            "--overwrite",
            "datapolicy",
            "--all",
            "tradewind.dev/reconcile-at=now",
        ];
        world.hub().kubectl(&look).await.unwrap();
        world
            .until("it is recorded after all", async || {
                let (status, reason, message) = fresh().await;
                // Whether it ran or was signed before is another test's affair.
                if reason == "NotRecorded" {
                    return Err(format!("{status} {message}"));
                }
                let all = chain(&world, "eu-west").await;
                // Others' changes may come after this policy's.
                let is_last = all.iter().rfind(|object| {
                    object.spec.kind == Kind::PolicyChange && object.spec.about.name == POLICY
                });
                let body = is_last.map_or("", |object| object.spec.body.as_str());
                if body.contains("\"runs\":true") {
                    Ok(())
                } else {
                    Err(body.to_owned())
                }
            })
            .await;
        world.quiet().await;
    });
}
