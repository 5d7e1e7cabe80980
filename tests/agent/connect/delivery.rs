//! Delivery: in order, at least once, given up only after its time, and for good only after another.

use std::time::{Duration, Instant};

use tradewind_dev::serve::sink::Faults;

use serde_json::json;

use super::world::{World, event, load, load_of, message, messenger, orders, until};

#[tokio::test]
async fn order_holds_per_subject_over_two_replicas_and_a_failing_sink() {
    let mut world = World::new("order_holds").await;
    world
        .add_sink(
            "slow",
            Faults {
                latency_ms: 15,
                ..Faults::default()
            },
        )
        .await;
    world.sink().set_faults(Faults {
        fail_first: 40,
        fail_status: 500,
        ..Faults::default()
    });
    let (one, two) = (world.start(&[]).await, world.start(&[]).await);
    let sent = messenger(&[&one, &two]).send(&load(400, 400, 8)).await;
    assert_eq!((sent.acknowledged.len(), sent.given_up), (400, 0));
    for (name, sink) in &world.sinks {
        until("all arrived", async || sink.taken().len() >= 400).await;
        let mut expected = sent.acknowledged.clone();
        expected.sort();
        for (person, ids) in orders(&sink.taken()) {
            let wanted: Vec<&str> = expected
                .iter()
                .filter(|one| one.person == person)
                .map(|one| one.id.as_str())
                .collect();
            assert_eq!(ids, wanted, "{person} at {name}");
        }
        assert_eq!(
            sink.overlaps(),
            0,
            "two in flight about one subject at {name}"
        );
        assert_eq!(
            sink.taken().len(),
            400,
            "nobody died, so nothing was repeated"
        );
    }
    let retried = one
        .metric("tradewind_connect_retried_total{sink=\"erp\"}")
        .await
        + two
            .metric("tradewind_connect_retried_total{sink=\"erp\"}")
            .await;
    assert!((retried - 40.0).abs() < 0.5, "{retried}");
    until("nothing is owed", async || {
        world
            .sql("SELECT count(*) FROM tradewind_connect.lane")
            .await
            == "0"
    })
    .await;
}

#[tokio::test]
async fn one_sink_that_is_away_holds_no_other_up() {
    let mut world = World::new("one_away").await;
    world
        .add_sink(
            "away",
            Faults {
                fail_first: u32::MAX,
                ..Faults::default()
            },
        )
        .await;
    let connector = world.start(&["--upkeep", "200"]).await;
    let begun = Instant::now();
    let sent = messenger(&[&connector]).send(&load(50, 500, 5)).await;
    assert_eq!(sent.acknowledged.len(), 50);
    assert_eq!(world.taken(50).await.len(), 50);
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert!(world.sinks["away"].taken().is_empty());
    until("the backlog is seen", async || {
        connector
            .metric("tradewind_connect_outbox_pending{sink=\"away\"}")
            .await
            > 49.5
            && connector
                .metric("tradewind_connect_outbox_oldest_seconds{sink=\"away\"}")
                .await
                > 0.0
    })
    .await;
    world.sinks["away"].set_faults(Faults::default());
    until("the other one got all", async || {
        world.sinks["away"].taken().len() == 50
    })
    .await;
}

/// What may not leave waits, in order, beside what may; a new task that names the sink delivers all of it.
#[tokio::test]
async fn a_held_sink_is_sent_nothing_and_loses_nothing() {
    let mut world = World::new("held_sink").await;
    world.add_sink("abroad", Faults::default()).await;
    let open = world.task.clone();
    world.task["spec"]["sinks"].as_array_mut().unwrap().pop();
    world.task["spec"]["heldSinks"] = json!(["abroad"]);
    let mut connector = world.start(&["--upkeep", "200"]).await;
    let sent = messenger(&[&connector]).send(&load(40, 400, 4)).await;
    assert_eq!(sent.acknowledged.len(), 40);
    assert_eq!(world.taken(40).await.len(), 40);
    until("what is owed is seen", async || {
        connector
            .metric("tradewind_connect_outbox_pending{sink=\"abroad\"}")
            .await
            > 39.5
    })
    .await;
    assert!(world.sinks["abroad"].taken().is_empty());
    connector.ask_to_stop();
    connector.ended().await;
    // Held by its time now, which is over: it is the agent that stops, whatever the hub can tell it.
    world.task = open.clone();
    world.task["spec"]["sinks"][1]["until"] = json!("2026-01-01T00:00:00Z");
    let mut connector = world.start(&["--upkeep", "200"]).await;
    let more = messenger(&[&connector]).send(&load_of("more", 10)).await;
    assert_eq!(more.acknowledged.len(), 10);
    assert_eq!(world.taken(50).await.len(), 50);
    until("all of it is owed", async || {
        connector
            .metric("tradewind_connect_outbox_pending{sink=\"abroad\"}")
            .await
            > 49.5
    })
    .await;
    assert!(world.sinks["abroad"].taken().is_empty());
    connector.ask_to_stop();
    connector.ended().await;
    world.task = open;
    let _connector = world.start(&[]).await;
    until("all of it arrived", async || {
        world.sinks["abroad"].taken().len() >= 50
    })
    .await;
    assert_eq!(
        orders(&world.sinks["abroad"].taken()),
        orders(&world.sink().taken()),
        "another order"
    );
}

/// A sink's time ends while events flow: from that moment on it is sent nothing, and what comes waits.
#[tokio::test]
async fn a_sinks_time_ends_in_the_midst_of_deliveries() {
    let mut world = World::new("sink_time").await;
    // Late enough for a busy machine to have started the connector by then.
    let end = jiff::Timestamp::now() + Duration::from_secs(25);
    world.task["spec"]["sinks"][0]["until"] = json!(end.to_string());
    let connector = world.start(&["--upkeep", "200"]).await;
    let sender = messenger(&[&connector]);
    let load = load(400, 12, 8);
    let claimed = "SELECT count(*) FROM tradewind_connect.lane WHERE lease IS NOT NULL";
    let left = Duration::try_from(end.duration_since(jiff::Timestamp::now())).unwrap();
    let (sent, at_the_end) = tokio::join!(sender.send(&load), async {
        tokio::time::sleep(left).await;
        // One that was on its way arrives.
        until("nothing is on its way", async || {
            world.sql(claimed).await == "0"
        })
        .await;
        world.sink().taken().len()
    });
    assert_eq!(
        sent.acknowledged.len(),
        400,
        "all are taken in, before and after"
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let taken = world.sink().taken();
    assert!(!taken.is_empty() && taken.len() < 400, "{}", taken.len());
    assert_eq!(taken.len(), at_the_end, "sent after the end");
    let waits = world
        .sql("SELECT count(*) FROM tradewind_connect.outbox WHERE state = 'Pending'")
        .await;
    assert_eq!(waits, (400 - taken.len()).to_string());
    assert_eq!(world.sql(claimed).await, "0", "a claim is left");
}

#[tokio::test]
async fn a_refused_event_is_given_up_kept_and_replayed() {
    let world = World::new("given_up").await;
    let connector = world
        .start(&["--refused-attempts", "3", "--upkeep", "200"])
        .await;
    let refuse = Faults {
        refuse: Some("poison".into()),
        fail_status: 400,
        ..Faults::default()
    };
    world.sink().set_faults(refuse);
    let sender = messenger(&[&connector]);
    for (mid, text) in [("m1", "fine"), ("m2", "poison"), ("m3", "fine too")] {
        let body = message("ann", mid, text);
        assert_eq!(
            sender.post(connector.webhook, "", &body).await.unwrap(),
            200
        );
    }
    assert_eq!(
        orders(&world.taken(2).await)["ann"],
        ["m1", "m3"],
        "successors wait and then pass"
    );
    assert_eq!(
        world.sink().requests(),
        5,
        "three attempts for the refused one"
    );
    until("the letter is counted", async || {
        connector
            .metric("tradewind_connect_dead_letters{sink=\"erp\"}")
            .await
            > 0.5
    })
    .await;
    assert_eq!(
        world
            .sql("SELECT answer, attempts FROM tradewind_connect.outbox WHERE state = 'Dead'")
            .await,
        "400|3"
    );

    replay(&world).await;
    until("no letter is left", async || {
        connector
            .metric("tradewind_connect_dead_letters{sink=\"erp\"}")
            .await
            < 0.5
    })
    .await;
}

/// The sink is mended and its dead letters are replayed: behind what came after them.
async fn replay(world: &World) {
    world.sink().set_faults(Faults::default());
    let (code, report) = world.finish(&["--replay-dead", "--sink", "erp"]);
    assert_eq!(
        (code, report["reason"].as_str()),
        (0, Some("Replayed")),
        "{report}"
    );
    assert_eq!(report["message"], "dead letters to be delivered again: 1");
    assert_eq!(orders(&world.taken(3).await)["ann"], ["m1", "m3", "m2"]);
    let (_, again) = world.finish(&["--replay-dead"]);
    assert_eq!(again["message"], "dead letters to be delivered again: 0");
}

#[tokio::test]
async fn an_absent_sink_is_tried_up_to_the_bound_and_no_further() {
    let world = World::new("absent_sink").await;
    let connector = world.start(&["--attempts", "4"]).await;
    world.sink().set_faults(Faults {
        fail_first: u32::MAX,
        ..Faults::default()
    });
    let body = message("ann", "m1", "hello");
    assert_eq!(
        messenger(&[&connector])
            .post(connector.webhook, "", &body)
            .await
            .unwrap(),
        200
    );
    until("it was given up", async || {
        connector
            .metric("tradewind_connect_dead_total{sink=\"erp\"}")
            .await
            > 0.5
    })
    .await;
    assert_eq!(world.sink().requests(), 4);
    assert!(
        (connector
            .metric("tradewind_connect_retried_total{sink=\"erp\"}")
            .await
            - 3.0)
            .abs()
            < 0.5
    );
    assert_eq!(
        world
            .sql("SELECT answer FROM tradewind_connect.outbox")
            .await,
        "503"
    );
}

#[tokio::test]
async fn delivered_events_are_purged_and_still_known() {
    let mut world = World::new("purged").await;
    world.task["spec"]["keepDelivered"] = "PT1S".into();
    world
        .add_sink(
            "away",
            Faults {
                refuse: Some("kept".into()),
                ..Faults::default()
            },
        )
        .await;
    let connector = world.start(&["--upkeep", "100"]).await;
    let sender = messenger(&[&connector]);
    let (gone, kept) = (message("ann", "m1", "goes"), message("bob", "m2", "kept"));
    for body in [&gone, &kept] {
        assert_eq!(sender.post(connector.webhook, "", body).await.unwrap(), 200);
    }
    assert_eq!(world.taken(2).await.len(), 2);
    until("what all have is gone", async || {
        world
            .sql("SELECT count(*) FROM tradewind_connect.event")
            .await
            == "1"
            && world
                .sql("SELECT count(*) FROM tradewind_connect.outbox")
                .await
                == "1"
    })
    .await;
    let left = "SELECT outbox.sink, convert_from(body, 'UTF8') LIKE '%kept%'
                FROM tradewind_connect.outbox JOIN tradewind_connect.event ON event.id = outbox.event";
    assert_eq!(world.sql(left).await, "away|t", "what one is owed stays");

    assert_eq!(
        sender.post(connector.webhook, "", &gone).await.unwrap(),
        200
    );
    let duplicates = "tradewind_connect_duplicates_total{kind=\"messages\"}";
    assert!((connector.metric(duplicates).await - 1.0).abs() < 0.5);
    assert_eq!(world.sink().taken().len(), 2);
    world
        .sql("UPDATE tradewind_connect.seen SET at = now() - interval '9 days'")
        .await;
    until("keys are forgotten in the end", async || {
        world
            .sql("SELECT count(*) FROM tradewind_connect.seen")
            .await
            == "0"
    })
    .await;
}

#[tokio::test]
async fn sigterm_ends_what_is_in_flight_and_gives_the_rest_back() {
    let world = World::new("sigterm").await;
    let mut connector = world.start(&[]).await;
    world.sink().set_faults(Faults {
        latency_ms: 1500,
        ..Faults::default()
    });
    let sent = messenger(&[&connector]).send(&load(60, 200, 30)).await;
    assert_eq!(sent.acknowledged.len(), 60);
    until("something is in flight", async || {
        world.sink().requests() > 0
    })
    .await;
    let begun = Instant::now();
    connector.ask_to_stop();
    until("it says that it stops", async || {
        connector.get("/readyz").await != (200, "ready\n".into())
    })
    .await;
    assert_eq!(
        connector.ended().await.code(),
        Some(0),
        "{}",
        connector.log()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        world
            .sql("SELECT count(*) FROM tradewind_connect.lane WHERE lease IS NOT NULL")
            .await,
        "0"
    );
    let before = world.sink().taken().len();
    assert!((1..60).contains(&before), "{before}");

    world.sink().set_faults(Faults::default());
    let _next = world.start(&[]).await;
    let taken = world.taken(60).await;
    assert_eq!(taken.len(), 60, "a clean end repeats nothing");
    assert_eq!(world.sink().overlaps(), 0);
    assert_eq!(
        event(&taken[0])["message"]["mid"]
            .as_str()
            .map(|mid| mid.starts_with("run-")),
        Some(true)
    );
}
