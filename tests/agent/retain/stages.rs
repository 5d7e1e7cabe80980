//! Erased rows are gone from every query at once; whether their space is free is another question, and told as one.

use std::time::Duration;

use super::replica::{self, Replica};
use super::standby::Standby;
use super::world::{World, access, on_followed};

async fn ended(world: &World, nth: u32) -> String {
    let sql = format!(
        "SELECT to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM tradewind.run ORDER BY began_at OFFSET {nth} LIMIT 1"
    );
    world.sql(&sql).await
}

async fn words(world: &World) -> String {
    let sql = "SELECT string_agg(coalesce(space, '-'), ' ' ORDER BY began_at) FROM tradewind.rule JOIN tradewind.run ON id = run";
    world.sql(sql).await
}

#[tokio::test]
pub(crate) async fn space_is_released_by_a_vacuum_that_began_after_the_last_reader() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date) WITH (autovacuum_enabled = off);
        INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 500) AS i";
    let world = World::new("stages", sql).await.rule("t", "at", "P1Y");
    // A report that is still being read.
    let reader = tokio::spawn(async move {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t; SELECT pg_sleep(600) /* reader */";
        access().await.query("stages", sql).await
    });
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%reader *%' AND wait_event = 'PgSleep'";
    while world.sql(asleep).await == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let first = world.run().await;
    let told = |ran: &super::world::Ran| {
        let rule = ran.rule("t");
        let space = rule.space.map(tradewind::contract::Space::name);
        (rule.erased, space, rule.released_until.clone())
    };
    let waits = (500, Some("WaitsForTransaction"), None);
    assert_eq!(told(first.expect("Done")), waits);
    let verified = "SELECT verified_at IS NOT NULL FROM tradewind.rule";
    assert_eq!(world.sql(verified).await, "t");
    world.sql("VACUUM t").await;
    assert_eq!(told(world.run().await.expect("Done")), (0, None, None));
    assert_eq!(words(&world).await, "WaitsForTransaction -");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%reader *%' AND pid <> pg_backend_pid()";
    world.sql(end).await;
    assert!(reader.await.unwrap().is_err());
    // This vacuum removes the rows, but nobody has seen yet that it began late enough.
    world.sql("VACUUM t").await;
    assert_eq!(told(world.run().await.expect("Done")), (0, None, None));
    assert_eq!(words(&world).await, "WaitsForVacuum - -");
    let back = world.run_with(&["--report"]).await;
    assert_eq!(told(&back), (0, None, None));
    world.sql("VACUUM t").await;
    let until = Some(ended(&world, 0).await);
    assert_eq!(
        told(world.run().await.expect("Done")),
        (0, None, until.clone())
    );
    assert_eq!(words(&world).await, "Released - - -");
    // A later run's rows wait on their own account.
    world
        .sql("INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 10) AS i")
        .await;
    let waits = (10, Some("WaitsForVacuum"), until);
    assert_eq!(told(world.run().await.expect("Done")), waits);
}

/// Long values lie in a file of their own, with dead rows of their own: a vacuum that leaves it out releases nothing of them.
#[tokio::test]
async fn long_values_are_released_by_a_vacuum_of_their_own_file() {
    let sql =
        "CREATE TABLE t (id int PRIMARY KEY, at date, body text) WITH (autovacuum_enabled = off);
        ALTER TABLE t ALTER body SET STORAGE EXTERNAL;
        INSERT INTO t SELECT i, '2000-01-01', repeat('x', 10000) FROM generate_series(1, 50) AS i";
    let world = World::new("stages_toast", sql).await.rule("t", "at", "P1Y");
    assert_eq!(look(&world).await, "WaitsForVacuum");
    let files = "SELECT cardinality(relations) FROM tradewind.rule";
    assert_eq!(world.sql(files).await, "2");
    world.sql("VACUUM (PROCESS_TOAST false) t").await;
    assert_eq!(look(&world).await, "WaitsForVacuum -");
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "Released - -");
}

/// Of a rule that a run had to give up nobody looks again, and yet the space of what it erased before comes free.
#[tokio::test]
async fn the_space_of_a_rule_that_was_given_up_is_told_too() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date) WITH (autovacuum_enabled = off);
        INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 1000) AS i";
    let mut world = World::new("stages_given_up", sql)
        .await
        .rule("t", "at", "P1Y");
    world.set("batchRows", 100);
    world.slow_down("t", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    let rename = |from: &str, to: &str| {
        format!(
            "BEGIN; SET LOCAL lock_timeout = '20s'; ALTER TABLE t RENAME {from} TO {to}; COMMIT"
        )
    };
    world.sql(&rename("at", "seen")).await;
    running.finish().await.expect("SchemaDrift");
    let closed = "SELECT horizon IS NOT NULL, verified_at IS NULL FROM tradewind.rule";
    assert_eq!(world.sql(closed).await, "t|t");
    world.sql(&rename("seen", "at")).await;
    assert_eq!(look(&world).await, "WaitsForVacuum WaitsForVacuum");
    world.sql("VACUUM t").await;
    let until = ended(&world, 1).await;
    let ran = world.run().await;
    let told = ran.expect("Done").rule("t").released_until.clone();
    assert_eq!(told, Some(until));
    assert_eq!(words(&world).await, "Released Released -");
}

/// In which partitions rows lay is not to be seen with rights to single columns; with more it is, and a dropped one has
/// no file.
#[tokio::test]
async fn what_cannot_be_seen_is_unknown_and_what_was_dropped_has_no_file() {
    let sql = "CREATE TABLE log (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE log_2000 PARTITION OF log FOR VALUES FROM ('2000-01-01') TO ('2001-01-01');
        CREATE TABLE log_now PARTITION OF log FOR VALUES FROM ('2001-01-01') TO (MAXVALUE);
        INSERT INTO log SELECT i, '2000-02-02' FROM generate_series(1, 50) AS i; INSERT INTO log VALUES (99, now())";
    let world = World::new("stages_parts", sql)
        .await
        .rule("log", "at", "P1Y");
    let role = &world.role;
    world
        .sql(&format!(
            "REVOKE SELECT ON log FROM {role}; GRANT SELECT (id, at) ON log TO {role}"
        ))
        .await;
    let ran = world.run().await;
    let space = ran.expect("Done").rule("log").space;
    assert_eq!(space.map(tradewind::contract::Space::name), Some("Unknown"));
    world
        .sql(&format!(
            "ALTER TABLE log OWNER TO {role}; ALTER TABLE log_2000 OWNER TO {role};
            INSERT INTO log SELECT i, '2000-02-02' FROM generate_series(1, 50) AS i"
        ))
        .await;
    world.alone().await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.partitions), (50, 1));
    let told = words(&world).await;
    assert!(told.starts_with("Unknown Released"), "{told}: {rule:?}");
    // The first run's rows stay unknown, so there is no date until which all is released.
    assert_eq!(rule.released_until, None);
}

const MAILS: &str = "CREATE TABLE t (id int PRIMARY KEY, at date, mail text) WITH (autovacuum_enabled = off);
    INSERT INTO t SELECT i, '2000-01-01', 'planted-' || md5(i::text) || '@shop.example' FROM generate_series(1, 400) AS i;
    INSERT INTO t VALUES (1000, now(), 'stays@shop.example')";

/// How many of the planted addresses are in the table's file, as the disk has it.
async fn in_the_file(world: &World) -> u32 {
    world.sql("CHECKPOINT").await;
    let sql = "SELECT count(*) FROM generate_series(1, 400) AS i,
          (SELECT pg_read_binary_file(pg_relation_filepath('t')) AS bytes OFFSET 0) AS file
        WHERE position(convert_to('planted-' || md5(i::text) || '@shop.example', 'UTF8') IN file.bytes) > 0";
    world.sql(sql).await.parse().unwrap()
}

/// What a run says of the space, its own rule's first and then that of all runs.
async fn look(world: &World) -> String {
    world.run().await.expect("Done");
    words(world).await
}

/// `Released` is no more than the word says: the addresses lie in the file until something is written over them. Only what
/// makes another file of the table leaves none behind.
#[tokio::test]
pub(crate) async fn erased_addresses_lie_in_the_file_until_it_is_written_anew() {
    let world = World::new("stages_file", MAILS)
        .await
        .rule("t", "at", "P1Y");
    assert_eq!(in_the_file(&world).await, 400);
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    let space = rule.space.map(tradewind::contract::Space::name);
    assert_eq!((rule.erased, space), (400, Some("WaitsForVacuum")));
    assert_eq!(rule.released_until, None);
    let rows = "SELECT count(*), bool_or(mail LIKE 'planted%') FROM t";
    assert_eq!(world.sql(rows).await, "1|f");
    assert_eq!(in_the_file(&world).await, 400);
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "Released -");
    let left = in_the_file(&world).await;
    println!("{left} of 400 erased addresses are in the file after VACUUM and CHECKPOINT");
    assert!(left >= 300, "{left}");
    world.sql("VACUUM FULL t").await;
    assert_eq!(in_the_file(&world).await, 0);
    assert_eq!(world.sql(rows).await, "1|f");
}

/// A transaction that was prepared and forgotten keeps rows as an open one does, and has no session to be seen by.
#[tokio::test]
pub(crate) async fn a_prepared_transaction_keeps_the_space() {
    let world = World::new("stages_prepared", MAILS)
        .await
        .rule("t", "at", "P1Y");
    world
        .sql("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'stages'")
        .await;
    assert_eq!(look(&world).await, "WaitsForPrepared");
    let dead =
        "SELECT count(*) FROM pg_stat_all_tables WHERE relname = 't' AND last_vacuum IS NOT NULL";
    world.sql("VACUUM t").await;
    assert_eq!(world.sql(dead).await, "1");
    assert_eq!(look(&world).await, "WaitsForPrepared -");
    world.sql("COMMIT PREPARED 'stages'").await;
    assert_eq!(look(&world).await, "WaitsForVacuum - -");
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "Released - - -");
}

/// A slot keeps the rows that its standby may still show, also when the standby is gone. Not beside other tests of the
/// same server that wait for a vacuum: a slot is in the way of all databases.
pub(crate) async fn slot_keeps_the_space() {
    let world = World::new("stages_slot", MAILS)
        .await
        .rule("t", "at", "P1Y");
    let trust = "CREATE ROLE stages_standby LOGIN REPLICATION;
        SELECT format('COPY (SELECT line FROM unnest(%L::text[]) AS line) TO %L',
          ARRAY['host replication stages_standby 127.0.0.1/32 trust'] || string_to_array(rtrim(pg_read_file(path), E'\\n'), E'\\n'), path)
        FROM current_setting('hba_file') AS path \\gexec
        SELECT pg_reload_conf()";
    world.sql(trust).await;
    world
        .sql("SELECT pg_create_physical_replication_slot('stages_slot', true)")
        .await;
    let let_in = "SELECT count(*) FROM pg_hba_file_rules WHERE 'stages_standby' = ANY (user_name)";
    assert_eq!(world.sql(let_in).await, "1");
    let xmin = world
        .sql("SELECT pg_snapshot_xmin(pg_current_snapshot())")
        .await;
    let from = world.sql("SELECT pg_current_wal_flush_lsn()").await;
    let address = access().await.address();
    let mut standby = Standby::follow(address, "stages_standby", "stages_slot", &from);
    standby.sees(xmin.parse().unwrap());
    let keeps = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'stages_slot' AND xmin IS NOT NULL";
    while world.sql(keeps).await == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(standby);
    assert_eq!(look(&world).await, "WaitsForSlot");
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "WaitsForSlot -");
    let idle =
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'stages_slot' AND active";
    while world.sql(idle).await == "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world
        .sql("SELECT pg_drop_replication_slot('stages_slot')")
        .await;
    assert_eq!(look(&world).await, "WaitsForVacuum - -");
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "Released - - -");
}

/// On this thread's server alone.
pub(crate) fn a_slot_keeps_the_space() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(slot_keeps_the_space());
}

/// A standby without a slot keeps what its readers still see for as long as it streams, on a server of its own: it does so
/// in all databases.
#[test]
fn a_standby_without_a_slot_keeps_the_space() {
    on_followed(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(standby_keeps_the_space());
    });
}

async fn standby_keeps_the_space() {
    let world = World::new("stages_standby", MAILS)
        .await
        .rule("t", "at", "P1Y");
    let replica = Replica::start().await;
    let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t; SELECT pg_sleep(600)";
    let reader = replica.reader("stages_standby", sql).await;
    assert_eq!(look(&world).await, "WaitsForStandby");
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "WaitsForStandby -");
    drop(reader);
    // It says so once something was written that it has not seen before.
    world.sql("CREATE TABLE more (); DROP TABLE more").await;
    let passed = "SELECT min(backend_xmin::text::bigint) >= (SELECT max(horizon::text::bigint) FROM tradewind.rule)
        FROM pg_stat_replication";
    replica::wait_until("stages_standby", passed, "t").await;
    assert_eq!(look(&world).await, "WaitsForVacuum - -");
    world.sql("VACUUM t").await;
    assert_eq!(look(&world).await, "Released - - -");
}
