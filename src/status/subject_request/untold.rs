//! Recipients whom somebody must see to once a region has done all that it can.

use crate::api::RequestRegionStatus;
use crate::contract::{RefusalGround, ToldRecipient};

/// The sentence with the recipients who were given up, may not be told, or refuse.
pub(super) fn with(why: &str, entry: &RequestRegionStatus) -> String {
    let all = entry.recipients.iter();
    let untold: Vec<String> = all
        .filter(|told| told.state.needs_somebody())
        .map(named)
        .collect();
    if untold.is_empty() {
        return why.to_owned();
    }
    format!(
        "{why}; see to these recipients by other means: {}",
        untold.join(", ")
    )
}

fn named(told: &ToldRecipient) -> String {
    let ToldRecipient { name, state, .. } = told;
    let ground = told.ground.map(RefusalGround::name);
    let why = ground.or(told.answer.as_deref());
    match why {
        Some(why) => format!("{name} ({}: {why})", state.name()),
        None => format!("{name} ({})", state.name()),
    }
}
