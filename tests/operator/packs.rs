//! Who vouches for a pack, and that an old one does not come back: once keys are named, nothing is taken but what one of them signed, and evidence says whose.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tradewind::contract::OWN_TABLES;
use tradewind::evidence::Kind;
use tradewind::packs::{BUILTIN_REGIMES, REGIMES_KEY};
use tradewind_dev::story::install::{self, SYSTEM};

use crate::given;
use crate::outage::reachable;
use crate::requests;
use crate::world::{World, condition, with_operator};

const MAP: &str = "signed-packs";
/// A law that the release does not know.
const LAW: &str = "us-or-house";
/// It asks for that law.
const POLICY: &str = "house";

/// `tradewind regimes sign`, as whoever answers for the law types it; its line: the key and the signature.
fn sign(folder: &Path, text: &str) -> String {
    let (key, pack) = (folder.join("pack.key"), folder.join(REGIMES_KEY));
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    std::fs::write(&pack, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["regimes", "sign", "--key"])
        .args([&key, &pack])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn put(world: &World, data: Value) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP, "namespace": SYSTEM}, "data": data,
    });
    install::apply(&world.hub(), &map.to_string())
        .await
        .unwrap();
}

/// The world as a house finds it that has put no pack there yet: another test's may have stayed.
async fn no_packs(world: &World) {
    let gone = [
        "delete",
        "configmap",
        MAP,
        "-n",
        SYSTEM,
        "--ignore-not-found",
    ];
    world.hub().kubectl(&gone).await.unwrap();
}

/// Waits until an Event on the ConfigMap says this.
async fn refused(world: &World, why: &str) {
    let hub = world.hub();
    world
        .until(&format!("the Event that says {why:?}"), async || {
            let args = ["get", "events.events.k8s.io", "-n", SYSTEM, "-o", "json"];
            let all = hub.kubectl(&args).await.map_err(|e| e.to_string())?;
            let all: Value = serde_json::from_str(&all).unwrap();
            let all = all["items"].as_array().unwrap().iter();
            let mut of_map = all.filter(|event| event["regarding"]["name"] == MAP);
            let is_said = |event: &Value| {
                let note = event["note"].as_str().unwrap_or_default();
                event["reason"] == "PacksRefused" && note.contains(why)
            };
            if of_map.any(is_said) {
                Ok(())
            } else {
                Err("not said".to_owned())
            }
        })
        .await;
}

/// Waits until the operator says that it waits for packs, and why.
async fn waits(world: &World, why: &str) {
    world
        .until(&format!("/readyz says {why:?}"), async || {
            let answer = world.asks("/readyz").await.map_err(|e| e.to_string())?;
            let is_named = answer.contains("503") && answer.contains(why);
            if is_named { Ok(()) } else { Err(answer) }
        })
        .await;
}

/// Waits until the metrics say whether packs are known, and whether some are not taken.
async fn told(world: &World, known: u8, refused: u8) {
    let wanted = [("known", known), ("refused", refused)];
    let wanted = wanted.map(|(name, value)| format!("\ntradewind_packs_{name} {value}\n"));
    world
        .until(&format!("/metrics says {wanted:?}"), async || {
            let answer = world.asks("/metrics").await.map_err(|e| e.to_string())?;
            let is_told = wanted.iter().all(|series| answer.contains(series));
            if is_told { Ok(()) } else { Err(answer) }
        })
        .await;
}

/// Waits until the policy says this of itself.
async fn accepted(world: &World, status: &str, reason: &str) {
    world
        .until(&format!("Accepted={status} {reason}"), async || {
            let policy = world.get(&world.hub(), "datapolicy", "", POLICY).await;
            let said = condition(&policy.unwrap_or_default(), "Accepted");
            if (said.0.as_str(), said.1.as_str()) == (status, reason) {
                Ok(())
            } else {
                Err(format!("{said:?}"))
            }
        })
        .await;
}

/// Waits until evidence has that regimes with a key's signature are in force; what is.
async fn taken_by(world: &World, key: &str) -> Value {
    world
        .until("the change is recorded", async || {
            let told = in_force(world).await;
            if told["regimes"]["signedBy"] == key {
                Ok(told)
            } else {
                Err(told.to_string())
            }
        })
        .await
}

/// The last record of the packs in force.
async fn in_force(world: &World) -> Value {
    let all = crate::evidence::chain(world, "eu-west").await;
    let last = all
        .iter()
        .rfind(|object| object.spec.kind == Kind::PackChange);
    last.map_or(Value::Null, |record| {
        serde_json::from_str(&record.spec.body).unwrap()
    })
}

#[test]
fn only_a_signed_pack_is_taken_and_evidence_names_the_key() {
    with_operator(|mut world| async move {
        let folder = tempfile::tempdir().unwrap();
        let pack = BUILTIN_REGIMES.replace("us-or-cpa", LAW);
        // With a law in force that asks for a notice before a request erases.
        let pack = pack.replacen(
            "inForce: {value: 2027-05-14",
            "inForce: {value: 2026-05-14",
            1,
        );
        let line = sign(folder.path(), &pack);
        let (key, _) = line.split_once(' ').unwrap();
        world.stop().await;
        no_packs(&world).await;
        let args = [
            format!("--packs-configmap={MAP}"),
            format!("--packs-trusted-key={key}"),
        ];
        world.launch(&args.each_ref().map(String::as_str)).await;
        let mut policy = given::policy("eu-west");
        policy["metadata"]["name"] = POLICY.into();
        policy["spec"]["regimes"] = json!(["eu-gdpr", LAW]);
        policy["spec"]["rules"][0]["dataset"]["subjects"] =
            json!([{"column": "email", "identity": "email"}]);
        world.apply(&[given::region("eu-west"), policy]).await;
        // The house's law isn't there yet, and nothing is planned by another.
        waits(&world, "ConfigMap signed-packs is not there").await;
        told(&world, 0, 1).await;

        // Nobody signed it.
        put(&world, json!({REGIMES_KEY: pack})).await;
        let why = "regimes.yaml is not signed, and keys are trusted";
        refused(&world, why).await;
        waits(&world, why).await;

        // With the line of the one who is trusted.
        put(&world, json!({REGIMES_KEY: pack, "regimes.yaml.sig": line})).await;
        world.until_ready().await;
        reachable(&world, "eu-west").await;
        accepted(&world, "True", "Valid").await;
        let taken = taken_by(&world, key).await;
        assert!(taken["platforms"].get("signedBy").is_none(), "{taken}");
        // What no house replaces stands beside them: by which rules the agent's own tables go.
        let own = taken["ownTables"].as_array().unwrap();
        assert_eq!(own.len(), OWN_TABLES.len(), "{taken}");
        told(&world, 1, 0).await;
        requests::nobody_is_erased_before_the_notice(&world).await;

        // One letter of it is another: what was signed stays in force, and nothing else is recorded.
        let changed = pack.replacen("Oregon", "0regon", 1);
        assert_ne!(changed, pack);
        let map = json!({REGIMES_KEY: changed, "regimes.yaml.sig": line});
        put(&world, map).await;
        let why = format!("regimes.yaml is not the text that {key} signed");
        refused(&world, &why).await;
        told(&world, 1, 1).await;
        world.quiet().await;
        accepted(&world, "True", "Valid").await;
        assert_eq!(in_force(&world).await, taken);

        // Nor does deleting the ConfigMap put another law in force.
        let gone = ["delete", "configmap", MAP, "-n", SYSTEM];
        world.hub().kubectl(&gone).await.unwrap();
        refused(&world, "ConfigMap signed-packs is not there").await;
        world.quiet().await;
        accepted(&world, "True", "Valid").await;
        assert_eq!(in_force(&world).await, taken);

        // Whoever names no ConfigMap has the release's own again, for which nobody signed.
        world.stop().await;
        world.launch(&[]).await;
        world.until_ready().await;
        told(&world, 1, 0).await;
        accepted(&world, "False", "UnknownRegime").await;
        world
            .until("the release's own are recorded", async || {
                let told = in_force(&world).await;
                if told["regimes"].get("signedBy").is_none() && told != taken {
                    Ok(())
                } else {
                    Err(told.to_string())
                }
            })
            .await;
    });
}

/// The house's pack as of a day, with its signature.
fn dated(folder: &Path, day: &str) -> (Value, String) {
    let pack = BUILTIN_REGIMES.replace("us-or-cpa", LAW);
    let dated = pack.replacen("asOf: 2026-11-22", &format!("asOf: {day}"), 1);
    assert_ne!(dated, pack);
    let line = sign(folder, &dated);
    let (key, _) = line.split_once(' ').unwrap();
    let key = key.to_owned();
    (json!({REGIMES_KEY: dated, "regimes.yaml.sig": line}), key)
}

#[test]
fn an_older_signed_pack_is_taken_only_where_packs_may_go_back() {
    with_operator(|mut world| async move {
        let folder = tempfile::tempdir().unwrap();
        let today = jiff::Timestamp::now().to_string();
        let today = today.split('T').next().unwrap();
        let (newer, key) = dated(folder.path(), today);
        let (older, _) = dated(folder.path(), "2026-11-01");
        world.stop().await;
        no_packs(&world).await;
        let mut args = vec![
            format!("--packs-configmap={MAP}"),
            format!("--packs-trusted-key={key}"),
        ];
        let told: Vec<&str> = args.iter().map(String::as_str).collect();
        world.launch(&told).await;
        put(&world, newer).await;
        world.until_ready().await;
        let mut policy = given::policy("eu-west");
        policy["metadata"]["name"] = POLICY.into();
        policy["spec"]["regimes"] = json!(["eu-gdpr", LAW]);
        world.apply(&[given::region("eu-west"), policy]).await;
        reachable(&world, "eu-west").await;
        accepted(&world, "True", "Valid").await;
        let taken = taken_by(&world, &key).await;

        // Its signature is good, and its law is that of then: what was in force stays.
        put(&world, older.clone()).await;
        let why = format!("regimes.yaml is as of 2026-11-01, and one as of {today} was in force");
        refused(&world, &why).await;
        world.quiet().await;
        accepted(&world, "True", "Valid").await;
        assert_eq!(in_force(&world).await, taken);

        // A restart knows the release's own alone, which is newer too: nothing is planned by either.
        world.stop().await;
        world.launch(&told).await;
        waits(&world, "regimes.yaml is as of 2026-11-01").await;
        // On purpose.
        world.stop().await;
        args.push("--packs-may-go-back".to_owned());
        let told: Vec<&str> = args.iter().map(String::as_str).collect();
        world.launch(&told).await;
        world.until_ready().await;
        world
            .until("the older one is recorded", async || {
                let told = in_force(&world).await;
                if told["regimes"]["signedBy"] == key && told != taken {
                    Ok(())
                } else {
                    Err(told.to_string())
                }
            })
            .await;
    });
}
