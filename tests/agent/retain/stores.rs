//! Stores: several of them, absent ones, and URLs that are secrets.

use serde_json::json;

use super::world::{World, access, exact};

#[tokio::test]
async fn a_run_covers_all_its_stores_or_none() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date);
        INSERT INTO t SELECT i, date '2000-01-01' FROM generate_series(1, 10) AS i";
    let other = World::new("sto_two", sql).await;
    let mut world = World::new("sto_one", sql).await.rule("t", "at", "P1Y");
    let mut second = world.task["spec"]["rules"][0].clone();
    let url = other.dir.path().join("url");
    second["name"] = json!("second");
    second["store"] = json!("inbox");
    second["url"] = json!(url);
    world.task["spec"]["rules"]
        .as_array_mut()
        .unwrap()
        .insert(0, second);

    // The bound holds back both stores when one rule is beyond it.
    world.set("maxPercent", 50);
    other
        .sql("INSERT INTO t SELECT i, current_date FROM generate_series(11, 30) AS i")
        .await;
    let ran = world.run().await;
    ran.expect("AwaitingApproval");
    assert_eq!(other.sql("SELECT count(*) FROM t").await, "30");
    world.set("maxPercent", 100);

    // A store that is not fit holds back the other.
    other.sql("ALTER TABLE t RENAME TO u").await;
    world.run().await.expect("TableMissing");
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "10");
    other.sql("ALTER TABLE u RENAME TO t").await;

    let ran = world.run().await;
    ran.expect("Done");
    let names: Vec<_> = ran
        .body()
        .rules
        .iter()
        .map(|rule| (&*rule.name, exact(rule.erased)))
        .collect();
    assert_eq!(names, [("second", 10), ("t", 10)]);
    let id = "SELECT id || ' ' || now FROM tradewind.run";
    assert_eq!(
        world.sql(id).await,
        other.sql(id).await,
        "one run, one clock"
    );
    let read = world.run_with(&["--report"]).await;
    read.expect("Done").says_what_was_said(&ran);
}

#[tokio::test]
async fn a_run_killed_between_two_stores_goes_on_in_both() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date);
        INSERT INTO t SELECT i, date '2000-01-01' FROM generate_series(1, 1000) AS i";
    let other = World::new("sto_between_two", sql).await;
    let mut world = World::new("sto_between_one", sql)
        .await
        .rule("t", "at", "P1Y");
    let mut second = world.task["spec"]["rules"][0].clone();
    second["name"] = json!("second");
    second["store"] = json!("zinc"); // after `orders`
    second["url"] = json!(other.dir.path().join("url"));
    world.task["spec"]["rules"]
        .as_array_mut()
        .unwrap()
        .push(second);
    world.set("batchRows", 200);
    other.slow_down("t", 0.4).await;
    let running = world.start("one");
    other.wait_for_ledger(1).await; // the first store is done, the second is not
    running.kill();
    assert_eq!(world.sql("SELECT reason FROM tradewind.run").await, "Done");
    let ran = world.run().await;
    ran.expect("Done");
    assert_eq!(
        (ran.rule("t").erased, ran.rule("second").erased),
        (1000, 1000)
    );
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.run").await, "1");
    assert_eq!(other.sql("SELECT count(*) FROM tradewind.run").await, "1");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_from_one_that_says_no() {
    let world = World::new("sto_absent", "CREATE TABLE t (id int PRIMARY KEY, at date)")
        .await
        .rule("t", "at", "P1Y");
    let url = world.dir.path().join("url");
    let good = access()
        .await
        .url_as("sto_absent_retain", "secret", "sto_absent");
    let port = access().await.address().port().to_string();
    for (text, reason, code) in [
        (good.replace(&port, "1"), "StoreUnavailable", 75),
        (
            good.replace(":secret@", ":sesame@"),
            "StoreLoginRefused",
            64,
        ),
        (
            good.replace("/sto_absent", "/sto_nowhere"),
            "StoreLoginRefused",
            64,
        ),
        ("opensesame".to_owned(), "StoreUrlInvalid", 64),
    ] {
        std::fs::write(&url, &text).unwrap();
        for mode in ["Enforce", "DryRun"] {
            let mut world =
                World::of("sto_absent", "sto_absent_retain", &text).rule("t", "at", "P1Y");
            world.set("mode", mode);
            let ran = world.run().await;
            assert_eq!(ran.expect(reason).code, code);
            assert!(!ran.log.contains("sesame") && !ran.report.message.contains("sesame"));
        }
    }
    std::fs::remove_file(&url).unwrap();
    assert_eq!(world.run().await.expect("StoreUrlInvalid").code, 64);
}
