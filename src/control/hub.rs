//! The hub's own caches: one robust watch per kind, which says what changed in a way that matters.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::retry::Error;
use crate::apply::Fence;
use crate::clusters::{Limits, Sink, follow};
use crate::metrics::Metrics;

/// What a kind of the hub must be.
pub(super) trait Kind:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name.
    const KIND: &'static str;

    /// What of its status matters to other resources: a change of the rest wakes nobody.
    fn told(&self) -> u64;

    /// The Regions in which its status says that something of it is.
    fn held_in(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }
}

/// What happened to a resource.
pub(super) enum Change<'a, K> {
    /// It came, or changed in what its own controller acts on.
    Meant(&'a K),
    /// Its status changed in what others act on.
    Told(&'a K),
    /// It is gone.
    Gone(&'a K),
}

/// The hub, for whoever has the right to write to it.
pub(super) struct Hub {
    /// To read, and for what is no resource of ours.
    pub(super) client: Client,
    /// The right to write, asked right before each write.
    pub(super) fence: Fence,
}

impl Hub {
    /// The dynamic API of a resource, in its namespace when it has one, to write with at once. A former leader's view is
    /// old: by it a finalizer would go while the new leader still makes something.
    pub(super) fn writing<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
    ) -> Result<Api<DynamicObject>, Error> {
        if !(self.fence)() {
            return Err(Error::NotLeading);
        }
        let (client, resource) = (self.client.clone(), ApiResource::erase::<K>(&()));
        Ok(match object.namespace() {
            Some(namespace) => Api::namespaced_with(client, &namespace, &resource),
            None => Api::all_with(client, &resource),
        })
    }
}

/// When the hub last said something of a kind: what is known of it is as old as that. A watch that nobody answers says
/// nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Mutex<Option<Timestamp>>>);

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Timestamp::now());
    }

    /// Nothing before the first list was read whole.
    pub(super) fn at(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills a kind's cache for as long as the process lives, and says whether its first list is complete. `on_change` is
/// called after the cache knows, with the Regions that the status named before the change or names after it: one that has
/// just lost an entry no longer says where it was.
pub(super) fn fill<K: Kind>(
    client: &Client,
    limits: &Limits,
    metrics: &Metrics,
    (writer, heard): (Writer<K>, Heard),
    on_change: impl FnMut(Change<'_, K>, BTreeSet<String>) + Send + 'static,
) -> watch::Receiver<bool> {
    let (tell, ready) = watch::channel(false);
    let pulse = Arc::new(metrics.watch("hub", K::KIND, None));
    let sink = Changes {
        writer,
        heard,
        tell,
        seen: HashMap::new(),
        on_change,
    };
    tokio::spawn(follow(
        Api::<K>::all(client.clone()),
        limits.watch(),
        limits.silence(),
        pulse,
        sink,
    ));
    ready
}

struct Changes<K: Kind, F> {
    writer: Writer<K>,
    heard: Heard,
    tell: watch::Sender<bool>,
    seen: HashMap<ObjectRef<K>, Seen>,
    on_change: F,
}

/// What was known of an object.
struct Seen {
    meant: u64,
    told: u64,
    held_in: BTreeSet<String>,
}

impl<K: Kind, F: FnMut(Change<'_, K>, BTreeSet<String>) + Send> Changes<K, F> {
    fn came(&mut self, object: &K) {
        let held_in = object.held_in();
        let now = Seen {
            meant: meant(object),
            told: object.told(),
            held_in: held_in.clone(),
        };
        let (is_meant, is_told) = (now.meant, now.told);
        let before = self.seen.insert(ObjectRef::from_obj(object), now);
        let change = match &before {
            Some(before) if before.meant == is_meant && before.told == is_told => return,
            Some(before) if before.meant == is_meant => Change::Told(object),
            _ => Change::Meant(object),
        };
        let before = before.map(|before| before.held_in).unwrap_or_default();
        (self.on_change)(change, before.into_iter().chain(held_in).collect());
    }

    fn went(&mut self, object: &K) {
        let before = self.seen.remove(&ObjectRef::from_obj(object));
        let before = before.map(|before| before.held_in).unwrap_or_default();
        let held_in = before.into_iter().chain(object.held_in()).collect();
        (self.on_change)(Change::Gone(object), held_in);
    }
}

impl<K: Kind, F: FnMut(Change<'_, K>, BTreeSet<String>) + Send> Sink<K> for Changes<K, F> {
    fn take(&mut self, event: Event<K>) {
        let event = event.modify(|object| object.meta_mut().managed_fields = None);
        // A list is taken over as a whole: what it doesn't name any more went while nobody watched.
        let before = matches!(event, Event::InitDone).then(|| self.writer.as_reader().state());
        self.writer.apply_watcher_event(&event);
        // A list that begins is a question of ours.
        if !matches!(event, Event::Init | Event::InitApply(_)) {
            self.heard.now();
        }
        match event {
            Event::Apply(object) => self.came(&object),
            Event::Delete(object) => self.went(&object),
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone => {
                let store = self.writer.as_reader();
                for object in store.state() {
                    self.came(&object);
                }
                for old in before.into_iter().flatten() {
                    if store.get(&ObjectRef::from_obj(old.as_ref())).is_none() {
                        self.went(&old);
                    }
                }
                self.tell.send_replace(true);
            }
        }
    }

    fn forbidden(&mut self, message: String) {
        tracing::error!(kind = K::KIND, message, "the hub forbids the watch");
        self.tell.send_replace(false);
    }
}

/// A number that differs when the value does.
pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hash = DefaultHasher::new();
    value.hash(&mut hash);
    hash.finish()
}

/// What a controller acts on: all but the status, and what the API server notes beside.
fn meant<K: Resource>(object: &K) -> u64 {
    let meta = object.meta();
    let mut hash = DefaultHasher::new();
    meta.uid.hash(&mut hash);
    meta.generation.hash(&mut hash);
    meta.deletion_timestamp
        .as_ref()
        .map(|t| t.0)
        .hash(&mut hash);
    meta.labels.hash(&mut hash);
    meta.annotations.hash(&mut hash);
    meta.finalizers.hash(&mut hash);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Region;

    impl Kind for k8s_openapi::api::core::v1::ConfigMap {
        const KIND: &'static str = "ConfigMap";

        fn told(&self) -> u64 {
            self.data.as_ref().map_or(0, |d| d.len() as u64)
        }

        fn held_in(&self) -> BTreeSet<String> {
            self.data.iter().flat_map(|d| d.keys().cloned()).collect()
        }
    }

    type Map = k8s_openapi::api::core::v1::ConfigMap;

    fn map(name: &str, label: &str, keys: usize) -> Map {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "a", "uid": name, "labels": {"l": label}, "resourceVersion": "1"},
            "data": (0..keys).map(|k| (k.to_string(), String::new())).collect::<std::collections::BTreeMap<_, _>>(),
        }))
        .unwrap()
    }

    fn told(events: Vec<Event<Map>>) -> Vec<String> {
        let (tx, rx) = std::sync::mpsc::channel();
        let mut sink = Changes {
            writer: Writer::default(),
            heard: Heard::default(),
            tell: watch::channel(false).0,
            seen: HashMap::new(),
            on_change: move |change: Change<'_, Map>, held_in: BTreeSet<String>| {
                let (word, object) = match change {
                    Change::Meant(o) => ("meant", o),
                    Change::Told(o) => ("told", o),
                    Change::Gone(o) => ("gone", o),
                };
                let held_in: Vec<_> = held_in.into_iter().collect();
                let line = format!("{word} {} {}", object.name_any(), held_in.join(","));
                tx.send(line.trim_end().to_owned()).unwrap();
            },
        };
        for event in events {
            sink.take(event);
        }
        drop(sink);
        rx.into_iter().collect()
    }

    #[test]
    fn only_what_matters_is_said() {
        let said = told(vec![
            Event::Init,
            Event::InitApply(map("x", "1", 0)),
            Event::InitDone,
            Event::Apply(map("x", "1", 0)),
            Event::Apply(map("x", "1", 1)),
            Event::Apply(map("x", "2", 1)),
            Event::Delete(map("x", "2", 1)),
        ]);
        assert_eq!(said, ["meant x", "told x 0", "meant x 0", "gone x 0"]);
    }

    #[test]
    fn a_region_that_the_status_no_longer_names_is_said_once_more() {
        let said = told(vec![
            Event::Init,
            Event::InitDone,
            Event::Apply(map("x", "1", 2)),
            Event::Apply(map("x", "1", 1)),
            Event::Apply(map("x", "2", 1)),
            Event::Delete(map("x", "2", 0)),
        ]);
        assert_eq!(said, ["meant x 0,1", "told x 0,1", "meant x 0", "gone x 0"]);
    }

    #[test]
    fn a_new_list_tells_only_the_difference() {
        let said = told(vec![
            Event::Init,
            Event::InitApply(map("x", "1", 0)),
            Event::InitApply(map("y", "1", 0)),
            Event::InitDone,
            Event::Init,
            Event::InitApply(map("y", "1", 0)),
            Event::InitApply(map("z", "1", 0)),
            Event::InitDone,
        ]);
        let mut first = said[..2].to_vec();
        first.sort();
        assert_eq!(first, ["meant x", "meant y"]);
        assert_eq!(said[2..], ["meant z", "gone x"]);
    }

    #[test]
    fn a_region_is_told_by_its_version_of_the_truth() {
        // A Region's own controller writes only its status: nothing of that may wake it again.
        let region = |status: &str| -> Region {
            serde_json::from_value(serde_json::json!({
                "metadata": {"name": "r", "uid": "u", "generation": 1},
                "spec": {"jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
                    "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
                "status": {"unreachableSince": status},
            }))
            .unwrap()
        };
        assert_eq!(meant(&region("a")), meant(&region("b")));
        assert_eq!(region("a").told(), region("b").told());
    }
}
