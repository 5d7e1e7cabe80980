//! What fences one session fences two that erase side by side.

use std::time::{Duration, Instant};

use super::world::{PATIENCE, Ran, Running, World, access};

const ROWS: i64 = 30_000;

/// A batch waits as long as the test says while another is under way: the first two that go at once wait for each other's time.
const SQL: &str = "CREATE TABLE t (id int PRIMARY KEY, at date);
    INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 30000) AS i;
    CREATE TABLE pace (seconds float); INSERT INTO pace VALUES (2);
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF (SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database()
          AND usename = session_user AND state <> 'idle') THEN
        PERFORM pg_sleep(seconds) FROM public.pace;
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER wait AFTER DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION wait()";

/// A run whose two sessions are each in the midst of a batch, and how often the ledger was written by then.
async fn two(database: &str) -> (World, Running, i64) {
    let mut world = World::new(database, SQL).await.rule("t", "at", "P1Y");
    world.set("batchRows", 100);
    let running = world.start("two");
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND usename = '{}' AND wait_event = 'PgSleep'",
        world.role
    );
    let limit = Instant::now() + PATIENCE;
    // From another database: whoever is busy in this one is company, and then there is no second session.
    while access().await.query("postgres", &asleep).await.unwrap() != "2" {
        assert!(Instant::now() < limit, "no two batches went at once");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = world.ledger_rows().await;
    (world, running, rows)
}

async fn left(world: &World) -> i64 {
    let left = world.sql("SELECT count(*) FROM t").await;
    left.parse().unwrap()
}

/// Nothing is left, and each row was written down once.
async fn all_are_gone_once(world: &World, ran: &Ran) {
    assert_eq!(ran.expect("Done").rule("t").erased, ROWS);
    let ledger = world.sql("SELECT sum(erased) FROM tradewind.ledger").await;
    assert_eq!((ledger.as_str(), left(world).await), ("30000", 0));
}

/// Somebody goes on.
async fn ends(world: &World) {
    world.sql("UPDATE pace SET seconds = 0").await;
    let ran = world.run().await;
    all_are_gone_once(world, &ran).await;
}

#[tokio::test]
async fn the_switch_stops_both_within_the_batches_under_way() {
    let (world, running, before) = two("two_switch").await;
    world
        .sql("INSERT INTO tradewind.stop (policy, reason) VALUES ('eu-customers', 'month end')")
        .await;
    running.finish().await.expect("StoppedBySwitch");
    // Those under way when it was looked, and those under way when the switch was written.
    let more = world.ledger_rows().await - before;
    assert!(more <= 4, "{more} batches");
    world.sql("DELETE FROM tradewind.stop").await;
    ends(&world).await;
}

#[tokio::test]
async fn a_hold_is_in_force_for_both_from_its_commit() {
    let (world, running, _) = two("two_hold").await;
    world
        .sql("SELECT tradewind.open_hold('all', 'case 7', 'ann', '2027-01-01', '[{}]')")
        .await;
    let then = left(&world).await;
    world.sql("UPDATE pace SET seconds = 0").await;
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!((left(&world).await, rule.held), (then, then));
    assert!(rule.erased > 0 && rule.erased + then == ROWS, "{rule:?}");
}

#[tokio::test]
async fn who_took_the_run_over_has_it_from_both() {
    let (world, running, _) = two("two_token").await;
    world
        .sql("UPDATE tradewind.run SET token = token + 1")
        .await;
    let then = left(&world).await;
    running.finish().await.expect("AnotherRunActive");
    assert_eq!(left(&world).await, then);
    ends(&world).await;
}

#[tokio::test]
async fn who_is_killed_has_done_all_or_nothing_of_both() {
    let (world, running, _) = two("two_killed").await;
    running.kill();
    ends(&world).await;
}

/// Whichever session the server ends, the other's work and the rest are done once.
#[tokio::test]
async fn a_lost_second_session_costs_nothing() {
    let (world, running, _) = two("two_lost").await;
    let end = format!(
        "UPDATE pace SET seconds = 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND usename = '{}' ORDER BY backend_start DESC LIMIT 1",
        world.role
    );
    world.sql(&end).await;
    let ran = running.finish().await;
    all_are_gone_once(&world, &ran).await;
}

/// The server logs the row that it refuses with all its values, unless the session says no: the second one too. It meets one
/// of these rows sooner or later, and is given up.
#[tokio::test]
async fn rows_that_either_session_is_refused_stay_out_of_the_servers_log() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date, mail text, note text, CHECK (id < 3000 OR id % 1000 <> 0 OR mail LIKE '%@%'));
        INSERT INTO t SELECT i, '2000-01-01', i || '@x', 'two-quiet-' || i FROM generate_series(1, 30000) AS i";
    let mut world = World::new("two_quiet", sql).await.rule("t", "at", "P1Y");
    let role = &world.role;
    let grants = format!(
        "ALTER ROLE {role} RESET log_error_verbosity; GRANT SET ON PARAMETER log_error_verbosity TO {role};
        GRANT UPDATE (mail) ON t TO {role}"
    );
    world.sql(&grants).await;
    world.set("batchRows", 100);
    let rule = &mut world.task["spec"]["rules"][0];
    rule["method"] = "Anonymise".into();
    rule["columns"] = serde_json::json!([{"name": "mail", "set": "Truncate", "length": 1}]);
    let ran = world.run().await;
    let rule = ran.expect("RowsFailed").rule("t").clone();
    assert_eq!((rule.erased, rule.failed), (29_972, 28), "{rule:?}");
    for says in [
        "\"second\":true",
        "SQLSTATE 23514",
        "the second session is given up",
    ] {
        assert!(ran.log.contains(says), "{says}:\n{}", ran.log);
    }
    let folder = world.sql("SHOW data_directory").await;
    let log = std::path::Path::new(folder.trim()).with_file_name("log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("t_check") && !log.contains("two-quiet-"));
}

/// The oldest due row is looked for again and again while the first session deletes, if an index on the clock leads to it: so
/// deleted rows are cleared away while they are in memory. Without one each look would read the table.
#[tokio::test]
async fn deleted_rows_are_followed_by_an_index_on_the_clock_alone() {
    for (database, index) in [("two_follow", true), ("two_no_index", false)] {
        let mut sql = "CREATE TABLE t (id int PRIMARY KEY, at date);
            INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 30000) AS i"
            .to_owned();
        if index {
            sql.push_str("; CREATE INDEX ON t (at)");
        }
        let mut world = World::new(database, &sql).await.rule("t", "at", "P1Y");
        world.set("batchRows", 100);
        let ran = world.run().await;
        all_are_gone_once(&world, &ran).await;
        let gave_up = ran.log.contains("not followed any more");
        assert!(index || gave_up, "{}", ran.log);
        // On a busy machine a look may take long: then it was the last.
        if gave_up {
            continue;
        }
        let limit = Instant::now() + PATIENCE;
        let looks = "SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_user_indexes WHERE indexrelname = 't_at_idx'";
        // Told as the sessions end.
        while world.sql(looks).await.parse::<u32>().unwrap() < 12 {
            assert!(Instant::now() < limit, "nobody followed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
