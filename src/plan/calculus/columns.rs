//! Keeps that name columns: what they keep of a row, and what stays with it on no ground of its own.
//!
//! A run of retention takes rows whole, so what the law does not name waits for what it does. That is told, not hidden: a
//! request takes it before.

use super::{Claim, NAMED};

/// A sentence for each of the keeps that name columns, of the first few.
pub(super) fn sentences(claims: &[&Claim<'_>]) -> Vec<String> {
    let first = claims.iter().take(NAMED);
    first.filter_map(|claim| sentence(claim)).collect()
}

fn sentence(claim: &Claim<'_>) -> Option<String> {
    let (columns, others) = claim.ground.columns(claim.rule);
    if columns.is_empty() {
        return None;
    }
    let law = claim.ground.reference();
    let kept = names(columns.iter().map(String::as_str));
    if others.is_empty() {
        return Some(format!(
            "of a row {law} keeps {kept}: the other columns stay with that on no ground of their own, also in a request, \
             for which keep.others says what goes"
        ));
    }
    let others = names(others.iter().map(|other| other.name.as_str()));
    Some(format!(
        "of a row {law} keeps {kept}: {others} stay with that in a run on no ground of their own, and go by a request before"
    ))
}

fn names<'n>(all: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let mut names: Vec<String> = all.take(NAMED).map(str::to_owned).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
