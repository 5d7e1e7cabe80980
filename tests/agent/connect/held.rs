//! What a hold keeps, the connector's own purge keeps too: by value, and until the release. What it may not read, it does not pass over.

use serde_json::json;

use super::world::{World, message, messenger, server, until};

const EVENTS: &str = "SELECT count(*) FROM tradewind_connect.event";

/// The books of holds, as the agent makes them, of a role that is not the connector's.
fn books() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/retain");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let text = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap());
    let all: Vec<String> = text.collect();
    format!("CREATE SCHEMA tradewind;\n{}", all.join("\n"))
}

#[tokio::test]
async fn a_purge_spares_what_is_held_until_the_release() {
    let world = World::new("purge_held").await;
    let connector = world.start(&["--upkeep", "100"]).await;
    let sender = messenger(&[&connector]);
    for (person, mid) in [("ann", "m1"), ("bob", "m2")] {
        let body = message(person, mid, "hello");
        let answer = sender.post(connector.webhook, "", &body).await.unwrap();
        assert_eq!(answer, 200);
    }
    let delivered = "SELECT count(*) FROM tradewind_connect.outbox WHERE state = 'Delivered'";
    until("both are delivered", async || {
        world.sql(delivered).await == "2"
    })
    .await;
    server()
        .await
        .access()
        .script("purge_held", &books(), &[])
        .await
        .unwrap();
    // The first of them, by a value of it.
    let hold = "SELECT tradewind.open_hold('case-7', 'case 7', 'counsel', '2027-06-01', jsonb_build_array(jsonb_build_object(
        'table', 'tradewind_connect.event', 'column', 'id', 'values', jsonb_build_array(min(id))))) FROM tradewind_connect.event";
    world.sql(hold).await;
    world
        .sql("UPDATE tradewind_connect.outbox SET at = now() - interval '30 days'")
        .await;
    let mend = "GRANT USAGE ON SCHEMA tradewind TO purge_held; GRANT SELECT ON tradewind.held TO purge_held; GRANT EXECUTE ON FUNCTION tradewind.lock_holds() TO purge_held;";
    until("it says what it may not read", async || {
        connector.log().contains(mend)
    })
    .await;
    assert_eq!(world.sql(EVENTS).await, "2", "nothing is purged blindly");

    world.sql(mend).await;
    until("what is not held goes", async || {
        world.sql(EVENTS).await == "1"
    })
    .await;
    let left = "SELECT count(*) FROM tradewind_connect.event AS e JOIN tradewind_connect.outbox AS o ON o.event = e.id
        JOIN tradewind.held AS h ON h.value = e.id::text WHERE e.body <> ''";
    assert_eq!(world.sql(left).await, "1");
    world
        .sql("SELECT tradewind.release_hold('case-7', 'counsel', 'settled')")
        .await;
    until("it goes with the release", async || {
        world.sql(EVENTS).await == "0"
    })
    .await;
}

/// Rows of which one sink has the event, and one never took it.
const OLD: &str = "UPDATE tradewind_connect.event SET received_at = now() - interval '100 days';
    UPDATE tradewind_connect.outbox SET at = now() - interval '100 days';
    UPDATE tradewind_connect.outbox SET state = 'Dead' WHERE position = (SELECT max(position) FROM tradewind_connect.outbox)";

#[tokio::test]
async fn a_region_that_is_cut_off_purges_nothing_and_delivers() {
    let mut world = World::new("purge_stale").await;
    let seen_at = world.secret("seen-at", "2020-01-01T00:00:00Z");
    world.task["spec"]["holdList"] = json!({"seenAt": seen_at, "maxAge": "PT24H"});
    let first = world.start(&["--upkeep", "100"]).await;
    let stale = "tradewind_connect_holds_stale";
    until("it counts that the list is too old", async || {
        first.metric(stale).await > 0.5
    })
    .await;
    let sender = messenger(&[&first]);
    for (person, mid) in [("ann", "m1"), ("bob", "m2")] {
        let body = message(person, mid, "hello");
        let answer = sender.post(first.webhook, "", &body).await.unwrap();
        assert_eq!(answer, 200);
    }
    world.taken(2).await;
    let delivered = "SELECT count(*) FROM tradewind_connect.outbox WHERE state = 'Delivered'";
    until("both are delivered all the same", async || {
        world.sql(delivered).await == "2"
    })
    .await;
    world.sql(OLD).await;
    // Each looks when it starts: by then the rows are old.
    let second = world.start(&["--upkeep", "100"]).await;
    until("the second one is too late as well", async || {
        second.metric(stale).await > 0.5
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(world.sql(EVENTS).await, "2", "nothing is purged");
    for connector in [&first, &second] {
        let log = connector.log();
        let told = log.matches("the list of legal holds is older than PT24H");
        assert_eq!(told.count(), 1, "it is told once: {log}");
    }

    let now = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    world.secret("seen-at", &world.sql(now).await);
    until("what is old goes, delivered or not", async || {
        world.sql(EVENTS).await == "0"
    })
    .await;
    until("the list counts as young", async || {
        first.metric(stale).await < 0.5
    })
    .await;
}
