//! How old a transaction may become, by the server's clock. Tests begin in the order of their names: this one takes a minute,
//! and at the end of all nobody would be left to use it.

use std::time::Duration;

use serde_json::json;

use super::throttle::{old, until_held_back};
use super::world::access;

/// A transaction that has been open for a minute, which is the least bound: it keeps dead rows from being vacuumed.
#[tokio::test]
async fn a_transaction_that_is_open_for_too_long_holds_the_run_back() {
    let mut world = old("thr_open").await;
    world.set(
        "throttle",
        json!({"replicaLagSeconds": 10, "slotMebibytes": 10240, "transactionMinutes": 1}),
    );
    let open = "BEGIN; SELECT pg_current_xact_id(); SELECT pg_sleep(600); COMMIT";
    let other = tokio::spawn(async move { access().await.query("thr_open", open).await });
    let too_long = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
        AND xact_start < clock_timestamp() - interval '1 minute'";
    while world.sql(too_long).await != "1" {
        assert!(!other.is_finished(), "it was over before it was too long");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let running = world.start("waits");
    until_held_back(&running, "ThrottledByTransaction").await;
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
    // What it waited for, and nothing else, is what lets it go on.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
    assert_eq!(world.sql(end).await, "t");
    assert!(other.await.unwrap().is_err());
    assert_eq!(running.finish().await.expect("Done").rule("t").erased, 2000);
}
