//! Regions in which whoever was erased should have been looked for again by now, and was not: what an import brought back is
//! there, and nobody sees it. The Region's own status says so; of one that is suspended or does not answer, which says
//! nothing new, its schedule does.

use jiff::Timestamp;

use super::Ground;
use super::book::{Book, Spot, Told};
use crate::api::Region;
use crate::packs::Check;
use crate::plan::placement::earlier;
use crate::plan::request::reapply_times;

/// Looks at each region's schedule. Answers when one is due next, or overdue.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let mut wake_at = None;
    for place in &ground.places {
        let region = &place.facts.region;
        let times = reapply_times(region, ground.now);
        wake_at = earlier(wake_at, times.map(|times| times.wake_at));
        let overdue = times.filter(|times| times.is_overdue);
        let overdue = overdue.map(|times| times.at.to_string());
        let Some(due) = overdue.or_else(|| told(region)) else {
            continue;
        };
        let message = format!(
            "whoever was erased was to be looked for again in Region {} at {due}, and was not: what an import brought back is there",
            place.name
        );
        for regime in &place.regimes {
            let told = Told::once(
                message.as_str(),
                "mend what status.requests.reapplied of the Region says; one that is suspended, or does not answer, does it once that is over; \
                 after a restore ask by the annotation tradewind.dev/reapply",
            );
            let field = format!("Region {}, spec.requests.reapply", place.name);
            let spot = Spot::here(place.name, field);
            book.enter(regime, Check::ReapplyOverdue, spot, told);
        }
    }
    wake_at
}

/// What the Region itself says is overdue.
fn told(region: &Region) -> Option<String> {
    let told = region.status.as_ref()?.requests.as_ref()?;
    let schedule = told.reapply_schedule.as_ref()?;
    schedule.reason.as_ref()?;
    let due = schedule.next_at.clone();
    Some(due.unwrap_or_else(|| "a moment that passed".to_owned()))
}
