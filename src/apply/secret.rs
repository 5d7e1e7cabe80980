//! The copy of a platform's keys in a region: written whole, compared without ever reading a value.
//!
//! The copy carries a hash of what was copied, and the API server records which fields our manager set last. As long as
//! the hash is the wanted one and we still own every key, nobody has changed a value since we wrote it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::child::{Child, ChildKind, ChildRef};
use super::live::Live;
use crate::api::names;
use crate::plan::SecretCopy;

/// A copy as it should be, without its values.
pub(crate) fn child(copy: &SecretCopy) -> Child {
    let keys: BTreeMap<&str, &str> = copy.keys.keys().map(|k| (k.as_str(), "")).collect();
    Child {
        id: ChildRef {
            kind: ChildKind::Secret,
            namespace: copy.namespace.clone(),
            name: copy.name.clone(),
        },
        body: json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "namespace": copy.namespace,
                "name": copy.name,
                "labels": copy.labels,
                "annotations": {names::ANNOTATION_CONFIG_HASH: content_hash(copy)},
            },
            "type": "Opaque",
            "data": keys,
        }),
    }
}

/// A hash over all keys and values, and whose they are: equal credentials of two channels don't show as equal.
fn content_hash(copy: &SecretCopy) -> String {
    let mut parts = vec![copy.namespace.as_str(), copy.name.as_str()];
    for (key, hash) in &copy.keys {
        parts.extend([key.as_str(), hash.as_str()]);
    }
    names::short_hash(&parts, 32)
}

/// What can be compared: only its metadata was ever read.
pub(crate) fn comparable(child: &Child) -> Value {
    json!({"metadata": child.body.get("metadata")})
}

/// Whether our field manager still owns every key, and has none that isn't declared any more.
pub(crate) fn is_ours_whole(child: &Child, live: &Live) -> bool {
    let wanted: BTreeSet<&str> = child
        .body
        .get("data")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|data| data.keys().map(String::as_str))
        .collect();
    let owned: BTreeSet<&str> = live
        .body
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("manager").and_then(Value::as_str) == Some(names::FIELD_MANAGER))
        .filter(|entry| entry.get("operation").and_then(Value::as_str) == Some("Apply"))
        .filter_map(|entry| entry.pointer("/fieldsV1/f:data")?.as_object())
        .flat_map(|data| data.keys().filter_map(|key| key.strip_prefix("f:")))
        .collect();
    wanted == owned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy() -> SecretCopy {
        SecretCopy {
            namespace: "aurora".into(),
            from: "aurora-meta".into(),
            name: "shop-credentials".into(),
            keys: BTreeMap::from([
                ("app_secret".into(), "00ff".into()),
                ("verify_token".into(), "11ee".into()),
            ]),
            labels: BTreeMap::from([(names::LABEL_NAME.into(), "shop".into())]),
        }
    }

    fn live(fields: &Value) -> Live {
        let mut body = child(&copy()).body;
        body["metadata"]["uid"] = json!("u");
        body["metadata"]["managedFields"] = json!([
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:other": {}}}},
            {"manager": names::FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:data": fields}},
        ]);
        Live::new(ChildKind::Secret, body).unwrap()
    }

    #[test]
    fn a_key_that_somebody_else_wrote_is_drift() {
        let whole = json!({".": {}, "f:app_secret": {}, "f:verify_token": {}});
        assert!(is_ours_whole(&child(&copy()), &live(&whole)));
        assert!(!is_ours_whole(
            &child(&copy()),
            &live(&json!({"f:app_secret": {}}))
        ));
        let more = json!({"f:app_secret": {}, "f:verify_token": {}, "f:old": {}});
        assert!(!is_ours_whole(&child(&copy()), &live(&more)));
    }

    #[test]
    fn the_hash_changes_with_a_value_and_with_the_owner() {
        let hash = content_hash(&copy());
        let mut rotated = copy();
        rotated.keys.insert("app_secret".into(), "00fe".into());
        assert_ne!(content_hash(&rotated), hash);
        let mut other = copy();
        other.name = "other".into();
        assert_ne!(content_hash(&other), hash);
    }
}
