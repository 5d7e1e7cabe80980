//! What of a catalogue looks as if it held persons, and has no rule, and what somebody names that is not in it: names, never a value, and never more than a report holds.

use serde_json::{Value, json};
use tradewind::contract::{AbsentTable, CatalogueLook, StoreDatabase, UnruledTable};

use super::world::World;

fn asked(named: Value) -> Value {
    json!({
        "tableWords": ["customer", "newsletter", "message"], "columnWords": ["email", "phone", "surname"],
        "named": {"orders": named},
    })
}

fn unruled(table: &str, columns: &[&str]) -> UnruledTable {
    UnruledTable {
        store: "orders".into(),
        table: table.into(),
        rule: None,
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[tokio::test]
async fn names_that_speak_of_persons_are_told_with_a_count_and_with_a_run() {
    let mut world = World::new(
        "catalogue_told",
        r#"CREATE TABLE customer (id int PRIMARY KEY, at timestamptz, email text, "Surname" text, phone text, note text);
        CREATE TABLE message (id int PRIMARY KEY, at timestamptz, phone text);
        CREATE TABLE goods (id int PRIMARY KEY, name text);
        CREATE TABLE "NewsletterReaders" (id int PRIMARY KEY, word text);
        CREATE TABLE visits (id int PRIMARY KEY, "user_Email" text, at date) PARTITION BY RANGE (id);
        CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (1) TO (9);
        CREATE VIEW customer_view AS SELECT email FROM customer;
        CREATE SCHEMA crm; CREATE TABLE crm.customers (id int PRIMARY KEY); CREATE TABLE crm.old_customers (id int PRIMARY KEY);
        INSERT INTO customer VALUES (1, '2000-01-01', 'jill.roe@shop.example', 'Roe', '1', 'n')"#,
    )
    .await
    .rule("customer", "at", "P1Y")
    .rule("message", "at", "P1Y");
    let grant = format!("GRANT UPDATE (email), SELECT ON customer TO {}", world.role);
    world.sql(&grant).await;
    let rules = world.task["spec"]["rules"].as_array_mut().unwrap();
    rules[0]["method"] = json!("Nullify");
    rules[0]["columns"] = json!([{"name": "email"}]);
    // One by its bare name, one by its whole; nothing is erased from a view or a partition, and nothing is there by another case or in
    // another schema.
    let named = json!([
        "crm.old_customers",
        "customer_view",
        "visits_1",
        "Goods",
        "crm.goods",
        "customer"
    ]);
    world.set("catalogue", asked(named));
    let absent = ["Goods", "crm.goods", "customer_view", "visits_1"].map(|table| AbsentTable {
        store: "orders".into(),
        table: table.into(),
    });
    let mut wanted = vec![
        unruled("crm.customers", &[]),
        unruled("public.NewsletterReaders", &[]),
        UnruledTable {
            rule: Some("customer".into()),
            ..unruled("public.customer", &["Surname", "phone"])
        },
        unruled("public.visits", &["user_Email"]),
    ];
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let look = seen.expect("Previewed").body().catalogue.clone().unwrap();
    let [StoreDatabase { store, database }] = &look.databases[..] else {
        panic!("{look:?}");
    };
    assert_eq!((store.as_str(), database.len()), ("orders", 16));
    assert_eq!(
        look,
        CatalogueLook {
            databases: look.databases.clone(),
            tables: wanted.clone(),
            absent: absent.into(),
            ..CatalogueLook::default()
        }
    );
    world.set("mode", "Enforce");
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("customer").erased, 1);
    assert_eq!(ran.body().catalogue.as_ref(), Some(&look));
    for log in [&seen.log, &ran.log] {
        assert!(!log.contains("jill.roe"), "{log}");
    }
    // Whoever names a table looks after it; nobody who asks for nothing is told anything.
    world.set(
        "catalogue",
        asked(json!(["customers", "old_customers", "NewsletterReaders"])),
    );
    wanted.drain(..2);
    let look = world.run().await.body().catalogue.clone().unwrap();
    assert_eq!(look.tables, wanted);
    world.task["spec"]
        .as_object_mut()
        .unwrap()
        .remove("catalogue");
    assert_eq!(world.run().await.body().catalogue, None);
}

#[tokio::test]
async fn a_thousand_tables_fit_into_a_report() {
    let mut world = World::new(
        "catalogue_many",
        "CREATE TABLE customer (id int PRIMARY KEY, at timestamptz);
        DO $$ BEGIN FOR i IN 1..1000 LOOP
          EXECUTE format('CREATE TABLE %I (id int, email_%s text, phone_%s text, surname_%s text)', 'newsletter_' || repeat('x', 40) || i,
            repeat('y', 50), repeat('y', 50), repeat('y', 50));
        END LOOP; END $$",
    )
    .await
    .rule("customer", "at", "P1Y");
    world.set("mode", "DryRun");
    world.set("catalogue", asked(json!([])));
    let seen = world.run().await;
    let look = seen.expect("Previewed").body().catalogue.clone().unwrap();
    assert!(look.tables.len() > 5, "{look:?}");
    let all = i64::try_from(look.tables.len()).unwrap() + look.more;
    assert_eq!(all, 1000, "the rest is counted");
}
