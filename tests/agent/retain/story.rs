//! The whole story over the sample shop: preview, approve, erase, and the same answer read back.

use jiff::civil::date;
use serde_json::json;
use tradewind_dev::shop::{self, Shop};

use super::world::{World, access};

async fn shop(database: &str) -> World {
    let access = access().await;
    Shop::small(date(2026, 7, 1))
        .load(access, database)
        .await
        .unwrap();
    World::of(
        database,
        shop::RETAIN,
        &shop::url(access, shop::RETAIN, database),
    )
    .rule("orders", "placed_at", "P3Y")
    .rule("invoices", "issued_on", "P8Y")
    .rule("messages", "sent_at", "P90D")
    .rule("customers", "last_seen_at", "P5Y")
}

/// The shop's tables in one text.
async fn dump(world: &World) -> String {
    world
        .sql(
            "SELECT string_agg(r, E'\\n') FROM (SELECT c::text AS r FROM customers c UNION ALL SELECT o::text FROM orders o
            UNION ALL SELECT i::text FROM invoices i UNION ALL SELECT m::text FROM messages m ORDER BY 1) AS rows",
        )
        .await
}

#[tokio::test]
async fn the_shop_is_previewed_approved_and_cleaned() {
    let mut world = shop("story").await;
    world.set("mode", "DryRun");
    world.set("maxPercent", 5);
    let before = dump(&world).await;
    let dry = world.run().await;
    dry.expect("Previewed");
    assert_eq!(dump(&world).await, before);
    println!("{:#?}", dry.report);

    world.set("mode", "Enforce");
    let refused = world.run().await;
    refused.expect("AwaitingApproval");
    assert_eq!(dump(&world).await, before);

    let preview = refused.preview();
    world.set(
        "approval",
        json!({"hash": preview.hash(), "by": "dpo@shop.example", "preview": preview}),
    );
    let ran = world.run().await;
    println!("{:#?}\n{}", ran.report, ran.log);
    ran.expect("Done");
}
