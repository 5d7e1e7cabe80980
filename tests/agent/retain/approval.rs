//! The bound, and the approval that goes beyond it, against a real table.

use serde_json::{Value, json};

use super::world::{Ran, SPEC_HASH, World};

const NOTES: &str = "CREATE TABLE notes (id int PRIMARY KEY, at date);
    INSERT INTO notes SELECT i, current_date - CASE WHEN i <= 400 THEN 1000 ELSE 1 END FROM generate_series(1, 1000) AS i;
    CREATE TABLE calm (id int PRIMARY KEY, at date);
    INSERT INTO calm SELECT i, current_date - CASE WHEN i <= 2 THEN 1000 ELSE 1 END FROM generate_series(1, 100) AS i";

async fn notes(database: &str) -> World {
    let mut world = World::new(database, NOTES)
        .await
        .rule("calm", "at", "P1Y")
        .rule("notes", "at", "P1Y");
    world.set("maxPercent", 5);
    world
}

fn approval(ran: &Ran) -> Value {
    let preview = ran.preview();
    json!({"hash": preview.hash(), "by": "dpo@shop.example", "preview": preview})
}

async fn left(world: &World) -> (String, String) {
    (
        world.sql("SELECT count(*) FROM notes").await,
        world.sql("SELECT count(*) FROM calm").await,
    )
}

fn counts(notes: i32, calm: i32) -> (String, String) {
    (notes.to_string(), calm.to_string())
}

#[tokio::test]
async fn one_rule_beyond_the_bound_holds_back_all() {
    let world = notes("app_holds").await;
    let ran = world.run().await;
    assert_eq!(ran.expect("AwaitingApproval").code, 64);
    assert_eq!(left(&world).await, counts(1000, 100));
    assert!(ran.body().run.is_empty());
    assert_eq!(world.sql("SELECT count(*) FROM tradewind.run").await, "0");
    assert_eq!(
        (ran.rule("notes").due, ran.rule("notes").remaining),
        (400, 400)
    );
}

#[tokio::test]
async fn an_approval_covers_what_was_seen_and_is_used_up() {
    let mut world = notes("app_used").await;
    let seen = world.run().await;
    world.approve(&seen);
    // Growth within the bound (5% of 1,050 rows) is covered.
    world
        .sql("INSERT INTO notes SELECT i, current_date - 900 FROM generate_series(2001, 2050) AS i")
        .await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("notes").erased, 450);
    // The same approval covers no second backlog.
    world
        .sql("UPDATE notes SET at = current_date - 900 WHERE id BETWEEN 501 AND 600")
        .await;
    let again = world.run().await;
    again.expect("AwaitingApproval");
    assert!(
        again
            .report
            .message
            .contains("more due rows than the approval still covers")
    );
    assert_eq!(left(&world).await, counts(600, 98));
    // A new one does.
    world.approve(&again);
    assert_eq!(world.run().await.expect("Done").rule("notes").erased, 100);
}

#[tokio::test]
async fn a_drift_beyond_the_bound_stops_before_the_first_delete() {
    let mut world = notes("app_drift").await;
    let seen = world.run().await;
    world.approve(&seen);
    world
        .sql("UPDATE notes SET at = current_date - 900 WHERE id BETWEEN 501 AND 551")
        .await;
    let ran = world.run().await;
    ran.expect("AwaitingApproval");
    assert_eq!(left(&world).await, counts(1000, 100));
}

#[tokio::test]
async fn an_approval_of_something_else_is_none() {
    let mut world = notes("app_other").await;
    let seen = world.run().await;
    let good = approval(&seen);
    let mut forged = good.clone();
    forged["preview"]["rules"][1]["due"] = json!(1000);
    for (bad, why) in [
        (forged, "another hash"),
        (changed(&good, "region", "us-east"), "another region"),
        (
            changed(&good, "specHash", &SPEC_HASH.replace('1', "2")),
            "another version",
        ),
    ] {
        world.set("approval", bad);
        let ran = world.run().await;
        ran.expect("AwaitingApproval");
        assert!(ran.report.message.contains(why), "{}", ran.report.message);
    }
    assert_eq!(left(&world).await, counts(1000, 100));
}

/// The preview changed in one field, and hashed anew, as somebody would who means to.
fn changed(approval: &Value, field: &str, value: &str) -> Value {
    let mut approval = approval.clone();
    approval["preview"][field] = json!(value);
    let preview: tradewind::contract::Preview =
        serde_json::from_value(approval["preview"].clone()).unwrap();
    approval["hash"] = json!(preview.hash());
    approval
}

#[tokio::test]
async fn an_approval_that_is_withdrawn_stops_the_run_it_began() {
    let mut world = notes("app_gone").await;
    world.set("batchRows", 50);
    world.slow_down("notes", 0.3).await;
    let seen = world.run().await;
    world.approve(&seen);
    let running = world.start("one");
    world.wait_for_ledger(3).await;
    running.terminate();
    let stopped = running.finish().await;
    let erased = stopped.expect("Stopped").rule("notes").erased;
    assert!(erased > 0 && erased < 400);
    world.set("approval", Value::Null);
    let ran = world.run().await;
    ran.expect("AwaitingApproval");
    assert_eq!(ran.rule("notes").due, 400 - erased);
    assert_eq!(
        world.sql("SELECT reason FROM tradewind.run").await,
        "ApprovalWithdrawn"
    );
    // The ledger of the ended run adds up too.
    let sum = "SELECT r.due = sum(l.erased + l.gone + l.blocked + l.failed + l.remaining) FROM tradewind.rule r
        JOIN tradewind.ledger l ON l.rule = r.name WHERE r.name = 'notes' GROUP BY r.due";
    assert_eq!(world.sql(sum).await, "t");
    // Given again, it covers what it has not been used for.
    world.approve(&seen);
    assert_eq!(
        world.run().await.expect("Done").rule("notes").erased,
        400 - erased
    );
}

#[tokio::test]
async fn a_spec_that_changes_under_a_run_ends_it() {
    let mut world = notes("app_spec").await;
    world.set("maxPercent", 100);
    world.set("batchRows", 50);
    world.slow_down("notes", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(3).await;
    running.kill();
    world.set("specHash", SPEC_HASH.replace('1', "3"));
    world.set("rules", json!([]));
    let world = world.rule("notes", "at", "P4Y"); // longer: nothing is due any more
    let before = world.sql("SELECT count(*) FROM notes").await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("notes").due, 0);
    assert_eq!(world.sql("SELECT count(*) FROM notes").await, before);
    let reasons = "SELECT string_agg(reason, ' ' ORDER BY began_at) FROM tradewind.run";
    assert_eq!(world.sql(reasons).await, "Superseded Done");
}
