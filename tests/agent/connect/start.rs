//! Starting: what is waited for, what is refused, and what never reaches a log.

use serde_json::{Value, json};
use tradewind_dev::serve::sink::Faults;

use super::world::{
    META_SECRET, PATH, SINK_SECRET, VERIFY_TOKEN, World, message, messenger, server, until,
};

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
    let sender = messenger(&[&connector]);
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

/// A body is bound, and a server that logs what is bound would keep it for ever: none is taken until it does not.
#[tokio::test]
async fn a_server_that_would_log_bodies_gets_none() {
    let world = World::new("loud_store").await;
    world
        .sql("ALTER ROLE loud_store SET log_statement = 'all'")
        .await;
    let connector = world.start_unready(&["--upkeep", "200"]);
    let mend = "ALTER ROLE loud_store SET log_parameter_max_length = 0;";
    until("it says what is wrong", async || {
        let (code, said) = connector.get("/readyz").await;
        code == 503 && said.contains("log_statement = all") && said.contains(mend)
    })
    .await;
    let sender = messenger(&[&connector]);
    let body = message("ann", "m1", "planted-loud");
    let answer = sender.post(connector.webhook, "", &body).await;
    assert_eq!(answer.unwrap(), 503);
    world.sql(mend).await;
    until("it goes on", async || {
        connector.get("/readyz").await.0 == 200
    })
    .await;
    until("it takes the body", async || {
        sender.post(connector.webhook, "", &body).await.unwrap() == 200
    })
    .await;
    assert_eq!(world.taken(1).await.len(), 1);
    let log = "SELECT pg_read_file(current_setting('data_directory') || '/../log')";
    let log = world.sql(log).await;
    assert!(log.contains("INSERT INTO tradewind_connect.event"));
    // A body is bound as bytes.
    for planted in ["planted-loud", &hex::encode("planted-loud")] {
        assert!(!log.contains(planted), "{planted} stands in the log");
    }
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
        (
            "/spec/keepUndelivered",
            json!("ninety"),
            "`spec.keepUndelivered`",
        ),
        ("/spec/sinks/0/url", json!("erp"), "`spec.sinks[0].url`"),
        (
            "/spec/sinks/0/url",
            json!("ftp://erp/"),
            "`spec.sinks[0].url`",
        ),
        ("/spec/sinks", json!([]), "`spec.sinks`"),
        (
            "/spec/sinks/0",
            json!({"name": "erp", "url": "https://a.example", "secret": "/s", "until": "tomorrow"}),
            "`spec.sinks[0].until`",
        ),
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
    let sender = messenger(&[&connector]);
    world.sink().set_faults(Faults {
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
