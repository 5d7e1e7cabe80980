//! Who asks in `kinds`, and all that their requests need: rows, keys of a bucket, a rule for what is portable, recipients,
//! tables that hide rows, a channel that sells. All of it goes again.

use serde_json::{Value, json};
use tradewind_dev::fleet::Cluster;
use tradewind_dev::story::install::{self, RUNS, TENANT};
use tradewind_dev::story::programs::checkout;
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::world::sql_of;

/// Who asks for what, under which name; their number, which is found nowhere by chance.
pub(crate) struct Asks {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) email: &'static str,
    pub(crate) state: &'static str,
}

pub(crate) const EU: &str = "eu-west";
pub(crate) const US: &str = "us-east";
/// What the persons wrote, to the shop and to the partner's.
pub(crate) const WORDS: &str = "planted words q7x";
/// What they are called, with their number behind it.
pub(crate) const CALLED: &str = "Planted q7x";
/// The channel of examples/ccpa, one of whose sinks is a sale.
pub(crate) const CHANNEL: &str = "partner";

pub(crate) const ASK: [Asks; 5] = [
    Asks {
        kind: "access",
        name: "dsr-2026-41",
        number: "777000781",
        email: "planted.access.q7x@mail.example",
        state: "Done",
    },
    Asks {
        kind: "portability",
        name: "dsr-2026-42",
        number: "777000782",
        email: "planted.portability.q7x@mail.example",
        state: "Done",
    },
    Asks {
        kind: "restriction",
        name: "dsr-2026-43",
        number: "777000783",
        email: "planted.restriction.q7x@mail.example",
        state: "Done",
    },
    Asks {
        kind: "objection",
        name: "dsr-2026-44",
        number: "777000784",
        email: "planted.objection.q7x@mail.example",
        state: "Restricted",
    },
    Asks {
        kind: "opt-out",
        name: "opt-out-2026-45",
        number: "777000785",
        email: "planted.optout.q7x@mail.example",
        state: "Done",
    },
];

impl Asks {
    pub(crate) fn region(&self) -> &'static str {
        if self.kind == "opt-out" { US } else { EU }
    }
}

/// Everything by which one of them is known, and what they wrote.
pub(crate) fn planted() -> Vec<&'static str> {
    let each = ASK.iter().flat_map(|one| [one.number, one.email]);
    each.chain([WORDS, CALLED]).collect()
}

/// What was there before, to put it back.
pub(crate) struct Before {
    hub: Cluster,
    objects: Vec<(&'static str, &'static str, Value)>,
}

impl Before {
    /// Changes fields of an object's spec, and remembers what they were.
    async fn change(&mut self, kind: &'static str, name: &'static str, to: impl Fn(&mut Value)) {
        let seen = settle::get(&self.hub, kind, None, name).await.unwrap();
        let before = seen.unwrap()["spec"].take();
        let mut after = before.clone();
        to(&mut after);
        patch(&self.hub, kind, name, &after).await;
        // A field that comes anew has to be named to go again.
        let mut back = before;
        for field in after.as_object().unwrap().keys() {
            if back.get(field).is_none() {
                back[field] = Value::Null;
            }
        }
        self.objects.push((kind, name, back));
    }

    async fn back(self) {
        for (kind, name, spec) in &self.objects {
            patch(&self.hub, kind, name, spec).await;
        }
    }
}

async fn patch(hub: &Cluster, kind: &str, name: &str, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    let args = ["patch", kind, name, "--type=merge", "-p", &patch];
    hub.kubectl(&args).await.unwrap();
}

/// Persons with what they wrote, and all that the kinds need: keys of a bucket, a rule for what is portable, recipients, tables
/// that hide rows, a channel that sells.
pub(crate) async fn prepared(stage: &Stage, hub: &Cluster) -> Before {
    for one in &ASK {
        let Asks { number, email, .. } = one;
        let rows = format!(
            "INSERT INTO customers VALUES ({number}, '{CALLED} {number}', '{email}', 'DE', now(), now());
            INSERT INTO messages SELECT gen_random_uuid(), {number}, NULL, now()::timestamp, '{WORDS}' FROM generate_series(1, 2)"
        );
        sql_of(stage, one.region(), &rows).await;
    }
    sql_of(stage, EU, &hiding(true)).await;
    secrets(stage).await;
    let mut before = Before {
        hub: hub.clone(),
        objects: Vec::new(),
    };
    let sink = &stage.info.sink;
    let broker = |country: &str| {
        json!([{"name": "broker", "country": country, "identities": ["customerId"],
            "http": {"url": sink, "secretRef": {"name": "broker-q7x", "key": "secret"}}}])
    };
    let portable = |spec: &mut Value| {
        spec["recipients"] = broker("DE");
        let rules = spec["rules"].as_array_mut().unwrap();
        let messages = rules.iter_mut().find(|rule| rule["name"] == "messages");
        messages.unwrap()["dataset"]["portable"] = json!(true);
    };
    before.change("datapolicy", "eu-customers", portable).await;
    let recipients = |spec: &mut Value| spec["recipients"] = broker("US");
    before
        .change("datapolicy", "us-customers", recipients)
        .await;
    let lists = |spec: &mut Value| {
        let own = json!({"name": "aurora-inbox", "datasets": ["tradewind_connect.event"],
            "postgres": {"secretRef": {"name": "aurora-inbox-db", "key": "url"}}});
        spec["dataStores"].as_array_mut().unwrap().push(own);
    };
    before.change("region", US, lists).await;
    sells(stage, hub).await;
    before
}

/// Keys of a bucket, of the recipients and of the advertiser, and where the connectors' own database is.
async fn secrets(stage: &Stage) {
    let (eu, us) = (
        stage.fleet.cluster(EU).unwrap(),
        stage.fleet.cluster(US).unwrap(),
    );
    let key = [("secret", stage.info.sink_secret.as_str())];
    let store = &stage.info.object_store;
    let bucket = [
        ("accessKeyId", store.access_key.as_str()),
        ("secretAccessKey", &store.secret_key),
        ("endpoint", &store.url),
        ("region", "us-east-1"),
    ];
    let inbox = [("url", stage.info.databases[US].inbox.as_str())];
    for (cluster, secret) in [
        (&eu, install::secret(RUNS, "copies-q7x", &bucket)),
        (&eu, install::secret(RUNS, "broker-q7x", &key)),
        (&us, install::secret(RUNS, "broker-q7x", &key)),
        (&us, install::secret(RUNS, "aurora-inbox-db", &inbox)),
        (&us, install::secret(TENANT, "ads-hook", &key)),
    ] {
        install::apply(cluster, &secret).await.unwrap();
    }
}

/// The channel of examples/ccpa, with this machine's addresses.
async fn sells(stage: &Stage, hub: &Cluster) {
    let file = checkout().join("examples/ccpa/3-channel.yaml");
    let mut channel = std::fs::read_to_string(file).unwrap();
    for address in [
        "https://erp.aurora.example/hooks",
        "https://ads.partner.example/events",
    ] {
        assert!(channel.contains(address), "no {address}");
        channel = channel.replace(address, &stage.info.sink);
    }
    install::apply(hub, &channel).await.unwrap();
    let channel = ("socialchannel", Some(TENANT), CHANNEL);
    settle::condition_true(hub, channel, "Ready", SOON)
        .await
        .unwrap();
}

/// SQL that has tables hide restricted rows, as docs/retention.md has it; or have them as they were.
fn hiding(prepares: bool) -> String {
    let each = ["customers", "orders", "messages"].map(|table| {
        if prepares {
            format!(
                "ALTER TABLE {table} ADD COLUMN restricted_by text[];
                GRANT SELECT (restricted_by), UPDATE (restricted_by) ON {table} TO tradewind_retain;
                CREATE POLICY all_rows ON {table} USING (true);
                CREATE POLICY restricted_rows ON {table} AS RESTRICTIVE USING (restricted_by IS NULL);
                ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            )
        } else {
            format!(
                "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
                DROP POLICY restricted_rows ON {table}; DROP POLICY all_rows ON {table};
                ALTER TABLE {table} DROP COLUMN restricted_by;"
            )
        }
    });
    let sees = if prepares { "BYPASSRLS" } else { "NOBYPASSRLS" };
    format!("{} ALTER ROLE tradewind_retain {sees}", each.concat())
}

/// As the next chapters expect it.
pub(crate) async fn cleared(stage: &Stage, hub: &Cluster, before: Before) {
    let mut delete = vec!["delete", "datasubjectrequest", "--timeout=300s"];
    delete.extend(ASK.iter().map(|one| one.name));
    hub.kubectl(&delete).await.unwrap();
    let channel = [
        "delete",
        "socialchannel",
        "-n",
        TENANT,
        CHANNEL,
        "--timeout=300s",
    ];
    hub.kubectl(&channel).await.unwrap();
    before.back().await;
    for (region, namespace, secrets) in [
        (EU, RUNS, &["copies-q7x", "broker-q7x"][..]),
        (US, RUNS, &["broker-q7x", "aurora-inbox-db"]),
        (US, TENANT, &["ads-hook"]),
    ] {
        let cluster = stage.fleet.cluster(region).unwrap();
        let args = [&["delete", "secret", "-n", namespace][..], secrets].concat();
        cluster.kubectl(&args).await.unwrap();
    }
    for one in &ASK {
        let number = one.number;
        let rows = format!(
            "DELETE FROM messages WHERE customer_id = {number}; DELETE FROM customers WHERE id = {number}"
        );
        sql_of(stage, one.region(), &rows).await;
    }
    sql_of(stage, EU, &hiding(false)).await;
    let copies = stage.info.object_store.folder.join("aurora-feeds/copies");
    if copies.exists() {
        std::fs::remove_dir_all(copies).unwrap();
    }
    quickstart::ready(&stage.fleet, SOON).await.unwrap();
}
