//! What counsel holds by a few lines of YAML stays, counted, through the loss of its object, until it is released.

use serde_json::{Value, json};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, RUNS};
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::quickstart::{adds_up, count};
use crate::silence::told_nowhere;
use crate::world::sql_of;

/// Two customers whose messages are due: one that the case is about, and another.
pub(crate) const HELD: &str = "777000777";
const FREE: &str = "777000778";
const REGION: &str = "eu-west";

fn hold() -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "LegalHold", "metadata": {"name": "case-7"},
        "spec": {
            "ground": "case 7: messages of the plaintiff", "openedBy": "counsel@aurora.example", "reviewOn": "2999-01-01",
            "selector": {"regions": [REGION]},
            "scopes": [{
                "name": "messages", "store": "aurora-orders", "table": "public.messages", "column": "customer_id",
                "valuesSecretRef": {"name": "case-7", "key": "customers"},
            }],
        },
    })
}

async fn seen(hub: &Cluster) -> Value {
    settle::get(hub, "legalhold", None, "case-7")
        .await
        .unwrap()
        .unwrap_or_default()
}

async fn in_force(hub: &Cluster) -> String {
    settle::condition_true(hub, ("legalhold", None, "case-7"), "InForce", SOON)
        .await
        .unwrap();
    let hold = seen(hub).await;
    let since = hold.pointer("/status/regions/0/stores/0/inForceSince");
    since
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{hold}"))
        .to_owned()
}

/// Runs the policy; answers what the rule over messages held and erased, and how many messages of the two are there.
async fn retained(stage: &Stage, hub: &Cluster) -> (String, String, String) {
    let done = quickstart::retention_run(hub, "eu-customers", SOON)
        .await
        .unwrap();
    adds_up(&done);
    let rules = done
        .pointer("/status/regions/0/lastRun/rules")
        .and_then(Value::as_array)
        .unwrap();
    let rule = rules
        .iter()
        .find(|rule| rule["name"] == "messages")
        .unwrap();
    // As the region tells it: two or three rows are few.
    let number = |term: &str| count(rule, term).to_string();
    let left = format!(
        "SELECT count(*) FILTER (WHERE customer_id = {HELD}) || ' ' || count(*) FILTER (WHERE customer_id = {FREE}) FROM messages"
    );
    (
        number("held"),
        number("erased"),
        sql_of(stage, REGION, &left).await,
    )
}

pub(crate) async fn what_counsel_holds_stays_until_it_is_released(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster(REGION).unwrap();
    for (customer, messages) in [(HELD, 2), (FREE, 3)] {
        let rows = format!(
            "INSERT INTO customers VALUES ({customer}, 'Customer', 'c{customer}@shop.example', 'DE', now(), now());
            INSERT INTO messages SELECT gen_random_uuid(), {customer}, NULL, now()::timestamp - interval '200 days', 'old'
              FROM generate_series(1, {messages})"
        );
        sql_of(stage, REGION, &rows).await;
    }
    install::apply(&hub, &hold().to_string()).await.unwrap();
    settle::until("the policy's task asks for the hold", SOON, || async {
        let map = "eu-customers-retention";
        let map = settle::get(&region, "configmap", Some(RUNS), map).await?;
        let task = map.unwrap_or_default()["data"]["task.json"].to_string();
        let is_asked = task.contains("/case-7");
        Ok(if is_asked { Ok(()) } else { Err(task) })
    })
    .await
    .unwrap();
    // Its values are not there yet: it is not in force, and nothing is erased. The run is tried four times.
    let refused = quickstart::retention_run(&hub, "eu-customers", SOON)
        .await
        .unwrap();
    let last = refused.pointer("/status/regions/0/lastRun").unwrap();
    assert_eq!(last["reason"], "HoldNotInForce", "{last}");
    let secret = install::secret(RUNS, "case-7", &[("customers", HELD)]);
    install::apply(&region, &secret).await.unwrap();
    let since = in_force(&hub).await;
    let (held, erased, left) = retained(stage, &hub).await;
    assert_eq!(
        (held.as_str(), erased.as_str(), left.as_str()),
        ("<5", "<5", "2 0")
    );

    // The object goes; the database holds. It comes back, and finds itself in force.
    hub.kubectl(&["delete", "legalhold", "case-7", "--timeout=300s"])
        .await
        .unwrap();
    let (held, erased, left) = retained(stage, &hub).await;
    assert_eq!(
        (held.as_str(), erased.as_str(), left.as_str()),
        ("<5", "0", "2 0")
    );
    install::apply(&hub, &hold().to_string()).await.unwrap();
    assert_eq!(in_force(&hub).await, since);

    // Whom it is about stands in the Secret and in the database, and nowhere else.
    let told = told_nowhere(stage, &[HELD], &[REGION]).await;
    assert!(told.contains("asked the database"), "the hold's pod");

    let release = r#"{"spec": {"release": {"by": "counsel@aurora.example", "ground": "settled"}}}"#;
    hub.kubectl(&[
        "patch",
        "legalhold",
        "case-7",
        "--type=merge",
        "-p",
        release,
    ])
    .await
    .unwrap();
    settle::until("the release", SOON, || async {
        let state = seen(&hub).await["status"]["state"].clone();
        Ok(if state == "Released" {
            Ok(())
        } else {
            Err(state.to_string())
        })
    })
    .await
    .unwrap();
    let (held, erased, left) = retained(stage, &hub).await;
    assert_eq!(
        (held.as_str(), erased.as_str(), left.as_str()),
        ("0", "<5", "0 0")
    );

    // As the next chapters expect it.
    hub.kubectl(&["delete", "legalhold", "case-7", "--timeout=300s"])
        .await
        .unwrap();
    region
        .kubectl(&["delete", "secret", "case-7", "-n", RUNS])
        .await
        .unwrap();
    let rows = format!("DELETE FROM customers WHERE id IN ({HELD}, {FREE})");
    sql_of(stage, REGION, &rows).await;
}
