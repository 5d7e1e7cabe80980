//! SIGKILL at any batch, two pods at once, SIGTERM: the same world, and books that say so exactly.

use std::time::Duration;

use serde_json::json;

use super::world::{World, assert_nobody};
use crate::retain::world::access;

/// Forty rows a table, in batches of four; deleting takes a while.
pub(super) async fn world(database: &str) -> World {
    let sql = "CREATE TABLE customers (id bigint PRIMARY KEY, email text);
        INSERT INTO customers VALUES (7, 'Ann.Planted@mail.example'), (8, 'bob@mail.example');
        CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers);
        INSERT INTO orders SELECT i, 7 + i % 2 FROM generate_series(1, 80) AS i;
        CREATE TABLE notes (id bigint PRIMARY KEY, about text);
        INSERT INTO notes SELECT i, CASE WHEN i % 2 = 0 THEN 'ann.planted@mail.example' ELSE 'x' END FROM generate_series(1, 80) AS i";
    let mut world = World::new(database, sql).await;
    world
        .table(
            "customers",
            json!({"subjects": [{"column": "id", "identity": "customerId"}]}),
        )
        .table(
            "orders",
            json!({"subjects": [{"column": "customer", "identity": "customerId"}]}),
        )
        .table(
            "notes",
            json!({"subjects": [{"column": "about", "identity": "email"}]}),
        );
    world.spec()["stores"][0]["lookups"] = json!([{"table": "customers",
        "by": {"column": "email", "identity": "email"}, "gives": {"column": "id", "identity": "customerId"}}]);
    world.spec()["batchRows"] = 4.into();
    world
}

async fn assert_done(world: &World) {
    let ran = world.run().await;
    ran.expect("Verified");
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [40, 40, 0, 0, 0, 0]);
    assert_eq!(ran.terms("notes"), [40, 40, 0, 0, 0, 0]);
    assert_eq!(ran.body().suppressed, 2);
    let left = "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM orders), (SELECT count(*) FROM notes)";
    assert_eq!(world.sql(left).await, "1|40|40");
    // The ledger counts what is gone, once; its numbers have no gap, and the last is acknowledged.
    let ledger = "SELECT sum(erased), count(*) = max(number), (SELECT number FROM tradewind.erasure_head) = max(number) FROM tradewind.erasure";
    assert_eq!(world.sql(ledger).await, "81|t|t");
    let head = world.sql("SELECT number FROM tradewind.erasure_head").await;
    let acknowledged = "SELECT number FROM tradewind.acknowledged";
    assert_eq!(world.suppressed(acknowledged).await, head);
}

/// Killed after each of several numbers of batches, in the midst of the next one.
#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_batch_a_rerun_finishes_with_the_same_numbers() {
    let world = world("erk_batches").await;
    world.slow_down("orders", 0.15).await;
    for batches in [1, 4, 7, 9] {
        let running = world.start("erase", &[]);
        world.wait_for_batches(batches).await;
        running.kill();
        // The pinned rows and the person, in the midst of it, by hashes and ciphertext alone.
        assert_nobody(&world.books().await);
    }
    world.sql("DROP TRIGGER slow ON orders").await;
    assert_done(&world).await;
}

/// Killed at moments that nobody chose: before the person is suppressed, while rows are pinned, at the end.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_rerun_finishes_with_the_same_numbers() {
    let world = world("erk_moments").await;
    for after in [20, 60, 100, 150, 200, 260, 330, 420] {
        let running = world.start("erase", &[]);
        tokio::time::sleep(Duration::from_millis(after)).await;
        running.kill();
    }
    assert_done(&world).await;
}

/// The customer is gone before the second store is come to: what the address led to is remembered, as ciphertext.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lookup_found_outlives_its_row() {
    let mut world = world("erk_lookup").await;
    let access = access().await;
    access
        .create_database("erk_lookup_b", "postgres")
        .await
        .unwrap();
    let sql = format!(
        "CREATE TABLE visits (id int PRIMARY KEY, customer text); INSERT INTO visits SELECT i, '7' FROM generate_series(1, 20) AS i;
        GRANT SELECT, DELETE ON visits TO {0}; CREATE SCHEMA tradewind AUTHORIZATION {0}",
        world.role
    );
    access.query("erk_lookup_b", &sql).await.unwrap();
    world.write(
        "url-b",
        access.url_as(&world.role, "secret", "erk_lookup_b"),
    );
    let url = world.path("url-b");
    world.spec()["stores"].as_array_mut().unwrap().push(json!({"name": "site", "url": url, "tables": [
        {"name": "visits", "table": "visits", "subjects": [{"column": "customer", "identity": "customerId"}]}]}));
    let slow = "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER DELETE ON visits FOR EACH STATEMENT EXECUTE FUNCTION public.slow()";
    access.query("erk_lookup_b", slow).await.unwrap();
    let running = world.start("erase", &[]);
    let gone = "SELECT count(*) FROM customers WHERE id = 7";
    while world.sql(gone).await != "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.kill();
    let left: i64 = access
        .query("erk_lookup_b", "SELECT count(*) FROM visits")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!(left > 0, "killed too late to show anything");
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("visits"), [20, 20, 0, 0, 0, 0]);
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
}

/// Two pods over one request, and one that is asked to stop.
#[tokio::test(flavor = "multi_thread")]
async fn two_pods_do_the_work_once_and_a_stopped_one_leaves_it() {
    let world = world("erk_twice").await;
    world.slow_down("orders", 0.5).await;
    let first = world.start("first", &[]);
    world.wait_for_batches(2).await;
    first.terminate();
    let stopped = first.finish().await;
    stopped.expect("Stopped");
    let (a, b) = (world.start("a", &[]), world.start("b", &[]));
    for ran in [a.finish().await, b.finish().await] {
        let word = ran.report.reason.clone();
        assert!(
            ["Verified", "AnotherRunActive"].contains(&word.as_str()),
            "{word}"
        );
    }
    world.sql("DROP TRIGGER slow ON orders").await;
    assert_done(&world).await;
}
