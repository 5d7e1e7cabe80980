//! Old records go into an archive, each once, whenever whoever seals is killed. The archive is a bucket of a real server.

use std::net::{IpAddr, Ipv4Addr};

use tradewind::archive::Archive;
use tradewind_dev::objectstore::Server;

use super::signing::*;
use super::*;

pub(super) async fn bucket() -> Server {
    let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Server::start(listen, &["evidence"]).await.unwrap()
}

/// The segments of the archive: their files, in their order.
pub(super) fn segments(store: &Server) -> Vec<PathBuf> {
    // The server takes a folder away with its last object.
    let files = std::fs::read_dir(store.folder().join("evidence/aurora"));
    let files = files.into_iter().flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "gz"));
    files.sort();
    files
}

#[tokio::test]
async fn a_bucket_takes_each_segment_once_and_says_what_it_does_not_do() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = bucket().await;
    let keys = tempfile::tempdir().unwrap();
    let open = |url: &str| Archive::open(url, Some(keys.path())).unwrap();
    store
        .write_credentials(keys.path(), &store.endpoint())
        .unwrap();
    let name = "eu-0000000001-0000000002.jsonl.gz";
    for url in [
        "s3://evidence/aurora",
        "s3://evidence",
        "s3://evidence/a/b/",
    ] {
        let archive = open(url);
        assert_eq!(archive.beginning("eu", 1).await.unwrap(), None, "{url}");
        archive.put(name, b"one\n").await.unwrap();
        archive.put(name, b"two\n").await.unwrap();
        assert_eq!(archive.get(name).await.unwrap(), b"one\n", "{url}");
        let found = archive.beginning("eu", 1).await.unwrap();
        assert_eq!(found.as_deref(), Some(name), "{url}");
        for (region, first) in [("eu", 2), ("e", 1), ("eu-0", 1)] {
            assert_eq!(archive.beginning(region, first).await.unwrap(), None);
        }
    }
    // What was kept for long enough goes, and that it is gone is no error.
    let archive = open("s3://evidence/a/b");
    assert!(archive.remove(name).await.unwrap());
    assert!(!store.folder().join("evidence/a/b").join(name).exists());
    assert!(!archive.remove(name).await.unwrap());
    assert!(!open("s3://evidence/a/b").remove(name).await.unwrap());
    assert!(archive.get(name).await.is_err());
    // A listing has a thousand names a page.
    let archive = open("s3://evidence/many");
    std::fs::create_dir_all(store.folder().join("evidence/many")).unwrap();
    for first in 1..1100 {
        let name = format!("eu-{first:010}-{first:010}.jsonl.gz");
        std::fs::write(store.folder().join("evidence/many").join(name), b"").unwrap();
    }
    assert!(archive.beginning("eu", 1099).await.unwrap().is_some());
    // What it refuses is told, without a key.
    std::fs::write(keys.path().join("secretAccessKey"), "wr0ng").unwrap();
    let told = open("s3://evidence")
        .put(name, b"three\n")
        .await
        .unwrap_err();
    let told = format!("{told:?}");
    assert!(
        told.contains("does not take a segment") && !told.contains("wr0ng"),
        "{told}"
    );
    assert!(
        open("s3://no-such-bucket")
            .beginning("eu", 1)
            .await
            .is_err()
    );
    drop(store);
    assert!(archive.get(name).await.is_err());
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
        reachable_in(&world, "us-east").await;
        let folder = tempfile::tempdir().unwrap();
        let schedule = format!("{POLICY}-retention");
        // Enough for three segments, whatever other tests have left in the chain.
        for n in 0..16 {
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
        countersign(&world, "seals-us-1", folder.path()).await;
        world.quiet().await;
        world.stop().await;
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rights = install::archive_rights(checkout).unwrap();
        install::apply(&world.hub(), &rights).await.unwrap();
        let store = bucket().await;
        let keys = tempfile::tempdir().unwrap();
        let before = folder.path().join("held.json");
        held(&world, &before).await;
        let all = exported(&before);
        let trusted = Trusted::by_now(&world).await;

        let credentials = format!("--evidence-archive-credentials={}", keys.path().display());
        let flags = [
            "--evidence-archive=s3://evidence/aurora",
            credentials.as_str(),
            "--evidence-seal-after=PT0S",
            "--evidence-segment=6",
        ];
        // Where nothing answers nothing is sealed, and the Region says why.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nowhere = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        store.write_credentials(keys.path(), &nowhere).unwrap();
        world.launch(&flags).await;
        world.until_ready().await;
        world
            .until(
                "the Region says that the archive does not answer",
                async || {
                    let told = signed(&world, "eu-west").await;
                    match told["sealingProblem"].as_str() {
                        Some(why) if why.contains("the archive") => Ok(()),
                        _ => Err(told.to_string()),
                    }
                },
            )
            .await;
        assert!(signed(&world, "eu-west").await["sealedTo"].is_null());
        world.kill().await;
        store
            .write_credentials(keys.path(), &store.endpoint())
            .unwrap();
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
        // However far the killed ones came: all that may be sealed is, so that the next signature is over every seal.
        world.quiet().await;
        let report = attest(&world, "eu-west", folder.path()).await;
        tell(&world, "seals-3", &report).await;
        // What another region has not seen stays until it has.
        countersign(&world, "seals-us-2", folder.path()).await;
        world
            .until("what is sealed is gone from the hub", async || {
                let told = signed(&world, "eu-west").await;
                let (to, left, idle) = left(&world, told["sequence"].as_i64().unwrap()).await;
                if to > 12 && left < to && idle.is_empty() {
                    Ok(())
                } else {
                    Err(format!(
                        "{left} of {to} are left, {idle:?} of no use: {told}"
                    ))
                }
            })
            .await;
        world.quiet().await;
        println!("killed after {killed:?} writes");
        returning::catches_up(&mut world, &flags, (&store, &all), folder.path()).await;

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
        let archive = tempfile::tempdir().unwrap();
        for file in segments(&store) {
            let copy = archive.path().join(file.file_name().unwrap());
            std::fs::copy(&file, copy).unwrap();
        }
        held(&world, &archive.path().join("held.json")).await;
        let now = exported(archive.path());
        let once: BTreeSet<&String> = now.iter().collect();
        assert_eq!(once.len(), now.len(), "a record is there twice");
        for record in &all {
            assert!(once.contains(record), "lost: {record}");
        }
        let (region, faults) = verified(archive.path(), &trusted);
        assert_eq!(faults, [""; 0], "{region}");
        assert!(region["segments"].as_i64().unwrap() >= 2, "{region}");
        assert!(
            region["witnesses"]["us-east"].as_i64() > Some(0),
            "{region}"
        );
        // The hub itself beside the archive says the same.
        std::fs::remove_file(archive.path().join("held.json")).unwrap();
        let (from, hub) = (archive.path().to_str().unwrap(), world.hub_kubeconfig());
        let live = verified_with(&["--from", from, "--live", &hub], &trusted);
        assert_eq!(live, (region, vec![]));
        // One segment is not there: it is named.
        held(&world, &archive.path().join("held.json")).await;
        let second = segments(&store)[1].clone();
        std::fs::remove_file(archive.path().join(second.file_name().unwrap())).unwrap();
        let (_, faults) = verified(archive.path(), &trusted);
        assert!(
            faults.contains(&"SegmentMissing 7".to_owned()),
            "{faults:?}"
        );
    });
}

/// Up to which record eu-west has signed for what is sealed; how many of those are on the hub; and which of them though they
/// are neither seals nor the last ones of their kind about something.
async fn left(world: &World, signed: i64) -> (i64, i64, Vec<i64>) {
    let all = chain(world, "eu-west").await;
    let is_signed_seal =
        |object: &&EvidenceRecord| object.spec.kind == Kind::Seal && object.spec.sequence <= signed;
    let seals = all.iter().filter(is_signed_seal);
    let seals = seals.map(|object| serde_json::from_str::<Value>(&object.spec.body).unwrap());
    let to = seals.filter_map(|seal| seal["last"].as_i64()).max();
    let to = to.unwrap_or(0);
    let is_last = |object: &&EvidenceRecord| {
        let about = (object.spec.kind, &object.spec.about);
        let mut later = all
            .iter()
            .filter(|o| o.spec.sequence > object.spec.sequence);
        !later.any(|o| (o.spec.kind, &o.spec.about) == about)
    };
    let sealed = all.iter().filter(|object| object.spec.sequence <= to);
    let left = i64::try_from(sealed.clone().count()).unwrap();
    let idle = sealed.filter(|object| object.spec.kind != Kind::Seal && !is_last(object));
    (to, left, idle.map(|object| object.spec.sequence).collect())
}

/// Whether it runs and has nothing more to write.
async fn is_idle(world: &World, begun: Instant) -> bool {
    let is_ready = world
        .asks("/readyz")
        .await
        .is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"));
    is_ready && begun.elapsed() > Duration::from_secs(12)
}
