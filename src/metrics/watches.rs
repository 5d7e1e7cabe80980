//! How long ago each watch gave its last sign of life. Ages are counted when somebody asks, so a dead watch ages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

type Key = (String, &'static str, String);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    live: BTreeMap<(Key, u64), Instant>,
}

/// All watches that live now.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches(Arc<Mutex<Entries>>);

impl Watches {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(
        &self,
        region: &str,
        kind: &'static str,
        namespace: Option<&str>,
    ) -> WatchPulse {
        let key = (
            region.to_owned(),
            kind,
            namespace.unwrap_or_default().to_owned(),
        );
        let mut entries = self.lock();
        // A number of its own: a rebuilt watch must not lose its entry when the one before it is dropped.
        entries.next += 1;
        let id = (key, entries.next);
        entries.live.insert(id.clone(), Instant::now());
        drop(entries);
        WatchPulse {
            watches: self.clone(),
            id,
        }
    }
}

/// One watch's sign of life; its series goes when this is dropped.
#[derive(Debug)]
pub struct WatchPulse {
    watches: Watches,
    id: (Key, u64),
}

impl WatchPulse {
    /// The server answered, or sent something.
    pub fn beat(&self) {
        self.watches
            .lock()
            .live
            .insert(self.id.clone(), Instant::now());
    }

    /// How long ago the last sign of life was.
    #[must_use]
    pub fn age(&self) -> Duration {
        let entries = self.watches.lock();
        entries
            .live
            .get(&self.id)
            .map_or(Duration::ZERO, Instant::elapsed)
    }
}

impl Drop for WatchPulse {
    fn drop(&mut self) {
        self.watches.lock().live.remove(&self.id);
    }
}

impl Collector for Watches {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        // The youngest of a key counts: while a watch is rebuilt there may be two for a moment.
        let mut ages: BTreeMap<Key, f64> = BTreeMap::new();
        for ((key, _), at) in &self.lock().live {
            let age = at.elapsed().as_secs_f64();
            ages.entry(key.clone())
                .and_modify(|least| *least = least.min(age))
                .or_insert(age);
        }
        if ages.is_empty() {
            return Ok(());
        }
        let mut metric = encoder.encode_descriptor(
            "watch_last_event_age_seconds",
            "Time since the server last answered or sent something on a watch",
            None,
            MetricType::Gauge,
        )?;
        for ((region, kind, namespace), age) in ages {
            let labels = [
                ("region", region.as_str()),
                ("kind", kind),
                ("namespace", namespace.as_str()),
            ];
            ConstGauge::new(age).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
