//! Killed anywhere, the store holds whole objects, and the next run finishes the work and is not misled.

use tradewind_dev::serve::merchant::Form;

use super::proxy::Proxy;
use super::world::{World, store};

/// Enough for three parts of five MiB.
const THREE_PARTS: u64 = 36_000;

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_midst_of_the_upload_the_old_file_stays() {
    let mut world = World::new("midway", 100).await;
    world.run().await.wrote();
    let before = (world.text("").await, world.text(".manifest.json").await);
    world.merchant.set_items(THREE_PARTS);
    world.form(Form::Lines);
    let proxy = Proxy::start(store().await.address(), &["PUT ", "partNumber=3"]).await;
    world.endpoint(proxy.address).await;
    let mut child = world.start();
    proxy.silenced(&mut child).await;
    child.kill().unwrap();
    world.wait(child).await;
    assert_eq!(
        before,
        (world.text("").await, world.text(".manifest.json").await)
    );
    world.endpoint(store().await.address()).await;
    world.run().await.wrote();
    assert_eq!(world.manifest().await["bytes"], world.text("").await.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_midst_of_the_upload_nothing_is_left_of_it() {
    let world = World::new("stopped", 100).await;
    world.run().await.wrote();
    let (before, objects) = (world.text("").await, world.objects().await);
    world.merchant.set_items(THREE_PARTS);
    // The second part is on its way when the wish comes; the third finds it.
    let proxy = Proxy::start(store().await.address(), &["POST ", "never"]).await;
    world.endpoint(proxy.address).await;
    let child = world.start();
    let uploads = world.root().await.join(".sgwtmp/multipart");
    while !has_a_part(&uploads) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let ended = world.wait(child).await;
    ended.is(75, "Stopped");
    assert_eq!(world.text("").await, before);
    assert_eq!(world.objects().await, objects);
}

fn has_a_part(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let path = entry.path();
            path.is_file() || has_a_part(&path)
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_manifest_the_next_run_finishes_and_writes_no_file_again() {
    let world = World::new("unsigned", 100).await;
    world.run().await.wrote();
    world.merchant.set_items(200);
    kill_before_the_manifest(&world).await;
    assert_eq!(world.manifest().await["items"], 93);
    assert_eq!(world.text("").await.lines().count(), 186);
    let ended = world.run().await;
    assert_eq!(ended.outcome(), (0, "Done", false), "{ended:#?}");
    let manifest = world.manifest().await;
    assert_eq!(manifest["items"], 185);
    assert_eq!(manifest["hash"], ended.report["body"]["hash"]);
    // From now on the manifest is believed again.
    let ended = world.run().await;
    assert!(!ended.log.contains("reading the object"), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_manifest_the_bound_is_measured_against_the_file_itself() {
    let world = World::new("misled", 100).await;
    world.run().await.wrote();
    world.merchant.set_items(200);
    kill_before_the_manifest(&world).await;
    // The manifest says 93: 89 would pass. The file has 185.
    world.merchant.set_items(95);
    let ended = world.run().await;
    ended.is(64, "ShrinkRefused");
    assert!(ended.message().contains("after 185"), "{}", ended.message());
    // Back to what the manifest describes: the file is another, so that it is written.
    world.merchant.set_items(160);
    world.run().await.wrote();
    assert_eq!(world.manifest().await["items"], 148);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_first_run_the_next_is_the_first() {
    let world = World::new("first", 100).await;
    kill_before_the_manifest(&world).await;
    assert!(!world.file(".manifest.json").await.exists());
    world.run().await.wrote();
    assert_eq!(world.manifest().await["items"], 93);
}

async fn kill_before_the_manifest(world: &World) {
    let proxy = Proxy::start(store().await.address(), &["PUT ", "manifest.json"]).await;
    world.endpoint(proxy.address).await;
    let mut child = world.start();
    proxy.silenced(&mut child).await;
    child.kill().unwrap();
    world.wait(child).await;
    world.endpoint(store().await.address()).await;
}
