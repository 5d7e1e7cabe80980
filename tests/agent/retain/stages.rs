//! Erased rows are gone from every query at once; whether their space is free is another question, and told as one.

use std::time::Duration;

use super::world::{World, access};

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
