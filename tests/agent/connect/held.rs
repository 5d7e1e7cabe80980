//! What a hold keeps, the connector's own purge keeps too: by value, and until the release. What it may not read, it does not pass over.

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
