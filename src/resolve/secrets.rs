//! Secrets on the hub: their metadata is watched where a namespace opted in, a value is read when it changed, and only
//! hashes are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Api, Client, ResourceExt};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clusters::{Limits, Sink, follow};
use crate::metrics::Metrics;
use crate::plan::{SecretCopy, SecretFact};

/// A read that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a first list may take before what it would say counts as unreadable for now; its end wakes us.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// A Secret came, changed or went, or a namespace became readable or unreadable (then without a name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretChanged {
    /// The namespace.
    pub namespace: String,
    /// The Secret's name; none: any of them.
    pub name: Option<String>,
}

/// Why credentials could not be read as planned.
#[derive(Debug, Error)]
pub enum SecretsError {
    /// The API server refused or failed, or did not answer in time.
    #[error("Secret {0} on the hub could not be read")]
    Read(String),
    /// It isn't there any more, or isn't what the plan saw: its change wakes us.
    #[error("Secret {0} on the hub changed since it was looked at")]
    Changed(String),
}

/// Whether what a namespace's watch shows may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    NotRead,
    Read,
    Refused(String),
}

type Meta = PartialObjectMeta<Secret>;

struct Followed {
    store: Store<Meta>,
    known: watch::Receiver<Known>,
    task: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was read of a Secret: hashes, never values.
struct Hashed {
    version: (Option<String>, Option<String>),
    hashes: BTreeMap<String, String>,
}

/// The namespaces in which Secrets are looked at.
pub struct SecretWatch {
    client: Client,
    limits: Limits,
    metrics: Metrics,
    followed: Mutex<BTreeMap<String, Followed>>,
    hashed: Mutex<BTreeMap<(String, String), Hashed>>,
    changed: mpsc::UnboundedSender<SecretChanged>,
}

/// One key's value, for a kubeconfig.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// No such Secret, or no such key in it; the message says which.
    Absent(String),
    /// It could not be read.
    Unreadable(String),
    /// The bytes, and a version that changes whenever they do.
    Present(Arc<[u8]>, String),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SecretWatch {
    /// Follows nothing yet. What changes is said to the receiver.
    #[must_use]
    pub fn new(
        client: Client,
        limits: Limits,
        metrics: Metrics,
    ) -> (Self, mpsc::UnboundedReceiver<SecretChanged>) {
        let (changed, receiver) = mpsc::unbounded_channel();
        let watch = Self {
            client,
            limits,
            metrics,
            followed: Mutex::default(),
            hashed: Mutex::default(),
            changed,
        };
        (watch, receiver)
    }

    /// The values themselves, for `apply` alone.
    #[must_use]
    pub fn values(&self) -> Secrets {
        Secrets::new(self.client.clone())
    }

    /// Stops looking at namespaces that nobody asks about any more.
    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        lock(&self.followed).retain(|namespace, _| wanted(namespace));
        lock(&self.hashed).retain(|(namespace, _), _| wanted(namespace));
    }

    /// What the plan may know of a Secret. A read only when it changed since the last.
    pub async fn fact(&self, namespace: &str, name: &str) -> SecretFact {
        let version = match self.version(namespace, name).await {
            Ok(Some(version)) => version,
            Ok(None) => return SecretFact::Absent,
            Err(why) => return SecretFact::Unreadable(why),
        };
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(known) = lock(&self.hashed)
            .get(&key)
            .filter(|h| h.version == version)
        {
            return SecretFact::Present(known.hashes.clone());
        }
        match read(&self.client, namespace, name).await {
            Ok(Some(secret)) => {
                let version = (
                    secret.metadata.uid.clone(),
                    secret.metadata.resource_version.clone(),
                );
                let hashes = hashes(&secret);
                let kept = Hashed {
                    version,
                    hashes: hashes.clone(),
                };
                lock(&self.hashed).insert(key, kept);
                SecretFact::Present(hashes)
            }
            Ok(None) => SecretFact::Absent,
            Err(why) => SecretFact::Unreadable(why),
        }
    }

    /// One key's value, for a kubeconfig. `old` is what was read before: it is returned as long as nothing changed.
    pub async fn value(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        old: Option<&Value>,
    ) -> Value {
        let version = match self.version(namespace, name).await {
            Ok(Some((uid, version))) => {
                format!(
                    "{}/{}/{key}",
                    uid.unwrap_or_default(),
                    version.unwrap_or_default()
                )
            }
            Ok(None) => return Value::Absent(format!("Secret {namespace}/{name} does not exist")),
            Err(why) => return Value::Unreadable(why),
        };
        if let Some(Value::Present(_, known)) = old
            && *known == version
        {
            return Value::Present(bytes_of(old), version);
        }
        match read(&self.client, namespace, name).await {
            Ok(Some(secret)) => match secret.data.and_then(|mut data| data.remove(key)) {
                Some(ByteString(bytes)) => Value::Present(bytes.into(), version),
                None => Value::Absent(format!("Secret {namespace}/{name} has no key {key}")),
            },
            Ok(None) => Value::Absent(format!("Secret {namespace}/{name} does not exist")),
            Err(why) => Value::Unreadable(why),
        }
    }

    /// A Secret's UID and version as the watch shows them; none when it is known not to be there.
    async fn version(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Option<String>, Option<String>)>, String> {
        let (store, mut known) = self.follow(namespace);
        let settled = known.wait_for(|known| *known != Known::NotRead);
        let state = match tokio::time::timeout(FIRST_LIST, settled).await {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) | Err(_) => Known::NotRead,
        };
        match state {
            Known::NotRead => Err(format!(
                "Secrets in namespace {namespace} have not been read yet"
            )),
            Known::Refused(why) => Err(why),
            Known::Read => {
                let found = store.get(&ObjectRef::new(name).within(namespace));
                Ok(found.map(|m| (m.metadata.uid.clone(), m.metadata.resource_version.clone())))
            }
        }
    }

    fn follow(&self, namespace: &str) -> (Store<Meta>, watch::Receiver<Known>) {
        let mut followed = lock(&self.followed);
        let entry = followed.entry(namespace.to_owned()).or_insert_with(|| {
            let (store, writer) = reflector::store();
            let (tell, known) = watch::channel(Known::NotRead);
            let api: Api<Meta> = Api::namespaced(self.client.clone(), namespace);
            let sink = Changes {
                namespace: namespace.to_owned(),
                writer,
                tell,
                changed: self.changed.clone(),
            };
            // A namespace that opts out is noticed when the watch is renewed.
            let (config, silence) = (self.limits.watch(), self.limits.silence());
            let pulse = Arc::new(self.metrics.watch("hub", "Secret", Some(namespace)));
            let task = tokio::spawn(follow(api, config, silence, pulse, sink));
            Followed { store, known, task }
        });
        (entry.store.clone(), entry.known.clone())
    }
}

fn bytes_of(value: Option<&Value>) -> Arc<[u8]> {
    match value {
        Some(Value::Present(bytes, _)) => bytes.clone(),
        _ => Arc::default(),
    }
}

/// Fills one namespace's cache, and says what changed in it.
struct Changes {
    namespace: String,
    writer: reflector::store::Writer<Meta>,
    tell: watch::Sender<Known>,
    changed: mpsc::UnboundedSender<SecretChanged>,
}

impl Changes {
    /// Says what is known now; whoever waits for a Secret of the namespace is woken when that is news.
    fn say(&self, known: Known) {
        let news = self.tell.send_if_modified(|now| {
            let differs = *now != known;
            *now = known;
            differs
        });
        if news {
            self.wake(None);
        }
    }

    fn wake(&self, name: Option<String>) {
        let namespace = self.namespace.clone();
        // Nobody listens any more only when the process ends.
        let _ = self.changed.send(SecretChanged { namespace, name });
    }

    /// Each Secret's version, by name.
    fn versions(&self) -> BTreeMap<String, (Option<String>, Option<String>)> {
        let all = self.writer.as_reader().state();
        let version = |m: &Meta| (m.metadata.uid.clone(), m.metadata.resource_version.clone());
        all.iter().map(|m| (m.name_any(), version(m))).collect()
    }
}

impl Sink<Meta> for Changes {
    fn take(&mut self, event: Event<Meta>) {
        let event = event.modify(|meta| {
            meta.metadata.managed_fields = None;
            meta.metadata.annotations = None;
        });
        match event {
            Event::Init | Event::InitApply(_) => self.writer.apply_watcher_event(&event),
            Event::InitDone => {
                let before = self.versions();
                self.writer.apply_watcher_event(&event);
                self.say(Known::Read);
                let now = self.versions();
                let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
                for name in names {
                    if before.get(name) != now.get(name) {
                        self.wake(Some(name.clone()));
                    }
                }
            }
            Event::Apply(ref meta) | Event::Delete(ref meta) => {
                let name = meta.metadata.name.clone();
                self.writer.apply_watcher_event(&event);
                // Only now: who is woken reads the cache.
                self.wake(name);
            }
        }
    }

    fn forbidden(&mut self, _: String) {
        let namespace = &self.namespace;
        self.say(Known::Refused(format!(
            "Tradewind may not read Secrets in namespace {namespace}: add the namespace to the chart's `tenants`, \
             or use location: Region"
        )));
    }
}

async fn read(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, String> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    match tokio::time::timeout(DEADLINE, api.get_opt(name)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            Err(format!("Tradewind may not read Secret {namespace}/{name}"))
        }
        Ok(Err(_)) | Err(_) => Err(format!(
            "Secret {namespace}/{name} could not be read; it is tried again"
        )),
    }
}

fn hashes(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), hash(value)))
        .collect()
}

fn hash(value: &ByteString) -> String {
    hex::encode(Sha256::digest(&value.0))
}

/// Reads credentials for a copy, right before it is written; keeps nothing.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The values of a copy's keys, if they are still those that the plan saw.
    pub async fn copy(
        &self,
        copy: &SecretCopy,
    ) -> Result<BTreeMap<String, ByteString>, SecretsError> {
        let whose = || format!("{}/{}", copy.namespace, copy.from);
        let secret = read(&self.client, &copy.namespace, &copy.from)
            .await
            .map_err(|_| SecretsError::Read(whose()))?;
        let mut data = secret.and_then(|s| s.data).unwrap_or_default();
        let mut values = BTreeMap::new();
        for (key, wanted) in &copy.keys {
            match data.remove(key) {
                Some(value) if hash(&value) == *wanted => values.insert(key.clone(), value),
                Some(_) | None => return Err(SecretsError::Changed(whose())),
            };
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(name: &str, version: &str) -> Meta {
        let mut meta = Meta::default();
        meta.metadata.name = Some(name.to_owned());
        meta.metadata.namespace = Some("aurora".to_owned());
        meta.metadata.resource_version = Some(version.to_owned());
        meta
    }

    struct Heard {
        sink: Changes,
        known: watch::Receiver<Known>,
        changed: mpsc::UnboundedReceiver<SecretChanged>,
    }

    impl Heard {
        fn new() -> Self {
            let (_, writer) = reflector::store();
            let (tell, known) = watch::channel(Known::NotRead);
            let (sender, changed) = mpsc::unbounded_channel();
            let sink = Changes {
                namespace: "aurora".to_owned(),
                writer,
                tell,
                changed: sender,
            };
            Self {
                sink,
                known,
                changed,
            }
        }

        fn list(&mut self, all: &[(&str, &str)]) -> Vec<Option<String>> {
            self.sink.take(Event::Init);
            for (name, version) in all {
                self.sink.take(Event::InitApply(meta(name, version)));
            }
            self.sink.take(Event::InitDone);
            self.woken()
        }

        fn woken(&mut self) -> Vec<Option<String>> {
            std::iter::from_fn(|| self.changed.try_recv().ok())
                .map(|changed| changed.name)
                .collect()
        }
    }

    #[test]
    fn a_namespace_that_was_refused_is_read_again() {
        let mut heard = Heard::new();
        heard.list(&[("a", "1"), ("b", "1")]);
        heard.sink.forbidden("no".to_owned());
        let known = heard.known.borrow().clone();
        assert!(matches!(known, Known::Refused(why) if why.contains("tenants")));
        assert_eq!(heard.woken(), [None]);
        let woken = heard.list(&[("a", "2"), ("b", "1")]);
        assert_eq!(*heard.known.borrow(), Known::Read);
        assert_eq!(woken, [None, Some("a".to_owned())]);
    }

    #[test]
    fn a_new_list_tells_only_the_difference() {
        let mut heard = Heard::new();
        assert_eq!(heard.list(&[])[0], None);
        let name = |n: &str| Some(n.to_owned());
        assert_eq!(
            heard.list(&[("a", "1"), ("b", "1")]),
            [name("a"), name("b")]
        );
        assert_eq!(
            heard.list(&[("b", "2"), ("c", "1")]),
            [name("a"), name("b"), name("c")]
        );
        assert_eq!(heard.list(&[("b", "2"), ("c", "1")]), []);
        heard.sink.take(Event::Apply(meta("b", "3")));
        assert_eq!(heard.woken(), [name("b")]);
    }
}
