//! The world as a text that two runs can be compared by: every object of ours in every cluster and every table, without
//! what differs between undisturbed runs (uids, versions, times, addresses).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::postgres::Access;
use tradewind_dev::story::Stage;

/// Every object of these is compared, in all namespaces and whoever's it seems to be: what the operator makes, and what it
/// has no business to make. Pods, their ReplicaSets, endpoints, leases and events come and go.
const KINDS: &str = "namespaces,deployments,statefulsets,daemonsets,services,configmaps,serviceaccounts,secrets,cronjobs,jobs,\
poddisruptionbudgets,ingresses,networkpolicies,resourcequotas,limitranges,persistentvolumeclaims,persistentvolumes,\
horizontalpodautoscalers,roles,rolebindings,clusterroles,clusterrolebindings,priorityclasses,storageclasses,\
validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings";

/// The whole world, a line per object or table.
pub(crate) async fn dump(stage: &Stage) -> BTreeMap<String, String> {
    let mut world = BTreeMap::new();
    let hub = stage.fleet.cluster(HUB).unwrap();
    objects(&hub, &["get", "tradewind", "-A", "-o", "json"], &mut world).await;
    objects(&hub, &["get", KINDS, "-A", "-o", "json"], &mut world).await;
    for region in stage
        .fleet
        .clusters()
        .filter(|cluster| cluster.name() != HUB)
    {
        objects(&region, &["get", KINDS, "-A", "-o", "json"], &mut world).await;
        for (table, digest) in tables(stage, region.name()).await {
            world.insert(format!("{} table {table}", region.name()), digest);
        }
        let inbox = inbox(stage, region.name()).await;
        world.insert(format!("{} inbox", region.name()), inbox);
    }
    files(&stage.info.object_store.folder, &mut world);
    world
}

async fn objects(cluster: &Cluster, args: &[&str], world: &mut BTreeMap<String, String>) {
    let list: Value = serde_json::from_str(&cluster.kubectl(args).await.unwrap()).unwrap();
    for item in list["items"].as_array().unwrap() {
        let name = format!(
            "{} {} {}/{}",
            cluster.name(),
            item["kind"].as_str().unwrap(),
            item.pointer("/metadata/namespace")
                .and_then(Value::as_str)
                .unwrap_or("-"),
            item.pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap()
        );
        // A schedule's own Jobs are Kubernetes' doing; those that were asked for are ours.
        let at = "/metadata/annotations/batch.kubernetes.io~1cronjob-scheduled-timestamp";
        let scheduled = item["kind"] == "Job" && item.pointer(at).is_some();
        // Made by whichever of the schedule's runs came first.
        let is_key = item["kind"] == "Secret" && name.ends_with("/tradewind-evidence");
        if !scheduled && !is_key {
            world.insert(name, serde_json::to_string_pretty(&normal(item)).unwrap());
        }
    }
}

/// An object without what differs between undisturbed runs.
fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    scrub(&mut object, &[]);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| {
            matches!(
                key.as_str(),
                "name"
                    | "namespace"
                    | "labels"
                    | "annotations"
                    | "finalizers"
                    | "deletionTimestamp"
            )
        });
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.retain(|key, _| key.starts_with("tradewind.dev/"));
        }
    }
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    evidence(&mut object);
    if !matches!(
        kind.as_str(),
        "Region" | "SocialChannel" | "DataPolicy" | "LegalHold"
    ) {
        object.as_object_mut().unwrap().remove("status");
    }
    object
}

/// Removes how old a list of holds is, how far a chain goes and what was signed of it: a chain outlives every round and only grows. That it is whole,
/// and has each run once, is looked at for itself (`evidence::each_chain_is_whole`).
fn evidence(object: &mut Value) {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.unwrap_or_default().to_owned();
    // By the hour: the world that it is compared with may be of the one before.
    let is_age = name == "tradewind-holds" || name.ends_with("-connector-holds");
    if is_age && object["kind"] == "ConfigMap" {
        object["data"] = Value::Null;
    }
    if name == "tradewind-evidence" && object["kind"] == "ConfigMap" {
        let task = object["data"]["task.json"].as_str().unwrap();
        let mut task: Value = serde_json::from_str(task).unwrap();
        let spec = task["spec"].as_object_mut().unwrap();
        // What another region's key is to witness is there once the hour's signing has come by.
        spec.retain(|key, _| !["from", "digests", "witness"].contains(&key.as_str()));
        object["data"]["task.json"] = task.to_string().into();
    }
    if let Some(told) = object
        .pointer_mut("/status/evidence")
        .and_then(Value::as_object_mut)
    {
        told.retain(|key, _| key == "inventory");
    }
    let conditions = object
        .pointer_mut("/status/conditions")
        .and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if condition["type"] == "EvidenceFresh" {
            *condition = serde_json::json!({"type": "EvidenceFresh"});
        }
    }
    let regions = object
        .pointer_mut("/status/regions")
        .and_then(Value::as_array_mut);
    for region in regions.into_iter().flatten() {
        region.as_object_mut().map(|entry| entry.remove("evidence"));
    }
}

/// Removes times, uids, versions, generations and run ids wherever they stand.
fn scrub(value: &mut Value, path: &[&str]) {
    const VARIES: [&str; 26] = [
        "uid",
        "resourceVersion",
        "generation",
        "observedGeneration",
        "creationTimestamp",
        "managedFields",
        "lastTransitionTime",
        "startedAt",
        "finishedAt",
        "lastRun_at",
        "lastFeed",
        "lastSuccess",
        "nextRun",
        "asOf",
        "clusterId",
        "clusterIP",
        "clusterIPs",
        "run",
        // A preview counts from a moment, and a pod's configuration holds the preview that was approved.
        "previewHash",
        "hash",
        "tradewind.dev/config-hash",
        "tradewind.dev/approved",
        "cutoff",
        // Of other salts in every run.
        "commitments",
        // What space waits for is who else reads when a run ends.
        "space",
        // The shops' databases are made anew for each round.
        "database",
    ];
    match value {
        Value::Object(members) => {
            members.retain(|key, _| {
                // Sentences name times; the reasons beside them are compared.
                key != "message"
                    && !VARIES.contains(&key.as_str())
                    && !key.contains("controller-uid")
            });
            // In the status of kinds, `lastRun` is a time in one place and a run in another.
            if members.get("lastRun").is_some_and(Value::is_string) {
                members.remove("lastRun");
            }
            for (key, member) in members.iter_mut() {
                scrub(member, &[path, &[key.as_str()]].concat());
            }
        }
        Value::Array(members) => {
            for member in members.iter_mut() {
                scrub(member, path);
            }
            // Lists with names are sets.
            members.sort_by_key(|member| {
                member
                    .get("name")
                    .map(ToString::to_string)
                    .unwrap_or_default()
            });
        }
        Value::String(text) => {
            // A task is JSON inside a string; the preview in it has a time.
            if path.last() == Some(&"task.json")
                && let Ok(mut inner) = serde_json::from_str::<Value>(text)
            {
                scrub(&mut inner, &[]);
                *text = inner.to_string();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Row count and a digest of all that each table of the shop holds.
pub(crate) async fn tables(stage: &Stage, region: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for table in ["customers", "orders", "invoices", "messages"] {
        // Each row by itself first: all of them in one text would be larger than PostgreSQL's longest.
        let sql = format!(
            "SELECT count(*) || ' ' || md5(string_agg(line, ',' ORDER BY line)) \
             FROM (SELECT md5(t::text) AS line FROM {table} t) AS lines"
        );
        found.insert(table.to_owned(), sql_of(stage, region, &sql).await);
    }
    // The books without their clocks, ids and tokens: a successor of a killed process takes the next token.
    for (table, sql) in [
        (
            "tradewind.run",
            "SELECT policy || ' ' || reason || ' ' || spec_hash || ' ' || (approval IS NOT NULL) AS line FROM tradewind.run",
        ),
        (
            "tradewind.rule",
            "SELECT name || ' of ' || rows || ' due ' || due || ' null ' || null_clock || ' ' || shape AS line FROM tradewind.rule",
        ),
        (
            "tradewind.ledger",
            "SELECT rule || ' erased ' || sum(erased) || ' blocked ' || sum(blocked) || ' gone ' || sum(gone) || ' failed ' || sum(failed) \
             || ' remaining ' || sum(remaining) AS line FROM tradewind.ledger GROUP BY run, rule",
        ),
        ("tradewind.pin", "SELECT rule AS line FROM tradewind.pin"),
    ] {
        let there = format!("SELECT to_regclass('{table}') IS NOT NULL");
        if sql_of(stage, region, &there).await.trim() == "t" {
            let sql =
                format!("SELECT string_agg(line, E'\\n' ORDER BY line) FROM ({sql}) AS lines");
            found.insert(table.to_owned(), sql_of(stage, region, &sql).await);
        }
    }
    found
}

/// What the connectors of a region keep, counted.
async fn inbox(stage: &Stage, region: &str) -> String {
    let access = &stage.info.databases[region].access;
    let mut counts = Vec::new();
    for table in ["seen", "event", "lane", "outbox"] {
        let sql = format!("SELECT '{table} ' || count(*) FROM tradewind_connect.{table}");
        counts.push(access.query("inbox", &sql).await.unwrap());
    }
    counts.join(", ")
}

/// Every file of the object store with its digest; a manifest names the moment of its file and is only counted.
fn files(folder: &Path, world: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, world);
            continue;
        }
        let is_manifest = path.to_string_lossy().ends_with(".manifest.json");
        let digest = if is_manifest {
            String::new()
        } else {
            hex::encode(Sha256::digest(std::fs::read(&path).unwrap()))
        };
        world.insert(format!("file {}", path.display()), digest);
    }
}

/// One query's answer from a region's shop.
pub(crate) async fn sql_of(stage: &Stage, region: &str, sql: &str) -> String {
    let access: &Access = &stage.info.databases[region].access;
    access.query("orders", sql).await.unwrap()
}

/// What differs, in few words.
pub(crate) fn difference(
    reference: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut out = Vec::new();
    for (name, before) in reference {
        match other.get(name) {
            None => out.push(format!("missing: {name}")),
            Some(after) if after != before => {
                let lines: Vec<String> = before
                    .lines()
                    .zip(after.lines())
                    .filter(|(a, b)| a != b)
                    .take(6)
                    .map(|(a, b)| format!("    - {a}\n    + {b}"))
                    .collect();
                out.push(format!("differs: {name}\n{}", lines.join("\n")));
            }
            Some(_) => {}
        }
    }
    out.extend(
        other
            .keys()
            .filter(|name| !reference.contains_key(*name))
            .map(|name| format!("new: {name}")),
    );
    out
}

/// The dump once it has stopped changing.
pub(crate) async fn settled(stage: &Stage) -> BTreeMap<String, String> {
    tradewind_dev::story::settle::until("a settled world", crate::SOON, || async {
        let first = dump(stage).await;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let second = dump(stage).await;
        let differs = difference(&first, &second);
        Ok(if differs.is_empty() {
            Ok(second)
        } else {
            Err(differs.join("\n"))
        })
    })
    .await
    .unwrap()
}

/// Processes of the agent with this command in the pods of this cluster; other clusters of this machine have theirs.
pub(crate) fn agents(cluster: &Cluster, command: &str) -> Vec<i32> {
    let pods = format!("{}/", cluster.cgroup());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let groups = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if !groups.contains(&pods) {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        if words
            .first()
            .is_some_and(|word| word.ends_with(b"/tradewind-agent"))
            && words.get(1) == Some(&command.as_bytes())
        {
            found.push(pid);
        }
    }
    found
}

/// Two runs of one story find the same rows due only if none becomes due between them: those that would within a day of
/// now are three days older instead.
pub(crate) async fn no_row_becomes_due_today(stage: &Stage) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/3-policies.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let mut updates = Vec::new();
    for document in text.split("\n---\n") {
        let policy: Value = serde_yaml::from_str(document).unwrap();
        for rule in policy["spec"]["rules"].as_array().unwrap() {
            let word = |path: &str| rule.pointer(path).unwrap().as_str().unwrap();
            let (table, clock) = (word("/dataset/table"), word("/dataset/clock"));
            let due = format!("now() - interval '{}'", word("/erase/after"));
            updates.push(format!(
                "UPDATE {table} SET {clock} = {clock} - interval '3 days'
                  WHERE {clock} BETWEEN {due} - interval '1 day' AND {due} + interval '1 day'"
            ));
        }
    }
    assert!(updates.len() > 4, "the quickstart's rules: {updates:?}");
    for region in ["eu-west", "us-east"] {
        for database in ["orders", "orders_seed"] {
            let access = &stage.info.databases[region].access;
            access.query(database, &updates.join("; ")).await.unwrap();
        }
    }
}
