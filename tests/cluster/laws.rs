//! docs/walkthrough-lgpd.md and docs/walkthrough-ccpa.md, typed from their beginning to the verified quarter, on the region in
//! the United States as `make up` leaves it: what `walk` has of every page, and here the requests of section 7.

use std::path::Path;

use serde_json::{Value, json};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::RUNS;
use tradewind_dev::story::{Stage, settle};

use crate::desk::{Desk, section};
use crate::kill::restore_shops;
use crate::walk::{Walk, number, of_the_region};
use crate::world::sql_of;

const REGION: &str = "us-east";
/// Whom the pages are about.
const CUSTOMER: &str = "8976";

const LGPD: Walk = Walk {
    page: "docs/walkthrough-lgpd.md",
    region: REGION,
    policy: "lgpd-shop",
    before: "us-customers",
    hold: "processo-2026-88",
    court: "TJSP",
    messages: "180 days",
    findings: &[("High", 0), ("Medium", 0)],
    words: &[
        "how long backups of store aurora-orders stay is unknown",
        "LGPD Articles 33 to 36",
    ],
    undated: "Medium",
    customers: &[" erased, <5 held, ", ", 0 left"],
};

const CCPA: Walk = Walk {
    page: "docs/walkthrough-ccpa.md",
    region: REGION,
    policy: "ccpa-shop",
    before: "us-customers",
    hold: "claim-2026-204",
    court: "Superior Court of Los Angeles",
    messages: "180 days",
    findings: &[("High", 0), ("Medium", 2)],
    words: &[
        "how long backups of store aurora-orders stay is unknown",
        "11 CCR 7022(d)",
    ],
    undated: "Low",
    customers: &[" erased, <5 held, ", ", 0 left"],
};

/// What a page has the officer type in section 7, block by block.
fn typed<const N: usize>(walk: &Walk) -> [String; N] {
    let all = section(walk.page, "7. ").into_iter();
    let all: Vec<String> = all.map(|block| block.text).collect();
    all.try_into()
        .unwrap_or_else(|all| panic!("{}: section 7 has other blocks: {all:#?}", walk.page))
}

/// The shop of the region with all its rows, but for the messages that its own policy has erased by then.
async fn as_make_up_leaves_it(stage: &Stage) {
    restore_shops(stage, &[REGION]).await;
    let gone = "DELETE FROM messages WHERE sent_at < now()::timestamp - interval '1 year'";
    sql_of(stage, REGION, gone).await;
}

async fn spec_of(hub: &Cluster, kind: &str, name: &str) -> Value {
    let seen = settle::get(hub, kind, None, name).await.unwrap();
    seen.unwrap_or_else(|| panic!("no {kind} {name}"))
}

pub(crate) async fn the_page_of_brazil_is_followed(stage: &mut Stage) {
    as_make_up_leaves_it(stage).await;
    let hub = stage.fleet.cluster(HUB).unwrap();
    let before = spec_of(&hub, "datapolicy", LGPD.before).await;
    let region = spec_of(&hub, "region", REGION).await["spec"].take();
    let desk = Desk::new(stage);
    LGPD.until_the_release(stage, &desk).await;
    a_copy_is_had(stage, &desk).await;
    LGPD.the_quarter_is_verified(stage, &desk).await;

    // As the next chapters expect it.
    delete(&hub, &["dsr-2026-21"]).await;
    let copies = stage.info.object_store.folder.join("aurora-feeds/copies");
    if copies.exists() {
        std::fs::remove_dir_all(copies).unwrap();
    }
    let cluster = stage.fleet.cluster(REGION).unwrap();
    let secret = ["delete", "secret", "aurora-copies", "-n", RUNS];
    cluster.kubectl(&secret).await.unwrap();
    let law =
        json!({"spec": {"jurisdictions": region["jurisdictions"], "locale": region["locale"]}});
    let law = law.to_string();
    let law = ["patch", "region", REGION, "--type=merge", "-p", &law];
    hub.kubectl(&law).await.unwrap();
    LGPD.as_before(stage, &hub, before).await;
}

pub(crate) async fn the_page_of_california_is_followed(stage: &mut Stage) {
    as_make_up_leaves_it(stage).await;
    let hub = stage.fleet.cluster(HUB).unwrap();
    let before = spec_of(&hub, "datapolicy", CCPA.before).await;
    let desk = Desk::new(stage);
    CCPA.until_the_release(stage, &desk).await;
    nothing_is_sold_and_the_person_is_deleted(stage, &desk).await;
    CCPA.the_quarter_is_verified(stage, &desk).await;

    // As the next chapters expect it.
    delete(&hub, &["opt-out-2026-3", "dsr-2026-18"]).await;
    CCPA.as_before(stage, &hub, before).await;
}

async fn delete(hub: &Cluster, requests: &[&str]) {
    let args = [
        &["delete", "datasubjectrequest", "--timeout=300s"][..],
        requests,
    ];
    hub.kubectl(&args.concat()).await.unwrap();
}

/// All rows of the person that rules find, as one text.
const ALL: &str = "SELECT md5(string_agg(t, '' ORDER BY t)) FROM (
    SELECT c::text AS t FROM customers AS c WHERE id = 8976
    UNION ALL SELECT m::text FROM messages AS m WHERE customer_id = 8976
    UNION ALL SELECT o::text FROM orders AS o WHERE customer_id = 8976) AS t";

async fn a_copy_is_had(stage: &Stage, desk: &Desk<'_>) {
    let [clock, keys, create, hand_in, record, wait, read, answer] = typed(&LGPD);
    let shown = desk.types(&clock, "");
    for word in ["LGPD Article 19", "P15D", "no number in law"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    desk.types(&of_the_region(stage, REGION, &keys), "");
    assert!(
        !desk.file("secretAccessKey").exists(),
        "the key stays there"
    );
    let reader = age::x25519::Identity::generate();
    assert!(create.contains("--reader age1... "), "{create}");
    let rows = sql_of(stage, REGION, ALL).await;
    desk.types(
        &create.replace("age1...", &reader.to_public().to_string()),
        "",
    );
    for text in [hand_in, record, wait] {
        desk.types(&text, "");
    }
    let shown = desk.types(&read, "");
    let manifest = "copies/us-east/dsr-2026-21/us-east.manifest.json";
    for word in ["customers: <5\n", "messages: ", "orders: ", manifest] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    desk.types(&answer, "");
    let now = sql_of(stage, REGION, ALL).await;
    assert_eq!(now, rows, "a copy changes nothing");
    let bucket = stage.info.object_store.folder.join("aurora-feeds");
    assert!(bucket.join(manifest).is_file(), "no {manifest}");
    is_the_persons(stage, &bucket, &reader).await;
}

/// The reader, and nobody else, reads all of the person.
async fn is_the_persons(stage: &Stage, bucket: &Path, reader: &age::x25519::Identity) {
    let file = bucket.join("copies/us-east/dsr-2026-21/us-east.json.age");
    let copy = age::decrypt(reader, &std::fs::read(file).unwrap()).unwrap();
    let copy: Value = serde_json::from_slice(&copy).unwrap();
    let tables = &copy["stores"]["aurora-orders"];
    assert_eq!(tables["customers"][0]["email"], "customer8976@shop.example");
    for table in ["messages", "orders"] {
        let of = format!("SELECT count(*) FROM {table} WHERE customer_id = {CUSTOMER}");
        let there = number(stage, REGION, &of).await;
        let rows = tables[table].as_array().map_or(0, Vec::len);
        assert_eq!(i64::try_from(rows).unwrap(), there, "{table}");
    }
}

async fn nothing_is_sold_and_the_person_is_deleted(stage: &Stage, desk: &Desk<'_>) {
    let [
        clock,
        opt_out,
        opted_out,
        create,
        hand_in,
        record,
        wait,
        read,
        answer,
    ] = typed(&CCPA);
    let shown = desk.types(&clock, "");
    for word in ["15BD", "10BD", "P45D", "P90D"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    desk.types(&opt_out, "");
    let shown = desk.types(&opted_out, "");
    assert!(shown.contains("us-east: NothingToStop"), "{shown}");

    let left = "SELECT (SELECT count(*) FROM customers WHERE id = 8976 AND (name, email) <> ('erased', 'erased'))
        + (SELECT count(*) FROM messages WHERE customer_id = 8976)";
    let kept = "SELECT count(*) FROM orders WHERE customer_id = 8976 AND placed_at > now() - interval '6 years 11 months'";
    let orders = number(stage, REGION, kept).await;
    assert!(orders > 0, "the page's person has orders");
    assert_ne!(number(stage, REGION, left).await, 0);
    for text in [create, hand_in, record, wait] {
        desk.types(&text, "");
    }
    let shown = desk.types(&read, "");
    for word in ["26 USC 6001", "customers: ", "messages: ", "sha256-"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    desk.types(&answer, "");
    assert_eq!(number(stage, REGION, left).await, 0);
    assert_eq!(
        number(stage, REGION, kept).await,
        orders,
        "a law keeps them"
    );
}
