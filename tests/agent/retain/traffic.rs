//! A merchant's programs write two hundred times a second to the table that a run erases from: none of them meets a
//! deadlock, and nothing that they wrote is lost.

use std::time::Instant;

use super::world::{PATIENCE, World, access};

const DUE: i64 = 4000;

/// Fifty writes a second each, which take turns: a new row; a count in a young row; an old row that is made young; five
/// old rows in the order that is not the run's. Each is noted in its own transaction, until somebody closes the shop.
const SELLS: &str = "
CREATE TABLE t (id int PRIMARY KEY, at timestamptz NOT NULL, sold int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i, timestamptz '2000-01-01' + i * interval '1 hour' FROM generate_series(1, 4000) AS i;
INSERT INTO t SELECT i, now() FROM generate_series(5001, 6000) AS i;
CREATE TABLE wrote (kind text, id int, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE closed ();
CREATE PROCEDURE sell(client int) LANGUAGE plpgsql AS $$
DECLARE
  due timestamptz := clock_timestamp();
  one int;
BEGIN
  FOR n IN 1 .. 99999 LOOP
    EXIT WHEN EXISTS (SELECT FROM closed);
    CASE n % 4
    WHEN 0 THEN
      one := 100000 * client + n;
      INSERT INTO t VALUES (one, now());
      INSERT INTO wrote VALUES ('new', one);
    WHEN 1 THEN
      one := 5001 + (n * 7 + client) % 1000;
      UPDATE t SET sold = sold + 1 WHERE id = one;
      INSERT INTO wrote VALUES ('sold', one);
    WHEN 2 THEN
      one := 1 + (n * 61 + client * 997) % 4000;
      UPDATE t SET at = now() WHERE id = one AND at < '2001-01-01';
      IF FOUND THEN INSERT INTO wrote VALUES ('young', one); END IF;
    ELSE
      one := 5 + (n * 131 + client * 1009) % 3995;
      FOR back IN 0 .. 4 LOOP UPDATE t SET sold = sold + 1 WHERE id = one - back; END LOOP;
      INSERT INTO wrote VALUES ('old', one);
    END CASE;
    COMMIT;
    due := due + interval '20 ms';
    PERFORM pg_sleep(greatest(0, extract(epoch FROM due - clock_timestamp())));
  END LOOP;
END $$";

#[tokio::test]
async fn two_hundred_writes_a_second_meet_no_deadlock_and_lose_nothing() {
    let mut world = World::new("traffic", SELLS).await.rule("t", "at", "P1Y");
    world.set("batchRows", 200);
    // So that many are written while a batch has its locks.
    world.slow_down("t", 0.05).await;
    let clients: Vec<_> = (1..=4)
        .map(|client| {
            let call = format!("CALL sell({client})");
            tokio::spawn(async move { access().await.query("traffic", &call).await })
        })
        .collect();
    let wrote = "SELECT count(DISTINCT kind) FROM wrote";
    let limit = Instant::now() + PATIENCE;
    while world.sql(wrote).await != "4" {
        assert!(Instant::now() < limit, "nobody writes");
    }
    let ran = world.run().await;
    world.sql("INSERT INTO closed DEFAULT VALUES").await;
    for client in clients {
        client.await.unwrap().unwrap(); // no error for the merchant's programs
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    world.alone().await;
    assert_eq!(world.sql(deadlocks).await, "0");

    let number = async |sql: &str| world.sql(sql).await.parse::<i64>().unwrap();
    let rule = ran.expect("Done").rule("t").clone();
    let young = number("SELECT count(*) FROM wrote WHERE kind = 'young'").await;
    assert_eq!(rule.erased + young, DUE, "{rule:?}");
    assert_eq!(rule.due, rule.erased + rule.gone, "{rule:?}");
    let new = number("SELECT count(*) FROM wrote WHERE kind = 'new'").await;
    let left = number("SELECT count(*) FROM t").await;
    assert_eq!(left, 1000 + new + young);
    let lost = "SELECT count(*) FROM wrote WHERE kind IN ('new', 'young') AND id NOT IN (SELECT id FROM t)";
    assert_eq!(number(lost).await, 0);
    let sold = "SELECT sum(sold) - (SELECT count(*) FROM wrote WHERE kind = 'sold') FROM t WHERE id BETWEEN 5001 AND 6000";
    assert_eq!(number(sold).await, 0);

    let beside =
        "SELECT count(*) FROM wrote, tradewind.run WHERE wrote.at BETWEEN began_at AND ended_at";
    let beside = number(beside).await;
    println!(
        "{beside} writes beside the run; {} rows made young in its midst",
        rule.gone
    );
    assert!(beside >= 50, "{beside}");
}
