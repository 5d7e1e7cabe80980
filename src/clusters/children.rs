//! What a region is known to hold: one cache per kind and namespace, each of which knows whether it may be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::Namespaces;

/// Why a cache can't be read. Never the same as empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// The first list is not complete. Its end wakes the region.
    #[error("{kind} in {namespace} have not been read yet")]
    NotRead {
        /// The kind.
        kind: &'static str,
        /// The namespace.
        namespace: String,
    },
    /// The region's RBAC forbids the watch.
    #[error("{kind} in {namespace} may not be read: {message}")]
    Forbidden {
        /// The kind.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// What the API server said.
        message: String,
    },
    /// Nobody asked for this namespace, or for this kind in it.
    #[error("{kind} in {namespace} are not followed")]
    NotFollowed {
        /// The kind.
        kind: &'static str,
        /// The namespace.
        namespace: String,
    },
}

/// Whether a cache may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its kind is not followed in its namespace.
    NotFollowed,
    /// The first list is not complete.
    NotRead,
    /// It may.
    Read,
    /// The watch is forbidden.
    Forbidden(String),
}
