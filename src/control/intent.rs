//! What is about to be made for the first time in a region is told before it is made.
//!
//! Killed right after a write, with that region cut off, a resource would otherwise be deleted in the belief that nothing
//! was made there. And either a Region that is being deleted sees in a status that something is being made in it and
//! waits, or we see here that it is being deleted and make nothing.

use std::fmt::Debug;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use serde::Serialize;

use super::Context;
use super::hub::Kind;
use super::publish::publish;
use super::retry::Error;
use crate::status::{Announce, Intent};

/// A kind whose status lists what was made in regions.
pub(super) trait Announces: Kind + Debug {
    /// Its status.
    type Status: Announce + Serialize;

    /// Its status.
    fn status(&self) -> Option<&Self::Status>;

    /// The same resource with another one's status.
    fn with_status_of(&self, other: &Self) -> Self;
}

macro_rules! announces {
    ($($kind:ty, $status:ty;)*) => {
        $(impl Announces for $kind {
            type Status = $status;

            fn status(&self) -> Option<&Self::Status> {
                self.status.as_ref()
            }

            fn with_status_of(&self, other: &Self) -> Self {
                let mut new = self.clone();
                new.status.clone_from(&other.status);
                new.metadata.resource_version.clone_from(&other.metadata.resource_version);
                new
            }
        })*
    };
}

announces! {
    crate::api::SocialChannel, crate::api::SocialChannelStatus;
    crate::api::DataPolicy, crate::api::DataPolicyStatus;
    crate::api::LegalHold, crate::api::LegalHoldStatus;
    crate::api::DataSubjectRequest, crate::api::DataSubjectRequestStatus;
    crate::api::Region, crate::api::RegionStatus;
}

/// Tells it, when there is anything to tell, and answers the resource as it is then. None when nothing may be made: a
/// Region is on its way out, or our own word has not come back; both are a reason to look again.
pub(super) async fn announce<K: Announces>(
    object: &Arc<K>,
    store: &Store<K>,
    intent: &Intent,
    context: &Context,
) -> Result<Option<Arc<K>>, Error> {
    if intent.is_empty() {
        return Ok(Some(object.clone()));
    }
    let before = object.status().cloned().unwrap_or_default();
    let told = before.announcing(intent);
    let (hub, own) = (&context.hub, object.as_ref());
    publish(hub, store, own, (object.status(), &told)).await?;
    let seen = store
        .get(&ObjectRef::from_obj(own))
        .filter(|now| now.uid() == object.uid());
    let Some(seen) = seen else {
        return Ok(None);
    };
    let held = seen.held_in();
    if !intent.keys().all(|region| held.contains(region)) {
        return Ok(None);
    }
    // Only now: a Region that is told to go after this sees what was told.
    let regions = &context.reader.regions;
    let stays = |region: &String| {
        let region = regions.get(&ObjectRef::new(region));
        region.is_some_and(|region| region.metadata.deletion_timestamp.is_none())
    };
    if !intent.keys().all(stays) {
        publish(hub, store, seen.as_ref(), (seen.status(), &before)).await?;
        return Ok(None);
    }
    Ok(Some(Arc::new(object.with_status_of(&seen))))
}
