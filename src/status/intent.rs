//! What a status says before the first thing is made in a region: where to look for it, should we be killed in the act.

use std::collections::BTreeMap;

use super::reason::Word;
use crate::api::{
    ChannelRegionStatus, DataPolicyStatus, DataSubjectRequestStatus, HoldRegionStatus,
    InventoryEntry, LegalHoldStatus, PolicyRegionStatus, RegionState, RegionStatus,
    RequestRegionStatus, SocialChannelStatus,
};

/// What is about to be made, by region.
pub type Intent = BTreeMap<String, Vec<InventoryEntry>>;

/// A status of which only its regions' inventories are of interest.
pub trait Announce: Clone + Default {
    /// The same status, in which the regions' inventories are these.
    #[must_use]
    fn announcing(&self, intent: &Intent) -> Self;
}

impl Announce for RegionStatus {
    /// A Region is its own one place.
    fn announcing(&self, intent: &Intent) -> Self {
        let mut status = self.clone();
        if let Some(inventory) = intent.values().next() {
            let evidence = status.evidence.get_or_insert_default();
            evidence.inventory.clone_from(inventory);
        }
        status
    }
}

/// A region's entry in a status, as far as an intent concerns it.
trait Entry {
    /// What says nothing yet but that something is being made.
    fn begun(region: &str, asked_before: Option<&String>) -> Self;
    fn name(&self) -> &str;
    fn inventory(&mut self) -> &mut Vec<InventoryEntry>;
}

fn enter<E: Entry>(entries: &mut Vec<E>, intent: &Intent, asked_before: Option<&String>) {
    for (region, inventory) in intent {
        let at = entries.iter().position(|entry| entry.name() == region);
        let at = at.unwrap_or_else(|| {
            entries.push(E::begun(region, asked_before));
            entries.len() - 1
        });
        entries[at].inventory().clone_from(inventory);
    }
    entries.sort_by(|a, b| a.name().cmp(b.name()));
}

macro_rules! announce {
    ($($status:ty [$($asked:ident)?], $entry:ident { $($absent:ident: $nothing:expr,)* };)*) => {
        $(impl Announce for $status {
            fn announcing(&self, intent: &Intent) -> Self {
                let mut status = self.clone();
                let asked_before = None$(.or(self.$asked.as_ref()))?;
                enter(&mut status.regions, intent, asked_before);
                status
            }
        }

        impl Entry for $entry {
            fn begun(region: &str, asked_before: Option<&String>) -> Self {
                Self {
                    name: region.to_owned(),
                    state: RegionState::Run,
                    reason: Word::Progressing.as_str().to_owned(),
                    message: MESSAGE.to_owned(),
                    ready: None,
                    unreachable_since: None,
                    last_handled_run_at: asked_before.cloned(),
                    inventory: Vec::new(),
                    $($absent: $nothing,)*
                }
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn inventory(&mut self) -> &mut Vec<InventoryEntry> {
                &mut self.inventory
            }
        })*
    };
}

announce! {
    SocialChannelStatus [last_handled_run_at], ChannelRegionStatus {
        uncovered_since: None,
        held: Vec::new(),
        callback_url: None,
        connector: None,
        feeds: Vec::new(),
    };
    DataPolicyStatus [last_handled_run_at], PolicyRegionStatus {
        evidence: None,
        last_run: None,
        unread: Vec::new(),
        waits_since: None,
        next_run: None,
        totals: None,
        decisions: Vec::new(),
        dates: Vec::new(),
        more_dates: None,
        preview: None,
        catalogue: None,
        preview_hash: None,
        approved: None,
    };
    LegalHoldStatus [], HoldRegionStatus {
        task: None,
        stores: Vec::new(),
        tables: Vec::new(),
    };
    DataSubjectRequestStatus [], RequestRegionStatus {
        action: None,
        recipients: Vec::new(),
        lifted: None,
        progress: None,
        reported_at: None,
        suppressed: None,
        delivered: None,
        stores: Vec::new(),
        opted_out: Vec::new(),
        unasked: Vec::new(),
    };
}

const MESSAGE: &str = "it is being made";

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(regions: &[&str]) -> Intent {
        let entry = InventoryEntry {
            kind: "ConfigMap".into(),
            namespace: "a".into(),
            name: "x".into(),
            uid: String::new(),
        };
        let of = |region: &&str| ((*region).to_owned(), vec![entry.clone()]);
        regions.iter().map(of).collect()
    }

    #[test]
    fn what_is_said_already_stays_said() {
        let mut old = SocialChannelStatus::default().announcing(&intent(&["b"]));
        old.regions_ready = Some("0/1".into());
        old.regions[0].inventory.clear();
        old.regions[0].reason = "Uncovered".into();
        let new = old.announcing(&intent(&["b", "a"]));
        assert_eq!(new.regions_ready, old.regions_ready);
        let told: Vec<_> = new
            .regions
            .iter()
            .map(|r| (r.name.as_str(), r.reason.as_str(), r.inventory.len()))
            .collect();
        assert_eq!(told, [("a", "Progressing", 1), ("b", "Uncovered", 1)]);
    }

    #[test]
    fn who_joins_later_is_not_asked_for_what_was_asked_before() {
        let mut old = DataPolicyStatus::default().announcing(&intent(&["a"]));
        assert_eq!(old.regions[0].last_handled_run_at, None, "it is asked");
        old.last_handled_run_at = Some("1".into());
        let new = old.announcing(&intent(&["a", "b"]));
        let told: Vec<_> = new.regions.iter().map(|r| &r.last_handled_run_at).collect();
        assert_eq!(told, [&None, &Some("1".into())]);
    }

    #[test]
    fn a_policy_says_it_too() {
        let new = DataPolicyStatus::default().announcing(&intent(&["a"]));
        assert_eq!(new.regions[0].inventory.len(), 1);
        assert_eq!(new.observed_generation, 0, "nothing is said of the spec");
    }
}
