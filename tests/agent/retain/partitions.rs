//! Whole partitions go by being dropped: what is held, late or another's stays, whenever it comes and whatever dies.

use std::time::{Duration, Instant};

use serde_json::json;

use super::world::{Exact, PATIENCE, Running, World, access};

/// Three years that are over, and a partition in which some rows are due and some are not.
const LOG: &str = "CREATE TABLE log (id int, at timestamptz, who text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE log_2000 PARTITION OF log FOR VALUES FROM (MINVALUE) TO ('2001-01-01');
    CREATE TABLE log_2001 PARTITION OF log FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
    CREATE TABLE \"log '02\" PARTITION OF log FOR VALUES FROM ('2002-01-01') TO ('2003-01-01');
    CREATE TABLE log_rest PARTITION OF log FOR VALUES FROM ('2003-01-01') TO (MAXVALUE);
    INSERT INTO log SELECT i, timestamptz '2000-01-02' + (i % 4) * interval '1 year' + (i % 300) * interval '1 day', 'w' || i % 50
      FROM generate_series(1, 4000) AS i;
    INSERT INTO log SELECT i, now(), 'new' FROM generate_series(5001, 5100) AS i;
    ALTER TABLE log_2000 ADD CHECK (id > 0)";

const DUE: i64 = 4000;
const ATTACHED: &str =
    "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid) FROM pg_inherits
    WHERE inhparent = 'log'::regclass AND NOT inhdetachpending";

/// The role owns the table, as it must to detach.
async fn owned(database: &str) -> World {
    let mut world = World::new(database, LOG).await.rule("log", "at", "P1Y");
    world.set("batchRows", 300);
    let role = &world.role;
    world
        .sql(&format!(
            "ALTER TABLE log OWNER TO {role}; ALTER TABLE log_2000 OWNER TO {role}; ALTER TABLE log_2001 OWNER TO {role};
            ALTER TABLE \"log '02\" OWNER TO {role}; ALTER TABLE log_rest OWNER TO {role}"
        ))
        .await;
    world
}

impl World {
    /// Waits until some SQL answers `t`.
    async fn until(&self, sql: &str) {
        let limit = Instant::now() + PATIENCE;
        while self.sql(sql).await != "t" {
            assert!(Instant::now() < limit, "never: {sql}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Another session that does something and stays in its transaction, without a snapshot, until it is ended by its name.
    async fn stays(&self, name: &str, sql: &str) {
        let script = format!("BEGIN;\n{sql} /* stays {name} */;\n\\! sleep 120\n");
        let database = self.database.clone();
        tokio::spawn(async move { access().await.query(&database, &script).await });
        let there = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%stays {name} *%' AND state = 'idle in transaction'"
        );
        self.until(&there).await;
    }

    async fn ends(&self, name: &str) {
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
              WHERE query LIKE '%stays {name} *%' AND pid <> pg_backend_pid()"
        );
        assert_eq!(self.sql(&end).await, "1");
    }

    /// A run whose first partition is on its way out and waits for `reader`.
    async fn pending(&self, reader: &str) -> Running {
        self.stays(reader, "SELECT count(*) FROM log").await;
        let running = self.start("one");
        self.until("SELECT count(*) > 0 FROM pg_inherits WHERE inhdetachpending")
            .await;
        running
    }

    /// A run whose first partition is detached, and which cannot look at it while `reader` is there.
    async fn detached(&self, reader: &str) -> Running {
        let running = self.pending(&format!("{reader}-1")).await;
        self.stays(reader, "LOCK TABLE tradewind.pin IN ACCESS EXCLUSIVE MODE")
            .await;
        self.ends(&format!("{reader}-1")).await;
        self.until("SELECT count(*) = 3 FROM pg_inherits WHERE inhparent = 'log'::regclass")
            .await;
        running
    }

    /// A run in the midst of its first drop.
    async fn dropping(&self, seconds: u32) -> Running {
        self.sql(&format!(
            "CREATE FUNCTION public.slowly() RETURNS event_trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM pg_sleep({seconds}); END $$;
            CREATE EVENT TRIGGER slowly ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION public.slowly()"
        ))
        .await;
        let running = self.start("one");
        self.until(&format!(
            "SELECT count(*) > 0 FROM pg_stat_activity
              WHERE datname = '{}' AND query LIKE 'DROP TABLE%' AND wait_event = 'PgSleep'",
            self.database
        ))
        .await;
        running
    }

    async fn hold(&self, id: &str, scopes: &str) {
        self.sql(&format!(
            "SELECT tradewind.open_hold('{id}', 'case 7', 'ann', NULL, '{scopes}')"
        ))
        .await;
    }

    /// Rows that are gone, in all, are the ledger's; nothing is out of its table; what was put back is as it was.
    async fn assert_whole(&self, kept: i64) {
        let sql = "SELECT (SELECT count(*) FROM log WHERE who <> 'new'), (SELECT count(*) FROM log WHERE who = 'new'),
            (SELECT coalesce(sum(erased), 0) FROM tradewind.ledger), (SELECT count(*) FROM tradewind.pin),
            (SELECT count(*) FROM tradewind.partition WHERE state IN ('Planned', 'Detaching')),
            (SELECT count(*) FROM pg_inherits WHERE inhdetachpending),
            (SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid::regclass::text LIKE '%log%')
              - CASE WHEN to_regclass('log_2000') IS NULL THEN 0 ELSE 1 END,
            (SELECT count(*) FROM pg_class c WHERE relname LIKE 'log%' AND relkind = 'r' AND NOT relispartition)";
        let erased = DUE - kept;
        assert_eq!(
            self.sql(sql).await,
            format!("{kept}|100|{erased}|0|0|0|0|0")
        );
    }
}

#[tokio::test]
pub(crate) async fn what_is_due_as_a_whole_is_dropped_and_the_rest_goes_in_batches() {
    let mut world = owned("part_whole").await;
    let before = world.dump_all().await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let rule = seen.expect("Previewed").rule("log").clone();
    assert_eq!((rule.strategy.name(), rule.partitions), ("Partitions", 3));
    assert_eq!((rule.rows, rule.due, rule.remaining), (4100, DUE, DUE));
    assert_eq!(world.dump_all().await, before);
    world.set("mode", "Enforce");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!((rule.strategy.name(), rule.partitions), ("Partitions", 3));
    assert_eq!((rule.due, rule.erased, rule.remaining), (DUE, DUE, 0));
    assert_eq!(world.sql(ATTACHED).await, "log_rest");
    world.assert_whole(0).await;
    let ledger = "SELECT entry, count(*) > 0, sum(erased) FROM tradewind.ledger GROUP BY entry ORDER BY entry";
    assert_eq!(world.sql(ledger).await, "Batch|t|1000\nPartition|t|3000");
    world.run_with(&["--report"]).await.says_what_was_said(&ran);
    let again = world.run().await;
    let rule = again.expect("Done").rule("log").clone();
    assert_eq!((rule.due, rule.partitions), (0, 0));
}

#[tokio::test]
async fn where_a_partition_may_not_go_whole_its_rows_go_and_the_preview_says_why() {
    for (database, change, strategy) in [
        ("part_owner", "ALTER TABLE log OWNER TO postgres", "RowsNotOwner"),
        (
            "part_default",
            "CREATE TABLE log_any PARTITION OF log DEFAULT",
            "RowsDefaultPartition",
        ),
        (
            "part_referenced",
            "CREATE TABLE note (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES log); CREATE INDEX ON note (id);
             GRANT SELECT ON note TO part_referenced_retain",
            "RowsReferenced",
        ),
        (
            "part_trigger",
            "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
             CREATE TRIGGER tell BEFORE DELETE ON log_2001 FOR EACH ROW EXECUTE FUNCTION tell()",
            "RowsTrigger",
        ),
        (
            "part_published",
            "CREATE PUBLICATION all_of_it FOR TABLE log_2001",
            "RowsPublished",
        ),
    ] {
        let mut world = owned(database).await;
        world.sql("GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC").await;
        world.sql(change).await;
        world.set("mode", "DryRun");
        let seen = world.run().await;
        let rule = seen.expect("Previewed").rule("log").clone();
        assert_eq!((rule.strategy.name(), rule.partitions), (strategy, 0));
        let mend = seen.log.contains(&format!("GRANT postgres TO {};", world.role));
        assert_eq!(mend, strategy == "RowsNotOwner", "{}", seen.log);
        world.set("mode", "Enforce");
        let rule = world.run().await.expect("Done").rule("log").clone();
        assert_eq!((rule.erased, rule.partitions), (DUE, 0), "{database}");
        assert_eq!(world.sql("SELECT count(*) FROM log_2001").await, "0");
    }
}

/// Single partitions that stay: one with a view on it, one that is somebody else's, one with sub-partitions, one in which
/// a law keeps a row, one with a row that is never due.
#[tokio::test]
async fn a_partition_that_something_speaks_for_is_left_to_the_batches() {
    let world = owned("part_some").await;
    world
        .sql(
            "CREATE VIEW seen AS SELECT who FROM log_2001; ALTER TABLE \"log '02\" OWNER TO postgres;
            GRANT SELECT, DELETE ON \"log '02\" TO PUBLIC; INSERT INTO log VALUES (6000, '-infinity', 'new')",
        )
        .await;
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.partitions), (DUE, 0), "{rule:?}");
    assert_eq!(
        world.sql(ATTACHED).await,
        "log_2000 log_2001 \"log '02\" log_rest"
    );
    let mut world = owned("part_kept").await;
    let kept: jiff::Timestamp = "2001-01-15T00:00:00Z".parse().unwrap();
    let days = jiff::Timestamp::now().duration_since(kept).as_hours() / 24;
    world = world.keep("log", "at", &format!("P{days}D"), json!("EventDate"));
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!(rule.partitions, 1, "{rule:?}");
    assert_eq!(world.sql(ATTACHED).await, "log_2001 \"log '02\" log_rest");
}

/// Before anything is detached.
#[tokio::test]
async fn a_hold_that_is_there_keeps_its_partition() {
    let world = owned("part_held").await;
    world.set_up_books().await;
    let row = world.sql("SELECT min(id) FROM log_2001").await;
    let scope = format!(r#"[{{"table": "public.log", "column": "id", "values": ["{row}"]}}]"#);
    world.hold("one", &scope).await;
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!((rule.held, rule.erased, rule.partitions), (1, DUE - 1, 2));
    world.assert_whole(1).await;
}

/// A row of this partition is held while its detach waits for a reader: which, and what became of the rule's rows.
async fn held_meanwhile(world: &World, partition: &str) -> (String, Exact) {
    let running = world.pending("reader").await;
    let row = world.sql(&format!("SELECT min(id) FROM {partition}")).await;
    let scope = format!(r#"[{{"table": "public.log", "column": "id", "values": ["{row}"]}}]"#);
    world.hold("one", &scope).await;
    world.ends("reader").await;
    let ran = running.finish().await;
    (row, ran.expect("Done").rule("log").clone())
}

/// While the detach waits for the readers of the table.
#[tokio::test]
async fn a_hold_opened_while_a_partition_is_being_detached_brings_it_back() {
    let world = owned("part_hold_wait").await;
    world.set_up_books().await;
    let (row, rule) = held_meanwhile(&world, "log_2000").await;
    assert_eq!((rule.held, rule.erased), (1, DUE - 1), "{rule:?}");
    assert_eq!(rule.partitions, 2, "{rule:?}");
    world.assert_whole(1).await;
    assert_eq!(world.sql("SELECT id FROM log_2000").await, row);
}

/// Leaving a partition to the batches writes each of its pins: it may take longer than a batch.
#[tokio::test]
async fn a_partition_of_very_many_rows_is_left_to_the_batches() {
    let world = owned("part_many").await;
    world.set_up_books().await;
    let slow = "CREATE FUNCTION many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5.3); RETURN NULL; END $$;
        CREATE TRIGGER many AFTER UPDATE OF partition ON tradewind.pin FOR EACH STATEMENT EXECUTE FUNCTION many()";
    world.sql(slow).await;
    let (_, rule) = held_meanwhile(&world, "log_2001").await;
    assert_eq!((rule.held, rule.erased, rule.partitions), (1, DUE - 1, 2));
    world.assert_whole(1).await;
}

/// After it has been detached, when it is a table of its own: by the whole table's name, and by its own.
#[tokio::test]
pub(crate) async fn a_hold_opened_on_a_detached_partition_brings_it_back() {
    for (database, scope, held) in [
        (
            "part_hold_row",
            r#"[{"table": "public.log", "column": "who", "values": ["w8"]}]"#,
            80,
        ),
        ("part_hold_name", r#"[{"table": "public.log_2000"}]"#, DUE),
    ] {
        let world = owned(database).await;
        world.set_up_books().await;
        let running = world.detached(database).await;
        world.hold("one", scope).await;
        world.ends(database).await;
        let ran = running.finish().await;
        let rule = ran.expect("Done").rule("log").clone();
        // The other partitions with such a row are kept as well; a hold by the partition's name holds all.
        assert_eq!((rule.held, rule.erased), (held, DUE - held), "{rule:?}");
        world.assert_whole(held).await;
        let there = "SELECT count(*) > 0 FROM log_2000";
        assert_eq!(world.sql(there).await, "t");
    }
}

/// From the moment of the last look on a hold waits for the drop.
#[tokio::test]
async fn a_hold_waits_for_the_drop_and_keeps_what_is_left() {
    let world = owned("part_hold_drop").await;
    world.set_up_books().await;
    let running = world.dropping(8).await;
    let writer = tokio::spawn(async move {
        let open = "SELECT tradewind.open_hold('one', 'case 7', 'ann', NULL, '[{}]')";
        access().await.query("part_hold_drop", open).await
    });
    world
        .until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%open_hold%'")
        .await;
    assert!(!writer.is_finished());
    writer.await.unwrap().unwrap();
    assert_eq!(
        world.sql("SELECT to_regclass('log_2000') IS NULL").await,
        "t"
    );
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.held, rule.partitions), (1000, 3000, 1));
    world.assert_whole(3000).await;
}

/// A transaction that began before sees the partition still, and writes.
#[tokio::test]
async fn what_changes_while_a_partition_is_detached_is_accounted_for() {
    let world = owned("part_late").await;
    world.set_up_books().await;
    let writer = tokio::spawn(async move {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM log; SELECT pg_sleep(12);
            DELETE FROM log WHERE id = 4; INSERT INTO log VALUES (9000, '2000-05-05', 'late'); COMMIT";
        access().await.query("part_late", sql).await
    });
    world
        .until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'part_late' AND wait_event = 'PgSleep'")
        .await;
    let ran = world.run().await;
    writer.await.unwrap().unwrap();
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.gone, rule.late), (DUE - 1, 1, 1));
    assert_eq!(rule.partitions, 2);
    assert_eq!(world.sql("SELECT id FROM log_2000").await, "9000");
    assert_eq!(world.run().await.expect("Done").rule("log").erased, 1);
}

/// SIGKILL while the detach waits, when the partition is a table of its own, and within the drop.
#[tokio::test]
async fn a_run_killed_at_any_step_of_a_partition_ends_in_the_same_world() {
    for (database, step) in [("part_kill_1", 1), ("part_kill_2", 2), ("part_kill_3", 3)] {
        let world = owned(database).await;
        world.set_up_books().await;
        let running = match step {
            1 => world.pending(database).await,
            2 => world.detached(database).await,
            _ => world.dropping(1).await,
        };
        running.kill();
        let erased = "SELECT coalesce(sum(erased), 0) FROM tradewind.ledger";
        assert_eq!(world.sql(erased).await, "0");
        if step < 3 {
            // The next pod finds it as it was left, in the way of nobody.
            world.ends(database).await;
        }
        let ran = loop {
            let ran = world.run().await;
            // The killed one's session may hold its lock for a moment.
            if ran.report.reason != "AnotherRunActive" {
                break ran;
            }
        };
        let rule = ran.expect("Done").rule("log").clone();
        assert_eq!((rule.erased, rule.partitions), (DUE, 3), "{database}");
        world.assert_whole(0).await;
        let runs = "SELECT count(DISTINCT run) FROM tradewind.ledger";
        assert_eq!(world.sql(runs).await, "1");
    }
}

/// What a run detached goes back when the run is not gone on with.
#[tokio::test]
async fn a_run_that_is_given_up_puts_back_what_it_detached() {
    let mut world = owned("part_given_up").await;
    world.set_up_books().await;
    let running = world.detached("part_given_up").await;
    running.kill();
    world.ends("part_given_up").await;
    world.until("SELECT pg_try_advisory_lock(hashtextextended('tradewind retain eu-customers orders', 0))").await;
    let other = "sha256-2222222222222222222222222222222222222222222222222222222222222222";
    world.set("specHash", other);
    world.task["spec"]["rules"][0]["after"] = json!("P500Y");
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!((rule.rows, rule.due), (4100, 0), "all of it is there again");
    world.assert_whole(DUE).await;
    let old = "SELECT r.due, sum(l.remaining), count(*) FROM tradewind.rule r JOIN tradewind.ledger l ON l.run = r.run
        WHERE r.due > 0 GROUP BY r.due";
    assert_eq!(world.sql(old).await, "4000|4000|1");
    world.task["spec"]["rules"][0]["after"] = json!("P1Y");
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.partitions), (DUE, 3));
    world.assert_whole(0).await;
}

/// An administrator says stop between the detach and the drop.
#[tokio::test]
async fn the_stop_switch_brings_a_detached_partition_back() {
    let world = owned("part_switch").await;
    world.set_up_books().await;
    let running = world.detached("part_switch").await;
    world
        .sql("INSERT INTO tradewind.stop (reason) VALUES ('month end')")
        .await;
    world.ends("part_switch").await;
    let ran = running.finish().await;
    ran.expect("StoppedBySwitch");
    let there = "SELECT count(*) FROM log";
    assert_eq!(world.sql(there).await, "4100");
    world.sql("DELETE FROM tradewind.stop").await;
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.partitions), (DUE, 2), "{rule:?}");
    world.assert_whole(0).await;
}

/// SIGKILL while a partition is detached; whatever the next pod is, and whatever it says, the rows are there again first.
#[tokio::test]
async fn what_a_killed_run_detached_is_back_before_anything_is_refused_or_counted() {
    let mut world = owned("part_orphan").await;
    world.set_up_books().await;
    let whole = world.task.clone();
    let stop = "INSERT INTO tradewind.stop (reason) VALUES ('month end')";
    let missing = json!([{"id": "x/h", "store": "orders", "scopes": [{"table": "public.log"}]}]);
    for (case, reason) in [
        ("switch", "StoppedBySwitch"),
        ("hold", "HoldNotInForce"),
        ("clock", "ClockMissing"),
        ("other", "Done"),
        ("count", "Previewed"),
    ] {
        world.task = whole.clone();
        let running = world.pending(case).await;
        // While it lives nobody takes it from it, and nobody counts what is left.
        world.set("mode", "DryRun");
        let seen = world.run().await;
        assert_eq!(seen.expect("PartitionDetaching").code, 75, "{case}");
        world.set("mode", "Enforce");
        running.kill();
        world.ends(case).await;
        world.until("SELECT pg_try_advisory_lock(hashtextextended('tradewind retain eu-customers orders', 0))").await;
        assert_eq!(world.sql("SELECT count(*) FROM log").await, "3100");
        match case {
            "switch" => drop(world.sql(stop).await),
            "hold" => world.set("holds", missing.clone()),
            "clock" => world.task["spec"]["rules"][0]["clock"] = json!("nope"),
            "other" => {
                world.set("policy", "another");
                world.task["spec"]["rules"][0]["after"] = json!("P500Y");
            }
            _ => world.set("mode", "DryRun"),
        }
        let ran = world.run().await;
        ran.expect(reason);
        assert_eq!(
            world.sql("SELECT count(*) FROM log").await,
            "4100",
            "{case}"
        );
        if case == "count" {
            assert_eq!((ran.rule("log").rows, ran.rule("log").due), (4100, DUE));
        }
        world.sql("DELETE FROM tradewind.stop").await;
    }
    // The run is gone on with, and the partitions go whole all the same.
    world.task = whole;
    let rule = world.run().await.expect("Done").rule("log").clone();
    assert_eq!((rule.erased, rule.partitions), (DUE, 3), "{rule:?}");
    world.assert_whole(0).await;
}
