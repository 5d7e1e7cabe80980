//! What is followed while a connection lives: the namespaces of the cluster, and our children in those that are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::cache::Filler;
use super::children::Children;
use super::connect::check_identity;
use super::follow::{self, Context, Sink};
use super::probe::Failure;
use super::scope::{Child, Follow, Scope};
use super::{Cause, Namespaces};

/// The namespace that every cluster has.
const ALWAYS_THERE: &str = "kube-system";

/// Everything that is followed over one connection. Dropping it ends all of it.
pub(super) struct Session {
    context: Context,
    children: Arc<Children>,
    cluster_id: String,
    /// Rings when a namespace came or went.
    namespaces_changed: Arc<Notify>,
    /// Why the namespaces are not known, or no longer.
    refused: watch::Receiver<Option<Failure>>,
    scopes: BTreeMap<String, JoinSet<()>>,
    /// Held so that it ends with the session.
    _namespaces: JoinSet<()>,
}

impl Session {
    /// Begins with the namespaces; the scopes follow when these are known.
    pub(super) fn open(context: Context, cluster_id: String) -> Self {
        let children = Arc::new(Children::default());
        let namespaces_changed = Arc::new(Notify::new());
        let (refuse, refused) = watch::channel(None);
        let sink = NamespaceNames {
            names: BTreeMap::new(),
            going: BTreeSet::new(),
            listing: false,
            children: children.clone(),
            changed: namespaces_changed.clone(),
            refuse,
        };
        let mut namespaces = JoinSet::new();
        namespaces.spawn(follow_namespaces(context.clone(), sink));
        Self {
            context,
            children,
            cluster_id,
            namespaces_changed,
            refused,
            scopes: BTreeMap::new(),
            _namespaces: namespaces,
        }
    }

    pub(super) fn children(&self) -> Arc<Children> {
        self.children.clone()
    }

    /// Waits until the namespaces changed.
    pub(super) async fn namespaces_changed(&self) {
        self.namespaces_changed.notified().await;
    }

    /// Waits until a cache became readable, or stopped being so.
    pub(super) async fn settled(&self) {
        self.context.settled.notified().await;
    }

    pub(super) fn is_settled(&self) -> bool {
        self.children.is_settled()
    }

    /// Starts and stops watches so that exactly our namespaces are followed. Says whether one came or went.
    pub(super) fn rescope(&mut self, wanted: &Namespaces) -> bool {
        let (gone, due) = self.children.rescope(wanted);
        let changed = !gone.is_empty() || !due.is_empty();
        for namespace in gone {
            self.scopes.remove(&namespace);
        }
        for (namespace, is_run) in due {
            let mut starter = Starter {
                context: &self.context,
                namespace: &namespace,
                tasks: JoinSet::new(),
            };
            let scope = Scope::open(is_run, &mut starter);
            let tasks = starter.tasks;
            self.scopes.insert(namespace.clone(), tasks);
            self.children.add(&namespace, scope);
        }
        changed
    }

    /// What the namespaces say against this connection: forbidden, not all there, or another cluster's.
    pub(super) fn objection(&self) -> Option<Failure> {
        if let Some(failure) = self.refused.borrow().as_ref() {
            return Some(failure.clone());
        }
        let found = self.children.uid(ALWAYS_THERE)?;
        check_identity(&found, Some(&self.cluster_id)).err()
    }
}

struct Starter<'a> {
    context: &'a Context,
    namespace: &'a str,
    tasks: JoinSet<()>,
}

impl Follow for Starter<'_> {
    fn follow<K: Child>(&mut self, filler: Filler<K>) {
        let watch = follow::children(self.context.clone(), self.namespace.to_owned(), filler);
        self.tasks.spawn(watch);
    }
}

async fn follow_namespaces(context: Context, sink: NamespaceNames) {
    let (client, pulse) = context.client("Namespace", None);
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    follow::follow(api, context.config(), context.silence(), pulse, sink).await;
}

/// Keeps name and UID of every namespace: nothing else of theirs is read.
struct NamespaceNames {
    names: BTreeMap<String, String>,
    /// Those that are being deleted: nothing may be made in them.
    going: BTreeSet<String>,
    /// While the list is incomplete what is known stands.
    listing: bool,
    children: Arc<Children>,
    changed: Arc<Notify>,
    refuse: watch::Sender<Option<Failure>>,
}

impl Sink<PartialObjectMeta<Namespace>> for NamespaceNames {
    fn take(&mut self, event: Event<PartialObjectMeta<Namespace>>) {
        match event {
            Event::Init => {
                self.listing = true;
                self.names.clear();
                self.going.clear();
            }
            Event::InitApply(namespace) | Event::Apply(namespace) => {
                let uid = namespace.uid().unwrap_or_default();
                let before = self.names.insert(namespace.name_any(), uid.clone());
                let is_going = namespace.metadata.deletion_timestamp.is_some();
                let was_going = if is_going {
                    !self.going.insert(namespace.name_any())
                } else {
                    self.going.remove(&namespace.name_any())
                };
                if before.as_ref() == Some(&uid) && is_going == was_going {
                    return;
                }
            }
            Event::Delete(namespace) => {
                self.names.remove(&namespace.name_any());
                self.going.remove(&namespace.name_any());
            }
            Event::InitDone => {
                self.listing = false;
                self.refuse.send_replace(None);
            }
        }
        if self.listing {
            return;
        }
        if self.names.contains_key(ALWAYS_THERE) {
            self.children
                .set_namespaces(self.names.clone(), self.going.clone());
        } else {
            // What else it leaves out would be taken for gone, and with it all that it held.
            let message = format!(
                "its list of namespaces is not complete, {ALWAYS_THERE} is missing: nothing is believed of it"
            );
            let failure = Failure::new(Cause::ServerError, message);
            self.refuse.send_replace(Some(failure));
        }
        self.changed.notify_one();
    }

    fn forbidden(&mut self, message: String) {
        let message = format!("namespaces may not be listed and watched: {message}");
        let failure = Failure::new(Cause::Forbidden, message);
        self.refuse.send_replace(Some(failure));
        self.changed.notify_one();
    }
}
