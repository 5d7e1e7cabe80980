//! The one status patch: written only when it says something else than before.

use std::fmt::Debug;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::{ObjectRef, Store};
use serde::Serialize;
use serde_json::{Value, json};

use super::HUB_DEADLINE;
use super::hub::{Hub, Kind};
use super::retry::Error;
use crate::api::names::STATUS_MANAGER;

/// How long our own status may take to come back by watch before the next reconcile may go on without it.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// Between looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Writes the status if it differs from the old one. Returns once the cache shows it, so that the next reconcile of this
/// object does not start from the status before. Says whether it was written.
pub(super) async fn publish<K, S>(
    hub: &Hub,
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
    let api = hub.writing(object)?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::Client;
    use kube::client::Body;
    use kube::runtime::reflector::store::Writer;

    use super::super::finalizer;
    use super::*;
    use crate::api::{Region, RegionStatus};
    use crate::apply::Fence;

    fn region() -> Region {
        serde_json::from_value(json!({
            "metadata": {"name": "r", "uid": "u", "finalizers": ["tradewind.dev/cleanup"]},
            "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn who_does_not_lead_writes_nothing_to_the_hub() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let service = tower::service_fn(move |_: axum::http::Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "message": "no"});
            let answer = axum::http::Response::builder()
                .status(403)
                .body(Body::from(status.to_string().into_bytes()));
            std::future::ready(answer)
        });
        let client = Client::new(service, "default");
        let store = Writer::<Region>::default().as_reader();
        for leads in [false, true] {
            let fence: Fence = Arc::new(move || leads);
            let hub = Hub {
                client: client.clone(),
                fence,
            };
            let (object, status) = (region(), RegionStatus::default());
            let ends = [
                finalizer::add(&hub, &object).await.err(),
                finalizer::remove(&hub, &object).await.err(),
                publish(&hub, &store, &object, (None, &status)).await.err(),
            ];
            for end in ends {
                let error = end.unwrap();
                assert_eq!(matches!(error, Error::NotLeading), !leads, "{error}");
            }
            assert_eq!(asked.swap(0, Ordering::SeqCst), if leads { 3 } else { 0 });
        }
    }
}
