//! A feed's world: a merchant, a bucket, secrets, a task, and the agent as often as a test wants it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tradewind_dev::objectstore::Server;
use tradewind_dev::serve::merchant::{Faults, Form, Merchant, Options};

pub(crate) const TOKEN: &str = "token-of-the-test";
pub(crate) const OBJECT: &str = "eu-west/full/aurora-instagram.csv";

/// One server for all tests of this binary; its watchdog stops it when the binary ends.
static STORE: OnceCell<Server> = OnceCell::const_new();

pub(crate) async fn store() -> &'static Server {
    STORE
        .get_or_init(async || {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
            Server::start(listen, &[]).await.unwrap()
        })
        .await
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) bucket: String,
    pub(crate) merchant: Merchant,
    pub(crate) task: Value,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
    pub(crate) log: String,
}

impl Ended {
    /// Exit code, reason, and whether the object was written.
    pub(crate) fn outcome(&self) -> (i32, &str, bool) {
        let reason = self.report["reason"].as_str().unwrap_or("no report");
        let written = self.report["body"]["written"].as_bool().unwrap_or(false);
        (self.code.unwrap_or(-1), reason, written)
    }

    pub(crate) fn message(&self) -> &str {
        self.report["message"].as_str().unwrap_or("no report")
    }

    pub(crate) fn items(&self) -> i64 {
        self.report["body"]["items"].as_i64().unwrap_or(-1)
    }

    #[track_caller]
    pub(crate) fn is(&self, code: i32, reason: &str) -> &Self {
        let (is_code, is_reason, _) = self.outcome();
        assert_eq!((is_code, is_reason), (code, reason), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn wrote(&self) -> &Self {
        assert_eq!(self.outcome(), (0, "Done", true), "{self:#?}");
        self
    }
}

impl World {
    /// A merchant with so many items, every hundredth faulty, and an empty bucket.
    pub(crate) async fn new(bucket: &str, items: u64) -> Self {
        let store = store().await;
        store.create_bucket(bucket).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let credentials = dir.path().join("feeds");
        store
            .write_credentials(&credentials, &store.endpoint())
            .unwrap();
        let merchant = Merchant::start_with(&Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            items,
            seed: 1,
            faulty_every: 10,
            token_file: Some(token.clone()),
            faults: Faults::default(),
        })
        .await
        .unwrap();
        let task = json!({
            "version": 1, "command": "feed", "region": "eu-west",
            "spec": {
                "channel": {"namespace": "aurora", "name": "aurora-instagram"},
                "feed": "full",
                "mode": "Replace",
                "source": {"http": {
                    "url": merchant.url(), "format": "Json", "auth": {"bearer": token},
                }},
                "locale": locale("de-DE", "DE", "EUR", "Inclusive", &[("Standard", "19"), ("Reduced", "7")]),
                "columns": columns(),
                "destination": {
                    "url": format!("s3://{bucket}"), "object": OBJECT, "credentials": credentials,
                },
                "maxShrinkPercent": 20,
                "checkoutUrl": "https://aurora.example/checkout-link/",
            },
        });
        Self {
            dir,
            bucket: bucket.to_owned(),
            merchant,
            task,
        }
    }

    pub(crate) fn spec(&mut self) -> &mut Value {
        &mut self.task["spec"]
    }

    /// The same catalogue in another form.
    pub(crate) fn form(&mut self, form: Form) {
        let url = self.merchant.url_of(form);
        let http = &mut self.spec()["source"]["http"];
        http["url"] = url.into();
        http["format"] = if form == Form::Csv { "Csv" } else { "Json" }.into();
    }

    /// Credentials that lead to another address of the store.
    pub(crate) async fn endpoint(&self, address: SocketAddr) {
        let (folder, endpoint) = (self.dir.path().join("feeds"), format!("http://{address}"));
        store().await.write_credentials(&folder, &endpoint).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let task = self.dir.path().join("task.json");
        std::fs::write(&task, self.task.to_string()).unwrap();
        let _ = std::fs::remove_file(self.report_path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"));
        command.arg("feed").arg("--task").arg(task);
        command.arg("--report-path").arg(self.report_path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the agent; its log goes to `log`.
    pub(crate) fn start(&self) -> Child {
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        self.command().stderr(log).spawn().unwrap()
    }

    /// Waits for the agent's end.
    pub(crate) async fn wait(&self, mut child: Child) -> Ended {
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await;
        let report = std::fs::read(self.report_path()).unwrap_or_default();
        assert!(
            report.len() <= 4096,
            "the report has {} bytes",
            report.len()
        );
        Ended {
            code: status.unwrap().code(),
            report: serde_json::from_slice(&report).unwrap_or_default(),
            log: std::fs::read_to_string(self.dir.path().join("log")).unwrap(),
        }
    }

    /// Runs the agent to its end.
    pub(crate) async fn run(&self) -> Ended {
        self.wait(self.start()).await
    }

    fn report_path(&self) -> PathBuf {
        self.dir.path().join("report.json")
    }

    /// Where one of the feed's objects is on the store's disk: `""`, `.manifest.json`, `.rejected.csv`.
    pub(crate) async fn file(&self, suffix: &str) -> PathBuf {
        self.root().await.join(format!("{OBJECT}{suffix}"))
    }

    /// The bucket's folder.
    pub(crate) async fn root(&self) -> PathBuf {
        store().await.folder().join(&self.bucket)
    }

    pub(crate) async fn text(&self, suffix: &str) -> String {
        std::fs::read_to_string(self.file(suffix).await).unwrap()
    }

    pub(crate) async fn manifest(&self) -> Value {
        serde_json::from_str(&self.text(".manifest.json").await).unwrap()
    }

    /// Every file below the bucket: the objects, and whatever an unfinished upload left.
    pub(crate) async fn objects(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let root = self.root().await;
        let mut found = Vec::new();
        walk(&root, &mut found);
        let mut names: Vec<String> = found
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn locale(
    language: &str,
    country: &str,
    currency: &str,
    display: &str,
    rates: &[(&str, &str)],
) -> Value {
    let rates: Vec<Value> = rates
        .iter()
        .map(|(class, percent)| json!({"country": country, "class": class, "percent": percent}))
        .collect();
    json!({
        "language": language, "country": country, "currency": currency,
        "tax": {"display": display, "rates": rates},
    })
}

/// The columns of a Meta catalogue file.
pub(crate) fn columns() -> Value {
    let availability = json!({
        "in_stock": "in stock", "out_of_stock": "out of stock", "backorder": "available for order",
    });
    json!([
        {"name": "id", "field": "id", "kind": "Id", "required": true, "maxChars": 100, "delta": true},
        {"name": "title", "field": "title", "kind": "Text", "required": true, "maxChars": 200, "truncate": true},
        {"name": "description", "field": "description", "kind": "Text", "required": true,
         "maxChars": 9999, "truncate": true},
        {"name": "availability", "field": "availability", "kind": "Choice", "required": true,
         "values": availability, "delta": true},
        {"name": "condition", "field": "condition", "kind": "Choice", "required": true, "values": {"new": "new"}},
        {"name": "price", "field": "price", "kind": "Price", "required": true, "delta": true},
        {"name": "link", "field": "link", "kind": "Url", "required": true},
        {"name": "image_link", "field": "image_link", "kind": "Url", "required": true},
        {"name": "additional_image_link", "field": "additional_image_links", "kind": "Urls",
         "maxValues": 20, "maxChars": 2000, "truncate": true},
        {"name": "brand", "field": "brand", "kind": "Text", "required": true, "maxChars": 100},
        {"name": "item_group_id", "field": "item_group_id", "kind": "Text"},
        {"name": "gtin", "field": "gtin", "kind": "Text"},
        {"name": "color", "field": "color", "kind": "Text", "maxChars": 200, "truncate": true},
        {"name": "size", "field": "size", "kind": "Text", "maxChars": 200, "truncate": true},
        {"name": "quantity_to_sell_on_facebook", "field": "quantity", "kind": "Integer", "delta": true},
        {"name": "checkout_url", "field": "id", "kind": "Checkout"},
    ])
}
