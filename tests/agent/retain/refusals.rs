//! What cannot run is refused before anything is touched, with its reason and what would be right.

use serde_json::json;

use super::world::{World, access};

const TABLES: &str = "CREATE TABLE good (id int PRIMARY KEY, at date, word text);
    INSERT INTO good VALUES (1, '2000-01-01');
    CREATE TABLE keyless (id int, at date);
    CREATE VIEW seen AS SELECT * FROM good;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM good;
    CREATE TABLE secured (id int PRIMARY KEY, at date); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
    CREATE TABLE below (id int PRIMARY KEY, at date); CREATE TABLE hidden (below int REFERENCES below);
    ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
    CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (good);
    CREATE TABLE egg (id int PRIMARY KEY, at date, hen int);
    CREATE TABLE hen (id int PRIMARY KEY, at date, egg int REFERENCES egg);
    ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;
    CREATE SCHEMA other; CREATE TABLE other.good (id int PRIMARY KEY, at date);
    CREATE TABLE plain (id int PRIMARY KEY, at date, word text); INSERT INTO plain VALUES (1, '2000-01-01');
    CREATE TABLE whole (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE part PARTITION OF whole DEFAULT;
    CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE far (id int, at date) SERVER files OPTIONS (filename '/dev/null')";

/// Table, clock, the reason, and what the message says.
const UNFIT: [(&str, &str, &str, &str); 16] = [
    ("nothing", "at", "TableMissing", "no table `nothing`"),
    ("PLAIN", "at", "TableMissing", "case counts"),
    ("pg_class", "relname", "SystemTable", "pg_catalog.pg_class"),
    (
        "information_schema.sql_features",
        "x",
        "SystemTable",
        "belongs to the server",
    ),
    ("seen", "at", "View", "name the table that holds its rows"),
    ("kept", "at", "View", "public.kept is a view"),
    ("far", "at", "ForeignTable", "public.far"),
    (
        "secured",
        "at",
        "RowSecurityActive",
        "ALTER ROLE ref_tables_retain BYPASSRLS",
    ),
    (
        "below",
        "at",
        "RowSecurityActive",
        "hides rows of public.hidden",
    ),
    (
        "good",
        "at",
        "Inherited",
        "public.good inherits from another table, or others inherit from it",
    ),
    (
        "heir",
        "at",
        "Inherited",
        "public.heir inherits from another table",
    ),
    (
        "part",
        "at",
        "Partition",
        "public.part is a partition: write the rule for public.whole",
    ),
    (
        "keyless",
        "at",
        "NoPrimaryKey",
        "ALTER TABLE public.keyless ADD PRIMARY KEY",
    ),
    ("plain", "then", "ClockMissing", "has no column `then`"),
    (
        "plain",
        "word",
        "ClockWrongType",
        "column word of public.plain is text",
    ),
    (
        "plain",
        "id",
        "ClockWrongType",
        "date, timestamp or timestamptz",
    ),
];

#[tokio::test]
async fn each_unfit_table_is_refused_with_its_reason() {
    let mut world = World::new("ref_tables", TABLES).await;
    let before = world.dump_all().await;
    for (table, clock, reason, says) in UNFIT {
        world.set("rules", json!([]));
        world = world.rule("plain", "at", "P1Y"); // a good rule beside it does not run either
        world.task["spec"]["rules"][0]["name"] = json!("beside");
        world = world.rule(table, clock, "P1Y");
        if table == "plain" {
            world.task["spec"]["rules"]
                .as_array_mut()
                .unwrap()
                .remove(0);
        }
        for mode in ["Enforce", "DryRun"] {
            world.set("mode", mode);
            let ran = world.run().await;
            assert_eq!(ran.expect(reason).code, 64);
            assert!(
                ran.report.message.contains(says),
                "{table}: {}",
                ran.report.message
            );
            assert!(ran.report.body.is_none());
        }
    }
    assert_eq!(world.dump_all().await, before);
}

#[tokio::test]
async fn rules_that_contradict_each_other_are_refused() {
    let world = World::new("ref_rules", TABLES)
        .await
        .rule("plain", "at", "P1Y")
        .rule("public.plain", "at", "P2Y");
    let ran = world.run().await;
    ran.expect("SameTable");
    assert!(
        ran.report
            .message
            .contains("rules `public.plain` and `plain`"),
        "{}",
        ran.report.message
    );
    let mut world = world.rule("egg", "at", "P1Y").rule("hen", "at", "P1Y");
    world.task["spec"]["rules"]
        .as_array_mut()
        .unwrap()
        .drain(..2);
    let ran = world.run().await;
    ran.expect("Circle");
    assert!(ran.report.message.contains("hen -> egg") || ran.report.message.contains("egg -> hen"));
}

#[tokio::test]
async fn what_is_missing_is_said_as_sql_that_mends_it() {
    let access = access().await;
    access.create_role("ref_poor", "secret").await.unwrap();
    access
        .create_database("ref_grants", "postgres")
        .await
        .unwrap();
    let sql = r#"CREATE SCHEMA shop; REVOKE ALL ON SCHEMA public FROM PUBLIC;
        CREATE TABLE shop."Or ders" (id int PRIMARY KEY, "At" date, secret text);
        INSERT INTO shop."Or ders" VALUES (1, '2000-01-01', 'x'), (2, '2000-01-01', 'y'), (3, current_date, 'z');
        CREATE TABLE shop.lines ("order" int REFERENCES shop."Or ders", secret text);
        INSERT INTO shop.lines VALUES (2, 'x')"#;
    access.query("ref_grants", sql).await.unwrap();
    let url = access.url_as("ref_poor", "secret", "ref_grants");
    let mut world = World::of("ref_grants", "ref_poor", &url).rule("shop.Or ders", "At", "P1Y");
    world.set("mode", "DryRun");
    let dry = world.run().await;
    dry.expect("GrantsMissing");
    world.set("mode", "Enforce");
    let ran = world.run().await;
    ran.expect("GrantsMissing");
    let message = &ran.report.message;
    let (_, statements) = message.split_once("grants: ").unwrap();
    assert_eq!(
        statements,
        r#"GRANT USAGE ON SCHEMA shop TO ref_poor; GRANT SELECT ("At", id) ON shop."Or ders" TO ref_poor; GRANT SELECT ("order") ON shop.lines TO ref_poor; GRANT DELETE ON shop."Or ders" TO ref_poor; CREATE SCHEMA tradewind AUTHORIZATION ref_poor; GRANT pg_read_all_stats TO ref_poor;"#
    );
    let (_, first) = dry.report.message.split_once("grants: ").unwrap();
    assert!(
        !first.contains("DELETE") && !first.contains("tradewind"),
        "to count is to read: {first}"
    );
    world.sql(first).await;
    world.set("mode", "DryRun");
    let dry = world.run().await;
    dry.expect("Previewed");
    assert!(
        dry.log.contains("GRANT DELETE"),
        "the dry run says what erasing will need"
    );
    world.set("mode", "Enforce");
    world.sql(&statements.replace(first, "")).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("shop.Or ders").clone();
    assert_eq!((rule.erased, rule.blocked), (1, 1));
    assert!(
        world
            .as_role(r#"SELECT secret FROM shop."Or ders""#)
            .await
            .is_err(),
        "no more than needed"
    );
}

#[tokio::test]
async fn names_that_look_like_sql_are_names() {
    let table = r#"x"; DROP TABLE "plain"; --"#;
    let clock = r#"a"t'; SELECT 1; --"#;
    let sql = format!(
        r#"CREATE TABLE "{0}" ("k""1" text PRIMARY KEY, "{1}" timestamptz, "up ' to" text REFERENCES "{0}");
        INSERT INTO "{0}" VALUES ('O''Reilly', '2000-01-01'), ('"; DROP TABLE plain; --', '2000-01-01'), (E'back\\slash\ttab', '2000-01-01'),
          ('young', now()), ('kept', '2000-01-01'); INSERT INTO "{0}" VALUES ('child', now(), 'kept');
        CREATE TABLE plain (id int PRIMARY KEY, at date)"#,
        table.replace('"', "\"\""),
        clock.replace('"', "\"\""),
    );
    let world = World::new("ref_names", &sql)
        .await
        .rule(table, clock, "P1Y");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule(table).clone();
    assert_eq!((rule.due, rule.erased, rule.blocked), (4, 3, 1), "{rule:?}");
    assert_eq!(world.sql("SELECT count(*) FROM plain").await, "0");
    // Nor do the task's other words reach the server as text.
    let mut world = world;
    for bad in [
        "plain; DROP TABLE plain",
        "plain\" --",
        "plain' OR 'a' = 'a",
        "public.plain\u{0}x",
    ] {
        world.set("rules", json!([]));
        world = world.rule(bad, "at", "P1Y");
        let ran = world.run().await;
        assert_ne!(ran.code, 0, "{bad}");
        assert_eq!(world.sql("SELECT count(*) FROM plain").await, "0");
    }
}

#[tokio::test]
async fn a_table_that_changes_under_the_run_fails_closed() {
    for (database, change) in [
        ("ref_drift_table", "ALTER TABLE t RENAME TO u"),
        (
            "ref_drift_swap",
            "ALTER TABLE t RENAME TO u; CREATE TABLE t (LIKE u INCLUDING ALL); INSERT INTO t SELECT * FROM u",
        ),
        (
            "ref_drift_clock",
            "ALTER TABLE t RENAME at TO seen; ALTER TABLE t ADD at timestamptz DEFAULT '2000-01-01'",
        ),
        ("ref_drift_type", "ALTER TABLE t ALTER at TYPE timestamp"),
        (
            "ref_drift_key",
            "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (no)",
        ),
        (
            "ref_drift_fk",
            "CREATE TABLE c (t int REFERENCES t ON DELETE CASCADE); INSERT INTO c SELECT id FROM t",
        ),
        ("ref_drift_rls", "ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
    ] {
        let mut world = World::new(
            database,
            "CREATE TABLE t (id int PRIMARY KEY, no int NOT NULL UNIQUE, at timestamptz, rest text);
            INSERT INTO t SELECT i, 10000 - i, timestamptz '2000-01-01' + i * interval '1 hour' FROM generate_series(1, 2000) AS i",
        )
        .await
        .rule("t", "at", "P1Y");
        world.set("batchRows", 200);
        world.slow_down("t", 0.3).await;
        let running = world.start("one");
        world.wait_for_ledger(2).await;
        world.sql(&format!("BEGIN; SET LOCAL lock_timeout = '20s'; {change}; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO {}; COMMIT", world.role)).await;
        let erased = world.sql("SELECT sum(erased) FROM tradewind.ledger").await;
        let rows = "SELECT sum((xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || oid::regclass, true, true, '')))[1]::text::int)
            FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
        let left = world.sql(rows).await;
        let ran = running.finish().await;
        assert_eq!(ran.expect("SchemaDrift").code, 64, "{database}");
        assert_eq!(
            world.sql(rows).await,
            left,
            "{database}: rows were touched after the change"
        );
        assert_eq!(ran.rule("t").erased.to_string(), erased);
        assert_eq!(ran.rule("t").remaining, 2000 - ran.rule("t").erased);
        assert_eq!(
            world.sql("SELECT reason FROM tradewind.run").await,
            "SchemaDrift"
        );
    }
}

#[tokio::test]
async fn a_task_that_makes_no_sense_is_refused() {
    let mut world = World::new("ref_task", TABLES)
        .await
        .rule("plain", "at", "P1Y");
    for (field, value, says) in [
        (
            "timeZone",
            json!("Europe/Atlantis"),
            "the task is wrong: `timeZone` is `Europe/Atlantis`",
        ),
        ("window", json!("forever"), "`window` is `forever`"),
        ("batchRows", json!(0), "`batchRows` is 0"),
        ("maxPercent", json!(101), "`maxPercent` is 101"),
        ("rules", json!([]), "`rules` is empty"),
    ] {
        let was = world.task["spec"][field].clone();
        world.set(field, value);
        let ran = world.run().await;
        ran.expect("TaskInvalid");
        assert!(ran.report.message.contains(says), "{}", ran.report.message);
        world.set(field, was);
    }
    world.task["spec"]["rules"][0]["after"] = json!("P9999Y");
    assert!(
        world
            .run()
            .await
            .expect("PeriodTooLong")
            .report
            .message
            .contains("rule `plain`")
    );
}
