//! Keys that are destroyed, and their receipts.

use serde_json::json;

use super::methods;

/// Messages under a key for each person, keys retired long ago and lately, and one that is too short to be a key.
const SQL: &str = "CREATE EXTENSION pgcrypto;
    CREATE TABLE t (person int PRIMARY KEY, at date, key bytea, note text);
    INSERT INTO t SELECT i, CASE WHEN i <= 40 THEN date '2000-01-01' ELSE current_date END, gen_random_bytes(32), 'n'
      FROM generate_series(1, 50) AS i;
    CREATE TABLE messages AS SELECT person, pgp_sym_encrypt('hello ' || person, encode(key, 'hex')) AS body FROM t;
    CREATE TABLE safe AS SELECT person, key, sha256(key) AS fingerprint FROM t";

#[tokio::test]
pub(crate) async fn a_destroyed_key_reads_nothing_and_has_a_receipt() {
    let mut world = methods::world("shr_story", SQL, "Shred", json!([{"name": "key"}])).await;
    world.set("batchRows", 7);
    let read = "SELECT count(*) FROM t JOIN messages USING (person) WHERE pgp_sym_decrypt(body, encode(key, 'hex')) LIKE 'hello %'";
    assert_eq!(world.sql(read).await, "50");
    world.set("mode", "DryRun");
    let seen = world.run().await;
    assert_eq!(seen.expect("Previewed").rule("t").due, 40);
    world.set("mode", "Enforce");
    // Killed in the midst: one receipt for each key all the same.
    methods::slow_updates(&world, 0.7).await;
    for _ in 0..3 {
        let rows = world.ledger_rows().await;
        let running = world.start("killed");
        world.wait_for_ledger(rows + 1).await;
        running.kill();
    }
    world.sql("DROP TRIGGER slow ON t").await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!((rule.due, rule.erased, rule.failed), (40, 40, 0));
    assert!(rule.space.is_some());
    assert_eq!(world.sql(read).await, "10");
    // Whoever has a copy of a key finds it among the receipts; a key that is there is not.
    let receipts = "SELECT count(*), count(DISTINCT fingerprint), bool_and(safe.person <= 40), bool_and(shredded.rule = 't')
        FROM tradewind.shredded JOIN safe USING (fingerprint)";
    assert_eq!(world.sql(receipts).await, "40|40|t|t");
    assert_eq!(
        world
            .sql("SELECT count(*), count(key), min(note) FROM t")
            .await,
        "50|10|n"
    );
}

#[tokio::test]
async fn what_is_no_key_is_not_shredded() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date, key bytea, mail text);
        INSERT INTO t VALUES (1, '2000-01-01', 'fifteen bytes..', 'ann@mail.example'), (2, '2000-01-01', 'sixteen bytes...', 'a'),
          (3, '2000-01-01', NULL, 'b')";
    let world = methods::world("shr_no_key", sql, "Shred", json!([{"name": "key"}])).await;
    let ran = world.run().await;
    let rule = ran.expect("RowsFailed").rule("t").clone();
    assert!(
        ran.log.contains("no key of 16 bytes or more"),
        "{}",
        ran.log
    );
    // A short one could be found again from its hash.
    assert_eq!((rule.due, rule.erased, rule.failed), (2, 1, 1));
    assert_eq!(
        world.sql("SELECT count(*) FROM tradewind.shredded").await,
        "1"
    );
    let world = methods::changing(world, "Shred", json!([{"name": "mail"}]));
    let ran = world.run().await;
    ran.expect("ColumnWrongType");
    assert!(
        ran.report.message.contains("Shred takes bytea"),
        "{}",
        ran.report.message
    );
    let world = methods::changing(world, "Pseudonymise", json!([{"name": "mail"}]));
    let ran = world.run().await;
    ran.expect("TaskInvalid");
    assert!(
        ran.report.message.contains("is no erasure"),
        "{}",
        ran.report.message
    );
}
