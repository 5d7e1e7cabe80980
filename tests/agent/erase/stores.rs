//! Stores come to a request that is under way, and leave it: none is passed over that rows may still go from, or are hidden in.

use serde_json::{Value, json};
use tradewind::contract::RequestState;

use super::forget::blocked;
use super::restrict::prepare;
use super::world::{Ran, World, assert_nobody, exact};
use crate::retain::world::access;

const HASHES: &str = "SELECT count(*) FROM tradewind.suppressed";
const OPEN: &str = "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM tradewind.run";
const VISITS: &str = "SELECT count(*) FROM visits";
const KEPT: &str = "SELECT person IS NOT NULL, state FROM tradewind.request";

/// A shop from which nothing may go, as a row refers to its customer that no rule names; and a site, another store, with 20
/// visits of the same person.
async fn world(database: &str) -> (World, String, Value) {
    let world = blocked(database).await;
    let by_email = json!([{"column": "email", "identity": "email"}]);
    let (access, site) = (access().await, format!("{database}_site"));
    access.create_database(&site, "postgres").await.unwrap();
    let sql = format!(
        "CREATE TABLE visits (id int PRIMARY KEY, email text, at timestamptz NOT NULL);
        INSERT INTO visits SELECT i, 'Ann.Planted@mail.example', now() - interval '1 year' FROM generate_series(1, 20) AS i;
        GRANT SELECT, UPDATE, DELETE ON visits TO {0}; CREATE SCHEMA tradewind AUTHORIZATION {0}",
        world.role
    );
    access.query(&site, &sql).await.unwrap();
    world.write("url-site", access.url_as(&world.role, "secret", &site));
    let store = json!({"name": "site", "url": world.path("url-site"), "tables": [
        {"name": "visits", "table": "visits", "subjects": by_email, "clock": "at"}]});
    (world, site, store)
}

async fn at(site: &str, sql: &str) -> String {
    access().await.query(site, sql).await.unwrap()
}

/// As the operator ends it: the ciphertext has gone by then.
async fn end(world: &World) -> Ran {
    let _ = std::fs::remove_file(world.path("identity"));
    world.start("erase", &["--lift"]).finish().await
}

/// A store joins, loses its rows, and the request is taken back: a restore of it brings nobody back.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_from_a_store_that_joined_comes_back_by_no_restore() {
    let (mut world, site, store) = world("est_joined").await;
    let dump = access().await.dump(&site).await.unwrap();
    world.run().await.expect("RowsBlocked");
    let stores = world.spec()["stores"].as_array_mut().unwrap();
    stores.push(store);
    let ran = world.run().await;
    assert_eq!(
        ran.expect("RowsBlocked").terms("visits"),
        [20, 20, 0, 0, 0, 0]
    );

    let ran = end(&world).await;
    assert_eq!(exact(ran.expect("Forgotten").table("visits").erased), 20);
    assert_eq!(at(&site, OPEN).await, "1|0");
    assert_eq!(world.suppressed(HASHES).await, "1");
    assert_eq!(end(&world).await.expect("Forgotten").body(), ran.body());

    world.sql("DROP TABLE tickets").await;
    let (access, restored) = (access().await, "est_joined_b");
    access.create_database(restored, "postgres").await.unwrap();
    access.script(restored, &dump, &[]).await.unwrap();
    world.write("url-site", access.url_as(&world.role, "secret", restored));
    assert_eq!(at(restored, VISITS).await, "20");
    world.reapply().await.expect("Verified");
    assert_eq!(at(restored, VISITS).await, "0");
}

/// What is left in a store keeps the request open, though no rule says any more that persons are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_does_not_end_without_a_store_that_it_is_not_done_in() {
    let (mut world, _, store) = world("est_left").await;
    let shop = world.spec()["stores"][0].clone();
    world.spec()["stores"] = json!([shop, store]);
    let both = world.run().await;
    both.expect("RowsBlocked");

    world.spec()["stores"] = json!([store]);
    let ran = world.run().await;
    assert_eq!(ran.expect("SchemaDrift").code, 64);
    let message = &ran.report.message;
    assert!(message.contains("store `shop`"), "{message}");
    assert_eq!(world.suppressed(KEPT).await, "t|");

    // One that it is done in may go, and its numbers stay.
    world.spec()["stores"] = json!([shop]);
    let ran = world.run().await;
    ran.expect("RowsBlocked");
    assert_eq!(ran.table("visits"), both.table("visits"));
    assert_eq!(ran.body().stores[1].state, Some(RequestState::Verified));
    world.sql("DELETE FROM tickets").await;
    let ran = world.run().await;
    ran.expect("Verified");
    assert_eq!(ran.terms("visits"), [20, 20, 0, 0, 0, 0]);
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.suppressed(KEPT).await, "f|Verified");
    assert_eq!(world.run().await.expect("Verified").body(), ran.body());
    assert_nobody(&world.books().await);
}

/// A pod that is killed at work in a store has told of no end there.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_on_in_is_not_done_until_that_is_told() {
    let (mut world, site, store) = world("est_killed").await;
    let shop = world.spec()["stores"][0].clone();
    world.spec()["stores"] = json!([shop, store]);
    world.run().await.expect("RowsBlocked");
    // Another table comes to it, and the next pod dies over that.
    let sql = format!(
        "CREATE TABLE letters (id int PRIMARY KEY, email text, at timestamptz NOT NULL);
        INSERT INTO letters SELECT i, email, at FROM (VALUES (1, 'Ann.Planted@mail.example', now())) AS v (i, email, at);
        GRANT SELECT, DELETE ON letters TO {};
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER DELETE ON letters FOR EACH STATEMENT EXECUTE FUNCTION slow()",
        world.role
    );
    at(&site, &sql).await;
    let mut wider = store.clone();
    let tables = wider["tables"].as_array_mut().unwrap();
    let mut letters = tables[0].clone();
    (letters["name"], letters["table"]) = ("letters".into(), "letters".into());
    tables.push(letters);
    world.spec()["stores"] = json!([shop, wider]);
    let running = world.start("erase", &[]);
    let sleeps = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{site}' AND wait_event = 'PgSleep'"
    );
    while at(&site, &sleeps).await == "0" {
        tokio::task::yield_now().await;
    }
    running.kill();
    world.spec()["stores"] = json!([shop]);
    let ran = world.run().await;
    ran.expect("SchemaDrift");
    let message = &ran.report.message;
    assert!(message.contains("store `site`"), "{message}");
}

const HIDDEN: &str = "SELECT count(*) FROM visits WHERE restricted_by IS NOT NULL";

async fn lift(world: &World) -> Value {
    world.start("lift", &["--lift"]).finish_plain().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lift_reaches_all_that_was_hidden_or_says_what_it_lacks() {
    let (mut world, site, store) = world("est_lift").await;
    let shop = world.spec()["stores"][0].clone();
    world.spec()["request"]["kind"] = "Restriction".into();
    prepare(&world).await;
    world.spec()["stores"] = json!([store]);
    world.database = site.clone();
    prepare(&world).await;
    world.database = "est_lift".to_owned();
    world.spec()["stores"] = json!([shop, store]);
    world.run().await.expect("Verified");
    at(
        &site,
        "CREATE TABLE letters (id int PRIMARY KEY, email text, at timestamptz)",
    )
    .await;

    let ruled = |name: &str, table: &str| {
        let mut ruled = store.clone();
        ruled["tables"][0]["name"] = name.into();
        ruled["tables"][0]["table"] = table.into();
        ruled
    };
    let table = "table `visits` of store `site`";
    for (stores, lacks) in [
        (json!([shop]), "store `site`"),
        (json!([shop, ruled("letters", "letters")]), table),
        (json!([shop, ruled("visits", "letters")]), table),
    ] {
        world.spec()["stores"] = stores;
        let refused = lift(&world).await;
        assert_eq!(refused["reason"], "HiddenRowsUnmapped", "{refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(lacks), "{message}");
        assert_eq!(at(&site, HIDDEN).await, "20");
    }
    // A rule may have got another name.
    world.spec()["stores"] = json!([shop, ruled("calls", "visits")]);
    let lifted = lift(&world).await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    assert_eq!(at(&site, HIDDEN).await, "0");
    // Once nothing is hidden nothing is missed.
    world.spec()["stores"] = json!([shop]);
    let lifted = lift(&world).await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
}

/// It is taken back before its pod has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_late_hides_nothing_once_that_was_lifted() {
    let (mut world, _, _) = world("est_late").await;
    world.spec()["request"]["kind"] = "Restriction".into();
    prepare(&world).await;
    let lifted = lift(&world).await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    let ran = world.run().await;
    ran.expect("ReferenceReused");
    let message = &ran.report.message;
    assert!(message.contains("was lifted"), "{message}");
    let hidden = "SELECT count(*) FROM customers WHERE restricted_by IS NOT NULL";
    assert_eq!(world.sql(hidden).await, "0");
}
