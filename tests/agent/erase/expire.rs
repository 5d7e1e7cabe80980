//! A copy goes from its bucket when it has expired: all of it, nothing else, and not before.

use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};

use super::copy::{bucket, world};
use super::world::{Ran, World};

const MANIFEST: &str = "dsr/1.manifest.json";

/// What else is in the bucket, beside the copy and with names like its own.
const OTHERS: [&str; 3] = ["dsr/1", "dsr/11.json.age", "feeds/eu.csv"];

async fn names(store: &AmazonS3) -> Vec<String> {
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<String> = all.iter().map(|one| one.location.to_string()).collect();
    names.sort();
    names
}

async fn lift(world: &World) -> Ran {
    world.start("lift", &["--lift"]).finish().await
}

/// As if time had gone by: the manifest says another day.
async fn expire(store: &AmazonS3, change: impl FnOnce(&mut Value)) {
    let got = store.get(&MANIFEST.into()).await.unwrap();
    let mut manifest: Value = serde_json::from_slice(&got.bytes().await.unwrap()).unwrap();
    manifest["expiresAt"] = "2020-01-01T00:00:00Z".into();
    change(&mut manifest);
    store
        .put(&MANIFEST.into(), manifest.to_string().into())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_copy_is_taken_away_and_nothing_else() {
    let (world, _) = world("erx_expired", "Access").await;
    let store = bucket(&world);
    for name in OTHERS {
        store.put(&name.into(), "x".into()).await.unwrap();
    }
    world.run().await.expect("Delivered");
    assert_eq!(names(&store).await.len(), 3 + 6);
    // Not before its time.
    assert_eq!(lift(&world).await.expect("CopyNotExpired").code, 75);
    assert_eq!(names(&store).await.len(), 3 + 6);
    // Nor what a manifest names that is not the copy's.
    expire(&store, |manifest| {
        manifest["files"][0]["object"] = "feeds/eu.csv".into();
    })
    .await;
    assert_eq!(lift(&world).await.expect("DestinationInvalid").code, 64);
    assert_eq!(names(&store).await.len(), 3 + 6);
    expire(&store, |manifest| {
        manifest["files"][0]["object"] = "dsr/1.json.age".into();
    })
    .await;

    let ran = lift(&world).await;
    let body = ran.expect("CopyRemoved").body();
    assert_eq!(
        (body.request.as_str(), &json!(body.state)),
        ("dsr-1", &json!("Removed"))
    );
    let at: jiff::Timestamp = body.removed_at.as_ref().unwrap().parse().unwrap();
    assert!(at > "2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(names(&store).await, OTHERS);
    // The identity is gone by then, as the hub removes it; and again is no mistake.
    std::fs::remove_file(world.path("identity")).unwrap();
    lift(&world).await.expect("CopyRemoved");
    assert_eq!(names(&store).await, OTHERS);
}

/// A rule of the bucket was quicker with some of it, or a pod was killed in the midst.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_copy_goes_too() {
    let (world, _) = world("erx_left", "Portability").await;
    let store = bucket(&world);
    world.run().await.expect("Delivered");
    let all = names(&store).await;
    expire(&store, |_| ()).await;
    store.delete(&"dsr/1.json.age".into()).await.unwrap();
    lift(&world).await.expect("CopyRemoved");
    assert!(names(&store).await.is_empty());
    // Of a copy that was begun the objects that a rule of the bucket has left, with a gap among them.
    for number in [3, 7] {
        let name = format!("dsr/1.{number}.csv.age");
        store.put(&name.as_str().into(), "x".into()).await.unwrap();
    }
    lift(&world).await.expect("CopyRemoved");
    assert!(names(&store).await.is_empty());
    for name in all.iter().filter(|name| *name != MANIFEST) {
        store.put(&name.as_str().into(), "x".into()).await.unwrap();
    }
    lift(&world).await.expect("CopyRemoved");
    assert!(names(&store).await.is_empty());
    // A bucket that is not there keeps the request open, and so do credentials that may not.
    world.write("bucket/secretAccessKey", "another");
    assert_eq!(lift(&world).await.expect("DestinationRefused").code, 64);
}

/// The request has ended before: the copy goes at once, and what an attempt before it had put there.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_copy_goes_before_its_time() {
    let (mut world, _) = world("erx_withdrawn", "Access").await;
    let store = bucket(&world);
    world.run().await.expect("Delivered");
    store
        .put(&"dsr/1.9.csv.age".into(), "x".into())
        .await
        .unwrap();
    lift(&world).await.expect("CopyNotExpired");
    world.task["spec"]["request"]["delivery"]["withdrawn"] = true.into();
    lift(&world).await.expect("CopyRemoved");
    assert!(names(&store).await.is_empty());
}
