//! A person asks for erasure, from the officer's command line to the receipt: the region makes its key, a real pod erases,
//! and who it was stands nowhere but in the database, before, and nowhere at all after.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tradewind::contract::Count;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, RUNS};
use tradewind_dev::story::{Stage, settle};

use crate::SOON;
use crate::world::sql_of;

/// A customer with two messages whom nobody else has heard of.
const CUSTOMER: &str = "777000779";
const EMAIL: &str = "planted.q7x@mail.example";
const REGION: &str = "eu-west";
const NAME: &str = "dsr-2026-17";

/// Where persons are; it only counts otherwise.
fn policy() -> Value {
    let rule = |name: &str, table: &str, clock: &str, subjects: Value| {
        json!({
            "name": name, "erase": {"after": "P90Y", "method": "Delete"},
            "dataset": {"store": "aurora-orders", "table": table, "clock": clock, "subjects": subjects},
        })
    };
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "metadata": {"name": "people"},
        "spec": {
            "regimes": ["eu-gdpr"], "selector": {"regions": [REGION]}, "retention": {"schedule": "0 4 1 1 *"},
            "rules": [
                rule("customers", "customers", "created_at", json!([
                    {"column": "email", "identity": "email"},
                    {"column": "id", "identity": "customerId", "foundBy": "email"},
                ])),
                rule("messages", "messages", "sent_at", json!([{"column": "customer_id", "identity": "customerId"}])),
            ],
        },
    })
}

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

/// The command as an officer types it; the identity on standard input.
fn create(program: &Path, regions: &Path) -> String {
    let received = jiff::Timestamp::now().to_string();
    let regions = regions.to_str().unwrap();
    let mut child = Command::new(program)
        .args([
            "request",
            "create",
            "--name",
            NAME,
            "--kind",
            "erasure",
            "--received",
            &received,
        ])
        .args([
            "--zone",
            "Europe/Berlin",
            "--jurisdiction",
            "DE",
            "--region",
            REGION,
        ])
        .args(["--regions", regions])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = format!("email={}\n", EMAIL.to_uppercase());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    let told = child.wait_with_output().unwrap();
    assert!(told.status.success());
    String::from_utf8(told.stdout).unwrap()
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

pub(crate) async fn a_person_is_erased_from_receipt_to_receipt(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let region = stage.fleet.cluster(REGION).unwrap();
    let access = &stage.info.databases[REGION].access;
    access.create_role("keys", "keys").await.unwrap();
    access.create_database("suppression", "keys").await.unwrap();
    let url = access.url_as("keys", "keys", "suppression");
    let secret = install::secret(RUNS, "suppression-db", &[("url", &url)]);
    install::apply(&region, &secret).await.unwrap();
    let rows = format!(
        "GRANT SELECT ON customers, messages TO tradewind_retain;
        INSERT INTO customers VALUES ({CUSTOMER}, 'Planted', '{EMAIL}', 'DE', now(), now());
        INSERT INTO messages SELECT gen_random_uuid(), {CUSTOMER}, NULL, now()::timestamp, 'hello' FROM generate_series(1, 2)"
    );
    sql_of(stage, REGION, &rows).await;
    let requests = json!({"spec": {"requests": {
        "identities": [{"name": "email", "ignoreCase": true}, {"name": "customerId"}],
        "suppression": {"secretRef": {"name": "suppression-db", "key": "url"}},
    }}});
    patch(&hub, "region", REGION, requests).await;
    install::apply(&hub, &policy().to_string()).await.unwrap();
    settle::until("the region's key", SOON, || async {
        let told = settle::get(&hub, "region", None, REGION).await?.unwrap();
        let told = told["status"]["requests"].clone();
        Ok(if told["recipient"].is_string() {
            Ok(())
        } else {
            Err(told.to_string())
        })
    })
    .await
    .unwrap();

    let regions = stage.fleet.dir().join("regions.yaml");
    let told = hub
        .kubectl(&["get", "regions", "-o", "yaml"])
        .await
        .unwrap();
    std::fs::write(&regions, told).unwrap();
    let request = create(&stage.spec.program, &regions);
    hub.kubectl_with(&["apply", "-f", "-"], &request)
        .await
        .unwrap();
    let seen = until(&hub, "it is received", |seen| {
        seen["status"]["state"] == "Received"
    })
    .await;
    assert_eq!(seen["status"]["clock"], "OnTime", "{seen}");
    assert!(seen["spec"]["identity"][0]["ciphertext"].is_string());
    let count = format!(
        "SELECT (SELECT count(*) FROM customers WHERE id = {CUSTOMER}) + (SELECT count(*) FROM messages WHERE customer_id = {CUSTOMER})"
    );
    assert_eq!(
        sql_of(stage, REGION, &count).await,
        "3",
        "before anybody saw who it is"
    );

    let done = json!({"by": "privacy@aurora.example", "at": jiff::Timestamp::now().to_string()});
    patch(
        &hub,
        "datasubjectrequest",
        NAME,
        json!({"spec": {"verified": done, "acknowledged": done}}),
    )
    .await;
    let seen = until(&hub, "the receipt, and the identity gone", |seen| {
        seen["status"]["receipt"].is_object() && seen["spec"].get("identity").is_none()
    })
    .await;
    let receipt = &seen["status"]["receipt"];
    assert_eq!(receipt["outcome"], "Done", "{seen}");
    assert_eq!(
        (&receipt["found"], &receipt["erased"]),
        // One row in a table and two in another: few of each are told as few.
        (&json!("2-8"), &json!("2-8")),
        "{seen}"
    );
    assert_eq!(
        seen["status"]["regions"][0]["progress"], "Verified",
        "{seen}"
    );
    assert_eq!(sql_of(stage, REGION, &count).await, "0");
    let kept = access
        .query("suppression", "SELECT count(*) FROM tradewind.suppressed")
        .await;
    assert_eq!(
        kept.unwrap().trim(),
        "2",
        "the address and the number, as hashes"
    );

    an_import_brings_nobody_back(stage, &hub, &count).await;

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
    for text in [EMAIL.to_owned(), EMAIL.to_uppercase(), CUSTOMER.to_owned()] {
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
    for (kind, name) in [("datasubjectrequest", NAME), ("datapolicy", "people")] {
        hub.kubectl(&["delete", kind, name, "--timeout=90s"])
            .await
            .unwrap();
    }
    let before = json!({"metadata": {"annotations": {"tradewind.dev/reapply": null}}, "spec": {"requests": null}});
    patch(&hub, "region", REGION, before).await;
    region
        .kubectl(&[
            "delete",
            "secret",
            "suppression-db",
            "tradewind-requests",
            "-n",
            RUNS,
        ])
        .await
        .unwrap();
}

/// Rows of the same person, as they were before: the region is told by an annotation, and a real pod with the operator's
/// own task finds them by the hashes alone.
async fn an_import_brings_nobody_back(stage: &Stage, hub: &Cluster, count: &str) {
    let rows = format!(
        "INSERT INTO customers VALUES ({CUSTOMER}, 'Planted', '{EMAIL}', 'DE', '2020-01-01', '2020-01-01');
        INSERT INTO messages SELECT gen_random_uuid(), {CUSTOMER}, NULL, timestamp '2020-01-02', 'hello' FROM generate_series(1, 2)"
    );
    sql_of(stage, REGION, &rows).await;
    assert_eq!(sql_of(stage, REGION, count).await, "3", "they are back");
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
    assert_eq!(told["reapplied"]["state"], "Verified", "{told}");
    let tables = told["reapplied"]["stores"][0]["tables"].as_array().unwrap();
    let erased: Count = tables
        .iter()
        .map(|it| crate::quickstart::count(it, "erased"))
        .sum();
    assert_eq!(erased.to_string(), "2-8", "{told}");
    assert_eq!(sql_of(stage, REGION, count).await, "0");
}
