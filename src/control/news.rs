//! What happens elsewhere and makes resources be looked at again: wakes of regions, Secrets, packs. Nothing is looked at before the hub's
//! lists and the packs are known.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::{mpsc, watch};

use super::Context;
use super::triggers::{Known, Triggers};
use crate::clusters::{Identity, Wake, Wakes};
use crate::resolve::SecretChanged;

/// Turns what happens elsewhere into looks.
pub(super) struct News<'a> {
    pub(super) context: &'a Context,
    pub(super) known: &'a Known,
    pub(super) triggers: &'a Triggers,
}

impl News<'_> {
    /// Until the hub's lists and the packs are known. What is wrong with the packs meanwhile is told.
    pub(super) async fn settle(
        &self,
        lists: Vec<(&'static str, watch::Receiver<bool>)>,
        packs_map: Option<&str>,
    ) {
        for (_, mut ready) in lists {
            let _ = ready.wait_for(|ready| *ready).await;
        }
        let mut packs = self.context.reader.packs.clone();
        loop {
            let now = packs.borrow_and_update().clone();
            if now.known {
                return;
            }
            if let (Some(problem), Some(name)) = (now.problem, packs_map) {
                self.refused(name, &problem);
            }
            if packs.changed().await.is_err() {
                // Nobody will ever say which are in force.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Until the process ends.
    pub(super) async fn turn(
        &self,
        mut wakes: Wakes,
        mut secrets: mpsc::UnboundedReceiver<SecretChanged>,
        packs_map: Option<String>,
    ) {
        let mut packs = self.context.reader.packs.clone();
        loop {
            tokio::select! {
                wake = wakes.next() => {
                    let owners = self.owners(&wake);
                    self.triggers.send(self.known.of_wake(&wake, &owners));
                }
                Some(changed) = secrets.recv() => {
                    self.triggers.send(self.known.of_secret(&changed, &self.context.namespace));
                }
                Ok(()) = packs.changed() => {
                    let problem = packs.borrow_and_update().problem.clone();
                    if let (Some(problem), Some(name)) = (problem, &packs_map) {
                        self.refused(name, &problem);
                    }
                    self.triggers.send(self.known.all());
                }
                else => std::future::pending().await,
            }
        }
    }

    /// Whom anything in a region was made for that is to be looked at as a whole.
    fn owners(&self, wake: &Wake) -> BTreeSet<Identity> {
        let Wake::Region(region) = wake else {
            return BTreeSet::new();
        };
        let client = self.context.reader.clusters.get(region);
        client.map_or_else(
            |_| BTreeSet::new(),
            |client| client.holdings().0.into_keys().collect(),
        )
    }

    fn refused(&self, name: &str, problem: &str) {
        tracing::error!(
            config_map = name,
            problem,
            "the packs are not taken: those that were in force stay, and before any were, nothing is planned"
        );
        let map = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            name: Some(name.to_owned()),
            namespace: Some(self.context.namespace.clone()),
            ..ObjectReference::default()
        };
        self.context.report.warn_of(map, "PacksRefused", problem);
    }
}
