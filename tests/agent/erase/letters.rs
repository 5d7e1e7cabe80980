//! Columns whose collation takes different texts for one: a request compares bytes there as everywhere, since hashes know no
//! collation, and what is erased is found again after a restore.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::world::World;

/// `A` is `a`; and `ä` is `a`, too.
const COLLATIONS: &str =
    "CREATE COLLATION either (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE COLLATION bare (provider = icu, locale = 'und-u-ks-level1', deterministic = false)";

fn by(kind: &str) -> Value {
    json!({"subjects": [{"column": "who", "identity": kind}], "clock": "at"})
}

/// Who is left in each of the tables.
async fn left<const N: usize>(world: &World, tables: [&str; N]) -> [String; N] {
    let mut all = tables.map(|_| String::new());
    for (left, table) in all.iter_mut().zip(tables) {
        let sql = format!(
            "SELECT string_agg(who::text, ' ' ORDER BY who::text COLLATE \"C\") FROM {table}"
        );
        *left = world.sql(&sql).await;
    }
    all
}

/// In whatever kind of column: one of `citext` is compared byte by byte as well.
#[tokio::test]
async fn whoever_is_erased_is_found_again_whatever_the_collation_says() {
    let tables = ["a", "b", "c", "d", "e"];
    let kinds = [
        "text COLLATE either",
        "varchar(9) COLLATE either",
        "mail",
        "citext COLLATE either",
        "citext",
    ];
    let mut sql =
        format!("CREATE EXTENSION citext; {COLLATIONS}; CREATE DOMAIN mail AS text COLLATE either");
    let mut fill = String::new();
    for (table, kind) in tables.iter().zip(kinds) {
        write!(
            sql,
            "; CREATE TABLE {table} (id int PRIMARY KEY, who {kind}, at timestamptz)"
        )
        .unwrap();
        write!(fill, "INSERT INTO {table} VALUES (1, 'ann', '2020-01-01'), (2, 'Ann', '2020-01-01'), (3, 'bob', '2020-01-01')
            ON CONFLICT DO NOTHING;").unwrap();
    }
    let mut world = World::new("erl_letters", &format!("{sql}; {fill}")).await;
    for table in tables {
        world.table(table, by("customerId"));
    }
    // The other spelling is another's, as in every column: after a restore nobody could tell whose it is.
    for (person, reference, stays) in [("Ann", "dsr-1", "ann bob"), ("ann", "dsr-2", "bob")] {
        world.identify(&json!({"customerId": [person]}));
        world.spec()["request"]["reference"] = reference.into();
        let ran = world.run().await;
        ran.expect("Verified");
        for table in tables {
            assert_eq!(ran.terms(table), [1, 1, 0, 0, 0, 0], "{table}");
        }
        assert_eq!(left(&world, tables).await, tables.map(|_| stays));
    }
    // Both are back; each is scanned, though the collation says that they are one.
    world.sql(&fill).await;
    let ran = world.reapply().await;
    ran.expect("Verified");
    for table in tables {
        assert_eq!(ran.terms(table), [2, 2, 0, 0, 0, 0], "{table}");
    }
    assert_eq!(left(&world, tables).await, tables.map(|_| "bob"));
}

/// Where letters A to Z are the same as a to z, an accent is still another person's, at the erasure and after a restore.
#[tokio::test]
async fn nobody_else_is_erased_again() {
    let fill = "INSERT INTO a VALUES (1, 'ANN@x', '2020-01-01'), (2, 'ann@x', '2020-01-01'), (3, 'änn@x', '2020-01-01')
        ON CONFLICT DO NOTHING";
    let sql = format!(
        "{COLLATIONS}; CREATE TABLE a (id int PRIMARY KEY, who text COLLATE bare, at timestamptz); {fill}"
    );
    let mut world = World::new("erl_accents", &sql).await;
    world.table("a", by("email"));
    world.identify(&json!({"email": ["Ann@X"]}));
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("a"), [2, 2, 0, 0, 0, 0]);
    world.sql(fill).await;
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Verified").terms("a"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(left(&world, ["a"]).await, ["änn@x"]);
}

/// A lookup leads to each spelling, and not to one for all.
#[tokio::test]
async fn a_lookup_tells_every_spelling() {
    let sql = format!(
        "{COLLATIONS}; CREATE TABLE people (id int PRIMARY KEY, mail text COLLATE bare, number text COLLATE either);
        INSERT INTO people VALUES (1, 'ann@x', 'K7'), (2, 'Ann@X', 'k7'), (3, 'änn@x', 'k8');
        CREATE TABLE a (id int PRIMARY KEY, who text, at timestamptz);
        INSERT INTO a SELECT row_number() OVER (), who, '2020-01-01' FROM unnest(ARRAY['K7', 'k7', 'K8', 'k8']) AS who"
    );
    let mut world = World::new("erl_lookup", &sql).await;
    world.table("a", by("customerId"));
    world.spec()["stores"][0]["lookups"] = json!([{"table": "people",
        "by": {"column": "mail", "identity": "email"}, "gives": {"column": "number", "identity": "customerId"}}]);
    world.identify(&json!({"email": ["ann@x"]}));
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("a"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(left(&world, ["a"]).await, ["K8 k8"]);
}
