//! The one status patch: written only when it says something else than before.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use super::HUB_DEADLINE;
use super::hub::{self, Kind};
use super::retry::Error;
use crate::api::names::STATUS_MANAGER;

/// How long our own status may take to come back by watch before the next reconcile may go on without it.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// Between looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Writes the status if it differs from the old one. Returns once the cache shows it, so that the next reconcile of this
/// object does not start from the status before. Says whether it was written.
pub(super) async fn publish<K, S>(
    client: &Client,
    store: &Store<K>,
    object: &K,
    (old, new): (Option<&S>, &S),
) -> Result<bool, Error>
where
    K: Kind + Debug,
    S: Serialize,
{
    let new = serde_json::to_value(new).map_err(Error::Serialise)?;
    let old = serde_json::to_value(old).map_err(Error::Serialise)?;
    if old == new {
        return Ok(false);
    }
    let body = body(object, &new);
    let name = object.name_any();
    let params = PatchParams::apply(STATUS_MANAGER).force();
    let api = hub::api(client, object);
    let patch = Patch::Apply(&body);
    let written =
        match tokio::time::timeout(HUB_DEADLINE, api.patch_status(&name, &params, &patch)).await {
            Ok(Ok(written)) => written,
            Ok(Err(error)) => return Err(Error::Status(error)),
            Err(_) => return Err(Error::Timeout(HUB_DEADLINE)),
        };
    let before = object.resource_version();
    let is_seen = || match store.get(&ObjectRef::from_obj(object)) {
        // Another version than both: somebody wrote after us, so ours is in it.
        Some(seen) => {
            seen.resource_version() == written.resource_version()
                || seen.resource_version() != before
        }
        None => true,
    };
    let seen = async {
        while !is_seen() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(SEEN_WITHIN, seen).await.is_err() {
        tracing::debug!(object = name, "the hub's watch lags behind our status");
    }
    Ok(true)
}

/// What is applied: the status as a whole, on this very object and no other of its name.
fn body<K: Kind>(object: &K, status: &Value) -> Value {
    json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": object.name_any(),
            "namespace": object.namespace(),
            "uid": object.uid(),
        },
        "status": status,
    })
}
