//! What is held stays, counted; from the commit that holds it on.

use std::time::Duration;

use super::world::{World, access};

const SHOP: &str = "CREATE TABLE customer (id int PRIMARY KEY, mail text, at timestamptz);
    INSERT INTO customer SELECT i, 'c' || i || '@shop.example', timestamptz '2000-01-01' + i * interval '1 hour' FROM generate_series(1, 2000) AS i;
    CREATE TABLE message (id bigint PRIMARY KEY, customer int REFERENCES customer, at timestamptz);
    CREATE INDEX ON message (customer);
    INSERT INTO message SELECT i, 1 + i % 100, timestamptz '2000-01-01' + i * interval '1 hour' FROM generate_series(1, 1000) AS i";

async fn shop(database: &str) -> World {
    let mut world = World::new(database, SHOP)
        .await
        .rule("customer", "at", "P1Y")
        .rule("message", "at", "P1Y");
    world.set("batchRows", 200);
    world.set_up_books().await;
    world
}

fn open(id: &str, scopes: &str) -> String {
    format!("SELECT tradewind.open_hold('{id}', 'case 7', 'ann', '2027-01-01', '{scopes}')")
}

#[tokio::test]
async fn what_is_held_is_counted_never_erased_and_goes_after_its_release() {
    let mut world = shop("hold_counts").await;
    // Five customers, three by one hold and three by another; ten messages of each of the five.
    world
        .sql(&open(
            "one",
            r#"[{"table": "public.customer", "column": "id", "values": ["1", " 2", "3"]}]"#,
        ))
        .await;
    world.sql(&open("two", r#"[{"table": "public.customer", "column": "mail", "values": ["c3@shop.example", "c4@shop.example", "c1999@shop.example", "C5@shop.example"]},
        {"table": "public.message", "column": "customer", "values": [1, 2, 3, 4, 1999]}]"#)).await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    seen.expect("Previewed");
    world.set("mode", "Enforce");
    let ran = world.run().await;
    ran.expect("Done");
    for ran in [&seen, &ran] {
        let (customer, message) = (ran.rule("customer"), ran.rule("message"));
        assert_eq!(
            (customer.due, customer.held, customer.blocked),
            (2000, 5, 0)
        );
        assert_eq!((message.due, message.held), (1000, 40));
    }
    assert_eq!(ran.rule("customer").erased, 1995);
    let left = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM customer";
    assert_eq!(world.sql(left).await, "1 2 3 4 1999");
    let again = world.run().await;
    again.expect("Done");
    assert_eq!(
        (again.rule("customer").due, again.rule("customer").held),
        (5, 5)
    );
    // A released hold lets go of what no other holds.
    world
        .sql("SELECT tradewind.release_hold('one', 'ann', 'settled')")
        .await;
    let ran = world.run().await;
    let (customer, message) = (
        ran.expect("Done").rule("customer").clone(),
        ran.rule("message").clone(),
    );
    assert_eq!(
        (customer.held, customer.blocked, customer.erased),
        (3, 2, 0),
        "{customer:?}"
    );
    assert_eq!(
        (message.held, message.erased),
        (40, 0),
        "the messages of 1 and 2 are held still"
    );
    world
        .sql("SELECT tradewind.release_hold('two', 'ann', 'settled')")
        .await;
    let ran = world.run().await;
    assert_eq!(
        (
            ran.expect("Done").rule("customer").erased,
            ran.rule("message").erased
        ),
        (5, 40)
    );
}

#[tokio::test]
async fn a_whole_table_and_a_whole_database_can_be_held() {
    let world = shop("hold_whole").await;
    world
        .sql(&open("table", r#"[{"table": "public.message"}]"#))
        .await;
    let ran = world.run().await;
    let (customer, message) = (
        ran.expect("Done").rule("customer").clone(),
        ran.rule("message").clone(),
    );
    assert_eq!((message.held, message.erased), (1000, 0), "{message:?}");
    assert_eq!(
        (customer.blocked, customer.erased),
        (100, 1900),
        "{customer:?}"
    );
    world.sql(&open("all", "[{}]")).await;
    world
        .sql("SELECT tradewind.release_hold('table', 'ann', 'settled')")
        .await;
    let ran = world.run().await;
    assert_eq!(
        (
            ran.expect("Done").rule("customer").held,
            ran.rule("message").held
        ),
        (100, 1000)
    );
}

/// A delete under way does not see a hold that is committed meanwhile: the hold waits for it, and the next batch
/// sees the hold.
#[tokio::test]
async fn a_hold_waits_for_the_batch_under_way_and_stops_the_next() {
    let world = shop("hold_race").await;
    world.slow_down("message", 0.7).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'hold_race' AND wait_event = 'PgSleep'";
    while world.sql(asleep).await == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let hold = open("all", "[{}]");
    let writer = tokio::spawn(async move { access().await.query("hold_race", &hold).await });
    // What the ledger had when the statement began: a hold that waits after that waits for a batch that is not in it.
    let waiting = "SELECT count(*), (SELECT count(*) FROM tradewind.ledger) FROM pg_stat_activity
        WHERE datname = 'hold_race' AND wait_event_type = 'Lock' AND query LIKE '%open_hold%'";
    let before: i64 = loop {
        let told = world.sql(waiting).await;
        let (writers, rows) = told.split_once('|').unwrap();
        if writers != "0" {
            break rows.parse().unwrap();
        }
        assert!(
            !writer.is_finished(),
            "the hold did not wait for the batch under way"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    writer.await.unwrap().unwrap();
    let erased = "SELECT sum(erased), (SELECT count(*) FROM message) FROM tradewind.ledger";
    let then = world.sql(erased).await;
    assert_eq!(
        world.ledger_rows().await,
        before + 1,
        "the batch under way, and no other"
    );
    let ran = running.finish().await;
    let message = ran.expect("Done").rule("message").clone();
    assert_eq!(world.sql(erased).await, then, "{message:?}");
    assert_eq!(message.held, 1000 - message.erased);
    assert_eq!(ran.rule("customer").held, 2000);
}

/// A hold that is being written, however long that takes, keeps every batch waiting.
#[tokio::test]
pub(crate) async fn no_batch_slips_past_a_hold_that_is_being_written() {
    let world = shop("hold_slow").await;
    world.slow_down("message", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    let hold = format!(
        "BEGIN; {}; SELECT pg_sleep(3); COMMIT",
        open("slow", r#"[{"table": "public.message"}]"#)
    );
    let writer = tokio::spawn(async move { access().await.query("hold_slow", &hold).await });
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND wait_event = 'PgSleep' AND pid <> pg_backend_pid()";
    while world.sql(asleep).await == "0" {
        assert!(!writer.is_finished(), "nobody saw the hold being written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let then = world.sql("SELECT sum(erased) FROM tradewind.ledger").await;
    writer.await.unwrap().unwrap();
    let ran = running.finish().await;
    let message = ran.expect("Done").rule("message").clone();
    assert_eq!(message.erased.to_string(), then);
    assert_eq!(message.held, 1000 - message.erased);
}

/// Nobody can say which rows a hold means when its column has another name: nothing goes.
#[tokio::test]
async fn a_hold_whose_column_changed_keeps_everything() {
    for (database, change) in [
        ("hold_gone", "ALTER TABLE message RENAME customer TO buyer"),
        (
            "hold_swap",
            "ALTER TABLE message ADD owner int; ALTER TABLE message RENAME customer TO x; ALTER TABLE message RENAME owner TO customer",
        ),
    ] {
        let mut world = shop(database).await;
        world
            .sql(&open(
                "one",
                r#"[{"table": "public.message", "column": "customer", "values": ["7"]}]"#,
            ))
            .await;
        world.sql(change).await;
        world
            .sql(&format!("GRANT SELECT ON message TO {}", world.role))
            .await;
        for mode in ["DryRun", "Enforce"] {
            world.set("mode", mode);
            assert_eq!(world.run().await.expect("HoldUnclear").code, 64);
        }
        assert_eq!(world.sql("SELECT count(*) FROM message").await, "1000");
    }
    // A table that was renamed is held under its new name.
    let mut world = shop("hold_renamed").await;
    world
        .sql(&open(
            "one",
            r#"[{"table": "public.message", "column": "customer", "values": ["7"]}]"#,
        ))
        .await;
    world.sql("ALTER TABLE message RENAME TO mail").await;
    world.task["spec"]["rules"][1]["table"] = "mail".into();
    assert_eq!(world.run().await.expect("Done").rule("message").held, 10);
}

#[tokio::test]
async fn a_hold_ends_by_its_release_alone() {
    let world = shop("hold_ends").await;
    let try_sql = async |sql: &str| access().await.query("hold_ends", sql).await;
    world
        .sql(&open("one", r#"[{"table": "public.message"}]"#))
        .await;
    for forbidden in [
        "DELETE FROM tradewind.hold_scope",
        "DELETE FROM tradewind.hold",
        "TRUNCATE tradewind.hold_scope",
        "TRUNCATE tradewind.hold CASCADE",
        "UPDATE tradewind.hold_scope SET relation = 'public.other'",
        "UPDATE tradewind.hold SET id = 'other'",
        "UPDATE tradewind.hold SET released_at = now()",
        "SELECT tradewind.release_hold('two', 'ann', 'x')",
        "SELECT tradewind.open_hold('two', 'g', 'ann', NULL, '[]')",
        r#"SELECT tradewind.open_hold('two', 'g', 'ann', NULL, '[{"table": "message"}]')"#,
        r#"SELECT tradewind.open_hold('two', 'g', 'ann', NULL, '[{"table": "public.message", "column": "nobody", "values": ["1"]}]')"#,
        r#"SELECT tradewind.open_hold('two', 'g', 'ann', NULL, '[{"table": "public.message", "column": "id", "values": ["seven"]}]')"#,
        r#"SELECT tradewind.open_hold('two', 'g', 'ann', NULL, '[{"table": "public.message", "column": "id", "values": [null]}]')"#,
        r#"SELECT tradewind.open_hold('two', 'g', 'ann', NULL, '[{"table": "public.message", "columns": "id"}]')"#,
    ] {
        assert!(try_sql(forbidden).await.is_err(), "{forbidden}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.held").await, "1");
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.hold").await, "1");
    // Again is wider or the same; a released one stays so.
    world
        .sql(&open(
            "one",
            r#"[{"table": "public.message"}, {"table": "public.customer"}]"#,
        ))
        .await;
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.held").await, "2");
    world
        .sql("SELECT tradewind.release_hold('one', 'ann', 'settled')")
        .await;
    for forbidden in [
        open("one", "[{}]"),
        "UPDATE tradewind.hold SET released_at = NULL, released_by = NULL, release_ground = NULL"
            .into(),
        "SELECT tradewind.release_hold('one', 'bob', 'again')".into(),
    ] {
        assert!(try_sql(&forbidden).await.is_err(), "{forbidden}");
    }
    // Not by superusers only: the agent's own role opens and releases.
    world.as_role(&open("three", "[{}]")).await.unwrap();
    world
        .as_role("SELECT tradewind.release_hold('three', 'ann', 'settled')")
        .await
        .unwrap();
}

/// Whoever names a partition means rows of the table: they stay, and more with them.
#[tokio::test]
async fn a_hold_on_a_partition_holds_in_its_table() {
    let sql = "CREATE TABLE log (id int, at date, who text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE log_2000 PARTITION OF log FOR VALUES FROM ('2000-01-01') TO ('2001-01-01') PARTITION BY LIST (at);
        CREATE TABLE log_2000_any PARTITION OF log_2000 DEFAULT;
        CREATE TABLE log_rest PARTITION OF log DEFAULT;
        INSERT INTO log SELECT i, date '2000-01-01' + i, 'w' || i % 10 FROM generate_series(1, 1000) AS i";
    let world = World::new("hold_partition", sql)
        .await
        .rule("log", "at", "P1Y");
    world.set_up_books().await;
    let some = r#"[{"table": "public.log_2000_any", "column": "who", "values": ["w3"]}]"#;
    world.sql(&open("some", some)).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!(
        (rule.due, rule.held, rule.erased),
        (1000, 100, 900),
        "{rule:?}"
    );
    world
        .sql(&open("all", r#"[{"table": "public.log_2000"}]"#))
        .await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!((rule.due, rule.held), (100, 100), "{rule:?}");
    world
        .sql("SELECT tradewind.release_hold('some', 'ann', 'over')")
        .await;
    assert_eq!(world.run().await.expect("Done").rule("log").held, 100);
    world
        .sql("SELECT tradewind.release_hold('all', 'ann', 'over')")
        .await;
    assert_eq!(world.run().await.expect("Done").rule("log").erased, 100);
}

/// A column of another type is another: its values are not cast, and so not in the server's log, where a failed cast would
/// quote them.
#[tokio::test]
async fn a_hold_whose_column_has_another_type_by_now_keeps_everything() {
    let sql = "CREATE TABLE m (id int PRIMARY KEY, mail text, at date); INSERT INTO m SELECT i, 'hold-type-' || i, '2000-01-01' FROM generate_series(1, 5) AS i";
    let mut world = World::new("hold_type", sql).await.rule("m", "at", "P1Y");
    world.set_up_books().await;
    let scope = r#"[{"table": "public.m", "column": "mail", "values": ["hold-type-3"]}]"#;
    world.sql(&open("one", scope)).await;
    let kind = "SELECT kind FROM tradewind.hold_scope";
    assert_eq!(world.sql(kind).await, "text");
    world
        .sql("ALTER TABLE m ALTER mail TYPE bigint USING 5")
        .await;
    for mode in ["DryRun", "Enforce"] {
        world.set("mode", mode);
        assert_eq!(world.run().await.expect("HoldUnclear").code, 64);
    }
    assert_eq!(world.sql("SELECT count(*) FROM m").await, "5");
    let folder = world.sql("SHOW data_directory").await;
    let log = std::path::Path::new(folder.trim()).with_file_name("log");
    assert!(
        !std::fs::read_to_string(log)
            .unwrap()
            .contains("\"hold-type-3\"")
    );
    world
        .sql("ALTER TABLE m ALTER mail TYPE text USING 'hold-type-' || id")
        .await;
    let rule = world.run().await.expect("Done").rule("m").clone();
    assert_eq!((rule.erased, rule.held), (4, 1), "{rule:?}");
}
