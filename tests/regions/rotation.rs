//! Credentials that die, and a kubeconfig that leads elsewhere.

use tradewind::clusters::{Cause, Wake};

use crate::sight::{put_task, sees_task};
use crate::world::{ACCOUNT, EU, SYSTEM, US, World, account, desired, target};

pub(crate) async fn a_dead_token_is_noticed_and_a_new_one_taken_without_restart(world: &mut World) {
    let eu = world.cluster(EU).clone();
    let before = world.ready(EU).await;
    // A token dies with its account; one of the same name is somebody else.
    eu.kubectl(&["delete", "serviceaccount", ACCOUNT, "-n", SYSTEM])
        .await
        .unwrap();
    eu.kubectl_with(&["apply", "-f", "-"], &account())
        .await
        .unwrap();
    let noticed = world
        .until(EU, 60, |cause| cause == Some(Cause::Unauthorized))
        .await;
    let said = world.clusters.get(EU).err().unwrap();
    assert!(said.message.contains("401"), "{said}");
    assert!(world.woken().await.contains(&Wake::Region(EU.into())));
    assert!(world.clusters.get(US).is_ok());

    world.ensure(EU, Some(before.cluster_id())).await;
    let back = world.until(EU, 30, |cause| cause.is_none()).await;
    eprintln!("dead token noticed after {noticed:?}, back {back:?} after the new kubeconfig");
    assert!(world.woken().await.contains(&Wake::Region(EU.into())));
    let region = world.ready(EU).await;
    assert_eq!(region.cluster_id(), before.cluster_id());
    put_task(&eu, "rotated", "insta").await;
    sees_task(&region, "rotated").await;
    world.woken().await;
}

pub(crate) async fn another_cluster_is_refused(world: &mut World) {
    let before = world.ready(EU).await;
    let elsewhere = target(world.cluster(US)).await;
    world
        .clusters
        .ensure(EU, desired(elsewhere.clone(), Some(before.cluster_id())));
    world
        .until(EU, 30, |cause| cause == Some(Cause::IdentityChanged))
        .await;
    let said = world.clusters.get(EU).err().unwrap();
    assert!(said.message.contains(before.cluster_id()), "{said}");
    // Also when nobody recorded who it was: this process did.
    world.clusters.ensure(EU, desired(elsewhere, None));
    world
        .until(EU, 30, |cause| cause == Some(Cause::IdentityChanged))
        .await;
    world.ensure(EU, Some(before.cluster_id())).await;
    world.until(EU, 30, |cause| cause.is_none()).await;
    world.woken().await;
}
