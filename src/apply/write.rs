//! The single writes to a regional cluster, each with its own deadline, none without the right to write.

use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::params::Preconditions;
use kube::{Client, api::PartialObjectMeta};
use serde_json::{Value, json};

use super::Fence;
use super::child::{Child, ChildKind, ChildRef};
use super::compare::Drift;
use super::fault::Fault;
use super::live::Live;
use super::steps;
use crate::api::names;
use crate::metrics::{Metrics, Verb};
use crate::plan::SecretCopy;
use crate::resolve::Secrets;

/// Longer than any healthy API server takes, short enough that a sick one is noticed.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a write needs beside its object.
pub(crate) struct Writer<'a> {
    pub(crate) client: Client,
    pub(crate) fence: &'a Fence,
    pub(crate) metrics: &'a Metrics,
    pub(crate) secrets: &'a Secrets,
    /// The Secret copy whose values may be asked for.
    pub(crate) copy: Option<&'a SecretCopy>,
}

impl Writer<'_> {
    fn api(&self, id: &ChildRef) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &id.namespace, &id.kind.resource())
    }

    async fn timed<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Fault> {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Fault::Timeout(DEADLINE)),
        }
    }

    fn leading(&self) -> Result<(), Fault> {
        if (self.fence)() {
            Ok(())
        } else {
            Err(Fault::NotLeading)
        }
    }

    /// Creates what is absent. Seen on real API servers and pinned by a test: an apply that carries resourceVersion "1"
    /// creates what is absent and answers 409 to what is there, where a plain one would merge into a stranger's object.
    pub(crate) async fn create(&self, child: &Child) -> Result<Live, Fault> {
        self.apply(child, "resourceVersion", "1").await
    }

    async fn apply(&self, child: &Child, precondition: &str, value: &str) -> Result<Live, Fault> {
        let mut body = child.body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert(precondition.to_owned(), Value::from(value));
        }
        if child.id.kind == ChildKind::Secret {
            body["data"] = self.values().await?;
        }
        let params = PatchParams::apply(names::FIELD_MANAGER)
            .force()
            .validation_strict();
        self.patch(&child.id, &params, &Patch::Apply(&body), Verb::Apply)
            .await
    }

    /// The values to copy: read now, sent, forgotten.
    async fn values(&self) -> Result<Value, Fault> {
        let Some(copy) = self.copy else {
            return Ok(json!({}));
        };
        let values = self.secrets.copy(copy).await.map_err(Fault::Credentials)?;
        serde_json::to_value(values).map_err(Fault::Serialise)
    }

    async fn patch<P>(
        &self,
        id: &ChildRef,
        params: &PatchParams,
        patch: &Patch<P>,
        verb: Verb,
    ) -> Result<Live, Fault>
    where
        P: serde::Serialize + std::fmt::Debug,
    {
        self.leading()?;
        let api = self.api(id);
        // The answer to a Secret's patch would hold its values: only its metadata is asked for.
        let body = if id.kind == ChildKind::Secret {
            metadata_body(
                &self
                    .timed(api.patch_metadata(&id.name, params, patch))
                    .await?,
            )
        } else {
            serde_json::to_value(self.timed(api.patch(&id.name, params, patch)).await?)
        };
        self.metrics.wrote(id.kind.word(), verb);
        Live::new(id.kind, body.map_err(Fault::Serialise)?).ok_or(Fault::Moved)
    }

    /// Makes what is there as declared: an apply for our fields, a patch for what others put into our lists.
    pub(crate) async fn mend(
        &self,
        child: &Child,
        live: &Live,
        drift: &Drift,
    ) -> Result<Live, Fault> {
        if live.is_going() {
            return Err(Fault::Moved);
        }
        let (mut live, mut drift) = (live.clone(), drift.clone());
        if !drift.changed.is_empty() {
            // 409 when it is gone, 422 when another object has taken its name.
            live = self
                .apply(child, "uid", &live.uid)
                .await
                .map_err(|fault| match fault {
                    Fault::Api(status) if status.code == 409 => Fault::Moved,
                    Fault::Api(status) if status.code == 422 && is_about_uid(&status) => {
                        Fault::Moved
                    }
                    other => other,
                })?;
            drift = steps::drift(child, &live);
        }
        if drift.foreign.is_empty() {
            return Ok(live);
        }
        self.strip(&live, &drift.foreign).await
    }

    /// Keeps a CronJob from starting anything, and changes nothing else of it.
    pub(crate) async fn suspend(&self, live: &Live) -> Result<Live, Fault> {
        let operations = json!([
            {"op": "test", "path": "/metadata/uid", "value": live.uid},
            {"op": "add", "path": "/spec/suspend", "value": true},
        ]);
        self.edit(live, operations).await
    }

    async fn strip(&self, live: &Live, pointers: &[String]) -> Result<Live, Fault> {
        let mut operations =
            vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": live.version})];
        operations.extend(
            pointers
                .iter()
                .map(|path| json!({"op": "remove", "path": path})),
        );
        self.edit(live, Value::from(operations)).await
    }

    /// A JSON patch, whose tests say which object it is for.
    async fn edit(&self, live: &Live, operations: Value) -> Result<Live, Fault> {
        let patch =
            Patch::<()>::Json(serde_json::from_value(operations).map_err(Fault::Serialise)?);
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.patch(&live.id, &params, &patch, Verb::Patch)
            .await
            .map_err(|fault| match fault {
                // A test failed: it has changed since, or is another.
                Fault::Api(status) if matches!(status.code, 404 | 409 | 422) => Fault::Moved,
                other => other,
            })
    }

    /// Starts a run. Its name says which, so one that is there already is this one.
    pub(crate) async fn start(&self, job: &Child) -> Result<Option<Live>, Fault> {
        self.leading()?;
        let object: DynamicObject =
            serde_json::from_value(job.body.clone()).map_err(Fault::Serialise)?;
        let params = PostParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let api = self.api(&job.id);
        match self.timed(api.create(&params, &object)).await {
            Ok(made) => {
                self.metrics.wrote(job.id.kind.word(), Verb::Create);
                let body = serde_json::to_value(made).map_err(Fault::Serialise)?;
                Ok(Live::new(job.id.kind, body))
            }
            Err(Fault::Api(status)) if status.code == 409 => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Deletes this very object, and in the background all that it owns. Gone already is as good.
    pub(crate) async fn delete(&self, id: &ChildRef, uid: &str) -> Result<(), Fault> {
        self.leading()?;
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let api = self.api(id);
        match self.timed(api.delete(&id.name, &params)).await {
            Ok(_) => {
                self.metrics.wrote(id.kind.word(), Verb::Delete);
                Ok(())
            }
            // 409: another object has taken its name.
            Err(Fault::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Looks at one object that no watch shows. A list by name, so that no right to `get` is needed; metadata only.
    pub(crate) async fn look(&self, id: &ChildRef) -> Result<Option<Live>, Fault> {
        let params = ListParams::default().fields(&format!("metadata.name={}", id.name));
        let api = self.api(id);
        let list = self.timed(api.list_metadata(&params)).await?;
        let Some(found) = list.items.first() else {
            return Ok(None);
        };
        let body = metadata_body(found).map_err(Fault::Serialise)?;
        Ok(Live::new(id.kind, body))
    }
}

fn metadata_body(object: &PartialObjectMeta<DynamicObject>) -> Result<Value, serde_json::Error> {
    Ok(json!({"metadata": serde_json::to_value(&object.metadata)?}))
}

fn is_about_uid(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.field == "metadata.uid")
}

/// Whether an object's labels give it the same identity as a child's: the same fleet, kind, namespace and name.
pub(crate) fn is_same_identity(child: &Child, live: &Live) -> bool {
    let keys = [
        names::LABEL_FLEET,
        names::LABEL_KIND,
        names::LABEL_NAMESPACE,
        names::LABEL_NAME,
    ];
    let labels = child.body.pointer("/metadata/labels");
    keys.iter().all(|key| {
        let ours = labels.and_then(|l| l.get(*key)).and_then(Value::as_str);
        ours == live.label(key)
    }) && labels.is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use kube::client::Body;

    use super::*;

    fn labels(name: &str) -> Value {
        json!({
            names::LABEL_FLEET: "f", names::LABEL_KIND: "SocialChannel",
            names::LABEL_NAMESPACE: "aurora", names::LABEL_NAME: name,
        })
    }

    fn child(labels: &Value) -> Child {
        let body = json!({"metadata": {"namespace": "aurora", "name": "x", "labels": labels}});
        Child::new(ChildKind::ConfigMap, &body).unwrap()
    }

    fn live(labels: &Value) -> Live {
        let metadata = json!({"namespace": "aurora", "name": "x", "uid": "u", "labels": labels});
        Live::new(ChildKind::ConfigMap, json!({"metadata": metadata})).unwrap()
    }

    /// A server that refuses everything, and how often it was asked.
    fn server() -> (Client, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let service = tower::service_fn(move |_: axum::http::Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "no"});
            let answer = axum::http::Response::builder()
                .status(500)
                .body(Body::from(status.to_string().into_bytes()));
            std::future::ready(answer)
        });
        (Client::new(service, "default"), asked)
    }

    #[tokio::test]
    async fn who_does_not_lead_writes_nothing() {
        let (client, asked) = server();
        let secrets = crate::resolve::Secrets::new(client.clone());
        let (child, live) = (child(&labels("shop")), live(&labels("shop")));
        for leads in [false, true] {
            let fence: Fence = Arc::new(move || leads);
            let writer = Writer {
                client: client.clone(),
                fence: &fence,
                metrics: &Metrics::new(),
                secrets: &secrets,
                copy: None,
            };
            let foreign = Drift {
                foreign: vec!["/data/x".into()],
                ..Drift::default()
            };
            let changed = Drift {
                changed: vec!["/data/x".into()],
                ..Drift::default()
            };
            let ends = [
                writer.create(&child).await.err(),
                writer.mend(&child, &live, &changed).await.err(),
                writer.mend(&child, &live, &foreign).await.err(),
                writer.start(&child).await.err(),
                writer.suspend(&live).await.err(),
                writer.delete(&child.id, "u").await.err(),
            ];
            for end in ends {
                let fault = end.unwrap();
                assert_eq!(matches!(fault, Fault::NotLeading), !leads, "{fault}");
            }
            // kube tries a 500 again, so how often is its own affair.
            assert_eq!(asked.swap(0, Ordering::SeqCst) > 0, leads);
        }
    }

    /// A server that answers every request with this code, and the bodies that it was sent.
    fn listener(code: u16) -> (Client, Arc<Mutex<Vec<Value>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            let kept = kept.clone();
            async move {
                let body = request.into_body().collect_bytes().await?;
                kept.lock().unwrap().push(serde_json::from_slice(&body)?);
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code});
                let answer = axum::http::Response::builder().status(code);
                let answer = answer.body(Body::from(status.to_string().into_bytes()))?;
                Ok::<_, tower::BoxError>(answer)
            }
        });
        (Client::new(service, "default"), heard)
    }

    /// A name may be somebody else's by the time that the deletion arrives: the server compares the uid. What a Deployment
    /// or CronJob owns goes after it, and is neither left nor waited for.
    #[tokio::test]
    async fn only_this_very_object_is_deleted_and_what_it_owns_with_it() {
        let fence: Fence = Arc::new(|| true);
        for code in [404, 409] {
            let (client, heard) = listener(code);
            let writer = Writer {
                client: client.clone(),
                fence: &fence,
                metrics: &Metrics::new(),
                secrets: &crate::resolve::Secrets::new(client),
                copy: None,
            };
            let child = child(&labels("shop"));
            let done = writer.delete(&child.id, "0815").await;
            assert!(done.is_ok(), "{code}: gone, or another's by now: {done:?}");
            let asked = heard.lock().unwrap().clone();
            let [options] = asked.as_slice() else {
                panic!("{asked:?}");
            };
            assert_eq!(options["preconditions"], json!({"uid": "0815"}));
            assert_eq!(options["propagationPolicy"], "Background");
        }
    }

    #[test]
    fn only_the_same_identity_is_ours() {
        assert!(is_same_identity(
            &child(&labels("shop")),
            &live(&labels("shop"))
        ));
        assert!(!is_same_identity(
            &child(&labels("shop")),
            &live(&labels("other"))
        ));
        assert!(!is_same_identity(
            &child(&labels("shop")),
            &live(&json!({}))
        ));
        assert!(!is_same_identity(&child(&Value::Null), &live(&Value::Null)));
    }
}
