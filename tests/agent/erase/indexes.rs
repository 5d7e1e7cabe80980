//! A person is looked up by the index of a column, where there is one: a request for three rows does not read a whole table.

use std::fmt::Write as _;

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_person_is_found_by_the_index_of_the_column() {
    let tables = [
        ("texts", "text", "'p' || n", "who"),
        ("numbers", "bigint", "n", "who"),
        ("uuids", "uuid", "lpad(n::text, 32, '0')::uuid", "who"),
        (
            "mails",
            "varchar(60)",
            "'P' || n || '@x'",
            "lower(who::text COLLATE \"C\")",
        ),
    ];
    let mut sql = String::new();
    for (table, kind, value, index) in tables {
        write!(
            sql,
            "CREATE TABLE {table} (id int PRIMARY KEY, who {kind}, at timestamptz);
            INSERT INTO {table} SELECT n, {value}, '2020-01-01' FROM generate_series(1, 20000) AS n;
            INSERT INTO {table} VALUES (20001, NULL, '2020-01-01');
            CREATE INDEX {table}_who ON {table} ({index});"
        )
        .unwrap();
    }
    let mut world = World::new("eri_index", &format!("{sql} ANALYZE")).await;
    for (table, _, _, _) in tables {
        let kind = if table == "mails" {
            "email"
        } else {
            "customerId"
        };
        let subjects = json!([{"column": "who", "identity": kind}]);
        world.table(table, json!({"subjects": subjects, "clock": "at"}));
    }
    let uuid = "00000000-0000-0000-0000-000000000007";
    world.identify(&json!({"customerId": ["p7", "7", uuid], "email": ["p7@X"]}));
    let ran = world.run().await;
    ran.expect("Verified");
    for (table, _, _, _) in tables {
        assert_eq!(ran.terms(table), [1, 1, 0, 0, 0, 0], "{table}");
        // The server tells what a session did once that has ended.
        let scans = format!(
            "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = '{table}_who'"
        );
        assert_eq!(world.sql(&scans).await, "t", "{table}");
    }
}
