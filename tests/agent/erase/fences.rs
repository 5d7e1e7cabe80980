//! What changes in the midst of a request: columns, tables, holds, the stop switch.

use serde_json::json;

use super::world::{EMAIL, World, exact};

async fn world(database: &str) -> World {
    let sql = "CREATE TABLE notes (id bigint PRIMARY KEY, about text, author text);
        INSERT INTO notes SELECT i, 'Ann.Planted@mail.example', 'bob' FROM generate_series(1, 40) AS i";
    let mut world = World::new(database, sql).await;
    world.table(
        "notes",
        json!({"subjects": [{"column": "about", "identity": "email"}]}),
    );
    world.spec()["batchRows"] = 4.into();
    world.slow_down("notes", 0.5).await;
    world
}

/// Swapped names of two columns: nothing is erased by the wrong one.
#[tokio::test(flavor = "multi_thread")]
async fn swapped_columns_stop_the_request() {
    let world = world("erf_swapped").await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(2).await;
    world.sql("BEGIN; ALTER TABLE notes RENAME COLUMN about TO x; ALTER TABLE notes RENAME COLUMN author TO about;
        ALTER TABLE notes RENAME COLUMN x TO author; COMMIT").await;
    let ran = running.finish().await;
    ran.expect("SchemaDrift");
    let erased = exact(ran.table("notes").erased);
    assert!((8..40).contains(&erased), "{erased}");
    assert_eq!(
        world.sql("SELECT count(*) FROM notes").await,
        (40 - erased).to_string()
    );
    // Begun anew it is still not what was pinned.
    world.run().await.expect("SchemaDrift");
    world.sql("BEGIN; ALTER TABLE notes RENAME COLUMN about TO x; ALTER TABLE notes RENAME COLUMN author TO about;
        ALTER TABLE notes RENAME COLUMN x TO author; COMMIT").await;
    assert_eq!(
        world.run().await.expect("Verified").terms("notes"),
        [40, 40, 0, 0, 0, 0]
    );
}

/// A hold that is opened in the midst of a request is in force from its commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_in_force_from_its_commit() {
    let world = world("erf_hold").await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(2).await;
    let held = "SELECT tradewind.open_hold('c', 'litigation', 'x', NULL, '[{\"table\": \"public.notes\"}]'); SELECT count(*) FROM notes";
    let held: i64 = world.sql(held).await.trim().parse().unwrap();
    let ran = running.finish().await;
    ran.expect("Held");
    assert_eq!(ran.terms("notes"), [40, 40 - held, 0, held, 0, 0]);
    assert_eq!(
        world.sql("SELECT count(*) FROM notes").await,
        held.to_string()
    );
}

/// The administrator's stop switch stops a request within one batch, and it goes on afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn the_stop_switch_is_honoured() {
    let world = world("erf_stop").await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(2).await;
    let stop =
        "INSERT INTO tradewind.stop (reason) VALUES ('month end'); SELECT count(*) FROM notes";
    let left: i64 = world.sql(stop).await.parse().unwrap();
    let ran = running.finish().await;
    ran.expect("StoppedBySwitch");
    let now: i64 = world
        .sql("SELECT count(*) FROM notes")
        .await
        .parse()
        .unwrap();
    assert!(left - now <= 4, "{left} {now}");
    world.run().await.expect("StoppedBySwitch");
    world.sql("DELETE FROM tradewind.stop").await;
    assert_eq!(
        world.run().await.expect("Verified").terms("notes"),
        [40, 40, 0, 0, 0, 0]
    );
}

/// Rows that come while a request runs are counted, and left.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_late_are_counted_and_left() {
    let world = world("erf_late").await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(2).await;
    world
        .sql(&format!(
            "INSERT INTO notes VALUES (100, '{EMAIL}', 'x'), (101, '{EMAIL}', 'x')"
        ))
        .await;
    world.sql("DELETE FROM notes WHERE id = 40").await;
    let ran = running.finish().await;
    ran.expect("Verified");
    let notes = ran.table("notes");
    assert_eq!(
        [notes.found, notes.late, notes.erased.plus(notes.gone)].map(exact),
        [40, 2, 40],
        "{notes:?}"
    );
    assert_eq!(
        world
            .sql("SELECT string_agg(id::text, ' ') FROM notes")
            .await,
        "100 101"
    );
}
