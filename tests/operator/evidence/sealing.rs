//! Old records go into an archive, each once, whenever whoever seals is killed.

use super::signing::*;
use super::*;

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
