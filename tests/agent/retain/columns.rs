//! Columns that a rule may not change, or may no longer change: refused before, or while, a row is touched.

use serde_json::{Value, json};

use super::methods::{PERSONS, changing, quoted, slow_updates, world};

const FORBIDDING: &str = r#"CREATE TABLE far (id int PRIMARY KEY, a int, b int, UNIQUE (a, b));
    CREATE DOMAIN must AS text NOT NULL; CREATE DOMAIN shall AS must;
    CREATE TABLE t (id int, part int, at date, born date NOT NULL, "Mail" text NOT NULL, login text, ci text, early text, room text,
      team text UNIQUE, whole text GENERATED ALWAYS AS (login || 'x') STORED, no int GENERATED ALWAYS AS IDENTITY, word shall,
      ref int REFERENCES far, a int, b int, years int[], weight real, note text, zoned timestamptz, size varchar(4), wide tsrange,
      PRIMARY KEY (id, part), FOREIGN KEY (a, b) REFERENCES far (a, b) MATCH FULL, UNIQUE (room), EXCLUDE (early WITH =));
    CREATE UNIQUE INDEX "Odd one" ON t (login); CREATE UNIQUE INDEX lower ON t (lower(ci)); CREATE UNIQUE INDEX partly ON t (id) WHERE note <> 'x';
    CREATE TABLE child (id int PRIMARY KEY, team text REFERENCES t (team));
    INSERT INTO t (id, part, at, born, "Mail", word) VALUES (1, 1, '2000-01-01', '2000-01-01', 'x', 'y')"#;

/// Column, what it is set to, the reason, and what the message says.
fn unfit() -> Vec<(Value, &'static str, &'static str)> {
    let null = |name: &str| json!({"name": name, "set": "Null"});
    let constant =
        |name: &str, value: &str| json!({"name": name, "set": "Constant", "value": value});
    vec![
        (
            null("mail"),
            "ColumnMissing",
            "column `mail` of public.t is not there (case counts)",
        ),
        (
            null("ctid"),
            "ColumnMissing",
            "column `ctid` of public.t is not there",
        ),
        (
            constant("part", "1"),
            "ColumnIsKey",
            "column part of public.t is in the primary key",
        ),
        (
            constant("at", "2000-01-01"),
            "ColumnIsClock",
            "column at of public.t is a clock, the rule's or a keep's",
        ),
        (
            null("whole"),
            "ColumnGenerated",
            "change the columns that it is made from",
        ),
        (
            null("no"),
            "ColumnGenerated",
            "column no of public.t is generated",
        ),
        (
            constant("team", "x"),
            "ColumnInForeignKey",
            "is what foreign key child_team_fkey refers to: take it out",
        ),
        (null("team"), "ColumnInForeignKey", "child_team_fkey"),
        (
            constant("ref", "1"),
            "ColumnInForeignKey",
            "is in foreign key t_ref_fkey: set it to Null",
        ),
        (null("a"), "ColumnInForeignKey", "foreign key t_a_b_fkey"),
        (
            constant("room", "x"),
            "ColumnUnique",
            "is in unique index t_room_key, and changed rows could become equal",
        ),
        (
            constant("login", "x"),
            "ColumnUnique",
            "unique index \"Odd one\"",
        ),
        (
            json!({"name": "login", "set": "Truncate", "length": 2}),
            "ColumnUnique",
            "\"Odd one\"",
        ),
        (null("ci"), "ColumnUnique", "unique index lower"),
        (null("note"), "ColumnUnique", "unique index partly"),
        (null("early"), "ColumnUnique", "t_early_excl"),
        (
            null("Mail"),
            "ColumnNotNull",
            "column \"Mail\" of public.t is NOT NULL: set it to a Constant",
        ),
        (null("word"), "ColumnNotNull", "column word"),
        (
            json!({"name": "born", "set": "Truncate", "length": 4}),
            "ColumnWrongType",
            "column born of public.t is date: Truncate takes a text",
        ),
        (
            json!({"name": "size", "set": "Generalise", "to": "Year"}),
            "ColumnWrongType",
            "is character varying(4): Generalise `to` takes date, timestamp or timestamptz",
        ),
        (
            json!({"name": "weight", "set": "Generalise", "step": 5}),
            "ColumnWrongType",
            "is real: Generalise by `step` takes smallint, integer, bigint or numeric",
        ),
        (
            constant("years", "{1}"),
            "ColumnWrongType",
            "is integer[]: Constant takes a column of one value",
        ),
        (constant("wide", "empty"), "ColumnWrongType", "is tsrange"),
        (
            constant("size", "longer"),
            "ConstantUnfit",
            "is character varying(4), which does not take its `value` as it is",
        ),
        (
            constant("born", "yesterday"),
            "ConstantUnfit",
            "column born of public.t is date",
        ),
        (constant("born", "31 Foo"), "ConstantUnfit", "write another"),
        (
            constant("zoned", "Now"),
            "ConstantUnfit",
            "timestamp with time zone",
        ),
        (
            constant("weight", "'; DROP TABLE t; --"),
            "ConstantUnfit",
            "is real",
        ),
    ]
}

#[tokio::test]
pub(crate) async fn each_unfit_column_is_refused_with_its_reason() {
    let good = json!([{"name": "b", "set": "Null"}]);
    let mut world = world("met_unfit", FORBIDDING, "Anonymise", good).await;
    let before = world.dump_all().await;
    for (column, reason, says) in unfit() {
        for mode in ["Enforce", "DryRun"] {
            world.set("mode", mode);
            world = changing(world, "Anonymise", json!([column]));
            let ran = world.run().await;
            assert_eq!(ran.expect(reason).code, 64);
            assert!(
                ran.report.message.contains(says),
                "{column}: {}",
                ran.report.message
            );
            assert!(ran.report.body.is_none());
        }
    }
    world = changing(
        world,
        "Nullify",
        json!([{"name": "ref", "set": "Truncate", "length": 1}]),
    );
    let ran = world.run().await;
    ran.expect("TaskInvalid");
    assert!(
        ran.report
            .message
            .contains("column `ref`: Nullify takes no `set` but Null"),
        "{}",
        ran.report.message
    );
    assert_eq!(world.dump_all().await, before);
    // Where it is proven safe, a null is no harm: a reference ends, and nulls are never equal.
    world.set("mode", "DryRun");
    for safe in ["ref", "login", "room"] {
        world = changing(world, "Nullify", json!([{"name": safe}]));
        world.run().await.expect("Previewed");
    }
}

#[tokio::test]
async fn grants_are_for_single_columns_and_printed() {
    let sql = format!(
        "{PERSONS}; ALTER TABLE t RENAME phone TO \"Pho ne\"; CREATE TABLE far (t int REFERENCES t); INSERT INTO far VALUES (1)"
    );
    let columns = json!([{"name": "Pho ne"}, {"name": "mail"}]);
    let mut world = world("met_grants", &sql, "Nullify", columns).await;
    world
        .sql(&format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {0}; REVOKE UPDATE (mail) ON t FROM {0}", world.role))
        .await;
    let ran = world.run().await;
    ran.expect("GrantsMissing");
    let (_, statements) = ran.report.message.split_once("grants: ").unwrap();
    assert_eq!(
        statements,
        r#"GRANT SELECT ("Pho ne", at, id, mail) ON public.t TO met_grants_retain; GRANT UPDATE ("Pho ne", mail) ON public.t TO met_grants_retain;"#
    );
    let (reading, _) = statements.split_once(" GRANT UPDATE").unwrap();
    world.sql(reading).await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    seen.expect("Previewed");
    assert!(
        seen.log.contains("GRANT UPDATE"),
        "the dry run says what erasing will need"
    );
    world.sql(statements).await;
    world.set("mode", "Enforce");
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 3000);
    for more in [
        "SELECT rest FROM t",
        "UPDATE t SET rest = ''",
        "DELETE FROM t",
        "SELECT FROM far",
    ] {
        assert!(
            world.as_role(more).await.is_err(),
            "more than needed: {more}"
        );
    }
}

#[tokio::test]
async fn columns_with_swapped_names_are_others() {
    const SWAP: &str = "ALTER TABLE t RENAME mail TO x; ALTER TABLE t RENAME rest TO mail; ALTER TABLE t RENAME x TO rest";
    // Between the preview and the run.
    let columns = json!([{"name": "mail", "set": "Null"}]);
    let mut world = world("met_swap", PERSONS, "Anonymise", columns).await;
    world.set("mode", "DryRun");
    world.set("maxPercent", 5);
    let seen = world.run().await;
    world.approve(&seen);
    world.set("mode", "Enforce");
    world.sql(SWAP).await;
    world
        .sql(&format!(
            "GRANT SELECT, UPDATE (mail) ON t TO {}",
            world.role
        ))
        .await;
    let ran = world.run().await;
    ran.expect("AwaitingApproval");
    assert!(
        ran.report
            .message
            .contains("for other tables, keys, clocks, columns"),
        "{}",
        ran.report.message
    );
    assert_eq!(
        world.sql("SELECT count(mail), count(rest) FROM t").await,
        "3000|3000"
    );
    // During the run, and a type.
    world.set("maxPercent", 100);
    world.set("batchRows", 200);
    slow_updates(&world, 0.2).await;
    for change in [SWAP, "ALTER TABLE t ALTER mail TYPE varchar(90)"] {
        let running = world.start("one");
        let rows = world.ledger_rows().await;
        world.wait_for_ledger(rows + 2).await;
        let lock = format!(
            "BEGIN; SET LOCAL lock_timeout = '20s'; {change}; GRANT SELECT, UPDATE (mail) ON t TO {}; COMMIT",
            world.role
        );
        world.sql(&lock).await;
        let left = world.sql("SELECT count(mail), count(rest) FROM t").await;
        let ran = running.finish().await;
        assert_eq!(ran.expect("SchemaDrift").code, 64, "{change}");
        assert_eq!(
            world.sql("SELECT count(mail), count(rest) FROM t").await,
            left,
            "rows were touched after {change}"
        );
        let rule = ran.rule("t");
        assert!(rule.erased > 0 && rule.remaining > 0, "{rule:?}");
    }
}

/// A table that is written anew all the time: to a snapshot that is older than its last copy it looks empty.
#[tokio::test]
pub(crate) async fn a_batch_that_looked_before_a_change_looks_again() {
    let columns = json!([{"name": "mail", "set": "Null"}]);
    let mut world = world("met_stale", PERSONS, "Nullify", columns).await;
    world.set("batchRows", 10);
    world.set_up_books().await;
    slow_updates(&world, 0.02).await;
    let mut running = world.start("one");
    world.wait_for_ledger(1).await;
    for _ in 0..12 {
        world
            .sql("ALTER TABLE t ALTER rest TYPE varchar(9); ALTER TABLE t ALTER rest TYPE text")
            .await;
    }
    assert!(running.is_running(), "the run ended before the changes");
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!((rule.erased, rule.gone), (3000, 0), "{rule:?}");
    assert_eq!(
        world.sql("SELECT count(mail), count(rest) FROM t").await,
        "0|3000"
    );
}

#[tokio::test]
async fn names_that_look_like_sql_are_columns() {
    let names = [
        r#"m"a'il"; DROP TABLE t; --"#,
        "select",
        "straße ☂",
        "UPPER",
        "a.b",
        "$1",
        "{}%I",
        &"ü".repeat(31),
    ];
    let columns = names
        .map(|name| format!("{} text", quoted(name)))
        .join(", ");
    let values = vec!["'secret'"; names.len()].join(", ");
    let sql = format!("CREATE TABLE t (id int PRIMARY KEY, at date, {columns}, upper text);
        INSERT INTO t VALUES (1, '2000-01-01', {values}, 'kept'), (2, current_date, {values}, 'kept')");
    let set = names
        .map(|name| json!({"name": name, "set": "Constant", "value": "'; DROP TABLE t; --$1"}));
    let world = world("met_names", &sql, "Anonymise", json!(set)).await;
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 1);
    let row = "SELECT to_jsonb(t) - 'at' - 'id' - 'upper' FROM t WHERE id = 1";
    let row: Value = serde_json::from_str(&world.sql(row).await).unwrap();
    assert_eq!(row.as_object().unwrap().len(), names.len());
    assert!(
        row.as_object()
            .unwrap()
            .values()
            .all(|value| value == "'; DROP TABLE t; --$1"),
        "{row}"
    );
    assert_eq!(
        world
            .sql("SELECT count(*) FROM t WHERE upper = 'kept'")
            .await,
        "2"
    );
    assert!(
        !world
            .sql("SELECT t::text FROM t WHERE id = 2")
            .await
            .contains("DROP")
    );
    // A name that is longer than a name can be is none, and not the one it is cut to.
    let mut world = world;
    for bad in ["u".repeat(64), "upper\u{0}".into(), "upper; --".into()] {
        world = changing(world, "Nullify", json!([{"name": bad}]));
        assert_ne!(world.run().await.code, 0, "{bad}");
    }
    assert_eq!(
        world
            .sql("SELECT count(*) FROM t WHERE upper = 'kept'")
            .await,
        "2"
    );
}
