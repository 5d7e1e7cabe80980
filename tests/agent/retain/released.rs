//! What a hold by values kept of persons goes with its release: afterwards no table of the agent's own has a value of it, and
//! what stays says who held what, why, since when, until when and how many.

use super::world::{World, access};

const SHOP: &str = "CREATE TABLE customer (mail text PRIMARY KEY, at timestamptz);
    INSERT INTO customer SELECT 'planted-' || i || '@shop.example', timestamptz '2000-01-01' FROM generate_series(1, 20) AS i";

const HELD: &str = r#"[{"table": "public.customer", "column": "mail", "values": ["planted-1@shop.example", "planted-2@shop.example"]},
    {"table": "public.customer", "column": "at", "values": ["1999-12-31T00:00:00Z"]}]"#;

fn open(id: &str) -> String {
    format!("SELECT tradewind.open_hold('{id}', 'case 7', 'counsel', date '2027-06-01', '{HELD}')")
}

/// Everything in the agent's own schema, as `pg_dump` has it.
async fn own(world: &World) -> String {
    let whole = access().await.dump(&world.database).await.unwrap();
    let own: Vec<&str> = whole
        .split("COPY ")
        .filter(|part| part.starts_with("tradewind."))
        .collect();
    own.join("\n")
}

const SCOPES: &str =
    "SELECT string_agg(concat_ws(' ', hold, relation, attname, held), '; ' ORDER BY hold, attname)
    FROM tradewind.released_scope";

#[tokio::test]
async fn the_values_of_a_hold_go_with_its_release() {
    let world = World::new("hold_released", SHOP)
        .await
        .rule("customer", "at", "P1Y");
    world.set_up_books().await;
    world.sql(&open("one")).await;
    world.sql(&open("two")).await;
    world.sql(r#"SELECT tradewind.open_hold('two', 'case 7', 'counsel', NULL, '[{"table": "public.customer"}]')"#).await;
    assert_eq!(world.run().await.expect("Done").rule("customer").held, 20);
    // Released by the function, as its Job does, and by hand.
    world
        .as_role("SELECT tradewind.release_hold('one', 'counsel', 'settled')")
        .await
        .unwrap();
    assert!(own(&world).await.contains("planted"), "the other one holds");
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.held").await, "4");
    world
        .sql("UPDATE tradewind.hold SET released_at = now(), released_by = 'counsel', release_ground = 'over' WHERE id = 'two'")
        .await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("customer").erased, 20);
    let own = own(&world).await;
    assert!(!own.contains("planted"), "{own}");
    // What was held, and for how long, is told yet.
    let told = "SELECT string_agg(concat_ws(' ', id, ground, opened_by, opened_at < released_at, released_by, release_ground), '; ' ORDER BY id)
        FROM tradewind.hold";
    let wanted = "one case 7 counsel t counsel settled; two case 7 counsel t counsel over";
    assert_eq!(world.sql(told).await, wanted);
    let counted = "one public.customer at 1; one public.customer mail 2; two public.customer at 1; two public.customer mail 2";
    assert_eq!(world.sql(SCOPES).await, counted);
    let whole = "SELECT string_agg(concat_ws(' ', hold, relation, attname, value), '; ') FROM tradewind.hold_scope";
    assert_eq!(world.sql(whole).await, "two public.customer");
    for forbidden in [
        "DELETE FROM tradewind.released_scope",
        "UPDATE tradewind.released_scope SET held = 1",
        "TRUNCATE tradewind.released_scope",
        "DELETE FROM tradewind.hold_scope",
        &open("one"),
    ] {
        let tried = access().await.query("hold_released", forbidden).await;
        assert!(tried.is_err(), "{forbidden}");
    }
}

/// Holds that were released before this was so: the migration takes their values.
#[tokio::test]
async fn values_of_holds_that_were_released_before_go_with_the_upgrade() {
    let world = World::new("hold_released_old", SHOP)
        .await
        .rule("customer", "at", "P1Y");
    world.set_up_books().await;
    world
        .sql(
            "DROP TRIGGER forget_values ON tradewind.hold; DROP FUNCTION tradewind.forget_values()",
        )
        .await;
    world.sql(&open("one")).await;
    world.sql(&open("two")).await;
    world
        .sql("SELECT tradewind.release_hold('one', 'counsel', 'settled')")
        .await;
    let values =
        "SELECT string_agg(DISTINCT hold, ' ') FROM tradewind.hold_scope WHERE value IS NOT NULL";
    assert_eq!(world.sql(values).await, "one two");
    world
        .sql("DROP TABLE tradewind.released_scope; DELETE FROM tradewind.retain_migration WHERE version = 80")
        .await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("customer").held, 2);
    assert_eq!(world.sql(values).await, "two");
    assert_eq!(
        world.sql(SCOPES).await,
        "one public.customer at 1; one public.customer mail 2"
    );
}
