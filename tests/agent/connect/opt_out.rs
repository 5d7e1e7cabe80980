//! A person opts out of a sale: from the report on, no event about them reaches the sink that is one, whatever waited, was
//! tried again or was under way; everybody else, and every other sink, gets everything.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tradewind_dev::serve::sink::Faults;

use super::world::{Connector, World, message, messenger, orders, server, until};

/// What is planted, and must be found nowhere.
pub(super) const ANN: &str = "planted-10157";
const CLEO: &str = "planted-20991";
pub(super) const BOB: &str = "bob";

/// A region's side: its key, and a role that the connector's owner granted nothing yet.
pub(super) struct Officer {
    key: age::x25519::Identity,
    /// What the task has beside what every task has.
    pub(super) more: Value,
}

impl Officer {
    pub(super) async fn new(world: &World) -> Self {
        let access = server().await.access();
        let role = format!("{}_officer", world.database);
        access.create_role(&role, "secret").await.unwrap();
        let terse = format!("ALTER ROLE {role} SET log_error_verbosity = terse");
        access.query("postgres", &terse).await.unwrap();
        let key = age::x25519::Identity::generate();
        let secret = age::secrecy::ExposeSecret::expose_secret(&key.to_string()).to_owned();
        world.secret("region-key", &secret);
        world.secret(
            "officer-url",
            &access.url_as(&role, "secret", &world.database),
        );
        let more = json!({});
        Self { key, more }
    }

    /// Runs the request to its end: exit code and report. What was planted is in neither its log nor its report.
    pub(super) async fn ask(
        &self,
        world: &World,
        reference: &str,
        identity: &Value,
        (flags, sinks): (&[&str], &[&str]),
    ) -> Value {
        let plain = identity.to_string();
        let bytes = age::encrypt(&self.key.to_public(), plain.as_bytes()).unwrap();
        let file = |name: &str| world.dir.path().join(name);
        std::fs::write(file("identity"), bytes).unwrap();
        // As the operator writes it of a channel that sells no more: nobody knows by which kind it knew persons.
        let kind = if flags.contains(&"--lift") {
            ""
        } else {
            "psid"
        };
        let mut channels = json!([{"channel": "aurora/shop", "identity": kind, "sinks": sinks}]);
        if identity.is_null() {
            // Nor of which channels, where a report had no room for them.
            channels = json!([]);
        }
        let mut task = json!({
            "version": 1, "command": "erase", "region": "eu-west",
            "spec": {
                "timeZone": "Europe/Berlin", "batchRows": 100, "maxRows": 100, "smallCounts": 1, "stores": [],
                "identities": [{"name": "psid"}, {"name": "email", "ignoreCase": true}],
                "suppression": {"url": file("none"), "key": file("none")},
                "request": {"reference": reference, "kind": "OptOut", "identity": file("identity"), "key": file("region-key")},
                "optOuts": [{"name": "inbox", "url": file("officer-url"), "channels": channels}],
            },
        });
        for (field, value) in self.more.as_object().unwrap() {
            task["spec"][field] = value.clone();
        }
        std::fs::write(file("erase.json"), task.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"));
        command
            .arg("erase")
            .arg("--task")
            .arg(file("erase.json"))
            .arg("--report-path")
            .arg(file("erased.json"))
            .args(["--log", "trace"])
            .args(flags)
            .stdin(Stdio::null());
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.unwrap().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = std::fs::read_to_string(file("erased.json")).unwrap();
        for said in [&log, &report] {
            assert!(!said.contains("planted"), "{said}");
        }
        let mut report: Value = serde_json::from_str(&report).unwrap();
        report["exit"] = output.status.code().into();
        report
    }

    pub(super) async fn opt_out(&self, world: &World, reference: &str, person: &str) -> Value {
        let identity = json!({"psid": [person]});
        self.ask(world, reference, &identity, (&[], &["ads"])).await
    }
}

async fn post(connector: &Connector, person: &str, mids: &[&str]) {
    let sender = messenger(&[connector]);
    for mid in mids {
        let body = message(person, mid, "hello");
        let answer = sender.post(connector.webhook, "", &body).await;
        assert_eq!(answer.unwrap(), 200);
    }
}

/// What a sink took of a person, in order.
fn took(world: &World, sink: &str, person: &str) -> Vec<String> {
    let all = orders(&world.sinks[sink].taken());
    all.get(person).cloned().unwrap_or_default()
}

async fn takes(world: &World, sink: &str, person: &str, mids: &[&str]) {
    until(&format!("{sink} took {mids:?}"), async || {
        took(world, sink, person).len() >= mids.len()
    })
    .await;
    assert_eq!(took(world, sink, person), mids, "{sink}, {person}");
}

fn ads(latency_ms: u64, fail_first: u32) -> Faults {
    Faults {
        latency_ms,
        fail_first,
        ..Faults::default()
    }
}

/// A channel whose second sink is a sale.
pub(super) async fn world(name: &str) -> World {
    let mut world = World::new(name).await;
    world.add_sink("ads", Faults::default()).await;
    world.task["spec"]["sinks"][1]["saleOrSharing"] = true.into();
    world
}

#[tokio::test]
async fn whoever_opted_out_reaches_no_sale_from_the_report_on() {
    let world = world("opted_out").await;
    // Every look is planned anew, as the first ones of a connection are: what the planner tries must not fail either.
    let anew = format!(
        "ALTER DATABASE {} SET plan_cache_mode = force_custom_plan",
        world.database
    );
    let access = server().await.access();
    access.query("postgres", &anew).await.unwrap();
    let officer = Officer::new(&world).await;
    let told = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(
        (&told["reason"], &told["exit"]),
        (&json!("OptOutUnprepared"), &json!(75)),
        "{told}"
    );
    let (one, two) = (
        world.start(&["--upkeep", "200"]).await,
        world.start(&["--upkeep", "200"]).await,
    );
    let told = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(
        (&told["reason"], &told["exit"]),
        (&json!("GrantsMissing"), &json!(64)),
        "{told}"
    );
    let said = told["message"].as_str().unwrap();
    world.sql(said.split_once("runs: ").unwrap().1).await;

    // One of each is under way when she opts out, others wait behind it.
    world.sinks["ads"].set_faults(ads(6000, 0));
    post(&one, ANN, &["a1", "a2", "a3"]).await;
    post(&two, BOB, &["b1", "b2"]).await;
    let attempts = || world.sinks["ads"].requests();
    until("one of each is under way", async || attempts() >= 2).await;
    let told = officer.opt_out(&world, "dsr-1", ANN).await;
    let at_the_report = took(&world, "ads", ANN);
    assert_eq!(
        (&told["reason"], &told["exit"]),
        (&json!("Verified"), &json!(0)),
        "{told}"
    );
    let body = &told["body"];
    let since = body["optedOut"][0]["inForceSince"].as_str().unwrap();
    assert!(since.parse::<jiff::Timestamp>().is_ok());
    assert_eq!(
        body["optedOut"],
        json!([{"store": "inbox", "channel": "aurora/shop", "sinks": ["ads"], "subjects": 1, "inForceSince": since}])
    );
    assert_eq!(at_the_report, ["a1"], "what was under way is waited for");
    world.sinks["ads"].set_faults(Faults::default());
    post(&two, ANN, &["a4"]).await;
    post(&one, BOB, &["b3"]).await;
    takes(&world, "erp", ANN, &["a1", "a2", "a3", "a4"]).await;
    takes(&world, "erp", BOB, &["b1", "b2", "b3"]).await;
    takes(&world, "ads", BOB, &["b1", "b2", "b3"]).await;

    // What is tried again and again is no longer tried.
    world.sinks["ads"].set_faults(ads(0, u32::MAX));
    post(&one, CLEO, &["c1", "c2"]).await;
    let tried = "SELECT count(*) FROM tradewind_connect.outbox WHERE sink = 'ads' AND state = 'Pending' AND attempts > 1";
    until("it is tried again", async || world.sql(tried).await == "1").await;
    let told = officer.opt_out(&world, "dsr-2", CLEO).await;
    assert_eq!(told["reason"], "Verified", "{told}");
    world.sinks["ads"].set_faults(Faults::default());
    post(&one, CLEO, &["c3"]).await;
    post(&two, BOB, &["b4"]).await;
    takes(&world, "erp", CLEO, &["c1", "c2", "c3"]).await;
    takes(&world, "ads", BOB, &["b1", "b2", "b3", "b4"]).await;
    let withheld = "SELECT count(*), count(*) FILTER (WHERE answer = 'opted out') FROM tradewind_connect.outbox
        WHERE state = 'OptedOut' AND sink = 'ads'";
    until("all of it is out of the way", async || {
        world.sql(withheld).await == "6|6"
    })
    .await;
    assert_eq!(took(&world, "ads", ANN), at_the_report);
    assert!(took(&world, "ads", CLEO).is_empty());
    let owed = "SELECT count(*) FROM tradewind_connect.lane WHERE sink = 'ads'";
    until("nothing is owed", async || world.sql(owed).await == "0").await;
    let series = "tradewind_connect_opted_out_total{sink=\"ads\"}";
    let counted = one.metric(series).await + two.metric(series).await;
    assert!((counted - 6.0).abs() < 0.5, "{counted}");
    let dead = "tradewind_connect_dead_letters{sink=\"ads\"}";
    assert!(one.metric(dead).await < 0.5);
    let (_, replayed) = world.finish(&["--replay-dead"]);
    assert_eq!(replayed["message"], "dead letters to be delivered again: 0");

    again(&world, &officer, &one).await;
    for connector in [&one, &two] {
        let metrics = connector.get("/metrics").await.1;
        for said in [connector.log(), metrics] {
            assert!(!said.contains("planted"), "{said}");
        }
    }
}

/// The same again changes nothing, another person under one name is refused, and lifting brings new events back.
async fn again(world: &World, officer: &Officer, connector: &Connector) {
    let rows = "SELECT string_agg(o::text, ' ') FROM tradewind_connect.opt_out AS o";
    let before = world.sql(rows).await;
    let told = officer.opt_out(world, "dsr-1", ANN).await;
    assert_eq!(told["reason"], "Verified", "{told}");
    assert_eq!(world.sql(rows).await, before);
    assert!(!before.contains("planted"), "{before}");
    // Not what the lanes have, either: that could be found out by trying.
    let plain = "SELECT count(*) FROM tradewind_connect.opt_out AS o JOIN tradewind_connect.outbox AS b ON b.subject = o.person";
    assert_eq!(world.sql(plain).await, "0");
    let told = officer.opt_out(world, "dsr-1", BOB).await;
    assert_eq!(
        (&told["reason"], &told["exit"]),
        (&json!("ReferenceReused"), &json!(64))
    );
    let email = json!({"email": ["ann@planted.example"]});
    let told = officer.ask(world, "dsr-3", &email, (&[], &["ads"])).await;
    assert_eq!(told["reason"], "IdentityUnfit");
    assert!(told["message"].as_str().unwrap().contains("kind psid"));

    // It was told of a channel that sells no more, too, and the task does not know that one.
    let old = "INSERT INTO tradewind_connect.opt_out SELECT 'aurora/old', person, request FROM tradewind_connect.opt_out WHERE request = 'dsr-1';
        INSERT INTO tradewind_connect.opt_out_sink (channel, sink, request) VALUES ('aurora/old', 'ads', 'dsr-1')";
    world.sql(old).await;
    let told = officer
        .ask(world, "dsr-1", &email, (&["--lift"], &["ads"]))
        .await;
    assert_eq!(
        (&told["reason"], &told["body"]["state"]),
        (&json!("Lifted"), &json!("Lifted"))
    );
    let lifted = json!([
        {"store": "inbox", "channel": "aurora/shop", "sinks": ["ads"], "subjects": 1},
        {"store": "inbox", "channel": "aurora/old", "subjects": 1}]);
    assert_eq!(told["body"]["optedOut"], lifted);
    let left = "SELECT (SELECT string_agg(request, ' ') FROM tradewind_connect.opt_out),
        (SELECT string_agg(request, ' ') FROM tradewind_connect.opt_out_sink)";
    assert_eq!(world.sql(left).await, "dsr-2|dsr-2", "another's stay");
    post(connector, ANN, &["a5"]).await;
    takes(world, "ads", ANN, &["a1", "a5"]).await;
    // Nor by which sinks, where a report had no room for their names.
    let told = officer
        .ask(world, "dsr-1", &email, (&["--lift"], &[]))
        .await;
    assert_eq!(
        (
            &told["reason"],
            &told["body"]["optedOut"][0].get("subjects")
        ),
        (&json!("Lifted"), &None)
    );

    // By the request's name alone; and where there are no opt-outs at all there is nothing to lift.
    let told = officer
        .ask(world, "dsr-2", &Value::Null, (&["--lift"], &[]))
        .await;
    let lifted = json!([{"store": "inbox", "channel": "aurora/shop", "subjects": 1}]);
    assert_eq!(told["body"]["optedOut"], lifted, "{told}");
    assert_eq!(world.sql(left).await, "|");
    let url = std::fs::read_to_string(world.dir.path().join("officer-url")).unwrap();
    let elsewhere = format!("{}/postgres", url.rsplit_once('/').unwrap().0);
    world.secret("officer-url", &elsewhere);
    let told = officer
        .ask(world, "dsr-2", &Value::Null, (&["--lift"], &[]))
        .await;
    assert_eq!(
        (&told["reason"], told["body"].get("optedOut")),
        (&json!("Lifted"), None),
        "{told}"
    );
    world.secret("officer-url", &url);

    // A key that was destroyed stops the sale for all: nobody can tell any more who opted out.
    world.sql("DELETE FROM tradewind_connect.opt_out_key").await;
    post(connector, BOB, &["b5"]).await;
    takes(world, "erp", BOB, &["b1", "b2", "b3", "b4", "b5"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(took(world, "ads", BOB).len(), 4);
    let told = officer.opt_out(world, "dsr-4", ANN).await;
    assert_eq!(
        (&told["reason"], &told["exit"]),
        (&json!("OptOutKeyMissing"), &json!(64))
    );
}

/// A sink that a request named is a sale to a connector whose task does not say so; withheld events are purged as others.
#[tokio::test]
async fn a_request_stops_a_sink_whatever_the_connectors_task_says() {
    let mut world = world("opted_out_named").await;
    world.task["spec"]["sinks"][1]["saleOrSharing"] = false.into();
    world.task["spec"]["keepDelivered"] = "PT1S".into();
    let officer = Officer::new(&world).await;
    let connector = world.start(&["--upkeep", "100"]).await;
    let grants = officer.opt_out(&world, "dsr-1", ANN).await;
    let said = grants["message"].as_str().unwrap();
    world.sql(said.split_once("runs: ").unwrap().1).await;
    // Its commits wait for the disk, though its role is set not to.
    let lazy = format!(
        "ALTER ROLE {}_officer SET synchronous_commit = off;
        CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF current_setting('synchronous_commit') <> 'on' THEN RAISE EXCEPTION 'a crash may lose it'; END IF;
          RETURN NEW; END $$;
        CREATE TRIGGER waits BEFORE INSERT OR UPDATE ON tradewind_connect.opt_out_sink FOR EACH ROW EXECUTE FUNCTION public.waits()",
        world.database
    );
    world.sql(&lazy).await;
    let told = officer.opt_out(&world, "dsr-1", ANN).await;
    assert_eq!(told["reason"], "Verified", "{told}");
    post(&connector, ANN, &["a1"]).await;
    post(&connector, BOB, &["b1"]).await;
    takes(&world, "erp", ANN, &["a1"]).await;
    takes(&world, "ads", BOB, &["b1"]).await;
    until("all of it is purged", async || {
        let sql = "SELECT (SELECT count(*) FROM tradewind_connect.outbox), (SELECT count(*) FROM tradewind_connect.event)";
        world.sql(sql).await == "0|0"
    })
    .await;
    assert!(took(&world, "ads", ANN).is_empty());
    assert!(
        (connector
            .metric("tradewind_connect_opted_out_total{sink=\"ads\"}")
            .await
            - 1.0)
            .abs()
            < 0.5
    );
}

/// The database's own function is HMAC-SHA256 (RFC 4231, the first case), and its key has the two pads.
#[tokio::test]
async fn persons_stand_by_an_hmac_that_the_database_makes() {
    let world = World::new("opted_out_hmac").await;
    let _connector = world.start(&[]).await;
    let pads = "SELECT count(*) FILTER (WHERE get_byte(inner_pad, i) # get_byte(outer_pad, i) = 106),
          count(*) FILTER (WHERE get_byte(inner_pad, i) = 54) >= 32, count(DISTINCT get_byte(inner_pad, i)) > 8
        FROM tradewind_connect.opt_out_key, generate_series(0, 63) AS i";
    assert_eq!(world.sql(pads).await, "64|t|t");
    let hash = world
        .sql(
            "UPDATE tradewind_connect.opt_out_key SET inner_pad = decode(repeat('3d', 20) || repeat('36', 44), 'hex'),
               outer_pad = decode(repeat('57', 20) || repeat('5c', 44), 'hex');
             SELECT encode(tradewind_connect.opted_out_as('Hi There'), 'hex')",
        )
        .await;
    let wanted = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    assert!(hash.ends_with(wanted), "{hash}");
}
