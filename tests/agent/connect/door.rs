//! At the door: who may enter, what is kept of it, what is said to whom.

use serde_json::{Value, json};
use tokio::sync::watch;
use tradewind_dev::serve::platform::{Scheme, Sender};
use tradewind_dev::serve::signature;

use super::world::{
    META_SECRET, PATH, SINK_SECRET, VERIFY_TOKEN, World, event, message, server, until,
};

#[tokio::test]
async fn only_what_is_signed_enters() {
    let world = World::new("only_signed").await;
    let connector = world.start(&[]).await;
    let sender = world.sender(&[&connector]);

    sender.handshake(VERIFY_TOKEN).await.unwrap();
    assert!(sender.handshake("another-token").await.is_err());

    let client = reqwest::Client::new();
    let url = format!("http://{}{PATH}", connector.webhook);
    let post = async |url: &str, signature: Option<String>, body: Vec<u8>| {
        let mut request = client.post(url).body(body);
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let body = message("ann", "m1", "hello").into_bytes();
    let by = |secret: &str, body: &[u8]| signature::meta(secret.as_bytes(), body);
    assert_eq!(post(&url, None, body.clone()).await, 401);
    assert_eq!(
        post(&url, by("another-secret", &body), body.clone()).await,
        401
    );
    assert_eq!(
        post(&url, by(META_SECRET, b"other bytes"), body.clone()).await,
        401
    );
    assert_eq!(
        post(&url, by(META_SECRET, b"no json"), b"no json".to_vec()).await,
        400
    );
    let large = vec![b' '; 5 << 20];
    assert_eq!(
        post(&url, by(META_SECRET, &large), large.clone()).await,
        413
    );
    let elsewhere = format!("http://{}/webhooks/aurora/other", connector.webhook);
    assert_eq!(
        post(&elsewhere, by(META_SECRET, &body), body.clone()).await,
        404
    );
    assert_eq!(client.put(&url).send().await.unwrap().status(), 405);
    assert_eq!(
        world
            .sql("SELECT count(*) FROM tradewind_connect.event")
            .await,
        "0"
    );

    assert_eq!(post(&url, by(META_SECRET, &body), body.clone()).await, 200);
    assert_eq!(world.taken(1).await.len(), 1);
    for (series, expected) in [
        ("received_total", 6.0),
        ("rejected_total{reason=\"missing_signature\"}", 1.0),
        ("rejected_total{reason=\"wrong_signature\"}", 2.0),
        ("rejected_total{reason=\"malformed\"}", 1.0),
        ("rejected_total{reason=\"too_large\"}", 1.0),
        ("rejected_total{reason=\"wrong_token\"}", 1.0),
        ("accepted_total{kind=\"messages\"}", 1.0),
    ] {
        let found = connector
            .metric(&format!("tradewind_connect_{series}"))
            .await;
        assert!((found - expected).abs() < 0.5, "{series} is {found}");
    }
}

#[tokio::test]
async fn an_event_reaches_the_sink_as_the_platform_wrote_it() {
    let world = World::new("as_written").await;
    let connector = world.start(&[]).await;
    let sender = world.sender(&[&connector]);
    let body = message("ann", "m1", r"caf\u00e9 \/ 1.10");
    assert_eq!(
        sender.post(connector.webhook, "", &body).await.unwrap(),
        200
    );

    let taken = world.taken(1).await.remove(0);
    assert_eq!(taken.kind, "messages");
    assert!(
        taken.body.contains(r#""text":"caf\u00e9 \/ 1.10""#),
        "{}",
        taken.body
    );
    let envelope: Value = serde_json::from_str(&taken.body).unwrap();
    assert_eq!(envelope["data"]["id"], taken.webhook_id);
    for (field, expected) in [
        ("region", "eu-west"),
        ("namespace", "aurora"),
        ("channel", "shop"),
        ("platform", "Messenger"),
    ] {
        assert_eq!(envelope["data"][field], expected);
    }
    assert!(!taken.subject.contains("ann"));
    assert_eq!(world.sink().rejected(), 0);
}

#[tokio::test]
async fn an_event_that_comes_again_is_acknowledged_and_not_repeated() {
    let world = World::new("comes_again").await;
    let (one, two) = (world.start(&[]).await, world.start(&[]).await);
    let sender = world.sender(&[&one, &two]);
    let body = message("ann", "m1", "hello");
    let posts = (0..20).map(|turn| {
        let address = if turn % 2 == 0 {
            one.webhook
        } else {
            two.webhook
        };
        sender.post(address, "", &body)
    });
    for status in futures::future::join_all(posts).await {
        assert_eq!(status.unwrap(), 200);
    }
    let other = message("bob", "m2", "the last");
    assert_eq!(sender.post(one.webhook, "", &other).await.unwrap(), 200);
    let taken = world.taken(2).await;
    assert_eq!(taken.len(), 2, "{taken:?}");
    let mut duplicates = 0.0;
    for connector in [&one, &two] {
        duplicates += connector
            .metric("tradewind_connect_duplicates_total{kind=\"messages\"}")
            .await;
    }
    assert!((duplicates - 19.0).abs() < 0.5, "{duplicates}");
}

#[tokio::test]
async fn what_nobody_wants_is_acknowledged_counted_and_dropped() {
    let world = World::new("nobody_wants").await;
    let connector = world.start(&[]).await;
    let sender = world.sender(&[&connector]);
    for body in [
        r#"{"entry":[{"messaging":[{"order":{"id":"o1"}},{"read":{"watermark":1}}]}]}"#,
        r#"{"object":"page"}"#,
    ] {
        assert_eq!(sender.post(connector.webhook, "", body).await.unwrap(), 200);
    }
    for (series, expected) in [("orders", 1.0), ("unmatched", 2.0)] {
        let series = format!("tradewind_connect_dropped_total{{kind=\"{series}\"}}");
        let found = connector.metric(&series).await;
        assert!((found - expected).abs() < 0.5, "{series} is {found}");
    }
    assert_eq!(
        world
            .sql("SELECT count(*) FROM tradewind_connect.event")
            .await,
        "0"
    );
}

#[tokio::test]
async fn standard_webhooks_are_taken_and_replays_are_not() {
    let secret = "whsec_Z2VuZXJpYy1zZWNyZXQtb2YtdGhlLXRlc3Q=";
    let mut world = World::new("standard_webhooks").await;
    world.generic(secret);
    let connector = world.start(&[]).await;
    let (_, targets) = watch::channel(vec![connector.webhook]);
    let sender = Sender::new(Scheme::Generic, secret, PATH, targets).unwrap();
    let body = r#"{"type":"order.paid","subject":"ann","data":{"total":1.10}}"#;
    assert_eq!(
        sender.post(connector.webhook, "msg_1", body).await.unwrap(),
        200
    );
    assert_eq!(
        sender.post(connector.webhook, "msg_1", body).await.unwrap(),
        200
    );
    let taken = world.taken(1).await;
    assert_eq!(taken.len(), 1);
    assert!(taken[0].body.contains(r#""data":{"total":1.10}"#));
    assert_eq!(event(&taken[0])["subject"], "ann");

    let key = signature::standard_key(secret).unwrap();
    let old = (jiff::Timestamp::now().as_second() - 301).to_string();
    let response = reqwest::Client::new()
        .post(format!("http://{}{PATH}", connector.webhook))
        .header("webhook-id", "msg_2")
        .header("webhook-timestamp", &old)
        .header(
            "webhook-signature",
            signature::standard(&key, "msg_2", &old, body.as_bytes()).unwrap(),
        )
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let series = "tradewind_connect_rejected_total{reason=\"stale_timestamp\"}";
    assert!((connector.metric(series).await - 1.0).abs() < 0.5);
    let get = reqwest::get(format!("http://{}{PATH}", connector.webhook))
        .await
        .unwrap();
    assert_eq!(get.status(), 405, "Standard Webhooks has no handshake");
}

#[tokio::test]
async fn secrets_rotate_without_a_restart() {
    let world = World::new("secrets_rotate").await;
    let connector = world.start(&[]).await;
    let (_, targets) = watch::channel(vec![connector.webhook]);
    let old = Sender::new(Scheme::Messenger, META_SECRET, PATH, targets.clone()).unwrap();
    let new = Sender::new(Scheme::Messenger, "next-secret", PATH, targets).unwrap();
    let status = async |sender: &Sender, mid: &str| {
        sender
            .post(connector.webhook, "", &message("ann", mid, "hello"))
            .await
            .unwrap()
    };
    assert_eq!(status(&new, "m1").await, 401);
    world.secret("app-secret", &format!("next-secret\n{META_SECRET}\n"));
    assert_eq!(
        (status(&new, "m1").await, status(&old, "m2").await),
        (200, 200)
    );
    world.secret("app-secret", "next-secret\n");
    assert_eq!(
        (status(&new, "m3").await, status(&old, "m4").await),
        (200, 401)
    );
    assert_eq!(world.taken(3).await.len(), 3);

    // The sink knows one key, the connector signs with two while it is being changed.
    world.secret(
        "erp-secret",
        &format!("whsec_bmV4dC1zaW5rLXNlY3JldC1vZi10aGUtdGVzdA==\n{SINK_SECRET}"),
    );
    assert_eq!(status(&new, "m5").await, 200);
    assert_eq!(world.taken(4).await.len(), 4);
    assert_eq!(world.sink().rejected(), 0);
}

#[tokio::test]
async fn readiness_names_the_store_and_returns_with_it() {
    let world = World::new("readiness").await;
    let right = std::fs::read_to_string(world.dir.path().join("store-url")).unwrap();
    world.secret(
        "store-url",
        "postgres://nobody:secret-of-the-store@127.0.0.1:1/none",
    );
    let connector = world.start_unready(&["--upkeep", "200"]);
    until("it waits for the store", async || {
        connector.get("/readyz").await
            == (
                503,
                "waiting for migrations: cannot reach the store\n".to_owned(),
            )
    })
    .await;
    assert_eq!(connector.get("/healthz").await, (200, "ok\n".to_owned()));
    let sender = world.sender(&[&connector]);
    let body = message("ann", "m1", "hello");
    assert_eq!(
        sender.post(connector.webhook, "", &body).await.unwrap(),
        503
    );

    world.secret("store-url", &right);
    until("it found the store", async || {
        connector.get("/readyz").await.0 == 200
    })
    .await;
    assert_eq!(
        sender.post(connector.webhook, "", &body).await.unwrap(),
        200
    );
    assert_eq!(world.taken(1).await.len(), 1);
    assert!(!connector.log().contains("secret-of-the-store"));
}

#[tokio::test]
async fn a_role_without_rights_is_told_which_sql_would_help() {
    let world = World::new("without_rights").await;
    let access = server().await.access();
    access.create_role("poor", "store").await.unwrap();
    world.secret(
        "store-url",
        &access.url_as("poor", "store", &world.database),
    );
    let connector = world.start_unready(&["--upkeep", "200"]);
    let sql = "CREATE SCHEMA tradewind_connect AUTHORIZATION \"poor\";";
    until("it says what is missing", async || {
        connector.get("/readyz").await.1.contains(sql)
    })
    .await;
    world.sql(sql).await;
    until("the schema is there", async || {
        connector.get("/readyz").await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn a_task_that_cannot_be_done_is_refused_by_the_name_of_its_field() {
    let mut world = World::new("refused_tasks").await;
    let good = world.task.clone();
    for (pointer, value, field) in [
        ("/version", json!(2), "`version`"),
        ("/command", json!("feed"), "`command`"),
        (
            "/spec/keepDelivered",
            json!("seven days"),
            "`spec.keepDelivered`",
        ),
        ("/spec/keepDelivered", json!("-P1D"), "`spec.keepDelivered`"),
        ("/spec/sinks/0/url", json!("erp"), "`spec.sinks[0].url`"),
        (
            "/spec/sinks/0/url",
            json!("ftp://erp/"),
            "`spec.sinks[0].url`",
        ),
        ("/spec/sinks", json!([]), "`spec.sinks`"),
        ("/spec/store", json!("/does/not/exist"), "`/does/not/exist`"),
        ("/spec/platform", json!(7), "`spec.platform`"),
    ] {
        world.task = good.clone();
        *world.task.pointer_mut(pointer).unwrap() = value;
        let (code, report) = world.finish(&[]);
        assert_eq!(
            (code, &report["outcome"]),
            (64, &json!("Refused")),
            "{pointer}: {report}"
        );
        assert!(
            report["message"].as_str().unwrap().contains(field),
            "{pointer}: {report}"
        );
    }
    world.task = good;
    let (code, report) = world.finish(&["--replay-dead", "--sink", "crm"]);
    assert_eq!(code, 64);
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .contains("there are: erp"),
        "{report}"
    );
}

#[tokio::test]
async fn logs_and_metrics_hold_nothing_that_a_person_or_a_secret_said() {
    let world = World::new("nothing_said").await;
    let mut connector = world
        .start(&["--log", "debug", "--refused-attempts", "1"])
        .await;
    let sender = world.sender(&[&connector]);
    world.sink().set_faults(tradewind_dev::serve::sink::Faults {
        refuse: Some("poison".into()),
        fail_status: 400,
        ..Default::default()
    });
    for (mid, text) in [
        ("mid-private-1", "private-text"),
        ("mid-private-2", "private-text poison"),
    ] {
        let body = message("private-person", mid, text);
        assert_eq!(
            sender.post(connector.webhook, "", &body).await.unwrap(),
            200
        );
    }
    let _ = reqwest::Client::new()
        .post(format!("http://{}{PATH}", connector.webhook))
        .body("private-text unsigned")
        .send()
        .await;
    until("one is dead", async || {
        connector
            .metric("tradewind_connect_dead_total{sink=\"erp\"}")
            .await
            > 0.5
    })
    .await;
    let metrics = connector.get("/metrics").await.1;
    connector.ask_to_stop();
    assert_eq!(connector.ended().await.code(), Some(0));
    let log = connector.log();
    assert!(log.contains("gave an event up"));
    for line in log.lines() {
        assert!(
            serde_json::from_str::<Value>(line).is_ok(),
            "not JSON: {line}"
        );
    }
    for secret in [
        "private",
        META_SECRET,
        VERIFY_TOKEN,
        &SINK_SECRET[6..],
        ":store@",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
}
