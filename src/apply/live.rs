//! One object in a regional cluster, as the region's watch last showed it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::child::{ChildKind, ChildRef};
use crate::api::InventoryEntry;
use crate::api::names;
use crate::clusters::Identity;

/// An object as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Which.
    pub id: ChildRef,
    /// Its UID.
    pub uid: String,
    /// Its version, opaque.
    pub version: String,
    /// The whole object; of a Secret only its metadata.
    pub body: Value,
}

impl Live {
    /// From an object as the API gives it. None without a name or UID: no API server sends that.
    #[must_use]
    pub fn new(kind: ChildKind, body: Value) -> Option<Self> {
        let text = |field: &str| {
            let value = body.pointer(&format!("/metadata/{field}"))?;
            value.as_str().map(str::to_owned)
        };
        Some(Self {
            id: ChildRef {
                kind,
                namespace: text("namespace")?,
                name: text("name")?,
            },
            uid: text("uid")?,
            version: text("resourceVersion").unwrap_or_default(),
            body,
        })
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.body.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.body.get("metadata")?.get("annotations")?;
        annotations.get(key)?.as_str()
    }

    /// Whether its labels say that it was made for this resource.
    #[must_use]
    pub fn is_made_for(&self, owner: &Identity) -> bool {
        let says = |key: &str| self.label(key).unwrap_or_default();
        says(names::LABEL_MANAGED_BY) == names::MANAGED_BY
            && says(names::LABEL_KIND) == owner.kind.as_str()
            && says(names::LABEL_NAMESPACE) == owner.namespace.as_deref().unwrap_or_default()
            && says(names::LABEL_NAME) == owner.name
    }

    /// Whether another object made it and will take it away: a CronJob's Job, a Deployment's pod.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.owners()
            .any(|o| o.get("controller") == Some(&Value::Bool(true)))
    }

    /// UIDs of the objects that it belongs to.
    pub fn owner_uids(&self) -> impl Iterator<Item = &str> {
        self.owners().filter_map(|o| o.get("uid")?.as_str())
    }

    fn owners(&self) -> impl Iterator<Item = &Value> {
        self.body
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    /// Whether somebody has deleted it and it is on its way out.
    #[must_use]
    pub fn is_going(&self) -> bool {
        self.body.pointer("/metadata/deletionTimestamp").is_some()
    }

    /// As status lists it.
    #[must_use]
    pub fn entry(&self) -> InventoryEntry {
        self.id.entry(&self.uid)
    }

    /// Whose it is, for a person: its owner, else who says that it manages it, else who last wrote it.
    #[must_use]
    pub fn whose(&self) -> String {
        if let Some(owner) = self.owners().next() {
            let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or("?");
            return format!("it belongs to {} {}", text("kind"), text("name"));
        }
        if self.label(names::LABEL_MANAGED_BY) == Some(names::MANAGED_BY) {
            let text = |key: &str| self.label(key).unwrap_or("?").to_owned();
            return format!(
                "it belongs to {} {}/{} of the fleet {}",
                text(names::LABEL_KIND),
                text(names::LABEL_NAMESPACE),
                text(names::LABEL_NAME),
                text(names::LABEL_FLEET)
            );
        }
        if let Some(by) = self.label(names::LABEL_MANAGED_BY) {
            return format!("its label says that {by} manages it");
        }
        let managers: BTreeSet<&str> = self
            .body
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|f| f.get("manager")?.as_str())
            .collect();
        let managers: Vec<&str> = managers.into_iter().collect();
        if managers.is_empty() {
            "nothing says whose it is".to_owned()
        } else {
            format!("it was written by {}", managers.join(", "))
        }
    }
}
