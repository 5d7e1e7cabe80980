//! A request whose object is being deleted in its midst: what the regions keep of the person for it, and what was put into a
//! bucket, goes first. Nothing else would ever take it away.

use std::borrow::Cow;

use super::action::{action, action_in};
use super::removal;
use crate::api::{DataSubjectRequest, Reasoned, RequestAction};
use crate::plan::RequestFacts;

/// The request as it is carried out: an erasure that is deleted in its midst is ended as one that was taken back is. What a
/// restriction has hidden stays hidden, and nobody is opted in again, because somebody deletes an object.
#[must_use]
pub fn as_ended(request: &DataSubjectRequest) -> Cow<'_, DataSubjectRequest> {
    let Some(at) = &request.metadata.deletion_timestamp else {
        return Cow::Borrowed(request);
    };
    let spec = &request.spec;
    let is_over = spec.cancelled.is_some() || spec.refusal.is_some();
    if is_over || action(spec) != RequestAction::Erase {
        return Cow::Borrowed(request);
    }
    let mut ended = request.clone();
    ended.spec.cancelled = Some(Reasoned {
        by: "the hub".to_owned(),
        at: at.0.to_string(),
        ground: "the object is being deleted".to_owned(),
    });
    Cow::Owned(ended)
}

/// The facts with that request.
pub(super) fn facts(facts: &RequestFacts) -> Cow<'_, RequestFacts> {
    match as_ended(&facts.request) {
        Cow::Borrowed(_) => Cow::Borrowed(facts),
        Cow::Owned(request) => Cow::Owned(RequestFacts {
            request: request.into(),
            ..facts.clone()
        }),
    }
}

/// Whether it is a copy, of which nothing more is made.
pub(super) fn is_no_longer_copied(request: &DataSubjectRequest) -> bool {
    let is_going = request.metadata.deletion_timestamp.is_some();
    is_going && action(&request.spec) == RequestAction::Copy
}

/// Whether something is left in a region that the deletion waits for.
#[must_use]
pub fn leaves(request: &DataSubjectRequest, region: &str) -> bool {
    let request = as_ended(request);
    if request.metadata.deletion_timestamp.is_none() {
        return false;
    }
    let entry = super::entry(&request, region);
    entry.is_some_and(|entry| match action_in(&request.spec, Some(entry)) {
        RequestAction::Forget => !entry.has_done(RequestAction::Forget),
        RequestAction::Erase => entry.is_untold(),
        RequestAction::Copy => removal::is_left(entry),
        RequestAction::Restrict | RequestAction::Lift | RequestAction::OptOut => false,
    })
}
