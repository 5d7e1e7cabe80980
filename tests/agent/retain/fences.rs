//! What stops a run before it does harm: foreign keys that reach further, hidden rows, swapped names, a second
//! process, an administrator.

use std::time::Duration;

use serde_json::json;

use super::world::World;

const OLD: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, seen timestamptz, note text);
    INSERT INTO t SELECT i, timestamptz '2000-01-01' + i * interval '1 hour', now(), 'x' FROM generate_series(1, 2000) AS i";

async fn old(database: &str) -> World {
    let mut world = World::new(database, OLD).await.rule("t", "at", "P1Y");
    world.set("batchRows", 200);
    world
}

#[tokio::test]
pub(crate) async fn a_foreign_key_that_reaches_a_table_without_a_rule_is_refused_by_name() {
    for (database, action) in [
        ("fen_cascade", "ON DELETE CASCADE"),
        ("fen_null", "ON DELETE SET NULL"),
        ("fen_default", "ON DELETE SET DEFAULT"),
    ] {
        let sql = format!(
            "CREATE TABLE t (id int PRIMARY KEY, at date); INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(0, 99) AS i;
            CREATE TABLE \"In voices\" (id int PRIMARY KEY, t int DEFAULT 0 CONSTRAINT \"of t\" REFERENCES t {action}, at date DEFAULT now());
            INSERT INTO \"In voices\" SELECT i, i FROM generate_series(1, 50) AS i"
        );
        let mut world = World::new(database, &sql).await.rule("t", "at", "P1Y");
        let before = world.dump(&["t", "\"In voices\""]).await;
        for mode in ["DryRun", "Enforce"] {
            world.set("mode", mode);
            let ran = world.run().await;
            assert_eq!(ran.expect("CascadeWithoutRule").code, 64);
            let message = &ran.report.message;
            let named = format!("constraint \"of t\" ({action}) reaches public.\"In voices\"");
            assert!(message.contains(&named), "{message}");
        }
        assert_eq!(world.dump(&["t", "\"In voices\""]).await, before);
        // With a rule the rows that refer are judged by it: these are young, and keep what they refer to.
        let world = world.rule("In voices", "at", "P1Y");
        let ran = world.run().await;
        let rule = ran.expect("Done").rule("t").clone();
        assert_eq!((rule.erased, rule.blocked), (50, 50), "{rule:?}");
        let kept = "SELECT count(*), count(DISTINCT t) FROM \"In voices\"";
        assert_eq!(world.sql(kept).await, "50|50");
    }
}

#[tokio::test]
async fn what_slows_or_copies_is_named() {
    let mut world = old("fen_named").await;
    world.set("catalogue", json!({"tableWords": [], "columnWords": []}));
    world
        .sql(
            "CREATE TABLE c (t int REFERENCES t); CREATE INDEX ON c (t) WHERE t > 5;
            CREATE TABLE copy (LIKE t);
            CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
              $$ BEGIN INSERT INTO copy VALUES (OLD.*); RETURN OLD; END $$;
            CREATE TRIGGER \"a copy\" BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION keep();
            CREATE TRIGGER harmless BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep();
            CREATE TRIGGER sleeps BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION keep();
            ALTER TABLE t DISABLE TRIGGER sleeps",
        )
        .await;
    world
        .sql(&format!("GRANT SELECT ON c TO {}", world.role))
        .await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let look = seen.expect("Previewed").body().catalogue.clone().unwrap();
    assert_eq!(
        serde_json::to_value(&look).unwrap(),
        json!({
            "more": 0,
            "indexes": [{"store": "orders", "rule": "t", "table": "public.c", "columns": ["t"]}],
            "triggers": [{"store": "orders", "rule": "t", "table": "public.t", "trigger": "\"a copy\""}],
            "databases": look.databases,
        })
    );
    world.set("mode", "Enforce");
    let ran = world.run().await;
    ran.expect("Done");
    assert_eq!(ran.body().catalogue.as_ref(), Some(&look));
    for says in [
        "IndexMissing",
        "CREATE INDEX CONCURRENTLY ON public.c (t);",
        "TriggerOnDelete",
        "\\\"a copy\\\" on public.t calls public.keep()",
    ] {
        assert!(ran.log.contains(says), "{says}:\n{}", ran.log);
    }
    assert!(!ran.log.contains("harmless") && !ran.log.contains("sleeps"));
}

/// Row security would hide half the rows from the delete and from the look afterwards alike.
#[tokio::test]
async fn rows_that_a_policy_hides_stop_the_run() {
    let mut world = old("fen_rls").await;
    world
        .sql(
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON t USING (id % 2 = 0);
            CREATE SCHEMA evil; CREATE FUNCTION evil.row_security_active(oid) RETURNS boolean LANGUAGE sql RETURN false",
        )
        .await;
    for mode in ["DryRun", "Enforce"] {
        world.set("mode", mode);
        assert_eq!(world.run().await.expect("RowSecurityActive").code, 64);
    }
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
    world
        .sql(&format!("ALTER ROLE {} BYPASSRLS", world.role))
        .await;
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 2000);
}

/// Another table's policy, that a trigger of the merchant's runs into: the statement fails, it does not skip.
#[tokio::test]
pub(crate) async fn row_security_is_off_in_every_batch() {
    let world = old("fen_rls_trigger").await;
    world
        .sql(&format!(
            "CREATE TABLE log (id int); ALTER TABLE log ENABLE ROW LEVEL SECURITY;
            GRANT SELECT ON log TO {};
            CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM count(*) FROM log; RETURN OLD; END $$;
            CREATE TRIGGER look BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION look()",
            world.role
        ))
        .await;
    let ran = world.run().await;
    assert_eq!(ran.expect("GrantsMissing").code, 64);
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
}

/// A name that stands for another column between two batches.
#[tokio::test]
pub(crate) async fn swapped_names_erase_nothing() {
    let world = old("fen_swap").await;
    world.slow_down("t", 0.6).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    world
        .sql("BEGIN; SET LOCAL lock_timeout = '20s'; ALTER TABLE t RENAME at TO x; ALTER TABLE t RENAME seen TO at; ALTER TABLE t RENAME x TO seen; COMMIT")
        .await;
    let left = world.sql("SELECT count(*) FROM t").await;
    running.finish().await.expect("SchemaDrift");
    assert_eq!(world.sql("SELECT count(*) FROM t").await, left);
}

/// A foreign key that is the same as ever, and whose table or column goes by another name between two batches: whoever asks
/// by the old one finds that nothing refers, and the server's own cascade would take what does.
#[tokio::test]
pub(crate) async fn swapped_names_of_what_refers_erase_nothing() {
    for (database, child, change) in [
        (
            "fen_child_columns",
            "c",
            "ALTER TABLE c RENAME t TO x; ALTER TABLE c RENAME other TO t; ALTER TABLE c RENAME x TO other",
        ),
        (
            "fen_child_table",
            "d",
            "ALTER TABLE c RENAME TO d; CREATE TABLE c (id int, at date, t int, other int); GRANT SELECT, DELETE ON c TO PUBLIC",
        ),
    ] {
        let sql = format!(
            "{OLD}; CREATE TABLE c (id int PRIMARY KEY, at date DEFAULT now(), t int REFERENCES t ON DELETE CASCADE, other int);
            CREATE INDEX ON c (t); INSERT INTO c (id, t) SELECT i, i FROM generate_series(1501, 2000) AS i"
        );
        let world = World::new(database, &sql).await;
        let mut world = world.rule("t", "at", "P1Y").rule("c", "at", "P1Y");
        world.set("batchRows", 200);
        world.slow_down("t", 0.6).await;
        let running = world.start("one");
        world.wait_for_ledger(2).await;
        let change = format!("BEGIN; SET LOCAL lock_timeout = '20s'; {change}; COMMIT");
        world.sql(&change).await;
        let left = world.sql("SELECT count(*) FROM t").await;
        running.finish().await.expect("SchemaDrift");
        assert_eq!(world.sql("SELECT count(*) FROM t").await, left);
        let refer = format!("SELECT count(*) FROM {child}");
        assert_eq!(world.sql(&refer).await, "500");
    }
}

/// Two processes that hold the same session lock, as two clients of a pooler can: the run's row tells them apart.
#[tokio::test]
async fn a_run_that_another_process_began_meanwhile_is_left_to_it() {
    let world = old("fen_begin").await;
    world.set_up_books().await;
    world
        .sql(
            "CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF pg_trigger_depth() = 1 THEN
                INSERT INTO tradewind.run (id, store, policy, region, spec_hash, now, window_ends)
                VALUES ('theirs', NEW.store, NEW.policy, NEW.region, NEW.spec_hash, NEW.now, NEW.window_ends);
              END IF;
              RETURN NEW; END $$;
            CREATE TRIGGER first BEFORE INSERT ON tradewind.run FOR EACH ROW EXECUTE FUNCTION first()",
        )
        .await;
    assert_eq!(world.run().await.expect("AnotherRunActive").code, 75);
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
}

#[tokio::test]
async fn an_administrators_switch_stops_within_one_batch_and_lets_go_on() {
    let world = old("fen_switch").await;
    world.slow_down("t", 0.6).await;
    let running = world.start("one");
    world.wait_for_ledger(2).await;
    world
        .sql("INSERT INTO tradewind.stop (policy, reason) VALUES ('eu-customers', 'month end')")
        .await;
    let then = world.ledger_rows().await;
    let ran = running.finish().await;
    assert_eq!(ran.expect("StoppedBySwitch").code, 64);
    assert!(
        world.ledger_rows().await <= then + 1,
        "more than the batch under way"
    );
    let rule = ran.rule("t").clone();
    assert_eq!(rule.erased + rule.remaining, 2000, "{rule:?}");
    // Still on, for everybody: nothing begins either.
    world.sql("UPDATE tradewind.stop SET policy = NULL").await;
    world.run().await.expect("StoppedBySwitch");
    world
        .sql("UPDATE tradewind.stop SET policy = 'another'; DROP TRIGGER slow ON t")
        .await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").erased, 2000);
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.run").await, "1");
}

/// A switch that cannot be read is not off.
#[tokio::test]
async fn a_switch_that_cannot_be_read_stops() {
    for (database, change, reason) in [
        (
            "fen_blind",
            "REVOKE ALL ON tradewind.stop FROM fen_blind_retain",
            "GrantsMissing",
        ),
        ("fen_gone", "DROP TABLE tradewind.stop", "SchemaDrift"),
    ] {
        let world = old(database).await;
        world.slow_down("t", 0.6).await;
        let running = world.start("one");
        world.wait_for_ledger(2).await;
        world.sql(change).await;
        let then = world.ledger_rows().await;
        let ran = running.finish().await;
        assert_eq!(ran.expect(reason).code, 64);
        assert!(world.ledger_rows().await <= then + 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(world.run().await.expect(reason).code, 64);
    }
}

/// What was approved was another column's rows.
#[tokio::test]
async fn an_approval_does_not_outlive_the_names_it_was_given_for() {
    let mut world = old("fen_approved").await;
    world.set("maxPercent", 5);
    world.sql("UPDATE t SET seen = at").await;
    let seen = world.run().await;
    world.approve(seen.expect("AwaitingApproval"));
    world
        .sql("ALTER TABLE t RENAME at TO x; ALTER TABLE t RENAME seen TO at; ALTER TABLE t RENAME x TO seen")
        .await;
    let again = world.run().await;
    again.expect("AwaitingApproval");
    let message = &again.report.message;
    assert!(
        message.contains("for other tables, keys, clocks"),
        "{message}"
    );
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
    world.approve(&again);
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 2000);
}
