//! A person asks for erasure, from the officer's command line to the receipt: what docs/walkthrough-gdpr.md has the officer
//! type, word for word and with an officer's rights. The region has made its key, a real pod erases, and who it was stands
//! nowhere but in the database, before, and nowhere at all after.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tradewind::contract::Count;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::RUNS;
use tradewind_dev::story::programs::checkout;
use tradewind_dev::story::{Stage, officers, settle};

use crate::SOON;
use crate::page::{Block, blocks};
use crate::quickstart::count;
use crate::world::sql_of;

/// The section of the page.
const SECTION: &str = "7. ";
/// Whom the page is about, with orders that a law keeps; and the request's name there.
const SHOP_CUSTOMER: &str = "8976";
const SHOP_EMAIL: &str = "customer8976@shop.example";
const NAME: &str = "dsr-2026-17";
/// The same person under another address and number, which are found nowhere by chance: a customer with two messages whom
/// nobody else has heard of.
const CUSTOMER: &str = "777000779";
const EMAIL: &str = "planted.q7x@mail.example";
const REGION: &str = "eu-west";

async fn patch(hub: &Cluster, kind: &str, name: &str, patch: Value) {
    let patch = patch.to_string();
    let args = ["patch", kind, name, "--type=merge", "-p", &patch];
    hub.kubectl(&args).await.unwrap();
}

async fn until(hub: &Cluster, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    settle::until(what, SOON, || async {
        let seen = settle::get(hub, "datasubjectrequest", None, NAME).await?;
        let seen = seen.unwrap_or_default();
        Ok(if is_so(&seen) {
            Ok(seen)
        } else {
            Err(seen["status"].to_string())
        })
    })
    .await
    .unwrap()
}

/// Where the officer sits: a folder with the program where the page has it, kubectl, and the officer's own kubeconfig.
struct Desk<'a> {
    stage: &'a Stage,
    home: TempDir,
}

impl<'a> Desk<'a> {
    fn new(stage: &'a Stage) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("target/debug");
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(&stage.spec.program, folder.join("tradewind")).unwrap();
        Self { stage, home }
    }

    /// Types a block and, where a program reads what is typed, more lines for it; answers what was printed.
    fn types(&self, block: &Block, more: &str) -> String {
        let mut path: Vec<_> = officers::path(&self.stage.fleet).into_iter().collect();
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut child = Command::new("bash")
            .args(["-euo", "pipefail", "-s"])
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("KUBECONFIG", officers::kubeconfig(&self.stage.fleet))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A shell takes a line at a time, and leaves what follows to the program that it starts.
        let text = format!("{}{more}", block.text);
        let mut typed = child.stdin.take().unwrap();
        typed.write_all(text.as_bytes()).unwrap();
        drop(typed);
        let ran = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}\n{said}", block.text);
        String::from_utf8(ran.stdout).unwrap()
    }
}

/// What the page has typed in its section, in the order of its blocks.
fn page() -> Vec<Block> {
    let page = std::fs::read_to_string(checkout().join("docs/walkthrough-gdpr.md")).unwrap();
    let mut all = blocks(&page);
    all.retain(|block| block.section.starts_with(SECTION) && block.language.is_empty());
    all
}

/// Whether a text stands in any file of a cluster's store.
fn stands_in_etcd(cluster: &Cluster, text: &str) -> bool {
    let mut folders = vec![cluster.dir().join("etcd")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            read += bytes.len();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                return true;
            }
        }
    }
    assert!(read > 100_000, "etcd of {} was not found", cluster.name());
    false
}

/// What the pods of the runs' namespace logged, those that made the region's key among them.
async fn logs(region: &Cluster) -> String {
    let pods = region.kubectl(&["get", "pods", "-n", RUNS, "-o", "json"]);
    let pods: Value = serde_json::from_str(&pods.await.unwrap()).unwrap();
    let (mut all, mut keepers) = (String::new(), 0);
    for pod in pods["items"].as_array().unwrap() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        // One that has not begun has none, and one may go meanwhile.
        let Ok(log) = region.kubectl(&["logs", name, "-n", RUNS]).await else {
            continue;
        };
        let of = &pod["metadata"]["labels"]["app.kubernetes.io/component"];
        keepers += usize::from(of == "requests" && !log.is_empty());
        all += &log;
    }
    assert!(keepers > 0, "the pod that made the key: {all}");
    all
}

/// Counts what is left of the person: rows with their messages, and with a name.
fn left() -> String {
    let both = format!("({CUSTOMER}, {SHOP_CUSTOMER})");
    format!(
        "SELECT (SELECT count(*) FROM customers WHERE id IN {both} AND (name, email) <> ('erased', 'erased'))
           + (SELECT count(*) FROM messages WHERE customer_id IN {both})"
    )
}

pub(crate) async fn a_person_is_erased_from_receipt_to_receipt(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster(REGION).unwrap();
    let page = page();
    let [clock, create, apply, record, wait, read, answer] = page.as_slice() else {
        panic!("the page's section has other blocks than this test knows: {page:?}");
    };
    let rows = format!(
        "INSERT INTO customers VALUES ({CUSTOMER}, 'Planted', '{EMAIL}', 'DE', now(), now());
        INSERT INTO messages SELECT gen_random_uuid(), {CUSTOMER}, NULL, now()::timestamp, 'hello' FROM generate_series(1, 2)"
    );
    sql_of(stage, REGION, &rows).await;
    let kept = format!("SELECT count(*) FROM orders WHERE customer_id = {SHOP_CUSTOMER}");
    let orders = sql_of(stage, REGION, &kept).await;
    assert_ne!(orders.trim(), "0", "the page's person has orders");

    let desk = Desk::new(stage);
    assert!(desk.types(clock, "").contains("GDPR"), "the law's clock");
    assert!(create.text.ends_with(&format!("\nemail={SHOP_EMAIL}\n")));
    desk.types(create, &format!("email={}\n", EMAIL.to_uppercase()));
    let shown = desk.types(apply, "");
    assert!(shown.contains(NAME), "{shown}");
    let seen = until(&hub, "it is received", |seen| {
        seen["status"]["state"] == "Received"
    })
    .await;
    assert_eq!(seen["status"]["clock"], "OnTime", "{seen}");
    assert!(seen["spec"]["identity"][0]["ciphertext"].is_string());
    let left = left();
    let before = sql_of(stage, REGION, &left).await;
    let before: i64 = before.trim().parse().unwrap();
    assert!(before > 4, "{before} rows before anybody saw who it is");

    desk.types(record, "");
    desk.types(wait, "");
    let shown = desk.types(read, "");
    let seen = until(&hub, "the receipt, and the identity gone", |seen| {
        seen["status"]["receipt"].is_object() && seen["spec"].get("identity").is_none()
    })
    .await;
    let receipt = &seen["status"]["receipt"];
    assert_eq!(receipt["outcome"], "Done", "{seen}");
    let hash = receipt["hash"].as_str().unwrap();
    for word in ["AO 147(3)", hash, "customers", "orders", "messages"] {
        assert!(shown.contains(word), "{word} is not shown: {shown}");
    }
    assert!(!count(receipt, "erased").is_zero(), "{seen}");
    assert!(!count(receipt, "kept").is_zero(), "{seen}");
    assert_eq!(seen["status"]["regions"][0]["progress"], "Kept", "{seen}");
    assert_eq!(sql_of(stage, REGION, &left).await, "0");
    let now = sql_of(stage, REGION, &kept).await;
    assert_eq!(now, orders, "a law keeps the orders");
    let access = &stage.info.databases[REGION].access;
    let hashes = access
        .query("suppression", "SELECT count(*) FROM tradewind.suppressed")
        .await;
    assert_eq!(
        hashes.unwrap().trim(),
        "4",
        "two addresses and two numbers, as hashes"
    );
    desk.types(answer, "");
    until(&hub, "the answer is recorded", |seen| {
        seen["spec"]["answered"].is_object()
    })
    .await;

    an_import_brings_nobody_back(stage, &hub, &left).await;

    // Who it was stands in no API server, no etcd, no metric and no log.
    let kinds = "datasubjectrequests.tradewind.dev,datapolicies.tradewind.dev,evidencerecords.tradewind.dev,events";
    let mut told = hub
        .kubectl(&["get", kinds, "-A", "-o", "json"])
        .await
        .unwrap();
    let kinds = "pods,jobs,configmaps,events";
    told += &region
        .kubectl(&["get", kinds, "-n", RUNS, "-o", "json"])
        .await
        .unwrap();
    told += &std::fs::read_to_string(stage.fleet.dir().join("operator.log")).unwrap_or_default();
    let metrics = reqwest::get(format!("http://{}/metrics", stage.operator.address)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    assert!(metrics.contains("tradewind_"), "{metrics}");
    told += &metrics;
    told += &logs(&region).await;
    assert!(told.contains(NAME));
    let told_of = [EMAIL, SHOP_EMAIL].map(|text| [text.to_owned(), text.to_uppercase()]);
    for text in told_of.concat().into_iter().chain([CUSTOMER.to_owned()]) {
        assert!(!told.contains(&text), "{text} is told");
        for cluster in [&hub, &region] {
            assert!(
                !stands_in_etcd(cluster, &text),
                "{text} in etcd of {}",
                cluster.name()
            );
        }
    }

    // As the next chapters expect it.
    hub.kubectl(&["delete", "datasubjectrequest", NAME, "--timeout=90s"])
        .await
        .unwrap();
    let before = json!({"metadata": {"annotations": {"tradewind.dev/reapply": null}}});
    patch(&hub, "region", REGION, before).await;
}

/// Rows of the same person, as they were before: the region is told by an annotation, and a real pod with the operator's
/// own task finds them by the hashes alone.
async fn an_import_brings_nobody_back(stage: &Stage, hub: &Cluster, left: &str) {
    let rows = format!(
        "UPDATE customers SET name = 'Planted', email = '{EMAIL}', last_seen_at = '2020-01-01' WHERE id = {CUSTOMER};
        INSERT INTO messages SELECT gen_random_uuid(), {CUSTOMER}, NULL, timestamp '2020-01-02', 'hello' FROM generate_series(1, 2)"
    );
    sql_of(stage, REGION, &rows).await;
    assert_eq!(sql_of(stage, REGION, left).await, "3", "they are back");
    let asked = json!({"metadata": {"annotations": {"tradewind.dev/reapply": "import-1"}}});
    patch(hub, "region", REGION, asked).await;
    let told = settle::until("the import was gone through", SOON, || async {
        let told = settle::get(hub, "region", None, REGION).await?.unwrap();
        let told = told["status"]["requests"].clone();
        Ok(if told["lastHandledReapply"] == "import-1" {
            Ok(told)
        } else {
            Err(told.to_string())
        })
    })
    .await
    .unwrap();
    // The orders of the page's person are gone through too.
    assert_eq!(told["reapplied"]["state"], "Kept", "{told}");
    let tables = told["reapplied"]["stores"][0]["tables"].as_array().unwrap();
    let erased: Count = tables.iter().map(|it| count(it, "erased")).sum();
    assert_eq!(erased.to_string(), "2-8", "{told}");
    assert_eq!(sql_of(stage, REGION, left).await, "0");
}
