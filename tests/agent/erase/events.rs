//! A person's events in a connector's own database go with the person's rows: what was delivered, what waits and what is
//! under way; nobody else's; again after a restore; and not while they are held. Who it was stands there by no plain hash.

use serde_json::{Value, json};
use tradewind_dev::serve::sink::Faults;

use super::world::{EMAIL, Ran, World, exact};
use crate::connect::world::{
    Connector, World as Channel, message, messenger, orders, server, until,
};

/// As the platform knows Ann.
const ANN: &str = "planted-10157";
const BOB: &str = "bob-20991";

const EVENTS: &str = "events of aurora/shop";

/// What has her name; and what stands by the hash that anybody can make of it.
const HERS: &str = "SELECT count(*) FROM tradewind_connect.event WHERE convert_from(body, 'UTF8') LIKE '%planted-10157%'";
const PLAIN: &str =
    "SELECT sha256('\\x04'::bytea || int8send(0) || int8send(13) || 'planted-10157'::bytea)";

/// A channel with a connector, and a shop whose erasures know of it; the role that erases is not the connector's own.
struct Place {
    shop: World,
    channel: Channel,
}

impl Place {
    async fn new(name: &str) -> Self {
        let mut channel = Channel::new(&format!("{name}_inbox")).await;
        channel.add_sink("ads", Faults::default()).await;
        let mut shop = World::shop(name).await;
        shop.sql("DROP TABLE items").await;
        let access = server().await.access();
        let role = format!("{name}_officer");
        access.create_role(&role, "secret").await.unwrap();
        shop.write("inbox", access.url_as(&role, "secret", &channel.database));
        let url = shop.path("inbox");
        shop.spec()["identities"] = json!([{"name": "email", "ignoreCase": true}, {"name": "customerId"}, {"name": "psid"}]);
        shop.spec()["events"] = json!([{"name": "inbox", "url": url, "channels": [{"channel": "aurora/shop", "identity": "psid"}]}]);
        shop.identify(&json!({"email": [EMAIL], "psid": [ANN]}));
        Self { shop, channel }
    }

    /// What the first attempt asks for.
    async fn grant(&self) {
        let ran = self.shop.run().await;
        let said = &ran.expect("GrantsMissing").report.message;
        self.channel.sql(said.split_once("runs: ").unwrap().1).await;
    }

    async fn post(&self, connector: &Connector, person: &str, mids: &[&str]) {
        let sender = messenger(&[connector]);
        for mid in mids {
            let answer = sender
                .post(connector.webhook, "", &message(person, mid, "hello"))
                .await;
            assert_eq!(answer.unwrap(), 200);
        }
    }

    fn took(&self, sink: &str, person: &str) -> Vec<String> {
        let all = orders(&self.channel.sinks[sink].taken());
        all.get(person).cloned().unwrap_or_default()
    }
}

fn faults(latency_ms: u64) -> Faults {
    Faults {
        latency_ms,
        ..Faults::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_with_the_rows_whatever_sinks_are_owed() {
    let place = Place::new("ere_story").await;
    place.shop.run().await.expect("EventsUnprepared");
    let connector = place.channel.start(&["--upkeep", "200"]).await;
    place.grant().await;
    // One sink has all of it; at the other one of each is under way, and the others wait behind it.
    place.channel.sinks["ads"].set_faults(faults(4000));
    place.post(&connector, ANN, &["a1", "a2", "a3"]).await;
    place.post(&connector, BOB, &["b1", "b2"]).await;
    until("erp took it", async || {
        place.took("erp", ANN).len() == 3 && place.took("erp", BOB).len() == 2
    })
    .await;
    let attempts = || place.channel.sinks["ads"].requests();
    until("one of each is under way", async || attempts() >= 2).await;
    assert_eq!(place.channel.sql(HERS).await, "3");
    let kept = place.channel.sql(&format!("{PLAIN} IN (SELECT subject FROM tradewind_connect.event UNION ALL
        SELECT subject FROM tradewind_connect.outbox UNION ALL SELECT subject FROM tradewind_connect.lane)")).await;
    assert_eq!(kept, "f", "no hash that anybody can make");

    let ran = place.shop.run().await;
    ran.expect("Kept");
    let at_the_report = place.took("ads", ANN);
    assert_eq!(ran.terms(EVENTS), [3, 3, 0, 0, 0, 0]);
    let stores = &ran.body().stores;
    assert_eq!(
        stores
            .iter()
            .map(|store| store.name.as_str())
            .collect::<Vec<_>>(),
        ["shop", "inbox"]
    );
    assert_eq!(place.channel.sql(HERS).await, "0");
    // What was under way is waited for, and nothing comes after it.
    place.channel.sinks["ads"].set_faults(Faults::default());
    until("the other person's events are taken", async || {
        place.took("ads", BOB) == ["b1", "b2"]
    })
    .await;
    place.post(&connector, ANN, &["a4"]).await;
    until("what came later is taken", async || {
        place.took("erp", ANN).len() == 4
    })
    .await;
    until("nothing is owed", async || {
        place
            .channel
            .sql("SELECT count(*) FROM tradewind_connect.lane")
            .await
            == "0"
    })
    .await;
    let later = place.took("ads", ANN);
    assert_eq!(later[..at_the_report.len()], at_the_report);
    assert_eq!(later[at_the_report.len()..], ["a4"]);
    assert!(
        ["a1", "a2", "a3"]
            .starts_with(&at_the_report.iter().map(String::as_str).collect::<Vec<_>>()),
        "{at_the_report:?}"
    );

    // The same command repeats its numbers, and touches nothing of what came later.
    let ran = place.shop.run().await;
    assert_eq!(ran.expect("Kept").terms(EVENTS), [3, 3, 0, 0, 0, 0]);
    assert_eq!(place.channel.sql(HERS).await, "1");
    let books = place.shop.books().await;
    assert!(books.contains("suppressed_subject") && !books.contains(ANN));
    // The opening of small counts knows the events' too.
    assert!(!connector.log().contains("planted"));
}

/// Dump, erase, restore: the events are back, and go again; what came after the erasure stays.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_restore_brings_back_go_again() {
    let mut place = Place::new("ere_drill").await;
    place.channel.sinks["erp"].set_faults(Faults::default());
    let connector = place.channel.start(&["--upkeep", "200"]).await;
    place.grant().await;
    place.post(&connector, ANN, &["a1", "a2"]).await;
    place.post(&connector, BOB, &["b1"]).await;
    let access = server().await.access();
    let dump = access.dump(&place.channel.database).await.unwrap();
    place.shop.run().await.expect("Kept");
    place.post(&connector, ANN, &["a3"]).await;
    connector.kill();
    let later = "SELECT encode(subject, 'hex') FROM tradewind_connect.event WHERE convert_from(body, 'UTF8') LIKE '%\"a3\"%'";
    let hers = place.channel.sql(later).await;

    access
        .create_database("ere_drill_back", "postgres")
        .await
        .unwrap();
    access.script("ere_drill_back", &dump, &[]).await.unwrap();
    let sql = async |sql: &str| {
        access
            .query("ere_drill_back", sql)
            .await
            .unwrap()
            .trim()
            .to_owned()
    };
    sql(&format!(
        "INSERT INTO tradewind_connect.event (channel, kind, webhook_id, subject, body)
        VALUES ('aurora/shop', 'Messages', 'evt_a3', '\\x{hers}', 'planted-10157 again')"
    ))
    .await;
    assert_eq!(sql(HERS).await, "3");
    place.shop.write(
        "inbox",
        access.url_as("ere_drill_officer", "secret", "ere_drill_back"),
    );
    let ran = place.shop.reapply().await;
    ran.expect("Kept");
    assert_eq!(ran.terms(EVENTS), [2, 2, 0, 0, 0, 0]);
    assert_eq!(exact(ran.table(EVENTS).late), 1);
    assert_eq!(sql("SELECT count(*), count(*) FILTER (WHERE webhook_id = 'evt_a3') FROM tradewind_connect.event").await, "2|1");
    // Once more there is nothing to do; without the store in the task nothing is said of it.
    let ran = place.shop.reapply().await;
    assert_eq!(ran.expect("Kept").terms(EVENTS), [0; 6]);
    // A key that was made anew finds nobody, and says so before anything goes.
    sql("DELETE FROM tradewind_connect.opt_out_key; SELECT tradewind_connect.make_opt_out_key()")
        .await;
    let ran = place.shop.reapply().await;
    assert_eq!(ran.expect("EventsKeyOther").code, 64);
    let said = ran.report.message.split_once(" by DELETE").unwrap().1;
    let mend = said.split_once(" in the suppression").unwrap().0;
    place.shop.suppressed(&format!("DELETE{mend}")).await;
    place.shop.reapply().await.expect("Kept");
    place.shop.spec()["events"] = json!([]);
    let ran = place.shop.reapply().await;
    assert_of_the_shop(ran.expect("Kept"));
}

/// The report says nothing of the connector's store.
fn assert_of_the_shop(ran: &Ran) {
    let mut stores = ran.body().stores.iter();
    assert!(stores.all(|store| store.name == "shop"));
}

/// Held events stay, the request waits, and goes on once they are released.
#[tokio::test(flavor = "multi_thread")]
async fn held_events_stay_until_they_are_released() {
    let mut place = Place::new("ere_held").await;
    let connector = place.channel.start(&["--upkeep", "200"]).await;
    place.grant().await;
    place.post(&connector, ANN, &["a1", "a2"]).await;
    let role = "GRANT CREATE ON DATABASE ere_held_inbox TO ere_held_officer";
    place.channel.sql(role).await;
    let hold = |scope: Value, release: Value| {
        let mut task = json!({
            "version": 1, "command": "hold", "region": "eu-west",
            "spec": {"id": "fleet/case-7", "ground": "case 7", "openedBy": "counsel", "reviewOn": "2027-06-01",
                     "stores": [{"store": "inbox", "url": place.shop.path("inbox"), "scopes": [scope]}]},
        });
        if !release.is_null() {
            task["spec"]["release"] = release;
        }
        task
    };
    let scope = json!({"name": "all", "table": "tradewind_connect.event"});
    let opening = hold(scope.clone(), Value::Null);
    let releasing = hold(scope, json!({"by": "counsel", "ground": "settled"}));
    place.shop.spec()["holds"] = json!([{"id": "fleet/case-7", "store": "inbox", "scopes": [{"table": "tradewind_connect.event"}]}]);
    place.shop.run().await.expect("HoldNotInForce");
    assert_eq!(
        place
            .shop
            .suppressed("SELECT count(*) FROM tradewind.suppressed")
            .await
            .trim(),
        "0"
    );
    let told = place.shop.start_task("hold", &opening).finish_plain().await;
    assert_eq!(told["reason"], "InForce", "{told}");

    // The connector's own purge spares it too, however old.
    let grants = "GRANT USAGE ON SCHEMA tradewind TO ere_held_inbox; GRANT SELECT ON tradewind.held TO ere_held_inbox;
        GRANT EXECUTE ON FUNCTION tradewind.lock_holds() TO ere_held_inbox";
    place.channel.sql(grants).await;
    let delivered = async |ago: &str| {
        let sql = format!("UPDATE tradewind_connect.outbox SET at = now() - interval '{ago}'");
        place.channel.sql(&sql).await;
    };
    delivered("99 days").await;
    // After a restore the table that is held has another oid.
    let restored = "ALTER TABLE tradewind.hold_scope DISABLE TRIGGER keep; UPDATE tradewind.hold_scope SET oid = 1;
        ALTER TABLE tradewind.hold_scope ENABLE TRIGGER keep";
    let ran = place.shop.run().await;
    ran.expect("Held");
    place.channel.sql(restored).await;
    let again = place.shop.run().await;
    for ran in [ran, again] {
        assert_eq!(ran.expect("Held").terms(EVENTS), [2, 0, 0, 2, 0, 0]);
    }
    assert_eq!(place.channel.sql(HERS).await, "2");
    delivered("0 days").await;
    let told = place
        .shop
        .start_task("hold", &releasing)
        .finish_plain()
        .await;
    assert_eq!(told["reason"], "Released", "{told}");
    place.shop.spec().as_object_mut().unwrap().remove("holds");
    // A lane may count less than waits in it.
    let wrong = "INSERT INTO tradewind_connect.outbox (event, channel, sink, subject) SELECT id, channel, 'gone', subject FROM tradewind_connect.event;
        INSERT INTO tradewind_connect.lane (channel, sink, subject, pending) SELECT DISTINCT channel, 'gone', subject, 1 FROM tradewind_connect.event";
    place.channel.sql(wrong).await;
    let ran = place.shop.run().await;
    ran.expect("Kept");
    assert_eq!(ran.terms(EVENTS), [2, 2, 0, 0, 0, 0]);
    assert_eq!(place.channel.sql(HERS).await, "0");
    let owed = "SELECT (SELECT count(*) FROM tradewind_connect.outbox), (SELECT count(*) FROM tradewind_connect.lane)";
    assert_eq!(place.channel.sql(owed).await, "0|0");
}

/// Ended before an event went, a request leaves no subject behind; where nobody knows whether one went, it stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_ended_whatever_the_connectors_store_says() {
    let mut place = Place::new("ere_ended").await;
    let connector = place.channel.start(&["--upkeep", "200"]).await;
    place.grant().await;
    place.post(&connector, ANN, &["a1"]).await;
    let refusing = "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
        CREATE TRIGGER refuse BEFORE DELETE ON tradewind_connect.event FOR EACH ROW EXECUTE FUNCTION public.refuse()";
    place.channel.sql(refusing).await;
    let subjects =
        "SELECT string_agg(reference, ',' ORDER BY reference) FROM tradewind.suppressed_subject";
    let hashes =
        "SELECT string_agg(DISTINCT reference, ',' ORDER BY reference) FROM tradewind.suppressed";
    for reference in ["dsr-1", "dsr-2"] {
        place.shop.spec()["request"]["reference"] = reference.into();
        // By the same values it would be the same request.
        let mail = format!("{reference}@mail.example");
        place
            .shop
            .identify(&json!({"psid": [ANN], "email": [mail]}));
        let ran = place.shop.run().await;
        assert_ne!(ran.code, 0, "{:?}", ran.report);
    }
    assert_eq!(place.shop.suppressed(subjects).await.trim(), "dsr-1,dsr-2");
    let end = async |place: &mut Place, reference: &str| {
        place.shop.spec()["request"]["reference"] = reference.into();
        let ran = place.shop.start("erase", &["--lift"]).finish().await;
        ran.expect("Forgotten");
        ran.log
    };
    end(&mut place, "dsr-1").await;
    assert_eq!(place.shop.suppressed(subjects).await.trim(), "dsr-2");
    assert_eq!(place.shop.suppressed(hashes).await.trim(), "dsr-2");

    let away = "postgres://officer:planted-secret@127.0.0.1:1/none";
    place.shop.write("inbox", away);
    let log = end(&mut place, "dsr-2").await;
    assert!(log.contains("the book of events cannot be read"), "{log}");
    assert!(!log.contains("planted"), "{log}");
    assert_eq!(place.shop.suppressed(subjects).await.trim(), "dsr-2");
    assert_eq!(place.shop.suppressed(hashes).await.trim(), "dsr-2");
}

/// Nothing is said of a channel that knows the person by no value that was given; ended in its midst, the numbers stay.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_without_the_platforms_value_finds_no_event() {
    let mut place = Place::new("ere_other").await;
    let connector = place.channel.start(&["--upkeep", "200"]).await;
    place.grant().await;
    place.post(&connector, ANN, &["a1"]).await;
    place.shop.spec()["request"]["reference"] = "dsr-2".into();
    place.shop.identify(&json!({"email": [EMAIL]}));
    let ran = place.shop.run().await;
    assert_of_the_shop(ran.expect("Kept"));
    assert_eq!(place.channel.sql(HERS).await, "1");
    // One that is withdrawn is asked for what it left, and told of only then; a store that no connector ever used has nothing.
    connector.kill();
    let left = place.shop.spec()["events"].clone();
    place.shop.spec()["events"][0]["channels"] = json!([{"channel": "aurora/shop", "identity": "psid", "withdrawn": true},
        {"channel": "aurora/never", "identity": "psid", "withdrawn": true}]);
    let unused = json!({"name": "unused", "url": place.shop.path("url"), "channels": [{"channel": "aurora/x", "identity": "psid", "withdrawn": true}]});
    let stores = place.shop.spec()["events"].as_array_mut().unwrap();
    stores.push(unused);
    place.shop.spec()["request"]["reference"] = "dsr-4".into();
    place
        .shop
        .identify(&json!({"email": [EMAIL], "psid": [ANN]}));
    let ran = place.shop.run().await;
    assert_eq!(ran.expect("Verified").terms(EVENTS), [1, 1, 0, 0, 0, 0]);
    let told = ran.body().stores.iter().find(|it| it.name == "inbox");
    assert_eq!(told.unwrap().tables.len(), 1);
    assert!(ran.body().stores.iter().all(|it| it.name != "unused"));
    assert_eq!(place.channel.sql(HERS).await, "0");
    place.shop.spec()["events"] = left;
    place.shop.identify(&json!({"email": [EMAIL]}));
    // A destroyed key finds nobody, and says so before anything goes.
    place
        .channel
        .sql("DELETE FROM tradewind_connect.opt_out_key")
        .await;
    place.shop.spec()["request"]["reference"] = "dsr-3".into();
    assert_eq!(place.shop.run().await.expect("EventsKeyMissing").code, 64);
}
