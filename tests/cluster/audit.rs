//! The API servers' audit logs: what the operator did, as whom, and that its rights are exactly what it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use serde_json::Value;
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::Stage;
use tradewind_dev::story::install::{RUNS, SYSTEM, TENANT};
use tradewind_dev::story::programs::checkout;

/// The operator's user in every cluster.
const OPERATOR: &str = "system:serviceaccount:tradewind-system:tradewind";

/// How the operator names itself in every request.
const AGENT: &str = concat!("tradewind/", env!("CARGO_PKG_VERSION"));

/// How long each audit log was.
#[derive(Clone)]
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

/// The operator's completed requests since then, with the cluster's name: whatever user they came as, since the program
/// names itself in each.
pub(crate) fn requests_since(stage: &Stage, offsets: &Offsets) -> Vec<(String, Value)> {
    let mut from = offsets.clone();
    from.requests(stage)
}

impl Offsets {
    /// The requests since then; from here on only those after them.
    fn requests(&mut self, stage: &Stage) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for cluster in stage.fleet.clusters() {
            let from = self.0.get_mut(cluster.name()).unwrap();
            let mut file = File::open(cluster.audit_log()).unwrap();
            file.seek(SeekFrom::Start(*from)).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            // The last line may be half written.
            let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
            *from += whole.len() as u64;
            // Most lines are of others: they are not worth parsing.
            for line in whole.lines().filter(|line| line.contains(AGENT)) {
                let event: Value = serde_json::from_str(line).unwrap();
                let agent = event["userAgent"].as_str().unwrap_or_default();
                if agent.starts_with(AGENT) && event["stage"] == "ResponseComplete" {
                    found.push((cluster.name().to_owned(), event));
                }
            }
        }
        found
    }

    /// How many writes there were since then; from here on only those after them. For who asks all the time.
    pub(crate) fn more_writes(&mut self, stage: &Stage) -> usize {
        let all = self.requests(stage);
        all.iter().filter(|(_, event)| is_write(event)).count()
    }
}

/// The operator's writes since then, in short form.
pub(crate) fn writes_since(stage: &Stage, offsets: &Offsets) -> Vec<String> {
    requests_since(stage, offsets)
        .into_iter()
        .filter(|(_, event)| is_write(event))
        .map(|(cluster, event)| short(&cluster, &event))
        .collect()
}

/// Whether it is a write that the server took, and neither the lease nor an event.
fn is_write(event: &Value) -> bool {
    let verb = event["verb"].as_str();
    let is_write = matches!(verb, Some("create" | "update" | "patch" | "delete"));
    let code = event.pointer("/responseStatus/code");
    let is_taken = code.and_then(Value::as_i64).is_some_and(|code| code < 300);
    let resource = event.pointer("/objectRef/resource").and_then(Value::as_str);
    is_write && is_taken && !matches!(resource, Some("leases" | "events"))
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

/// No rule was missing, and the operator was nobody else: no administrator. Asked before namespaces die: with one go the RoleBindings in it.
pub(crate) async fn nothing_was_refused(stage: &mut Stage) {
    let all = requests_since(stage, &Offsets::start(stage));
    assert!(
        all.len() > 100,
        "only {} requests of the operator in the audit logs",
        all.len()
    );
    for (cluster, event) in &all {
        let user = event.pointer("/user/username");
        // A token that was taken back is nobody's: the server says 401, and the request did nothing.
        let is_nobody = event.pointer("/responseStatus/code") == Some(&Value::from(401));
        assert!(
            is_nobody || user.is_some_and(|user| user == OPERATOR),
            "the operator came as another user in {cluster}: {event}"
        );
        let decision = event.pointer("/annotations/authorization.k8s.io~1decision");
        assert!(
            decision.is_none_or(|decision| decision != "forbid"),
            "refused in {cluster}: {event}"
        );
    }
}

/// One right: API group, resource with its subresource, verb.
type Right = (String, String, String);

/// No rule was spare: the whole story used every right of the chart, in each place where it is bound.
pub(crate) async fn every_right_was_used(stage: &mut Stage) {
    let all = requests_since(stage, &Offsets::start(stage));
    let mut spare = Vec::new();
    for (file, at_hub, namespace) in [
        ("hub", true, None),
        ("hub-namespace", true, Some(SYSTEM)),
        ("hub-tenant", true, Some(TENANT)),
        ("region", false, None),
        ("region-tenant", false, Some(TENANT)),
        ("region-runs", false, Some(RUNS)),
    ] {
        let there = all.iter().filter(|(cluster, event)| {
            let at = event.pointer("/objectRef/namespace");
            (cluster == HUB) == at_hub
                && namespace.is_none_or(|namespace| at.is_some_and(|at| at == namespace))
        });
        let used: BTreeSet<Right> = there.flat_map(|(_, event)| used(event)).collect();
        let granted = rules(file);
        assert!(!granted.is_empty(), "{file} grants nothing");
        spare.extend(
            granted
                .difference(&used)
                .map(|right| format!("{file}: {right:?}")),
        );
    }
    assert!(
        spare.is_empty(),
        "granted and never used:\n{}",
        spare.join("\n")
    );
}

/// The rights that a request needed.
fn used(event: &Value) -> Vec<Right> {
    let Some(reference) = event.get("objectRef") else {
        return Vec::new();
    };
    let of = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
    let sub = of("subresource");
    let resource = if sub.is_empty() {
        of("resource")
    } else {
        format!("{}/{sub}", of("resource"))
    };
    let verb = event["verb"].as_str().unwrap().to_owned();
    let mut rights = vec![(of("apiGroup"), resource.clone(), verb)];
    // A server-side apply that made the object used `create` too.
    if event
        .pointer("/responseStatus/code")
        .is_some_and(|code| code == 201)
    {
        rights.push((of("apiGroup"), resource, "create".into()));
    }
    rights
}

fn rules(file: &str) -> BTreeSet<Right> {
    let path = checkout().join(format!("charts/tradewind/rules/{file}.yaml"));
    let rules: Vec<Value> = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut found = BTreeSet::new();
    let list = |rule: &Value, key: &str| -> Vec<String> {
        rule[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    };
    for rule in &rules {
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                for verb in list(rule, "verbs") {
                    found.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    found
}
