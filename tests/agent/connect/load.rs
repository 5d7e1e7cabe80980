//! 5,000 webhooks at 200 a second while connectors are killed: the sink has all that was acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tradewind_dev::serve::platform::{Scheme, Sender};

use super::world::{META_SECRET, PATH, World, load, orders, until};

const WEBHOOKS: u32 = 5_000;

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_a_connector_is_killed() {
    let world = World::new("killed_at_load").await;
    let victim = world.start(&[]).await;
    let survivor = world.start(&[]).await;
    let (update, targets) = watch::channel(vec![victim.webhook, survivor.webhook]);
    let sender = Sender::new(Scheme::Messenger, META_SECRET, PATH, targets).unwrap();
    let mut load = load(WEBHOOKS, 200, 100);
    load.repeat_every = 7;

    let sending = tokio::spawn(async move { sender.send(&load).await });
    tokio::time::sleep(Duration::from_secs(8)).await;
    victim.kill();
    // As Kubernetes does: a new pod with another address takes the dead one's place a little later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let successor = world.start(&[]).await;
    update.send_replace(vec![survivor.webhook, successor.webhook]);
    let sent = sending.await.unwrap();
    assert_eq!((sent.acknowledged.len(), sent.given_up), (5_000, 0));

    until("everything owed was delivered", async || {
        world
            .sql("SELECT count(*) FROM tradewind_connect.outbox WHERE state <> 'Delivered'")
            .await
            == "0"
    })
    .await;
    let taken = world.sink().taken();
    let arrived = orders(&taken);
    let at_sink: BTreeSet<&String> = arrived.values().flatten().collect();
    let missing = sent
        .acknowledged
        .iter()
        .filter(|one| !at_sink.contains(&one.id))
        .count();
    assert_eq!(missing, 0, "acknowledged and lost");

    let mut expected = sent.acknowledged.clone();
    expected.sort();
    for (person, ids) in &arrived {
        let wanted: Vec<&String> = expected
            .iter()
            .filter(|one| one.person == *person)
            .map(|one| &one.id)
            .collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), wanted, "{person}");
    }
    assert_eq!(
        world.sink().overlaps(),
        0,
        "two in flight about one subject"
    );
    // Only what was in flight at the kill may come twice: a replica has 16 in flight at most.
    let repeated = taken.len() - at_sink.len();
    assert!(repeated <= 16, "{repeated} repeated");
    assert!(sent.requests > 5_000, "the platform repeated some");
}
