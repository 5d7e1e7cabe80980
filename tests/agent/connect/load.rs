//! 5,000 webhooks at 200 a second while connectors are killed: the sink has all that was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tradewind_dev::serve::platform::{Acknowledged, Scheme, Sender};
use tradewind_dev::serve::sink::Taken;

use super::world::{META_SECRET, PATH, World, load, messenger, orders, until};

const WEBHOOKS: u32 = 5_000;

const OWED: &str = "SELECT count(*) FROM tradewind_connect.outbox WHERE state <> 'Delivered'";

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
    let doors = survivor.get("/metrics").await.1 + &successor.get("/metrics").await.1;
    assert_eq!(
        (sent.acknowledged.len(), sent.given_up),
        (5_000, 0),
        "{doors}"
    );

    until("everything owed was delivered", async || {
        world.sql(OWED).await == "0"
    })
    .await;
    let taken = world.sink().taken();
    assert_all_arrived(&taken, &sent.acknowledged);
    assert_eq!(
        world.sink().overlaps(),
        0,
        "two in flight about one subject"
    );
    // What was in flight at the kill may come twice, 16 at most; so may what a slow machine let a lease run out on.
    let repeated = taken.len() - 5_000;
    assert!(
        repeated <= 32,
        "{repeated} repeated: {} {}",
        survivor.log(),
        successor.log()
    );
    assert!(sent.requests > 5_000, "the platform repeated some");
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_store_drops_its_connections() {
    let world = World::new("connections_lost").await;
    let (one, two) = (world.start(&[]).await, world.start(&[]).await);
    let sender = messenger(&[&one, &two]);
    let sending = tokio::spawn(async move { sender.send(&load(400, 50, 20)).await });
    let cut = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.sql(cut).await, "t");
    }
    let sent = sending.await.unwrap();
    assert_eq!((sent.acknowledged.len(), sent.given_up), (400, 0));
    until("everything owed was delivered", async || {
        world.sql(OWED).await == "0"
    })
    .await;
    assert_all_arrived(&world.sink().taken(), &sent.acknowledged);
    assert_eq!(world.sink().overlaps(), 0);
    for connector in [&one, &two] {
        until("it is ready again", async || {
            connector.get("/readyz").await.0 == 200
        })
        .await;
    }
}

/// Each acknowledged webhook is at the sink, and each person's in order.
fn assert_all_arrived(taken: &[Taken], acknowledged: &[Acknowledged]) {
    let mut expected = acknowledged.to_vec();
    expected.sort();
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in expected {
        wanted.entry(one.person).or_default().push(one.id);
    }
    assert_eq!(orders(taken), wanted);
}
