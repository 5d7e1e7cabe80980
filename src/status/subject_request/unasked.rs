//! What a request did not look at in a region.

use crate::api::RequestRegionStatus;
use crate::contract::SEVERAL;
use crate::plan::Unasked;

/// Notes it with what was reported, until that is done: rules that come later change nothing of what was looked at.
pub(super) fn settle(
    entry: &mut RequestRegionStatus,
    old: Option<&RequestRegionStatus>,
    planned: Option<&Unasked>,
) {
    let is_told = old.is_some_and(RequestRegionStatus::is_done);
    let Some(planned) = planned.filter(|_| !is_told && entry.progress.is_some()) else {
        return;
    };
    let tables = || entry.stores.iter().flat_map(|store| &store.tables);
    // Of a channel that was asked nothing is told where the person has no value by which its platform knows them.
    let is_told = |name: &String| tables().any(|it| it.name == *name || it.name == SEVERAL);
    let silent = planned.events.iter().filter(|name| !is_told(name));
    let all: Vec<String> = planned.all.iter().chain(silent).cloned().collect();
    entry.unasked = all;
}

/// So many are named in a sentence; `unasked` has all of them.
const NAMED: usize = 5;

/// The sentence with it.
pub(super) fn with(why: &str, entry: &RequestRegionStatus) -> String {
    let all = &entry.unasked;
    if all.is_empty() {
        return why.to_owned();
    }
    let named = all.iter().take(NAMED).map(String::as_str);
    let named: Vec<&str> = named.collect();
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(
        "{why}; not looked at, as nothing says how the person is found there: {}{more}",
        named.join(", ")
    )
}
