//! When a region has nothing left to do for a hold that is released.

use super::Held;
use crate::contract::HeldStore;

impl Held<'_> {
    /// Whether every store has answered the very task that releases the hold, and holds no more.
    pub(super) fn is_over(&self) -> bool {
        let entries = self.hold.status.iter().flat_map(|status| &status.regions);
        let mut entries = entries.filter(|entry| entry.name == self.region);
        let entry = entries.find(|entry| entry.task.as_ref() == Some(&self.config_map()));
        let is_done = |store: &HeldStore| {
            let mut told = entry.iter().flat_map(|entry| &entry.stores);
            let told = told.find(|told| told.name == store.store);
            told.is_some_and(|told| told.reason.is_none() && !told.is_in_force())
        };
        self.task.release.is_some()
            && !self.task.stores.is_empty()
            && self.task.stores.iter().all(is_done)
    }
}
