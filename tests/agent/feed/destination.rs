//! What stands in the store is never believed blindly, never emptied by accident, never half replaced.

use std::net::SocketAddr;

use serde_json::json;

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_shrinks_beyond_the_bound_is_refused() {
    let mut world = World::new("shrink", 1000).await;
    world.run().await.wrote();
    let before = world.text("").await;
    world.merchant.set_items(100);
    let ended = world.run().await;
    ended.is(64, "ShrinkRefused");
    assert!(
        ended
            .message()
            .contains("the file would have 93 items after 925, 90 % fewer"),
        "{}",
        ended.message()
    );
    assert!(
        ended.message().contains("raise `maxShrinkPercent` to 90"),
        "{}",
        ended.message()
    );
    assert_eq!(world.text("").await, before);
    world.spec()["maxShrinkPercent"] = 89.into();
    world.run().await.is(64, "ShrinkRefused");
    world.spec()["maxShrinkPercent"] = 90.into();
    assert_eq!(world.run().await.wrote().items(), 93);
    assert_eq!(world.manifest().await["items"], 93);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_catalogue_is_refused_unless_all_may_go() {
    let mut world = World::new("empty", 0).await;
    world.spec()["maxShrinkPercent"] = 99.into();
    world.run().await.is(64, "ShrinkRefused");
    assert!(world.objects().await.is_empty());
    world.merchant.set_items(20);
    world.run().await.wrote();
    world.merchant.set_items(0);
    world.run().await.is(64, "ShrinkRefused");
    world.spec()["maxShrinkPercent"] = 100.into();
    assert_eq!(world.run().await.wrote().items(), 0);
    assert_eq!(world.text("").await.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_manifest_it_is_the_first_run_and_with_a_broken_one_it_is_none() {
    let world = World::new("manifest", 100).await;
    world.run().await.wrote();
    let manifest = world.manifest().await;
    assert_eq!(manifest["items"], 93);
    assert_eq!(manifest["rejected"]["items"], 7);
    assert_eq!(manifest["bytes"], world.text("").await.len());
    world.merchant.set_items(10);
    let path = world.file(".manifest.json").await;
    for broken in ["", "{", r#"{"version": 9}"#] {
        std::fs::write(&path, broken).unwrap();
        let ended = world.run().await;
        ended.is(64, "ManifestUnreadable");
        assert!(
            ended.message().contains("delete it to begin anew"),
            "{}",
            ended.message()
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(world.run().await.wrote().items(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_is_tried_again_and_one_that_refuses_is_not() {
    let mut world = World::new("refusing", 10).await;
    let keys = world.dir.path().join("feeds");
    world.endpoint(SocketAddr::from(([127, 0, 0, 1], 1))).await;
    world.run().await.is(75, "DestinationUnavailable");
    world.endpoint(super::world::store().await.address()).await;
    std::fs::write(keys.join("secretAccessKey"), "wrong").unwrap();
    world.run().await.is(64, "CredentialsInvalid");
    std::fs::write(keys.join("accessKeyId"), "nobody").unwrap();
    world.run().await.is(64, "CredentialsInvalid");
    std::fs::remove_file(keys.join("accessKeyId")).unwrap();
    let ended = world.run().await;
    assert!(
        ended
            .is(64, "CredentialsInvalid")
            .message()
            .contains("`accessKeyId` is missing")
    );
    world.endpoint(super::world::store().await.address()).await;
    world.spec()["destination"]["url"] = "s3://no-such-bucket".into();
    let ended = world.run().await;
    assert!(
        ended
            .is(64, "DestinationInvalid")
            .message()
            .contains("no such bucket")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_makes_no_file_is_refused() {
    let mut world = World::new("wrong", 10).await;
    world.spec()["columns"][1]["field"] = "name".into();
    let ended = world.run().await;
    assert!(
        ended
            .is(64, "TaskInvalid")
            .message()
            .contains("`name`, which is no field"),
        "{ended:#?}"
    );
    world.spec()["columns"] = json!("none");
    world.run().await.is(64, "TaskInvalid");
}
