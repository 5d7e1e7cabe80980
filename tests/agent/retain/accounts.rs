//! Every due row is in exactly one term, whatever others do to the table meanwhile.

use super::world::{Ran, World, assert_balanced};

/// 3,000 events, one a minute, 2,000 of them due; ten pins.
const EVENTS: &str = "CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz, note text DEFAULT 'x');
    INSERT INTO events SELECT i, now() - interval '2 days' - i * interval '1 minute' FROM generate_series(1, 2000) AS i;
    INSERT INTO events SELECT i, now() - interval '1 minute' FROM generate_series(2001, 2990) AS i;
    INSERT INTO events SELECT i, NULL FROM generate_series(2991, 2998) AS i;
    INSERT INTO events VALUES (2999, 'infinity'), (3000, '-infinity')";

async fn events(database: &str) -> World {
    let mut world = World::new(database, EVENTS)
        .await
        .rule("events", "at", "P1D");
    world.set("batchRows", 200);
    world
}

async fn erased(world: &World) -> i64 {
    world
        .sql("SELECT coalesce(sum(erased), 0) FROM tradewind.ledger")
        .await
        .parse()
        .unwrap()
}

async fn left(world: &World) -> i64 {
    world
        .sql("SELECT count(*) FROM events")
        .await
        .parse()
        .unwrap()
}

/// Whether the table is counted in one pass or by an index on the clock.
#[tokio::test]
async fn rows_without_a_clock_are_never_due_and_told() {
    for (database, index) in [
        ("acc_null", ""),
        ("acc_indexed", "CREATE INDEX ON events (at)"),
    ] {
        let world = events(database).await;
        world.sql(index).await;
        let ran = world.run().await;
        let rule = ran.expect("Done").rule("events").clone();
        assert_eq!(
            (rule.rows, rule.due, rule.erased, rule.null_clock),
            (3000, 2000, 2000, 10)
        );
        assert_eq!(left(&world).await, 1000);
        assert_eq!(
            world
                .sql("SELECT count(*) FROM events WHERE at IS NULL OR NOT isfinite(at)")
                .await,
            "10"
        );
        // The keys are gone from the books with the rows, and no hash of them is left.
        assert_eq!(world.sql("SELECT count(*) FROM tradewind.pin").await, "0");
        let lines = "SELECT count(*) >= 10, sum(erased), count(keys_sha256) FROM tradewind.ledger";
        assert_eq!(world.sql(lines).await, "t|2000|0");
    }
}

/// A hash of one small number is guessed at once. Books of before are rid of theirs, and an older agent that is still at
/// work while its successor begins leaves none either, and is not stopped by it.
#[tokio::test]
async fn no_plain_hash_of_keys_is_kept_whoever_writes_it() {
    let world = events("acc_hashes").await;
    world.run().await.expect("Done");
    let hashes = "SELECT count(keys_sha256) FROM tradewind.ledger";
    let older = "INSERT INTO tradewind.ledger (run, store, rule, token, entry, erased, keys_sha256)
        SELECT run, store, name, 1, 'Batch', 0, sha256(int8send(7)) FROM tradewind.rule";
    // As the books were before: without what came with the migration.
    let before =
        "DROP TRIGGER keep_no_hash ON tradewind.ledger; DROP FUNCTION tradewind.keep_no_hash;
        DELETE FROM tradewind.retain_migration WHERE version = 70";
    world.sql(before).await;
    world.as_role(older).await.unwrap();
    assert_eq!(world.sql(hashes).await, "1");
    world.run().await.expect("Done");
    assert_eq!(world.sql(hashes).await, "0");
    world.as_role(older).await.unwrap();
    let written = "SELECT count(*) FROM tradewind.ledger WHERE erased = 0 AND entry = 'Batch'";
    assert_eq!(world.sql(written).await, "3");
    assert_eq!(world.sql(hashes).await, "0");
}

#[tokio::test]
async fn what_others_delete_move_and_bring_is_told_apart() {
    let world = events("acc_others").await;
    world.slow_down("events", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    // The oldest go first (id 2000 downwards): these are still to come.
    world.sql("DELETE FROM events WHERE id <= 7").await;
    world
        .sql("UPDATE events SET at = now() WHERE id BETWEEN 8 AND 12")
        .await;
    world.sql("UPDATE events SET at = NULL WHERE id = 13").await;
    world
        .sql("UPDATE events SET note = 'changed, still due' WHERE id BETWEEN 14 AND 400")
        .await;
    world.sql("INSERT INTO events SELECT i, now() - interval '9 years' FROM generate_series(5001, 5010) AS i").await;
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule("events").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.gone, rule.late),
        (2000, 1987, 13, 10),
        "{rule:?}"
    );
    assert_eq!(
        world
            .sql("SELECT count(*) FROM events WHERE id > 5000")
            .await,
        "10"
    );
    assert_eq!(left(&world).await, 3000 - 7 - 1987 + 10);
    // Late arrivals are the next run's.
    let next = world.run().await;
    let rule = next.expect("Done").rule("events").clone();
    assert_eq!((rule.due, rule.erased), (10, 10));
}

#[tokio::test]
async fn a_window_that_ends_leaves_the_rest_to_the_next_run() {
    let mut world = events("acc_window").await;
    world.slow_down("events", 0.4).await;
    world.set("window", "PT5S");
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    world.sql("DELETE FROM events WHERE id <= 3").await; // of the last pin
    let first = running.finish().await;
    let rule = first.expect("WindowElapsed").rule("events").clone();
    assert!(rule.erased > 0 && rule.remaining > 0, "{rule:?}");
    assert_eq!(
        rule.gone, 3,
        "rows that nobody came to are looked at again: {rule:?}"
    );
    assert_eq!(rule.erased, erased(&world).await);
    world.sql("DROP TRIGGER slow ON events").await;
    let second = world.run().await;
    let next = second.expect("Done").rule("events").clone();
    assert_eq!((next.due, next.erased), (rule.remaining, rule.remaining));
    assert_ne!(first.body().run, second.body().run);
}

#[tokio::test]
async fn sigterm_ends_between_two_batches_and_the_next_pod_goes_on() {
    let world = events("acc_term").await;
    world.slow_down("events", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    running.terminate();
    let stopped = running.finish().await;
    assert_eq!(stopped.expect("Stopped").code, 75);
    let rule = stopped.rule("events").clone();
    assert_eq!(rule.erased, erased(&world).await);
    assert!(rule.remaining > 0 && rule.erased >= 400, "{rule:?}");
    assert_eq!(left(&world).await, 3000 - rule.erased);
    let pinned = world.sql("SELECT now, id FROM tradewind.run").await;
    let read = world.run_with(&["--report"]).await;
    assert_eq!(read.expect("Unfinished").report.body, stopped.report.body);
    world
        .sql(
            "UPDATE events SET at = now() - interval '1 day' - interval '1 second' WHERE id = 2500",
        )
        .await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("events").clone();
    assert_eq!(world.sql("SELECT now, id FROM tradewind.run").await, pinned);
    assert_eq!(
        (rule.due, rule.erased),
        (2000, 2000),
        "the pinned cut-off holds"
    );
    assert_eq!(
        world
            .sql("SELECT count(*) FROM events WHERE id = 2500")
            .await,
        "1"
    );
}

#[tokio::test]
async fn a_locked_row_fails_alone_and_goes_the_next_time() {
    let world = events("acc_locked").await;
    let lock = "BEGIN; SELECT FROM events WHERE id = 777 FOR UPDATE; SELECT pg_sleep(30)";
    let database = world.database.clone();
    let other =
        tokio::spawn(async move { super::world::access().await.query(&database, lock).await });
    let locked = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE c.relname = 'events' AND mode = 'RowShareLock'";
    while world.sql(locked).await == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let ran = world.run().await;
    let rule = ran.expect("RowsFailed").rule("events").clone();
    assert_eq!((rule.erased, rule.failed), (1999, 1), "{rule:?}");
    assert_eq!(ran.code, 64);
    world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()").await;
    assert!(other.await.unwrap().is_err());
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("events").erased, 1);
}

/// Another program that keeps a table locked, once it does: until its task ends.
async fn locked(world: &World, table: &str) -> tokio::task::JoinHandle<bool> {
    let lock = format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE; SELECT pg_sleep(120)");
    let database = world.database.clone();
    let other = tokio::spawn(async move {
        let ended = super::world::access().await.query(&database, &lock).await;
        ended.is_ok()
    });
    let locked = format!(
        "SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = '{table}'::regclass"
    );
    while world.sql(&locked).await == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    other
}

/// So is a list of holds that somebody keeps locked, in another database meanwhile.
#[tokio::test]
async fn a_locked_table_is_tried_again_later() {
    let world = events("acc_table").await;
    let held = events("acc_holds").await;
    held.set_up_books().await;
    let others = [
        locked(&world, "events").await,
        locked(&held, "tradewind.hold").await,
    ];
    let (ran, waited) = tokio::join!(world.run(), held.run());
    for (ran, reason) in [(&ran, "TableBusy"), (&waited, "HoldsBusy")] {
        assert_eq!(ran.expect(reason).code, 75);
        assert_eq!(ran.rule("events").remaining, 2000);
    }
    for (world, other) in [&world, &held].into_iter().zip(others) {
        world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(120)%' AND pid <> pg_backend_pid()").await;
        assert!(!other.await.unwrap());
        assert_eq!(world.run().await.expect("Done").rule("events").erased, 2000);
    }
}

/// What a trigger says about a row stays in the database.
fn assert_silent(ran: &Ran) {
    let report = serde_json::to_string(&ran.report).unwrap();
    assert!(
        !ran.log.contains("jane") && !report.contains("jane"),
        "{}\n{report}",
        ran.log
    );
}

#[tokio::test]
async fn rows_that_a_trigger_guards_fail_one_by_one_and_say_nothing() {
    let world = events("acc_guard").await;
    world
        .sql(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF OLD.id IN (100, 900) THEN
                RAISE EXCEPTION 'jane@shop.example objects' USING DETAIL = 'jane', HINT = 'ask jane';
              END IF;
              IF OLD.id = 500 THEN RETURN NULL; END IF;
              RETURN OLD; END $$;
            CREATE TRIGGER guard BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION guard()",
        )
        .await;
    let ran = world.run().await;
    let rule = ran.expect("RowsFailed").rule("events").clone();
    assert_eq!((rule.erased, rule.failed), (1997, 3), "{rule:?}");
    assert!(ran.log.contains("SQLSTATE P0001"));
    assert_silent(&ran);
}

#[tokio::test]
async fn a_table_that_refuses_everything_is_given_up_soon() {
    let world = events("acc_refuses").await;
    world
        .sql(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE EXCEPTION 'jane objects'; END $$;
            CREATE TRIGGER guard BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION guard()",
        )
        .await;
    let ran = world.run().await;
    let rule = ran.expect("RowsFailed").rule("events").clone();
    assert_eq!(
        (rule.erased, rule.failed, rule.remaining),
        (0, 100, 1900),
        "{rule:?}"
    );
    assert_silent(&ran);
}

#[tokio::test]
async fn rows_that_come_back_are_not_called_erased() {
    let world = events("acc_back").await;
    world
        .sql(
            "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
              $$ BEGIN IF OLD.id IN (5, 6, 1500) THEN INSERT INTO public.events VALUES (OLD.*); END IF; RETURN NULL; END $$;
            CREATE TRIGGER back AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION back()",
        )
        .await;
    let ran = world.run().await;
    let rule = ran.expect("VerificationFailed").rule("events").clone();
    assert_eq!((rule.erased, rule.failed), (1997, 3), "{rule:?}");
    let read = world.run_with(&["--report"]).await;
    read.expect("VerificationFailed").says_what_was_said(&ran);
}

#[tokio::test]
async fn live_traffic_neither_loses_nor_blocks() {
    let world = events("acc_live").await;
    world
        .sql("ALTER TABLE events ALTER note SET DEFAULT ''; CREATE SEQUENCE ids START 10000")
        .await;
    let running = world.start("one");
    // Four clients insert, touch due rows and read, as fast as they can.
    let client = |seed: i32| {
        let database = world.database.clone();
        let sql = format!(
            "DO $$ BEGIN FOR i IN 1..300 LOOP
              INSERT INTO events VALUES (nextval('ids'), now());
              UPDATE events SET note = note || 'x' WHERE id = 1 + (i * 7 + {seed} * 131) % 2000;
              PERFORM count(*) FROM events WHERE id BETWEEN i AND i + 10;
              COMMIT;
            END LOOP; END $$"
        );
        tokio::spawn(async move { super::world::access().await.query(&database, &sql).await })
    };
    let clients: Vec<_> = (0..4).map(client).collect();
    let ran = running.finish().await;
    for client in clients {
        client.await.unwrap().unwrap(); // no deadlock, no error for the merchant's programs
    }
    let rule = ran.expect("Done").rule("events").clone();
    assert_eq!((rule.due, rule.erased), (2000, 2000), "{rule:?}");
    assert_balanced(&ran.body().rules);
    assert_eq!(left(&world).await, 1000 + 1200);
}
