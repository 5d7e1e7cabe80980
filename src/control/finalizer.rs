//! The finalizer: on before the first thing is made in a region, off when nothing is left there.
//!
//! Both are merge patches with the version that was seen: what happened to the object meanwhile is never undone, and
//! another object of the same name is never touched. Neither is written by who no longer leads.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::HUB_DEADLINE;
use super::hub::Hub;
use super::retry::Error;
use crate::api::names::FINALIZER;

/// Whether it is on.
pub(super) fn is_on<K: Resource>(object: &K) -> bool {
    object.finalizers().iter().any(|f| f == FINALIZER)
}

/// Puts it on.
pub(super) async fn add<K>(hub: &Hub, object: &K) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Debug,
{
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    set(hub, object, &finalizers).await
}

/// Takes it off.
pub(super) async fn remove<K>(hub: &Hub, object: &K) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Debug,
{
    let others = object.finalizers().iter().filter(|f| *f != FINALIZER);
    let others: Vec<String> = others.cloned().collect();
    match set(hub, object, &others).await {
        // It is gone already.
        Err(Error::Finalizer(kube::Error::Api(status))) if status.code == 404 => Ok(()),
        other => other,
    }
}

async fn set<K>(hub: &Hub, object: &K, finalizers: &[String]) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Debug,
{
    let api = hub.writing(object)?;
    let patch = Patch::Merge(json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": object.resource_version(),
    }}));
    let name = object.name_any();
    let params = PatchParams::default();
    match tokio::time::timeout(HUB_DEADLINE, api.patch(&name, &params, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Error::Finalizer(error)),
        Err(_) => Err(Error::Timeout(HUB_DEADLINE)),
    }
}
