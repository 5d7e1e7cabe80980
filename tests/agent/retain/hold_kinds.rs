//! A held value is compared as its column's own type compares, whatever the search path finds.

use super::world::World;

async fn opened(database: &str, sql: &str, scopes: &str) -> World {
    let world = World::new(database, sql).await.rule("t", "at", "P1Y");
    world.set_up_books().await;
    let open = format!("SELECT tradewind.open_hold('one', 'case 7', 'ann', NULL, '{scopes}')");
    world.sql(&open).await;
    world
}

/// So many rows are held, in a preview and in a run; all others go.
async fn hold(mut world: World, held: i64) -> World {
    for mode in ["DryRun", "Enforce"] {
        world.set("mode", mode);
        let ran = world.run().await;
        let rule = ran.rule("t").clone();
        assert_eq!((rule.due, rule.held), (10, held), "{mode}: {rule:?}");
    }
    let left = world.sql("SELECT count(*) FROM t").await;
    assert_eq!(left, held.to_string());
    world
}

/// What the path finds is written without its schema, and was noted with it.
#[tokio::test]
async fn columns_of_types_that_people_made_are_held_by_their_values() {
    let sql = "CREATE EXTENSION citext; CREATE TYPE \"Shade\" AS ENUM ('red', 'blue');
        CREATE DOMAIN address AS text CHECK (value LIKE '%@%');
        CREATE TABLE t (id int PRIMARY KEY, at date, mail citext, shade \"Shade\", home address);
        INSERT INTO t SELECT i, '2000-01-01', 'c' || i || '@x', (CASE WHEN i > 8 THEN 'blue' ELSE 'red' END)::\"Shade\", 'h' || i || '@x'
          FROM generate_series(1, 10) AS i";
    let scopes = r#"[{"table": "public.t", "column": "mail", "values": ["C1@X", "c2@x"]},
        {"table": "public.t", "column": "shade", "values": ["blue"]}, {"table": "public.t", "column": "home", "values": ["h5@x"]}]"#;
    let world = opened("kinds_made", sql, scopes).await;
    let kinds = "SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM tradewind.hold_scope";
    assert_eq!(
        world.sql(kinds).await,
        "public.\"Shade\" public.address public.citext"
    );
    let world = hold(world, 5).await;
    let left = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM t";
    assert_eq!(world.sql(left).await, "1 2 5 9 10");
}

/// A type whose schema the path does not have would be compared as the text that it is below: in other letters a person
/// would not be held.
#[tokio::test]
pub(crate) async fn letters_of_either_case_are_held_where_their_type_says_so() {
    let sql = "CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO public; CREATE EXTENSION citext SCHEMA ext;
        CREATE DOMAIN ext.mail AS ext.citext;
        CREATE TABLE t (id int PRIMARY KEY, at date, mail ext.citext, other ext.mail);
        INSERT INTO t SELECT i, '2000-01-01', 'ann' || i || '@x', 'bob' || i || '@x' FROM generate_series(1, 10) AS i";
    let scopes = r#"[{"table": "public.t", "column": "mail", "values": ["Ann1@x", "ANN2@X"]},
        {"table": "public.t", "column": "other", "values": ["Bob3@x"]}]"#;
    hold(opened("kinds_path", sql, scopes).await, 3).await;
    let sql = "CREATE COLLATION either (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t (id int PRIMARY KEY, at date, mail text COLLATE either);
        INSERT INTO t SELECT i, '2000-01-01', 'ann' || i || '@x' FROM generate_series(1, 10) AS i";
    let scopes = r#"[{"table": "public.t", "column": "mail", "values": ["Ann1@x", "ANN2@X"]}]"#;
    hold(opened("kinds_collation", sql, scopes).await, 2).await;
}

/// The server compares no list with one of many: nobody knows whom it means, and nothing goes.
#[tokio::test]
async fn what_nothing_compares_keeps_everything() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date, mails text[]);
        INSERT INTO t SELECT i, '2000-01-01', ARRAY['m' || i] FROM generate_series(1, 10) AS i";
    let scopes = r#"[{"table": "public.t", "column": "mails", "values": ["{m1}"]}]"#;
    let mut world = opened("kinds_list", sql, scopes).await;
    for mode in ["DryRun", "Enforce"] {
        world.set("mode", mode);
        assert_eq!(world.run().await.expect("HoldUnclear").code, 64);
    }
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "10");
}
