//! A person asks for erasure, from the officer's command line to the receipt: what docs/walkthrough-gdpr.md has the officer
//! type, word for word and with an officer's rights. The region has made its key, a real pod erases, and who it was stands
//! nowhere but in the database, before, and nowhere at all after.

use serde_json::{Value, json};
use tradewind::contract::Count;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::{Stage, settle};

use crate::SOON;
use crate::desk::{Desk, section};
use crate::page::Block;
use crate::quickstart::count;
use crate::silence::{Along, told_nowhere};
use crate::world::sql_of;

/// Whom the page is about, with orders that a law keeps; and the request's name there.
const SHOP_CUSTOMER: &str = "8976";
pub(crate) const SHOP_EMAIL: &str = "customer8976@shop.example";
pub(crate) const NAME: &str = "dsr-2026-17";
/// The same person under another address and number, which are found nowhere by chance: a customer with two messages whom
/// nobody else has heard of.
pub(crate) const CUSTOMER: &str = "777000779";
pub(crate) const EMAIL: &str = "planted.q7x@mail.example";
const REGION: &str = "eu-west";

async fn patch(hub: &Cluster, kind: &str, name: &str, patch: Value) {
    let patch = patch.to_string();
    let args = ["patch", kind, name, "--type=merge", "-p", &patch];
    hub.kubectl(&args).await.unwrap();
}

async fn until(hub: &Cluster, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    settle::until(what, SOON, || async {
        let seen = settle::get(hub, "datasubjectrequest", None, NAME).await?;
        let seen = seen.unwrap_or_default();
        Ok(if is_so(&seen) {
            Ok(seen)
        } else {
            Err(seen["status"].to_string())
        })
    })
    .await
    .unwrap()
}

/// Counts what is left of the person: rows with their messages, and with a name.
fn left() -> String {
    let both = format!("({CUSTOMER}, {SHOP_CUSTOMER})");
    format!(
        "SELECT (SELECT count(*) FROM customers WHERE id IN {both} AND (name, email) <> ('erased', 'erased'))
           + (SELECT count(*) FROM messages WHERE customer_id IN {both})"
    )
}

pub(crate) async fn a_person_is_erased_from_receipt_to_receipt(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let mut page: Vec<Block> = section("docs/walkthrough-gdpr.md", "7. ");
    page.retain(|block| block.language.is_empty());
    let page: Vec<String> = page.into_iter().map(|block| block.text).collect();
    let [clock, create, apply, record, wait, read, answer] = page.as_slice() else {
        panic!("the page's section has other blocks than this test knows: {page:?}");
    };
    let rows = format!(
        "INSERT INTO customers VALUES ({CUSTOMER}, 'Planted', '{EMAIL}', 'DE', now(), now());
        INSERT INTO messages SELECT gen_random_uuid(), {CUSTOMER}, NULL, now()::timestamp, 'hello' FROM generate_series(1, 2)"
    );
    sql_of(stage, REGION, &rows).await;
    let kept = format!("SELECT count(*) FROM orders WHERE customer_id = {SHOP_CUSTOMER}");
    let orders = sql_of(stage, REGION, &kept).await;
    assert_ne!(orders.trim(), "0", "the page's person has orders");

    let desk = Desk::new(stage);
    let along = Along::of(stage);
    assert!(desk.types(clock, "").contains("GDPR"), "the law's clock");
    assert!(create.ends_with(&format!("\nemail={SHOP_EMAIL}\n")));
    desk.types(create, &format!("email={}\n", EMAIL.to_uppercase()));
    let shown = desk.types(apply, "");
    assert!(shown.contains(NAME), "{shown}");
    let seen = until(&hub, "it is received", |seen| {
        seen["status"]["state"] == "Received"
    })
    .await;
    assert_eq!(seen["status"]["clock"], "OnTime", "{seen}");
    assert!(seen["spec"]["identity"][0]["ciphertext"].is_string());
    let left = left();
    let before = sql_of(stage, REGION, &left).await;
    let before: i64 = before.trim().parse().unwrap();
    assert!(before > 4, "{before} rows before anybody saw who it is");

    desk.types(record, "");
    desk.types(wait, "");
    let shown = desk.types(read, "");
    let seen = until(&hub, "the receipt, and the identity gone", |seen| {
        seen["status"]["receipt"].is_object() && seen["spec"].get("identity").is_none()
    })
    .await;
    let receipt = &seen["status"]["receipt"];
    assert_eq!(receipt["outcome"], "Done", "{seen}");
    let hash = receipt["hash"].as_str().unwrap();
    for word in ["AO 147(3)", hash, "customers", "orders", "messages"] {
        assert!(shown.contains(word), "{word} is not shown: {shown}");
    }
    assert!(!count(receipt, "erased").is_zero(), "{seen}");
    assert!(!count(receipt, "kept").is_zero(), "{seen}");
    assert_eq!(seen["status"]["regions"][0]["progress"], "Kept", "{seen}");
    assert_eq!(sql_of(stage, REGION, &left).await, "0");
    let now = sql_of(stage, REGION, &kept).await;
    assert_eq!(now, orders, "a law keeps the orders");
    let access = &stage.info.databases[REGION].access;
    let hashes = access
        .query("suppression", "SELECT count(*) FROM tradewind.suppressed")
        .await;
    assert_eq!(
        hashes.unwrap().trim(),
        "4",
        "two addresses and two numbers, as hashes"
    );
    desk.types(answer, "");
    until(&hub, "the answer is recorded", |seen| {
        seen["spec"]["answered"].is_object()
    })
    .await;

    an_import_brings_nobody_back(stage, &hub, &left).await;

    // Who it was stands in no API server, no etcd, no metric and no log.
    let texts = [EMAIL, SHOP_EMAIL, CUSTOMER];
    let told = told_nowhere(stage, &texts, &[]).await;
    along.told_nowhere(1, &texts).await;
    assert!(told.contains(NAME));

    // As the next chapters expect it.
    hub.kubectl(&["delete", "datasubjectrequest", NAME, "--timeout=300s"])
        .await
        .unwrap();
    let before = json!({"metadata": {"annotations": {"tradewind.dev/reapply": null}}});
    patch(&hub, "region", REGION, before).await;
}

/// Rows of the same person, as they were before: the region is told by an annotation, and a real pod with the operator's
/// own task finds them by the hashes alone.
async fn an_import_brings_nobody_back(stage: &Stage, hub: &Cluster, left: &str) {
    let rows = format!(
        "UPDATE customers SET name = 'Planted', email = '{EMAIL}', last_seen_at = '2020-01-01' WHERE id = {CUSTOMER};
        INSERT INTO messages SELECT gen_random_uuid(), {CUSTOMER}, NULL, timestamp '2020-01-02', 'hello' FROM generate_series(1, 2)"
    );
    sql_of(stage, REGION, &rows).await;
    assert_eq!(sql_of(stage, REGION, left).await, "3", "they are back");
    let asked = json!({"metadata": {"annotations": {"tradewind.dev/reapply": "import-1"}}});
    patch(hub, "region", REGION, asked).await;
    let told = settle::until("the import was gone through", SOON, || async {
        let told = settle::get(hub, "region", None, REGION).await?.unwrap();
        let told = told["status"]["requests"].clone();
        Ok(if told["lastHandledReapply"] == "import-1" {
            Ok(told)
        } else {
            Err(told.to_string())
        })
    })
    .await
    .unwrap();
    // The orders of the page's person are gone through too.
    assert_eq!(told["reapplied"]["state"], "Kept", "{told}");
    let tables = told["reapplied"]["stores"][0]["tables"].as_array().unwrap();
    let erased: Count = tables.iter().map(|it| count(it, "erased")).sum();
    assert_eq!(erased.to_string(), "2-8", "{told}");
    assert_eq!(sql_of(stage, REGION, left).await, "0");
}
