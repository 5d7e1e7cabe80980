//! Recipients are told what was done, each by a signed POST with what it knows the person by, and nothing else; what they
//! answer is kept, and nobody is told twice.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tradewind::contract::{RecipientState, RefusalGround, ToldRecipient};
use tradewind_dev::serve::sink::{Faults, Options, Sink};

use super::restrict::prepare;
use super::world::{Ran, World, assert_nobody};
use crate::retain::world::PATIENCE;

const KEY: &[u8] = b"recipient-secret-of-the-test";
pub(crate) const SECRET: &str = "whsec_cmVjaXBpZW50LXNlY3JldC1vZi10aGUtdGVzdA==";
const EMAIL: &str = "ann.planted@mail.example";

/// Somebody who checks every signature, and answers as `faults` say.
pub(super) async fn recipient(
    world: &mut World,
    name: &str,
    identities: &[&str],
    faults: Faults,
) -> Sink {
    let file = format!("{name}.secret");
    world.write(&file, SECRET);
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        secret_file: world.path(&file),
        record: world.path(&format!("{name}.jsonl")),
        faults,
    };
    let sink = Sink::start(&options).await.unwrap();
    let entry = json!({"name": format!("shop/{name}"), "url": sink.url(), "secret": options.secret_file,
        "identities": identities});
    let spec = world.spec();
    match spec["recipients"].as_array_mut() {
        Some(all) => all.push(entry),
        None => spec["recipients"] = json!([entry]),
    }
    sink
}

fn answers(answer: &str) -> Faults {
    Faults {
        answer: answer.to_owned(),
        ..Faults::default()
    }
}

pub(crate) fn fails(times: u32, status: u16) -> Faults {
    Faults {
        fail_first: times,
        fail_status: status,
        ..Faults::default()
    }
}

fn silent() -> Faults {
    Faults {
        latency_ms: 60_000,
        ..Faults::default()
    }
}

/// A recipient's name, state, ground, attempts and last answer.
pub(super) type Row = (String, RecipientState, Option<RefusalGround>, i64, String);

pub(super) fn row(name: &str, state: RecipientState, attempts: i64, answer: &str) -> Row {
    (
        format!("shop/{name}"),
        state,
        None,
        attempts,
        answer.to_owned(),
    )
}

pub(super) fn stand(ran: &Ran) -> Vec<Row> {
    let row = |told: &ToldRecipient| {
        let answer = told.answer.clone().unwrap_or_default();
        assert_eq!(told.attempts > 0, told.at.is_some(), "{told:?}");
        (
            told.name.clone(),
            told.state,
            told.ground,
            told.attempts,
            answer,
        )
    };
    ran.body().recipients.iter().map(row).collect()
}

/// The kind of news and the data of all that it took.
pub(crate) fn data(sink: &Sink) -> Vec<(String, Value)> {
    assert_eq!(sink.rejected(), 0, "every signature is right");
    let taken = sink.taken();
    let bodies = taken.iter().map(|taken| {
        let body: Value = serde_json::from_str(&taken.body).unwrap();
        assert_eq!(body["data"]["id"], taken.webhook_id.as_str());
        (taken.kind.clone(), body["data"].clone())
    });
    bodies.collect()
}

/// As a recipient makes it of what it knows.
pub(crate) fn hash(kind: &str, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(format!("identity.{kind}.{value}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_persons_data_is_told_once_it_is_gone() {
    let mut world = World::shop("rcp_told").await;
    world.sql("DROP TABLE items").await;
    let kinds =
        json!([{"name": "email", "ignoreCase": true}, {"name": "customerId"}, {"name": "phone"}]);
    world.spec()["identities"] = kinds;
    let done = answers(r#"{"outcome": "Done"}"#);
    let erp = recipient(&mut world, "erp", &["email", "phone"], done).await;
    let crm = recipient(&mut world, "crm", &["customerId"], fails(4, 500)).await;
    let ads = recipient(&mut world, "ads", &["phone"], Faults::default()).await;
    // What a stranger writes stays with them, for it may name somebody.
    let refuses =
        answers(r#"{"outcome": "Refused", "ground": "LegalClaims", "why": "Ann Planted owes us"}"#);
    let law = recipient(&mut world, "law", &["email"], refuses).await;
    let rude = answers(r#"{"outcome": "Refused", "ground": "Ann Planted owes us"}"#);
    let bad = recipient(&mut world, "bad", &["email"], rude).await;
    let none = recipient(
        &mut world,
        "none",
        &["email"],
        answers(r#"{"outcome": "NoData"}"#),
    )
    .await;
    world.spec()["recipients"][1]["identityForm"] = "Value".into();
    world.spec()["heldRecipients"] = json!(["shop/far"]);
    let refused = |name: &str, ground| {
        let mut row = row(name, RecipientState::Refused, 1, "200");
        row.2 = Some(ground);
        row
    };
    let wanted = |crm: Row| {
        vec![
            row("far", RecipientState::Held, 0, ""),
            row("erp", RecipientState::Done, 1, "200"),
            crm,
            row("ads", RecipientState::NotConcerned, 0, ""),
            refused("law", RefusalGround::LegalClaims),
            refused("bad", RefusalGround::Other),
            row("none", RecipientState::NoData, 1, "200"),
        ]
    };

    // One is away: the request stays open, and so it is still known who the person is.
    let ran = world.run().await;
    ran.expect("RecipientNotTold");
    assert!(ran.report.message.contains("shop/crm"), "{:?}", ran.report);
    let waits = row("crm", RecipientState::Pending, 3, "500");
    assert_eq!(stand(&ran), wanted(waits));
    let open = "SELECT person IS NOT NULL, state IS NULL FROM tradewind.request";
    assert_eq!(world.suppressed(open).await, "t|t");

    // The next pod goes on with those that are left; what became of the tables since is nothing to those who are told.
    let other = "ALTER TABLE messages DROP CONSTRAINT messages_pkey, ADD PRIMARY KEY (id, sent_at)";
    world.sql(other).await;
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(
        stand(&ran),
        wanted(row("crm", RecipientState::Told, 5, "200"))
    );
    assert_eq!(world.suppressed(open).await, "f|f");

    // Each by its own kinds and in its own form: what a lookup found is the person's too.
    let [(gone, told)] = data(&erp).try_into().unwrap();
    assert_eq!(gone, "person.erased");
    assert_eq!(
        told["identityHashes"],
        json!({"email": [hash("email", EMAIL)]})
    );
    assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
    assert_nobody(&told.to_string());
    let [(_, plain)] = data(&crm).try_into().unwrap();
    assert_eq!(plain["identities"], json!({"customerId": ["7"]}));
    assert_eq!(plain.as_object().unwrap().len(), 4, "{plain}");
    // Of one request, and each message its own.
    assert_eq!(told["subject"], plain["subject"]);
    assert_ne!(told["id"], plain["id"]);
    assert_eq!((ads.requests(), crm.requests()), (0, 5));

    // Told once, and told of again by the report alone.
    assert_eq!(world.run().await.expect("Kept").body(), ran.body());
    let asked = [&erp, &crm, &law, &bad, &none].map(Sink::requests);
    assert_eq!(asked, [1, 5, 1, 1, 1]);
    assert_nobody(&world.books().await);
}

/// Killed between the answer and its note, the next pod tells it once more, by the same id.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_tells_a_rerun_tells_by_the_same_id() {
    let mut world = World::shop("rcp_kill").await;
    let erp = recipient(&mut world, "erp", &["email"], Faults::default()).await;
    // While rows stay that should go nobody is told.
    world.run().await.expect("RowsBlocked");
    assert_eq!(erp.requests(), 0);
    world.sql("DELETE FROM items").await;
    let lost = "CREATE FUNCTION public.lost() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_sleep(4); RAISE EXCEPTION 'lost'; END $$;
        CREATE TRIGGER lost BEFORE INSERT ON tradewind.told FOR EACH ROW EXECUTE FUNCTION public.lost()";
    world.suppressed(lost).await;
    let first = world.start("first", &[]);
    let limit = std::time::Instant::now() + PATIENCE;
    while erp.taken().is_empty() {
        assert!(std::time::Instant::now() < limit, "nobody is told");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    first.kill();
    world
        .suppressed("DROP TRIGGER lost ON tradewind.told")
        .await;
    let noted = "SELECT count(*) FROM tradewind.told";
    assert_eq!(world.suppressed(noted).await, "0", "killed too late");
    world.run().await.expect("Kept");
    let [once, again] = erp.taken().try_into().unwrap();
    assert_eq!(once.webhook_id, again.webhook_id);
    world.run().await.expect("Kept");
    assert_eq!(erp.requests(), 2);
}

/// A pod that has lost its session hears a no after another has heard a yes: the yes stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_not_undone_by_a_pod_that_is_late() {
    let mut world = World::shop("rcp_late").await;
    let erp = recipient(&mut world, "erp", &["email"], fails(u32::MAX, 503)).await;
    world.run().await.expect("RowsBlocked");
    world.sql("DELETE FROM items").await;
    // What the late one writes waits until the other's word is there.
    let late = "CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          WHILE NOT EXISTS (SELECT FROM tradewind.told) LOOP PERFORM pg_sleep(0.02); END LOOP;
          RETURN NEW; END $$;
        CREATE TRIGGER late BEFORE INSERT ON tradewind.told FOR EACH ROW WHEN (NEW.state = 'Pending') EXECUTE FUNCTION public.late()";
    world.suppressed(late).await;
    let pod = world.start("late", &[]);
    let limit = std::time::Instant::now() + PATIENCE;
    while erp.requests() == 0 {
        assert!(std::time::Instant::now() < limit, "nobody is told");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let other = "INSERT INTO tradewind.told VALUES ('eu-west', 'dsr-1', 'person.erased', 'shop/erp', 'Done', NULL, 7, '200', now())";
    world.suppressed(other).await;
    let ran = pod.finish().await;
    ran.expect("Kept");
    assert_eq!(stand(&ran), [row("erp", RecipientState::Done, 7, "200")]);
    assert_eq!(erp.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_of_a_restriction_is_told_of_its_end_and_who_is_away_is_given_up() {
    let mut world = World::shop("rcp_lift").await;
    world.spec()["request"]["kind"] = "Restriction".into();
    prepare(&world).await;
    let erp = recipient(&mut world, "erp", &["email"], Faults::default()).await;
    let crm = recipient(&mut world, "crm", &["email"], fails(u32::MAX, 410)).await;
    let ads = recipient(&mut world, "ads", &["email"], fails(u32::MAX, 503)).await;
    // Its key comes later: the others are told meanwhile, and it is never given up for that.
    let late = recipient(&mut world, "late", &["email"], Faults::default()).await;
    let shy = recipient(&mut world, "shy", &["email"], fails(u32::MAX, 503)).await;
    std::fs::remove_file(world.path("late.secret")).unwrap();
    let ran = world.run().await;
    ran.expect("RecipientNotTold");
    assert_eq!(
        stand(&ran)[3],
        row("late", RecipientState::Pending, 0, "no key")
    );
    world.write("late.secret", SECRET);
    // As if one had refused for a while, one been away and refused once, and one been away, which by now does not answer at
    // all.
    let later = "UPDATE tradewind.told SET attempts = later.attempts, refused = later.refused
        FROM (VALUES ('shop/crm', 19, 19), ('shop/shy', 19, 1), ('shop/ads', 499, 0)) AS later (recipient, attempts, refused)
        WHERE told.recipient = later.recipient";
    world.suppressed(later).await;
    ads.set_faults(silent());
    shy.set_faults(fails(u32::MAX, 400));
    let ran = world.run().await;
    ran.expect("RecipientNotTold");
    assert_eq!(
        stand(&ran)[4],
        row("shy", RecipientState::Pending, 22, "400")
    );
    shy.set_faults(Faults::default());
    let ran = world.run().await;
    ran.expect("Verified");
    let given_up = [
        row("erp", RecipientState::Told, 1, "200"),
        row("crm", RecipientState::Failed, 20, "410"),
        row("ads", RecipientState::Failed, 500, "timeout"),
        row("late", RecipientState::Told, 1, "200"),
        row("shy", RecipientState::Told, 23, "200"),
    ];
    assert_eq!(stand(&ran), given_up);

    let before = crm.requests();
    ads.set_faults(Faults::default());
    let lifted = world.start("lift", &["--lift"]).finish_plain().await;
    assert_eq!(lifted["reason"], "Lifted", "{lifted}");
    let states: Vec<&Value> = lifted["body"]["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| &told["state"])
        .collect();
    // Who refused it each time is told nothing. Who may have taken it, and only the answer was lost, is told.
    assert_eq!(states, ["Told", "NotConcerned", "Told", "Told", "Told"]);
    assert_eq!((crm.requests(), late.requests()), (before, 2));
    let told = erp.taken();
    let kinds: Vec<&str> = told.iter().map(|taken| taken.kind.as_str()).collect();
    assert_eq!(kinds, ["person.restricted", "person.lifted"]);
    // The end names nobody: it is about the same as the beginning.
    assert_eq!(told[0].subject, told[1].subject);
    let [_, (_, end)] = data(&erp).try_into().unwrap();
    assert_eq!(end.as_object().unwrap().len(), 3, "{end}");

    world.spec()["recipients"][1]["identities"] = json!(["shoe"]);
    let ran = world.run().await;
    ran.expect("TaskInvalid");
    let said = &ran.report.message;
    assert!(said.contains("recipient `shop/crm`"), "{said}");
}

/// An instrument for its country begins soon: until then it is known who the person is, and then it is told.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_be_told_soon_is_waited_for() {
    let mut world = World::shop("rcp_coming").await;
    world.sql("DROP TABLE items").await;
    world.spec()["comingRecipients"] = json!(["shop/erp"]);
    let ran = world.run().await;
    ran.expect("RecipientNotTold");
    let waits = row("erp", RecipientState::Pending, 0, "no instrument yet");
    assert_eq!(stand(&ran), vec![waits]);
    let open = "SELECT person IS NOT NULL, state IS NULL FROM tradewind.request";
    assert_eq!(world.suppressed(open).await, "t|t");
    world
        .spec()
        .as_object_mut()
        .unwrap()
        .remove("comingRecipients");
    let done = answers(r#"{"outcome": "Done"}"#);
    let _erp = recipient(&mut world, "erp", &["email"], done).await;
    let ran = world.run().await;
    ran.expect("Kept");
    assert_eq!(
        stand(&ran),
        vec![row("erp", RecipientState::Done, 1, "200")]
    );
}

/// What one has answered stays its answer once nothing may be sent to it any more, or not yet again.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_before_an_instrument_ended_stays_told() {
    let mut world = World::shop("rcp_ended").await;
    world.sql("DROP TABLE items").await;
    let erp = recipient(
        &mut world,
        "erp",
        &["email"],
        answers(r#"{"outcome": "Done"}"#),
    )
    .await;
    let law = recipient(
        &mut world,
        "law",
        &["email"],
        answers(r#"{"outcome": "NoData"}"#),
    )
    .await;
    let crm = recipient(&mut world, "crm", &["email"], fails(4, 500)).await;
    world.run().await.expect("RecipientNotTold");
    let only = world.spec()["recipients"][2].clone();
    world.spec()["recipients"] = json!([only]);
    world.spec()["heldRecipients"] = json!(["shop/erp", "shop/far"]);
    world.spec()["comingRecipients"] = json!(["shop/law"]);
    let ran = world.run().await;
    ran.expect("Kept");
    let wanted = vec![
        row("erp", RecipientState::Done, 1, "200"),
        row("far", RecipientState::Held, 0, ""),
        row("law", RecipientState::NoData, 1, "200"),
        row("crm", RecipientState::Told, 5, "200"),
    ];
    assert_eq!(stand(&ran), wanted);
    // By the books alone, too, once it has ended.
    assert_eq!(stand(&world.run().await), wanted);
    assert_eq!([&erp, &law, &crm].map(Sink::requests), [1, 1, 5]);
}
