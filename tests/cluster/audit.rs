//! The API servers' audit logs: what the operator did, as whom, and that its rights suffice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};

use serde_json::Value;
use tradewind_dev::fleet::Cluster;
use tradewind_dev::story::Stage;

/// The operator's user in every cluster.
const OPERATOR: &str = "system:serviceaccount:tradewind-system:tradewind";

/// How long each audit log was.
pub(crate) struct Offsets(BTreeMap<String, u64>);

impl Offsets {
    pub(crate) fn now(stage: &Stage) -> Self {
        Self(
            stage
                .fleet
                .clusters()
                .map(|cluster| (cluster.name().to_owned(), length(&cluster)))
                .collect(),
        )
    }

    pub(crate) fn start(stage: &Stage) -> Self {
        Self(
            stage
                .fleet
                .clusters()
                .map(|cluster| (cluster.name().to_owned(), 0))
                .collect(),
        )
    }
}

fn length(cluster: &Cluster) -> u64 {
    std::fs::metadata(cluster.audit_log()).map_or(0, |metadata| metadata.len())
}

/// The operator's completed requests since then, with the cluster's name.
pub(crate) fn requests_since(stage: &Stage, offsets: &Offsets) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for cluster in stage.fleet.clusters() {
        let mut file = File::open(cluster.audit_log()).unwrap();
        file.seek(SeekFrom::Start(offsets.0[cluster.name()]))
            .unwrap();
        for line in BufReader::new(file).lines() {
            // The last line may be half written.
            let Ok(event) = serde_json::from_str::<Value>(&line.unwrap()) else {
                continue;
            };
            if event
                .pointer("/user/username")
                .is_some_and(|user| user == OPERATOR)
                && event["stage"] == "ResponseComplete"
            {
                found.push((cluster.name().to_owned(), event));
            }
        }
    }
    found
}

/// The operator's writes since then that the servers took, without the lease and events, in short form.
pub(crate) fn writes_since(stage: &Stage, offsets: &Offsets) -> Vec<String> {
    requests_since(stage, offsets)
        .into_iter()
        .filter(|(_, event)| {
            matches!(
                event["verb"].as_str(),
                Some("create" | "update" | "patch" | "delete")
            )
        })
        .filter(|(_, event)| {
            event
                .pointer("/responseStatus/code")
                .and_then(Value::as_i64)
                .is_some_and(|code| code < 300)
        })
        .filter(|(_, event)| {
            !matches!(
                event.pointer("/objectRef/resource").and_then(Value::as_str),
                Some("leases" | "events")
            )
        })
        .map(|(cluster, event)| short(&cluster, &event))
        .collect()
}

fn short(cluster: &str, event: &Value) -> String {
    let part = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    format!(
        "{cluster} {} {} {}/{}",
        part("/verb"),
        part("/objectRef/resource"),
        part("/objectRef/namespace"),
        part("/objectRef/name")
    )
}

/// No rule was missing. Asked before namespaces die: with one go the RoleBindings in it.
pub(crate) async fn nothing_was_refused(stage: &mut Stage) {
    let all = requests_since(stage, &Offsets::start(stage));
    assert!(
        all.len() > 100,
        "only {} requests of the operator in the audit logs",
        all.len()
    );
    for (cluster, event) in &all {
        let decision = event.pointer("/annotations/authorization.k8s.io~1decision");
        assert!(
            decision.is_none_or(|decision| decision != "forbid"),
            "refused in {cluster}: {event}"
        );
    }
}
