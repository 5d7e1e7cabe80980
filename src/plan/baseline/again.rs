//! Regions in which whoever was erased should have been looked for again by now, and was not: what an import brought back is
//! there, and nobody sees it. The Region's own status says so.

use jiff::Timestamp;

use super::Ground;
use super::book::{Book, Spot, Told};
use crate::packs::Check;

/// Looks at what each region says of its schedule.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    for place in &ground.places {
        let region = &place.facts.region;
        let Some(schedule) = region
            .status
            .as_ref()
            .and_then(|status| status.requests.as_ref()?.reapply_schedule.as_ref())
            .filter(|schedule| schedule.reason.is_some())
        else {
            continue;
        };
        let due = schedule
            .next_at
            .as_deref()
            .unwrap_or("a moment that passed");
        let message = format!(
            "whoever was erased was to be looked for again in Region {} at {due}, and was not: what an import brought back is there",
            place.name
        );
        for regime in &place.regimes {
            let told = Told::once(
                message.as_str(),
                "mend what status.requests.reapplied of the Region says; after a restore ask by the annotation tradewind.dev/reapply",
            );
            let field = format!("Region {}, spec.requests.reapply", place.name);
            let spot = Spot::here(place.name, field);
            book.enter(regime, Check::ReapplyOverdue, spot, told);
        }
    }
    None
}
