//! Keeps of some columns: of a row that a law keeps, the others go, and the receipt has the ground of each that stays.

use serde_json::{Value, json};
use tradewind::contract::RequestState;

use super::world::{EMAIL, Ran, World, assert_nobody, exact};

/// Ann is customer 7. Of twenty invoices eight are young; two of these are held in a story.
const INVOICES: &str = "
CREATE TABLE invoices (id bigint PRIMARY KEY, customer bigint NOT NULL, issued date NOT NULL, total numeric NOT NULL DEFAULT 9.5,
  email text, note text DEFAULT 'rang on the planted evening');
INSERT INTO invoices (id, customer, issued, email)
  SELECT i, 7, CASE WHEN i <= 8 THEN current_date ELSE date '2005-03-31' END, 'Ann.Planted@mail.example' FROM generate_series(1, 20) AS i;
INSERT INTO invoices (id, customer, issued, email, note) VALUES (99, 8, current_date, 'bob@mail.example', 'calls')";

const LEFT: &str = "SELECT count(*), count(*) FILTER (WHERE email IS NOT NULL), count(*) FILTER (WHERE note <> ''), count(*) FILTER (WHERE total = 9.5)
    FROM invoices WHERE customer = 7";

fn keep(columns: &Value, others: &Value) -> Value {
    json!({"clock": "issued", "for": "P8Y", "reference": "AO 147(3)", "policy": "tax", "columns": columns, "others": others})
}

fn usual() -> Value {
    keep(
        &json!(["customer", "total"]),
        &json!([{"name": "email"}, {"name": "note", "set": "Constant", "value": ""}]),
    )
}

async fn world(database: &str, keeps: Value) -> World {
    let mut world = World::new(database, INVOICES).await;
    world.table(
        "invoices",
        json!({"subjects": [{"column": "customer", "identity": "customerId"}], "clock": "issued", "keeps": keeps}),
    );
    world.identify(&json!({"email": [EMAIL], "customerId": ["7"]}));
    world
}

/// The grounds: the law, the columns that it keeps, how many rows.
fn grounds(ran: &Ran) -> Vec<(String, String, i64)> {
    let grounds = ran.table("invoices").grounds.iter();
    let told = grounds.map(|it| (it.ground.clone(), it.columns.join(","), exact(it.rows)));
    told.collect()
}

fn of(law: &str, columns: &str, rows: i64) -> (String, String, i64) {
    (law.to_owned(), columns.to_owned(), rows)
}

const LAW: &str = "AO 147(3) (DataPolicy tax)";

/// Eight rows are kept, two of them held: six lose what the law does not keep, two once the hold is released.
#[tokio::test]
async fn what_the_law_does_not_keep_of_a_row_goes_and_comes_back_by_no_restore() {
    let mut world = world("erp_story", json!([usual()])).await;
    world.identify(&json!({"customerId": ["0"]}));
    world.run().await.expect("Verified");
    world.identify(&json!({"email": [EMAIL], "customerId": ["7"]}));
    world.spec()["request"]["reference"] = "dsr-2".into();
    let hold = "SELECT tradewind.open_hold('case-1', 'litigation', 'ann', NULL,
        '[{\"table\": \"public.invoices\", \"column\": \"id\", \"values\": [\"1\", \"2\"]}]')";
    world.sql(hold).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Held").terms("invoices"), [20, 12, 6, 2, 0, 0]);
    assert_eq!(grounds(&ran), [of(LAW, "customer,total", 6)]);
    assert_eq!(world.sql(LEFT).await, "8|2|2|8");
    let release = "SELECT tradewind.release_hold('case-1', 'ann', 'settled')";
    world.sql(release).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("invoices"), [20, 12, 8, 0, 0, 0]);
    assert_eq!(ran.table("invoices").state, RequestState::Kept);
    assert_eq!(grounds(&ran), [of(LAW, "customer,total", 8)]);
    assert_eq!(world.sql(LEFT).await, "8|0|0|8");
    // Somebody else's row is whole.
    let bob = "SELECT email, note FROM invoices WHERE customer = 8";
    assert_eq!(world.sql(bob).await, "bob@mail.example|calls");
    assert_nobody(&world.books().await);
    assert_eq!(world.run().await.expect("Kept").body(), ran.body());
    // What somebody wrote back is taken again, and when the years are over the rows go.
    let back = "UPDATE invoices SET email = 'Ann.Planted@mail.example' WHERE id = 3";
    world.sql(back).await;
    world.sql("UPDATE invoices SET issued = issued - 1").await;
    world.reapply().await.expect("Kept");
    assert_eq!(world.sql(LEFT).await, "8|0|0|8");
    world
        .sql("UPDATE invoices SET issued = '2005-03-31' WHERE customer = 7")
        .await;
    world.reapply().await.expect("Verified");
    assert_eq!(world.sql(LEFT).await, "0|0|0|0");
}

/// A law that keeps whole rows, and one that keeps a column which the other lets go, come first while they last.
#[tokio::test]
async fn no_keep_takes_what_another_keeps() {
    let whole =
        json!({"clock": "issued", "for": "P10Y", "reference": "HGB 257", "policy": "trade"});
    let mut world = world("erp_others", json!([usual(), whole])).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("invoices"), [20, 12, 8, 0, 0, 0]);
    assert_eq!(grounds(&ran), [of(LAW, "", 8)]);
    assert_eq!(world.sql(LEFT).await, "8|8|8|8");
    // Another request, another keep: it has the address, and lets the note go.
    let address = json!({"clock": "issued", "for": "P9Y", "reference": "UStG 14b", "policy": "vat", "columns": ["email", "customer"],
        "others": [{"name": "note", "set": "Constant", "value": ""}]});
    world.set_table("invoices", "keeps", json!([usual(), address]));
    world.spec()["request"]["reference"] = "dsr-2".into();
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("invoices"), [8, 0, 8, 0, 0, 0]);
    assert_eq!(
        grounds(&ran),
        [of("UStG 14b (DataPolicy vat)", "email,customer", 8)]
    );
    assert_eq!(world.sql(LEFT).await, "8|8|0|8");
}

/// Killed after each of several batches, in the midst of the next; what the database refuses to change has failed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_its_midst_a_rerun_ends_with_the_planted_numbers() {
    let mut world = world("erp_kill", json!([usual()])).await;
    world.spec()["batchRows"] = 2.into();
    let slow = "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.15); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER DELETE OR UPDATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION public.slow()";
    world.sql(slow).await;
    for batches in [3, 7, 9] {
        let running = world.start("erase", &[]);
        world.wait_for_batches(batches).await;
        running.kill();
        assert_nobody(&world.books().await);
    }
    world.sql("DROP TRIGGER slow ON invoices").await;
    let refuses = "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER no AFTER UPDATE ON invoices FOR EACH ROW WHEN (OLD.email IS NOT NULL) EXECUTE FUNCTION public.no();
        UPDATE invoices SET email = 'Ann.Planted@mail.example' WHERE id = 8 AND email IS NULL";
    world.sql(refuses).await;
    let ran = world.run().await;
    ran.expect("RowsFailed");
    let [found, erased, kept, held, blocked, failed] = ran.terms("invoices");
    assert_eq!([found, erased, held, blocked], [20, 12, 0, 0]);
    assert!(
        failed > 0 && kept + failed == 8,
        "{kept} kept, {failed} failed"
    );
    world.sql("DROP TRIGGER no ON invoices").await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("invoices"), [20, 12, 8, 0, 0, 0]);
    assert_eq!(world.sql(LEFT).await, "8|0|0|8");
    // Each transaction has its number, and the last is acknowledged: a restore is seen.
    let head = "SELECT number FROM tradewind.erasure_head";
    let acknowledged = "SELECT number FROM tradewind.acknowledged";
    assert_eq!(world.suppressed(acknowledged).await, world.sql(head).await);
}

/// Columns that are not there, the key alone, a column that must not be null or that must differ.
#[tokio::test]
async fn what_cannot_be_kept_or_go_is_refused_by_its_name() {
    let mut world = world("erp_unfit", json!([])).await;
    world
        .sql("ALTER TABLE invoices ADD COLUMN code text; CREATE UNIQUE INDEX codes ON invoices (code)")
        .await;
    let constant = json!([{"name": "code", "set": "Constant", "value": "x"}]);
    for (columns, others, reason, says) in [
        (
            json!(["sum"]),
            json!([{"name": "email"}]),
            "ColumnMissing",
            "`sum`",
        ),
        (
            json!(["id"]),
            json!([{"name": "email"}]),
            "ColumnIsKey",
            "name nothing else",
        ),
        (
            json!(["total"]),
            json!([{"name": "mail"}]),
            "ColumnMissing",
            "`mail`",
        ),
        (
            json!(["email"]),
            json!([{"name": "total"}]),
            "ColumnNotNull",
            "total",
        ),
        (json!(["total"]), constant, "ColumnUnique", "codes"),
        (
            json!(["total"]),
            json!([{"name": "issued"}]),
            "ColumnIsClock",
            "issued",
        ),
        (
            json!(["total"]),
            json!([{"name": "customer"}]),
            "TaskInvalid",
            "`customer`",
        ),
        (
            json!(["total"]),
            json!([]),
            "TaskInvalid",
            "`columns` and no `others`",
        ),
    ] {
        world.set_table("invoices", "keeps", json!([keep(&columns, &others)]));
        let ran = world.run().await;
        ran.expect(reason);
        assert!(ran.report.message.contains(says), "{}", ran.report.message);
    }
    assert_eq!(world.sql(LEFT).await, "20|20|20|20");
}
