//! What of each kind's status matters to other resources, and in which regions it says that something is.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::hub::{self, Kind};
use crate::api::{DataPolicy, DataSubjectRequest, LegalHold, Region, SocialChannel};

impl Kind for Region {
    const KIND: &'static str = "Region";

    fn told(&self) -> u64 {
        let status = self.status.as_ref();
        let id = status.and_then(|s| s.cluster_id.as_ref());
        // Policies repeat why nothing is signed, what this region saw of others' chains, and who named its key.
        let evidence = status.and_then(|s| s.evidence.as_ref());
        let unsigned = evidence.and_then(|told| told.reason.as_ref());
        let behind = evidence.map(|told| {
            // The place, too: what is shown next begins there.
            let places = told.behind.iter().map(|one| (&one.region, one.sequence));
            places.collect::<Vec<_>>()
        });
        let seen = evidence.map(|told| (&told.unproven, &told.untrusted_key));
        let requests = status.and_then(|s| s.requests.as_ref());
        let key = requests.and_then(|told| told.recipient.as_ref());
        // What erased again has done its work, and goes.
        let again = requests.and_then(|told| told.last_handled_reapply.as_ref());
        let schedule = requests.and_then(|told| told.reapply_schedule.as_ref());
        // Policies have a finding of one that is overdue.
        let schedule = schedule.map(|told| (&told.next_at, &told.reason));
        hub::hash(&(id, unsigned, seen, behind, key, again, schedule))
    }

    fn held_in(&self) -> BTreeSet<String> {
        let told = self.status.as_ref().and_then(|s| s.evidence.as_ref());
        let holds = told.is_some_and(|told| !told.inventory.is_empty());
        holds.then(|| self.name_any()).into_iter().collect()
    }
}

impl Kind for SocialChannel {
    const KIND: &'static str = "SocialChannel";

    fn told(&self) -> u64 {
        hub::hash(&self.held_in())
    }

    fn held_in(&self) -> BTreeSet<String> {
        let regions = self.status.iter().flat_map(|s| &s.regions);
        let held = regions.filter(|r| !r.inventory.is_empty());
        held.map(|r| r.name.clone()).collect()
    }
}

impl Kind for DataPolicy {
    const KIND: &'static str = "DataPolicy";

    fn told(&self) -> u64 {
        hub::hash(&self.held_in())
    }

    fn held_in(&self) -> BTreeSet<String> {
        let regions = self.status.iter().flat_map(|s| &s.regions);
        let held = regions.filter(|r| !r.inventory.is_empty());
        held.map(|r| r.name.clone()).collect()
    }
}

impl Kind for LegalHold {
    const KIND: &'static str = "LegalHold";

    fn told(&self) -> u64 {
        let regions = self.status.iter().flat_map(|s| &s.regions);
        let answers = regions.map(|r| {
            let stores = r.stores.iter();
            let stores = stores.map(|s| (&s.name, s.is_in_force(), &s.reason));
            (&r.name, &r.task, stores.collect::<Vec<_>>())
        });
        hub::hash(&(self.held_in(), answers.collect::<Vec<_>>()))
    }

    fn held_in(&self) -> BTreeSet<String> {
        let regions = self.status.iter().flat_map(|s| &s.regions);
        let held = regions.filter(|r| !r.inventory.is_empty());
        held.map(|r| r.name.clone()).collect()
    }
}

impl Kind for DataSubjectRequest {
    const KIND: &'static str = "DataSubjectRequest";

    fn told(&self) -> u64 {
        let regions = self.status.iter().flat_map(|s| &s.regions);
        let answers: Vec<_> = regions.map(|r| (&r.name, r.is_done())).collect();
        let status = self.status.as_ref();
        let receipt = status.and_then(|s| Some(&s.receipt.as_ref()?.hash));
        let same = status.and_then(|s| s.identity_hash.as_ref());
        hub::hash(&(self.held_in(), answers, receipt, same))
    }

    fn held_in(&self) -> BTreeSet<String> {
        let regions = self.status.iter().flat_map(|s| &s.regions);
        let held = regions.filter(|r| !r.inventory.is_empty());
        held.map(|r| r.name.clone()).collect()
    }
}
