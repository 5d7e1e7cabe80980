//! SIGKILL at any moment, two pods at once: the same world, and books that say so exactly.

use std::time::{Duration, Instant};

use super::world::{Ran, Running, World};

const ROWS: i64 = 3000;

async fn world(database: &str) -> World {
    let sql = "CREATE TABLE parent (id bigint PRIMARY KEY, at timestamptz NOT NULL);
        INSERT INTO parent SELECT i, now() - i * interval '1 hour' FROM generate_series(1, 3000) AS i;
        CREATE TABLE child (id bigint PRIMARY KEY, parent bigint NOT NULL REFERENCES parent, at timestamp NOT NULL);
        INSERT INTO child SELECT i, i, now() - i * interval '1 hour' + CASE WHEN i % 10 = 0 THEN interval '9 years' ELSE '0' END
          FROM generate_series(1, 3000) AS i;
        CREATE INDEX ON child (parent)";
    let mut world = World::new(database, sql)
        .await
        .rule("parent", "at", "P30D")
        .rule("child", "at", "P60D");
    world.set("batchRows", 250);
    world
}

/// Ended or not, the ledger's rows are exactly the rows that are gone, and the cut-off was never recomputed.
async fn assert_exact(world: &World) {
    let state = world
        .sql(
            "SELECT 3000 - (SELECT count(*) FROM parent) - (SELECT coalesce(sum(erased), 0) FROM tradewind.ledger WHERE rule = 'parent'),
              3000 - (SELECT count(*) FROM child) - (SELECT coalesce(sum(erased), 0) FROM tradewind.ledger WHERE rule = 'child'),
              (SELECT count(*) FROM child c WHERE NOT EXISTS (SELECT FROM parent p WHERE p.id = c.parent))",
        )
        .await;
    assert_eq!(
        state, "0|0|0",
        "parents and children unaccounted for, orphans"
    );
}

/// What is left of the tables, and the first run's books without times and ids. Where a pod of a pair ends the run before
/// the other has begun, the other begins one more, which has nothing left to erase.
async fn outcome(world: &World) -> String {
    let tables = world
        .sql(
            "SELECT (SELECT count(*) || md5(string_agg(id::text, ' ' ORDER BY id)) FROM parent),
              (SELECT count(*) || md5(string_agg(id::text, ' ' ORDER BY id)) FROM child)",
        )
        .await;
    let books = world
        .sql(
            "SELECT r.name, r.rows, r.due, r.null_clock, sum(l.erased), sum(l.gone), sum(l.blocked), sum(l.failed), sum(l.remaining)
            FROM tradewind.rule r JOIN tradewind.ledger l ON l.run = r.run AND l.rule = r.name
            WHERE r.run = (SELECT id FROM tradewind.run ORDER BY began_at LIMIT 1)
            GROUP BY r.name, r.rows, r.due, r.null_clock ORDER BY r.name",
        )
        .await;
    format!("{tables}\n{books}")
}

/// Two pods of one Job; answers them when one of them has begun to write, or ended.
async fn two(world: &World, rows: i64) -> [Running; 2] {
    let mut pods = [world.start("one"), world.start("two")];
    while world.ledger_rows().await < rows && pods.iter_mut().any(Running::is_running) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pods
}

/// Until a pair of pods ends with one that is done; the other never touched a row. A server that has not noticed yet
/// that its client was killed holds that client's lock: then both of a pair are sent away.
async fn to_the_end(world: &World) -> Ran {
    let end = Instant::now() + Duration::from_secs(180);
    while Instant::now() < end {
        let [one, two] = two(world, i64::MAX).await;
        let (one, two) = (one.finish().await, two.finish().await);
        let (done, other) = if one.code == 0 {
            (one, two)
        } else {
            (two, one)
        };
        if done.code == 0 {
            if other.code != 0 {
                assert_eq!(other.expect("AnotherRunActive").code, 75);
            }
            return done;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("no pod ever ended well");
}

#[tokio::test]
async fn a_run_killed_anywhere_ends_in_the_same_world() {
    let reference = world("kill_reference").await;
    let ran = reference.run().await;
    ran.expect("Done");
    assert!(ran.rule("parent").blocked > 0 && ran.rule("child").erased > 1000);
    assert_eq!(ran.rule("parent").rows, ROWS);
    let expected = outcome(&reference).await;
    let batches = reference.ledger_rows().await;

    let killed = world("kill_killed").await;
    killed.slow_down("child", 0.8).await;
    killed.sql("CREATE TRIGGER slow AFTER DELETE ON parent FOR EACH STATEMENT EXECUTE FUNCTION public.slow()").await;
    // Some batches come in halves after a kill, so count from where the ledger stands.
    let mut kills = 0;
    for wait in [0, 50, 320, 640, 160, 480, 20, 740, 400, 240, 540, 100] {
        let rows = killed.ledger_rows().await;
        let pods = two(&killed, rows + 1).await;
        // Somewhere between one batch's commit and the next one's: each batch takes 800 ms before its commit.
        tokio::time::sleep(Duration::from_millis(wait)).await;
        for pod in pods {
            pod.kill();
        }
        kills += 1;
        assert_exact(&killed).await;
        let open = "SELECT count(*) FROM tradewind.run WHERE ended_at IS NULL";
        if killed.sql(open).await == "0" {
            break;
        }
    }
    assert!(
        kills >= 8,
        "the run ended after {kills} kills of {batches} batches"
    );
    let ran = to_the_end(&killed).await;
    ran.expect("Done");
    assert_exact(&killed).await;
    assert_eq!(
        killed
            .sql(
                "SELECT count(DISTINCT run.id), count(DISTINCT run.now) FROM tradewind.run
                JOIN tradewind.ledger ON ledger.run = run.id WHERE ledger.erased > 0"
            )
            .await,
        "1|1"
    );
    assert_eq!(outcome(&killed).await, expected);
    assert_eq!(killed.sql("SELECT count(*) FROM tradewind.pin").await, "0");
}

#[tokio::test]
async fn a_run_killed_while_it_begins_or_closes_ends_in_the_same_world() {
    let reference = world("kill_ends_reference").await;
    reference.run().await.expect("Done");
    let expected = outcome(&reference).await;
    let killed = world("kill_ends").await;
    // While it pins: the insert of a run's rules waits.
    killed.run_with(&["--report"]).await.expect("NoRun");
    let mut done = false;
    for wait in (20..400).step_by(20) {
        let [one, two] = two(&killed, i64::MIN).await;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        one.kill();
        two.kill();
        if killed
            .sql("SELECT to_regclass('tradewind.ledger') IS NULL")
            .await
            == "f"
        {
            assert_exact(&killed).await;
            done = killed
                .sql("SELECT count(*) > 0 FROM tradewind.run WHERE ended_at IS NOT NULL")
                .await
                == "t";
        }
        if done {
            break;
        }
    }
    if !done {
        to_the_end(&killed).await.expect("Done");
    }
    assert_exact(&killed).await;
    assert_eq!(outcome(&killed).await, expected);
}

/// A paused pod whose session lost its lock (a pooler, a partition) is fenced by the run row's token.
#[tokio::test]
async fn a_pod_that_lost_its_run_writes_nothing_more() {
    let world = world("kill_fenced").await;
    world.slow_down("child", 0.3).await;
    let old = world.start("old");
    world.wait_for_ledger(2).await;
    world
        .sql("UPDATE tradewind.run SET token = token + 1")
        .await;
    let fenced = old.finish().await;
    assert_eq!(fenced.expect("AnotherRunActive").code, 75);
    assert_exact(&world).await;
    let rows = world.ledger_rows().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.ledger_rows().await, rows);
    world.run().await.expect("Done");
    assert_exact(&world).await;
}

/// The server goes away under the run.
#[tokio::test]
async fn a_lost_connection_is_tried_again() {
    let world = world("kill_lost").await;
    world.slow_down("child", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    world
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'kill_lost' AND application_name = 'tradewind-agent retain'")
        .await;
    let lost = running.finish().await;
    assert_eq!(lost.expect("StoreUnavailable").code, 75);
    assert_exact(&world).await;
    world.run().await.expect("Done");
    assert_exact(&world).await;
}
