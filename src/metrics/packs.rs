//! Whether it is known which packs of facts are in force, and whether some lie there that are not taken. Only the leader asks: of a
//! process that waits to lead no packs are known, and none refused.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The gauges.
#[derive(Clone, Debug, Default)]
pub(super) struct PacksInForce {
    known: Gauge,
    refused: Gauge,
}

impl PacksInForce {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "packs_known",
            "Whether the leader knows which packs are in force: 1 it does, 0 it does not, and nothing is planned until it does",
            self.known.clone(),
        );
        registry.register(
            "packs_refused",
            "Whether what the packs' ConfigMap says now is not in force: 1 it is missing or refused, 0 all is well",
            self.refused.clone(),
        );
    }

    pub(super) fn say(&self, known: bool, refused: bool) {
        self.known.set(i64::from(known));
        self.refused.set(i64::from(refused));
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn until_somebody_says_so_no_packs_are_known() {
        let metrics = Metrics::new();
        let told = |known: u8, refused: u8| {
            let text = metrics.encode().unwrap();
            for (name, value) in [("known", known), ("refused", refused)] {
                let series = format!("\ntradewind_packs_{name} {value}\n");
                assert!(text.contains(&series), "{series} is not in\n{text}");
            }
        };
        told(0, 0);
        metrics.packs(false, true);
        told(0, 1);
        metrics.packs(true, true);
        told(1, 1);
        metrics.packs(true, false);
        told(1, 0);
    }
}
