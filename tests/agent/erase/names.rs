//! Odd names, types and shapes of tables; values that are statements.

use serde_json::json;

use super::world::{EMAIL, World};

#[tokio::test]
async fn hostile_names_and_values_are_names_and_values() {
    let sql = r#"CREATE SCHEMA "o'dd; --"; CREATE TABLE "o'dd; --"."Us""er's" ("i d" text, "ke""y" int, "E-Mail" text, PRIMARY KEY ("i d", "ke""y"));
        INSERT INTO "o'dd; --"."Us""er's" SELECT 'k' || i, i, CASE i % 2 WHEN 0 THEN 'Robert''); DROP TABLE notes; --' ELSE 'x' END
          FROM generate_series(1, 20) AS i;
        CREATE TABLE notes (id int PRIMARY KEY, about text); INSERT INTO notes VALUES (1, '$1'), (2, '%'), (3, 'x')"#;
    let mut world = World::new("ern_hostile", sql).await;
    world
        .sql(&format!(
            r#"GRANT USAGE ON SCHEMA "o'dd; --" TO {0}; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA "o'dd; --" TO {0}"#,
            world.role
        ))
        .await;
    world
        .table("users", json!({"table": "o'dd; --.Us\"er's", "subjects": [{"column": "E-Mail", "identity": "customerId"}]}))
        .table("notes", json!({"subjects": [{"column": "about", "identity": "customerId"}]}));
    world.identify(&json!({"customerId": ["Robert'); DROP TABLE notes; --", "$1", "%"]}));
    let ran = world.run().await;
    ran.expect("Verified");
    assert_eq!(ran.terms("users"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(ran.terms("notes"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(world.sql("SELECT about FROM notes").await, "x");
}

/// Each type of column is compared as what it is; a text that is none of its values finds nothing, and is not sent to it.
#[tokio::test]
async fn columns_of_every_type_are_compared() {
    let id = "0b7a5c9e-90a1-4d3c-8f25-1c2d3e4f5a6b";
    let sql = format!(
        "CREATE EXTENSION citext; CREATE DOMAIN mail AS text;
        CREATE TABLE a (id int PRIMARY KEY, who int); INSERT INTO a VALUES (1, 7), (2, 8);
        CREATE TABLE b (id int PRIMARY KEY, who uuid); INSERT INTO b VALUES (1, '{id}'), (2, gen_random_uuid());
        CREATE TABLE c (id int PRIMARY KEY, who citext); INSERT INTO c VALUES (1, 'ANN.planted@mail.example'), (2, 'x');
        CREATE TABLE d (id int PRIMARY KEY, who mail, also varchar(40)); INSERT INTO d VALUES (1, '7', NULL), (2, NULL, '{id}'), (3, '8', '8');
        CREATE TABLE e (id int PRIMARY KEY, who numeric); INSERT INTO e VALUES (1, 7), (2, 7.0), (3, 70)"
    );
    let mut world = World::new("ern_types", &sql).await;
    let by = |kind: &str| json!({"subjects": [{"column": "who", "identity": kind}]});
    let two = json!({"subjects": [{"column": "who", "identity": "customerId"}, {"column": "also", "identity": "customerId"}]});
    world
        .table("a", by("customerId"))
        .table("b", by("customerId"))
        .table("c", by("email"));
    world.table("d", two).table("e", by("customerId"));
    world.identify(&json!({"email": [EMAIL], "customerId": ["7", id, "no number at all"]}));
    let ran = world.run().await;
    ran.expect("Verified");
    let erased = ["a", "b", "c", "d", "e"].map(|name| ran.table(name).erased);
    assert_eq!(erased, [1, 1, 1, 2, 1]);
}

/// Rows that refer to each other, and partitions.
#[tokio::test]
async fn replies_and_partitions_go_too() {
    let sql = "CREATE TABLE threads (id int PRIMARY KEY, parent int REFERENCES threads, who text);
        INSERT INTO threads SELECT i, nullif(i - 1, 0), 'Ann.Planted@mail.example' FROM generate_series(1, 9) AS i;
        INSERT INTO threads VALUES (20, NULL, 'Ann.Planted@mail.example'), (21, 20, 'x');
        CREATE TABLE events (id int, at date, who text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE events_a PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE events_b PARTITION OF events DEFAULT;
        INSERT INTO events SELECT i, date '2020-12-25' + i, 'ann.planted@mail.example' FROM generate_series(1, 12) AS i";
    let mut world = World::new("ern_replies", sql).await;
    world
        .table(
            "threads",
            json!({"subjects": [{"column": "who", "identity": "email"}]}),
        )
        .table(
            "events",
            json!({"subjects": [{"column": "who", "identity": "email"}]}),
        );
    world.spec()["batchRows"] = 2.into();
    let ran = world.run().await;
    ran.expect("RowsBlocked");
    // Somebody else answered: what they answered to stays.
    assert_eq!(ran.terms("threads"), [10, 9, 0, 0, 1, 0]);
    assert_eq!(ran.terms("events"), [12, 12, 0, 0, 0, 0]);
}

/// What the database's own users made under the server's names is not reached.
#[tokio::test]
async fn operators_of_the_databases_own_users_are_never_reached() {
    let sql = "CREATE SCHEMA evil; CREATE TABLE evil.used (what text);
        CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.used VALUES ('='); RETURN true; END $$;
        CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
        CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.used VALUES ('lower'); RETURN $1; END $$;
        CREATE FUNCTION evil.eqv(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.used VALUES ('v='); RETURN true; END $$;
        CREATE OPERATOR evil.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = evil.eqv);
        CREATE TABLE notes (id varchar(9) PRIMARY KEY, about varchar(60), who varchar(60));
        INSERT INTO notes SELECT i, 'x', CASE WHEN i < 4 THEN 'Ann.Planted@mail.example' ELSE 'y' END FROM generate_series(1, 9) AS i";
    let mut world = World::new("ern_evil", sql).await;
    let open = "GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT ALL ON evil.used TO PUBLIC";
    world
        .sql(&format!(
            "{open}; ALTER ROLE {} SET search_path = evil, public, pg_catalog",
            world.role
        ))
        .await;
    world.table(
        "notes",
        json!({"table": "public.notes", "subjects": [{"column": "who", "identity": "email"}, {"column": "about", "identity": "customerId"}]}),
    );
    world.identify(&json!({"email": [EMAIL], "customerId": ["7"]}));
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("notes"), [3, 3, 0, 0, 0, 0]);
    assert_eq!(world.sql("SELECT count(*) FROM evil.used").await, "0");
}

/// The same address, spelt twice, is one value; the request goes by it.
#[tokio::test]
async fn a_value_that_is_given_twice_is_suppressed_once() {
    let world = World::shop("ern_twice").await;
    world.sql("DROP TABLE items").await;
    world.identify(&json!({"email": [EMAIL, EMAIL.to_lowercase(), EMAIL]}));
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    let emails = "SELECT count(*) FROM tradewind.suppressed WHERE kind = 'email'";
    assert_eq!(world.suppressed(emails).await, "1");
}
