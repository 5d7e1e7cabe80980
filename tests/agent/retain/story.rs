//! The whole story over the sample shop: preview, approve, erase, and the same answer read back.

use jiff::civil::date;
use tradewind_dev::shop::{self, Shop};

use super::world::{Ran, World, access};

const TABLES: [&str; 4] = ["customers", "orders", "invoices", "messages"];

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

/// Erases by PostgreSQL's own calendar what the rules mean, in a copy of the shop.
async fn expected(database: &str, now: &str) -> World {
    let copy = shop(database).await;
    let wall = format!("(timestamptz '{now}' AT TIME ZONE 'Europe/Berlin')");
    copy.sql(&format!(
        "SET timezone = 'Europe/Berlin';
        DELETE FROM invoices WHERE issued_on + interval '8 years' <= {wall};
        DELETE FROM messages WHERE sent_at + interval '90 days' <= {wall};
        DELETE FROM orders o WHERE placed_at + interval '3 years' <= timestamptz '{now}'
          AND NOT EXISTS (SELECT FROM invoices i WHERE i.order_id = o.id)
          AND NOT EXISTS (SELECT FROM messages m WHERE m.order_id = o.id);
        DELETE FROM customers c WHERE last_seen_at + interval '5 years' <= timestamptz '{now}'
          AND NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)
          AND NOT EXISTS (SELECT FROM messages m WHERE m.customer_id = c.id);"
    ))
    .await;
    copy
}

/// The run's figures are those of the tables, and the dry run and the refusal foretold them.
async fn assert_told(world: &World, dry: &Ran, refused: &Ran, ran: &Ran) {
    for table in TABLES {
        let (seen, rule, was) = (refused.rule(table), ran.rule(table), dry.rule(table));
        assert!(
            rule.erased > 0 && rule.remaining == 0 && rule.failed + rule.gone == 0,
            "{rule:?}"
        );
        assert_eq!(
            (was.rows, was.due, was.null_clock),
            (seen.rows, seen.due, seen.null_clock)
        );
        assert_eq!(
            (seen.blocked, seen.remaining),
            (rule.blocked, rule.erased),
            "the forecast of {table}"
        );
        let left: i64 = world
            .sql(&format!("SELECT count(*) FROM {table}"))
            .await
            .parse()
            .unwrap();
        assert_eq!(left, rule.rows - rule.erased);
    }
    assert!(ran.rule("orders").blocked > 0 && ran.rule("customers").blocked > 0);
    assert!(ran.rule("messages").null_clock > 0 && ran.rule("customers").null_clock > 0);
    let oldest = "SELECT min(placed_at AT TIME ZONE 'Europe/Berlin')::date FROM orders";
    assert_eq!(
        ran.rule("orders").oldest_kept,
        Some(world.sql(oldest).await)
    );
}

#[tokio::test]
pub(crate) async fn the_shop_is_previewed_approved_and_cleaned() {
    let mut world = shop("story").await;
    world.set("mode", "DryRun");
    world.set("maxPercent", 5);
    let before = world.dump(&TABLES).await;
    let dry = world.run().await;
    dry.expect("Previewed");
    assert_eq!(world.dump(&TABLES).await, before);

    world.set("mode", "Enforce");
    let refused = world.run().await;
    refused.expect("AwaitingApproval");
    assert!(
        refused
            .report
            .message
            .contains("of 4 rules would erase more than 5%")
    );
    assert_eq!(world.dump(&TABLES).await, before);

    world.approve(&refused);
    let ran = world.run().await;
    ran.expect("Done");
    let now = world.sql("SELECT now FROM tradewind.run").await;
    let copy = expected("story_expected", &now).await;
    assert_eq!(world.dump(&TABLES).await, copy.dump(&TABLES).await);
    assert_told(&world, &dry, &refused, &ran).await;

    let read = world.run_with(&["--report"]).await;
    read.expect("Done").says_what_was_said(&ran);

    // What was approved has been used up and is not due any more: the next night needs nobody.
    let again = world.run().await;
    again.expect("Done");
    assert_ne!(again.body().run, ran.body().run);
    assert!(
        again
            .body()
            .rules
            .iter()
            .all(|rule| rule.erased == 0 && rule.blocked == rule.due)
    );
    assert_eq!(world.dump(&TABLES).await, copy.dump(&TABLES).await);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_even_where_it_could() {
    let mut world = shop("dry").await;
    world.set("mode", "DryRun");
    world
        .sql("DROP SCHEMA tradewind; GRANT CREATE ON DATABASE dry TO tradewind_retain")
        .await;
    world.alone().await;
    world.sql("SELECT pg_stat_reset()").await;
    let before = world.dump_all().await;
    world.run().await.expect("Previewed");
    world.run_with(&["--report"]).await.expect("NoRun");
    assert_eq!(world.dump_all().await, before);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'tradewind'";
    assert_eq!(world.sql(schemas).await, "0");
    // The server counts tuples written by every session, committed or not, by the time that the session has ended.
    world.alone().await;
    let written = "SELECT tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = 'dry'";
    assert_eq!(world.sql(written).await, "0");
}
