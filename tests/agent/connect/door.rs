//! At the door: who may enter, what is kept of it, what is said to whom.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::sync::watch;
use tradewind_dev::serve::platform::{Scheme, Sender};
use tradewind_dev::serve::signature;

use super::world::{
    Connector, META_SECRET, PATH, SINK_SECRET, VERIFY_TOKEN, World, event, message, messenger,
    until,
};

async fn assert_counts(connector: &Connector, expected: &[(&str, f64)]) {
    for (series, count) in expected {
        let found = connector
            .metric(&format!("tradewind_connect_{series}"))
            .await;
        assert!((found - count).abs() < 0.5, "{series} is {found}");
    }
}

#[tokio::test]
async fn the_handshake_is_answered_to_whom_knows_the_token() {
    let world = World::new("handshake").await;
    let connector = world.start(&[]).await;
    let sender = messenger(&[&connector]);
    sender.handshake(VERIFY_TOKEN).await.unwrap();
    assert!(sender.handshake("another-token").await.is_err());
    let bare = reqwest::get(format!("http://{}{PATH}", connector.webhook))
        .await
        .unwrap();
    assert_eq!(bare.status(), 403);
    assert_counts(
        &connector,
        &[("rejected_total{reason=\"wrong_token\"}", 2.0)],
    )
    .await;
}

#[tokio::test]
async fn only_what_is_signed_enters() {
    let world = World::new("only_signed").await;
    let connector = world.start(&[]).await;
    // A server that answers before it has read all closes the connection: none is used twice.
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
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
    let request = client.post(&url).body(large).send().await;
    // Refused by its announced length: the door may close before the sender has said all.
    assert!(request.is_err() || request.is_ok_and(|answer| answer.status() == 413));
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
    assert_counts(
        &connector,
        &[
            ("received_total", 6.0),
            ("rejected_total{reason=\"missing_signature\"}", 1.0),
            ("rejected_total{reason=\"wrong_signature\"}", 2.0),
            ("rejected_total{reason=\"malformed\"}", 1.0),
            ("rejected_total{reason=\"too_large\"}", 1.0),
            ("accepted_total{kind=\"messages\"}", 1.0),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_event_reaches_the_sink_as_the_platform_wrote_it() {
    let world = World::new("as_written").await;
    let connector = world.start(&[]).await;
    let sender = messenger(&[&connector]);
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

/// A busy machine may answer 503, and then a platform comes again.
async fn acknowledged(sender: &Sender, address: SocketAddr, body: &str) {
    until("it is acknowledged", async || {
        matches!(sender.post(address, "", body).await, Ok(200))
    })
    .await;
}

#[tokio::test]
async fn an_event_that_comes_again_is_acknowledged_and_not_repeated() {
    let world = World::new("comes_again").await;
    let (one, two) = (world.start(&[]).await, world.start(&[]).await);
    let sender = messenger(&[&one, &two]);
    let body = message("ann", "m1", "hello");
    let posts = (0..20).map(async |turn| {
        let address = if turn % 2 == 0 {
            one.webhook
        } else {
            two.webhook
        };
        acknowledged(&sender, address, &body).await;
    });
    futures::future::join_all(posts).await;
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
    assert!(duplicates > 18.5, "{duplicates}");
}

#[tokio::test]
async fn many_events_of_many_people_at_once_neither_block_nor_double() {
    let world = World::new("many_at_once").await;
    let (one, two) = (world.start(&[]).await, world.start(&[]).await);
    let sender = messenger(&[&one, &two]);
    // 40 bodies of 25 events, each event in 5 bodies, in ever other orders.
    let bodies: Vec<String> = (0..40usize)
        .map(|body| {
            let events: Vec<String> = (0..25usize)
                .map(|place| {
                    let number = if body % 2 == 0 { place } else { 24 - place } * 8 + body % 8;
                    let person = number % 11;
                    format!(r#"{{"sender":{{"id":"p{person}"}},"message":{{"mid":"m{number}"}}}}"#)
                })
                .collect();
            format!(r#"{{"entry":[{{"messaging":[{}]}}]}}"#, events.join(","))
        })
        .collect();
    let posts = bodies.iter().enumerate().map(async |(turn, body)| {
        let address = if turn % 2 == 0 {
            one.webhook
        } else {
            two.webhook
        };
        acknowledged(&sender, address, body).await;
    });
    futures::future::join_all(posts).await;
    for connector in [&one, &two] {
        assert!(!connector.log().contains("deadlock"), "{}", connector.log());
    }
    let count = "SELECT count(*), count(DISTINCT webhook_id) FROM tradewind_connect.event";
    assert_eq!(world.sql(count).await, "200|200");
    assert_eq!(world.taken(200).await.len(), 200);
    assert_eq!(world.sink().overlaps(), 0);
}

#[tokio::test]
async fn what_nobody_wants_is_acknowledged_counted_and_dropped() {
    let world = World::new("nobody_wants").await;
    let connector = world.start(&[]).await;
    let sender = messenger(&[&connector]);
    for body in [
        r#"{"entry":[{"messaging":[{"order":{"id":"o1"}},{"read":{"watermark":1}}]}]}"#,
        r#"{"object":"page"}"#,
    ] {
        assert_eq!(sender.post(connector.webhook, "", body).await.unwrap(), 200);
    }
    assert_counts(
        &connector,
        &[
            ("dropped_total{kind=\"orders\"}", 1.0),
            ("dropped_total{kind=\"unmatched\"}", 2.0),
        ],
    )
    .await;
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
async fn a_database_that_quotes_a_row_is_not_quoted() {
    let world = World::new("unquoted").await;
    let connector = world.start(&[]).await;
    world
        .sql(
            "CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS
               $$BEGIN RAISE EXCEPTION 'refused %', convert_from(NEW.body, 'UTF8') USING DETAIL = convert_from(NEW.body, 'UTF8'); END$$;
             CREATE TRIGGER tell BEFORE INSERT ON tradewind_connect.event FOR EACH ROW EXECUTE FUNCTION public.tell()",
        )
        .await;
    let sender = messenger(&[&connector]);
    let body = message("ann-of-arbor", "m1", "meet me at noon");
    let answer = sender.post(connector.webhook, "m1", &body).await.unwrap();
    assert_eq!(answer, 503);
    let log = connector.log();
    assert!(
        log.contains("cannot store a webhook") && log.contains("SQLSTATE P0001"),
        "{log}"
    );
    assert!(
        !log.contains("ann-of-arbor") && !log.contains("meet me"),
        "{log}"
    );
    world
        .sql("DROP TRIGGER tell ON tradewind_connect.event")
        .await;
    acknowledged(&sender, connector.webhook, &body).await;
}
