//! Behind a pooler a session lock tells nobody apart, as clients share the session that has it; the run's row does.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::pooler;
use super::throttle::{DYING, dead_rows, until_held_back};
use super::world::{PATIENCE, World, access};

/// Advisory locks that are held here, and by how many sessions.
const LOCKS: &str = "SELECT count(*), count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

async fn dying(database: &str) -> World {
    let mut world = World::new(database, DYING).await.rule("t", "at", "P1Y");
    world.set("batchRows", 100);
    // By its whole name: the session's search path is the one that the last client left.
    world.task["spec"]["rules"][0]["table"] = "public.t".into();
    world.set_up_books().await;
    world.alone().await;
    world
}

/// From here on the world's runs go through a pooler; the URL of it, and the one without.
async fn behind_a_pooler(world: &World) -> (String, String) {
    let server = access().await.address();
    let straight = access()
        .await
        .url_as(&world.role, "secret", &world.database);
    let pooler = pooler::pool(server).await.to_string();
    let pooled = straight.replace(&server.to_string(), &pooler);
    lead_to(world, &pooled);
    (pooled, straight)
}

fn lead_to(world: &World, url: &str) {
    std::fs::write(world.dir.path().join("url"), url).unwrap();
}

/// The trap, on a real server: two clients ask for one lock, and both get it.
#[tokio::test]
async fn two_clients_of_a_pooler_hold_one_session_lock() {
    let world = dying("pool_trap").await;
    let (pooled, _) = behind_a_pooler(&world).await;
    let mut one = PgConnection::connect(&pooled).await.unwrap();
    let mut two = PgConnection::connect(&pooled).await.unwrap();
    let mut answers: Vec<(bool, i32)> = Vec::new();
    for client in [&mut one, &mut two] {
        let ask = sqlx::query_as("SELECT pg_try_advisory_lock(7), pg_backend_pid()");
        answers.push(ask.fetch_one(client).await.unwrap());
    }
    assert!(answers[0].0 && answers[0] == answers[1], "{answers:?}");
    assert_eq!(world.sql("SELECT pg_try_advisory_lock(7)").await, "f");
    assert_eq!(world.sql(LOCKS).await, "1|1");
    // Within its transaction the session is one client's alone.
    let shown = async |client: &mut PgConnection| {
        let row = sqlx::query_scalar("SHOW work_mem").fetch_one(client);
        let shown: String = row.await.unwrap();
        shown
    };
    let mut alone = one.begin().await.unwrap();
    let set = sqlx::query("SET LOCAL work_mem = '77MB'");
    set.execute(&mut *alone).await.unwrap();
    let ours = async {
        let ours = shown(&mut *alone).await;
        alone.commit().await.unwrap();
        ours
    };
    let (theirs, ours) = tokio::join!(shown(&mut two), ours);
    assert_eq!(ours, "77MB");
    assert_ne!(theirs, "77MB");
}

/// Two runs that both have the lock: the second takes the run over, and the first writes nothing more. Who comes past the
/// pooler is kept out by the lock, which stays with the pooler's session.
#[tokio::test]
async fn of_two_runs_that_hold_one_lock_one_erases() {
    let mut world = dying("pool_runs").await;
    world.set("throttle", dead_rows());
    let (_, straight) = behind_a_pooler(&world).await;
    let mut first = world.start("first");
    until_held_back(&first, "ThrottledByDeadRows").await;
    let mut second = world.start("second");
    until_held_back(&second, "ThrottledByDeadRows").await;
    assert!(first.is_running() && second.is_running());
    assert_eq!(world.sql(LOCKS).await, "1|1");
    let open = "SELECT count(*), max(token) FROM tradewind.run WHERE ended_at IS NULL";
    assert_eq!(world.sql(open).await, "1|2");
    world.sql("VACUUM t").await;
    let (first, second) = (first.finish().await, second.finish().await);
    assert_eq!(first.expect("AnotherRunActive").code, 75);
    assert_eq!(second.expect("Done").rule("t").erased, 900);
    assert_all_is_told(&world).await;
    lead_to(&world, &straight);
    assert_eq!(world.run().await.expect("AnotherRunActive").code, 75);
}

/// 1,600 rows in pins of 400 keys. A batch is slow, so that the next one takes half as many, and waits while a lock is held.
const SLOW: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
    ALTER TABLE t SET (autovacuum_enabled = off);
    INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 1600) AS i;
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_sleep(1.2);
      WHILE NOT pg_try_advisory_xact_lock(77) LOOP PERFORM pg_sleep(0.02); END LOOP;
      RETURN NULL; END $$;
    CREATE TRIGGER slow AFTER DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION public.slow()";

/// A pin that the first run has read, and would cut next, is erased whole by the second meanwhile: its halves would be open
/// pins of rows that have their fate, and the books could not be closed.
#[tokio::test]
async fn a_pin_that_another_run_erased_is_not_cut_in_two() {
    let mut world = World::new("pool_cut", SLOW).await.rule("t", "at", "P1Y");
    world.set("batchRows", 400);
    world.task["spec"]["rules"][0]["table"] = "public.t".into();
    world.set_up_books().await;
    let (_, straight) = behind_a_pooler(&world).await;
    let mut gate = PgConnection::connect(&straight).await.unwrap();
    let close = sqlx::query("SELECT pg_advisory_lock(77)");
    close.execute(&mut gate).await.unwrap();
    world.set("throttle", dead_rows());
    let first = world.start("first");
    // It is at its first batch. Only this run waits for what is dead.
    let at_work = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    until(&world, at_work).await;
    world
        .sql("BEGIN; INSERT INTO t SELECT i, now() FROM generate_series(10001, 14000) AS i; ROLLBACK")
        .await;
    let dead = "SELECT pg_stat_get_dead_tuples('t'::regclass) >= 4000";
    until(&world, dead).await;
    gate.close().await.unwrap();
    until_held_back(&first, "ThrottledByDeadRows").await;
    assert_eq!(world.ledger_rows().await, 1);
    let unasked =
        json!({"replicaLagSeconds": 10, "slotMebibytes": 10240, "transactionMinutes": 60});
    world.set("throttle", unasked);
    let second = world.start("second");
    world.wait_for_ledger(2).await;
    let whole = "SELECT count(*) > 1 FROM tradewind.pin WHERE erased AND rows = 400";
    assert_eq!(world.sql(whole).await, "t");
    world.sql("VACUUM t").await;
    let (first, second) = (first.finish().await, second.finish().await);
    assert_eq!(first.expect("AnotherRunActive").code, 75);
    assert_eq!(second.expect("Done").rule("t").erased, 1600);
}

/// Waits until the database says so.
async fn until(world: &World, sql: &str) {
    let limit = Instant::now() + PATIENCE;
    while world.sql(sql).await != "t" {
        assert!(Instant::now() < limit, "never: {sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two at once, whichever is first where: what is gone was erased once, by one of them or by both, one after the other.
#[tokio::test]
async fn what_two_runs_at_once_erase_they_erase_once() {
    for round in 0..3 {
        let world = dying(&format!("pool_at_once_{round}")).await;
        behind_a_pooler(&world).await;
        let (one, two) = (world.start("one"), world.start("two"));
        let ran = [one.finish().await, two.finish().await];
        for ran in &ran {
            let kept_out = ran.code == 75;
            ran.expect(if kept_out { "AnotherRunActive" } else { "Done" });
        }
        assert!(ran.iter().any(|ran| ran.code == 0));
        assert_all_is_told(&world).await;
    }
}

/// All that was due is gone, and the books have each row once.
async fn assert_all_is_told(world: &World) {
    let books = "SELECT (SELECT count(*) FROM t), (SELECT sum(erased) FROM tradewind.ledger),
        (SELECT sum(due) FROM tradewind.rule), (SELECT count(*) FROM tradewind.run WHERE ended_at IS NULL)";
    assert_eq!(world.sql(books).await, "0|900|900|0");
}
