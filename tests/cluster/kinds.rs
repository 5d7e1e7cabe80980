//! Each kind of request that is no erasure, of a person each who is planted for it: two copies, a restriction, an objection,
//! and an opt-out of a channel that sells. All are handed in at once and answered by real pods, recipients are told, and none
//! of the persons stands where nobody may read of them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::watch;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::serve::platform::{Scheme, Sender};
use tradewind_dev::shop;
use tradewind_dev::story::install::TENANT;
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::desk::Desk;
use crate::planted::{ASK, Asks, CALLED, CHANNEL, EU, US, WORDS, cleared, planted, prepared};
use crate::silence::{Along, connectors, found, told_nowhere};
use crate::world::sql_of;

pub(crate) async fn whoever_asks_for_what_is_told_nowhere(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let before = prepared(stage, &hub).await;
    let bought = "order-q7x-1";
    hears(stage, bought).await;
    took(stage, bought, 2).await;
    let desk = Desk::new(stage);
    let along = Along::of(stage);
    handed_in(&desk);
    for one in &ASK {
        until(&hub, one, |status| {
            status["state"] == one.state && told(status, "Told")
        })
        .await;
    }
    is_done_as_asked(stage, &hub).await;

    let told = told_nowhere(stage, &planted(), &[]).await;
    let names = ASK.iter().map(|one| one.name);
    let logs = ["connector", "feed"];
    let logs = logs.map(|component| format!("log of {component}\n"));
    let counts = "tradewind_connect_opted_out_total{sink=\"ads\"} 1\n";
    for word in names.chain(logs.iter().map(String::as_str)).chain([counts]) {
        assert!(told.contains(word), "{word:?} was not looked through");
    }
    let bucket = stage.info.object_store.folder.join("aurora-feeds/copies");
    for one in &ASK[..2] {
        let file = format!("{EU}/{0}/{EU}.manifest.json", one.name);
        assert!(bucket.join(&file).is_file(), "no {file}");
    }
    let readable = found(&bucket, &planted());
    assert!(readable.is_empty(), "in the bucket: {readable}");

    ended(&hub, &desk).await;
    // Each had a pod; what was hidden, and who was out, had another.
    along.told_nowhere(ASK.len() + 3, &planted()).await;
    assert_eq!(shown(stage).await, "4", "all are shown again");
    cleared(stage, &hub, before).await;
}

/// What the shop itself, which owns the tables, sees of the persons.
async fn shown(stage: &Stage) -> String {
    let seen = format!(
        "SET ROLE {}; SELECT count(*) FROM customers WHERE name LIKE '{CALLED} %'",
        shop::OWNER
    );
    sql_of(stage, EU, &seen).await
}

/// The partner's shop tells of an order of the one who opts out.
async fn hears(stage: &Stage, order: &str) {
    let region = stage.fleet.cluster(US).unwrap();
    let address = settle::until("a connector that is ready", SOON, || async {
        let found = quickstart::connector_addresses(&region, CHANNEL).await?;
        let first = found.first().and_then(|it| it.parse::<SocketAddr>().ok());
        Ok(first.ok_or_else(|| format!("{found:?}")))
    })
    .await
    .unwrap();
    let secrets = &stage.info.platform_secrets["aurora-partner"];
    let path = format!("/webhooks/{TENANT}/{CHANNEL}");
    let (_keep, targets) = watch::channel(vec![address]);
    let sender = Sender::new(Scheme::Generic, &secrets["signing_secret"], &path, targets);
    let person = ASK[4].number;
    let data = json!({"order": order, "note": WORDS});
    let body = json!({"type": "order.paid", "subject": person, "data": data}).to_string();
    let answer = sender.unwrap().post(address, order, &body).await;
    assert_eq!(answer.unwrap(), 200);
}

/// Waits until an order was taken so many times: by the ERP, and by the advertiser.
async fn took(stage: &Stage, order: &str, times: usize) {
    settle::until(&format!("{order} is taken"), SOON, || async {
        let taken = std::fs::read_to_string(&stage.info.sink_record).unwrap();
        let taken = taken.lines().filter(|line| line.contains(order)).count();
        Ok(if taken == times {
            Ok(())
        } else {
            Err(format!("{taken} times"))
        })
    })
    .await
    .unwrap();
}

/// As docs/requests.md says: who it is is typed, and recorded is that it was them.
fn handed_in(desk: &Desk<'_>) {
    desk.types("kubectl get regions -o yaml > regions.yaml\n", "");
    let reader = age::x25519::Identity::generate().to_public();
    let mut hand_in = Vec::new();
    for one in &ASK {
        let Asks { kind, name, .. } = one;
        let region = one.region();
        let (law, zone, who) = if region == US {
            (
                "US-CA",
                "America/Los_Angeles",
                format!("customerId={}\n", one.number),
            )
        } else {
            (
                "DE",
                "Europe/Berlin",
                format!("email={}\n", one.email.to_uppercase()),
            )
        };
        let copy = if matches!(*kind, "access" | "portability") {
            format!(
                "--to s3://aurora-feeds --country DE --prefix 'copies/{{region}}' --credentials copies-q7x \
                --reader {reader} --expires P30D"
            )
        } else {
            String::new()
        };
        let create = format!(
            "target/debug/tradewind request create --name {name} --kind {kind} --received \"$(date -Is)\" --zone {zone} \
            --jurisdiction {law} --region {region} --regions regions.yaml {copy} > {name}.json\n"
        );
        desk.types(&create, &who);
        let done = "{\"by\": \"privacy@aurora.example\", \"at\": \"'\"$(date -Is)\"'\"}";
        hand_in.push(format!(
            "kubectl create -f {name}.json\n\
            kubectl patch datasubjectrequest {name} --type=merge -p '{{\"spec\": {{\"acknowledged\": {done}, \"verified\": {done}}}}}'\n"
        ));
    }
    desk.types(&hand_in.concat(), "");
}

async fn until(hub: &Cluster, one: &Asks, is_so: impl Fn(&Value) -> bool) {
    settle::until(
        &format!("the {} of {}", one.kind, one.name),
        SOON,
        || async {
            let seen = settle::get(hub, "datasubjectrequest", None, one.name).await?;
            let status = seen.unwrap_or_default()["status"].take();
            Ok(if is_so(&status) {
                Ok(())
            } else {
                Err(status.to_string())
            })
        },
    )
    .await
    .unwrap();
}

/// Whether every recipient of the request stands so; a copy has none.
fn told(status: &Value, state: &str) -> bool {
    let recipients = status.pointer("/regions/0/recipients");
    let mut recipients = recipients.and_then(Value::as_array).into_iter().flatten();
    recipients.all(|one| one["state"] == state)
}

/// Rows are hidden of two, the advertiser hears no more of a third, and the recipients were told which.
async fn is_done_as_asked(stage: &Stage, hub: &Cluster) {
    assert_eq!(shown(stage).await, "2", "two are hidden");
    let out = settle::get(hub, "datasubjectrequest", None, ASK[4].name).await;
    let out = out.unwrap().unwrap()["status"]["regions"][0]["optedOut"].take();
    assert_eq!(out[0]["channel"], "aurora/partner", "{out}");
    assert_eq!(out[0]["sinks"], json!(["ads"]), "{out}");
    let order = "order-q7x-2";
    hears(stage, order).await;
    let region = stage.fleet.cluster(US).unwrap();
    let held = "tradewind_connect_opted_out_total{sink=\"ads\"} 1\n";
    settle::until("the event that is not sold is counted", SOON, || async {
        let counted = connectors(&region).await;
        let told = counted.lines().filter(|line| line.contains("opted_out"));
        let told = told.collect::<Vec<_>>().join("\n");
        Ok(counted.contains(held).then_some(()).ok_or(told))
    })
    .await
    .unwrap();
    took(stage, order, 1).await;
    let taken = std::fs::read_to_string(&stage.info.sink_record).unwrap();
    for (kind, times) in [("person.restricted", 2), ("person.optedOut", 1)] {
        let of_kind = taken.lines().filter(|line| line.contains(kind));
        assert_eq!(of_kind.count(), times, "{kind}");
    }
}

/// What is hidden is shown again, and who opted out is in again.
async fn ended(hub: &Cluster, desk: &Desk<'_>) {
    let mut record = Vec::new();
    let ends = [
        (&ASK[2], "lifted", "Lifted"),
        (&ASK[3], "refusal", "Refused"),
        (&ASK[4], "lifted", "Lifted"),
    ];
    for (one, field, _) in ends {
        record.push(format!(
            "kubectl patch datasubjectrequest {} --type=merge -p \
            '{{\"spec\": {{\"{field}\": {{\"by\": \"privacy@aurora.example\", \"at\": \"'\"$(date -Is)\"'\", \"ground\": \"it was looked into\"}}}}}}'\n",
            one.name
        ));
    }
    desk.types(&record.concat(), "");
    for (one, _, state) in ends {
        until(hub, one, |status| status["state"] == state).await;
    }
}
