//! A person's rows that are hidden until that is lifted, and keys that go with their person.

use serde_json::{Value, json};

use super::world::{Ran, World, assert_nobody, exact};
use crate::retain::world::access;

/// Makes every table hide restricted rows, as the agent's messages say; answers the application's role.
pub(crate) async fn prepare(world: &World) -> String {
    let ran = world.run().await;
    ran.expect("RestrictionUnprepared");
    world.sql(&said(&ran)).await;
    let app = format!("{}_app", world.database);
    access().await.create_role(&app, "secret").await.unwrap();
    let grant = format!("GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}");
    world.sql(&grant).await;
    app
}

fn said(ran: &Ran) -> String {
    let lines = ran.log.lines();
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // Each table's refusal, whole; not the report's.
    let refused =
        lines.filter(|line| line["reason"] == "RestrictionUnprepared" && line["store"].is_string());
    let sql = refused.map(|line| {
        let message = line["message"].as_str().unwrap();
        message
            .split_once("restricted rows: ")
            .unwrap()
            .1
            .to_owned()
    });
    sql.collect::<Vec<_>>().join("\n")
}

const SEEN: &str = "SELECT (SELECT count(*) FROM customers WHERE id = 7), (SELECT count(*) FROM orders WHERE customer = 7),
    (SELECT count(*) FROM messages WHERE sender ~* 'planted'), (SELECT count(*) FROM invoices WHERE customer = 7),
    (SELECT count(*) FROM orders)";

#[tokio::test]
async fn a_person_is_hidden_until_the_restriction_is_lifted() {
    let mut world = World::shop("rst_person").await;
    world.spec()["request"]["kind"] = "Restriction".into();
    let app = prepare(&world).await;
    let sql = format!("SET ROLE {app}; {SEEN}");
    assert_eq!(world.sql(&sql).await, "1|10|10|10|200");
    let ran = world.run().await;
    ran.expect("Verified");
    // What a law keeps is hidden, too; nothing is erased, and nobody is suppressed.
    let hidden = |name: &str| [ran.table(name).found, ran.table(name).restricted].map(exact);
    assert_eq!(
        ["customers", "orders", "messages", "invoices"].map(hidden),
        [[1, 1], [10, 10], [10, 10], [10, 10]]
    );
    assert_eq!(ran.terms("orders"), [10, 0, 0, 0, 0, 0]);
    assert_eq!(ran.body().suppressed, 0);
    assert!(ran.report.message.contains("hidden, not erased"));
    assert_eq!(world.sql(&sql).await, "0|0|0|0|190");
    assert_eq!(world.sql(SEEN).await, "1|10|10|10|200");
    assert_eq!(
        world
            .suppressed("SELECT count(*) FROM tradewind.suppressed")
            .await,
        "0"
    );
    assert_nobody(&world.books().await);
    assert_eq!(world.run().await.expect("Verified").body(), ran.body());
    // An erasure of the same person reaches what is hidden.
    world.sql("DROP TABLE items").await;
    let lifted = world.start("lift", &["--lift"]).finish_plain().await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    assert_eq!(lifted["body"]["state"], "Lifted", "{lifted}");
    let rows: i64 = lifted["body"]["lifted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["rows"].as_i64().unwrap())
        .sum();
    assert_eq!(rows, 31);
    assert_eq!(world.sql(&sql).await, "1|10|10|10|200");
    world.run().await.expect("ReferenceReused");
    world.spec()["request"]["reference"] = "dsr-2".into();
    world.run().await.expect("Verified");
    world.spec()["request"]["reference"] = "dsr-3".into();
    world.spec()["request"]["kind"] = "Erasure".into();
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("orders"), [10, 10, 0, 0, 0, 0]);
    // What is erased comes back by no lift: it only ends who is kept for it.
    let lift = world.start("lift", &["--lift"]).finish_plain().await;
    assert_eq!(lift["reason"], "Forgotten", "{lift}");
    assert_eq!(world.sql(&sql).await.split('|').nth(1), Some("0"));
    world.set_table("orders", "method", "Restrict".into());
    world.spec()["request"]["reference"] = "dsr-4".into();
    let ran = world.run().await;
    ran.expect("TaskInvalid");
    assert!(
        ran.report.message.contains("Restrict is no erasure"),
        "{}",
        ran.report.message
    );
}

/// A key for each person: their request destroys it, and has its receipt.
#[tokio::test]
pub(crate) async fn a_persons_key_goes_with_a_receipt() {
    let mut world = World::shop("shr_person").await;
    world
        .sql(
            "DROP TABLE items; CREATE TABLE keys (customer bigint PRIMARY KEY, data_key bytea);
            INSERT INTO keys SELECT id, sha256(id::text::bytea) FROM customers",
        )
        .await;
    world.grant().await;
    let keys = json!({"subjects": [{"column": "customer", "identity": "customerId"}], "method": "Shred", "columns": [{"name": "data_key"}]});
    world.table("keys", keys);
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("keys"), [1, 1, 0, 0, 0, 0]);
    let receipt = "SELECT rule, fingerprint = sha256(sha256('7')), (SELECT count(*) FROM keys WHERE data_key IS NULL) FROM tradewind.shredded";
    assert_eq!(world.sql(receipt).await, "keys|t|1");
}

/// An objection is upheld before all is hidden: the erasure takes its place, and its copy of who the person is goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_takes_the_place_of_a_restriction_that_has_not_ended() {
    let mut world = super::kill::world("rst_upheld").await;
    world.spec()["request"]["kind"] = "Restriction".into();
    prepare(&world).await;
    world
        .sql(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER UPDATE ON orders FOR EACH STATEMENT EXECUTE FUNCTION public.slow()",
        )
        .await;
    let running = world.start("erase", &[]);
    let known = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'rst_upheld' AND query LIKE '%orders%' AND wait_event = 'PgSleep'";
    while world.sql(known).await == "0" {
        tokio::task::yield_now().await;
    }
    running.kill();
    let kept =
        "SELECT reference, person IS NOT NULL, state FROM tradewind.request ORDER BY reference";
    assert_eq!(world.suppressed(kept).await, "dsr-1|t|");

    world.spec()["request"]["kind"] = "Erasure".into();
    world.spec()["request"]["reference"] = "dsr-1_erasure".into();
    world.spec()["request"]["supersedes"] = "dsr-1".into();
    world.run().await.expect("Verified");
    assert_eq!(
        world.suppressed(kept).await,
        "dsr-1|f|Superseded\ndsr-1_erasure|f|Verified"
    );
    let open = "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM tradewind.run";
    assert_eq!(world.sql(open).await, "2|0");
    assert_nobody(&world.books().await);
}

/// A task that would end another request than a restriction is refused.
#[tokio::test]
async fn only_an_erasure_takes_the_place_of_another_request() {
    let mut world = World::shop("rst_place").await;
    for (kind, before) in [
        ("Restriction", "dsr-0"),
        ("Erasure", "dsr-1"),
        ("Erasure", "Ann Smith"),
    ] {
        world.spec()["request"]["kind"] = kind.into();
        world.spec()["request"]["supersedes"] = before.into();
        let ran = world.run().await;
        assert!(
            ran.expect("TaskInvalid")
                .report
                .message
                .contains("request.supersedes")
        );
    }
}
