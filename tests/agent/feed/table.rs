//! A table or view of PostgreSQL is the same catalogue as the document.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use tokio::sync::OnceCell;
use tradewind_dev::postgres::Server;

use super::world::{Ended, World};

/// One server for all tests of this file; its watchdog stops it when the binary ends.
static SERVER: OnceCell<Server> = OnceCell::const_new();

async fn server() -> &'static Server {
    SERVER
        .get_or_init(async || {
            let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
            Server::start(listen).await.unwrap()
        })
        .await
}

const TABLE: &str = "
    CREATE SCHEMA shop;
    CREATE TABLE shop.\"Odd \"\"items\" (
      id text PRIMARY KEY, item_group_id text, title text, description text, link text, image_link text,
      additional_image_links text[], brand text, gtin bigint, condition varchar(10), availability text,
      prices jsonb, tax text, tax_class text, quantity integer, color text, size text, material text,
      language char(2), translations jsonb, margin double precision, secret_note text);";

/// A world whose catalogue stands in a table too; the role may read it.
async fn world(database: &str, items: u64) -> World {
    let mut world = World::new(&database.replace('_', "-"), items).await;
    let access = server().await.access();
    access.create_role(database, "reader").await.unwrap();
    access.create_database(database, "postgres").await.unwrap();
    let catalogue = world.merchant.catalogue();
    let mut rows = String::from("[");
    for place in 0..items {
        rows.push_str(if place > 0 { "," } else { "" });
        catalogue.json(place, &mut rows);
    }
    rows.push(']');
    let fill = format!(
        "{TABLE} INSERT INTO shop.\"Odd \"\"items\"
           SELECT * FROM jsonb_populate_recordset(NULL::shop.\"Odd \"\"items\", $items${rows}$items$);
         GRANT USAGE ON SCHEMA shop TO {database}; GRANT SELECT ON shop.\"Odd \"\"items\" TO {database};"
    );
    access.script(database, &fill, &[]).await.unwrap();
    let url = world.dir.path().join("catalogue-url");
    std::fs::write(&url, access.url_as(database, "reader", database)).unwrap();
    world.spec()["source"] = json!({"postgres": {"url": url, "table": "shop.Odd \"items"}});
    world
}

async fn sql(database: &str, sql: &str) {
    let access = server().await.access();
    access.script(database, sql, &[]).await.unwrap();
}

async fn table(world: &mut World, name: &str) -> Ended {
    world.spec()["source"]["postgres"]["table"] = name.into();
    world.run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_and_a_view_give_the_bytes_that_the_document_gives() {
    let mut world = world("feed_table", 300).await;
    let source = world.task["spec"]["source"].clone();
    let token = world.dir.path().join("token");
    let url = world.merchant.url();
    world.spec()["source"] =
        json!({"http": {"url": url, "format": "Json", "auth": {"bearer": token}}});
    world.run().await.wrote();
    world.spec()["source"] = source;
    let ended = world.run().await;
    assert_eq!(ended.outcome(), (0, "Done", false), "{ended:#?}");
    sql(
        "feed_table",
        "CREATE VIEW backwards AS SELECT * FROM shop.\"Odd \"\"items\" ORDER BY id DESC;
         CREATE MATERIALIZED VIEW kept AS SELECT * FROM backwards;
         GRANT SELECT ON backwards, kept TO feed_table;",
    )
    .await;
    for name in ["backwards", "public.kept"] {
        let ended = table(&mut world, name).await;
        assert_eq!(ended.outcome(), (0, "Done", false), "{ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_a_table_are_exact() {
    let mut world = world("feed_exact", 1).await;
    sql(
        "feed_exact",
        "CREATE VIEW exact AS SELECT i.id, i.title, i.description, i.link, i.image_link, i.brand, i.condition,
           i.availability, 1234567.125::numeric AS price, 'EUR' AS currency FROM shop.\"Odd \"\"items\" i;
         CREATE VIEW rounded AS SELECT id, 0.1::float8 AS price FROM shop.\"Odd \"\"items\";
         CREATE VIEW nameless AS SELECT title FROM shop.\"Odd \"\"items\";
         CREATE VIEW large AS SELECT id, repeat('x', 300000) AS title FROM shop.\"Odd \"\"items\";
         CREATE VIEW broken AS SELECT (1 / (length(id) - length(id)))::text AS id FROM shop.\"Odd \"\"items\";
         CREATE VIEW hidden AS SELECT id FROM shop.\"Odd \"\"items\";
         GRANT SELECT ON exact, rounded, nameless, large, broken TO feed_exact;",
    )
    .await;
    table(&mut world, "exact").await.wrote();
    assert!(
        world.text("").await.contains(",1234567.13 EUR,"),
        "{}",
        world.text("").await
    );
    for (name, reason, message) in [
        (
            "rounded",
            "SourceInvalid",
            "column `price` is a float, which rounds",
        ),
        ("nameless", "SourceInvalid", "has no column `id`"),
        (
            "large",
            "SourceInvalid",
            "item 1 has more than 262144 bytes",
        ),
        ("broken", "SourceInvalid", "SQLSTATE 22012"),
        (
            "hidden",
            "CredentialsInvalid",
            "GRANT SELECT ON public.hidden TO",
        ),
        ("absent", "SourceInvalid", "no table or view `absent`"),
        (
            "exact; DROP VIEW exact",
            "SourceInvalid",
            "no table or view",
        ),
        (
            "shop.exact",
            "SourceInvalid",
            "no table or view `shop.exact`",
        ),
        ("feed_exact", "SourceInvalid", "no table or view"),
    ] {
        let ended = table(&mut world, name).await;
        ended.is(64, reason);
        assert!(ended.message().contains(message), "{}", ended.message());
    }
    let ended = table(&mut world, "exact").await;
    assert_eq!(ended.outcome(), (0, "Done", false), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_tried_again_and_a_wrong_password_is_not() {
    let world = world("feed_login", 1).await;
    let url = world.dir.path().join("catalogue-url");
    let access = server().await.access();
    std::fs::write(&url, access.url_as("feed_login", "s3cret", "feed_login")).unwrap();
    let ended = world.run().await;
    ended.is(64, "CredentialsInvalid");
    assert!(!format!("{ended:?}").contains("s3cret"), "{ended:#?}");
    std::fs::write(&url, access.url_as("feed_login", "reader", "absent")).unwrap();
    world.run().await.is(64, "SourceInvalid");
    std::fs::write(&url, "postgres://reader:s3cret@127.0.0.1:1/feed_login").unwrap();
    let ended = world.run().await;
    ended.is(75, "SourceUnavailable");
    assert!(!format!("{ended:?}").contains("s3cret"), "{ended:#?}");
    for nonsense in ["", "mysql://reader@127.0.0.1/x", "not a url"] {
        std::fs::write(&url, nonsense).unwrap();
        world.run().await.is(64, "CredentialsInvalid");
    }
}
