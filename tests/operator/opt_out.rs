//! Out of a sale, and in again: a request from the officer's command line, and the Jobs that the operator makes of it, done
//! by the real agent on the database of a real connector, which the operator's own tasks tell of the same channel.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::watch;
use tradewind::evidence::Kind;
use tradewind_dev::postgres::Server;
use tradewind_dev::serve::platform::{Scheme, Sender};
use tradewind_dev::serve::sink::{Faults, Options, Sink};
use tradewind_dev::story::install;

use crate::given::{self, RUNS, TENANT};
use crate::holds::ends;
use crate::pod::Pod;
use crate::requests::until_seen;
use crate::world::{World, condition, entry, with_operator};

const KIND: &str = "datasubjectrequests.tradewind.dev";
const NAME: &str = "opt-out-7";
const REGION: &str = "us-east";
/// Whoever opts out: planted, and found nowhere.
const ANN: &str = "planted-70551";
const BOB: &str = "somebody-else";
const PLATFORM_KEY: &str = "whsec_cGxhdGZvcm0tc2VjcmV0LW9mLXRoZS10ZXN0LTE=";
const SINK_KEY: &str = "whsec_c2luay1zZWNyZXQtb2YtdGhlLXRlc3QtMDE=";

/// A channel with a sink that is a sale and one that is none.
fn channel(erp: &Sink, ads: &Sink) -> Value {
    let sink = |name: &str, sink: &Sink, sale: bool| {
        json!({"name": name, "country": "US", "saleOrSharing": sale,
            "http": {"url": sink.url(), "secretRef": {"name": "sinks", "key": "secret"}}})
    };
    let mut channel = given::partner();
    let spec = &mut channel["spec"];
    spec["regions"]["names"] = json!([REGION]);
    spec["connector"]["optOut"] = json!({"dataStore": "inbox", "identity": "accountId"});
    spec["sinks"] = json!([sink("erp", erp, false), sink("ads", ads, true)]);
    channel
}

/// The Region with the connector's database among its own, and an address at which a key can be kept without a pod.
fn region(world: &World) -> Value {
    let mut region = given::region(REGION);
    let spec = &mut region["spec"];
    spec["evidence"]["apiServer"] = world.cluster(REGION).server().into();
    spec["dataStores"].as_array_mut().unwrap().push(json!({
        "name": "inbox", "datasets": ["tradewind_connect.event"],
        "postgres": {"secretRef": {"name": "inbox-officer", "key": "url"}},
    }));
    spec["requests"] = json!({
        "identities": [{"name": "accountId"}],
        "suppression": {"secretRef": {"name": "suppression-db", "key": "url"}},
    });
    region
}

/// The Secrets of the region, by namespace: all that the pods of this story are given.
fn secrets(url: &str) -> [(&'static str, &'static str, &'static str, String); 4] {
    [
        (TENANT, "partner", "signing_secret", PLATFORM_KEY.to_owned()),
        (TENANT, "inbox-db", "url", url.to_owned()),
        (TENANT, "sinks", "secret", SINK_KEY.to_owned()),
        (RUNS, "inbox-officer", "url", url.to_owned()),
    ]
}

async fn sink(folder: &Path, name: &str) -> Sink {
    let secret_file = folder.join("sink-key");
    std::fs::write(&secret_file, SINK_KEY).unwrap();
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        secret_file,
        record: folder.join(format!("{name}.jsonl")),
        faults: Faults::default(),
    };
    Sink::start(&options).await.unwrap()
}

/// A connector that runs; killed when dropped.
struct Connector {
    child: Child,
    webhook: SocketAddr,
    log: PathBuf,
}

impl Connector {
    async fn start(world: &World, pod: &Pod) -> Self {
        // An address that no other process of this machine listens on: what is free now is free in a moment.
        let [.., high, low] = std::process::id().to_be_bytes();
        let host = [127, 41, high, low.max(1)];
        let free = || TcpListener::bind(SocketAddr::from((host, 0))).unwrap();
        let ports = [free(), free()].map(|one| one.local_addr().unwrap());
        let [webhook, admin] = ports;
        let log = pod.folder().join("connector.log");
        let child = pod
            .command(&["--linger", "100", "--first-retry", "50", "--upkeep", "200"])
            .args(["--listen", &webhook.ip().to_string()])
            .args(["--webhook-port", &webhook.port().to_string()])
            .args(["--admin-port", &admin.port().to_string()])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let connector = Self {
            child,
            webhook,
            log,
        };
        world
            .until("the connector is ready", async || {
                let asked = reqwest::get(format!("http://{admin}/readyz")).await;
                match asked {
                    Ok(answer) if answer.status().is_success() => Ok(()),
                    _ => Err(connector.said()),
                }
            })
            .await;
        connector
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// One event about a person, as the platform sends it.
    async fn hears(&self, person: &str, id: &str) {
        let (_, nowhere) = watch::channel(Vec::new());
        let path = format!("/webhooks/{TENANT}/partner");
        let platform = Sender::new(Scheme::Generic, PLATFORM_KEY, &path, nowhere).unwrap();
        let body =
            json!({"type": "order.paid", "subject": person, "data": {"order": id}}).to_string();
        let answer = platform.post(self.webhook, id, &body).await.unwrap();
        assert_eq!(answer, 200, "{}", self.said());
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The orders of a person that a sink took, each once: a delivery may come again.
fn took(sink: &Sink, person: &str) -> Vec<String> {
    let mut orders = Vec::new();
    for taken in sink.taken() {
        let body: Value = serde_json::from_str(&taken.body).unwrap();
        let event = &body["data"]["event"];
        let order = event["data"]["order"].as_str().unwrap().to_owned();
        if event["subject"] == person && !orders.contains(&order) {
            orders.push(order);
        }
    }
    orders
}

async fn takes(world: &World, (name, sink): (&str, &Sink), person: &str, wanted: &[&str]) {
    world
        .until(&format!("{name} takes {wanted:?}"), async || {
            let told = took(sink, person);
            if told == wanted {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
}

/// The Job with this component label: one that lifts, or one that does not.
async fn job(world: &World, component: &str, lifts: bool) -> Value {
    let label = format!("app.kubernetes.io/component={component}");
    let cluster = world.cluster(REGION);
    world
        .until(&format!("the Job of {component}"), async || {
            let args = ["get", "jobs", "-n", RUNS, "-l", &label, "-o", "json"];
            let told = cluster.kubectl(&args).await.map_err(|e| e.to_string())?;
            let told: Value = serde_json::from_str(&told).unwrap();
            let is_it = |job: &&Value| {
                let args = &job["spec"]["template"]["spec"]["containers"][0]["args"];
                let args = args.as_array().unwrap();
                args.contains(&json!("--lift")) == lifts
            };
            let mut jobs = told["items"].as_array().unwrap().iter().filter(is_it);
            jobs.next().cloned().ok_or_else(|| told.to_string())
        })
        .await
}

/// The command as an officer types it; who it is comes on standard input.
fn create(folder: &Path, regions: &str) -> String {
    let file = folder.join("regions.yaml");
    std::fs::write(&file, regions).unwrap();
    let received = jiff::Timestamp::now().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["request", "create", "--name", NAME, "--kind", "opt-out"])
        .args(["--received", &received, "--zone", "America/Los_Angeles"])
        .args(["--jurisdiction", "US-CA", "--region", REGION, "--regions"])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = format!("accountId={ANN}\n");
    let mut given = child.stdin.take().unwrap();
    given.write_all(line.as_bytes()).unwrap();
    drop(given);
    let told = child.wait_with_output().unwrap();
    assert!(told.status.success());
    String::from_utf8(told.stdout).unwrap()
}

async fn patch(world: &World, spec: Value) {
    let patch = json!({"spec": spec}).to_string();
    let args = ["patch", KIND, NAME, "--type=merge", "-p", &patch];
    world.hub().kubectl(&args).await.unwrap();
}

/// What the region's chain says of the request's outcomes, in order.
async fn outcomes(world: &World) -> Vec<Value> {
    let all = crate::evidence::chain(world, REGION).await;
    let own = all
        .iter()
        .filter(|object| object.spec.kind == Kind::Request && object.spec.about.name == NAME);
    let mut told: Vec<Value> = own
        .map(|object| serde_json::from_str::<Value>(&object.spec.body).unwrap()["outcome"].take())
        .filter(|outcome| !outcome.is_null())
        .collect();
    told.dedup();
    told
}

#[test]
fn whoever_opts_out_reaches_no_sale_until_that_is_lifted() {
    with_operator(|world| async move {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start([127, 0, 0, 1].into()).await.unwrap();
        server.create_role("inbox", "secret").await.unwrap();
        server.create_database("inbox", "inbox").await.unwrap();
        let quiet = "ALTER ROLE inbox SET log_error_verbosity = terse";
        server.access().query("postgres", quiet).await.unwrap();
        let url = server.access().url_as("inbox", "secret", "inbox");
        let cluster = world.cluster(REGION);
        for (namespace, name, key, value) in secrets(&url) {
            let secret = install::secret(namespace, name, &[(key, &value)]);
            install::apply(&cluster, &secret).await.unwrap();
        }
        let (erp, ads) = (
            sink(folder.path(), "erp").await,
            sink(folder.path(), "ads").await,
        );
        let all = [region(&world), given::policy(REGION), channel(&erp, &ads)];
        world.apply(&all).await;

        // The region's key, by the operator's Job; the connector, by its Deployment. Both sinks hear of everybody.
        let keeper = job(&world, "requests", false).await;
        let kept = Pod::of(&world, REGION, &keeper).await.run(&[]);
        ends(&world, REGION, &keeper, &kept.report).await;
        let recipient = &kept.report["body"]["recipient"];
        world
            .until("the Region tells the key", async || {
                let told = world.region(REGION).await["status"]["requests"].clone();
                if recipient.is_string() && told["recipient"] == *recipient {
                    Ok(())
                } else {
                    Err(told.to_string())
                }
            })
            .await;
        let deployment = world
            .until("the connector's Deployment", async || {
                let found = world.get(&cluster, "deployment", TENANT, "partner-connector");
                found.await.ok_or_else(|| "none".to_owned())
            })
            .await;
        let pod = Pod::of(&world, REGION, &deployment).await;
        let connector = Connector::start(&world, &pod).await;
        for (person, id) in [(ANN, "a1"), (BOB, "b1")] {
            connector.hears(person, id).await;
            for sink in [("erp", &erp), ("ads", &ads)] {
                takes(&world, sink, person, &[id]).await;
            }
        }

        let regions = ["get", "regions", "-o", "yaml"];
        let regions = world.hub().kubectl(&regions).await.unwrap();
        let request = create(folder.path(), &regions);
        let hub = world.hub();
        hub.kubectl_with(&["apply", "-f", "-"], &request)
            .await
            .unwrap();
        until_seen(&world, NAME, "it is received", |seen| {
            seen["status"]["state"] == "Received" && condition(seen, "Verified").1 == "NotVerified"
        })
        .await;
        let at = jiff::Timestamp::now().to_string();
        let done = json!({"by": "privacy@aurora.example", "at": at});
        patch(&world, json!({"verified": done})).await;

        // The Job: the connector's store and the region's key, and nothing of anybody's rows.
        let one = job(&world, "request", false).await;
        let volumes = one["spec"]["template"]["spec"]["volumes"].as_array();
        let mounted = volumes.unwrap().iter().filter_map(|volume| {
            let secret = volume["secret"].as_object()?;
            let items = secret["items"].as_array()?.iter();
            let keys: Vec<&str> = items.filter_map(|item| item["key"].as_str()).collect();
            Some(format!("{} {keys:?}", secret["secretName"].as_str()?))
        });
        let mut mounted: Vec<String> = mounted.collect();
        mounted.sort();
        let wanted = [
            r#"inbox-officer ["url"]"#,
            r#"tradewind-requests ["identity.key", "suppression.key"]"#,
        ];
        assert_eq!(mounted, wanted);
        let ended = Pod::of(&world, REGION, &one).await.run(&["--log", "trace"]);
        let told = ended.report["body"]["optedOut"].clone();
        assert_eq!(ended.report["reason"], "Verified", "{}", ended.log);
        ends(&world, REGION, &one, &ended.report).await;
        let seen = until_seen(
            &world,
            NAME,
            "it is in force and nobody knows who it was",
            |seen| seen["status"]["state"] == "Done" && seen["spec"].get("identity").is_none(),
        )
        .await;
        let since = told[0]["inForceSince"].as_str().unwrap();
        assert!(since.parse::<jiff::Timestamp>().unwrap() < jiff::Timestamp::now());
        assert_eq!(told[0]["channel"], "aurora/partner");
        assert_eq!(told[0]["sinks"], json!(["ads"]));
        let here = entry(&seen, REGION);
        assert_eq!(here["optedOut"], told, "{seen}");
        assert_eq!(here["reason"], "Fulfilled", "{seen}");

        // From then on the sale hears of everybody but her.
        connector.hears(ANN, "a2").await;
        connector.hears(BOB, "b2").await;
        takes(&world, ("erp", &erp), ANN, &["a1", "a2"]).await;
        takes(&world, ("ads", &ads), BOB, &["b1", "b2"]).await;
        let withheld = "SELECT sink || ' ' || count(*) FROM tradewind_connect.outbox WHERE state = 'OptedOut' GROUP BY sink";
        world
            .until("what is hers is withheld", async || {
                let told = server.access().query("inbox", withheld).await.unwrap();
                if told.trim() == "ads 1" {
                    Ok(())
                } else {
                    Err(told)
                }
            })
            .await;
        assert_eq!(took(&ads, ANN), ["a1"]);

        // She opts in again: another Job, which needs nobody's identity.
        let ground = json!({"by": "privacy@aurora.example", "at": at, "ground": "the person opted in again"});
        patch(&world, json!({"lifted": ground})).await;
        let two = job(&world, "request", true).await;
        let back = Pod::of(&world, REGION, &two).await.run(&["--log", "trace"]);
        assert_eq!(back.report["reason"], "Lifted", "{}", back.log);
        ends(&world, REGION, &two, &back.report).await;
        let seen = until_seen(&world, NAME, "it was lifted, with a receipt", |seen| {
            seen["status"]["receipt"]["outcome"] == "Lifted"
        })
        .await;
        assert_eq!(seen["status"]["state"], "Lifted", "{seen}");
        connector.hears(ANN, "a3").await;
        takes(&world, ("ads", &ads), ANN, &["a1", "a3"]).await;

        // Evidence has both, and nobody's identity is told anywhere.
        let recorded = world
            .until("both are recorded", async || {
                let told = outcomes(&world).await;
                if told.len() == 2 {
                    Ok(told)
                } else {
                    Err(json!(told).to_string())
                }
            })
            .await;
        assert_eq!(recorded[0]["action"], "OptOut");
        assert_eq!(recorded[0]["optedOut"], told, "{recorded:?}");
        assert_eq!(recorded[1]["action"], "Lift", "{recorded:?}");
        let reports = [&kept, &ended, &back].map(|said| said.report.to_string());
        let reports = reports.join("\n");
        let records = json!(recorded).to_string();
        let logs = [kept.log, ended.log, back.log, connector.said(), world.log()];
        let logs = logs.join("\n");
        for said in [&seen.to_string(), &request, &reports, &records, &logs] {
            assert!(!said.contains(ANN), "{said}");
        }

        let gone = ["delete", KIND, NAME, "--timeout=60s"];
        hub.kubectl(&gone).await.unwrap();
        let keys = (RUNS, "tradewind-requests", "", String::new());
        for (namespace, name, ..) in secrets(&url).into_iter().chain([keys]) {
            let gone = ["delete", "secret", name, "-n", namespace];
            cluster.kubectl(&gone).await.unwrap();
        }
    });
}
