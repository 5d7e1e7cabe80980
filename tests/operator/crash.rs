//! Killed at any moment, and whatever is deleted meanwhile: what was made is found again, and taken away when it must be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::deletion::{channel_goes, delete, nothing_left};
use crate::given::{self, REGIONS, TENANT};
use crate::world::{PATIENCE, World, condition, with_operator};

/// Everything but the channels.
async fn policies_only(world: &World) {
    let mut all = vec![given::credentials()];
    all.extend(REGIONS.map(given::region));
    all.extend(REGIONS.map(given::policy));
    world.apply(&all).await;
    for region in REGIONS {
        world.until_children(region, &of_policies(region)).await;
    }
    world.quiet().await;
}

fn of_policies(region: &str) -> Vec<String> {
    let mut children = given::children(region);
    children.retain(|child| given::is_of_no_channel(child));
    children
}

async fn of_channels(world: &World, region: &str) -> Vec<String> {
    let mut there = world.children(region).await;
    there.retain(|child| !given::is_of_no_channel(child));
    there
}

/// As after a restore of the hub: the resource is there, and what its status remembered is not.
async fn forget(world: &World, kind: &str, name: &str) {
    let none = r#"{"status":{"regions":[]}}"#;
    let mut args = vec![
        "patch",
        kind,
        name,
        "--subresource=status",
        "--type=merge",
        "-p",
        none,
    ];
    if kind == "socialchannel" {
        args.extend(["-n", TENANT]);
    }
    world.hub().kubectl(&args).await.unwrap();
}

async fn patch(world: &World, kind: &str, name: &str, patch: &Value) {
    let patch = patch.to_string();
    let mut args = vec!["patch", kind, name, "--type=merge", "-p", &patch];
    if kind == "socialchannel" {
        args.extend(["-n", TENANT]);
    }
    world.hub().kubectl(&args).await.unwrap();
}

async fn region_goes(world: &World, name: &str) {
    world
        .until("the Region goes", async || {
            let region = world.region(name).await;
            if region.is_null() {
                Ok(())
            } else {
                Err(format!("{:?}", condition(&region, "Deleting")))
            }
        })
        .await;
}

#[test]
fn what_is_about_to_be_made_is_told_before() {
    with_operator(|world| async move {
        policies_only(&world).await;
        let mark = world.mark();
        world.apply(&[given::instagram(), given::partner()]).await;
        world.until_converged().await;
        let writes = mark.writes();
        for name in ["instagram", "partner"] {
            let told = |r: &&crate::audit::Request| {
                r.cluster == "hub" && r.resource == "socialchannels/status" && r.name == name
            };
            let made = |r: &&crate::audit::Request| r.cluster != "hub" && r.name.starts_with(name);
            let told = writes.iter().filter(told).map(|r| &r.at).min().unwrap();
            let made = writes.iter().filter(made).map(|r| &r.at).min().unwrap();
            assert!(told < made, "{name}: told {told}, made {made}");
        }
        for region in REGIONS {
            let inventory =
                crate::world::entry(&world.channel("instagram").await, region)["inventory"].clone();
            let all = inventory.as_array().unwrap();
            assert_eq!(all.len(), 11, "{inventory}");
            assert!(all.iter().all(|e| e["uid"] != ""), "{inventory}");
        }
    });
}

/// Makes a channel, and stops us-east's API server as soon as it has got the first object: the others, and the status, are
/// still to come.
async fn frozen_in_the_act(world: &World) {
    let mark = world.mark();
    world.apply(&[given::instagram()]).await;
    let begun = Instant::now();
    while !mark.writes().iter().any(|r| r.cluster == "us-east") {
        assert!(begun.elapsed() < PATIENCE, "nothing is written");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.cluster("us-east").freeze().unwrap();
}

#[test]
fn killed_in_the_act_and_deleted_while_a_region_is_away() {
    with_operator(|mut world| async move {
        policies_only(&world).await;
        frozen_in_the_act(&world).await;
        world.kill().await;
        delete(&world, "socialchannel", "instagram").await;
        world.start().await;
        world
            .until("the deletion says what it waits for", async || {
                let said = condition(&world.channel("instagram").await, "Deleting");
                if said.2.contains("us-east") {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        world.cluster("us-east").thaw().unwrap();
        channel_goes(&world, "instagram").await;
        for region in REGIONS {
            assert_eq!(of_channels(&world, region).await, Vec::<String>::new());
        }
    });
}

#[test]
fn what_no_status_remembers_is_found_where_it_is() {
    with_operator(|mut world| async move {
        world.converged().await;
        world.kill().await;
        // No longer meant for us-east, deleted, no longer meant for us-east.
        let regions = json!({"spec": {"regions": {"selector": null, "names": ["eu-west"]}}});
        patch(&world, "socialchannel", "instagram", &regions).await;
        delete(&world, "socialchannel", "partner").await;
        let selector =
            json!({"spec": {"selector": {"jurisdictions": null, "regions": ["eu-west"]}}});
        patch(&world, "datapolicy", "us-east-customers", &selector).await;
        forget(&world, "socialchannel", "instagram").await;
        forget(&world, "socialchannel", "partner").await;
        forget(&world, "datapolicy", "us-east-customers").await;
        world.start().await;
        world.until_children("us-east", &given::signing()).await;
        channel_goes(&world, "partner").await;
        let mut wanted = given::children("eu-west");
        wanted.retain(|child| !child.contains("partner"));
        // The other region's policy is now for this one.
        let moved = of_policies("us-east").into_iter();
        wanted.extend(moved.filter(|child| child.contains("retention")));
        wanted.sort();
        world.until_children("eu-west", &wanted).await;
    });
}

#[test]
fn a_region_waits_for_what_no_status_remembers() {
    with_operator(|mut world| async move {
        world.converged().await;
        world.kill().await;
        forget(&world, "socialchannel", "instagram").await;
        forget(&world, "datapolicy", "us-east-customers").await;
        delete(&world, "region", "us-east").await;
        world.start().await;
        region_goes(&world, "us-east").await;
        assert_eq!(world.children("us-east").await, Vec::<String>::new());
    });
}

#[test]
fn a_region_that_is_deleted_while_something_is_made_in_it_waits_for_it() {
    with_operator(|world| async move {
        for delay in [None, Some(0), Some(120)] {
            policies_only(&world).await;
            if let Some(delay) = delay {
                world.apply(&[given::instagram()]).await;
                tokio::time::sleep(Duration::from_millis(delay)).await;
                delete(&world, "region", "us-east").await;
            } else {
                frozen_in_the_act(&world).await;
                delete(&world, "region", "us-east").await;
                tokio::time::sleep(Duration::from_secs(3)).await;
                let there = world.region("us-east").await;
                assert!(!there.is_null(), "the Region went");
                world.cluster("us-east").thaw().unwrap();
            }
            region_goes(&world, "us-east").await;
            let left = world.children("us-east").await;
            assert_eq!(left, Vec::<String>::new(), "after {delay:?} ms");
            delete(&world, "socialchannel", "instagram").await;
            channel_goes(&world, "instagram").await;
        }
        for region in REGIONS {
            delete(&world, "datapolicy", &format!("{region}-customers")).await;
        }
        delete(&world, "region", "eu-west").await;
        nothing_left(&world).await;
    });
}
