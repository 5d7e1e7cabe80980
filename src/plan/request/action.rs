//! What the regions do for a request as it stands: what the person asked for, and what people recorded since.

use kube::ResourceExt;

use super::{Stop, Word};
use crate::api::{
    AskedFor, DataSubjectRequest, DataSubjectRequestSpec, Measure, RequestAction,
    RequestRegionStatus,
};
use crate::contract::RequestKind;
use crate::plan::Reason;

/// What is to be done. An objection hides rows until it is decided, as Article 18(1)(d) of the GDPR asks; what was hidden
/// reads as before once the request has ended for whatever reason.
#[must_use]
pub fn action(spec: &DataSubjectRequestSpec) -> RequestAction {
    let ends = spec.lifted.is_some() || spec.cancelled.is_some() || spec.refusal.is_some();
    let measure = spec.upheld.as_ref().map(|upheld| upheld.measure);
    match (spec.kind, measure) {
        (AskedFor::Access | AskedFor::Portability, _) => RequestAction::Copy,
        (AskedFor::Restriction | AskedFor::Objection | AskedFor::OptOut, _) if ends => {
            RequestAction::Lift
        }
        (AskedFor::Erasure, _) | (AskedFor::Objection, Some(Measure::Erase)) => {
            RequestAction::Erase
        }
        (AskedFor::Restriction | AskedFor::Objection, _) => RequestAction::Restrict,
        (AskedFor::OptOut, _) => RequestAction::OptOut,
    }
}

/// The same in one region, by how far it is there. An erasure that is ended in its midst leaves behind who the person is, and
/// that goes; where all is gone only recipients are still to be told, and they are.
#[must_use]
pub fn action_in(
    spec: &DataSubjectRequestSpec,
    entry: Option<&RequestRegionStatus>,
) -> RequestAction {
    let wanted = action(spec);
    let is_ended = spec.cancelled.is_some() || spec.refusal.is_some();
    let Some(entry) = entry.filter(|_| is_ended) else {
        return wanted;
    };
    let is_next = wanted == RequestAction::Lift && entry.is_done();
    match (wanted, entry.action) {
        // Of an objection that was upheld the erasure is ended first, then what it had hidden before is shown again.
        (_, Some(RequestAction::Erase | RequestAction::Forget)) if is_next => wanted,
        (_, Some(RequestAction::Erase)) if entry.is_gone() => RequestAction::Erase,
        (_, Some(RequestAction::Erase | RequestAction::Forget)) => RequestAction::Forget,
        (RequestAction::Erase, None) if entry.has_begun() => RequestAction::Forget,
        _ => wanted,
    }
}

/// The reference of that in the regions' books. One reference is for one task: the erasure after an objection has its own,
/// which no name of a request can be.
#[must_use]
pub fn reference(request: &DataSubjectRequest, action: RequestAction) -> String {
    let name = request.name_any();
    match (request.spec.kind, action) {
        (AskedFor::Objection, RequestAction::Erase | RequestAction::Forget) => {
            format!("{name}_erasure")
        }
        _ => name,
    }
}

/// The reference of the restriction that an objection was until it was upheld: the erasure takes its place.
pub(super) fn superseded(request: &DataSubjectRequest, action: RequestAction) -> Option<String> {
    let erases = matches!(action, RequestAction::Erase | RequestAction::Forget);
    (request.spec.kind == AskedFor::Objection && erases).then(|| request.name_any())
}

/// The same as the agent's task has it.
pub(super) fn kind(spec: &DataSubjectRequestSpec, action: RequestAction) -> RequestKind {
    match action {
        RequestAction::Erase | RequestAction::Forget => RequestKind::Erasure,
        RequestAction::OptOut => RequestKind::OptOut,
        RequestAction::Lift if spec.kind == AskedFor::OptOut => RequestKind::OptOut,
        RequestAction::Restrict | RequestAction::Lift => RequestKind::Restriction,
        RequestAction::Copy if spec.kind == AskedFor::Portability => RequestKind::Portability,
        RequestAction::Copy => RequestKind::Access,
    }
}

/// Whether an objection is still to be decided.
#[must_use]
pub fn is_undecided(spec: &DataSubjectRequestSpec) -> bool {
    spec.kind == AskedFor::Objection
        && spec.upheld.is_none()
        && action(spec) == RequestAction::Restrict
}

/// Why nothing is to be done in a region, if that is so.
pub(super) fn nothing_left(
    spec: &DataSubjectRequestSpec,
    entry: Option<&RequestRegionStatus>,
    stop: Option<&Stop>,
) -> Option<Reason> {
    let action = action_in(spec, entry);
    let is_done = entry.is_some_and(|entry| entry.has_done(action));
    if action == RequestAction::Forget {
        return stop.filter(|_| is_done).map(|stop| stop.reason.clone());
    }
    if action == RequestAction::Lift {
        let is_hidden = entry.is_some_and(RequestRegionStatus::has_begun) && !is_done;
        return stop.filter(|_| !is_hidden).map(|stop| stop.reason.clone());
    }
    if is_done && is_undecided(spec) {
        let why = "the person's rows are hidden here; nobody has recorded yet whether the objection holds: spec.upheld, or \
                   spec.refusal, which shows them again";
        return Some(Word::Undecided.because(why));
    }
    if is_done {
        let why = "it is done here, by the books of every store that was asked";
        return Some(Word::Fulfilled.because(why));
    }
    // What is erased cannot be taken back; who has the same data is told of it, and then nobody knows the person any more.
    let is_untold =
        action == RequestAction::Erase && entry.is_some_and(RequestRegionStatus::is_untold);
    stop.filter(|_| !is_untold).map(|stop| stop.reason.clone())
}

/// A table in which the request has hidden rows, and that no rule names any more: nobody would show them again.
pub(super) fn unmapped(
    entry: Option<&RequestRegionStatus>,
    has: impl Fn(&str, &str) -> bool,
) -> Option<Reason> {
    let stores = entry.iter().flat_map(|entry| &entry.stores);
    let mut tables = stores.flat_map(|store| store.tables.iter().map(move |table| (store, table)));
    let (store, table) = tables.find(|(store, table)| {
        !table.restricted.is_zero()
            && table.name != crate::contract::SEVERAL
            && !has(&store.name, &table.name)
    })?;
    Some(Word::HiddenRowsUnmapped.because(format!(
        "no rule of a DataPolicy gives table {} of store {} dataset.subjects any more, and the request has hidden rows there ({}); \
         give it back for as long as they are to be shown again",
        table.name, store.name, table.restricted
    )))
}
