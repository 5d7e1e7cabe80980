//! Holds that the hub knows, and how old its list of them is: nothing of a person goes while one is not in force in the
//! store, or while nobody knows which there are.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::world::{World, exact};

const LEFT: &str = "SELECT count(*) FROM notes";
/// Nobody is suppressed for what was refused.
const SUPPRESSED: &str = "SELECT count(*) FROM tradewind.suppressed";
/// All of one table, as LegalHold case-7 has it.
const HOLD: &str =
    "SELECT tradewind.open_hold('f/case-7', 'claim', 'x', NULL, '[{\"table\": \"public.notes\"}]')";
const RELEASE: &str = "SELECT tradewind.release_hold('f/case-7', 'settled', 'x')";

async fn world(database: &str) -> World {
    let sql = "CREATE TABLE notes (id bigint PRIMARY KEY, about text, at timestamptz NOT NULL DEFAULT now());
        INSERT INTO notes SELECT i, 'Ann.Planted@mail.example' FROM generate_series(1, 40) AS i";
    let mut world = World::new(database, sql).await;
    world.table(
        "notes",
        json!({"subjects": [{"column": "about", "identity": "email"}], "clock": "at"}),
    );
    world.spec()["batchRows"] = 4.into();
    world
}

fn require(world: &mut World, scopes: &Value) {
    world.spec()["holds"] = json!([{"id": "f/case-7", "store": "shop", "scopes": scopes}]);
}

/// A hold that the hub knows and the database does not: not opened yet, half opened, or released by hand.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_while_a_required_hold_is_not_in_force() {
    let mut world = world("erq_hold").await;
    let table = json!({"table": "public.notes"});
    require(&mut world, &json!([table]));
    let refused = async |world: &World, why: &str| {
        let ran = world.run().await;
        assert_eq!(ran.expect("HoldNotInForce").code, 75, "{why}");
        let message = &ran.report.message;
        assert!(message.contains("LegalHold f/case-7"), "{message}");
        assert_eq!(world.sql(LEFT).await, "40", "{why}");
        assert_eq!(world.suppressed(SUPPRESSED).await, "0", "{why}");
    };
    refused(&world, "the store has no books of holds").await;
    world.sql(HOLD).await;
    require(&mut world, &json!([table, {}]));
    refused(&world, "one scope of two").await;
    // What takes nothing away asks for no hold.
    world.spec()["request"]["kind"] = "Restriction".into();
    let restricted = world.run().await;
    assert_ne!(restricted.report.reason, "HoldNotInForce");
    world.spec()["request"]["kind"] = "Erasure".into();

    require(&mut world, &json!([table]));
    let ran = world.run().await;
    assert_eq!(ran.expect("Held").terms("notes"), [40, 0, 0, 40, 0, 0]);
    // Released by an administrator's hand, and not on the hub: what was held stays.
    world.sql(RELEASE).await;
    assert_eq!(world.run().await.expect("HoldNotInForce").code, 75);
    assert_eq!(world.sql(LEFT).await, "40");
    world.spec()["holds"] = json!([]);
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("notes"), [40, 40, 0, 0, 0, 0]);
    // What has ended is told again, whatever is asked for by then; what is done over again asks once more.
    require(&mut world, &json!([table]));
    world.run().await.expect("Verified");
    let back = "INSERT INTO notes VALUES (1, 'Ann.Planted@mail.example', '2020-01-01')";
    world.sql(back).await;
    world.reapply().await.expect("HoldNotInForce");
    assert_eq!(world.sql(LEFT).await, "1");
    world.spec()["holds"] = json!([]);
    world.reapply().await.expect("Verified");
    assert_eq!(world.sql(LEFT).await, "0");
}

/// A request finds an address in any case of its letters, and so does a hold of such a kind: also one that was opened by the
/// release before, which is widened first, by all that it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_held_in_whatever_letters_a_request_finds_them() {
    let mut world = world("erq_letters").await;
    let hold = async |world: &World, values: &str, ignore_case: bool| {
        world.write("values", values);
        let scope = json!({"name": "ann", "table": "public.notes", "column": "about", "values": world.path("values"),
            "ignoreCase": ignore_case});
        let task = json!({"version": 1, "command": "hold", "region": "eu-west", "spec": {
            "id": "f/case-7", "ground": "claim", "openedBy": "x", "reviewOn": "2027-06-01",
            "stores": [{"store": "shop", "url": world.path("url"), "scopes": [scope]}]}});
        let told = world.start_task("hold", &task).finish_plain().await;
        assert_eq!(told["reason"], "InForce", "{told}");
    };
    hold(&world, "ANN.planted@MAIL.example", false).await;
    let mut scope = json!({"table": "public.notes", "column": "about"});
    scope["ignoreCase"] = true.into();
    require(&mut world, &json!([scope]));
    assert_eq!(world.run().await.expect("HoldNotInForce").code, 75);
    assert_eq!(world.sql(LEFT).await, "40");
    // The list has another person by now: who was held once stays held.
    hold(&world, "Bob.Planted@mail.example", true).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Held").terms("notes"), [40, 0, 0, 40, 0, 0]);
    // Asked for without, it is not narrowed.
    hold(&world, "ann.planted@mail.example", false).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Held").terms("notes"), [40, 0, 0, 40, 0, 0]);
    world.sql(RELEASE).await;
    let held = world.sql("SELECT held FROM tradewind.released_scope").await;
    assert_eq!(held, "3", "each value once");
    world.spec()["holds"] = json!([]);
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("notes"), [40, 40, 0, 0, 0, 0]);
}

/// The hub has said nothing yet; it spoke too long ago; one of the clocks is wrong; it falls silent while rows go.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_by_a_list_of_holds_that_is_too_old() {
    let mut world = world("erq_stale").await;
    let file = world.path("seen-at");
    let told = |seconds: i64| {
        let ago = SignedDuration::from_secs(seconds);
        let seen = Timestamp::now().checked_sub(ago).unwrap();
        std::fs::write(&file, seen.to_string()).unwrap();
    };
    let bounded = |max_age: &str| json!({"seenAt": &file, "maxAge": max_age});
    world.spec()["holdList"] = bounded("an hour");
    world.run().await.expect("TaskInvalid");
    world.spec()["holdList"] = bounded("PT30M");
    for seconds in [None, Some(1900), Some(-1900)] {
        seconds.into_iter().for_each(told);
        let ran = world.run().await;
        assert_eq!(ran.expect("HoldsStale").code, 75, "{seconds:?}");
        assert_eq!(world.reapply().await.expect("HoldsStale").code, 75);
        assert_eq!(world.sql(LEFT).await, "40", "{seconds:?}");
        assert_eq!(world.suppressed(SUPPRESSED).await, "0", "{seconds:?}");
    }
    // Young enough to begin, and silent from then on.
    world.slow_down("notes", 1.5).await;
    world.spec()["holdList"] = bounded("PT8S");
    told(0);
    let stopped = world.run().await;
    assert_eq!(stopped.expect("HoldsStale").code, 75);
    let gone = exact(stopped.table("notes").erased);
    assert!((4..40).contains(&gone), "{gone}");
    assert_eq!(world.sql(LEFT).await, (40 - gone).to_string());
    // The hub speaks again, and the rest goes.
    world.spec()["holdList"] = bounded("PT30M");
    told(0);
    let ran = world.run().await;
    assert_eq!(ran.expect("Verified").terms("notes"), [40, 40, 0, 0, 0, 0]);
}
