//! A law that keeps some columns of invoices, planned as the operator plans it and carried out on rows: what it lets go goes after
//! the shop's own period, and the row after the law's.

use kube::ResourceExt;
use serde_json::{Value, json};
use tradewind::contract::HoldReport;

use super::super::world::{Ran, World, access};
use super::planned::Hub;

/// No number is below five, which would be told as few.
const INVOICES: &str = "
CREATE TABLE invoices (id int PRIMARY KEY, issued_on date, why text, total numeric NOT NULL DEFAULT 9.5, email text DEFAULT 'planted@mail.example',
  note text DEFAULT 'rang on the planted evening');
INSERT INTO invoices (id, issued_on, why) SELECT i, now() - interval '1 year', 'young' FROM generate_series(1, 10) AS i;
INSERT INTO invoices (id, issued_on, why) SELECT i, now() - interval '4 years', 'kept' FROM generate_series(11, 22) AS i;
INSERT INTO invoices (id, issued_on, why) SELECT i, now() - interval '4 years', 'held' FROM generate_series(31, 36) AS i;
INSERT INTO invoices (id, issued_on, why, email, note) SELECT i, now() - interval '4 years', 'bare', NULL, '' FROM generate_series(41, 45) AS i;
INSERT INTO invoices (id, issued_on, why) SELECT i, now() - interval '20 years', 'old' FROM generate_series(51, 59) AS i;
INSERT INTO invoices (id, issued_on, why) SELECT i, NULL, 'draft' FROM generate_series(61, 66) AS i";

/// Of each kind: rows, and how many still have an address and a note.
const LEFT: &str = "SELECT string_agg(why || ' ' || line, ', ' ORDER BY why) FROM (
  SELECT why, count(*) || '/' || count(email) || '/' || count(*) FILTER (WHERE note <> '') AS line FROM invoices WHERE total = 9.5 GROUP BY why) AS g";

/// The shop deletes invoices after three years; the tax department keeps two columns of them for eight.
fn hub(role_url: String) -> Hub {
    let mut hub = Hub::of("kept-by-law");
    let records = hub.policies.get_mut("tax-records").unwrap();
    let keep = &mut records["spec"]["rules"][0]["keep"];
    keep["columns"] = json!(["id", "total"]);
    keep["others"] = json!([{"name": "email"}, {"name": "note", "set": "Constant", "value": ""}]);
    let shop = hub.policies.get_mut("shop-customers").unwrap();
    shop["spec"]["rules"].as_array_mut().unwrap().truncate(1);
    hub.secrets.insert("aurora-orders-db/url".into(), role_url);
    let held = (31..=36).map(|id| format!("{id}\n"));
    hub.secrets.insert("claim/invoices".into(), held.collect());
    hub
}

fn hold(hub: &Hub) -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "LegalHold", "metadata": {"name": "claim", "generation": 1},
        "spec": {
            "ground": "28 O 117/26", "openedBy": "counsel@aurora.example", "reviewOn": "2027-06-01",
            "selector": {"regions": [hub.region.name_any()]},
            "scopes": [{"name": "invoices", "store": "aurora-orders", "table": "public.invoices", "column": "id",
                "valuesSecretRef": {"name": "claim", "key": "invoices"}}],
        },
    })
}

async fn hold_job(hub: &Hub, world: &World, reason: &str) {
    let task = hub.open_or_release(world);
    let running = world.start_task("hold", &task, &[]);
    let ran: Ran<HoldReport> = running.finish_as().await;
    assert_eq!(ran.report.reason, reason, "{:?}\n{}", ran.report, ran.log);
}

/// Runs the shop's policy; approves what it awaits an approval for, and runs it again.
async fn retain(hub: &mut Hub, world: &World) -> Ran {
    let policy = "shop-customers";
    let (task, hash) = hub.retain(policy, world);
    let mut ran = world.start_task("retain", &task, &[]).finish().await;
    if ran.report.reason == "AwaitingApproval" {
        let preview = ran.body().preview(&hub.region.name_any(), &hash).unwrap();
        hub.approve(policy, &preview);
        let (task, _) = hub.retain(policy, world);
        ran = world.start_task("retain", &task, &[]).finish().await;
    }
    ran.expect("Done");
    ran
}

/// What the shop's rule takes of rows that a rule of the tax department keeps.
const PART: &str = "invoices/others/tax-records/invoices";

/// Due, erased and held of the rule, and of its part.
fn terms(ran: &Ran) -> [[i64; 3]; 2] {
    ["invoices", PART].map(|rule| {
        let told = ran.rule(rule);
        [told.due, told.erased, told.held]
    })
}

#[tokio::test]
async fn what_a_law_of_columns_lets_go_goes_before_and_the_row_with_the_law() {
    let database = "example_columns";
    let world = World::new(database, INVOICES).await;
    let grant = format!("GRANT UPDATE (email, note) ON invoices TO {}", world.role);
    world.sql(&grant).await;
    let mut hub = hub(access().await.url_as(&world.role, "secret", database));
    hub.hold = Some(hold(&hub));
    hold_job(&hub, &world, "InForce").await;
    let ran = retain(&mut hub, &world).await;
    assert_eq!(terms(&ran), [[9, 9, 0], [18, 12, 6]]);
    assert_eq!(ran.rule("invoices").null_clock, 6);
    let left = "bare 5/0/0, draft 6/6/6, held 6/6/6, kept 12/0/0, young 10/10/10";
    assert_eq!(world.sql(LEFT).await, left);

    // The hold is over: the rest of what was approved goes, and nothing twice.
    let release = json!({"by": "counsel@aurora.example", "ground": "settled"});
    hub.hold.as_mut().unwrap()["spec"]["release"] = release;
    hold_job(&hub, &world, "Released").await;
    let ran = retain(&mut hub, &world).await;
    assert_eq!(terms(&ran), [[0, 0, 0], [6, 6, 0]]);
    // Somebody writes an address back, and the law's years are over for the kept rows: these go whole.
    world
        .sql("UPDATE invoices SET email = 'planted@mail.example' WHERE why = 'bare'; UPDATE invoices SET issued_on = now() - interval '20 years' WHERE why = 'kept'")
        .await;
    let ran = retain(&mut hub, &world).await;
    assert_eq!(terms(&ran), [[12, 12, 0], [5, 5, 0]]);
    let left = "bare 5/0/0, draft 6/6/6, held 6/0/0, young 10/10/10";
    assert_eq!(world.sql(LEFT).await, left);
}

/// What a law lets go is part of what is approved: another column is another preview's.
#[tokio::test]
async fn another_column_that_a_law_lets_go_voids_the_approval() {
    let database = "example_columns_void";
    let world = World::new(database, INVOICES).await;
    let mut hub = hub(access().await.url_as(&world.role, "secret", database));
    let (_, before) = hub.retain("shop-customers", &world);
    let records = hub.policies.get_mut("tax-records").unwrap();
    records["spec"]["rules"][0]["keep"]["others"] = json!([{"name": "email"}]);
    let (task, after) = hub.retain("shop-customers", &world);
    assert_ne!(before, after);
    assert_eq!(task["spec"]["rules"][1]["name"], PART);
}
