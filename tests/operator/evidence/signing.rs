//! The key that signs a region's chain: made there, changed in order, never believed beyond what it signed.

use super::*;

/// What the agent of a region reports, with the task that the operator wrote and the rights that the chart gives.
pub(super) async fn attest(world: &World, region: &str, folder: &Path) -> Value {
    let cluster = world.cluster(region);
    let map = world
        .get(&cluster, "configmap", RUNS, "tradewind-evidence")
        .await
        .unwrap();
    let task = serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
    asked(&cluster, &task, folder).await
}

/// What the agent of a region reports, with a task.
pub(super) async fn asked(cluster: &Cluster, task: &Value, folder: &Path) -> Value {
    std::fs::write(folder.join("task.json"), task.to_string()).unwrap();
    crate::pod::credentials(cluster, "tradewind-evidence", folder).await;
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

pub(super) async fn signed(world: &World, region: &str) -> Value {
    world.region(region).await["status"]["evidence"].clone()
}

/// Tells the agent of eu-west where its API server is: no pod runs here.
pub(super) async fn reachable(world: &World) {
    reachable_in(world, "eu-west").await;
}

/// Tells a region's agent where its API server is.
pub(super) async fn reachable_in(world: &World, region: &str) {
    let server = world.cluster(region).server().clone();
    let patch = json!({"spec": {"evidence": {"apiServer": server}}}).to_string();
    let args = ["patch", "region", region, "--type=merge", "-p", &patch];
    world.hub().kubectl(&args).await.unwrap();
    world
        .until("the task says so", async || {
            let task = task_of(world, region).await;
            is_said(&task["apiServer"], &server)
        })
        .await;
}

/// What the agent of eu-west is asked.
pub(super) async fn task(world: &World) -> Value {
    task_of(world, "eu-west").await
}

/// What a region's agent is asked.
pub(super) async fn task_of(world: &World, region: &str) -> Value {
    let cluster = world.cluster(region);
    let map = world
        .get(&cluster, "configmap", RUNS, "tradewind-evidence")
        .await
        .unwrap_or_default();
    let text = map["data"]["task.json"].as_str().unwrap_or("{}");
    serde_json::from_str::<Value>(text).unwrap()["spec"].take()
}

/// The hub hears of what the agent reported, and writes the signature down.
pub(super) async fn tell(world: &World, name: &str, report: &Value) {
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

/// Until us-east is shown the chain of eu-west up to a place; says what it is shown.
pub(super) async fn shown(world: &World, place: &Value) -> Value {
    world
        .until("us-east is shown how far eu-west goes", async || {
            let task = task_of(world, "us-east").await;
            let seen = task["witness"][0].clone();
            let told = seen["digests"].as_array().map_or(0, Vec::len) as u64;
            let from = seen["from"]["sequence"].as_u64().unwrap_or_default();
            if seen["region"] == "eu-west" && Some(from + told) == place.as_u64() {
                Ok(seen)
            } else {
                Err(format!("{place}: {}", task["witness"]))
            }
        })
        .await
}

/// Until the signature of us-east over a place of eu-west is written down.
pub(super) async fn countersigned(world: &World, place: &Value) {
    world
        .until("it is countersigned", async || {
            let all = chain(world, "eu-west").await;
            let mut made = all.iter().flat_map(EvidenceRecord::countersignatures);
            if made.any(|made| made.by == "us-east" && Some(made.tip.sequence) == place.as_u64()) {
                Ok(())
            } else {
                Err(format!("{place}: not yet"))
            }
        })
        .await;
}

/// us-east countersigns eu-west as far as that has signed.
pub(super) async fn countersign(world: &World, name: &str, folder: &Path) {
    let place = signed(world, "eu-west").await["sequence"].clone();
    shown(world, &place).await;
    let report = attest(world, "us-east", folder).await;
    run(world, ("us-east", "tradewind-evidence"), name, &report).await;
    countersigned(world, &place).await;
}

/// Each region's keys, as somebody wrote them down.
#[derive(Clone)]
pub(super) struct Trusted {
    pub(super) fleet: String,
    pub(super) keys: BTreeMap<String, BTreeSet<String>>,
}

impl Trusted {
    /// Every key that has signed by now: other tests of this fleet lost some.
    pub(super) async fn by_now(world: &World) -> Self {
        let mut keys = BTreeMap::new();
        for region in REGIONS {
            let all = chain(world, region).await;
            let own = all.iter().flat_map(EvidenceRecord::checkpoints);
            let own: BTreeSet<String> = own.map(|made| made.key.to_string()).collect();
            if !own.is_empty() {
                keys.insert(region.to_owned(), own);
            }
        }
        let fleet = fleet_of(world).await;
        Self { fleet, keys }
    }
}

/// What `audit verify` finds in eu-west, beside signatures of keys that were trusted before: `name sequence`.
pub(super) fn verified(from: &Path, trusted: &Trusted) -> (Value, Vec<String>) {
    verified_with(&["--from", from.to_str().unwrap()], trusted)
}

pub(super) fn verified_with(args: &[&str], trusted: &Trusted) -> (Value, Vec<String>) {
    let keys = trusted.keys.iter();
    let regions: BTreeMap<_, _> = keys
        .map(|(region, keys)| (region, json!({"keys": keys})))
        .collect();
    let trust = json!({"fleet": trusted.fleet, "regions": regions});
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

/// What another test of this fleet sealed went with its archive.
fn but_anothers_archive(mut faults: Vec<String>) -> Vec<String> {
    faults.retain(|fault| !fault.starts_with("SegmentMissing "));
    faults
}

/// The hub's records, as `kubectl` prints them.
pub(super) async fn held(world: &World, file: &Path) {
    let list = world
        .hub()
        .kubectl(&["get", "evr", "-o", "json"])
        .await
        .unwrap();
    std::fs::write(file, list).unwrap();
}

pub(super) async fn fleet_of(world: &World) -> String {
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

        // Whoever trusted the old key trusts the new one by itself.
        let mut trusted = Trusted::by_now(&world).await;
        assert!(trusted.keys.get_mut("eu-west").unwrap().remove(&next));
        let export = folder.path().join("held.json");
        held(&world, &export).await;
        let (region, faults) = verified(&export, &trusted);
        let faults = but_anothers_archive(faults);
        assert_eq!(
            (faults, &region["rotations"]),
            (vec![], &json!(1)),
            "{region}"
        );
        // The hub itself, asked by whoever may list its records, says the same.
        let hub = world.hub_kubeconfig();
        let (live, faults) = verified_with(&["--live", &hub], &trusted);
        let faults = but_anothers_archive(faults);
        assert_eq!((live, faults), (region, Vec::new()));

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
        let (_, faults) = verified(&export, &trusted);
        assert!(
            faults.iter().any(|fault| fault.starts_with("UntrustedKey")),
            "{faults:?}"
        );
    });
}

#[test]
fn the_regions_own_key_signs_only_what_extends_what_it_signed() {
    with_operator(|world| async move {
        world.converged().await;
        reachable(&world).await;
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
            let refused = asked(&region, &task, folder.path()).await;
            assert_eq!(
                (&refused["outcome"], &refused["reason"]),
                (&json!("Refused"), &json!("NotAnExtension")),
                "{refused}"
            );
        }
        let refused = asked(&region, &task, folder.path()).await;
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
