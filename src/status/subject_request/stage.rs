//! How far a request is, in a word; and whether it is known who the person is.

use jiff::Timestamp;

use super::is_settled;
use crate::api::condition::{ConditionType, Truth, Wanted};
use crate::api::{DataSubjectRequest, RequestAction, RequestRegionStatus, RequestStage};
use crate::plan::reason::Word as PlanWord;
use crate::plan::{is_undecided, is_verified, request_action};
use crate::status::reason::Word;
use crate::status::said::wanted;

/// How far it is.
pub(super) fn stage(
    request: &DataSubjectRequest,
    entries: &[RequestRegionStatus],
    now: Timestamp,
) -> RequestStage {
    let spec = &request.spec;
    let action = request_action(spec);
    let is_done = |name: &String| {
        let mut entries = entries.iter();
        let is_forgotten =
            |entry: &RequestRegionStatus| entry.action == Some(RequestAction::Forget);
        entries.any(|entry| entry.name == *name && entry.is_done() && !is_forgotten(entry))
    };
    let is_hidden = |entry: &RequestRegionStatus| entry.has_begun() && !is_settled(request, entry);
    // Where the Region is gone for good nobody can look after what it keeps.
    let is_forgetting = |entry: &RequestRegionStatus| {
        entry.is_forgetting() && entry.reason != PlanWord::RegionNotFound.as_str()
    };
    let is_left = |entry: &RequestRegionStatus| entry.is_untold() || is_forgetting(entry);
    let waits = |entry: &RequestRegionStatus| {
        [PlanWord::AwaitingNotice, PlanWord::Duplicate]
            .iter()
            .any(|word| word.as_str() == entry.reason)
    };
    if action == RequestAction::Lift && entries.iter().any(is_hidden) {
        RequestStage::Working
    } else if action != RequestAction::Lift && spec.regions.iter().all(is_done) {
        if is_undecided(spec) {
            RequestStage::Restricted
        } else {
            RequestStage::Done
        }
    } else if entries.iter().any(is_left) {
        RequestStage::Working
    } else if spec.cancelled.is_some() {
        RequestStage::Cancelled
    } else if spec.refusal.is_some() {
        RequestStage::Refused
    } else if spec.lifted.is_some() {
        RequestStage::Lifted
    } else if !is_verified(spec, now) {
        RequestStage::Received
    } else if entries.iter().any(waits) {
        RequestStage::Waiting
    } else {
        RequestStage::Working
    }
}

/// Whether somebody saw by now that the person is who they say they are.
pub(super) fn verified(request: &DataSubjectRequest, now: Timestamp) -> Wanted {
    let kind = ConditionType::Verified;
    if let Some(done) = &request.spec.verified {
        if !is_verified(&request.spec, now) {
            let why = format!("spec.verified.at: {} has not come", done.at);
            return wanted(kind, Truth::False, PlanWord::NotVerified.because(why));
        }
        let why = format!("seen by {} at {}", done.by, done.at);
        return wanted(kind, Truth::True, Word::Verified.because(why));
    }
    let why = "spec.verified: nobody has recorded yet that the person is who they say they are";
    wanted(kind, Truth::False, PlanWord::NotVerified.because(why))
}
