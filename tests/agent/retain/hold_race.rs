//! Holds that come at any moment, against batches of a single row: what is held when its hold commits is never erased.

use super::dice::Dice;
use super::world::{World, access};
use std::io::Write as _;

/// The writer of holds: picks rows from among those that are about to go, holds them, notes which of them were there while
/// nobody could erase any, commits, and waits until a few batches more are over, and a moment. Until the run is over.
const WRITER: &str = "
CREATE TABLE trial (n int, id int, there boolean);
CREATE PROCEDURE race(seed double precision) LANGUAGE plpgsql AS $$
DECLARE
  picked int[];
  wanted bigint;
BEGIN
  PERFORM setseed(seed);
  FOR n IN 1 .. 10000 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM tradewind.run WHERE ended_at IS NULL);
    SELECT array_agg(id) INTO picked FROM (
      SELECT id FROM (SELECT id FROM t WHERE id NOT IN (SELECT id FROM trial) ORDER BY id LIMIT 8) AS next
      ORDER BY random() LIMIT 1 + floor(random() * 2)) AS picks;
    EXIT WHEN picked IS NULL;
    PERFORM tradewind.open_hold('race ' || n, 'case 7', 'ann', '2027-01-01',
      jsonb_build_array(jsonb_build_object('table', 'public.t', 'column', 'id', 'values', to_jsonb(picked))));
    INSERT INTO trial SELECT n, one, EXISTS (SELECT FROM t WHERE t.id = one) FROM unnest(picked) AS one;
    COMMIT;
    PERFORM pg_sleep(random() * 0.003);
    SELECT coalesce(max(id), 0) + floor(random() * 8) INTO wanted FROM tradewind.ledger;
    FOR look IN 1 .. 200 LOOP
      EXIT WHEN (SELECT max(id) FROM tradewind.ledger) >= wanted;
      PERFORM pg_sleep(0.001);
    END LOOP;
  END LOOP;
END $$";

/// Rows in a round's table: of each few that are held, some go.
const ROWS: i64 = 1_200;

#[tokio::test]
pub(crate) async fn no_row_is_erased_after_the_commit_of_its_hold() {
    let seed = Dice::seed("HOLD_RACE_SEED");
    println!("HOLD_RACE_SEED={seed}");
    let wanted = std::env::var("HOLD_RACE_ROWS").map_or(1, |rows| rows.parse().unwrap());
    let (mut trials, mut nth) = (0, 0);
    while trials < wanted {
        trials += race(seed, nth).await;
        nth += 1;
    }
    writeln!(
        std::io::stderr(),
        "{trials} rows held in time in {nth} rounds, none erased"
    )
    .unwrap();
}

/// One run and its writer of holds; how many rows were there when their hold committed.
async fn race(seed: u64, nth: u64) -> i64 {
    let database = format!("hold_trials_{nth}");
    let sql = format!(
        "CREATE TABLE t (id int PRIMARY KEY, at date);
        INSERT INTO t SELECT i, date '2000-01-01' + i FROM generate_series(1, {ROWS}) AS i"
    );
    let mut world = World::new(&database, &sql).await.rule("t", "at", "P1Y");
    world.set_up_books().await;
    world.sql(WRITER).await;
    world.set("batchRows", 1);
    world.set("window", "PT2M");
    let running = world.start("race");
    world.wait_for_ledger(1).await;
    let part = Dice::new(seed, nth).roll(1_000_000);
    let call = format!("CALL race({part} / 1000000.0)");
    access().await.query(&database, &call).await.unwrap();
    let ran = running.finish().await;
    let reason = ran.report.reason.clone();
    assert!(
        ["WindowElapsed", "Done"].contains(&reason.as_str()),
        "{}",
        ran.log
    );
    let rule = ran.expect(&reason).rule("t").clone();
    let trials = world.sql("SELECT count(*) FROM trial WHERE there").await;
    let missed = world
        .sql("SELECT count(*) FROM trial WHERE NOT there")
        .await;
    println!(
        "{trials} rows held in time, {missed} too late, {} erased",
        rule.erased
    );
    let erased = "SELECT count(*) FROM trial WHERE there AND id NOT IN (SELECT id FROM t)";
    assert_eq!(world.sql(erased).await, "0", "seed {seed}, round {nth}");
    let trials: i64 = trials.parse().unwrap();
    assert!(trials >= 5 && rule.erased >= 5, "{trials} {rule:?}");
    let left = world.sql("SELECT count(*) FROM t").await;
    assert_eq!((ROWS - rule.erased).to_string(), left);
    trials
}
