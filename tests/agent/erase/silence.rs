//! PostgreSQL's own log has no word of the person, whatever it is set to log; else nothing is bound at all.

use super::world::{World, assert_nobody};
use crate::retain::world::access;

/// What the server has logged so far.
async fn server_log() -> String {
    let folder = access()
        .await
        .query("postgres", "SHOW data_directory")
        .await
        .unwrap();
    let log = std::path::Path::new(folder.trim())
        .parent()
        .unwrap()
        .join("log");
    std::fs::read_to_string(log).unwrap()
}

async fn alter(role: &str, sets: &[(&str, &str)]) {
    for (name, value) in sets {
        let sql = format!("ALTER ROLE {role} SET {name} = '{value}'");
        access().await.query("postgres", &sql).await.unwrap();
    }
}

/// Everything is logged but the values: an erasure, failures included, and a copy leave no word in the log.
#[tokio::test]
async fn all_statements_logged_and_no_word_of_the_person() {
    let world = World::shop("ers_all").await;
    let sets = [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_min_error_statement", "debug5"),
        ("log_min_messages", "debug1"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "-1"),
        ("debug_print_plan", "on"),
        ("debug_print_parse", "on"),
    ];
    alter(&world.role, &sets).await;
    world.sql("CREATE TABLE other (id int PRIMARY KEY, customer bigint REFERENCES customers); INSERT INTO other VALUES (1, 7)").await;
    world.grant().await;
    world.run().await.expect("RowsBlocked");
    world.sql("DELETE FROM items; DELETE FROM other").await;
    world.run().await.expect("Kept");
    let log = server_log().await;
    let statements = log.matches("tradewind.suppressed").count();
    assert!(statements > 0, "the statements were to be logged");
    assert!(
        log.contains("DELETE FROM public.orders AS t"),
        "the statements were to be logged"
    );
    assert_nobody(&log);
}

/// A server that would log values is refused, with what mends it, before any is bound.
#[tokio::test]
async fn a_server_that_would_log_values_is_refused() {
    let world = World::shop("ers_values").await;
    for (name, value) in [
        ("log_statement", "all"),
        ("log_statement", "mod"),
        ("log_min_duration_statement", "0"),
        ("log_min_duration_sample", "10"),
        ("log_transaction_sample_rate", "0.5"),
    ] {
        alter(&world.role, &[(name, value)]).await;
        let ran = world.run().await;
        ran.expect("ServerLogsValues");
        let mend = format!(
            "ALTER ROLE {} SET log_parameter_max_length = 0;",
            world.role
        );
        assert!(ran.report.message.contains(&mend), "{}", ran.report.message);
        let reset = format!("ALTER ROLE {} RESET {name}", world.role);
        access().await.query("postgres", &reset).await.unwrap();
    }
    // A role that may, does so itself.
    alter(&world.role, &[("log_statement", "all")]).await;
    let grant = format!(
        "GRANT SET ON PARAMETER log_parameter_max_length TO {}",
        world.role
    );
    access().await.query("postgres", &grant).await.unwrap();
    world.sql("DROP TABLE items").await;
    world.run().await.expect("Kept");
    assert_nobody(&server_log().await);
    // The books would not show it either: nothing had been begun.
    let requests = "SELECT count(*) FROM tradewind.request";
    assert_eq!(world.suppressed(requests).await, "1");
}

/// A row that a constraint refuses stands whole in the detail of the error: the log has the error without it, or the
/// request is refused.
#[tokio::test]
async fn a_row_that_the_server_refuses_is_not_in_its_log() {
    let mut world = World::shop("ers_check").await;
    world
        .sql("DROP TABLE items; ALTER TABLE customers ADD CHECK (email LIKE '%@%')")
        .await;
    world.set_table("customers", "method", "Anonymise".into());
    let gone = serde_json::json!([{"name": "email", "set": "Constant", "value": "gone"}]);
    world.set_table("customers", "columns", gone);
    let reset = format!("ALTER ROLE {} RESET log_error_verbosity", world.role);
    access().await.query("postgres", &reset).await.unwrap();
    let ran = world.run().await;
    ran.expect("ServerLogsValues");
    let mend = format!("ALTER ROLE {} SET log_error_verbosity = terse;", world.role);
    assert!(ran.report.message.contains(&mend), "{}", ran.report.message);
    access().await.query("postgres", &mend).await.unwrap();
    let ran = world.run().await;
    ran.expect("RowsFailed");
    assert_eq!(ran.terms("customers"), [1, 0, 0, 0, 0, 1]);
    let log = server_log().await;
    assert!(log.contains("violates check constraint"), "it was refused");
    assert_nobody(&log);
}
