//! Another region's key signs how far a chain goes, if it goes on from what that region saw.

use super::signing::*;
use super::*;

/// What signs in us-east.
const SIGNS: (&str, &str) = ("us-east", "tradewind-evidence");

/// A kubeconfig of somebody on the hub, who may list records if `may` says so and nothing else.
async fn auditor(world: &World, name: &str, may: bool, folder: &Path) -> String {
    let hub = world.hub();
    let _ = hub.kubectl(&["create", "sa", name, "-n", "default"]).await;
    if may {
        let role = ["create", "clusterrole", name, "--verb=list"];
        let role = [&role[..], &["--resource=evidencerecords.tradewind.dev"]].concat();
        let _ = hub.kubectl(&role).await;
        let role = format!("--clusterrole={name}");
        let who = format!("--serviceaccount=default:{name}");
        let bind = ["create", "clusterrolebinding", name, &role, &who];
        let _ = hub.kubectl(&bind).await;
    }
    let kubeconfig = hub.service_account_kubeconfig("default", name).await;
    let file = folder.join(format!("{name}.kubeconfig"));
    std::fs::write(&file, kubeconfig.unwrap()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn another_region_countersigns_what_goes_on_from_what_it_saw() {
    with_operator(|mut world| async move {
        world.converged().await;
        reachable(&world).await;
        reachable_in(&world, "us-east").await;
        let folder = tempfile::tempdir().unwrap();
        let first = attest(&world, "eu-west", folder.path()).await;
        tell(&world, "seen-1", &first).await;
        let tip = first["body"]["checkpoint"]["tip"].clone();
        let seen = shown(&world, &tip["sequence"]).await;
        // Its report is lost; the next run says it again.
        attest(&world, "us-east", folder.path()).await;
        let report = attest(&world, "us-east", folder.path()).await;
        let made = &report["body"]["countersignatures"][0];
        assert_eq!(
            (&made["region"], &made["by"], &made["tip"]),
            (&json!("eu-west"), &json!("us-east"), &tip)
        );
        // Whoever leads is killed, and the next one reads the same report.
        world.kill().await;
        run(&world, SIGNS, "seen-2", &report).await;
        world.launch(&[]).await;
        world.until_ready().await;
        countersigned(&world, &tip["sequence"]).await;

        // The chain grows by the key's own record, is signed and countersigned as an extension of that.
        world.quiet().await;
        let schedule = format!("{POLICY}-retention");
        run(
            &world,
            ("eu-west", &schedule),
            "seen-run",
            &super::report(3),
        )
        .await;
        world.quiet().await;
        let second = attest(&world, "eu-west", folder.path()).await;
        tell(&world, "seen-3", &second).await;
        let longer = second["body"]["checkpoint"]["tip"].clone();
        assert!(longer["sequence"].as_u64() > tip["sequence"].as_u64());
        let more = shown(&world, &longer["sequence"]).await;
        assert_eq!(more["from"], tip, "from what it is known to have signed");
        let report = attest(&world, "us-east", folder.path()).await;
        let made = &report["body"]["countersignatures"][0];
        assert_eq!((&made["tip"], &made["previous"]), (&longer, &tip));
        run(&world, SIGNS, "seen-4", &report).await;
        countersigned(&world, &longer["sequence"]).await;
        world.quiet().await;

        // Offline and live, `audit verify` says by whom.
        let export = folder.path().join("held.json");
        held(&world, &export).await;
        let trusted = Trusted::by_now(&world).await;
        let (region, faults) = verified(&export, &trusted);
        assert_eq!(faults, [""; 0], "{region}");
        assert_eq!(region["witnesses"]["us-east"], longer["sequence"]);
        let live = auditor(&world, "auditor", true, folder.path()).await;
        let (live, faults) = verified_with(&["--live", &live], &trusted);
        assert_eq!((faults, live), (vec![], region));
        let nobody = auditor(&world, "nobody", false, folder.path()).await;
        refused_live(&nobody);

        // A hub that shows another chain, or a shorter one, gets no signature over it, and is told of.
        let us = world.cluster("us-east");
        let map = world.get(&us, "configmap", RUNS, "tradewind-evidence");
        let map = map.await.unwrap();
        let mut task: Value =
            serde_json::from_str(map["data"]["task.json"].as_str().unwrap()).unwrap();
        let mut forked = seen.clone();
        forked["digests"][0] = json!(format!("sha256-{}", "0".repeat(64)));
        for (name, wrong) in [("seen-forked", forked), ("seen-shorter", seen)] {
            task["spec"]["witness"] = json!([wrong]);
            let report = asked(&us, &task, folder.path()).await;
            assert_eq!(report["body"]["unproven"], json!(["eu-west"]), "{report}");
            assert!(report["body"]["countersignatures"].is_null(), "{report}");
            run(&world, SIGNS, name, &report).await;
            world
                .until("the Region says so", async || {
                    let told = signed(&world, "us-east").await;
                    is_same(&told["unproven"], &json!(["eu-west"]))
                })
                .await;
            says(&world, "False ChainUnproven").await;
        }
        // One that begins behind what this region saw proves nothing, either way: that has a word of its own.
        let mut later = more.clone();
        later["from"] = json!({"head": format!("sha256-{}", "0".repeat(64)), "sequence": longer["sequence"].as_u64().unwrap() + 1});
        task["spec"]["witness"] = json!([later]);
        let report = asked(&us, &task, folder.path()).await;
        assert_eq!(
            report["body"]["behind"],
            json!([{"region": "eu-west", "noted": longer}])
        );
        assert!(report["body"]["unproven"].is_null(), "{report}");
        run(&world, SIGNS, "seen-later", &report).await;
        let to =
            json!([{"region": "eu-west", "sequence": longer["sequence"], "head": longer["head"]}]);
        world
            .until("the Region says how far it had come", async || {
                is_same(&signed(&world, "us-east").await["behind"], &to)
            })
            .await;
        assert!(signed(&world, "us-east").await["unproven"].is_null());
        let report = attest(&world, "us-east", folder.path()).await;
        run(&world, SIGNS, "seen-last", &report).await;
        world
            .until("the Region says no more", async || {
                is_same(&signed(&world, "us-east").await["behind"], &Value::Null)
            })
            .await;
    });
}

/// Until the policy says that of its evidence in eu-west.
async fn says(world: &World, wanted: &str) {
    world
        .until("the policy says so", async || {
            let policy = world.get(&world.hub(), "datapolicy", "", POLICY).await;
            let (status, reason, message) = condition(&policy.unwrap(), "EvidenceFresh");
            let said = format!("{status} {reason}");
            if said == wanted {
                Ok(())
            } else {
                Err(format!("{said}: {message}"))
            }
        })
        .await;
}

fn is_same(told: &Value, wanted: &Value) -> Result<(), String> {
    if told == wanted {
        Ok(())
    } else {
        Err(told.to_string())
    }
}

fn refused_live(kubeconfig: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = format!("ed25519-{}", "0".repeat(64));
    let trust = json!({"fleet": "f", "regions": {"eu-west": {"keys": [key]}}});
    std::fs::write(file.path(), trust.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["audit", "verify", "--live", kubeconfig, "--trust"])
        .arg(file.path())
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && says.contains("forbidden"),
        "{output:?}"
    );
}
