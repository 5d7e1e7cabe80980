//! One of three regions hangs, or its API server is gone: the other two are as they were.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use tokio::time::sleep;
use tradewind::clusters::transport::Ended;
use tradewind::clusters::{Cause, RegionClient, Wake};
use tradewind_dev::fleet::HUB;

use crate::sight::{put_task, sees_task};
use crate::world::{EU, TENANT, US, World};

async fn call(region: &RegionClient) -> Result<Duration, kube::Error> {
    let begun = Instant::now();
    let api = region.api::<ConfigMap>(TENANT);
    api.list(&ListParams::default().limit(1)).await?;
    Ok(begun.elapsed())
}

async fn slowest(regions: &[RegionClient], calls: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..calls {
        for region in regions {
            slowest = slowest.max(call(region).await.unwrap());
        }
        sleep(Duration::from_millis(100)).await;
    }
    slowest
}

pub(crate) async fn a_frozen_region_costs_the_others_nothing(world: &mut World) {
    let eu = world.cluster(EU).clone();
    let region = world.ready(EU).await;
    let others = [world.ready(US).await, world.ready(HUB).await];
    let calm = slowest(&others, 20).await;
    world.woken().await;

    eu.freeze().unwrap();
    let frozen = Instant::now();
    // Whoever calls now waits for one deadline at most.
    let hung = async { (call(&region).await, frozen.elapsed()) };
    let ((hung, waited), meanwhile) = tokio::join!(hung, slowest(&others, 100));
    hung.unwrap_err();
    assert!(waited < Duration::from_secs(12), "{waited:?}");
    world
        .until(EU, 60, |cause| cause == Some(Cause::Timeout))
        .await;
    let down = frozen.elapsed();
    let woken = world.woken().await;
    assert!(woken.contains(&Wake::Region(EU.into())), "{woken:?}");
    assert!(!woken.contains(&Wake::Region(US.into())), "{woken:?}");
    assert!(down < Duration::from_secs(45), "{down:?}");
    let begun = Instant::now();
    assert_eq!(
        Ended::of(&call(&region).await.unwrap_err()),
        Some(Ended::Gone)
    );
    // At once: no deadline of any kind.
    assert!(begun.elapsed() < Duration::from_secs(2));

    // The others see changes as before.
    put_task(world.cluster(US), "elsewhere", "insta").await;
    let seen = sees_task(&others[0], "elsewhere").await;
    assert!(seen < Duration::from_secs(5), "{seen:?}");
    // A machine that does other things has hiccups; what must not be there is a deadline of the frozen region.
    assert!(
        meanwhile < Duration::from_secs(3),
        "{calm:?} before, {meanwhile:?} meanwhile"
    );
    world.woken().await;

    eu.thaw().unwrap();
    let back = world.until(EU, 90, |cause| cause.is_none()).await;
    assert!(world.woken().await.contains(&Wake::Region(EU.into())));
    put_task(&eu, "thawed", "insta").await;
    sees_task(&world.ready(EU).await, "thawed").await;
    world.woken().await;
    eprintln!(
        "frozen: down after {down:?}, back after {back:?}; slowest call elsewhere {calm:?} before, {meanwhile:?} meanwhile"
    );
}

pub(crate) async fn a_stopped_api_server_is_refused_and_found_again(world: &mut World) {
    let eu = world.cluster(EU).clone();
    eu.stop_apiserver().await.unwrap();
    let down = world.until(EU, 60, |cause| cause.is_some()).await;
    world
        .until(EU, 60, |cause| cause == Some(Cause::ConnectionRefused))
        .await;
    let said = world.clusters.get(EU).err().unwrap();
    assert!(said.message.contains("nobody listens"), "{said}");
    assert!(world.woken().await.contains(&Wake::Region(EU.into())));
    let since = said.since;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        world.clusters.get(EU).err().unwrap().since,
        since,
        "since when stays"
    );
    assert!(world.clusters.get(US).is_ok() && world.clusters.get(HUB).is_ok());
    eu.start_apiserver().await.unwrap();
    let back = world.until(EU, 90, |cause| cause.is_none()).await;
    eprintln!("stopped: down after {down:?}, back {back:?} after it was ready");
    world.woken().await;
}
