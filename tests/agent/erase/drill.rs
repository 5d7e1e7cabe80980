//! The drill: dump, erase, restore, erase again. A restored store stands still until then.

use std::time::Duration;

use serde_json::{Value, json};
use tradewind::contract::RequestState;

use super::world::{EMAIL, World, assert_nobody, exact};
use crate::retain::world::access;

/// A database from a dump, under another name, as after a disaster.
pub(super) async fn restore(world: &World, dump: &str, database: &str) {
    let access = access().await;
    access.create_database(database, "postgres").await.unwrap();
    access.script(database, dump, &[]).await.unwrap();
    let url = access.url_as(&world.role, "secret", database);
    world.write("url", url);
}

const LEFT: &str = "SELECT (SELECT count(*) FROM customers WHERE id = 7), (SELECT count(*) FROM orders WHERE customer = 7),
    (SELECT count(*) FROM messages WHERE sender ~* 'planted'), (SELECT count(*) FROM invoices WHERE customer = 7)";

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_stands_still_until_everybody_is_erased_again() {
    let mut world = World::shop("erd_drill").await;
    world.sql("DROP TABLE items").await;
    let dump = access().await.dump(&world.database).await.unwrap();
    world.run().await.expect("Kept");
    assert_eq!(world.sql(LEFT).await, "0|0|0|5");
    restore(&world, &dump, "erd_drill_b").await;
    let sql = async |sql: &str| access().await.query("erd_drill_b", sql).await.unwrap();
    assert_eq!(sql(LEFT).await, "1|10|10|10");
    // A customer who came back after the erasure, under the same address.
    sql(&format!(
        "INSERT INTO customers VALUES (99, '{EMAIL}', 'x', now()); INSERT INTO messages (sender, sent_at) VALUES ('{EMAIL}', now())"
    ))
    .await;
    // Nothing runs: no erasure, no copy, no retention, not even a count.
    let mut other = World::shop("erd_other").await;
    other.task = world.task.clone();
    other.spec()["request"]["reference"] = "dsr-2".into();
    other.run().await.expect("RestoreDetected");
    let reader = age::x25519::Identity::generate().to_public().to_string();
    other.spec()["request"]["delivery"] = json!({"recipient": reader, "expiresAfter": "P30D",
        "destination": {"url": "s3://nowhere", "object": "dsr/2", "credentials": other.path("none")}});
    for kind in ["Access", "Portability"] {
        other.spec()["request"]["kind"] = kind.into();
        other.run().await.expect("RestoreDetected");
    }
    for mode in ["Enforce", "DryRun"] {
        retained(&world, mode).await.expect("RestoreDetected");
    }
    // Nor does a schedule erase again: only a person knows when a restore is complete.
    world.spec()["bySchedule"] = true.into();
    world.reapply().await.expect("RestoreDetected");
    world.spec()["bySchedule"] = false.into();
    retained(&world, "DryRun").await.expect("RestoreDetected");
    assert_eq!(sql(LEFT).await, "1|10|11|10");
    // Erased again, the same rows and no others: what came later stays, what a law keeps stays.
    let ran = world.reapply().await;
    ran.expect("Kept");
    assert_eq!(ran.body().request, "reapply");
    // As all databases of the tests are.
    assert_eq!(ran.body().same_server.as_deref(), Some("shop"));
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(ran.terms("orders"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(ran.terms("messages"), [10, 10, 0, 0, 0, 0]);
    let spared =
        ["customers", "orders", "messages", "invoices"].map(|name| exact(ran.table(name).spared));
    assert_eq!(spared, [0, 0, 1, 0]);
    let said = "; 1 rows of erased persons have a clock after their erasure, and stay";
    assert!(ran.report.message.ends_with(said), "{:?}", ran.report);
    assert_eq!(ran.terms("invoices"), [10, 5, 5, 0, 0, 0]);
    assert_eq!(sql(LEFT).await, "0|0|1|5");
    assert_eq!(
        sql("SELECT count(*) FROM customers WHERE id = 99").await,
        "1"
    );
    // Now all runs go on.
    retained(&world, "DryRun").await.expect("Previewed");
    // Erasing again took numbers of its own: a restore to before them would be seen, too.
    let [head, acknowledged] = ["erasure_head", "acknowledged"]
        .map(|table| format!("SELECT number FROM tradewind.{table}"));
    assert_eq!(sql(&head).await, world.suppressed(&acknowledged).await);
    other.identify(&json!({"email": ["nobody@mail.example"]}));
    let mut task = world.task.clone();
    task["spec"]["request"]["reference"] = "dsr-3".into();
    task["spec"]["request"]["identity"] = json!(other.path("identity"));
    task["spec"]["request"]["key"] = json!(other.path("key"));
    other.task = task;
    other.run().await.expect("Verified");
    // And once more, there is nothing to do.
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Kept").terms("messages"), [0; 6]);
    assert_nobody(&access().await.dump("erd_drill_suppressed").await.unwrap());
}

/// A restore takes restrictions back, and nobody knows any more whose rows they hid: runs stand still, and say which to ask
/// for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_that_a_restore_undid_is_named_until_it_is_lifted() {
    let mut world = World::shop("erd_shown").await;
    world.spec()["request"]["kind"] = "Restriction".into();
    super::restrict::prepare(&world).await;
    let dump = access().await.dump(&world.database).await.unwrap();
    world.run().await.expect("Verified");
    retained(&world, "DryRun").await.expect("Previewed");
    world.database = "erd_shown_b".into();
    restore(&world, &dump, &world.database).await;
    for mode in ["Enforce", "DryRun"] {
        let ran = retained(&world, mode).await;
        ran.expect("RestrictionLost");
        assert!(
            ran.0.to_string().contains("ask for `dsr-1` once"),
            "{}",
            ran.0
        );
    }
    // So does what erases again by a schedule, in a region where no policy runs.
    world.spec()["bySchedule"] = true.into();
    world.reapply().await.expect("RestrictionLost");
    world.spec()["bySchedule"] = false.into();
    world.spec()["request"]["reference"] = "dsr-2".into();
    world.run().await.expect("Verified");
    let hidden = "SELECT count(*) FROM orders WHERE restricted_by = '{request/dsr-2}'";
    assert_eq!(world.sql(hidden).await, "10");
    retained(&world, "DryRun").await.expect("RestrictionLost");
    world.spec()["request"]["reference"] = "dsr-1".into();
    let lifted = world.start("lift", &["--lift"]).finish_plain().await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    retained(&world, "DryRun").await.expect("Previewed");
    assert_eq!(world.sql(hidden).await, "10");
    upheld_is_not_lost(&mut world, &dump).await;
}

/// An objection that is upheld hides nothing any more: of a store that was restored it is the erasure that is missing. So also where
/// an earlier release left the restriction as it had ended.
async fn upheld_is_not_lost(world: &mut World, dump: &str) {
    world.sql("DROP TABLE items").await;
    world.spec()["request"]["kind"] = "Erasure".into();
    world.spec()["request"]["reference"] = "dsr-2_erasure".into();
    world.spec()["request"]["supersedes"] = "dsr-2".into();
    world.run().await.expect("Kept");
    world.database = "erd_shown_c".into();
    restore(world, dump, &world.database).await;
    world.sql("DROP TABLE items").await;
    retained(world, "DryRun").await.expect("RestoreDetected");
    world.reapply().await.expect("Kept");
    retained(world, "DryRun").await.expect("Previewed");
    let as_ended = |reference: &str| {
        format!("UPDATE tradewind.request SET state = 'Verified' WHERE reference = '{reference}'")
    };
    world.suppressed(&as_ended("dsr-2")).await;
    retained(world, "DryRun").await.expect("Previewed");
    // By the same word one is lost of which nobody was erased, and it alone.
    world.suppressed(&as_ended("dsr-1")).await;
    let ran = retained(world, "DryRun").await;
    ran.expect("RestrictionLost");
    let told = ran.0.to_string();
    assert!(told.contains("ask for `dsr-1` once"), "{told}");
}

/// SIGKILL in the midst of it: the store stands still as before, and a rerun finishes.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drill_is_gone_on_with() {
    let mut world = World::shop("erd_killed").await;
    world.sql("DROP TABLE items").await;
    let dump = access().await.dump(&world.database).await.unwrap();
    world.run().await.expect("Kept");
    // Four batches were acknowledged; over again there are more, and none of their numbers says that it is done.
    assert_eq!(world.batches().await, 4);
    world.spec()["batchRows"] = 1.into();
    restore(&world, &dump, "erd_killed_b").await;
    world.database = "erd_killed_b".into();
    world.slow_down("orders", 0.6).await;
    for batches in [2, 6] {
        let running = world.start("erase", &["--reapply"]);
        world.wait_for_batches(batches).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        running.kill();
        retained(&world, "DryRun").await.expect("RestoreDetected");
    }
    // Imported in between: what was found before does not have it, so the next finds all anew.
    let import = format!("INSERT INTO messages (sender, sent_at) VALUES ('{EMAIL}', '2020-01-01')");
    world.sql(&import).await;
    let ran = world.reapply().await;
    ran.expect("Unfinished");
    assert_eq!(ran.terms("orders"), [10, 10, 0, 0, 0, 0]);
    assert_eq!(ran.table("messages").state, RequestState::Pending);
    retained(&world, "DryRun").await.expect("RestoreDetected");
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Kept").terms("messages"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.sql(LEFT).await, "0|0|0|5");
    retained(&world, "DryRun").await.expect("Previewed");
}

/// Rules may change between two attempts, as the first one says itself, or after a kill: the next finds all anew.
#[tokio::test(flavor = "multi_thread")]
async fn rules_may_change_until_everybody_is_erased_again() {
    let mut world = World::shop("erd_rules").await;
    let before = world.task.clone();
    world.name_items().await;
    let dump = access().await.dump(&world.database).await.unwrap();
    world.run().await.expect("Kept");
    restore(&world, &dump, "erd_rules_b").await;
    world.database = "erd_rules_b".into();
    let named = std::mem::replace(&mut world.task, before);
    world.reapply().await.expect("RowsBlocked");
    retained(&world, "DryRun").await.expect("RestoreDetected");
    world.task = named;
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Kept").terms("items"), [20, 20, 0, 0, 0, 0]);
    assert_eq!(world.sql(LEFT).await, "0|0|0|5");
    retained(&world, "DryRun").await.expect("Previewed");

    restore(&world, &dump, "erd_rules_c").await;
    world.database = "erd_rules_c".into();
    world.slow_down("orders", 0.6).await;
    let running = world.start("erase", &["--reapply"]);
    world.wait_for_batches(1).await;
    running.kill();
    world.set_table("customers", "method", "Anonymise".into());
    world.set_table("customers", "columns", json!([{"name": "email"}]));
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Kept").terms("customers"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.sql(LEFT).await, "1|0|0|5");
    let words = "SELECT string_agg(reason, ' ' ORDER BY began_at) FROM tradewind.run";
    assert_eq!(world.sql(words).await, "Superseded Reapplied");
    retained(&world, "DryRun").await.expect("Previewed");
}

/// An import with old dates brings somebody back, until the schedule's next moment; a row without a date is left, and said so
/// until it has one.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_erased_again_and_what_has_no_date_is_told() {
    let mut world = World::shop("erd_import").await;
    world.sql("DROP TABLE items").await;
    world.run().await.expect("Kept");
    world.sql(&format!(
        "ALTER TABLE customers ALTER created DROP NOT NULL; INSERT INTO customers VALUES (7, '{EMAIL}', '', '2020-01-01');
        INSERT INTO messages (sender, sent_at) VALUES ('{EMAIL}', '2020-01-01'), ('{EMAIL}', 'infinity'), ('{EMAIL}', '-infinity')"
    ))
    .await;
    world.spec()["bySchedule"] = true.into();
    let ran = world.reapply().await;
    ran.expect("RowsUndated");
    assert_eq!(ran.terms("customers"), [1, 1, 0, 0, 0, 0]);
    let messages = ran.table("messages");
    assert_eq!(
        [messages.erased, messages.undated].map(exact),
        [1, 2],
        "{messages:?}"
    );
    // One is from before the erasure, the other of somebody who came back.
    let dates = "UPDATE messages SET sent_at = CASE WHEN sent_at > now() THEN now() ELSE timestamptz '2020-01-02' END
        WHERE NOT isfinite(sent_at)";
    world.sql(dates).await;
    let ran = world.reapply().await;
    assert_eq!(ran.expect("Kept").terms("messages"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.sql(LEFT).await, "0|0|1|5");
}

/// Hashes of a key that is not here say nothing; deleted on purpose, they are in nobody's way.
#[tokio::test]
async fn a_destroyed_key_leaves_nobody_to_be_found() {
    let world = World::shop("erd_key").await;
    world.sql("DROP TABLE items").await;
    world.run().await.expect("Kept");
    world.write("hash", "6b".repeat(32));
    world.reapply().await.expect("SuppressionKeyUnknown");
    world.suppressed("DELETE FROM tradewind.suppressed").await;
    world.reapply().await.expect("Verified");
}

/// A suppression store that was lost, emptied or exchanged: nothing runs, as nobody would see a restore, until it is there
/// again. Killed in its very first erasure, a request goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_suppression_store_is_told() {
    let mut world = World::shop("erd_lost").await;
    world.sql("DROP TABLE items").await;
    world.slow_down("orders", 0.3).await;
    let running = world.start("erase", &[]);
    world.wait_for_batches(1).await;
    running.kill();
    retained(&world, "DryRun").await.expect("Previewed");
    world.run().await.expect("Kept");
    let dump = access().await.dump(&world.suppression).await.unwrap();
    world.suppressed("DROP SCHEMA tradewind CASCADE").await;
    for mode in ["DryRun", "Enforce"] {
        retained(&world, mode).await.expect("SuppressionLost");
    }
    let role = &world.role;
    let schema = format!("CREATE SCHEMA tradewind AUTHORIZATION {role}");
    world.suppressed(&schema).await;
    world.reapply().await.expect("SuppressionLost");
    world.spec()["request"]["reference"] = "dsr-2".into();
    world.run().await.expect("SuppressionLost");
    retained(&world, "DryRun").await.expect("SuppressionLost");
    let access = access().await;
    access
        .create_database("erd_lost_again", "postgres")
        .await
        .unwrap();
    access.script("erd_lost_again", &dump, &[]).await.unwrap();
    world.write(
        "suppressed",
        access.url_as(&world.role, "secret", "erd_lost_again"),
    );
    retained(&world, "DryRun").await.expect("Previewed");
    world.reapply().await.expect("Kept");
}

/// One that was restored to before an erasure knows of that person no more: nothing runs until somebody takes that on, and the person
/// is asked for again. A schedule takes on nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_suppression_store_of_before_an_erasure_is_told() {
    let mut world = World::shop("erd_older").await;
    world.sql("DROP TABLE items").await;
    world.identify(&json!({"email": ["person3@mail.example"]}));
    world.run().await.expect("Kept");
    let dump = access().await.dump(&world.suppression).await.unwrap();
    world.spec()["request"]["reference"] = "dsr-2".into();
    world.identify(&json!({"email": [EMAIL]}));
    world.run().await.expect("Kept");
    retained(&world, "DryRun").await.expect("Previewed");
    world.suppression = "erd_older_again".into();
    let (access, database) = (access().await, world.suppression.as_str());
    access.create_database(database, "postgres").await.unwrap();
    access.script(database, &dump, &[]).await.unwrap();
    let url = access.url_as(&world.role, "secret", database);
    world.write("suppressed", url);
    for mode in ["DryRun", "Enforce"] {
        retained(&world, mode).await.expect("SuppressionBehind");
    }
    world.spec()["request"]["reference"] = "dsr-3".into();
    world.run().await.expect("SuppressionBehind");
    world.spec()["bySchedule"] = true.into();
    world.reapply().await.expect("SuppressionBehind");
    // What an earlier release took is not compared, nor what a run took that is open yet.
    let before = world
        .sql("SELECT compared_from FROM tradewind.erasure_head")
        .await;
    assert_eq!(before, "0");
    for (sql, back) in [
        (
            "UPDATE tradewind.erasure_head SET compared_from = number",
            "UPDATE tradewind.erasure_head SET compared_from = 0",
        ),
        (
            "UPDATE tradewind.run SET ended_at = NULL, reason = NULL WHERE policy = 'request/dsr-2'",
            "UPDATE tradewind.run SET ended_at = now(), reason = 'Kept' WHERE policy = 'request/dsr-2'",
        ),
    ] {
        world.sql(sql).await;
        retained(&world, "DryRun").await.expect("Previewed");
        world.sql(back).await;
        retained(&world, "DryRun").await.expect("SuppressionBehind");
    }
    world.spec()["bySchedule"] = false.into();
    let ran = world.reapply().await;
    ran.expect("Kept");
    let message = &ran.report.message;
    assert!(
        message.contains("was older than erasures in shop"),
        "{message}"
    );
    retained(&world, "DryRun").await.expect("Previewed");
    world.run().await.expect("Verified");
    let hashes =
        "SELECT string_agg(DISTINCT reference, ' ' ORDER BY reference) FROM tradewind.suppressed";
    assert_eq!(world.suppressed(hashes).await, "dsr-1 dsr-3");
    // One that was open is not begun anew beside the run that the stores have: it is ended, and asked for again.
    let open =
        "UPDATE tradewind.run SET ended_at = NULL, reason = NULL WHERE policy = 'request/dsr-2'";
    world.sql(open).await;
    world.spec()["request"]["reference"] = "dsr-2".into();
    world.run().await.expect("SuppressionBehind");
    assert_eq!(world.suppressed(hashes).await, "dsr-1 dsr-3");
}

/// What a Region says of a kind of values changes between an erasure and a restore: whoever was erased is found by what it
/// said then, or nothing is called verified.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_read_otherwise_by_now_hides_nobody() {
    for (database, then, now) in [("erd_folds", false, true), ("erd_unfolds", true, false)] {
        let mut world = World::shop(database).await;
        world.sql("DROP TABLE items").await;
        let by_email = json!([{"column": "email", "identity": "email"}]);
        world.set_table("customers", "subjects", by_email);
        world.spec()["identities"][0]["ignoreCase"] = then.into();
        let dump = access().await.dump(&world.database).await.unwrap();
        world.run().await.expect("Kept");
        world.database = format!("{database}_b");
        restore(&world, &dump, &world.database).await;
        world.spec()["identities"][0]["ignoreCase"] = now.into();
        world.reapply().await.expect("Kept");
        let there = "SELECT count(*) FROM customers WHERE id = 7";
        assert_eq!(world.sql(there).await, "0", "{database}");
    }
    let mut world = World::shop("erd_renamed").await;
    world.sql("DROP TABLE items").await;
    let dump = access().await.dump(&world.database).await.unwrap();
    world.run().await.expect("Kept");
    world.database = "erd_renamed_b".into();
    restore(&world, &dump, &world.database).await;
    let whole = world.task.clone();
    let renamed = whole.to_string().replace("customerId", "customerNumber");
    world.task = serde_json::from_str(&renamed).unwrap();
    let ran = world.reapply().await;
    ran.expect("SuppressionKindUnknown");
    assert!(ran.report.message.contains("`customerId`"));
    retained(&world, "DryRun").await.expect("RestoreDetected");
    world.task = whole;
    world.reapply().await.expect("Kept");
    retained(&world, "DryRun").await.expect("Previewed");
}

/// One retention run over the same store, with the suppression store named.
pub(super) async fn retained(world: &World, mode: &str) -> Reason {
    // What retention asks for beyond what the erasure of one person needs.
    let grant = format!("GRANT pg_read_all_stats TO {}", world.role);
    world.sql(&grant).await;
    let mut task = world.task.clone();
    task["command"] = "retain".into();
    task["spec"] = json!({
        "policy": "p", "mode": mode, "specHash": "sha256-1", "timeZone": "Europe/Berlin", "window": "PT1H",
        "batchRows": 100, "maxPercent": 100, "smallCounts": 1, "suppression": world.path("suppressed"),
        "rules": [{"name": "messages", "store": "shop", "url": world.path("url"), "table": "messages",
            "clock": "sent_at", "after": "P20D"}]});
    Reason(world.start_task("retain", &task).finish_plain().await)
}

pub(super) struct Reason(Value);

impl Reason {
    #[track_caller]
    pub(super) fn expect(&self, reason: &str) {
        assert_eq!(self.0["reason"], reason, "{}", self.0);
    }
}
