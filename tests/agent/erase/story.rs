//! What a request does, from the ciphertext to the receipt.

use serde_json::json;
use tradewind::contract::RequestState;

use super::world::{World, assert_nobody, exact};

/// The whole of it: an address leads to a customer, rows go children first, a law keeps what it keeps, with its ground;
/// everybody else stays, and nothing of the person is in books, suppression store, log or report.
#[tokio::test]
async fn a_person_goes_but_for_what_a_law_keeps() {
    let mut world = World::shop("era_story").await;
    // Items have no column of the person: their orders' key leads to them.
    world.sql("DROP TABLE items").await;
    let others = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM (SELECT c::text FROM customers AS c WHERE id <> 7
        UNION ALL SELECT o::text FROM orders AS o WHERE customer <> 7 UNION ALL SELECT i::text FROM invoices AS i
        WHERE customer <> 7 UNION ALL SELECT m::text FROM messages AS m WHERE sender !~* 'planted') AS t";
    let before = world.sql(others).await;
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(ran.terms("messages"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(ran.terms("invoices"), [10, 5, 5, 0, 0, 0]);
    let kept = ran.table("invoices");
    assert_eq!(kept.state, RequestState::Kept);
    assert_eq!(
        (kept.grounds[0].ground.as_str(), exact(kept.grounds[0].rows)),
        ("AO 147(3) (DataPolicy tax)", 5)
    );
    assert_eq!(ran.table("orders").state, RequestState::Verified);
    assert_eq!(
        (ran.body().request.as_str(), exact(ran.body().suppressed)),
        ("dsr-1", 2)
    );
    assert_eq!(world.sql(others).await, before);
    let left = "SELECT (SELECT count(*) FROM customers WHERE id = 7), (SELECT count(*) FROM orders WHERE customer = 7),
        (SELECT count(*) FROM messages WHERE sender ~* 'planted'), (SELECT count(*) FROM invoices WHERE customer = 7)";
    assert_eq!(world.sql(left).await, "0|0|0|5");
    assert_nobody(&world.books().await);
    // Again: the same answer, from the books.
    let again = world.run().await;
    assert_eq!(again.expect("Kept").body(), ran.body());
    // What was kept of the person for the request itself is gone.
    let person = "SELECT person IS NULL, state FROM tradewind.request";
    assert_eq!(world.suppressed(person).await, "t|Kept");
    // Another request for nobody that is here.
    world.identify(&json!({"email": ["nobody@mail.example"]}));
    world.spec()["request"]["reference"] = "dsr-2".into();
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("customers"), [0; 6]);
}

/// A hold keeps rows whatever was asked for; the request goes on when it is released.
#[tokio::test]
async fn a_hold_keeps_rows_until_its_release() {
    let mut world = World::shop("era_held").await;
    world.sql("DROP TABLE items").await;
    // The books, by a request for somebody else.
    world.identify(&json!({"email": ["nobody@mail.example"]}));
    world.run().await.expect("Verified");
    world.identify(&json!({"email": [super::world::EMAIL], "customerId": ["7"]}));
    let hold = "SELECT tradewind.open_hold('case-1', 'litigation', 'ann', NULL,
        '[{\"table\": \"public.orders\", \"column\": \"customer\", \"values\": [\"7\"]}]')";
    world.sql(hold).await;
    world.spec()["request"]["reference"] = "dsr-9".into();
    let ran = world.run().await;
    ran.expect("Held");
    // Orders are held, so the customer that they refer to stays.
    assert_eq!(ran.terms("orders"), [10, 0, 0, 10, 0, 0]);
    assert_eq!(ran.terms("customers"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(ran.table("orders").state, RequestState::Held);
    world
        .sql("SELECT tradewind.release_hold('case-1', 'ann', 'settled')")
        .await;
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(ran.terms("orders"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_nobody(&world.books().await);
}

/// A law that comes, or keeps for longer, while a hold lasts binds what the hold lets go.
#[tokio::test]
async fn a_keep_that_comes_while_a_hold_lasts_is_in_force_at_its_release() {
    let mut world = World::shop("era_kept").await;
    world.sql("DROP TABLE items").await;
    world.identify(&json!({"email": ["nobody@mail.example"]}));
    world.run().await.expect("Verified");
    let keep = |law: &str, period: &str| json!({"clock": "issued", "for": period, "reference": law, "policy": "tax"});
    let came = json!([keep("AO 147(3)", "P8Y"), keep("HGB 257", "P90Y")]);
    let longer = json!([keep("AO 147(3)", "P90Y")]);
    let grounds = [
        vec![
            ("AO 147(3) (DataPolicy tax)", 5),
            ("HGB 257 (DataPolicy tax)", 5),
        ],
        vec![("AO 147(3) (DataPolicy tax)", 10)],
    ];
    let before = json!([keep("AO 147(3)", "P8Y")]);
    for ((customer, keeps), grounds) in [("7", came), ("8", longer)].into_iter().zip(grounds) {
        world.set_table("invoices", "keeps", before.clone());
        world.identify(&json!({"customerId": [customer]}));
        world.spec()["request"]["reference"] = format!("dsr-{customer}").into();
        world.sql(&format!("SELECT tradewind.open_hold('case-{customer}', 'litigation', 'ann', NULL,
            '[{{\"table\": \"public.invoices\", \"column\": \"customer\", \"values\": [\"{customer}\"]}}]')")).await;
        let ran = world.run().await;
        assert_eq!(ran.expect("Held").terms("invoices"), [10, 0, 5, 5, 0, 0]);
        world.set_table("invoices", "keeps", keeps);
        world
            .sql(&format!(
                "SELECT tradewind.release_hold('case-{customer}', 'ann', 'settled')"
            ))
            .await;
        let ran = world.run().await;
        assert_eq!(ran.expect("Kept").terms("invoices"), [10, 0, 10, 0, 0, 0]);
        let table = ran.table("invoices");
        let told = table
            .grounds
            .iter()
            .map(|it| (it.ground.as_str(), exact(it.rows)));
        assert_eq!(told.collect::<Vec<_>>(), grounds);
    }
}

/// Rows that stay lose what their columns say, what the person is found by included; what is done is not done again.
#[tokio::test]
pub(crate) async fn rows_may_stay_and_lose_the_person() {
    let mut world = World::shop("era_anonymised").await;
    world.set_table("customers", "method", "Anonymise".into());
    let columns = json!([{"name": "email"}, {"name": "phone", "set": "Constant", "value": ""}]);
    world.set_table("customers", "columns", columns);
    world.set_table("orders", "method", "Anonymise".into());
    world.set_table(
        "orders",
        "columns",
        json!([{"name": "placed_at", "set": "Generalise", "to": "Year"}]),
    );
    // The clock is what reapply counts by: it cannot change.
    let ran = world.run().await;
    ran.expect("ColumnIsClock");
    world.set_table("orders", "clock", serde_json::Value::Null);
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [10, 10, 0, 0, 0, 0]);
    let left = "SELECT email IS NULL, phone = '' FROM customers WHERE id = 7";
    assert_eq!(world.sql(left).await, "t|t");
    let years = "SELECT count(*) FROM orders WHERE customer = 7
        AND placed_at <> date_trunc('year', placed_at, 'Europe/Berlin')";
    assert_eq!(world.sql(years).await, "0");
    world.identify(&json!({"customerId": ["7"]}));
    world.spec()["request"]["reference"] = "dsr-2".into();
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("orders"), [0; 6]);
}

/// A row of somebody else that refers to one of the person's blocks it, and a trigger that refuses fails it.
#[tokio::test]
pub(crate) async fn what_cannot_go_is_told_apart() {
    let world = World::shop("era_blocked").await;
    let ran = world.run().await;
    ran.expect("RowsBlocked");
    assert_eq!(ran.terms("orders"), [10, 0, 0, 0, 10, 0]);
    world
        .sql(
            "DELETE FROM items; CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF OLD.id % 40 = 6 THEN RAISE EXCEPTION 'no'; END IF; RETURN OLD; END $$;
        CREATE TRIGGER no BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION no()",
        )
        .await;
    let ran = world.run().await;
    ran.expect("RowsFailed");
    assert_eq!(ran.terms("orders"), [10, 5, 0, 0, 0, 5]);
    assert_eq!(ran.terms("customers"), [1, 0, 0, 0, 1, 0]);
    world.sql("DROP TRIGGER no ON orders").await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("orders"), [10, 10, 0, 0, 0, 0]);
}
