//! One object in a regional cluster, as it should be.

use kube::core::{ApiResource, GroupVersionKind};
use serde::Serialize;
use serde_json::Value;

use crate::api::InventoryEntry;

/// The kinds that are made in regions, in the order in which they are withdrawn: first what lets work in or starts it,
/// last what running work still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// The way in from outside.
    Ingress,
    /// What starts feeds and retention runs.
    CronJob,
    /// A run.
    Job,
    /// The connector's pods.
    Deployment,
    /// Pods; never made by us, but waited for.
    Pod,
    /// The connector's address.
    Service,
    /// How many connector pods may be taken at once.
    PodDisruptionBudget,
    /// Tasks.
    ConfigMap,
    /// Copied credentials.
    Secret,
    /// The pods' identity.
    ServiceAccount,
}

impl ChildKind {
    /// All of them, in the order of withdrawal.
    pub const ALL: [Self; 10] = [
        Self::Ingress,
        Self::CronJob,
        Self::Job,
        Self::Deployment,
        Self::Pod,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::ConfigMap,
        Self::Secret,
        Self::ServiceAccount,
    ];

    /// Group, version, kind.
    fn gvk(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ingress => ("networking.k8s.io", "v1", "Ingress"),
            Self::CronJob => ("batch", "v1", "CronJob"),
            Self::Job => ("batch", "v1", "Job"),
            Self::Deployment => ("apps", "v1", "Deployment"),
            Self::Pod => ("", "v1", "Pod"),
            Self::Service => ("", "v1", "Service"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget"),
            Self::ConfigMap => ("", "v1", "ConfigMap"),
            Self::Secret => ("", "v1", "Secret"),
            Self::ServiceAccount => ("", "v1", "ServiceAccount"),
        }
    }

    /// The plural in the API's paths.
    fn plural(self) -> &'static str {
        match self {
            Self::Ingress => "ingresses",
            Self::CronJob => "cronjobs",
            Self::Job => "jobs",
            Self::Deployment => "deployments",
            Self::Pod => "pods",
            Self::Service => "services",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
            Self::ServiceAccount => "serviceaccounts",
        }
    }

    /// The kind for an [`InventoryEntry`]: `Deployment.apps`, `ConfigMap`.
    #[must_use]
    pub fn id(self) -> String {
        match self.gvk() {
            ("", _, kind) => kind.to_owned(),
            (group, _, kind) => format!("{kind}.{group}"),
        }
    }

    /// The kind of an [`InventoryEntry`]; none when it is from another release.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The kind's bare word, for metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.gvk().2
    }

    /// What kube's dynamic API needs.
    #[must_use]
    pub fn resource(self) -> ApiResource {
        let (group, version, kind) = self.gvk();
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(group, version, kind),
            self.plural(),
        )
    }
}

/// Which object: kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildRef {
    /// The kind.
    pub kind: ChildKind,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl std::fmt::Display for ChildRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.id(), self.namespace, self.name)
    }
}

impl ChildRef {
    /// As status lists it.
    #[must_use]
    pub fn entry(&self, uid: &str) -> InventoryEntry {
        InventoryEntry {
            kind: self.kind.id(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: uid.to_owned(),
        }
    }

    /// From a status entry; none when its kind is from another release.
    #[must_use]
    pub fn from_entry(entry: &InventoryEntry) -> Option<Self> {
        Some(Self {
            kind: ChildKind::from_id(&entry.kind)?,
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
        })
    }
}

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    /// Which.
    pub(crate) id: ChildRef,
    /// All that we declare of it, and nothing else.
    pub(crate) body: Value,
}

impl Child {
    /// From a typed object of the plan.
    pub(crate) fn new<K>(kind: ChildKind, object: &K) -> Result<Self, serde_json::Error>
    where
        K: Serialize,
    {
        let mut body = serde_json::to_value(object)?;
        prune_nulls(&mut body);
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let id = ChildRef {
            kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        };
        Ok(Self { id, body })
    }
}

/// A null declares nothing, and an apply would read it as a wish to own the field.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(prune_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(prune_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_its_id() {
        for kind in ChildKind::ALL {
            assert_eq!(ChildKind::from_id(&kind.id()), Some(kind));
        }
        assert_eq!(ChildKind::Deployment.id(), "Deployment.apps");
        assert_eq!(ChildKind::from_id("StatefulSet.apps"), None);
    }

    #[test]
    fn nothing_is_withdrawn_before_what_reads_it() {
        let order = ChildKind::ALL;
        let place = |kind| order.iter().position(|k| *k == kind).unwrap();
        for reader in [ChildKind::CronJob, ChildKind::Job, ChildKind::Deployment] {
            for read in [
                ChildKind::ConfigMap,
                ChildKind::Secret,
                ChildKind::ServiceAccount,
            ] {
                assert!(place(reader) < place(read));
            }
        }
        assert!(order.is_sorted());
    }
}
