//! What a region's caches show of one resource.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::PartialObjectMeta;
use serde::Serialize;

use crate::apply::{ChildKind, Live};
use crate::clusters::{Cause, Child, Clusters, Identity, NotKnown, RegionClient, Unreachable};

/// What a region's caches show of one resource.
#[derive(Clone)]
pub struct View {
    /// The region.
    pub client: RegionClient,
    /// Where was looked.
    pub scope: Scope,
    /// Everything that was made for the resource and is there.
    pub ours: Vec<Live>,
    /// Kinds in namespaces that may not be read, and why.
    pub unknown: BTreeMap<(ChildKind, String), String>,
}

/// What is known of a region.
#[derive(Clone)]
pub enum Look {
    /// It answers, and its caches may be believed.
    Known(View),
    /// It does not answer, or what is there is still being read.
    Unknown(Unreachable),
}

/// Where to look for what was made for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whom it was made for.
    pub identity: Identity,
    /// The namespaces to look into.
    pub namespaces: BTreeSet<String>,
    /// Those of them that the region is asked to follow. Another one is no tenant's, and nothing of ours is there.
    pub followed: BTreeSet<String>,
}

/// Looks at everything that was made for a resource in a region.
pub(super) fn look(clusters: &Clusters, region: &str, scope: Scope) -> Look {
    let client = match clusters.get(region) {
        Ok(client) => client,
        Err(unreachable) => return Look::Unknown(unreachable),
    };
    match View::read(client, scope) {
        Ok(view) => Look::Known(view),
        Err(reading) => Look::Unknown(reading),
    }
}

impl View {
    /// The view as the caches are now.
    pub fn again(&self) -> Result<Self, Unreachable> {
        Self::read(self.client.clone(), self.scope.clone())
    }

    fn read(client: RegionClient, scope: Scope) -> Result<Self, Unreachable> {
        let mut view = Self {
            client,
            scope,
            ours: Vec::new(),
            unknown: BTreeMap::new(),
        };
        for namespace in view.scope.namespaces.clone() {
            if view.is_followed(&namespace)? {
                view.namespace(&namespace)?;
            }
        }
        view.ours.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(view)
    }

    /// Whether the region's caches speak of a namespace at all. One that should be followed and isn't yet will be.
    fn is_followed(&self, namespace: &str) -> Result<bool, Unreachable> {
        match self
            .client
            .owned::<ServiceAccount>(namespace, &self.scope.identity)
        {
            Err(NotKnown::NotFollowed { .. }) if !self.scope.followed.contains(namespace) => {
                Ok(false)
            }
            Err(error @ NotKnown::NotFollowed { .. }) => Err(reading(&error)),
            Ok(_) | Err(NotKnown::NotRead { .. } | NotKnown::Forbidden { .. }) => Ok(true),
        }
    }

    fn namespace(&mut self, namespace: &str) -> Result<(), Unreachable> {
        self.kind::<Ingress>(ChildKind::Ingress, namespace)?;
        self.kind::<CronJob>(ChildKind::CronJob, namespace)?;
        self.kind::<Job>(ChildKind::Job, namespace)?;
        self.kind::<Deployment>(ChildKind::Deployment, namespace)?;
        self.kind::<Pod>(ChildKind::Pod, namespace)?;
        self.kind::<Service>(ChildKind::Service, namespace)?;
        self.kind::<PodDisruptionBudget>(ChildKind::PodDisruptionBudget, namespace)?;
        self.kind::<ConfigMap>(ChildKind::ConfigMap, namespace)?;
        self.kind::<PartialObjectMeta<Secret>>(ChildKind::Secret, namespace)?;
        self.kind::<ServiceAccount>(ChildKind::ServiceAccount, namespace)
    }

    fn kind<K>(&mut self, kind: ChildKind, namespace: &str) -> Result<(), Unreachable>
    where
        K: Child + Serialize,
    {
        match self.client.owned::<K>(namespace, &self.scope.identity) {
            Ok(found) => {
                let live = |object: &std::sync::Arc<K>| {
                    let body = serde_json::to_value(object.as_ref()).ok()?;
                    Live::new(kind, body)
                };
                self.ours.extend(found.iter().filter_map(live));
                Ok(())
            }
            Err(error @ NotKnown::Forbidden { .. }) => {
                self.unknown
                    .insert((kind, namespace.to_owned()), error.to_string());
                Ok(())
            }
            // The run namespace holds only some kinds of ours: the others are not looked for there.
            Err(NotKnown::NotFollowed { .. }) => Ok(()),
            Err(error @ NotKnown::NotRead { .. }) => Err(reading(&error)),
        }
    }
}

fn reading(error: &NotKnown) -> Unreachable {
    Unreachable {
        since: Timestamp::now(),
        cause: Cause::Connecting,
        message: error.to_string(),
    }
}
