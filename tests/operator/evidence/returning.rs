//! A region that was no witness for a while, and is one again: what came since is in the archive.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tradewind_dev::objectstore::Server;

use super::sealing::segments;
use super::signing::*;
use super::*;

/// What signs in us-east.
const SIGNS: (&str, &str) = ("us-east", "tradewind-evidence");
/// How far it had come: in the midst of the second segment.
const NOTED: u64 = 8;

/// us-east has the Secret of a time when eu-west had few records. By itself it comes to where eu-west is, though the archive gives
/// nothing for a while and whoever leads is killed.
pub(super) async fn catches_up(
    world: &mut World,
    flags: &[&str],
    (store, all): (&Server, &[String]),
    folder: &Path,
) {
    let schedule = format!("{POLICY}-retention");
    let more = super::report(99);
    run(world, ("eu-west", &schedule), "away-run", &more).await;
    world.quiet().await;
    let report = attest(world, "eu-west", folder).await;
    tell(world, "away-signed", &report).await;
    let end = report["body"]["checkpoint"]["tip"].clone();
    shown(world, &end["sequence"]).await;
    let noted = noted(all);
    let witnessed = STANDARD.encode(json!({"eu-west": noted}).to_string());
    let patch = json!({"data": {"witnessed": witnessed}}).to_string();
    let args = ["patch", "secret", "tradewind-evidence", "-n", RUNS];
    let args = [&args[..], &["--type=merge", "-p", &patch]].concat();
    world.cluster("us-east").kubectl(&args).await.unwrap();

    // It says how far it had come. The archive lacks what is next: the Region says why nothing is shown of it.
    let segment = segments(store)[1].clone();
    let elsewhere = folder.join("away");
    std::fs::rename(&segment, &elsewhere).unwrap();
    let report = attest(world, "us-east", folder).await;
    let behind = json!([{"region": "eu-west", "noted": noted}]);
    assert_eq!(report["body"]["behind"], behind, "{report}");
    run(world, SIGNS, "away-1", &report).await;
    world
        .until("the Region says why it is shown no more", async || {
            let told = signed(world, "us-east").await["behind"][0].clone();
            let why = told["problem"].as_str().unwrap_or_default();
            if told["sequence"] == NOTED && why.contains("the archive") {
                Ok(())
            } else {
                Err(told.to_string())
            }
        })
        .await;
    assert!(signed(world, "us-east").await["unproven"].is_null());

    // It is there again, and so is another operator, which knows what the Region says alone.
    std::fs::rename(&elsewhere, &segment).unwrap();
    world.kill().await;
    world.launch(flags).await;
    world.until_ready().await;
    world
        .until("it is shown what it missed", async || {
            let seen = task_of(world, "us-east").await["witness"][0].clone();
            if seen["from"] == noted {
                Ok(())
            } else {
                Err(seen["from"].to_string())
            }
        })
        .await;
    shown(world, &end["sequence"]).await;
    let report = attest(world, "us-east", folder).await;
    let made = &report["body"]["countersignatures"][0];
    assert_eq!((&made["previous"], &made["tip"]), (&noted, &end));
    run(world, SIGNS, "away-2", &report).await;
    countersigned(world, &end["sequence"]).await;
    world
        .until("the Region says no more of it", async || {
            match &signed(world, "us-east").await["behind"] {
                Value::Null => Ok(()),
                told => Err(told.to_string()),
            }
        })
        .await;
    world.quiet().await;
}

/// The place, by the record after it.
fn noted(all: &[String]) -> Value {
    let all = all.iter();
    let mut all = all.map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].take());
    let next = all.find(|record| record["sequence"] == NOTED + 1).unwrap();
    json!({"head": next["previous"], "sequence": NOTED})
}
