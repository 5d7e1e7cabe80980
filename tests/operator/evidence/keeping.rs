//! Evidence is kept for as long as its rule says: then whole segments go, told and signed before.

use jiff::{SignedDuration, Timestamp};
use tradewind::api::SignedCheckpoint;
use tradewind::archive::Archive;
use tradewind::evidence::{About, Entry, Segment, Signer, canonical, checkpoint};

use super::sealing::{bucket, segments};
use super::signing::*;
use super::*;

/// A region that nobody reaches any more.
const OLD: &str = "old";

fn signer() -> Signer {
    Signer::new(&[9; 32])
}

/// Six records of years ago in two segments of the archive, and the two records that tell of them.
async fn chain_of_old(fleet: &str, archive: &Archive) -> Vec<Record> {
    let begun: Timestamp = "2019-01-01T00:00:00Z".parse().unwrap();
    let entry = |n: i64, kind: Kind, source: &str, body: &Value| Entry {
        kind,
        at: begun + SignedDuration::from_hours(n),
        about: About::cluster("DataPolicy", "gone"),
        source: source.to_owned(),
        body: canonical::object(body).unwrap(),
    };
    let mut tip = Tip::genesis(fleet, OLD);
    let mut records = Vec::new();
    for n in 0..6 {
        let body = json!({"job": format!("gone-{n}"), "reason": "Done", "rules": []});
        let record = entry(n, Kind::Run, &format!("job-{n}"), &body).append(OLD, &tip);
        tip = Tip::of(&record);
        records.push(record);
    }
    let mut after = Tip::genesis(fleet, OLD);
    for n in 0..2 {
        let mut segment = Segment::default();
        for record in &records[n * 3..n * 3 + 3] {
            segment.take(record.clone(), Vec::new(), Vec::new());
        }
        let seal = segment.seal(OLD, after, archive.name()).unwrap();
        let text = segment.text().unwrap();
        archive.put(&seal.segment, &text).await.unwrap();
        after = segment.tip().unwrap();
        let body = serde_json::to_value(&seal).unwrap();
        let record = entry(100, Kind::Seal, &seal.segment, &body).append(OLD, &tip);
        tip = Tip::of(&record);
        records.push(record);
    }
    records
}

/// The region's key signs all that the hub has of it.
async fn sign(world: &World) {
    let all = records(world, OLD).await;
    let last = all.last().unwrap();
    let tip = Tip::of(&last.record().unwrap());
    let made = checkpoint(&signer(), OLD, tip, Timestamp::now()).unwrap();
    let patch = json!({"status": {"checkpoints": [SignedCheckpoint::of(&made)]}}).to_string();
    let name = last.metadata.name.clone().unwrap();
    let args = [
        "patch",
        "evr",
        &name,
        "--subresource=status",
        "--type=merge",
    ];
    let args = [&args[..], &["-p", &patch]].concat();
    world.hub().kubectl(&args).await.unwrap();
}

async fn expired_to(world: &World, place: i64) {
    world
        .until(
            "the Region says up to which record evidence goes",
            async || {
                let told = signed(world, OLD).await;
                if told["expiredTo"] == place {
                    Ok(())
                } else {
                    Err(told.to_string())
                }
            },
        )
        .await;
}

#[test]
fn evidence_goes_after_its_time_told_and_signed_before() {
    with_operator(|mut world| async move {
        world.converged().await;
        let fleet = fleet_of(&world).await;
        world.stop().await;
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rights = install::archive_rights(checkout).unwrap();
        install::apply(&world.hub(), &rights).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = bucket().await;
        let keys = tempfile::tempdir().unwrap();
        let endpoint = store.endpoint();
        store.write_credentials(keys.path(), &endpoint).unwrap();
        let archive = Archive::open("s3://evidence/aurora", Some(keys.path())).unwrap();
        for record in &chain_of_old(&fleet, &archive).await {
            let object = EvidenceRecord::of(record).unwrap();
            let mut object = serde_json::to_value(&object).unwrap();
            object.as_object_mut().unwrap().remove("status");
            world.apply(&[object]).await;
        }
        sign(&world).await;
        let mut region = given::region("eu-west");
        region["metadata"] = json!({"name": OLD});
        region["spec"]["jurisdictions"] = json!(["JP"]);
        region["spec"]["cluster"]["kubeconfigSecretRef"]["name"] = json!("nobody-has-it");
        region["spec"]["evidence"]["keep"] = json!("P1Y");
        world.apply(&[region]).await;

        let credentials = format!("--evidence-archive-credentials={}", keys.path().display());
        let flags = [
            "--evidence-archive=s3://evidence/aurora",
            credentials.as_str(),
            "--evidence-seal-after=P90D",
            "--evidence-segment=3",
        ];
        world.launch(&flags).await;
        world.until_ready().await;
        expired_to(&world, 3).await;
        let told = signed(&world, OLD).await;
        assert_eq!(
            told["keptFor"], "P3Y (jp-appi)",
            "a law wants more than the Region"
        );
        assert_eq!(segments(&store).len(), 2, "nothing goes that is not signed");
        // Killed between saying so and doing it.
        world.kill().await;
        sign(&world).await;
        world.launch(&flags).await;
        world.until_ready().await;
        expired_to(&world, 6).await;
        assert_eq!(segments(&store).len(), 1);
        sign(&world).await;
        world
            .until("what went is nowhere any more", async || {
                let files = segments(&store).len();
                let all = records(&world, OLD).await;
                let left = all
                    .iter()
                    .filter(|object| object.spec.sequence <= 6)
                    .count();
                if files + left == 0 {
                    Ok(())
                } else {
                    Err(format!("{files} segments, {left} records"))
                }
            })
            .await;
        world.quiet().await;

        // It is no fault that they are gone, and the chain goes on behind them.
        let trust = json!({"fleet": fleet, "regions": {OLD: {"keys": [signer().key()]}}});
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), trust.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tradewind"))
            .args(["audit", "verify", "--format=json", "--live"])
            .arg(world.hub_kubeconfig())
            .arg("--trust")
            .arg(file.path())
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let faults = found["faults"].as_array().unwrap().iter();
        let here: Vec<&Value> = faults.filter(|fault| fault["region"] == OLD).collect();
        assert!(here.is_empty(), "{here:?}");
        assert_eq!(found["regions"][OLD]["expired"], 6, "{found}");
    });
}
