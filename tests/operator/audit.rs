//! What the operator asked of the API servers, from their own audit logs.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// The operator's user in every cluster.
const USER: &str = "system:serviceaccount:tradewind-system:tradewind";

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) cluster: String,
    pub(crate) verb: String,
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) code: u64,
    /// When the API server got it, RFC 3339 with microseconds.
    pub(crate) at: String,
}

/// A place in every cluster's audit log.
#[derive(Clone, Debug)]
pub(crate) struct Mark(Vec<(String, PathBuf, u64)>);

impl Request {
    /// What changes with the chain, or with the hour: the age of the list of holds is told in steps.
    pub(crate) fn is_task_of_signing(&self) -> bool {
        let is_told_in_steps = self.name == "tradewind-evidence" || self.name.ends_with("-holds");
        self.resource == "configmaps" && is_told_in_steps
    }
}

impl Mark {
    pub(crate) fn now(logs: &[(String, PathBuf)]) -> Self {
        let at = |(cluster, path): &(String, PathBuf)| {
            let length = fs::metadata(path).map_or(0, |m| m.len());
            (cluster.clone(), path.clone(), length)
        };
        Self(logs.iter().map(at).collect())
    }

    /// All that the operator asked since, but for its lease.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0
            .iter()
            .flat_map(|(cluster, path, from)| read(cluster, path, *from))
            .collect()
    }

    /// Writes of children, statuses and finalizers since: Events tell, they change nothing.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|r| ["create", "update", "patch", "delete"].contains(&r.verb.as_str()));
        requests.retain(|r| !r.resource.starts_with("events"));
        requests
    }

    /// Writes since in regions' clusters, but of the task of what signs: that grows with the chain, into which findings come and
    /// from which they go.
    pub(crate) fn writes_of_children(&self) -> Vec<Request> {
        let mut writes = self.writes();
        writes.retain(|r| r.cluster != "hub" && !r.is_task_of_signing());
        writes
    }

    /// Reads since that a cache should have saved: no watch with its first list, and no probe.
    pub(crate) fn reads(&self) -> Vec<Request> {
        let mut requests = self.requests();
        // A list of one object by its name is a read of it: its audit line names the object, other lists' name none.
        requests.retain(|r| {
            let is_probe = r.resource == "namespaces" && r.name == "kube-system";
            let is_read = r.verb == "get" || (r.verb == "list" && !r.name.is_empty());
            is_read && !is_probe
        });
        requests.retain(|r| !r.resource.is_empty());
        requests
    }
}

fn read(cluster: &str, path: &PathBuf, from: u64) -> Vec<Request> {
    let mut file = fs::File::open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    // Most lines are of others: they are not worth parsing.
    whole
        .lines()
        .filter(|line| line.contains(USER))
        .filter_map(|line| request(cluster, line))
        .collect()
}

fn request(cluster: &str, line: &str) -> Option<Request> {
    let entry: Value = serde_json::from_str(line).ok()?;
    if entry["user"]["username"] != USER {
        return None;
    }
    let text = |pointer: &str| {
        entry
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let subresource = text("/objectRef/subresource");
    let resource = text("/objectRef/resource");
    if resource == "leases" {
        return None;
    }
    let slash = if subresource.is_empty() { "" } else { "/" };
    Some(Request {
        cluster: cluster.to_owned(),
        verb: text("/verb"),
        resource: format!("{resource}{slash}{subresource}"),
        name: text("/objectRef/name"),
        code: entry["responseStatus"]["code"].as_u64().unwrap_or_default(),
        at: text("/requestReceivedTimestamp"),
    })
}
