//! Whom events are about stands in the connector's tables by a keyed hash: what an older connector wrote, writes beside a new
//! one, or leaves in the midst of it, is called so too, and its order and its opt-outs hold.

use tradewind_dev::serve::sink::Faults;

use super::world::{World, message, messenger, orders, until};

/// The hash that an older connector writes of a person, as anybody can make it.
fn plain(person: &str) -> String {
    let length = person.len();
    format!("sha256('\\x04'::bytea || int8send(0) || int8send({length}) || '{person}'::bytea)")
}

/// As an older connector stores one event of a person, for the sink `erp`.
fn old(person: &str, mid: &str) -> String {
    let subject = plain(person);
    let event = format!(
        r#"{{"type":"messages","data":{{"subject":"sub_old","event":{{"sender":{{"id":"{person}"}},"message":{{"mid":"{mid}"}}}}}}}}"#
    );
    format!(
        "WITH l AS (INSERT INTO tradewind_connect.lane AS lane (channel, sink, subject, pending) VALUES ('aurora/shop', 'erp', {subject}, 1)
             ON CONFLICT (channel, sink, subject) DO UPDATE SET pending = lane.pending + excluded.pending),
           e AS (INSERT INTO tradewind_connect.event (channel, kind, webhook_id, subject, body)
             VALUES ('aurora/shop', 'messages', 'evt_{mid}', {subject}, convert_to('{event}', 'UTF8')) RETURNING id)
         INSERT INTO tradewind_connect.outbox (event, channel, sink, subject) SELECT id, 'aurora/shop', 'erp', {subject} FROM e"
    )
}

/// How subjects stand there: how many rows, how many of them keyed, how many persons.
const STAND: &str = "SELECT count(*), count(*) FILTER (WHERE octet_length(subject) = 33), count(DISTINCT subject) FROM (
    SELECT subject FROM tradewind_connect.lane UNION ALL SELECT subject FROM tradewind_connect.event
    UNION ALL SELECT subject FROM tradewind_connect.outbox) AS t";

/// The schema as the release before has it.
const BEFORE: &str = "DROP TABLE tradewind_connect.erasure; DROP INDEX tradewind_connect.event_by_subject;
    DROP TRIGGER key_subject ON tradewind_connect.lane; DROP TRIGGER key_subject ON tradewind_connect.event;
    DROP TRIGGER key_subject ON tradewind_connect.outbox; DROP FUNCTION tradewind_connect.key_subject();
    DROP FUNCTION tradewind_connect.is_opted_out(text, bytea); DROP FUNCTION tradewind_connect.lane_subject(bytea);
    ALTER TABLE tradewind_connect.opt_out_key DROP COLUMN number; DROP SEQUENCE tradewind_connect.key_number;
    DELETE FROM tradewind_connect.migrations WHERE version = 3";

#[tokio::test]
async fn what_an_older_connector_wrote_is_called_by_the_key() {
    let world = World::new("subject_keyed").await;
    world.start(&["--upkeep", "100"]).await.kill();
    world.sql(BEFORE).await;
    for mid in ["m1", "m2"] {
        world.sql(&old("ann", mid)).await;
    }
    // Somebody opted out: the name that the table of opt-outs has stays the same.
    let opted = format!(
        "INSERT INTO tradewind_connect.opt_out (channel, person, request)
        SELECT 'aurora/shop', tradewind_connect.opted_out_as({}), 'dsr-1'",
        plain("ann")
    );
    world.sql(&opted).await;
    assert_eq!(world.sql(STAND).await, "5|0|1");
    world.sinks["erp"].set_faults(Faults {
        fail_first: u32::MAX,
        ..Faults::default()
    });
    let connector = world.start(&["--upkeep", "100"]).await;
    assert_eq!(world.sql(STAND).await, "5|5|1");
    let out = "SELECT bool_and(tradewind_connect.is_opted_out('aurora/shop', subject)), bool_or(tradewind_connect.is_opted_out('a/b', subject))
        FROM tradewind_connect.event";
    assert_eq!(world.sql(out).await, "t|f");

    // One of the old release goes on beside it, and a new one takes more: one person, one lane, in order.
    world.sql(&old("ann", "m3")).await;
    let sender = messenger(&[&connector]);
    assert_eq!(
        sender
            .post(connector.webhook, "", &message("ann", "m4", "new"))
            .await
            .unwrap(),
        200
    );
    assert_eq!(world.sql(STAND).await, "9|9|1");
    world.sinks["erp"].set_faults(Faults::default());
    until("all of it is taken", async || {
        world.sink().taken().len() >= 4
    })
    .await;
    assert_eq!(
        orders(&world.sink().taken())["ann"],
        ["m1", "m2", "m3", "m4"]
    );
}

/// Without a key nobody is told from another by a name that lasts, and events go on; with another key they are called by it.
#[tokio::test]
async fn a_destroyed_key_stops_no_event_and_another_calls_all_anew() {
    let world = World::new("subject_unkeyed").await;
    world.sinks["erp"].set_faults(Faults {
        fail_first: u32::MAX,
        ..Faults::default()
    });
    let connector = world.start(&["--upkeep", "100"]).await;
    let sender = messenger(&[&connector]);
    let post = async |mid: &str| {
        let answer = sender
            .post(connector.webhook, "", &message("ann", mid, "x"))
            .await;
        assert_eq!(answer.unwrap(), 200);
    };
    post("m1").await;
    world.sql("DELETE FROM tradewind_connect.opt_out_key").await;
    post("m2").await;
    assert_eq!(world.sql(STAND).await, "6|3|2");
    world
        .sql("SELECT tradewind_connect.make_opt_out_key()")
        .await;
    post("m3").await;
    // What waits from before is nobody's any more, and so is not sold.
    assert_eq!(world.sql(STAND).await, "8|8|2");
    let unsold = "SELECT string_agg(DISTINCT webhook_id || tradewind_connect.is_opted_out('aurora/shop', subject), ' ') IS NOT NULL,
        count(*) FILTER (WHERE tradewind_connect.is_opted_out('aurora/shop', subject)) FROM tradewind_connect.event";
    assert_eq!(world.sql(unsold).await, "t|1");
    world.sinks["erp"].set_faults(Faults::default());
    until("all of it is taken", async || {
        world.sink().taken().len() >= 3
    })
    .await;
}
