//! What happened stands in the regions' chains: once, whole, and signed by a key that the hub cannot read.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tradewind::api::EvidenceRecord;
use tradewind::evidence::{Kind, Record, Tip};
use tradewind_dev::story::install;

use crate::given::{self, REGIONS, RUNS};
use crate::world::{PATIENCE, World, condition, entry, with_operator};

/// Who erases in eu-west.
const POLICY: &str = "eu-west-customers";

/// A region's chain, checked from its first record on.
pub(crate) async fn chain(world: &World, region: &str) -> Vec<EvidenceRecord> {
    let field = format!("spec.region={region}");
    let args = ["get", "evr", "--field-selector", &field, "-o", "json"];
    let list: Value = serde_json::from_str(&world.hub().kubectl(&args).await.unwrap()).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let mut all: Vec<EvidenceRecord> = items
        .map(|item| serde_json::from_value(item.clone()).unwrap())
        .collect();
    all.sort_by_key(|object| object.spec.sequence);
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
        let uid = run(&world, ("eu-west", &schedule), "asked-for", &report(3)).await;
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
            (&json!(3), &json!("Enforce"))
        );
        assert!(since(&world, "us-east", before[1]).await.is_empty());
        // A change, a pause, its end and the policy's end, each once.
        let before = length(&world, "eu-west").await;
        annotate(&world, POLICY, &json!({"retention": {"maxPercent": 7}})).await;
        world.quiet().await;
        annotate(
            &world,
            POLICY,
            &json!({"suspend": {"reason": "r", "by": "b"}}),
        )
        .await;
        world.quiet().await;
        annotate(&world, POLICY, &json!({"suspend": null})).await;
        world.quiet().await;
        crate::deletion::delete(&world, "datapolicy", POLICY).await;
        world.quiet().await;
        let new = since(&world, "eu-west", before).await;
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
                let is_last = all
                    .iter()
                    .rfind(|object| object.spec.kind == Kind::PolicyChange);
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

/// What the agent of a region reports, with the task that the operator wrote and the rights that the chart gives.
async fn attest(world: &World, region: &str, folder: &Path) -> Value {
    let cluster = world.cluster(region);
    let map = world
        .get(&cluster, "configmap", RUNS, "tradewind-evidence")
        .await
        .unwrap();
    std::fs::write(
        folder.join("task.json"),
        map["data"]["task.json"].as_str().unwrap(),
    )
    .unwrap();
    let token = ["create", "token", "tradewind-evidence", "-n", RUNS];
    std::fs::write(folder.join("token"), cluster.kubectl(&token).await.unwrap()).unwrap();
    std::fs::write(folder.join("namespace"), RUNS).unwrap();
    let root = world
        .get(&cluster, "configmap", RUNS, "kube-root-ca.crt")
        .await
        .unwrap();
    std::fs::write(
        folder.join("ca.crt"),
        root["data"]["ca.crt"].as_str().unwrap(),
    )
    .unwrap();
    let report = folder.join("report.json");
    let _ = std::fs::remove_file(&report);
    let output = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"))
        .arg("attest")
        .args(["--task".as_ref(), folder.join("task.json").as_os_str()])
        .args(["--report-path".as_ref(), report.as_os_str()])
        .args(["--credentials".as_ref(), folder.as_os_str()])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {log}"));
    let report: Value = serde_json::from_str(&text).unwrap();
    let code = match report["outcome"].as_str().unwrap() {
        "Done" => 0,
        "Refused" => 64,
        _ => 75,
    };
    assert_eq!(output.status.code(), Some(code), "{log}");
    report
}

async fn signed(world: &World, region: &str) -> Value {
    world.region(region).await["status"]["evidence"].clone()
}

/// Tells the agent of eu-west where its API server is: no pod runs here.
async fn reachable(world: &World) {
    let server = world.cluster("eu-west").server().clone();
    let patch = json!({"spec": {"evidence": {"apiServer": server}}}).to_string();
    let args = ["patch", "region", "eu-west", "--type=merge", "-p", &patch];
    world.hub().kubectl(&args).await.unwrap();
    world
        .until("the task says so", async || {
            let task = task(world).await;
            is_said(&task["apiServer"], &server)
        })
        .await;
}

/// What the agent of eu-west is asked.
async fn task(world: &World) -> Value {
    let cluster = world.cluster("eu-west");
    let map = world
        .get(&cluster, "configmap", RUNS, "tradewind-evidence")
        .await
        .unwrap_or_default();
    let text = map["data"]["task.json"].as_str().unwrap_or("{}");
    serde_json::from_str::<Value>(text).unwrap()["spec"].take()
}

/// The hub hears of what the agent reported, and writes the signature down.
async fn tell(world: &World, name: &str, report: &Value) {
    run(world, ("eu-west", "tradewind-evidence"), name, report).await;
    let wanted = &report["body"]["checkpoint"];
    world
        .until("the signature is written down", async || {
            let told = signed(world, "eu-west").await;
            let at = (&told["key"], &told["sequence"]);
            if at == (&wanted["key"], &wanted["tip"]["sequence"]) {
                Ok(())
            } else {
                Err(told.to_string())
            }
        })
        .await;
}

/// What `audit verify` finds in eu-west, beside signatures of keys that were trusted before: `name sequence`.
fn verified(from: &Path, fleet: &str, keys: &BTreeSet<String>) -> (Value, Vec<String>) {
    verified_with(&["--from", from.to_str().unwrap()], fleet, keys)
}

fn verified_with(args: &[&str], fleet: &str, keys: &BTreeSet<String>) -> (Value, Vec<String>) {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let trust = json!({"fleet": fleet, "regions": {"eu-west": {"keys": keys}}});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), trust.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["audit", "verify", "--format=json"])
        .args(args)
        .arg("--trust")
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let faults = found["faults"].as_array().unwrap().iter();
    let here = faults
        .filter(|fault| fault["region"] == "eu-west" && fault["name"] != "ExpectedRunMissing");
    let told =
        here.map(|fault| format!("{} {}", fault["name"].as_str().unwrap(), fault["sequence"]));
    (found["regions"]["eu-west"].clone(), told.collect())
}

/// The hub's records, as `kubectl` prints them.
async fn held(world: &World, file: &Path) {
    let list = world
        .hub()
        .kubectl(&["get", "evr", "-o", "json"])
        .await
        .unwrap();
    std::fs::write(file, list).unwrap();
}

async fn fleet_of(world: &World) -> String {
    let cluster = world.cluster("eu-west");
    let map = world
        .get(&cluster, "configmap", RUNS, "tradewind-evidence")
        .await
        .unwrap();
    map["metadata"]["labels"]["tradewind.dev/fleet"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_key_is_changed_in_order_and_a_lost_one_is_told() {
    with_operator(|world| async move {
        world.converged().await;
        reachable(&world).await;
        let folder = tempfile::tempdir().unwrap();
        let agent = async || attest(&world, "eu-west", folder.path()).await;
        let first = agent().await;
        tell(&world, "rotates-1", &first).await;
        world.quiet().await;
        let key = |report: &Value| {
            report["body"]["checkpoint"]["key"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let old = key(&first);
        let ask = format!("tradewind.dev/rotate-key-at={old}");
        let args = ["annotate", "region", "eu-west", "--overwrite", &ask];
        world.hub().kubectl(&args).await.unwrap();
        world
            .until("the agent is asked for another key", async || {
                is_said(&task(&world).await["rotate"], &old)
            })
            .await;
        // A report that is lost with its pod loses nothing, at any step: the next run says the same.
        let lost = agent().await;
        let named = agent().await;
        let next = named["body"]["next"]["key"].as_str().unwrap().to_owned();
        assert_eq!(lost["body"]["next"], named["body"]["next"]);
        assert_eq!((key(&named), next != old), (old.clone(), true));
        tell(&world, "rotates-2", &named).await;
        world
            .until("the next key is recorded", async || {
                is_said(&signed(&world, "eu-west").await["nextKey"], &next)
            })
            .await;
        let record = chain(&world, "eu-west").await;
        let record = record
            .iter()
            .rfind(|object| object.spec.kind == Kind::KeyRotation)
            .unwrap();
        assert_eq!(record.spec.source, next);
        world
            .until("the agent is shown where", async || {
                task(&world).await["successor"]
                    .as_str()
                    .map(|_| ())
                    .ok_or_else(|| "not yet".to_owned())
            })
            .await;
        let lost = agent().await;
        let over = agent().await;
        assert_eq!(
            (key(&lost), key(&over)),
            (old.clone(), old.clone()),
            "the hub has no signature over it"
        );
        assert!(
            over["body"]["checkpoint"]["tip"]["sequence"]
                .as_i64()
                .unwrap()
                >= record.spec.sequence
        );
        tell(&world, "rotates-3", &over).await;
        let from = over["body"]["checkpoint"]["tip"]["head"].as_str().unwrap();
        world
            .until("the agent knows that", async || {
                is_said(&task(&world).await["from"]["head"], from)
            })
            .await;
        let lost = agent().await;
        let new = agent().await;
        assert_eq!((key(&lost), key(&new)), (next.clone(), next.clone()));
        tell(&world, "rotates-4", &new).await;
        world
            .until("the change is over", async || {
                let told = signed(&world, "eu-west").await;
                if told["nextKey"].is_null() && told["untrustedKey"].is_null() {
                    is_said(&told["lastHandledRotateAt"], &old)
                } else {
                    Err(told.to_string())
                }
            })
            .await;
        world.quiet().await;
        assert!(task(&world).await["rotate"].is_null());

        // Whoever trusted the old key trusts the new one by itself. Other tests of this fleet lost keys before.
        let fleet = fleet_of(&world).await;
        let keys = |all: &[EvidenceRecord]| -> BTreeSet<String> {
            let signed = all.iter().flat_map(EvidenceRecord::checkpoints);
            signed.map(|signed| signed.key.to_string()).collect()
        };
        let mut trusted = keys(&chain(&world, "eu-west").await);
        assert!(trusted.remove(&next));
        let export = folder.path().join("held.json");
        held(&world, &export).await;
        let (region, faults) = verified(&export, &fleet, &trusted);
        assert_eq!(
            (faults, &region["rotations"]),
            (vec![], &json!(1)),
            "{region}"
        );
        // The hub itself, asked by whoever may list its records, says the same.
        let hub = world.hub_kubeconfig();
        let live = verified_with(&["--live", &hub], &fleet, &trusted);
        assert_eq!(live, (region, Vec::new()));

        // A key that is lost has no successor that anybody would trust, and the Region says so.
        let gone = ["delete", "secret", "tradewind-evidence", "-n", RUNS];
        world.cluster("eu-west").kubectl(&gone).await.unwrap();
        let strange = agent().await;
        tell(&world, "rotates-5", &strange).await;
        world
            .until("the Region tells it", async || {
                let told = signed(&world, "eu-west").await["untrustedKey"].clone();
                let told = told.as_str().unwrap_or_default();
                if told.contains(&key(&strange)) && told.contains("UntrustedKey") {
                    Ok(())
                } else {
                    Err(told.to_owned())
                }
            })
            .await;
        held(&world, &export).await;
        let (_, faults) = verified(&export, &fleet, &trusted);
        assert!(
            faults.iter().any(|fault| fault.starts_with("UntrustedKey")),
            "{faults:?}"
        );
    });
}

/// All records of a folder or file in eu-west, as lines.
fn exported(from: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["audit", "export", "--format=lines", "--from"])
        .arg(from)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("{\"record\""));
    let here = lines.filter(|line| line.contains("\"region\":\"eu-west\""));
    here.map(str::to_owned).collect()
}

#[test]
fn killed_while_it_seals_the_archive_has_every_record_once() {
    with_operator(|mut world| async move {
        world.converged().await;
        reachable(&world).await;
        let folder = tempfile::tempdir().unwrap();
        let schedule = format!("{POLICY}-retention");
        for n in 0..4 {
            run(
                &world,
                ("eu-west", &schedule),
                &format!("sealed-{n}"),
                &report(n),
            )
            .await;
        }
        world.quiet().await;
        let report = attest(&world, "eu-west", folder.path()).await;
        tell(&world, "seals-1", &report).await;
        world.quiet().await;
        world.stop().await;
        let fleet = fleet_of(&world).await;
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rights = install::archive_rights(checkout).unwrap();
        install::apply(&world.hub(), &rights).await.unwrap();
        let archive = tempfile::tempdir().unwrap();
        let before = folder.path().join("held.json");
        held(&world, &before).await;
        let all = exported(&before);
        let keys: BTreeSet<String> = chain(&world, "eu-west")
            .await
            .iter()
            .flat_map(EvidenceRecord::checkpoints)
            .map(|signed| signed.key.to_string())
            .collect();

        let url = format!("--evidence-archive=file://{}", archive.path().display());
        let flags = [
            url.as_str(),
            "--evidence-seal-after=PT0S",
            "--evidence-segment=6",
        ];
        let mut killed = Vec::new();
        for writes in [1, 2, 4, 7] {
            let mark = world.mark();
            world.launch(&flags).await;
            let begun = Instant::now();
            let done = || {
                let all = mark.writes().into_iter();
                all.filter(|r| r.resource.starts_with("evidencerecords"))
                    .count()
            };
            while done() < writes && begun.elapsed() < PATIENCE && !is_idle(&world, begun).await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            world.kill().await;
            killed.push(done());
            if killed.len() == 2 {
                // What was sealed goes only once the region's key has signed that it is.
                world.launch(&flags).await;
                world.until_ready().await;
                world.quiet().await;
                let report = attest(&world, "eu-west", folder.path()).await;
                run(
                    &world,
                    ("eu-west", "tradewind-evidence"),
                    "seals-2",
                    &report,
                )
                .await;
                world.kill().await;
            }
        }
        world.launch(&flags).await;
        world.until_ready().await;
        let report = attest(&world, "eu-west", folder.path()).await;
        tell(&world, "seals-3", &report).await;
        world
            .until("what is sealed is gone from the hub", async || {
                let told = signed(&world, "eu-west").await;
                let all = chain(&world, "eu-west").await;
                let sealed = told["sealedTo"].as_i64().unwrap_or(0);
                let left = all
                    .iter()
                    .filter(|object| object.spec.sequence <= sealed)
                    .count();
                if sealed > 12 && left * 2 < usize::try_from(sealed).unwrap() {
                    Ok(())
                } else {
                    Err(format!("{left} of {sealed} are left: {told}"))
                }
            })
            .await;
        world.quiet().await;
        println!("killed after {killed:?} writes");

        // Nobody else may take one away, marked or not.
        let left = chain(&world, "eu-west").await;
        let name = left.last().unwrap().metadata.name.clone().unwrap();
        let refused = world.hub().kubectl(&["delete", "evr", &name]).await;
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("deleted by nobody")
        );

        // The archive and what is left: every record of before, once, in order, and whole.
        held(&world, &archive.path().join("held.json")).await;
        let now = exported(archive.path());
        let once: BTreeSet<&String> = now.iter().collect();
        assert_eq!(once.len(), now.len(), "a record is there twice");
        for record in &all {
            assert!(once.contains(record), "lost: {record}");
        }
        let (region, faults) = verified(archive.path(), &fleet, &keys);
        assert_eq!(faults, [""; 0], "{region}");
        assert!(region["segments"].as_i64().unwrap() >= 2, "{region}");
        // One segment is not there: it is named.
        let files = std::fs::read_dir(archive.path()).unwrap();
        let mut segments: Vec<_> = files
            .map(|file| file.unwrap().path())
            .filter(|file| file.extension().is_some_and(|end| end == "gz"))
            .collect();
        segments.sort();
        std::fs::remove_file(&segments[1]).unwrap();
        let (_, faults) = verified(archive.path(), &fleet, &keys);
        assert!(
            faults.contains(&"SegmentMissing 7".to_owned()),
            "{faults:?}"
        );
    });
}

/// Whether it runs and has nothing more to write.
async fn is_idle(world: &World, begun: Instant) -> bool {
    let is_ready = world
        .asks("/readyz")
        .await
        .is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"));
    is_ready && begun.elapsed() > Duration::from_secs(8)
}

#[test]
fn the_regions_own_key_signs_only_what_extends_what_it_signed() {
    with_operator(|world| async move {
        world.converged().await;
        let server =
            json!({"spec": {"evidence": {"apiServer": world.cluster("eu-west").server()}}})
                .to_string();
        let patch = ["patch", "region", "eu-west", "--type=merge", "-p", &server];
        world.hub().kubectl(&patch).await.unwrap();
        world.quiet().await;
        let region = world.cluster("eu-west");
        let gone = [
            "delete",
            "secret",
            "tradewind-evidence",
            "-n",
            RUNS,
            "--ignore-not-found",
        ];
        region.kubectl(&gone).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let first = attest(&world, "eu-west", folder.path()).await;
        assert_eq!(
            (&first["reason"], &first["body"]["isNew"]),
            (&json!("Done"), &json!(true)),
            "{first}"
        );
        run(&world, ("eu-west", "tradewind-evidence"), "signs-1", &first).await;
        let key = first["body"]["checkpoint"]["key"]
            .as_str()
            .unwrap()
            .to_owned();
        world
            .until("the signature is written down", async || {
                let told = signed(&world, "eu-west").await;
                is_said(&told["key"], &key)
            })
            .await;
        world.quiet().await;
        let all = chain(&world, "eu-west").await;
        let over: Vec<_> = all.iter().flat_map(EvidenceRecord::checkpoints).collect();
        let newest = over.iter().max_by_key(|made| made.at).unwrap();
        assert_eq!(newest.key.to_string(), key);
        let rotation = all.last().unwrap();
        assert_eq!(
            (rotation.spec.kind, rotation.spec.source.as_str()),
            (Kind::KeyRotation, key.as_str())
        );
        assert_eq!(newest.tip.sequence + 1, rotation.record().unwrap().sequence);
        // The hub has no right to the key.
        let secret = [
            "auth",
            "can-i",
            "get",
            "secrets",
            "-n",
            RUNS,
            "--as=system:serviceaccount:tradewind-system:tradewind",
        ];
        let may = region.kubectl(&secret).await;
        assert!(may.is_err() || may.unwrap().trim() == "no");
        // What is new is signed with the same key; nothing new is signed again, with a new time.
        let second = attest(&world, "eu-west", folder.path()).await;
        assert_eq!(second["body"]["checkpoint"]["key"], key.as_str());
        let again = attest(&world, "eu-west", folder.path()).await;
        assert_eq!(
            again["body"]["checkpoint"]["tip"],
            second["body"]["checkpoint"]["tip"]
        );
        // A hub that lost its last records, or wrote others, gets no signature.
        let mut task: Value = serde_json::from_str(
            &std::fs::read_to_string(folder.path().join("task.json")).unwrap(),
        )
        .unwrap();
        let digests = task["spec"]["digests"].as_array().unwrap().clone();
        assert_eq!(digests.len(), 1, "the rotation");
        for wrong in [json!([]), json!([format!("sha256-{}", "0".repeat(64))])] {
            task["spec"]["digests"] = wrong;
            let refused = with_task(&world, &task, folder.path()).await;
            assert_eq!(
                (&refused["outcome"], &refused["reason"]),
                (&json!("Refused"), &json!("NotAnExtension")),
                "{refused}"
            );
        }
        let refused = with_task(&world, &task, folder.path()).await;
        run(
            &world,
            ("eu-west", "tradewind-evidence"),
            "signs-2",
            &refused,
        )
        .await;
        world
            .until("the policy says so", async || {
                let policy = world
                    .get(&world.hub(), "datapolicy", "", POLICY)
                    .await
                    .unwrap();
                let (status, reason, _) = condition(&policy, "EvidenceFresh");
                is_said(&json!(format!("{status} {reason}")), "False NotAnExtension")
            })
            .await;
        // A signature over what the hub has ends that.
        run(&world, ("eu-west", "tradewind-evidence"), "signs-3", &again).await;
        world
            .until("it is signed", async || {
                let told = signed(&world, "eu-west").await;
                let is_signed = told["reason"].is_null()
                    && told["sequence"] == again["body"]["checkpoint"]["tip"]["sequence"];
                if is_signed {
                    Ok(())
                } else {
                    Err(told.to_string())
                }
            })
            .await;
        assert!(
            entry(
                &world
                    .get(&world.hub(), "datapolicy", "", POLICY)
                    .await
                    .unwrap(),
                "eu-west"
            )["name"]
                == "eu-west"
        );
        for log in [
            world.log(),
            std::fs::read_to_string(region.audit_log()).unwrap(),
        ] {
            let seed = world
                .get(&region, "secret", RUNS, "tradewind-evidence")
                .await
                .unwrap()["data"]["seed"]
                .clone();
            assert!(!log.contains(seed.as_str().unwrap()), "the key is in a log");
        }
    });
}

/// The agent with a task of the test's own.
async fn with_task(world: &World, task: &Value, folder: &Path) -> Value {
    let report = folder.join("report.json");
    let _ = std::fs::remove_file(&report);
    let file = folder.join("wrong.json");
    std::fs::write(&file, task.to_string()).unwrap();
    let token = ["create", "token", "tradewind-evidence", "-n", RUNS];
    let token = world.cluster("eu-west").kubectl(&token).await.unwrap();
    std::fs::write(folder.join("token"), token).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"))
        .arg("attest")
        .args(["--task".as_ref(), file.as_os_str()])
        .args(["--report-path".as_ref(), report.as_os_str()])
        .args(["--credentials".as_ref(), folder.as_os_str()])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(64));
    serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap()
}
