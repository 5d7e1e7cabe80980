//! By when what was erased is gone from backups too.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::api::RegionSpec;

/// How long backups of a region's stores stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Horizons {
    zone: String,
    /// By store, as it was written; those of which nobody said it are not here.
    keeps: BTreeMap<String, String>,
}

impl Horizons {
    /// As the Region says.
    #[must_use]
    pub fn of(region: &RegionSpec) -> Self {
        let keeps = region.data_stores.iter().filter_map(|store| {
            let keep = &store.backups.as_ref()?.keep;
            Some((store.name.clone(), keep.clone()))
        });
        Self {
            zone: region.locale.time_zone.clone(),
            keeps: keeps.collect(),
        }
    }

    /// By when the last backup has gone that may hold what was erased from these stores by `ended`, counted by the region's
    /// calendar. None where nothing was erased, or where nobody said of one of them how long its backups stay.
    #[must_use]
    pub fn gone_by<'a>(
        &self,
        ended: Timestamp,
        stores: impl Iterator<Item = &'a str>,
    ) -> Option<Timestamp> {
        let ended = ended.to_zoned(TimeZone::get(&self.zone).ok()?);
        let mut last = None;
        for store in stores {
            let keep: Span = self.keeps.get(store)?.parse().ok()?;
            let end = ended.checked_add(keep).ok()?.timestamp();
            last = last.max(Some(end));
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_longest_of_the_stores_counts_and_one_unknown_makes_all_unknown() {
        let store = |name: &str, keep: Option<&str>| {
            let mut store = json!({"name": name, "datasets": [], "postgres": {"secretRef": {"name": "s", "key": "url"}}});
            if let Some(keep) = keep {
                store["backups"] = json!({"keep": keep});
            }
            store
        };
        let region: RegionSpec = serde_json::from_value(json!({
            "jurisdictions": ["DE"], "cluster": {"local": {}}, "runNamespace": "runs",
            "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
            "dataStores": [store("orders", Some("P1M")), store("inbox", Some("P5D")), store("old", None), store("odd", Some("P"))],
        }))
        .unwrap();
        let horizons = Horizons::of(&region);
        // Over the change of clocks on 25 October, and to the end of a shorter month.
        let ended: Timestamp = "2026-10-24T10:00:00Z".parse().unwrap();
        let by = |stores: &[&str]| {
            let by = horizons.gone_by(ended, stores.iter().copied());
            by.map(|at| at.to_string())
        };
        assert_eq!(by(&["inbox"]).as_deref(), Some("2026-10-29T11:00:00Z"));
        let both = Some("2026-11-24T11:00:00Z");
        assert_eq!(by(&["inbox", "orders"]).as_deref(), both);
        assert_eq!(by(&["orders", "inbox"]).as_deref(), both);
        for unknown in [
            &[][..],
            &["old"],
            &["orders", "old"],
            &["odd"],
            &["nowhere"],
        ] {
            assert_eq!(by(unknown), None, "{unknown:?}");
        }
    }
}
