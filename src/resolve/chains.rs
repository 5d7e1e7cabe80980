//! The regions' chains, as the hub has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::runtime::watcher::Event;
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use crate::api::EvidenceRecord;
use crate::clusters::{Limits, Sink, follow};
use crate::evidence::{Checkpoint, Countersignature, Record};
use crate::metrics::Metrics;
use crate::status::Chain;

/// What became of a region's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It grew.
    Grew,
    /// It was signed, or is another than it was.
    Changed,
}

/// Every region's chain; clones share them. What records say is not kept.
#[derive(Clone)]
pub struct Chains {
    fleet: Arc<str>,
    chains: Arc<Mutex<BTreeMap<String, Chain>>>,
}

impl Chains {
    /// No chain yet.
    #[cfg(test)]
    pub(crate) fn none(fleet: &str) -> Self {
        Self {
            fleet: fleet.into(),
            chains: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Chain>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a region's chain.
    pub fn read<T>(&self, region: &str, read: impl FnOnce(&Chain) -> T) -> T {
        match self.lock().get(region) {
            Some(chain) => read(chain),
            None => read(&Chain::new(&self.fleet, region)),
        }
    }

    fn change(&self, region: &str, change: impl FnOnce(&mut Chain)) {
        let mut chains = self.lock();
        let chain = chains.entry(region.to_owned());
        change(chain.or_insert_with(|| Chain::new(&self.fleet, region)));
    }

    /// Takes in a record that was just written, before its watch tells of it.
    pub fn wrote(&self, record: &Record) {
        self.change(&record.region, |chain| chain.enter(record, Vec::new()));
    }

    /// Takes in another region's signature that was just written to its record.
    pub fn countersigned(&self, made: &Countersignature) {
        self.change(&made.region, |chain| chain.countersign(made));
    }

    /// Forgets a record that was just deleted, since the archive has it.
    pub fn removed(&self, region: &str, sequence: u64) {
        self.change(region, |chain| chain.forget(sequence));
    }

    /// Takes in a signature that was just written to its record.
    pub fn signed(&self, checkpoint: &Checkpoint) {
        self.change(&checkpoint.region, |chain| chain.sign(checkpoint));
    }

    /// Follows the hub's records, and says whether the first list is complete. `on_change` is told whose chain changed.
    pub fn follow(
        hub: &Client,
        fleet: &str,
        (limits, metrics): (&Limits, &Metrics),
        on_change: impl Fn(&str, Turn) + Send + 'static,
    ) -> (Self, watch::Receiver<bool>) {
        let chains = Self {
            fleet: fleet.into(),
            chains: Arc::default(),
        };
        let (tell, ready) = watch::channel(false);
        let sink = Records {
            chains: chains.clone(),
            listed: None,
            tell,
            on_change,
        };
        tokio::spawn(follow(
            Api::<EvidenceRecord>::all(hub.clone()),
            limits.watch(),
            limits.silence(),
            Arc::new(metrics.watch("hub", "EvidenceRecord", None)),
            sink,
        ));
        (chains, ready)
    }
}

/// Fills the chains.
struct Records<F> {
    chains: Chains,
    /// What the list that is being read has shown so far.
    listed: Option<BTreeMap<String, Chain>>,
    tell: watch::Sender<bool>,
    on_change: F,
}

impl<F: Fn(&str, Turn) + Send> Records<F> {
    /// A list is taken over as a whole: what it doesn't name any more went while nobody watched.
    fn listed(&mut self) {
        let Some(listed) = self.listed.take() else {
            return;
        };
        let regions: BTreeSet<String> = {
            let mut chains = self.chains.lock();
            let regions = chains.keys().chain(listed.keys()).cloned().collect();
            *chains = listed;
            regions
        };
        self.tell.send_replace(true);
        for region in regions {
            (self.on_change)(&region, Turn::Changed);
        }
    }
}

impl<F: Fn(&str, Turn) + Send> Sink<EvidenceRecord> for Records<F> {
    fn take(&mut self, event: Event<EvidenceRecord>) {
        match event {
            Event::Init => self.listed = Some(BTreeMap::new()),
            Event::InitApply(record) => {
                let region = record.spec.region.clone();
                let listed = self.listed.get_or_insert_default();
                let chain = listed.entry(region.clone());
                let fleet = &self.chains.fleet;
                chain
                    .or_insert_with(|| Chain::new(fleet, &region))
                    .learn(&record);
            }
            Event::InitDone => self.listed(),
            Event::Apply(record) => {
                let region = record.spec.region.clone();
                self.chains.change(&region, |chain| chain.learn(&record));
                let told = record.status.as_ref();
                let is_signed = told.is_some_and(|told| !told.checkpoints.is_empty());
                let turn = if is_signed { Turn::Changed } else { Turn::Grew };
                (self.on_change)(&region, turn);
            }
            Event::Delete(record) => {
                let region = record.spec.region.clone();
                let sequence = u64::try_from(record.spec.sequence).unwrap_or_default();
                let sealed = self
                    .chains
                    .read(&region, |chain| chain.sealed_to().sequence);
                if sequence > sealed {
                    tracing::error!(
                        record = record.name_any(),
                        "a record of evidence was deleted"
                    );
                }
                self.chains.change(&region, |chain| chain.forget(sequence));
                (self.on_change)(&region, Turn::Changed);
            }
        }
    }

    fn forbidden(&mut self, message: String) {
        tracing::error!(message, "the hub forbids the watch of evidencerecords");
        self.tell.send_replace(false);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::evidence::{About, Entry, Kind, Object, Tip};

    fn records() -> Vec<EvidenceRecord> {
        let mut tip = Tip::genesis("f", "eu");
        let mut all = Vec::new();
        for source in ["a", "b", "c"] {
            let entry = Entry {
                kind: Kind::Run,
                at: Timestamp::UNIX_EPOCH,
                about: About::cluster("DataPolicy", "p"),
                source: source.to_owned(),
                body: Object::new(),
            };
            let record = entry.append("eu", &tip);
            tip = Tip::of(&record);
            all.push(EvidenceRecord::of(&record).unwrap());
        }
        all
    }

    #[test]
    fn a_list_replaces_what_was_known_and_every_change_is_told() {
        let chains = Chains {
            fleet: "f".into(),
            chains: Arc::default(),
        };
        let (said, told) = std::sync::mpsc::channel();
        let mut sink = Records {
            chains: chains.clone(),
            listed: None,
            tell: watch::channel(false).0,
            on_change: move |_: &str, turn| said.send(turn).unwrap(),
        };
        let all = records();
        let known = || chains.read("eu", |chain| (chain.tip().sequence, chain.fault()));
        sink.take(Event::Init);
        for record in &all[..2] {
            sink.take(Event::InitApply(record.clone()));
        }
        assert_eq!(known(), (0, None), "half a list is no list");
        sink.take(Event::InitDone);
        assert_eq!(known(), (2, None));
        sink.take(Event::Apply(all[2].clone()));
        assert_eq!(known(), (3, None));
        sink.take(Event::Delete(all[1].clone()));
        assert_eq!(known(), (3, Some(2)));
        sink.take(Event::Init);
        sink.take(Event::InitDone);
        assert_eq!(known(), (0, None));
        drop(sink);
        let (grew, changed) = (Turn::Grew, Turn::Changed);
        let wanted = [changed, grew, changed, changed];
        assert_eq!(told.into_iter().collect::<Vec<_>>(), wanted);
    }
}
