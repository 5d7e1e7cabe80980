//! Rows that stay, and lose what their columns say: Nullify and Anonymise.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;

/// A database with one rule over table `t`, due after a year by `at`, whose role may see everything, change these
/// columns, and delete nothing.
pub(super) async fn world(database: &str, sql: &str, method: &str, columns: Value) -> World {
    let world = World::new(database, sql).await.rule("t", "at", "P1Y");
    let names = columns.as_array().unwrap().iter();
    let names = names.map(|column| quoted(column["name"].as_str().unwrap()));
    let names = names.collect::<Vec<_>>().join(", ");
    world
        .sql(&format!(
            "REVOKE DELETE ON ALL TABLES IN SCHEMA public FROM {0}; GRANT UPDATE ({names}) ON t TO {0}",
            world.role
        ))
        .await;
    changing(world, method, columns)
}

/// The last rule, changing columns.
pub(super) fn changing(mut world: World, method: &str, columns: Value) -> World {
    let rules = world.task["spec"]["rules"].as_array_mut().unwrap();
    let rule = rules.last_mut().unwrap();
    rule["method"] = method.into();
    rule["columns"] = columns;
    world
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) async fn slow_updates(world: &World, seconds: f32) {
    slow_updates_of(world, "t", seconds).await;
}

pub(super) async fn slow_updates_of(world: &World, table: &str, seconds: f32) {
    world
        .sql(&format!(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.slow()"
        ))
        .await;
}

pub(super) const PERSONS: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, mail text, phone varchar(20), rest text);
    INSERT INTO t SELECT i, timestamptz '2000-01-01' + i * interval '1 hour', 'p' || i || '@shop.example', '+49 30 ' || i, 'kept'
      FROM generate_series(1, 3000) AS i";

fn mail_and_phone() -> Value {
    json!([{"name": "mail", "set": "Constant", "value": "gone"}, {"name": "phone", "set": "Truncate", "length": 3}])
}

#[tokio::test]
async fn what_is_done_already_is_not_due_again() {
    let mut world = world("met_again", PERSONS, "Anonymise", mail_and_phone()).await;
    world
        .sql(
            "UPDATE t SET mail = 'gone', phone = '+49' WHERE id <= 100; UPDATE t SET mail = 'gone' WHERE id = 101;
            UPDATE t SET phone = NULL, mail = 'GONE' WHERE id = 102; UPDATE t SET at = NULL WHERE id IN (1, 103)",
        )
        .await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let rule = seen.expect("Previewed").rule("t").clone();
    assert_eq!((rule.rows, rule.due, rule.remaining), (3000, 2899, 2899));
    assert_eq!(rule.null_clock, 1, "the other one has nothing to lose");
    assert_eq!(rule.oldest_kept.as_deref(), Some("2000-01-05"));
    world.set("mode", "Enforce");
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").erased, 2899);
    assert_eq!(
        world
            .sql("SELECT count(*), count(DISTINCT mail), min(phone), max(phone), count(phone), min(rest) FROM t WHERE at IS NOT NULL")
            .await,
        "2998|1|+49|+49|2997|kept"
    );
    // One comes back; only it is due.
    world
        .sql("UPDATE t SET mail = 'p7@shop.example' WHERE id = 7")
        .await;
    let ran = world.run().await;
    assert_eq!(
        (ran.expect("Done").rule("t").due, ran.rule("t").erased),
        (1, 1)
    );
}

#[tokio::test]
async fn what_is_held_stays_as_it_is() {
    let mut world = world("met_hold", PERSONS, "Anonymise", mail_and_phone()).await;
    world.set("batchRows", 200);
    world.set_up_books().await;
    let open = |id: &str, scopes: &str| {
        format!("SELECT tradewind.open_hold('{id}', 'case 7', 'ann', '2027-01-01', '{scopes}')")
    };
    world.sql(&open("one", r#"[{"table": "public.t", "column": "mail", "values": ["p1@shop.example", "p2@shop.example"]},
        {"table": "public.t", "column": "id", "values": [2, 3]}]"#)).await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let rule = seen.expect("Previewed").rule("t").clone();
    assert_eq!((rule.due, rule.held, rule.remaining), (3000, 3, 2997));
    // A hold that is opened during the run is in force from its commit.
    world.set("mode", "Enforce");
    slow_updates(&world, 0.1).await;
    let running = world.start("one");
    let rows = world.ledger_rows().await;
    world.wait_for_ledger(rows + 2).await;
    world.sql(&open("all", "[{}]")).await;
    let changed = "SELECT count(*) FROM t WHERE mail = 'gone'";
    let then = world.sql(changed).await;
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!(world.sql(changed).await, then);
    assert_eq!(
        (rule.erased.to_string(), rule.held),
        (then, 3000 - rule.erased)
    );
    world
        .sql("SELECT tradewind.release_hold('all', 'ann', 'settled')")
        .await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").held, 3);
    let kept = "SELECT string_agg(mail || phone, ' ' ORDER BY id) FROM t WHERE mail <> 'gone'";
    assert_eq!(
        world.sql(kept).await,
        "p1@shop.example+49 30 1 p2@shop.example+49 30 2 p3@shop.example+49 30 3"
    );
}

#[tokio::test]
async fn a_run_killed_anywhere_changes_the_same_rows() {
    let columns = || json!([{"name": "mail", "set": "Null"}, {"name": "rest", "set": "Generalise", "step": 10}]);
    let sql = "CREATE TABLE t (id bigint, part text, at timestamp, mail text, rest int, PRIMARY KEY (id, part));
        INSERT INTO t SELECT i, 'p' || i % 7, timestamp '2000-01-01' + i * interval '1 hour', 'p' || i, i FROM generate_series(1, 3000) AS i;
        UPDATE t SET at = now() WHERE id % 5 = 0";
    let state =
        "SELECT md5(string_agg(concat_ws('|', id, part, mail, rest), ' ' ORDER BY id)) FROM t";
    let mut reference = world("met_kill_one", sql, "Anonymise", columns()).await;
    reference.set("batchRows", 150);
    assert_eq!(reference.run().await.expect("Done").rule("t").erased, 2400);
    let mut killed = world("met_kill_two", sql, "Anonymise", columns()).await;
    killed.set("batchRows", 150);
    slow_updates(&killed, 0.1).await;
    for wait in [0, 30, 60, 90, 15, 110, 45] {
        let rows = killed.ledger_rows().await;
        let running = killed.start("one");
        killed.wait_for_ledger(rows + 1).await;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        running.kill();
        // Whatever was killed: a row is changed if and only if the books say so.
        let exact = "SELECT (SELECT count(*) FROM t WHERE mail IS NULL) - (SELECT sum(erased) FROM tradewind.ledger)";
        assert_eq!(killed.sql(exact).await, "0");
    }
    let ran = killed.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.gone, rule.late),
        (2400, 2400, 0, 0),
        "{rule:?}"
    );
    assert_eq!(killed.sql(state).await, reference.sql(state).await);
    let rows = "SELECT count(*) FROM tradewind.run";
    assert_eq!(
        killed.sql(rows).await,
        "1",
        "one run, however often it was killed"
    );
}

#[tokio::test]
async fn rows_that_refer_are_in_nobodys_way() {
    let sql = "CREATE TABLE parent (id int PRIMARY KEY, at date, mail text);
        CREATE TABLE t (id int PRIMARY KEY, at date, parent int REFERENCES parent ON DELETE RESTRICT, boss int REFERENCES t, mail text);
        CREATE INDEX ON t (parent);
        INSERT INTO parent SELECT i, '2000-01-01', 'p' || i FROM generate_series(1, 100) AS i;
        INSERT INTO t SELECT i, CASE WHEN i % 2 = 0 THEN '2000-01-01'::date END, i, greatest(i - 1, 1), 'c' || i FROM generate_series(1, 100) AS i";
    // The parents lose their mail, the children stay as they are.
    let world = World::new("met_parent", sql)
        .await
        .rule("parent", "at", "P1Y");
    world
        .sql(&format!(
            "REVOKE DELETE ON parent FROM {0}; GRANT UPDATE (mail) ON parent TO {0}",
            world.role
        ))
        .await;
    let world = changing(world, "Nullify", json!([{"name": "mail"}]));
    let before = world.dump(&["t"]).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("parent").clone();
    assert_eq!((rule.erased, rule.blocked), (100, 0), "{rule:?}");
    assert_eq!(world.dump(&["t"]).await, before);
    assert_eq!(
        world.sql("SELECT count(*), count(mail) FROM parent").await,
        "100|0"
    );
    // A child that stays holds its parent back; one that forgets its parent does not.
    for (database, column, free) in [("met_holds_back", "mail", 0), ("met_lets_go", "parent", 50)] {
        let world = World::new(database, sql)
            .await
            .rule("parent", "at", "P1Y")
            .rule("t", "at", "P1Y");
        world
            .sql(&format!("GRANT UPDATE ON t TO {}", world.role))
            .await;
        let mut world = changing(world, "Nullify", json!([{"name": column}]));
        world.set("mode", "DryRun");
        let seen = world.run().await;
        let parent = seen.expect("Previewed").rule("parent").clone();
        assert_eq!(
            (parent.remaining, parent.blocked),
            (free, 100 - free),
            "{column}"
        );
        world.set("mode", "Enforce");
        let ran = world.run().await;
        let (parent, child) = (
            ran.expect("Done").rule("parent").clone(),
            ran.rule("t").clone(),
        );
        assert_eq!(
            (parent.erased, parent.blocked),
            (free, 100 - free),
            "{column}"
        );
        assert_eq!((child.due, child.erased), (50, 50));
        assert_eq!(world.sql("SELECT count(*) FROM t").await, "100");
    }
    // A cascade would delete what its rule keeps.
    let world = World::new("met_cascade", &sql.replace("RESTRICT", "CASCADE"))
        .await
        .rule("parent", "at", "P1Y")
        .rule("t", "at", "P1Y");
    let world = changing(world, "Nullify", json!([{"name": "mail"}]));
    let ran = world.run().await;
    ran.expect("CascadeWithoutRule");
    assert!(
        ran.report
            .message
            .contains("reaches public.t, which has no rule that deletes"),
        "{}",
        ran.report.message
    );
}

#[tokio::test]
async fn triggers_are_named_and_cannot_lie() {
    let columns = || json!([{"name": "mail", "set": "Null"}]);
    let with = |body: &str, when: &str| {
        format!("{PERSONS}; CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
            CREATE TRIGGER meddle BEFORE {when} ON t FOR EACH ROW EXECUTE FUNCTION meddle();
            CREATE TRIGGER other BEFORE UPDATE OF rest ON t FOR EACH ROW EXECUTE FUNCTION meddle();
            CREATE TRIGGER deletes BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION meddle()")
    };
    // One that keeps the mail: the look at the end finds it.
    let sql = with("NEW.mail := OLD.mail; RETURN NEW;", "UPDATE OF mail");
    let world_back = world("met_trig_back", &sql, "Nullify", columns()).await;
    let ran = world_back.run().await;
    let rule = ran.expect("VerificationFailed").rule("t").clone();
    assert_eq!((rule.erased, rule.failed), (0, 3000), "{rule:?}");
    assert!(
        ran.log.contains("TriggerOnUpdate")
            && ran.log.contains("meddle on public.t calls public.meddle()")
    );
    assert!(!ran.log.contains("other on") && !ran.log.contains("deletes on"));
    // One that will not have it changed.
    let sql = with(
        "IF OLD.id % 100 = 0 THEN RETURN NULL; END IF; RETURN NEW;",
        "UPDATE",
    );
    let world_skip = world("met_trig_skip", &sql, "Nullify", columns()).await;
    let rule = world_skip
        .run()
        .await
        .expect("RowsFailed")
        .rule("t")
        .clone();
    assert_eq!((rule.erased, rule.failed), (2970, 30), "{rule:?}");
    // A constraint that refuses some of the values.
    let sql = format!("{PERSONS}; ALTER TABLE t ADD CHECK (id % 1000 <> 0 OR mail LIKE '%@%')");
    let columns = json!([{"name": "mail", "set": "Truncate", "length": 2}]);
    let world_check = world("met_check", &sql, "Anonymise", columns).await;
    // The server would log each row that it refuses.
    let role = &world_check.role;
    let verbose = format!("ALTER ROLE {role} RESET log_error_verbosity");
    world_check.sql(&verbose).await;
    let ran = world_check.run().await;
    let mend = format!("ALTER ROLE {role} SET log_error_verbosity = terse;");
    assert_eq!(ran.expect("ServerLogsValues").code, 64);
    assert!(ran.report.message.contains(&mend), "{:?}", ran.report);
    world_check.sql(&mend).await;
    let ran = world_check.run().await;
    let rule = ran.expect("RowsFailed").rule("t").clone();
    assert_eq!((rule.erased, rule.failed), (2997, 3), "{rule:?}");
    assert!(ran.log.contains("SQLSTATE 23514") && !ran.log.contains("@shop.example"));
}

/// Whoever refers to a row in the moment in which it goes has its key in the server's log, also where that is a number: not
/// where the session may have its errors logged without their details. Where it may not, the run goes on and says what mends it.
#[tokio::test]
async fn a_number_that_is_referred_to_in_that_very_moment_is_not_in_the_servers_log() {
    // Each time in that moment: the row's own end brings the reference.
    let sql = "CREATE TABLE t (id bigint PRIMARY KEY, at date); CREATE TABLE child (parent bigint REFERENCES t);
        INSERT INTO t SELECT 7301730170 + i, '2000-01-01' FROM generate_series(1, 9) AS i;
        CREATE FUNCTION public.refer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
          IF OLD.id = 7301730177 THEN INSERT INTO public.child VALUES (OLD.id); END IF; RETURN OLD; END $$;
        CREATE TRIGGER refer BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION public.refer()";
    let mut world = World::new("met_moment", sql).await.rule("t", "at", "P1Y");
    let role = world.role.clone();
    world
        .sql(&format!("ALTER ROLE {role} RESET log_error_verbosity"))
        .await;
    world.set("batchRows", 2);
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let mend = format!("ALTER ROLE {role} SET log_error_verbosity = terse;");
    assert!(seen.expect("Previewed").log.contains(&mend), "{}", seen.log);
    let allow = format!("GRANT SET ON PARAMETER log_error_verbosity TO {role}");
    world.sql(&allow).await;
    world.set("mode", "Enforce");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!((rule.erased, rule.blocked), (8, 1), "{rule:?}");
    let folder = world.sql("SHOW data_directory").await;
    let log = std::path::Path::new(folder.trim()).with_file_name("log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("child_parent_fkey") && !log.contains("7301730177"));
    assert!(!ran.log.contains(&mend) && !ran.log.contains("7301730177"));
}

#[tokio::test]
async fn partitions_change_and_stay() {
    let sql = "CREATE TABLE t (id int, at date, region text, kind text, mail text, PRIMARY KEY (id, at, region)) PARTITION BY RANGE (at);
        CREATE TABLE old PARTITION OF t FOR VALUES FROM ('2000-01-01') TO ('2010-01-01') PARTITION BY LIST (region);
        CREATE TABLE old_eu PARTITION OF old FOR VALUES IN ('EU'); CREATE TABLE old_us PARTITION OF old DEFAULT;
        CREATE TABLE new (mail text, gone int, kind text, region text NOT NULL, at date NOT NULL, id int NOT NULL);
        ALTER TABLE new DROP gone; ALTER TABLE t ATTACH PARTITION new FOR VALUES FROM ('2010-01-01') TO ('2030-01-01');
        INSERT INTO t SELECT i, '2001-01-01'::date + i, CASE WHEN i % 2 = 0 THEN 'EU' ELSE 'US' END, 'k', 'm' || i FROM generate_series(1, 2000) AS i;
        INSERT INTO t SELECT i, '2011-01-01'::date + i, 'EU', 'k', 'm' || i FROM generate_series(2001, 4000) AS i;
        CREATE UNIQUE INDEX ON new (kind, id)";
    let mut world = world("met_parts", sql, "Nullify", json!([{"name": "mail"}])).await;
    world.set("batchRows", 300);
    let places = "SELECT md5(string_agg(tableoid::regclass || ' ' || id, ' ' ORDER BY id)) FROM t";
    let before = world.sql(places).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!((rule.rows, rule.erased), (4000, 4000), "{rule:?}");
    assert_eq!(world.sql("SELECT count(mail) FROM t").await, "0");
    assert_eq!(world.sql(places).await, before);
    // What a partition alone forbids is forbidden.
    for (column, reason) in [("region", "ColumnIsKey"), ("kind", "ColumnUnique")] {
        world = changing(
            world,
            "Anonymise",
            json!([{"name": column, "set": "Constant", "value": "x"}]),
        );
        world.run().await.expect(reason);
    }
}

/// What a run set before its rule was changed was erased, and stays so in the books.
#[tokio::test]
async fn a_run_is_closed_by_what_it_set_itself() {
    let mut world = world("met_superseded", PERSONS, "Anonymise", mail_and_phone()).await;
    world.set("batchRows", 100);
    slow_updates(&world, 0.2).await;
    let running = world.start("one");
    world.wait_for_ledger(3).await;
    running.kill();
    let columns = json!([{"name": "mail", "set": "Constant", "value": "erased"}, {"name": "phone", "set": "Truncate", "length": 9}]);
    world = changing(world, "Anonymise", columns);
    world.set("specHash", format!("sha256-{}", "3".repeat(64)));
    world.sql("DROP TRIGGER slow ON t").await;
    world.run().await.expect("Done");
    let first = "SELECT r.reason, sum(l.erased) > 0, sum(l.failed), sum(l.gone), sum(l.erased + l.remaining)
        FROM tradewind.run r JOIN tradewind.ledger l ON l.run = r.id
        WHERE r.id = (SELECT id FROM tradewind.run ORDER BY began_at LIMIT 1) GROUP BY r.reason";
    assert_eq!(world.sql(first).await, "Superseded|t|0|0|3000");
    assert_eq!(
        world
            .sql("SELECT count(*) FROM t WHERE mail <> 'erased'")
            .await,
        "0"
    );
}

/// A column that a unique index only includes is in nobody's way; a trigger's words reach no log.
#[tokio::test]
async fn an_included_column_is_fit_and_a_triggers_warning_is_not_told() {
    let sql = format!(
        "{PERSONS}; CREATE UNIQUE INDEX ON t (id) INCLUDE (mail);
        CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS
          $$BEGIN RAISE WARNING 'archiving %', OLD.mail; RAISE NOTICE 'and %', OLD.mail; RETURN NEW; END$$;
        CREATE TRIGGER tell BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION public.tell()"
    );
    let mut world = world("met_included", &sql, "Nullify", json!([{"name": "mail"}])).await;
    world.set("batchRows", 1000);
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").erased, 3000);
    assert!(
        !ran.log.contains("shop.example"),
        "{}",
        &ran.log[..2000.min(ran.log.len())]
    );
}
