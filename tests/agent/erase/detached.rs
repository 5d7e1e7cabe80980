//! A partition that a retention run has detached and not dropped: its rows are out of the table, and nobody says that there
//! are none.

use std::time::{Duration, Instant};

use serde_json::json;

use super::world::{EMAIL, Running, World};
use crate::retain::world::{PATIENCE, access};

/// Ann's row is in the year that is over; so is everybody's, but for today's.
const LOG: &str = "
CREATE TABLE log (id int, who text, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE log_2000 PARTITION OF log FOR VALUES FROM ('2000-01-01') TO ('2001-01-01');
CREATE TABLE log_now PARTITION OF log FOR VALUES FROM ('2001-01-01') TO (MAXVALUE);
INSERT INTO log SELECT i, 'person' || i || '@mail.example', '2000-05-01' FROM generate_series(1, 50) AS i;
UPDATE log SET who = 'Ann.Planted@mail.example' WHERE id = 7;
INSERT INTO log VALUES (100, 'somebody@mail.example', now());
CREATE TABLE notes (id int PRIMARY KEY, about text, at timestamptz NOT NULL DEFAULT '2000-01-01');
INSERT INTO notes SELECT i, 'Ann.Planted@mail.example' FROM generate_series(1, 8) AS i";

const ANN: &str = "SELECT count(*) FROM log WHERE who ~* 'planted'";

async fn world(database: &str) -> World {
    let mut world = World::new(database, LOG).await;
    world
        .table(
            "notes",
            json!({"subjects": [{"column": "about", "identity": "email"}], "clock": "at"}),
        )
        .table(
            "log",
            json!({"subjects": [{"column": "who", "identity": "email"}], "clock": "at"}),
        );
    let role = &world.role;
    let owns = format!(
        "GRANT pg_read_all_stats TO {role}; ALTER TABLE log OWNER TO {role}; ALTER TABLE log_2000 OWNER TO {role};
        ALTER TABLE log_now OWNER TO {role}"
    );
    world.sql(&owns).await;
    world
}

impl World {
    async fn until(&self, sql: &str) {
        let limit = Instant::now() + PATIENCE;
        while self.sql(sql).await != "t" {
            assert!(Instant::now() < limit, "never: {sql}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A retention run that has detached the year that is over, and waits for a transaction that reads the table.
    async fn detaching(&self) -> Running {
        let script = "BEGIN;\nSELECT count(*) FROM log /* stays */;\n\\! sleep 120\n";
        let database = self.database.clone();
        tokio::spawn(async move { access().await.query(&database, script).await });
        self.until(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%/* stays */%'
            AND state = 'idle in transaction' AND datname = current_database()",
        )
        .await;
        let mut task = self.task.clone();
        task["command"] = "retain".into();
        task["spec"] = json!({
            "policy": "p", "mode": "Enforce", "specHash": "sha256-1", "timeZone": "Europe/Berlin", "window": "PT1H",
            "batchRows": 100, "maxPercent": 100, "smallCounts": 1,
            "rules": [{"name": "log", "store": "shop", "url": self.path("url"), "table": "log", "clock": "at", "after": "P1Y"}]});
        let running = self.start_task("retain", &task);
        self.until("SELECT count(*) > 0 FROM pg_inherits WHERE inhdetachpending")
            .await;
        running
    }

    /// The run is asked to stop, and puts the partition back.
    async fn puts_back(&self, retention: Running) {
        retention.terminate();
        // Told before it could go on; it says so, and hears it in a moment.
        retention.until_said("asked to stop").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE query LIKE '%/* stays */%' AND pid <> pg_backend_pid() AND datname = current_database()")
            .await;
        let report = retention.finish_plain().await;
        assert_eq!(report["reason"], "Stopped", "{report}");
        assert_eq!(self.sql(ANN).await, "1", "the person is there again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_a_person_while_rows_are_out_of_their_table() {
    let mut world = world("erp_outside").await;
    world.sql("DELETE FROM notes").await;
    let retention = world.detaching().await;
    assert_eq!(world.sql(ANN).await, "0");
    assert_eq!(world.run().await.expect("PartitionDetaching").code, 75);
    world.reapply().await.expect("PartitionDetaching");
    let erasure = world.task.clone();
    world.spec()["request"]["kind"] = "Access".into();
    let to = age::x25519::Identity::generate().to_public().to_string();
    world.spec()["request"]["delivery"] = json!({"recipient": to, "expiresAfter": "P30D",
        "destination": {"url": "s3://nowhere", "object": "dsr/1", "credentials": world.path("nothing")}});
    world.run().await.expect("PartitionDetaching");
    world.task = erasure;
    world.puts_back(retention).await;
    let suppressed = "SELECT count(*) FROM tradewind.suppressed";
    assert_eq!(world.suppressed(suppressed).await, "0");
    let ran = world.run().await;
    ran.expect("Verified");
    assert_eq!(ran.terms("log"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.sql(ANN).await, "0");
}

/// The partition leaves after the request has found its rows and before it looks again.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_leave_their_table_meanwhile_are_not_called_gone() {
    let mut world = world("erp_meanwhile").await;
    world.spec()["batchRows"] = 1.into();
    // Each batch takes its time, as long as there is the gate.
    world
        .sql(
            "INSERT INTO notes SELECT i, 'Ann.Planted@mail.example' FROM generate_series(9, 80) AS i; CREATE TABLE gate ();
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF to_regclass('public.gate') IS NOT NULL THEN PERFORM pg_sleep(0.5); END IF; RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER DELETE ON notes FOR EACH STATEMENT EXECUTE FUNCTION slow()",
        )
        .await;
    let erasing = world.start("erase", &[]);
    world.wait_for_batches(1).await;
    let retention = world.detaching().await;
    world.sql("DROP TABLE gate").await;
    erasing.finish().await.expect("PartitionDetaching");
    world.puts_back(retention).await;
    // Somebody who writes under the same address meanwhile is not taken for her.
    let late = format!("INSERT INTO log VALUES (101, '{EMAIL}', now())");
    world.sql(&late).await;
    let ran = world.run().await;
    ran.expect("Verified");
    assert_eq!(ran.terms("log"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(ran.table("log").late, 1);
}
