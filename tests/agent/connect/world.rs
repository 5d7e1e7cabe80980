//! A channel's world: a database, sinks, secrets, a task, and as many connectors as a test wants.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{OnceCell, watch};
use tradewind_dev::postgres::Server;
use tradewind_dev::serve::platform::{Load, Scheme, Sender};
use tradewind_dev::serve::sink::{Faults, Options, Sink, Taken};

pub(crate) const META_SECRET: &str = "meta-app-secret-of-the-test";
pub(crate) const VERIFY_TOKEN: &str = "verify-token-of-the-test";
pub(crate) const SINK_SECRET: &str = "whsec_c2luay1zZWNyZXQtb2YtdGhlLXRlc3QtMDE=";
pub(crate) const PATH: &str = "/webhooks/aurora/shop";

/// Nothing in these tests takes longer, also where ten builds share the machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// One server for all tests of this binary; its watchdog stops it when the binary ends.
static SERVER: OnceCell<Server> = OnceCell::const_new();

pub(crate) async fn server() -> &'static Server {
    SERVER
        .get_or_init(async || {
            let _ = rustls::crypto::ring::default_provider().install_default();
            Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST))
                .await
                .unwrap()
        })
        .await
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) database: String,
    pub(crate) sinks: BTreeMap<String, Sink>,
    pub(crate) task: Value,
}

impl World {
    /// A Messenger channel with one sink, `erp`.
    pub(crate) async fn new(database: &str) -> Self {
        let access = server().await.access();
        access.create_role(database, "store").await.unwrap();
        access.create_database(database, database).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let each = "/entry/*/messaging/*";
        let mut world = Self {
            database: database.to_owned(),
            sinks: BTreeMap::new(),
            task: json!({
                "version": 1, "command": "connect", "region": "eu-west",
                "spec": {
                    "channel": {"namespace": "aurora", "name": "shop"},
                    "platform": "Messenger",
                    "path": PATH,
                    "webhook": {
                        "scheme": "MetaHubSignature",
                        "appSecret": dir.path().join("app-secret"),
                        "verifyToken": dir.path().join("verify-token"),
                    },
                    "rules": [
                        {"each": each, "when": {"pointer": "/message/mid"}, "kind": "Messages",
                         "id": ["/message/mid"], "subject": ["/sender/id"]},
                        {"each": each, "when": {"pointer": "/order"}, "kind": "Orders", "id": ["/order/id"]},
                    ],
                    "events": ["Messages"],
                    "store": dir.path().join("store-url"),
                    "sinks": [],
                    "keepDelivered": "P7D",
                    "keepUndelivered": "P90D",
                },
            }),
            dir,
        };
        world.secret("app-secret", META_SECRET);
        world.secret("verify-token", VERIFY_TOKEN);
        world.secret("store-url", &access.url_as(database, "store", database));
        world.add_sink("erp", Faults::default()).await;
        world
    }

    /// Standard Webhooks instead of Meta's signature, and the rules of Generic.
    pub(crate) fn generic(&mut self, secret: &str) {
        let path = self.secret("signing-secret", secret);
        self.task["spec"]["webhook"] = json!({"scheme": "StandardWebhooks", "secret": path});
        self.task["spec"]["rules"] = json!([
            {"each": "", "when": {"pointer": "/type", "prefix": "order."}, "kind": "Orders", "subject": ["/subject"]},
        ]);
        self.task["spec"]["events"] = json!(["Orders"]);
    }

    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) async fn add_sink(&mut self, name: &str, faults: Faults) {
        let options = Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret_file: self.secret(&format!("{name}-secret"), SINK_SECRET),
            record: self.dir.path().join(format!("{name}.jsonl")),
            faults,
        };
        let sink = Sink::start(&options).await.unwrap();
        let entry = json!({"name": name, "url": sink.url(), "secret": options.secret_file});
        self.task["spec"]["sinks"]
            .as_array_mut()
            .unwrap()
            .push(entry);
        self.sinks.insert(name.to_owned(), sink);
    }

    pub(crate) fn sink(&self) -> &Sink {
        &self.sinks["erp"]
    }

    /// Runs SQL as the superuser in the channel's database.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        server()
            .await
            .access()
            .query(&self.database, sql)
            .await
            .unwrap()
            .trim()
            .to_owned()
    }

    fn command(&self, flags: &[&str]) -> Command {
        let task = self.dir.path().join("task.json");
        std::fs::write(&task, self.task.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"));
        command.arg("connect").arg("--task").arg(task);
        command
            .arg("--report-path")
            .arg(self.dir.path().join("report.json"))
            .args(flags);
        command
    }

    /// Starts a connector and does not wait for it.
    pub(crate) fn start_unready(&self, flags: &[&str]) -> Connector {
        let (webhook, admin) = (free_port(), free_port());
        let log = self
            .dir
            .path()
            .join(format!("connector-{}.log", webhook.port()));
        let child = self
            .command(&[
                "--listen",
                "127.0.0.1",
                "--linger",
                "100",
                "--first-retry",
                "50",
            ])
            .args(["--webhook-port", &webhook.port().to_string()])
            .args(["--admin-port", &admin.port().to_string()])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Connector {
            child,
            webhook,
            admin,
            log,
        }
    }

    /// Starts a connector and waits until it is ready.
    pub(crate) async fn start(&self, flags: &[&str]) -> Connector {
        let connector = self.start_unready(flags);
        until("the connector is ready", async || {
            connector.get("/readyz").await.0 == 200
        })
        .await;
        connector
    }

    /// Runs the agent to its end: exit code and report.
    pub(crate) fn finish(&self, flags: &[&str]) -> (i32, Value) {
        let output = self.command(flags).output().unwrap();
        let report = std::fs::read_to_string(self.dir.path().join("report.json")).unwrap();
        (
            output.status.code().unwrap(),
            serde_json::from_str(&report).unwrap(),
        )
    }

    pub(crate) async fn taken(&self, count: usize) -> Vec<Taken> {
        until("the sink took the events", async || {
            self.sink().taken().len() >= count
        })
        .await;
        self.sink().taken()
    }
}

/// A Messenger that knows the channel's app secret and these pods.
pub(crate) fn messenger(connectors: &[&Connector]) -> Sender {
    let addresses = connectors
        .iter()
        .map(|connector| connector.webhook)
        .collect();
    let (_, targets) = watch::channel(addresses);
    Sender::new(Scheme::Messenger, META_SECRET, PATH, targets).unwrap()
}

/// A connector's process; killed when dropped.
pub(crate) struct Connector {
    child: Child,
    pub(crate) webhook: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
}

impl Connector {
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        match reqwest::get(format!("http://{}{path}", self.admin)).await {
            Ok(response) => (
                response.status().as_u16(),
                response.text().await.unwrap_or_default(),
            ),
            Err(_) => (0, String::new()),
        }
    }

    /// The value of one series, 0 when it is absent.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200);
        assert!(text.ends_with("# EOF\n"), "an exposition ends with # EOF");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{series} ")));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL: no word of farewell.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ask_to_stop(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < limit,
                "the connector did not end: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Below those that the kernel gives to clients: nobody is given it between now and its use.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Waits until `condition` holds; panics with `what` when patience ends.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A Messenger body with one message.
pub(crate) fn message(person: &str, mid: &str, text: &str) -> String {
    format!(
        r#"{{"object":"page","entry":[{{"id":"1","messaging":[{{"sender":{{"id":"{person}"}},"message":{{"mid":"{mid}","text":"{text}"}}}}]}}]}}"#
    )
}

/// The platform's event in a sink's record.
pub(crate) fn event(taken: &Taken) -> Value {
    serde_json::from_str::<Value>(&taken.body).unwrap()["data"]["event"].clone()
}

/// Events that are no repetition of another load's.
pub(crate) fn load_of(run: &str, count: u32) -> Load {
    Load {
        run: run.to_owned(),
        ..load(count, 400, 4)
    }
}

pub(crate) fn load(count: u32, rate: u32, subjects: u32) -> Load {
    Load {
        count,
        rate,
        subjects,
        repeat_every: 0,
        give_up_after: 300,
        run: "run".to_owned(),
    }
}

/// Each person's events in the order in which the sink first took them.
pub(crate) fn orders(taken: &[Taken]) -> BTreeMap<String, Vec<String>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in taken
        .iter()
        .filter(|one| seen.insert(one.webhook_id.clone()))
    {
        let event = event(one);
        let person = event["sender"]["id"].as_str().unwrap().to_owned();
        orders
            .entry(person)
            .or_default()
            .push(event["message"]["mid"].as_str().unwrap().to_owned());
    }
    orders
}
