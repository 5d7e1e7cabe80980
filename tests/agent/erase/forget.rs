//! An erasure is ended in its midst: who the person is stands nowhere any more, nothing more goes, and who has the same data is
//! told first where all is gone.

use std::time::Duration;

use serde_json::json;
use tradewind::contract::{RecipientState, RequestState};

use super::drill;
use super::recipients::{fails, recipient, row, stand};
use super::world::{Ran, World, assert_nobody, exact};
use crate::retain::world::access;

/// Whether who the person is is kept, and how the request has ended.
const KEPT: &str = "SELECT person IS NOT NULL, state FROM tradewind.request";
const OPEN: &str = "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM tradewind.run";
/// By how many values persons are suppressed, and by whose requests.
const HASHES: &str =
    "SELECT count(*), string_agg(DISTINCT reference, ',') FROM tradewind.suppressed";
const LEFT: &str = "SELECT count(*) FROM orders";

/// As the operator ends it: the ciphertext has gone by then.
async fn end(world: &World) -> Ran {
    let _ = std::fs::remove_file(world.path("identity"));
    world.start("erase", &["--lift"]).finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_its_midst_it_ends_where_it_is_and_nobody_is_known_any_more() {
    let world = super::kill::world("erf_midst").await;
    world.slow_down("orders", 1.0).await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(3).await;
    running.kill();
    assert_eq!(world.suppressed(KEPT).await, "t|");
    assert_eq!(world.sql(OPEN).await, "1|1");

    let ran = end(&world).await;
    ran.expect("Forgotten");
    assert_eq!(ran.body().state, RequestState::Forgotten);
    assert_eq!(world.suppressed(KEPT).await, "f|Forgotten");
    assert_eq!(world.sql(OPEN).await, "1|0");
    assert_nobody(&world.books().await);
    // What has gone must not come back by a restore.
    assert_eq!(world.suppressed(HASHES).await, "2|dsr-1");
    // What was erased by then is told, and is all that has gone.
    let table = ran.table("orders");
    let [erased, remaining] = [table.erased, table.remaining].map(exact);
    assert!(erased > 0 && remaining > 0, "{table:?}");
    assert_eq!(erased + remaining, 40);
    let left = (80 - erased).to_string();
    assert_eq!(world.sql(LEFT).await, left);

    // The same again says the same, and the same reference erases nobody any more.
    let again = end(&world).await;
    assert_eq!(again.expect("Forgotten").body(), ran.body());
    world.identify(&json!({"email": ["ann.planted@mail.example"]}));
    let refused = world.run().await;
    refused.expect("ReferenceReused");
    assert_eq!(world.sql(LEFT).await, left);
    assert_eq!(world.suppressed(KEPT).await, "f|Forgotten");
}

/// The pod was killed before it acknowledged anything: a restore of before is seen all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_has_erased_does_not_come_back_unseen() {
    let mut world = World::shop("erf_seen").await;
    world.sql("DROP TABLE items").await;
    let dump = access().await.dump(&world.database).await.unwrap();
    world.spec()["batchRows"] = 1.into();
    world.slow_down("orders", 1.0).await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(1).await;
    running.kill();
    let acknowledged = "SELECT number FROM tradewind.acknowledged";
    assert_eq!(world.suppressed(acknowledged).await, "0");
    end(&world).await.expect("Forgotten");
    let head = world.sql("SELECT number FROM tradewind.erasure_head").await;
    assert_eq!(world.suppressed(acknowledged).await, head);
    drill::retained(&world, "DryRun").await.expect("Previewed");
    drill::restore(&world, &dump, "erf_seen_b").await;
    world.database = "erf_seen_b".into();
    drill::retained(&world, "DryRun")
        .await
        .expect("RestoreDetected");
}

/// A pod that has not begun yet finds that it has ended, and one that is ended itself is gone on with.
#[tokio::test(flavor = "multi_thread")]
async fn before_it_begins_and_killed_at_any_moment() {
    let world = super::kill::world("erf_moments").await;
    for after in [20, 60, 110, 170] {
        let running = world.start("erase", &["--lift"]);
        tokio::time::sleep(Duration::from_millis(after)).await;
        running.kill();
    }
    let ran = world.start("erase", &["--lift"]).finish().await;
    ran.expect("Forgotten");
    assert_eq!(world.run().await.expect("ReferenceReused").code, 64);
    assert_eq!(world.sql(LEFT).await, "80");
    assert_eq!(world.suppressed(KEPT).await, "f|Forgotten");
    let nobody = "SELECT count(*) FROM tradewind.suppressed";
    assert_eq!(world.suppressed(nobody).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_gone_recipients_are_told_before_nobody_is_known() {
    let mut world = super::kill::world("erf_told").await;
    let erp = recipient(&mut world, "erp", &["email"], fails(7, 500)).await;
    world.run().await.expect("RecipientNotTold");

    let ran = end(&world).await;
    ran.expect("RecipientNotTold");
    let waits = row("erp", RecipientState::Pending, 6, "500");
    assert_eq!(stand(&ran), [waits]);
    assert_eq!(world.suppressed(KEPT).await, "t|");

    let ran = end(&world).await;
    ran.expect("Forgotten");
    let told = row("erp", RecipientState::Told, 8, "200");
    assert_eq!(stand(&ran), [told]);
    assert_eq!(exact(ran.table("orders").erased), 40);
    assert_eq!(world.suppressed(KEPT).await, "f|Forgotten");
    assert_eq!(end(&world).await.expect("Forgotten").body(), ran.body());
    assert_eq!(erp.requests(), 8);
}

/// A rule that says in which stores persons are may be gone by then: who the person is goes all the same.
#[tokio::test(flavor = "multi_thread")]
async fn without_any_store_nobody_is_known_either() {
    let mut world = super::kill::world("erf_alone").await;
    world.slow_down("orders", 1.0).await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(1).await;
    running.kill();
    world.spec()["stores"] = json!([]);
    let ran = end(&world).await;
    ran.expect("Forgotten");
    assert_eq!(world.suppressed(KEPT).await, "f|Forgotten");
}

/// What it was begun in, and not what the task names by now, is told and ended.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_ended_where_it_was_begun_whatever_the_task_names_by_now() {
    let mut world = super::kill::world("erf_began").await;
    let (access, other) = (access().await, "erf_began_b");
    access.create_database(other, "postgres").await.unwrap();
    let sql = format!(
        "CREATE TABLE visits (id int PRIMARY KEY, customer text); INSERT INTO visits SELECT i, '7' FROM generate_series(1, 20) AS i;
        GRANT SELECT, DELETE ON visits TO {0}; CREATE SCHEMA tradewind AUTHORIZATION {0}",
        world.role
    );
    access.query(other, &sql).await.unwrap();
    world.write("url-b", access.url_as(&world.role, "secret", other));
    let site = json!({"name": "site", "url": world.path("url-b"), "tables": [
        {"name": "visits", "table": "visits", "subjects": [{"column": "customer", "identity": "customerId"}]}]});
    let stores = world.spec()["stores"].as_array_mut().unwrap();
    stores.push(site.clone());
    world.slow_down("orders", 0.3).await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(2).await;
    running.terminate();
    let stopped = running.finish().await;
    stopped.expect("Stopped");

    // One store has gone from the Region, and one has come that nobody can reach.
    let unknown = json!({"name": "new", "url": world.path("url-nowhere"), "tables": []});
    world.spec()["stores"] = json!([unknown, site]);
    let ran = end(&world).await;
    ran.expect("Forgotten");
    assert!(exact(ran.table("orders").erased) > 0);
    assert_eq!(ran.table("orders"), stopped.table("orders"));
    assert_eq!(exact(ran.table("visits").remaining), 20);
    assert_eq!(ran.body().stores.len(), 2);
    assert_eq!(access.query(other, OPEN).await.unwrap(), "1|0");
    assert_eq!(world.suppressed(KEPT).await, "f|Forgotten");
    assert_nobody(&world.books().await);
    assert_eq!(end(&world).await.expect("Forgotten").body(), ran.body());
}

/// Nothing can begin any more of a request that never has, and no store is asked for that.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_begun_is_ended_without_any_store() {
    let mut world = super::kill::world("erf_never").await;
    let run = world.run().await;
    run.expect("Verified");
    world.spec()["request"]["reference"] = "dsr-2".into();
    let stores = world.spec()["stores"].take();
    world.spec()["stores"] =
        json!([{"name": "new", "url": world.path("url-nowhere"), "tables": []}]);
    end(&world).await.expect("Forgotten");
    world.spec()["stores"] = stores;
    world.identify(&json!({"email": ["ann.planted@mail.example"]}));
    assert_eq!(world.run().await.expect("ReferenceReused").code, 64);
}

/// A customer to whom a row refers that no rule names: nothing of the person may go.
pub(super) async fn blocked(database: &str) -> World {
    let sql =
        "CREATE TABLE customers (id bigint PRIMARY KEY, email text, created timestamptz NOT NULL);
        CREATE TABLE tickets (id bigint PRIMARY KEY, customer bigint REFERENCES customers);
        INSERT INTO customers VALUES (7, 'Ann.Planted@mail.example', now() - interval '1 year');
        INSERT INTO tickets VALUES (1, 7)";
    let mut world = World::new(database, sql).await;
    let by_email = json!([{"column": "email", "identity": "email"}]);
    world.table(
        "customers",
        json!({"subjects": by_email, "clock": "created"}),
    );
    world
}

/// Of an erasure that has erased nothing no hash stays, but those of another one do: nobody is erased whose request was taken
/// back.
#[tokio::test(flavor = "multi_thread")]
async fn what_erased_nothing_suppresses_nobody_any_more() {
    let mut world = blocked("erf_nothing").await;
    world.run().await.expect("RowsBlocked");
    // By one value more: by the same ones it would be the same request.
    world.spec()["request"]["reference"] = "dsr-2".into();
    let ran = world.run().await;
    assert_eq!(ran.expect("Duplicate").code, 64);
    assert!(ran.report.message.contains("`dsr-1`"), "{:?}", ran.report);
    assert_eq!(world.suppressed(HASHES).await, "1|dsr-1");
    world.identify(&json!({"email": ["ann.planted@mail.example", "ap@mail.example"]}));
    world.run().await.expect("RowsBlocked");
    assert_eq!(world.suppressed(HASHES).await, "3|dsr-1,dsr-2");

    let ran = end(&world).await;
    ran.expect("Forgotten");
    assert_eq!(ran.body().suppressed, 0);
    assert_eq!(end(&world).await.expect("Forgotten").body(), ran.body());
    assert_eq!(world.suppressed(HASHES).await, "1|dsr-1");
    world.spec()["request"]["reference"] = "dsr-1".into();
    end(&world).await.expect("Forgotten");
    assert_eq!(world.suppressed(HASHES).await, "0|");

    // Nothing is in the way by now, and erasing again finds nobody.
    world.sql("DROP TABLE tickets").await;
    world.reapply().await.expect("Verified");
    assert_eq!(world.sql("SELECT count(*) FROM customers").await, "1");
}

/// Of a store that is gone, in which rows were found, nobody can say that nothing was erased.
#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_say_what_was_erased_the_person_stays_suppressed() {
    let mut world = blocked("erf_unsure").await;
    world.run().await.expect("RowsBlocked");
    world.spec()["stores"] = json!([]);
    end(&world).await.expect("Forgotten");
    assert_eq!(world.suppressed(HASHES).await, "1|dsr-1");
}
