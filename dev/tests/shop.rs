//! The sample shop: large enough, whole, the same for the same seed, and its roles can do what they need.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use jiff::civil::date;
use tradewind_dev::postgres::Server;
use tradewind_dev::shop::{self, Shop};

const FINGERPRINT: &str = "SELECT md5(string_agg(r, '')) FROM (
    SELECT c::text AS r FROM customers c UNION ALL SELECT o::text FROM orders o
    UNION ALL SELECT i::text FROM invoices i UNION ALL SELECT m::text FROM messages m ORDER BY 1) AS rows";

#[tokio::test]
async fn a_full_shop_loads_fast_and_the_same_seed_gives_the_same_rows() {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .await
        .unwrap();
    let access = server.access();
    let until = date(2026, 7, 1);
    let started = Instant::now();
    Shop::full(until).load(access, "full").await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "took {:?}",
        started.elapsed()
    );
    let counts = "SELECT (SELECT count(*) FROM orders) >= 200000,
        (SELECT max(placed_at) - min(placed_at) FROM orders) > interval '3600 days',
        (SELECT count(*) FROM invoices WHERE issued_on IS NULL) > 0,
        (SELECT count(*) FROM messages WHERE sent_at IS NULL) > 0,
        (SELECT count(*) FROM customers WHERE last_seen_at IS NULL) > 0";
    assert_eq!(access.query("full", counts).await.unwrap(), "t|t|t|t|t");

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
}
