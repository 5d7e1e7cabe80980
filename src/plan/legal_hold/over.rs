//! When a region has nothing left to do for a hold that is released.

use super::{Held, is_by_rules, is_in_force};
use crate::contract::HeldStore;
use crate::plan::reason::Word;

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

    /// Whether it is released where nothing ever was to be held: what rules say of the region has nothing of it, no database of
    /// it has said that it holds, and no Job was made there that may have opened it unheard. A store that is missing may hold.
    pub(super) fn has_nothing(&self) -> bool {
        let entries = self.hold.status.iter().flat_map(|status| &status.regions);
        let mut own = entries.filter(|entry| entry.name == self.region);
        let mut scopes = self.hold.spec.scopes.iter();
        self.task.release.is_some()
            && self.task.stores.is_empty()
            && !is_in_force(self.hold, self.region)
            && own.all(|entry| entry.inventory.is_empty())
            && scopes.all(|scope| {
                let word = self.absent(scope).word;
                is_by_rules(scope) && word != Word::StoreNotFound.as_str()
            })
    }
}
