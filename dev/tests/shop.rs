//! The sample shop: large enough, whole, the same for the same seed, and its roles can do what they need.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it stands"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use jiff::civil::{Date, date};
use tradewind_dev::postgres::{Access, NEWER, Server};
use tradewind_dev::shop::{self, Shop};

/// Each walk-through with its example, and the policy of `make up` that has erased in its region before.
const PAGES: [(&str, &str, &str); 4] = [
    ("ccpa", "ccpa/2-policy.yaml", "us-customers"),
    ("gdpr", "gdpr/2-policy.yaml", "eu-customers"),
    ("lgpd", "lgpd/2-policy.yaml", "us-customers"),
    (
        "three-regimes",
        "three-regimes/2-policy.yaml",
        "us-customers",
    ),
];

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(file)).unwrap()
}

/// After how many days a policy's rule erases, at least and at most.
fn days(policy: &str, rule: &str) -> (u32, u32) {
    let (_, rest) = policy.split_once(&format!("- name: {rule}\n")).unwrap();
    let (_, period) = rest.split_once("after: P").unwrap();
    let end = period.find(|c: char| !c.is_ascii_digit()).unwrap();
    let number: u32 = period[..end].parse().unwrap();
    match &period[end..=end] {
        "D" => (number, number),
        "Y" => (365 * number, 366 * number),
        other => panic!("{other} in {period}"),
    }
}

/// A page's hold keeps something back: the customer that it names has messages, and a row, that `make up` has not erased and
/// the example's policy would, on whatever day and at whatever hour.
async fn what_a_walk_through_holds_is_due(access: &Access, until: Date) {
    let quickstart = read("examples/quickstart/3-policies.yaml");
    for (page, example, before) in PAGES {
        let text = read(&format!("docs/walkthrough-{page}.md"));
        let (typed, _) = text.split_once(" > ids.txt").unwrap();
        let customer = typed.rsplit_once("echo ").unwrap().1;
        let (_, before) = quickstart.split_once(&format!("name: {before}\n")).unwrap();
        let example = read(&format!("examples/{example}"));
        for (rule, of, clock) in [
            ("messages", "customer_id", "sent_at"),
            ("customers", "id", "last_seen_at"),
        ] {
            let ((_, due), (gone, _)) = (days(&example, rule), days(before, rule));
            let sql = format!(
                "SELECT count(*) > 0 FROM {rule} WHERE {of} = {customer}
                    AND timestamp '{until}' - {clock}::timestamp BETWEEN interval '{} days' AND interval '{} days'",
                due + 1,
                gone - 3
            );
            let found = access.query("full", &sql).await.unwrap();
            assert_eq!(found, "t", "{page}: {rule} of customer {customer}: {sql}");
        }
    }
}

/// Whoever asks on a page has messages, and orders; and none whose invoice is a draft, which nothing ever erases: such an order
/// could not go, and the request would not end.
async fn whoever_asks_on_a_walk_through_is_there(access: &Access) {
    for (page, ..) in PAGES {
        let text = read(&format!("docs/walkthrough-{page}.md"));
        let (_, rest) = text.split_once("\nemail=customer").unwrap();
        let (customer, _) = rest.split_once("@shop.example\n").unwrap();
        let sql = format!(
            "SELECT (SELECT count(*) FROM messages WHERE customer_id = c.id) > 0, (SELECT count(*) FROM orders WHERE customer_id = c.id) > 0,
                (SELECT count(*) FROM orders AS o JOIN invoices AS i ON i.order_id = o.id WHERE o.customer_id = c.id AND i.issued_on IS NULL)
              FROM customers AS c WHERE c.email = 'customer{customer}@shop.example' AND c.id = {customer}"
        );
        let found = access.query("full", &sql).await.unwrap();
        assert_eq!(found, "t|t|0", "{page}: customer {customer}");
    }
}

const FINGERPRINT: &str = "SET timezone = 'UTC'; SELECT md5(string_agg(r, '')) FROM (
    SELECT c::text AS r FROM customers c UNION ALL SELECT o::text FROM orders o
    UNION ALL SELECT i::text FROM invoices i UNION ALL SELECT m::text FROM messages m ORDER BY 1) AS rows";

#[tokio::test]
async fn a_full_shop_is_whole_and_the_same_seed_gives_the_same_rows() {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .await
        .unwrap();
    let access = server.access();
    let until = date(2026, 7, 1);
    Shop::full(until).load(access, "full").await.unwrap();
    let counts = "SELECT (SELECT count(*) FROM orders) >= 200000,
        (SELECT max(placed_at) - min(placed_at) FROM orders) > interval '3600 days',
        (SELECT count(*) FROM invoices WHERE issued_on IS NULL) > 0,
        (SELECT count(*) FROM messages WHERE sent_at IS NULL) > 0,
        (SELECT count(*) FROM customers WHERE last_seen_at IS NULL) > 0";
    assert_eq!(access.query("full", counts).await.unwrap(), "t|t|t|t|t");
    what_a_walk_through_holds_is_due(access, until).await;
    whoever_asks_on_a_walk_through_is_there(access).await;

    Shop::small(until).load(access, "one").await.unwrap();
    Shop::small(until).load(access, "two").await.unwrap();
    Shop {
        seed: 2,
        ..Shop::small(until)
    }
    .load(access, "other")
    .await
    .unwrap();
    let one = access.query("one", FINGERPRINT).await.unwrap();
    assert_eq!(one, access.query("two", FINGERPRINT).await.unwrap());
    assert_ne!(one, access.query("other", FINGERPRINT).await.unwrap());
    assert!(shop::url(access, shop::RETAIN, "one").contains("tradewind_retain:"));

    // On a newer server too.
    let newer = Server::start_newer(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .await
        .unwrap();
    let newer = newer.access();
    let version = newer.query("postgres", "SHOW server_version").await;
    assert!(version.unwrap().starts_with(NEWER));
    Shop::small(until).load(newer, "one").await.unwrap();
    assert_eq!(one, newer.query("one", FINGERPRINT).await.unwrap());
}
