//! What nobody took: its body speaks of a person too, so it has an age, from when it came.

use tradewind_dev::serve::sink::Faults;

use serde_json::json;

use super::world::{Connector, World, message, messenger, until};

/// How many rows of each sink are in which state.
const STATES: &str =
    "SELECT string_agg(sink || ' ' || state || ' ' || count, ', ' ORDER BY sink, state)
    FROM (SELECT sink, state, count(*) FROM tradewind_connect.outbox GROUP BY sink, state) AS by";
const LANES: &str = "SELECT count(*), sum(pending) FROM tradewind_connect.lane";
/// The first event came two hours ago; when it was tried last is now.
const AGE: &str = "UPDATE tradewind_connect.event SET received_at = now() - interval '2 hours'
    WHERE id = (SELECT min(id) FROM tradewind_connect.event)";

/// Ann has an event that one sink refuses for good and one that it takes, Bob one; another sink is held.
async fn given_up(database: &str) -> (World, Connector) {
    let mut world = World::new(database).await;
    world.task["spec"]["keepUndelivered"] = "PT1H".into();
    world.task["spec"]["heldSinks"] = json!(["later"]);
    world.sink().set_faults(Faults {
        refuse: Some("planted".into()),
        fail_status: 400,
        ..Faults::default()
    });
    let connector = world
        .start(&["--upkeep", "100", "--refused-attempts", "1"])
        .await;
    let sender = messenger(&[&connector]);
    for body in [
        message("ann", "m1", "planted"),
        message("bob", "m2", "fine"),
        message("ann", "m3", "fine"),
    ] {
        assert_eq!(
            sender.post(connector.webhook, "", &body).await.unwrap(),
            200
        );
    }
    let before = "erp Dead 1, erp Delivered 2, later Pending 3";
    until("one is a dead letter", async || {
        world.sql(STATES).await == before
    })
    .await;
    (world, connector)
}

/// A body speaks of a person whether or not a sink took it: what nobody took goes too, and what waits beside it does not.
#[tokio::test]
async fn what_nobody_took_has_an_age_too() {
    let (mut world, mut connector) = given_up("expired").await;
    world.sql(AGE).await;
    until("it is gone from every sink", async || {
        world.sql(STATES).await == "erp Delivered 2, later Pending 2"
    })
    .await;
    let left = "SELECT count(*), bool_or(convert_from(body, 'UTF8') LIKE '%planted%') FROM tradewind_connect.event";
    assert_eq!(world.sql(left).await, "2|f");
    assert_eq!(world.sql(LANES).await, "2|2");
    until("it says so", async || {
        connector.log().contains("their time was over")
    })
    .await;
    assert!(!connector.log().contains("planted"));
    for sink in ["erp", "later"] {
        let expired = format!("tradewind_connect_expired_total{{sink=\"{sink}\"}}");
        assert!(
            (connector.metric(&expired).await - 1.0).abs() < 0.5,
            "{sink}"
        );
    }
    // What waits for the other sink is whole: it is delivered once somebody delivers there.
    connector.ask_to_stop();
    connector.ended().await;
    world.task["spec"]["heldSinks"] = json!([]);
    world.add_sink("later", Faults::default()).await;
    let _connector = world.start(&["--upkeep", "100"]).await;
    until("it got both", async || {
        // A delivery may come again.
        let taken = world.sinks["later"].taken();
        let ids: std::collections::BTreeSet<&str> =
            taken.iter().map(|one| one.webhook_id.as_str()).collect();
        ids.len() == 2
    })
    .await;
    until("nobody is owed anything", async || {
        world.sql(LANES).await == "0|"
    })
    .await;
}

/// What keeps the one from being purged keeps not the other, and a lane's number that is wrong keeps nothing.
#[tokio::test]
async fn dead_letters_and_what_waits_go_each_by_itself() {
    let (world, _connector) = given_up("expired_each").await;
    world
        .sql(
            "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
            CREATE TRIGGER no BEFORE UPDATE ON tradewind_connect.lane FOR EACH ROW WHEN (old.sink = 'later') EXECUTE FUNCTION public.no()",
        )
        .await;
    world.sql(AGE).await;
    until("the dead letter went alone", async || {
        world.sql(STATES).await == "erp Delivered 2, later Pending 3"
    })
    .await;
    world
        .sql("DROP TRIGGER no ON tradewind_connect.lane; UPDATE tradewind_connect.lane SET pending = 0")
        .await;
    until("what waits went too", async || {
        world.sql(STATES).await == "erp Delivered 2, later Pending 2"
    })
    .await;
    // The lane that lost an event counts right; one that did not is left, as it still owes something.
    assert_eq!(world.sql(LANES).await, "2|1");
}
