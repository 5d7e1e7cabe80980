//! Each law's example: its periods a second time, what its page promises of one person's requests, and what came of them.

use std::path::Path;

use serde_json::{Value, json};

use super::channel::Channel;
use super::requests::{Followed, deadlines};
use super::{Ends, Example, is_carried_out};
use crate::feed::world::store;

/// Every word is in the text.
#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[tokio::test]
async fn the_gdpr_example_is_carried_out() {
    let example = Example {
        folder: "gdpr",
        policy: "gdpr-shop",
        zone: "Europe/Berlin",
        messages: Ends::After("60 days"),
        invoices: Ends::Years(8),
        orders: Ends::Years(8),
        customers: Ends::After("2 years"),
    };
    let mut applied = is_carried_out(example).await;
    let Followed { said, shown, .. } = applied.follow().await;
    has(&said, &["GDPR Article 12(3): P1M", "1182/71"]);
    let lines = [
        "customers: <5 found, <5 erased,  kept \n",
        "messages: 9 found, 9 erased,  kept \n",
        "orders: 18 found, 5 erased, 13 kept AO 147(3) (DataPolicy gdpr-shop)\n",
        "\"hash\":\"sha256-",
    ];
    has(&shown["dsr-2026-17"], &lines);
    assert_eq!(applied.left_of_the_person().await, "0|0|13|13");
}

/// No sale first: the advertiser hears of everybody but the person from then on. Then the rows go, and what the channel's
/// database had of the person.
#[tokio::test(flavor = "multi_thread")]
async fn the_ccpa_example_is_carried_out() {
    let example = Example {
        folder: "ccpa",
        policy: "ccpa-shop",
        zone: "America/New_York",
        messages: Ends::After("180 days"),
        invoices: Ends::After("7 years"),
        orders: Ends::After("7 years"),
        customers: Ends::After("3 years"),
    };
    let mut applied = is_carried_out(example).await;
    let channel = Channel::start(&mut applied.hub, "example_ccpa_inbox").await;
    channel.hears("8976", "a1").await;
    for sink in ["erp", "ads"] {
        channel.took(sink, &["a1"]).await;
    }
    let Followed { said, shown, .. } = applied.follow().await;
    has(&said, &["15BD", "10BD", "P45D", "P90D"]);
    let opted = [
        "\"channel\":\"aurora/partner\"",
        "\"sinks\":[\"ads\"]",
        "\"inForceSince\":\"20",
    ];
    has(&shown["opt-out-2026-3"], &opted);
    let wanted = deadlines(applied.request("opt-out-2026-3"));
    assert_eq!(wanted, ["opt-out in effect: 15BD"]);
    channel.hears("8976", "a2").await;
    channel.hears("31", "b1").await;
    channel.took("erp", &["a1", "a2", "b1"]).await;
    channel.took("ads", &["a1", "b1"]).await;

    let lines = [
        "customers: <5 found, <5 erased,  kept \n",
        "messages: 9 found, 9 erased,  kept \n",
        "orders: 18 found, 5 erased, 13 kept 26 USC 6001 and 6511(d)(1) (DataPolicy ccpa-shop)\n",
        "events of aurora/partner: <5 found, <5 erased,  kept \n",
        "\"hash\":\"sha256-",
    ];
    has(&shown["dsr-2026-18"], &lines);
    assert_eq!(applied.left_of_the_person().await, "0|0|13|13");
}

/// A copy in fifteen days: all that the rules find of the person, and of nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_lgpd_example_is_carried_out() {
    let example = Example {
        folder: "lgpd",
        policy: "lgpd-shop",
        zone: "America/Sao_Paulo",
        messages: Ends::After("180 days"),
        invoices: Ends::Years(5),
        orders: Ends::Years(5),
        customers: Ends::After("2 years"),
    };
    let mut applied = is_carried_out(example).await;
    let server = store().await;
    server.create_bucket("aurora-feeds").unwrap();
    for (key, text) in [
        ("accessKeyId", server.access_key().to_owned()),
        ("secretAccessKey", server.secret_key().to_owned()),
        ("endpoint", server.endpoint()),
        ("region", "us-east-1".to_owned()),
    ] {
        let name = format!("aurora-copies/{key}");
        applied.hub.secrets.insert(name, text);
    }
    let followed = applied.follow().await;
    has(&followed.said, &["LGPD Article 19", "P15D", "immediate"]);
    let lines = [
        "customers: <5\n",
        "messages: 9\n",
        "orders: 18\n",
        "\"manifest\":\"copies/br-south/dsr-2026-21/br-south.manifest.json\"",
    ];
    has(&followed.shown["dsr-2026-21"], &lines);
    let wanted = deadlines(applied.request("dsr-2026-21"));
    assert!(wanted.contains(&"response: P15D".to_owned()), "{wanted:?}");
    assert_eq!(applied.left_of_the_person().await, "1|9|18|18");

    let folder = server.folder().join("aurora-feeds/copies/br-south");
    is_the_persons(&folder, &followed.reader);
}

/// The copy as its reader has it.
fn is_the_persons(folder: &Path, reader: &age::x25519::Identity) {
    let read = |suffix: &str| {
        let file = folder.join(format!("dsr-2026-21/br-south{suffix}"));
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let manifest: Value = serde_json::from_slice(&read(".manifest.json")).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(
        files.len(),
        4,
        "one of all, and one of each table: {manifest}"
    );
    let whole = age::decrypt(reader, &read(".json.age")).unwrap();
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let tables = whole["stores"]["aurora-orders"].as_object().unwrap();
    let rows = |table: &str| tables[table].as_array().unwrap();
    let counts = ["customers", "messages", "orders"].map(|table| rows(table).len());
    assert_eq!(counts, [1, 9, 18]);
    assert_eq!(rows("customers")[0]["email"], "customer8976@shop.example");
    for table in ["messages", "orders"] {
        let own = |row: &Value| row["customer_id"] == json!(8976);
        assert!(rows(table).iter().all(own), "{table}");
    }
}

/// One policy under three laws: each law that keeps is one, and the longest decides. A person's receipt has the law for each row
/// that stays, and which of its columns.
#[tokio::test]
async fn the_example_of_three_regimes_is_carried_out() {
    let example = Example {
        folder: "three-regimes",
        policy: "world-shop",
        zone: "Europe/Berlin",
        messages: Ends::After("90 days"),
        invoices: Ends::Years(8),
        orders: Ends::Years(8),
        customers: Ends::After("3 years"),
    };
    let mut applied = is_carried_out(example).await;
    // Of orders that German law still keeps, the shop being done with them, a run took what that law lets go.
    let told = "SELECT count(*) FILTER (WHERE status = 'closed'), count(*) FROM orders WHERE why IN ('young', 'has a draft')";
    assert_eq!(applied.world.sql(told).await, "11|11");
    let Followed { said, shown, .. } = applied.follow().await;
    has(
        &said,
        &[
            "GDPR Article 12(3): P1M",
            "LGPD Article 19",
            "11 CCR 7021(b): P45D",
        ],
    );
    let columns = "[\"id\",\"customer_id\",\"placed_at\",\"total\",\"currency\"]";
    let lines = [
        "customers: <5 found, <5 erased,  kept\n",
        "messages: 9 found, 9 erased,  kept\n",
        "orders: 18 found, 5 erased, 13 kept\n",
        &format!("  7 rows by CTN 173 and 195 (DataPolicy tax-records): {columns}\n"),
        &format!("  6 rows by AO 147(3) (DataPolicy tax-records): {columns}\n"),
        "\"hash\":\"sha256-",
    ];
    has(&shown["dsr-2026-31"], &lines);
    assert_eq!(applied.left_of_the_person().await, "0|0|13|0");
    applied
        .world
        .sql("DELETE FROM invoices WHERE why = 'asks'")
        .await;

    // The rows that stay do so by Germany's law and by Brazil's: without one of them, and without both.
    applied.hub.policies.get_mut("world-shop").unwrap()["spec"]["mode"] = json!("DryRun");
    for (law, due) in [("german-vouchers", 7), ("brazilian-tax-records", 13)] {
        let records = applied.hub.policies.get_mut("tax-records").unwrap();
        let rules = records["spec"]["rules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["name"] != law);
        let (seen, _) = applied.retain("Previewed").await;
        assert_eq!(seen.rule("invoices").due, due, "without {law}");
    }
}
