//! What differs between what is declared and what is there: the fields that we declare, and list entries that we did not.
//!
//! The API server fills in defaults and keeps what others wrote, so equality is no test. A field that we do not declare is
//! nobody's business here, with one exception: a container, port, volume or env entry in *our* pod template that we did
//! not declare would run in our name, so it counts, and server-side apply leaves it in place.

use serde_json::{Map, Value};

use super::quantity;

/// What differs, and what is there that we did not declare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// JSON pointers of declared fields with another value; an apply mends them.
    pub(crate) changed: Vec<String>,
    /// JSON pointers of foreign entries in the live object, in an order in which they can be removed one by one.
    pub(crate) foreign: Vec<String>,
}

impl Drift {
    /// Whether nothing differs.
    pub(crate) fn is_none(&self) -> bool {
        self.changed.is_empty() && self.foreign.is_empty()
    }
}

/// Compares what is declared with what is there.
pub(crate) fn compare(declared: &Value, live: &Value) -> Drift {
    let mut drift = Drift::default();
    let mut path = Vec::new();
    walk(declared, live, &mut path, &mut drift);
    drift
}

/// Lists whose entries are told apart by keys, by the field that holds them, as the API declares them for apply.
/// Any other list is compared entry by entry.
fn keys_of(field: &str, entry: &Value) -> Option<&'static [&'static str]> {
    match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some(&["name"]),
        "volumeMounts" => Some(&["mountPath"]),
        "topologySpreadConstraints" => Some(&["topologyKey", "whenUnsatisfiable"]),
        "ports" if entry.get("containerPort").is_some() => Some(&["containerPort", "protocol"]),
        "ports" => Some(&["port", "protocol"]),
        _ => None,
    }
}

/// Lists in which an entry that we did not declare counts as drift, by what holds them.
fn exclusive(holder: &Holder) -> &'static [&'static str] {
    match holder {
        Holder::PodSpec => &["initContainers", "containers", "volumes"],
        Holder::Container => &["env", "envFrom", "ports", "volumeMounts"],
        Holder::ServiceSpec => &["ports"],
        Holder::Other => &[],
    }
}

enum Holder {
    PodSpec,
    Container,
    ServiceSpec,
    Other,
}

/// What an object at this place is, judged by what we declare in it and where it stands.
fn holder(path: &[String], declared: &Map<String, Value>) -> Holder {
    let parent = path.len().checked_sub(2).and_then(|i| path.get(i));
    let last = path.last().map(String::as_str);
    if last == Some("spec") && declared.contains_key("containers") {
        Holder::PodSpec
    } else if last == Some("spec") && declared.contains_key("ports") {
        Holder::ServiceSpec
    } else if parent.is_some_and(|p| p == "containers" || p == "initContainers") {
        Holder::Container
    } else {
        Holder::Other
    }
}

fn walk(declared: &Value, live: &Value, path: &mut Vec<String>, drift: &mut Drift) {
    match (declared, live) {
        (Value::Object(want), Value::Object(have)) => object(want, have, path, drift),
        (Value::Array(want), Value::Array(have)) => list(want, have, path, drift),
        (Value::String(want), Value::String(have))
            if is_quantity(path) && quantity::equal(want, have) => {}
        _ if is_nothing(declared) && is_nothing(live) => {}
        _ if declared != live => drift.changed.push(pointer(path)),
        _ => {}
    }
}

fn object(
    want: &Map<String, Value>,
    have: &Map<String, Value>,
    path: &mut Vec<String>,
    drift: &mut Drift,
) {
    if is_atomic(path) && want.keys().ne(have.keys()) {
        drift.changed.push(pointer(path));
        return;
    }
    for (field, declared) in want {
        path.push(field.clone());
        match have.get(field) {
            Some(live) => walk(declared, live, path, drift),
            None if is_nothing(declared) => {}
            None => drift.changed.push(pointer(path)),
        }
        path.pop();
    }
    for field in exclusive(&holder(path, want)) {
        let undeclared = want.get(*field).is_none_or(is_nothing);
        let Some(Value::Array(live)) = have.get(*field) else {
            continue;
        };
        if undeclared && !live.is_empty() {
            path.push((*field).to_owned());
            drift.foreign.push(pointer(path));
            path.pop();
        }
    }
}

fn list(want: &[Value], have: &[Value], path: &mut Vec<String>, drift: &mut Drift) {
    let field = path.last().cloned().unwrap_or_default();
    let Some(keys) = want.first().and_then(|entry| keys_of(&field, entry)) else {
        if want.len() != have.len() {
            drift.changed.push(pointer(path));
            return;
        }
        for (index, (want, have)) in want.iter().zip(have).enumerate() {
            path.push(index.to_string());
            walk(want, have, path, drift);
            path.pop();
        }
        return;
    };
    for entry in want {
        let same = |other: &&(usize, &Value)| keys.iter().all(|k| key(entry, k) == key(other.1, k));
        let indexed: Vec<(usize, &Value)> = have.iter().enumerate().collect();
        if let Some((index, live)) = indexed.iter().find(same) {
            path.push(index.to_string());
            walk(entry, live, path, drift);
            path.pop();
        } else {
            drift.changed.push(pointer(path));
        }
    }
    if !is_exclusive(&field) {
        return;
    }
    // From the back, and after what is inside the entries: removing one moves those behind it.
    for (index, live) in have.iter().enumerate().rev() {
        let declared = want
            .iter()
            .any(|entry| keys.iter().all(|k| key(entry, k) == key(live, k)));
        if !declared {
            path.push(index.to_string());
            drift.foreign.push(pointer(path));
            path.pop();
        }
    }
}

fn is_exclusive(field: &str) -> bool {
    [Holder::PodSpec, Holder::Container, Holder::ServiceSpec]
        .iter()
        .any(|holder| exclusive(holder).contains(&field))
}

/// A key's value; a port's protocol is TCP when nobody says otherwise.
fn key(entry: &Value, key: &str) -> Value {
    match entry.get(key) {
        Some(value) => value.clone(),
        None if key == "protocol" => Value::from("TCP"),
        None => Value::Null,
    }
}

/// Maps that the API treats as one value: a foreign key in a Service's selector would take its pods away.
fn is_atomic(path: &[String]) -> bool {
    matches!(
        path.last().map(String::as_str),
        Some("selector" | "labelSelector" | "matchLabels" | "nodeSelector")
    )
}

/// Absent, null, `{}`, `[]` mean the same to the API server, which drops some of them.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_quantity(path: &[String]) -> bool {
    let parent = path.len().checked_sub(2).and_then(|i| path.get(i));
    parent.is_some_and(|p| p == "limits" || p == "requests")
        || path.last().is_some_and(|p| p == "sizeLimit")
}

fn pointer(path: &[String]) -> String {
    path.iter().fold(String::new(), |mut text, part| {
        text.push('/');
        text.push_str(&part.replace('~', "~0").replace('/', "~1"));
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "c", "labels": {"tradewind.dev/name": "c"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "c"}},
                "template": {"spec": {
                    "containers": [{
                        "name": "agent", "image": "agent:1", "args": ["connect"],
                        "ports": [{"containerPort": 8080, "name": "http"}],
                        "resources": {"limits": {"memory": "1024Mi"}, "requests": {"cpu": "0.5"}},
                        "securityContext": {"capabilities": {"drop": ["ALL"]}},
                    }],
                    "tolerations": [{"key": "a"}],
                    "volumes": [{"name": "task", "configMap": {"name": "c"}}],
                }},
            },
        })
    }

    /// What an API server makes of it.
    fn live() -> Value {
        let mut live = deployment();
        live["metadata"]["uid"] = json!("u");
        live["spec"]["revisionHistoryLimit"] = json!(10);
        live["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        let container = &mut live["spec"]["template"]["spec"]["containers"][0];
        container["terminationMessagePath"] = json!("/dev/termination-log");
        container["ports"][0]["protocol"] = json!("TCP");
        container["resources"] = json!({"limits": {"memory": "1Gi"}, "requests": {"cpu": "500m"}});
        live["spec"]["template"]["spec"]["volumes"][0]["configMap"]["defaultMode"] = json!(420);
        live
    }

    #[test]
    fn defaults_and_spellings_are_no_drift() {
        assert_eq!(compare(&deployment(), &live()), Drift::default());
    }

    #[test]
    fn a_changed_or_missing_field_is_drift() {
        for (pointer, value) in [
            ("/spec/replicas", json!(3)),
            ("/spec/template/spec/containers/0/image", json!("agent:2")),
            (
                "/spec/template/spec/containers/0/resources/limits/memory",
                json!("2Gi"),
            ),
            (
                "/spec/template/spec/containers/0/args",
                json!(["connect", "--evil"]),
            ),
            ("/spec/template/spec/containers/0/args", Value::Null),
            ("/spec/template/spec/tolerations", json!([{"key": "b"}])),
            ("/spec/template/spec/volumes", json!([])),
            ("/metadata/labels", json!({})),
            (
                "/spec/selector/matchLabels",
                json!({"app": "c", "more": "x"}),
            ),
        ] {
            let mut there = live();
            *there.pointer_mut(pointer).unwrap() = value;
            assert!(
                !compare(&deployment(), &there).changed.is_empty(),
                "{pointer}"
            );
        }
    }

    #[test]
    fn foreign_entries_are_named_in_an_order_that_can_be_followed() {
        let mut there = live();
        let spec = &mut there["spec"]["template"]["spec"];
        spec["initContainers"] = json!([{"name": "evil"}]);
        spec["containers"][0]["env"] = json!([{"name": "LD_PRELOAD", "value": "x"}]);
        spec["containers"][0]["ports"] = json!([{"containerPort": 1}, {"containerPort": 8080, "name": "http"}, {"containerPort": 2}]);
        spec["containers"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"name": "sidecar"}));
        let drift = compare(&deployment(), &there);
        assert_eq!(drift.changed, Vec::<String>::new());
        assert_eq!(
            drift.foreign,
            [
                "/spec/template/spec/containers/1/ports/2",
                "/spec/template/spec/containers/1/ports/0",
                "/spec/template/spec/containers/1/env",
                "/spec/template/spec/containers/0",
                "/spec/template/spec/initContainers",
            ]
        );
    }

    #[test]
    fn removing_what_is_foreign_leaves_no_drift() {
        let mut there = live();
        let spec = &mut there["spec"]["template"]["spec"];
        spec["containers"][0]["ports"] = json!([{"containerPort": 1}, {"containerPort": 8080, "name": "http"}, {"containerPort": 2}]);
        spec["containers"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"name": "sidecar"}));
        for pointer in compare(&deployment(), &there).foreign {
            let (parent, index) = pointer.rsplit_once('/').unwrap();
            there
                .pointer_mut(parent)
                .unwrap()
                .as_array_mut()
                .unwrap()
                .remove(index.parse().unwrap());
        }
        assert!(compare(&deployment(), &there).is_none());
    }

    #[test]
    fn what_others_add_elsewhere_is_theirs() {
        let mut there = live();
        there["metadata"]["labels"]["team"] = json!("x");
        there["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
        there["spec"]["template"]["metadata"] =
            json!({"annotations": {"kubectl.kubernetes.io/restartedAt": "t"}});
        assert!(compare(&deployment(), &there).is_none());
    }
}
