//! Recipients are told of an opt-out once it is in force, and of its end: signed, each by what it knows the person by, until it
//! has taken it, and once.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tradewind_dev::serve::sink::{Faults, Options, Sink};

use super::opt_out::{ANN, BOB, Officer, world};
use super::world::{World, server};
use crate::erase::recipients::{SECRET, data, fails, hash};

/// The region's suppression store, in which it is noted who was told.
async fn suppression(world: &World, database: &str) -> Value {
    let access = server().await.access();
    access.create_role(database, "secret").await.unwrap();
    access.create_database(database, database).await.unwrap();
    let url = access.url_as(database, "secret", database);
    let url = world.secret("suppression-url", &url);
    let key = world.secret("suppression-key", &"5a".repeat(32));
    json!({"url": url, "key": key})
}

/// Somebody who checks every signature; with its entry for the task.
async fn recipient(world: &World, name: &str, kind: &str, faults: Faults) -> (Sink, Value) {
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        secret_file: world.secret(&format!("{name}-key"), SECRET),
        record: world.dir.path().join(format!("{name}-told.jsonl")),
        faults,
    };
    let sink = Sink::start(&options).await.unwrap();
    let entry = json!({"name": format!("shop/{name}"), "url": sink.url(), "secret": options.secret_file, "identities": [kind]});
    (sink, entry)
}

/// Each recipient's state and attempts, as a report tells them.
fn stand(report: &Value) -> Vec<String> {
    let all = report["body"]["recipients"].as_array().unwrap();
    let one = |told: &Value| {
        let word = |key: &str| told[key].as_str().unwrap().to_owned();
        let attempts = told["attempts"].as_i64().unwrap_or_default();
        format!("{} {} {attempts}", word("name"), word("state"))
    };
    all.iter().map(one).collect()
}

#[tokio::test]
async fn recipients_are_told_of_an_opt_out_and_of_its_end() {
    let world = world("opted_out_told").await;
    let mut officer = Officer::new(&world).await;
    let _connector = world.start(&["--upkeep", "200"]).await;
    let grants = officer.opt_out(&world, "dsr-1", ANN).await;
    let said = grants["message"].as_str().unwrap();
    world.sql(said.split_once("runs: ").unwrap().1).await;

    let away = fails(4, 500);
    let (erp, first) = recipient(&world, "broker", "psid", Faults::default()).await;
    let (crm, second) = recipient(&world, "crm", "psid", away).await;
    let (ads, third) = recipient(&world, "mail", "email", Faults::default()).await;
    officer.more = json!({"suppression": suppression(&world, "opted_out_told_list").await,
        "recipients": [first, second, third], "heldRecipients": ["shop/far"]});

    // It is in force, and one is away: the request stays open.
    let told = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(
        (&told["reason"], &told["exit"]),
        (&json!("RecipientNotTold"), &json!(75)),
        "{told}"
    );
    assert_eq!(told["body"]["state"], "Verified");
    let stopped = told["body"]["optedOut"].clone();
    assert!(stopped[0]["inForceSince"].is_string(), "{told}");
    let wanted = |crm: &str| {
        let crm = format!("shop/crm {crm}");
        [
            "shop/far Held 0",
            "shop/broker Told 1",
            &crm,
            "shop/mail NotConcerned 0",
        ]
        .map(str::to_owned)
    };
    assert_eq!(stand(&told), wanted("Pending 3"));

    // The next pod tells those that are left, and since when it holds is as before.
    let told = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(told["reason"], "Verified", "{told}");
    assert_eq!(stand(&told), wanted("Told 5"));
    assert_eq!(told["body"]["optedOut"], stopped);
    let [(news, begun)] = data(&erp).try_into().unwrap();
    assert_eq!(news, "person.optedOut");
    assert_eq!(
        begun["identityHashes"],
        json!({"psid": [hash("psid", ANN)]})
    );
    assert_eq!(begun.as_object().unwrap().len(), 4, "{begun}");

    // Told once; and another person's opt-out is no news of this name.
    let again = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(stand(&again), wanted("Told 5"));
    let other = officer.opt_out(&world, "dsr-1", BOB).await;
    assert_eq!(other["reason"], "ReferenceReused", "{other}");
    assert_eq!((erp.requests(), crm.requests(), ads.requests()), (1, 5, 0));

    // Its end names nobody, and goes to those who know of it.
    let null = Value::Null;
    let lifted = officer
        .ask(&world, "dsr-1", &null, (&["--lift"], &["ads"]))
        .await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    let ends = [
        "shop/far Held 0",
        "shop/broker Told 1",
        "shop/crm Told 1",
        "shop/mail NotConcerned 0",
    ];
    assert_eq!(stand(&lifted), ends);
    let [_, (news, end)] = data(&erp).try_into().unwrap();
    assert_eq!(
        (news.as_str(), end.as_object().unwrap().len()),
        ("person.optedIn", 3),
        "{end}"
    );
    assert_eq!(end["subject"], begun["subject"]);
    // They would take it for what they were told before.
    let once_more = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(once_more["reason"], "ReferenceReused", "{once_more}");

    only_told(&world, &mut officer, &erp).await;
}

/// Where nothing is to be stopped somebody may still have to be told; of what was told of nobody nothing ends.
async fn only_told(world: &World, officer: &mut Officer, erp: &Sink) {
    officer.more["optOuts"] = json!([]);
    let told = officer.opt_out(world, "dsr-2", BOB).await;
    assert_eq!(told["reason"], "Verified", "{told}");
    assert!(told["body"].get("optedOut").is_none(), "{told}");
    assert_eq!(stand(&told)[1], "shop/broker Told 1");
    assert_eq!(
        data(erp).last().unwrap().1["identityHashes"],
        json!({"psid": [hash("psid", BOB)]})
    );
    let before = erp.requests();
    let lifted = officer
        .ask(world, "dsr-3", &Value::Null, (&["--lift"], &[]))
        .await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    assert_eq!(stand(&lifted)[1], "shop/broker NotConcerned 0");
    assert_eq!(erp.requests(), before);
    // Without anybody to be told there is nothing to do.
    officer.more["recipients"] = json!([]);
    officer.more["heldRecipients"] = json!([]);
    let nothing = officer.opt_out(world, "dsr-4", BOB).await;
    assert_eq!(nothing["reason"], "TaskInvalid", "{nothing}");

    let noted = "SELECT string_agg(r::text, ' ') || string_agg(t::text, ' ') FROM tradewind.request AS r JOIN tradewind.told AS t USING (reference)";
    let noted = server()
        .await
        .access()
        .query("opted_out_told_list", noted)
        .await;
    let noted = noted.unwrap();
    assert!(
        noted.contains("person.optedOut") && !noted.contains("planted"),
        "{noted}"
    );
}
