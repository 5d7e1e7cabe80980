//! Whatever form the catalogue has and however its server fails, the file is right or untouched.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;
use tradewind_dev::serve::merchant::{Faults, Form};

use super::world::{TOKEN, World, locale};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_and_order_gives_the_same_bytes_and_a_second_run_writes_nothing() {
    let mut world = World::new("forms", 200).await;
    world.run().await.wrote();
    let (file, rejected) = (world.text("").await, world.text(".rejected.csv").await);
    let written = std::fs::metadata(world.file("").await).unwrap();
    for form in Form::ALL {
        for shuffle in [0, 3, 11] {
            world.form(form);
            world.merchant.set_faults(Faults {
                shuffle,
                ..Faults::default()
            });
            let ended = world.run().await;
            assert_eq!(
                ended.outcome(),
                (0, "Done", false),
                "{form:?} {shuffle}: {ended:#?}"
            );
            assert!(
                ended.message().contains("already there"),
                "{}",
                ended.message()
            );
        }
    }
    assert_eq!(world.text("").await, file);
    assert_eq!(world.text(".rejected.csv").await, rejected);
    let now = std::fs::metadata(world.file("").await).unwrap();
    assert_eq!(
        (now.ino(), now.mtime_nsec()),
        (written.ino(), written.mtime_nsec())
    );
    assert_eq!(
        world.objects().await,
        ["", ".manifest.json", ".rejected.csv"]
            .map(|suffix| format!("{}{suffix}", super::world::OBJECT))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_region_gets_its_language_money_and_tax() {
    let mut world = World::new("regions", 44).await;
    let rates = [("Standard", "19"), ("Reduced", "7")];
    for (region, locale, prices) in [
        (
            "germany",
            locale("de-DE", "DE", "EUR", "Inclusive", &rates),
            "inclusive",
        ),
        (
            "states",
            locale(
                "en-US",
                "US",
                "USD",
                "Exclusive",
                &[("Standard", "8.875"), ("Reduced", "0")],
            ),
            "net",
        ),
        (
            "japan",
            locale(
                "ja-JP",
                "JP",
                "JPY",
                "Inclusive",
                &[("Standard", "10"), ("Reduced", "8")],
            ),
            "yen",
        ),
    ] {
        world.task["region"] = region.into();
        world.spec()["locale"] = locale;
        world.spec()["destination"]["object"] = super::world::OBJECT.into();
        world.spec()["maxShrinkPercent"] = 100.into();
        let ended = world.run().await;
        ended.wrote();
        let figures = &ended.report["body"];
        insta::assert_snapshot!(
            format!("{region}_{prices}"),
            format!(
                "items {} rejected {} fallbacks {}\n{}\n{}",
                figures["items"],
                figures["rejected"],
                figures["fallbacks"],
                world.text("").await,
                world.text(".rejected.csv").await
            )
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_brings_prices_and_stock_only_and_takes_nothing_away() {
    let mut world = World::new("delta", 100).await;
    world.spec()["mode"] = "Delta".into();
    world.spec()["maxShrinkPercent"] = 0.into();
    world.run().await.wrote();
    let header = "id,availability,price,quantity_to_sell_on_facebook\n";
    assert!(world.text("").await.starts_with(header));
    world.merchant.set_items(3);
    assert_eq!(world.run().await.wrote().items(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_items_are_written_once_and_named() {
    let mut world = World::new("repeated", 30).await;
    world.merchant.set_faults(Faults {
        repeat: Some((4, 3)),
        ..Faults::default()
    });
    world.form(Form::Lines);
    let ended = world.run().await;
    let rejected = world.text(".rejected.csv").await;
    let twice = "sku-00000004,id,occurs more than once in the source";
    assert_eq!(rejected.matches(twice).count(), 2, "{rejected}");
    let file = world.text("").await;
    assert_eq!(
        file.lines()
            .filter(|line| line.starts_with("sku-00000004,"))
            .count(),
        1
    );
    ended.wrote();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_leaves_the_file_and_says_why() {
    let mut world = World::new("failing", 300).await;
    world.run().await.wrote();
    let before = (world.text("").await, world.text(".manifest.json").await);
    let failing = |fail_status| Faults {
        fail_first: 1,
        fail_status,
        ..Faults::default()
    };
    let cases = [
        (failing(503), 75, "SourceUnavailable", "it answered 503"),
        (failing(429), 75, "SourceUnavailable", "it answered 429"),
        (failing(408), 75, "SourceUnavailable", "it answered 408"),
        (failing(403), 64, "CredentialsInvalid", "it answered 403"),
        (
            failing(404),
            64,
            "SourceInvalid",
            "answered 404 instead of 200",
        ),
        (failing(302), 64, "SourceInvalid", "name the final address"),
        (
            Faults {
                break_after: Some(290),
                ..Faults::default()
            },
            75,
            "SourceUnavailable",
            "the connection broke before the document's end",
        ),
    ];
    for form in [Form::Object, Form::Csv] {
        world.form(form);
        for (faults, code, reason, message) in cases.clone() {
            world.merchant.set_faults(faults);
            let ended = world.run().await;
            ended.is(code, reason);
            assert!(ended.message().contains(message), "{}", ended.message());
        }
    }
    for (form, message) in [
        (
            Form::Array,
            "the source is malformed: item 201 (line 1, column ",
        ),
        (
            Form::Lines,
            "the source is malformed: item 201 (line 201, column ",
        ),
        (
            Form::Csv,
            "the source is malformed: item 201 (line 202) has 2 values where the header has 23",
        ),
    ] {
        world.form(form);
        world.merchant.set_faults(Faults {
            garble_after: Some(200),
            ..Faults::default()
        });
        let ended = world.run().await;
        ended.is(64, "SourceInvalid");
        assert!(ended.message().contains(message), "{}", ended.message());
        assert!(!ended.message().contains("oops"), "{}", ended.message());
    }
    assert_eq!(
        before,
        (world.text("").await, world.text(".manifest.json").await)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_is_tried_again_and_a_wrong_token_is_not() {
    let mut world = World::new("nobody", 3).await;
    let url = world.merchant.url();
    world.spec()["source"]["http"]["url"] = "http://127.0.0.1:1/items?key=s3cret".into();
    let ended = world.run().await;
    ended.is(75, "SourceUnavailable");
    assert!(
        !format!("{}{}", ended.report, ended.log).contains("s3cret"),
        "{ended:#?}"
    );
    world.spec()["source"]["http"]["url"] = url.into();
    std::fs::write(world.dir.path().join("token"), "wrong").unwrap();
    world.run().await.is(64, "CredentialsInvalid");
    std::fs::remove_file(world.dir.path().join("token")).unwrap();
    world.run().await.is(64, "CredentialsInvalid");
    world.spec()["source"]["http"]["auth"] = json!(null);
    world.run().await.is(64, "CredentialsInvalid");
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_items_nor_secrets_are_logged() {
    let world = World::new("silence", 100).await;
    let ended = world.run().await;
    ended.wrote();
    let said = format!("{}{}", ended.log, ended.report);
    for secret in [
        TOKEN,
        "tradewind-secret",
        "himmelblau",
        "made to last",
        "img.aurora",
    ] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    // Seven rejections of one hundred items, each with its column and its reason.
    assert!(
        ended.report["body"]["rejections"][0]["reason"].is_string(),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_stop_ends_a_slow_source_at_once() {
    let world = World::new("slow", 100_000).await;
    world.merchant.set_faults(Faults {
        pause_ms: 500,
        ..Faults::default()
    });
    let child = world.start();
    let id = child.id();
    while world.merchant.requests() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let began = std::time::Instant::now();
    // The process is ours and not yet waited for.
    std::process::Command::new("kill")
        .args(["-TERM", &id.to_string()])
        .status()
        .unwrap();
    world.wait(child).await.is(75, "Stopped");
    assert!(began.elapsed().as_secs() < 20);
    assert!(world.objects().await.is_empty());
}

/// A server that ends its answer by hanging up: nobody can tell the document's end from a broken line.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_with_its_connection_is_refused() {
    let mut world = World::new("unframed", 300).await;
    world.run().await.wrote();
    let before = world.text("").await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer =
                "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\nid,title\nsku-1,one\nsku-2,t";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    for format in ["Csv", "Json"] {
        world.spec()["source"]["http"]["url"] = format!("http://{address}/items").into();
        world.spec()["source"]["http"]["format"] = format.into();
        let ended = world.run().await;
        ended.is(64, "SourceInvalid");
        let message = ended.message();
        assert!(message.contains("Content-Length"), "{message}");
        assert_eq!(world.text("").await, before);
    }
    server.abort();
}
