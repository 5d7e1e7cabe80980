//! A run waits while the database has enough to carry, and stops when it cannot see that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{PATIENCE, Running, World, access};

const OLD: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
    INSERT INTO t SELECT i, timestamptz '2000-01-01' + i * interval '1 hour' FROM generate_series(1, 2000) AS i";

pub(super) async fn old(database: &str) -> World {
    let mut world = World::new(database, OLD).await.rule("t", "at", "P1Y");
    world.set("batchRows", 100);
    world
}

#[tokio::test]
async fn the_grant_that_shows_replicas_and_sessions_is_asked_for() {
    let mut world = old("thr_grant").await;
    let grant = format!("GRANT pg_read_all_stats TO {};", world.role);
    world
        .sql(&format!("REVOKE pg_read_all_stats FROM {}", world.role))
        .await;
    world.set("mode", "DryRun");
    let dry = world.run().await;
    dry.expect("Previewed");
    assert!(dry.log.contains(&grant), "{}", dry.log);
    world.set("mode", "Enforce");
    let ran = world.run().await;
    assert_eq!(ran.expect("GrantsMissing").code, 64);
    assert!(ran.report.message.contains(&grant));
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
    world.sql(&grant).await;
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 2000);
}

/// What is hidden in the midst of a run is no zero: another's session, here.
#[tokio::test]
async fn a_signal_that_cannot_be_read_stops_the_run() {
    let world = old("thr_hidden").await;
    world.slow_down("t", 0.4).await;
    // Somebody whose transactions are hidden then.
    tokio::spawn(async move {
        access()
            .await
            .query("thr_hidden", "SELECT pg_sleep(30)")
            .await
    });
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    world
        .sql(&format!("REVOKE pg_read_all_stats FROM {}", world.role))
        .await;
    let ran = running.finish().await;
    assert_eq!(ran.expect("ThrottleUnreadable").code, 75);
    let rule = ran.rule("t");
    assert!(rule.erased < 2000 && rule.remaining > 0, "{rule:?}");
    assert_eq!(
        world.sql("SELECT count(*) FROM t").await,
        rule.remaining.to_string()
    );
    world
        .sql(&format!("GRANT pg_read_all_stats TO {}", world.role))
        .await;
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 2000);
}

/// A slot that nobody reads keeps the log, which a run would add to.
#[tokio::test]
pub(crate) async fn a_slot_that_keeps_too_much_of_the_log_holds_the_run_back() {
    let mut world = old("thr_slot").await;
    world
        .sql("SELECT pg_create_physical_replication_slot('thr_slot', true)")
        .await;
    world
        .sql("CREATE TABLE filler AS SELECT repeat(md5(i::text), 30) AS words FROM generate_series(1, 4000) AS i")
        .await;
    world.set(
        "throttle",
        json!({"replicaLagSeconds": 10, "slotMebibytes": 1, "transactionMinutes": 60}),
    );
    world.set("window", "PT3S");
    let ran = world.run().await;
    assert_eq!(ran.expect("ThrottledBySlot").code, 0);
    let rule = ran.rule("t");
    assert_eq!((rule.due, rule.erased, rule.remaining), (2000, 0, 2000));
    assert!(ran.report.message.contains("a replication slot"));
    let back = world.run_with(&["--report"]).await;
    assert_eq!(back.report.reason, "ThrottledBySlot");
    // The next run waits, and goes on by itself.
    world.set("window", "PT1H");
    let mut running = world.start("waits");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(running.is_running());
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
    world
        .sql("SELECT pg_drop_replication_slot('thr_slot')")
        .await;
    assert_eq!(running.finish().await.expect("Done").rule("t").erased, 2000);
}

/// A vacuum that takes a while is waited for where the policy says so.
#[tokio::test]
async fn a_vacuum_of_a_rules_table_is_waited_for_where_that_is_asked() {
    let mut world = old("thr_vacuum").await;
    let limits = json!({"replicaLagSeconds": 10, "slotMebibytes": 10240, "transactionMinutes": 60, "vacuumMinutes": 30});
    world.set("throttle", limits);
    // Each page makes it sleep, and there are enough for it to be at work when a run has come that far.
    world
        .sql("INSERT INTO t SELECT i, now() FROM generate_series(10001, 16000) AS i")
        .await;
    for setting in ["delay = 100", "limit = 1"] {
        let slow = format!("ALTER DATABASE thr_vacuum SET vacuum_cost_{setting}");
        world.sql(&slow).await;
    }
    // What a run sets up first must not take the vacuum's time.
    world.set_up_books().await;
    let vacuum = tokio::spawn(async { access().await.query("thr_vacuum", "VACUUM t").await });
    let at_work = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 't'::regclass";
    while world.sql(at_work).await == "0" {
        assert!(!vacuum.is_finished(), "it was over before it was seen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ran = world.start("waits").finish().await;
    assert_eq!(ran.expect("Done").rule("t").erased, 2000);
    assert!(ran.log.contains("ThrottledByVacuum"), "{}", ran.log);
    vacuum.await.unwrap().unwrap();
}

/// Waits until a run says that it is held back, by this.
pub(crate) async fn until_held_back(running: &Running, by: &str) {
    let limit = Instant::now() + PATIENCE;
    while !running.said().contains(by) {
        assert!(Instant::now() < limit, "{}", running.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A table of 900 rows to erase, whose own vacuum is off, after 3,000 others died.
pub(crate) const DYING: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
    ALTER TABLE t SET (autovacuum_enabled = off);
    INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 900) AS i;
    INSERT INTO t SELECT i, now() FROM generate_series(10001, 13000) AS i; DELETE FROM t WHERE id > 10000";

/// What a run is told of them.
pub(crate) fn dead_rows() -> Value {
    json!({"replicaLagSeconds": 10, "slotMebibytes": 10240, "transactionMinutes": 60, "deadRowsPercent": 30})
}

/// Rows that no vacuum has taken away are waited for where that is asked, not for ever, and not where nobody counts them.
#[tokio::test]
pub(crate) async fn dead_rows_are_waited_for_where_that_is_asked() {
    let mut world = World::new("thr_dead", DYING).await.rule("t", "at", "P1Y");
    world.set("batchRows", 100);
    world.set("throttle", dead_rows());
    let counted = |on: &str| format!("ALTER ROLE {} SET track_counts = {on}", world.role);
    let (off, on) = (counted("off"), counted("on"));
    world.sql(&off).await;
    let blind = world.run().await;
    assert_eq!(blind.expect("ThrottleUnreadable").code, 75);
    let message = &blind.report.message;
    assert!(message.contains("track_counts"), "{message}");
    world.sql(&on).await;
    world.alone().await;
    let running = world.start("waits");
    until_held_back(&running, "ThrottledByDeadRows").await;
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "900");
    world.sql("VACUUM t").await;
    assert_eq!(running.finish().await.expect("Done").rule("t").erased, 900);
    // Its own are counted with everybody's: more than a thousand now, and nobody comes.
    world
        .sql("INSERT INTO t SELECT i, CASE WHEN i > 900 THEN now() ELSE '2000-01-01' END FROM generate_series(1, 1100) AS i;
            DELETE FROM t WHERE id > 900")
        .await;
    world.alone().await;
    world.set("window", "PT40S");
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").erased, 900);
    assert!(ran.log.contains("ThrottledByDeadRows"), "{}", ran.log);
    // Who did not ask does not wait.
    world
        .sql("INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 900) AS i")
        .await;
    world.alone().await;
    let unasked =
        json!({"replicaLagSeconds": 10, "slotMebibytes": 10240, "transactionMinutes": 60});
    world.set("throttle", unasked);
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").erased, 900);
    assert!(!ran.log.contains("Throttled"), "{}", ran.log);
}

/// Others who write are seen long before the server has counted what they did, and get small batches and a rest after each.
#[tokio::test]
async fn others_who_write_are_seen_at_once_and_spared() {
    let mut world = old("thr_company").await;
    world.set("batchRows", 2000);
    world
        .sql("INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(2001, 30000) AS i; CREATE TABLE other AS SELECT 0 AS n")
        .await;
    world.slow_down("t", 0.03).await;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&stop);
    let others = tokio::spawn(async move {
        let writes = "UPDATE other SET n = n + 1;\n".repeat(1000);
        while !done.load(Ordering::Relaxed) {
            access().await.query("thr_company", &writes).await.unwrap();
        }
    });
    let ran = world.run().await;
    stop.store(true, Ordering::Relaxed);
    others.await.unwrap();
    assert_eq!(ran.expect("Done").rule("t").erased, 30_000);
    let beside = batches(&ran.log).filter(|batch| batch["company"] == true);
    assert!(beside.count() > 20, "{}", ran.log);
}

/// Alone it takes a second session for as long as its batches are quick, and does without one where it gets none.
#[tokio::test]
async fn a_second_session_erases_beside_the_first_where_there_may_be_one() {
    for (database, limit) in [("thr_second", -1), ("thr_single", 1)] {
        let world = old(database).await;
        let more = "INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(2001, 30000) AS i";
        world.sql(more).await;
        let role = &world.role;
        world
            .sql(&format!("ALTER ROLE {role} CONNECTION LIMIT {limit}"))
            .await;
        let ran = world.run().await;
        assert_eq!(ran.expect("Done").rule("t").erased, 30_000);
        let second = batches(&ran.log).filter(|batch| batch["second"] == true);
        assert_eq!(second.count() > 0, limit != 1, "{}", ran.log);
        let ledger = "SELECT sum(erased), min(erased) > 0 FROM tradewind.ledger";
        assert_eq!(world.sql(ledger).await, "30000|t");
    }
}

/// What the log says of batches.
fn batches(log: &str) -> impl Iterator<Item = Value> {
    let lines = log.lines().map(serde_json::from_str::<Value>);
    lines.flatten().filter(|line| line["message"] == "batch")
}
