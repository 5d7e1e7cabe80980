//! Secrets on the hub: their metadata is watched where a namespace opted in, a value is read when it changed, and only
//! hashes are kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::plan::{SecretCopy, SecretFact};

/// A read that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a first list may take before what it would say counts as unreadable for now; its end wakes us.
const FIRST_LIST: Duration = Duration::from_secs(3);
/// How long a watch lives: shorter than a connection without a sign of life. A namespace that opts out is noticed when
/// it is renewed.
const WATCH_SECONDS: u32 = 60;

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
    pub fn new(client: Client) -> (Self, mpsc::UnboundedReceiver<SecretChanged>) {
        let (changed, receiver) = mpsc::unbounded_channel();
        let watch = Self {
            client,
            followed: Mutex::default(),
            hashed: Mutex::default(),
            changed,
        };
        (watch, receiver)
    }

    /// The values themselves, for `apply` alone.
    #[must_use]
    pub fn values(&self) -> Secrets {
        Secrets {
            client: self.client.clone(),
        }
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
            let task = tokio::spawn(run(
                Api::namespaced(self.client.clone(), namespace),
                namespace.to_owned(),
                writer,
                Ends {
                    tell,
                    changed: self.changed.clone(),
                },
            ));
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

struct Ends {
    tell: watch::Sender<Known>,
    changed: mpsc::UnboundedSender<SecretChanged>,
}

impl Ends {
    /// Says what is known now; whoever waits for a Secret of the namespace is woken when that is news.
    fn say(&self, namespace: &str, known: Known) {
        let news = self.tell.send_if_modified(|now| {
            let differs = *now != known;
            *now = known;
            differs
        });
        if news {
            self.wake(namespace, None);
        }
    }

    fn wake(&self, namespace: &str, name: Option<String>) {
        let namespace = namespace.to_owned();
        // Nobody listens any more only when the process ends.
        let _ = self.changed.send(SecretChanged { namespace, name });
    }
}

async fn run(
    api: Api<Meta>,
    namespace: String,
    writer: reflector::store::Writer<Meta>,
    ends: Ends,
) {
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let stream = watcher(api, config)
        .default_backoff()
        .modify(|meta| {
            meta.metadata.managed_fields = None;
            meta.metadata.annotations = None;
        })
        .reflect(writer);
    let mut stream = std::pin::pin!(stream.into_stream());
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Ok(watcher::Event::InitDone) => {
                ends.say(&namespace, Known::Read);
                ends.wake(&namespace, None);
            }
            Ok(watcher::Event::Apply(meta) | watcher::Event::Delete(meta)) => {
                ends.wake(&namespace, meta.metadata.name);
            }
            Err(error) => {
                if let Some(why) = refusal(&namespace, &error) {
                    ends.say(&namespace, Known::Refused(why));
                }
            }
        }
    }
}

/// Why the namespace's Secrets may not be read, when that is what the error says. Another error says nothing new: the
/// watch is tried again, and what was known stays.
fn refusal(namespace: &str, error: &watcher::Error) -> Option<String> {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => return None,
    };
    (code == 403 || code == 401).then(|| {
        format!(
            "Tradewind may not read Secrets in namespace {namespace}: add the namespace to the chart's `tenants`, \
             or use location: Region"
        )
    })
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

    fn forbidden() -> Box<kube::core::Status> {
        let mut status = kube::core::Status::failure("no", "Forbidden").boxed();
        status.code = 403;
        status
    }

    #[test]
    fn only_a_refusal_is_called_one() {
        let list = watcher::Error::InitialListFailed(kube::Error::Api(forbidden()));
        assert!(refusal("aurora", &list).unwrap().contains("tenants"));
        let mut gone = forbidden();
        gone.code = 410;
        assert_eq!(refusal("aurora", &watcher::Error::WatchError(gone)), None);
        assert_eq!(refusal("aurora", &watcher::Error::NoResourceVersion), None);
    }
}
