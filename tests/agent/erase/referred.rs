//! Rows that rows refer to which a law or a hold keeps: they stay for the same reason, are counted so, and go when that
//! ends.

use serde_json::{Value, json};
use tradewind::contract::RequestState;

use super::world::{EMAIL, Ran, World, assert_nobody, exact};

const LAW: &str = "AO 147(3) (DataPolicy tax)";

/// Ann has the accounts 1 to 6; everything of account 9 is somebody else's.
const ACCOUNTS: &str = "
CREATE TABLE accounts (id bigint PRIMARY KEY, email text, parent bigint REFERENCES accounts, created timestamptz NOT NULL DEFAULT now() - interval '9 years');
CREATE INDEX ON accounts (parent);
CREATE TABLE orders (id bigint PRIMARY KEY, account bigint NOT NULL REFERENCES accounts, placed timestamptz NOT NULL DEFAULT now() - interval '9 years');
CREATE INDEX ON orders (account);
CREATE TABLE invoices (id bigint PRIMARY KEY, of_order bigint REFERENCES orders, account bigint, issued date NOT NULL);
CREATE INDEX ON invoices (of_order);
CREATE TABLE badges (id bigint PRIMARY KEY, account bigint REFERENCES accounts)";

async fn world(database: &str, rows: &str) -> World {
    let mut world = World::new(database, &format!("{ACCOUNTS}; {rows}")).await;
    let keep = json!([{"clock": "issued", "for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)", "policy": "tax"}]);
    let by_account = json!([{"column": "account", "identity": "customerId"}]);
    world
        .table(
            "accounts",
            json!({"subjects": [{"column": "id", "identity": "customerId"}], "clock": "created"}),
        )
        .table("orders", json!({"subjects": by_account, "clock": "placed"}))
        .table(
            "invoices",
            json!({"subjects": by_account, "clock": "issued", "keeps": keep}),
        );
    world.spec()["stores"][0]["lookups"] = json!([{"table": "accounts",
        "by": {"column": "email", "identity": "email"}, "gives": {"column": "id", "identity": "customerId"}}]);
    world
}

/// The grounds of a table: the law, whose rows it keeps, how many stay.
fn grounds(ran: &Ran, table: &str) -> Vec<(String, Option<String>, i64)> {
    let grounds = ran.table(table).grounds.iter();
    let told = grounds.map(|it| (it.ground.clone(), it.through.clone(), exact(it.rows)));
    told.collect()
}

fn through(table: &str, rows: i64) -> Vec<(String, Option<String>, i64)> {
    vec![(LAW.to_owned(), Some(table.to_owned()), rows)]
}

/// Account 1 has an order whose invoices a law keeps, 3 is the parent of 1, 4 has a held order, to 5 a table refers that
/// nobody named; 2 and 6 are free.
#[tokio::test]
async fn what_kept_and_held_rows_refer_to_stays_on_their_ground_and_goes_with_them() {
    let rows = format!(
        "INSERT INTO accounts (id, email) SELECT i, '{EMAIL}' FROM generate_series(1, 6) AS i;
        INSERT INTO accounts (id, email) VALUES (9, 'bob@mail.example');
        UPDATE accounts SET parent = 3 WHERE id = 1;
        INSERT INTO orders (id, account) VALUES (11, 1), (12, 1), (21, 2), (41, 4), (42, 4), (91, 9);
        INSERT INTO invoices VALUES (111, 11, 1, current_date), (112, 11, 1, current_date), (211, 21, 2, '2005-03-31'), (911, 91, 9, '2005-03-31');
        INSERT INTO badges VALUES (1, 5)"
    );
    let mut world = world("err_story", &rows).await;
    // The books, by a request for somebody else.
    world.identify(&json!({"email": ["nobody@mail.example"]}));
    world.run().await.expect("Verified");
    world.identify(&json!({"email": [EMAIL]}));
    world.spec()["request"]["reference"] = "dsr-2".into();
    let hold = "SELECT tradewind.open_hold('case-1', 'litigation', 'ann', NULL,
        '[{\"table\": \"public.orders\", \"column\": \"id\", \"values\": [\"41\"]}]')";
    world.sql(hold).await;

    let ran = world.run().await;
    ran.expect("RowsBlocked");
    assert_eq!(ran.terms("invoices"), [3, 1, 2, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [5, 3, 1, 1, 0, 0]);
    assert_eq!(ran.terms("accounts"), [6, 2, 2, 1, 1, 0]);
    assert_eq!(grounds(&ran, "invoices"), [(LAW.to_owned(), None, 2)]);
    assert_eq!(grounds(&ran, "orders"), through("invoices", 1));
    assert_eq!(grounds(&ran, "accounts"), through("invoices", 2));

    // Nothing else refers to account 5 any more.
    world.sql("DELETE FROM badges").await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Held").terms("accounts"), [6, 3, 2, 1, 0, 0]);
    assert_eq!(ran.table("accounts").state, RequestState::Held);
    let release = "SELECT tradewind.release_hold('case-1', 'ann', 'settled')";
    world.sql(release).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("accounts"), [6, 4, 2, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [5, 4, 1, 0, 0, 0]);
    assert_eq!(ran.table("accounts").state, RequestState::Kept);
    let left = "SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM accounts), (SELECT string_agg(id::text, ',' ORDER BY id) FROM orders)";
    assert_eq!(world.sql(left).await, "1,3,9|11,91");
    assert_eq!(world.run().await.expect("Kept").body(), ran.body());
    assert_nobody(&world.books().await);

    // The years are over: what was kept goes, and what it referred to with it.
    let over = "UPDATE invoices SET issued = '2005-03-31' WHERE issued = current_date";
    world.sql(over).await;
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Verified").terms("accounts"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(ran.terms("invoices"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(world.sql(left).await, "9|91");
}

/// Killed after each of several batches: a rerun ends with the planted numbers.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_its_midst_a_rerun_finds_the_same_grounds() {
    let rows = format!(
        "INSERT INTO accounts (id, email) SELECT i, '{EMAIL}' FROM generate_series(1, 20) AS i;
        INSERT INTO orders (id, account) SELECT i, 1 + i % 20 FROM generate_series(1, 40) AS i;
        INSERT INTO invoices SELECT i, i, 1 + i % 20, CASE WHEN i % 4 = 0 THEN current_date ELSE date '2005-03-31' END FROM generate_series(1, 20) AS i"
    );
    let mut world = world("err_kill", &rows).await;
    world.spec()["batchRows"] = Value::from(4);
    world.slow_down("orders", 0.15).await;
    for batches in [2, 5, 8] {
        let running = world.start("erase", &[]);
        world.wait_for_batches(batches).await;
        running.kill();
    }
    world.sql("DROP TRIGGER slow ON orders").await;
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(ran.terms("invoices"), [20, 15, 5, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [40, 35, 5, 0, 0, 0]);
    assert_eq!(ran.terms("accounts"), [20, 15, 5, 0, 0, 0]);
    assert_eq!(grounds(&ran, "accounts"), through("invoices", 5));
    let left = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM orders), (SELECT count(*) FROM invoices)";
    assert_eq!(world.sql(left).await, "5|5|5");
}
