//! Labels, names and hashes that every object carries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::api::names;
use crate::contract::{self, Task};

/// Whose an object is: the labels that decide, in every cluster and after a restore of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The fleet's id.
    pub fleet: &'a str,
    /// `SocialChannel` or `DataPolicy`.
    pub kind: &'a str,
    /// The resource's namespace on the hub; empty for a DataPolicy.
    pub namespace: &'a str,
    /// The resource's name.
    pub name: &'a str,
}

impl Identity<'_> {
    /// The labels that decide whose an object is.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (names::LABEL_MANAGED_BY, names::MANAGED_BY),
            (names::LABEL_FLEET, self.fleet),
            (names::LABEL_KIND, self.kind),
            (names::LABEL_NAMESPACE, self.namespace),
            (names::LABEL_NAME, self.name),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }
}

/// An object's role: identity, component and, for a feed's objects, the feed.
#[derive(Clone, Debug)]
pub(super) struct Role<'a> {
    pub(super) identity: Identity<'a>,
    pub(super) component: &'static str,
    pub(super) feed: Option<&'a str>,
}

impl<'a> Role<'a> {
    /// Of a resource that is in no namespace of the hub.
    pub(super) fn of_cluster(
        fleet: &'a str,
        (kind, name): (&'a str, &'a str),
        component: &'static str,
    ) -> Self {
        Self {
            identity: Identity {
                fleet,
                kind,
                namespace: "",
                name,
            },
            component,
            feed: None,
        }
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.identity.labels();
        labels.insert(names::LABEL_COMPONENT.into(), self.component.into());
        if let Some(feed) = self.feed {
            labels.insert(names::LABEL_FEED.into(), feed.into());
        }
        labels
    }

    pub(super) fn selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.labels()),
            ..LabelSelector::default()
        }
    }

    pub(super) fn meta(&self, namespace: &str, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }
}

/// The pods' identity: no rights, and no token to use any with.
pub(super) fn service_account(role: &Role<'_>, namespace: &str, name: &str) -> ServiceAccount {
    ServiceAccount {
        metadata: role.meta(namespace, name),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// A task as the file that the agent reads.
pub(super) fn task<S: Serialize>(command: &str, region: &str, spec: S) -> String {
    let task = Task {
        version: contract::VERSION,
        command: command.to_owned(),
        region: region.to_owned(),
        spec,
    };
    // Structs of strings, numbers and lists always serialise; an empty file would be refused by every agent.
    serde_json::to_string_pretty(&task).unwrap_or_default()
}

/// The ConfigMap with the task.
pub(super) fn config_map(role: &Role<'_>, namespace: &str, name: &str, task: String) -> ConfigMap {
    ConfigMap {
        metadata: role.meta(namespace, name),
        data: Some(BTreeMap::from([(task_file().to_owned(), task)])),
        ..ConfigMap::default()
    }
}

/// The key of the task in its ConfigMap: the file's name in [`contract::TASK_PATH`].
pub(super) fn task_file() -> &'static str {
    contract::TASK_PATH.rsplit('/').next().unwrap_or_default()
}

/// The folder that the task is mounted at.
pub(super) fn task_folder() -> &'static str {
    contract::TASK_PATH
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder)
}

/// The folder of a mounted Secret.
pub(super) fn secret_folder(mount: &str) -> PathBuf {
    Path::new(contract::SECRETS_PATH).join(mount)
}

/// The file of a mounted Secret's key.
pub(super) fn secret_file(mount: &str, key: &str) -> PathBuf {
    secret_folder(mount).join(key)
}

/// Hash of a task and of the secrets that the hub copies: pods are rolled when it changes.
pub(super) fn config_hash(task: &str, secrets: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        // The length first: no two lists of parts give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    add(task);
    for (key, value) in secrets {
        add(key);
        add(value);
    }
    hex::encode(hash.finalize())
}
