//! What is refused, before anything is written, with what would be right; and the region's key.

use std::process::Command;

use serde_json::{Value, json};

use super::world::{EMAIL, World};
use crate::retain::world::access;

/// A change to the world, the reason, and words of the message.
#[tokio::test]
async fn each_mistake_is_named_and_nothing_is_written() {
    let mut world = World::shop("erx_mistakes").await;
    let whole = world.task.clone();
    let mut says = async |change: &dyn Fn(&mut World), reason: &str, words: &str| {
        world.task = whole.clone();
        change(&mut world);
        let ran = world.run().await;
        ran.expect(reason);
        assert!(ran.report.message.contains(words), "{}", ran.report.message);
    };
    let kind =
        |kind: &'static str| move |world: &mut World| world.spec()["request"]["kind"] = kind.into();
    says(
        &kind("Forgetting"),
        "TaskInvalid",
        "`spec.request.kind` is wrong",
    )
    .await;
    says(
        &|w| {
            w.set_table(
                "orders",
                "subjects",
                json!([{"column": "buyer", "identity": "email"}]),
            );
        },
        "SubjectMissing",
        "`buyer`",
    )
    .await;
    says(
        &|w| w.set_table("orders", "table", "order".into()),
        "TableMissing",
        "`order`",
    )
    .await;
    says(
        &|w| w.spec()["stores"][0]["lookups"][0]["gives"]["column"] = "no".into(),
        "SubjectMissing",
        "`no`",
    )
    .await;
    says(
        &|w| {
            w.set_table(
                "invoices",
                "keeps",
                json!([{"clock": "name", "for": "P8Y", "reference": "AO 147", "policy": "tax"}]),
            );
        },
        "KeepUnreadable",
        "AO 147",
    )
    .await;
    says(
        &|w| w.spec()["maxRows"] = 5.into(),
        "TooManyRows",
        "maxRows",
    )
    .await;
    says(
        &|w| w.spec()["suppression"]["url"] = json!(w.path("url")),
        "SuppressionNotApart",
        "of its own",
    )
    .await;
    says(
        &|w| w.spec()["suppression"]["key"] = json!(w.path("none")),
        "SecretMissing",
        "suppression.key",
    )
    .await;
    says(
        &|w| w.spec()["request"]["identity"] = json!(w.path("none")),
        "SecretMissing",
        "request.identity",
    )
    .await;
    says(
        &|w| w.spec()["request"]["key"] = json!(w.path("url")),
        "KeyInvalid",
        "keygen",
    )
    .await;
    says(
        &|w| w.spec()["request"]["identity"] = json!(w.path("key")),
        "IdentityInvalid",
        "`age` ciphertext",
    )
    .await;
    world.task = whole;
    let untouched = "SELECT count(*) FROM orders WHERE customer = 7";
    assert_eq!(world.sql(untouched).await, "10");
    let other = age::encrypt(&age::x25519::Identity::generate().to_public(), b"{}").unwrap();
    world.write("identity", other);
    world.run().await.expect("IdentityNotForKey");
    for person in [
        json!({"email": EMAIL}),
        json!({(EMAIL): ["x"]}),
        json!({"email": [7]}),
        json!({"email": []}),
    ] {
        world.identify(&person);
        world.run().await.expect("IdentityInvalid");
    }
}

#[tokio::test]
async fn a_reference_is_for_one_person_and_the_tables_it_had() {
    let mut world = World::shop("erx_reference").await;
    // Items block: the request stays open.
    world.run().await.expect("RowsBlocked");
    world.identify(&json!({"email": ["person3@mail.example"]}));
    world.run().await.expect("ReferenceReused");
    world.identify(&json!({"email": [EMAIL]}));
    let tables = world.spec()["stores"][0]["tables"].as_array_mut().unwrap();
    let orders = tables.remove(1);
    world.run().await.expect("SchemaDrift");
    world.spec()["stores"][0]["tables"]
        .as_array_mut()
        .unwrap()
        .push(orders);
    world.run().await.expect("RowsBlocked");
    let there = "SELECT count(*) FROM customers WHERE id = 3";
    assert_eq!(world.sql(there).await, "1");
    // As it was told: their table is named, and the same request takes its rows too.
    world.name_items().await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Kept").terms("items"), [20, 20, 0, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(world.sql(there).await, "1");
}

/// What retention refuses is refused here: cascades, rows that security hides, grants that are missing, with the SQL.
#[tokio::test]
async fn a_table_that_is_not_fit_is_refused_as_in_retention() {
    let mut world = World::shop("erx_unfit").await;
    world.sql("DROP TABLE items; CREATE TABLE logs (id int PRIMARY KEY, o bigint REFERENCES orders ON DELETE CASCADE)").await;
    world.grant().await;
    world.run().await.expect("CascadeWithoutRule");
    world.sql("DROP TABLE logs; ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders USING (id > 100)").await;
    world.run().await.expect("RowSecurityActive");
    world.sql(&format!("ALTER TABLE orders DISABLE ROW LEVEL SECURITY; REVOKE ALL ON orders, customers FROM {}", world.role)).await;
    let ran = world.run().await;
    ran.expect("GrantsMissing");
    assert!(
        ran.log
            .contains("GRANT SELECT (customer, id, placed_at) ON public.orders TO"),
        "{}",
        ran.log
    );
    assert!(
        ran.log.contains("GRANT DELETE ON public.orders TO"),
        "{}",
        ran.log
    );
    let grants = format!(
        "GRANT SELECT (customer, id, placed_at), DELETE ON orders TO {0}; GRANT SELECT (id, created), DELETE ON customers TO {0}",
        world.role
    );
    world.sql(&grants).await;
    let ran = world.run().await;
    ran.expect("GrantsMissing");
    assert!(
        ran.report
            .message
            .contains("GRANT SELECT (email, id) ON public.customers TO"),
        "{:?}",
        ran.report
    );
    world
        .sql(&format!(
            "GRANT SELECT (email) ON customers TO {}",
            world.role
        ))
        .await;
    world.run().await.expect("Kept");
    world.spec()["request"] = Value::Null;
    world.task["spec"]
        .as_object_mut()
        .unwrap()
        .remove("request");
    world.run().await.expect("TaskInvalid");
}

/// A standstill of the suppression store: nobody is erased who is not suppressed first.
#[tokio::test]
async fn without_a_suppression_store_nothing_goes() {
    let mut world = World::shop("erx_silent").await;
    world.sql("DROP TABLE items").await;
    world.write(
        "gone",
        access()
            .await
            .url_as(&world.role, "secret", "erx_no_such_database"),
    );
    world.spec()["suppression"]["url"] = json!(world.path("gone"));
    world.run().await.expect("StoreLoginRefused");
    assert_eq!(
        world
            .sql("SELECT count(*) FROM orders WHERE customer = 7")
            .await,
        "10"
    );
}

#[test]
fn a_region_makes_its_key_without_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("key");
    let keygen = || {
        Command::new(env!("CARGO_BIN_EXE_tradewind-agent"))
            .arg("keygen")
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
    };
    let made = keygen();
    assert_eq!(made.status.code(), Some(0));
    let public = String::from_utf8(made.stdout).unwrap();
    let recipient: age::x25519::Recipient = public.trim().parse().unwrap();
    let file = std::fs::read_to_string(&out).unwrap();
    assert!(!public.contains("SECRET") && file.contains(public.trim()));
    let secret: age::x25519::Identity = file
        .lines()
        .find(|line| !line.starts_with('#'))
        .unwrap()
        .parse()
        .unwrap();
    let hidden = age::encrypt(&recipient, b"hello").unwrap();
    assert_eq!(age::decrypt(&secret, &hidden).unwrap(), b"hello");
    let again = keygen();
    assert_eq!(again.status.code(), Some(64));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), file);
}

/// A trigger that misses a table of its own makes the row `failed`; the request goes on once that is mended.
#[tokio::test]
async fn what_a_trigger_misses_is_no_drift() {
    let mut world = World::new(
        "erx_missing",
        "CREATE TABLE notes (id int PRIMARY KEY, about text);
        INSERT INTO notes VALUES (1, 'Ann.Planted@mail.example');
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO public.not_there VALUES (1); RETURN OLD; END $$;
        CREATE TRIGGER tell BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION tell()",
    )
    .await;
    let by_email = json!({"subjects": [{"column": "about", "identity": "email"}]});
    world.table("notes", by_email);
    let ran = world.run().await;
    assert_eq!(ran.expect("RowsFailed").terms("notes"), [1, 0, 0, 0, 0, 1]);
    world
        .sql("CREATE TABLE not_there (id int); GRANT INSERT ON not_there TO PUBLIC")
        .await;
    world.run().await.expect("Verified");
}

/// Whoever mends one store need not try again to hear of the next.
#[tokio::test(flavor = "multi_thread")]
async fn every_store_that_cannot_be_opened_is_named() {
    let mut world = World::shop("erx_several").await;
    for name in ["gone", "nowhere"] {
        world.write(name, "postgres://officer:planted-secret@127.0.0.1:1/none");
        let mut store = world.spec()["stores"][0].clone();
        store["name"] = name.into();
        store["url"] = json!(world.path(name));
        let stores = world.spec()["stores"].as_array_mut().unwrap();
        stores.insert(0, store);
    }
    let ran = world.run().await;
    let message = &ran.report.message;
    assert!(
        message.contains("`gone`") && message.contains("`nowhere`"),
        "{message}"
    );
    assert!(!message.contains("planted"), "{message}");
    assert_eq!(ran.code, 75, "{message}");
    // What somebody must mend is told first.
    world.spec()["stores"][0]["tables"][0]["table"] = "customers".into();
    world.spec()["stores"][2]["tables"][0]["table"] = "elsewhere".into();
    let ran = world.run().await;
    ran.expect("TableMissing");
    let message = &ran.report.message;
    assert!(
        message.contains("`gone`") && message.contains("`elsewhere`"),
        "{message}"
    );
}
