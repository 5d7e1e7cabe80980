//! A legal hold is opened and released by a task, again and again without harm, and no value of it leaves the database.

use serde_json::{Value, json};
use tradewind::contract::{HoldReport, Report};

use super::world::{Ran, World};

const ID: &str = "fleet/case-7";

const SHOP: &str = r#"CREATE TABLE customer (id int PRIMARY KEY, mail text, at timestamptz);
    INSERT INTO customer SELECT i, 'c' || i || '@shop.example', timestamptz '2000-01-01' + i * interval '1 hour' FROM generate_series(1, 100) AS i;
    CREATE SCHEMA odd; CREATE TABLE odd."Order" ("User" text PRIMARY KEY, at timestamptz);
    INSERT INTO odd."Order" SELECT 'u' || i, timestamptz '2000-01-01' FROM generate_series(1, 10) AS i"#;

async fn shop(database: &str) -> World {
    let world = World::new(database, SHOP)
        .await
        .rule("customer", "at", "P1Y");
    let grants = format!(
        r"GRANT USAGE ON SCHEMA odd TO {0}; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA odd TO {0}",
        world.role
    );
    world.sql(&grants).await;
    world
}

/// A task of the hold; each scope is a table, a column and the text of the file with its values.
fn task(world: &World, scopes: &[(&str, &str, &str)]) -> Value {
    let file = |name: String| world.dir.path().join(name);
    let scope = |(at, (table, column, values)): (usize, &(&str, &str, &str))| {
        let mut scope = json!({"name": format!("scope-{at}")});
        if !table.is_empty() {
            scope["table"] = json!(table);
        }
        if !column.is_empty() {
            let path = file(format!("values-{at}"));
            std::fs::write(&path, values).unwrap();
            scope["column"] = json!(column);
            scope["values"] = json!(path);
        }
        scope
    };
    let scopes: Vec<Value> = scopes.iter().enumerate().map(scope).collect();
    json!({
        "version": 1, "command": "hold", "region": "eu-west",
        "spec": {
            "id": ID, "ground": "case 7", "openedBy": "counsel", "reviewOn": "2027-06-01",
            "stores": [{"store": "orders", "url": file("url".into()), "scopes": scopes}],
        },
    })
}

fn releasing(world: &World) -> Value {
    let mut task = task(world, &[("public.customer", "id", "unread")]);
    // To release, no value is needed: the Secret may have gone.
    std::fs::remove_file(world.dir.path().join("values-0")).unwrap();
    task["spec"]["release"] = json!({"by": "counsel", "ground": "settled"});
    task
}

/// The retention task asks for what a hold's task opens.
fn require(world: &mut World, scopes: Value) {
    world.set(
        "holds",
        json!([{"id": ID, "store": "orders", "scopes": scopes}]),
    );
}

async fn hold(world: &World, task: &Value) -> Ran<HoldReport> {
    world.start_task("hold", task, &[]).finish_as().await
}

fn says(ran: &Ran<HoldReport>, reason: &str) -> Report<HoldReport> {
    let report = ran.report.clone();
    assert_eq!(report.reason, reason, "{report:?}\n{}", ran.log);
    assert_eq!(ran.code, i32::from(report.outcome.exit_code()));
    report
}

#[tokio::test]
async fn a_hold_is_opened_once_widened_and_released_once() {
    let mut world = shop("lhold_story").await;
    let some = json!([{"table": "public.customer", "column": "id"}]);
    require(&mut world, some.clone());
    // Before its Job: nothing is erased, and a count says so.
    assert_eq!(world.run().await.expect("HoldNotInForce").code, 75);
    world.set("mode", "DryRun");
    let seen = world.run().await;
    assert_eq!(seen.expect("Previewed").rule("customer").due, 100);
    let told = &seen.report.message;
    assert!(
        told.contains("LegalHold fleet/case-7 is not in force"),
        "{told}"
    );
    world.set("mode", "Enforce");
    assert_eq!(world.sql("SELECT count(*) FROM customer").await, "100");

    let first = task(&world, &[("public.customer", "id", "7\n 9 \n\n")]);
    let opened = says(&hold(&world, &first).await, "InForce").body.unwrap();
    let since = opened.stores[0].in_force_since.clone().unwrap();
    let asked = "SELECT to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM tradewind.hold";
    assert_eq!(world.sql(asked).await, since, "by the database's clock");
    // Again is no news; wider is wider; narrower is not.
    let mut wider = task(&world, &[("public.customer", "id", "[11, \"7\"]")]);
    wider["spec"]["reviewOn"] = json!("2028-01-01");
    let again = says(&hold(&world, &wider).await, "InForce").body.unwrap();
    assert_eq!(again.stores[0].in_force_since, Some(since.clone()));
    let held = "SELECT string_agg(value, ' ' ORDER BY value::int) || ' ' || min(review_on) FROM tradewind.held JOIN tradewind.hold ON hold.id = held.hold";
    assert_eq!(world.sql(held).await, "7 9 11 2028-01-01");

    let ran = world.run().await;
    let rule = ran.expect("Done").rule("customer").clone();
    assert_eq!((rule.due, rule.held, rule.erased), (100, 3, 97), "{rule:?}");
    // A scope that the hub has and the database has not yet.
    require(&mut world, json!([some[0], {"table": "public.customer"}]));
    assert_eq!(world.run().await.expect("HoldNotInForce").code, 75);

    let release = releasing(&world);
    let released = says(&hold(&world, &release).await, "Released")
        .body
        .unwrap();
    let at = released.stores[0].released_at.clone().unwrap();
    assert!(at > since, "{at} {since}");
    let again = says(&hold(&world, &release).await, "Released")
        .body
        .unwrap();
    assert_eq!(again.stores[0].released_at, Some(at), "once, and for good");
    // Asked for still, as by a hub that was restored: refused until the release is recorded there too.
    require(&mut world, some);
    world.run().await.expect("HoldNotInForce");
    let opened = says(&hold(&world, &first).await, "HoldReleased");
    assert!(opened.body.unwrap().stores[0].released_at.is_some());
    world.set("holds", json!([]));
    assert_eq!(world.run().await.expect("Done").rule("customer").erased, 3);
}

#[tokio::test]
async fn what_was_never_held_is_released_without_ado() {
    let world = shop("lhold_never").await;
    let told = says(&hold(&world, &releasing(&world)).await, "Released")
        .body
        .unwrap();
    let store = &told.stores[0];
    assert_eq!((&store.in_force_since, &store.released_at), (&None, &None));
}

#[tokio::test]
async fn a_database_that_lost_its_holds_does_not_erase_until_they_are_back() {
    let mut world = shop("lhold_restored").await;
    require(&mut world, json!([{}]));
    let whole = task(&world, &[("", "", "")]);
    says(&hold(&world, &whole).await, "InForce");
    assert_eq!(world.run().await.expect("Done").rule("customer").held, 100);
    // As after a restore from a backup that is older than the hold.
    world.sql("DROP SCHEMA tradewind CASCADE").await;
    world
        .sql(&format!(
            "CREATE SCHEMA tradewind AUTHORIZATION {}",
            world.role
        ))
        .await;
    world.run().await.expect("HoldNotInForce");
    assert_eq!(world.sql("SELECT count(*) FROM customer").await, "100");
    says(&hold(&world, &whole).await, "InForce");
    assert_eq!(world.run().await.expect("Done").rule("customer").held, 100);
}

#[tokio::test]
async fn what_cannot_be_held_is_named_and_no_value_is() {
    let world = shop("lhold_wrong").await;
    let secret = "jill.roe@shop.example";
    let mut logs = String::new();
    for (scopes, reason) in [
        ([("public.customer", "id", secret)], "ValueUnfit"),
        (
            [("public.customer", "id", "7\n99999999999999999999")],
            "ValueUnfit",
        ),
        ([("public.customer", "nobody", secret)], "ColumnMissing"),
        ([("public.nothing", "id", secret)], "TableMissing"),
        ([("nothing", "id", secret)], "TableMissing"),
        (
            [("public.customer", "id", "[\"jill.roe@shop.example\", null]")],
            "ValuesInvalid",
        ),
        (
            [("public.customer", "id", "[\"jill.roe@shop.example\"")],
            "ValuesInvalid",
        ),
        ([("public.customer", "id", " \n")], "ValuesInvalid"),
        (
            [("public.customer\"; DROP TABLE customer; --", "id", secret)],
            "TableMissing",
        ),
        (
            [("public.customer", "id\"; DROP TABLE customer; --", secret)],
            "ColumnMissing",
        ),
    ] {
        let ran = hold(&world, &task(&world, &scopes)).await;
        let report = says(&ran, reason);
        let store = &report.body.as_ref().unwrap().stores[0];
        assert_eq!((ran.code, &store.in_force_since), (64, &None), "{scopes:?}");
        logs.extend([format!("{report:?}"), ran.log]);
    }
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.hold").await, "0");
    assert_eq!(world.sql("SELECT count(*) FROM customer").await, "100");
    // Names as a catalogue may have them, and values as people may.
    let odd = [
        ("odd.Order", "User", "u1\nu2'; DROP TABLE customer; --"),
        ("public.customer", "mail", secret),
    ];
    let ran = hold(&world, &task(&world, &odd)).await;
    says(&ran, "InForce");
    logs += &ran.log;
    let held = "SELECT string_agg(value, ' ' ORDER BY value) FROM tradewind.held";
    assert_eq!(
        world.sql(held).await,
        format!("{secret} u1 u2'; DROP TABLE customer; --")
    );
    let server = "SELECT pg_read_file(current_setting('data_directory') || '/../log')";
    let server = world.sql(server).await;
    assert!(server.contains("no table of that name"), "the right log");
    for (what, text) in [("a log or report", &logs), ("PostgreSQL's log", &server)] {
        for value in [secret, "jill", "99999999999999999999", "u1\\n"] {
            assert!(!text.contains(value), "{value} stands in {what}");
        }
    }
}

/// What a server would log is not sent: no hold is opened there, and nothing is erased. A hold without values has none to log.
#[tokio::test]
async fn a_server_that_would_log_held_values_gets_none() {
    let mut world = shop("lhold_loud").await;
    let alter = async |set: &str| world.sql(&format!("ALTER ROLE {} {set}", world.role)).await;
    alter("SET log_statement = 'all'").await;
    let values = task(
        &world,
        &[("public.customer", "mail", "planted-7@shop.example")],
    );
    let report = says(&hold(&world, &values).await, "ServerLogsValues");
    let mend = format!(
        "ALTER ROLE {} SET log_parameter_max_length = 0;",
        world.role
    );
    assert!(report.message.contains(&mend), "{}", report.message);
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.hold").await, "0");
    let mut whole = task(&world, &[("public.customer", "", "")]);
    whole["spec"]["id"] = json!("fleet/case-8");
    says(&hold(&world, &whole).await, "InForce");

    alter("SET log_parameter_max_length = 0").await;
    says(&hold(&world, &values).await, "InForce");
    let server = "SELECT pg_read_file(current_setting('data_directory') || '/../log')";
    let server = world.sql(server).await;
    assert!(server.contains("tradewind.open_hold"), "the right log");
    assert!(!server.contains("planted-7"), "a value stands in the log");
    require(
        &mut world,
        json!([{"table": "public.customer", "column": "mail"}]),
    );
    assert_eq!(world.run().await.expect("Done").rule("customer").held, 100);
}

#[tokio::test]
async fn a_store_that_is_not_there_keeps_no_other_from_being_held() {
    let world = shop("lhold_two").await;
    let mut task = task(&world, &[("", "", "")]);
    let mut other = task["spec"]["stores"][0].clone();
    let url = world.dir.path().join("elsewhere");
    std::fs::write(&url, "postgres://nobody:none@127.0.0.1:1/none").unwrap();
    other["store"] = json!("elsewhere");
    other["url"] = json!(url);
    task["spec"]["stores"]
        .as_array_mut()
        .unwrap()
        .insert(0, other);
    let ran = hold(&world, &task).await;
    let told = says(&ran, "StoreUnavailable").body.unwrap();
    assert_eq!(ran.code, 75, "it is tried again");
    assert!(told.stores[0].unread && told.stores[0].in_force_since.is_none());
    assert!(told.stores[1].in_force_since.is_some() && told.stores[1].reason.is_none());
}

/// Values that somebody encrypted to the region's key: read by it, and by it alone.
#[tokio::test]
async fn values_may_be_encrypted_to_the_regions_key() {
    let mut world = shop("lhold_sealed").await;
    let path = |name: &str| world.dir.path().join(name);
    let key = age::x25519::Identity::generate();
    let write = |name: &str, key: &age::x25519::Identity| {
        let text = age::secrecy::ExposeSecret::expose_secret(&key.to_string()).to_owned();
        std::fs::write(path(name), text).unwrap();
        path(name)
    };
    let (own, other) = (
        write("own", &key),
        write("other", &age::x25519::Identity::generate()),
    );
    let mut sealed = task(&world, &[("public.customer", "id", "")]);
    let bytes = age::encrypt(&key.to_public(), b"7\n9\n").unwrap();
    std::fs::write(path("ids.age"), &bytes).unwrap();
    std::fs::write(path("ids"), &bytes).unwrap();
    let mut told = async |values: &str, key: Option<&std::path::PathBuf>, reason: &str| {
        sealed["spec"]["stores"][0]["scopes"][0]["values"] = json!(path(values));
        sealed["spec"]["key"] = json!(key);
        let ran = hold(&world, &sealed).await;
        let report = says(&ran, reason);
        assert!(!report.message.contains("age-encryption"), "{report:?}");
    };
    told("ids.age", None, "ValuesKeyMissing").await;
    told("ids.age", Some(&path("nowhere")), "ValuesKeyMissing").await;
    told("ids.age", Some(&other), "ValuesNotForKey").await;
    told("ids", Some(&own), "ValuesInvalid").await;
    told("ids.age", Some(&own), "InForce").await;
    require(
        &mut world,
        json!([{"table": "public.customer", "column": "id"}]),
    );
    let rule = world.run().await.expect("Done").rule("customer").clone();
    assert_eq!((rule.held, rule.erased), (2, 98), "{rule:?}");
}

/// Four openings at once: one hold, each answer the same.
#[tokio::test]
async fn openings_at_once_are_one() {
    let world = shop("lhold_race").await;
    world.set_up_books().await;
    let whole = task(&world, &[("public.customer", "id", "7")]);
    let started: Vec<_> = (0..4)
        .map(|at| world.start_task(&format!("hold-{at}"), &whole, &[]))
        .collect();
    let mut since = std::collections::BTreeSet::new();
    for running in started {
        let ran: Ran<HoldReport> = running.finish_as().await;
        let told = says(&ran, "InForce").body.unwrap();
        since.insert(told.stores[0].in_force_since.clone().unwrap());
    }
    assert_eq!(since.len(), 1, "{since:?}");
}

#[tokio::test]
async fn a_list_of_holds_that_is_too_old_stops_every_run_and_one_under_way() {
    let mut world = shop("lhold_stale").await;
    let file = world.dir.path().join("seen-at");
    let told = |seconds: i64| {
        let ago = jiff::SignedDuration::from_secs(seconds);
        let seen = jiff::Timestamp::now().checked_sub(ago).unwrap();
        std::fs::write(&file, seen.to_string()).unwrap();
    };
    let bounded = |max_age: &str| json!({"seenAt": &file, "maxAge": max_age});
    world.set("holdList", bounded("PT30M"));
    let left = "SELECT count(*) FROM customer";
    // The hub has said nothing yet; it spoke too long ago; one of the clocks is wrong.
    for seconds in [None, Some(1900), Some(-1900)] {
        seconds.into_iter().for_each(told);
        let ran = world.run().await;
        assert_eq!(ran.expect("HoldsStale").code, 75, "{seconds:?}");
        let why = &ran.report.message;
        assert!(why.contains("spec.holds.maxAge of the Region"), "{why}");
        assert_eq!(world.sql(left).await, "100", "{seconds:?}");
    }
    world.set("mode", "DryRun");
    let seen = world.run().await;
    assert_eq!(seen.expect("Previewed").rule("customer").due, 100);
    let why = &seen.report.message;
    assert!(why.contains("is older than PT30M"), "{why}");
    world.set("mode", "Enforce");

    // Young enough to begin, and silent from then on: the run stops, and what is left goes once the hub speaks again.
    world.slow_down("customer", 0.8).await;
    world.set("batchRows", 5);
    world.set("holdList", bounded("PT8S"));
    told(0);
    let stopped = world.run().await;
    assert_eq!(stopped.expect("HoldsStale").code, 75);
    let gone = stopped.rule("customer").erased;
    assert!((1..100).contains(&gone), "{gone}");
    assert_eq!(world.sql(left).await, (100 - gone).to_string());
    world
        .sql("DROP TRIGGER slow ON customer; DROP FUNCTION slow()")
        .await;
    world.set("holdList", bounded("PT30M"));
    let ended = world.run().await;
    assert_eq!(ended.expect("Done").rule("customer").erased, 100);
    assert_eq!(world.sql(left).await, "0");
}

/// A table without its schema, as rules may write it and a category of data brings it here, is the one that a run finds.
#[tokio::test]
async fn a_table_may_be_written_as_rules_write_it() {
    let mut world = shop("lhold_bare").await;
    require(&mut world, json!([{"table": "customer"}]));
    assert_eq!(world.run().await.expect("HoldNotInForce").code, 75);
    let bare = task(&world, &[("customer", "", "")]);
    says(&hold(&world, &bare).await, "InForce");
    let held = world.sql("SELECT relation FROM tradewind.held").await;
    assert_eq!(held, "public.customer");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("customer").clone();
    assert_eq!((rule.due, rule.held, rule.erased), (100, 100, 0));
    // One that the role's path does not find.
    let hidden = task(&world, &[("Order", "", "")]);
    says(&hold(&world, &hidden).await, "TableMissing");
}

/// A database that was restored to after a hold was opened and before it was widened names the same table and column, and
/// holds fewer rows: when it was widened tells, and nothing of whom.
#[tokio::test]
async fn a_restore_to_before_a_hold_was_widened_is_seen() {
    let mut world = shop("lhold_widened").await;
    let widened = async |world: &World, values: &str| {
        let task = task(world, &[("public.customer", "id", values)]);
        let told = says(&hold(world, &task).await, "InForce").body.unwrap();
        told.stores[0].widened_at.clone().unwrap()
    };
    let first = widened(&world, "7").await;
    let second = widened(&world, "7\n9").await;
    assert!(first < second, "{first} {second}");
    assert_eq!(widened(&world, "9").await, second, "nothing is added");
    let required = |at: &str| {
        let scopes = json!([{"table": "public.customer", "column": "id"}]);
        json!([{"id": ID, "store": "orders", "scopes": scopes, "widenedAt": at}])
    };
    world.set("holds", required(&second));
    world.set("mode", "DryRun");
    let seen = world.run().await;
    assert_eq!(seen.expect("Previewed").rule("customer").held, 2);
    world.set("mode", "Enforce");
    for restored in [format!("'{first}'"), "NULL".to_owned()] {
        let restore = format!(
            "ALTER TABLE tradewind.hold_scope DISABLE TRIGGER keep; DELETE FROM tradewind.hold_scope WHERE value = '9';
            ALTER TABLE tradewind.hold_scope ENABLE TRIGGER keep; UPDATE tradewind.hold SET widened_at = {restored}"
        );
        world.sql(&restore).await;
        assert_eq!(world.run().await.expect("HoldNotInForce").code, 75);
        assert_eq!(world.sql("SELECT count(*) FROM customer").await, "100");
        // Its Job opens it again, and the hub may not know that yet.
        assert!(widened(&world, "7\n9").await > second);
    }
    let rule = world.run().await.expect("Done").rule("customer").clone();
    assert_eq!((rule.held, rule.erased), (2, 98), "{rule:?}");
}
