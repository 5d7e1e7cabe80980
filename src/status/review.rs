//! Whether a hold's review date lies ahead.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::reason::Word;
use super::said::wanted;
use crate::api::LegalHold;
use crate::api::condition::{ConditionType, Truth, Wanted};
use crate::plan::reason::Word as PlanWord;
use crate::plan::review_on;

/// Whether somebody is to look at it again; and when that changes by itself. The day ends everywhere in UTC.
pub(super) fn current(hold: &LegalHold, now: Timestamp) -> (Wanted, Option<Timestamp>) {
    let kind = ConditionType::ReviewCurrent;
    if hold.spec.release.is_some() {
        let reason = PlanWord::Released.because("it is released: there is nothing to review");
        return (wanted(kind, Truth::True, reason), None);
    }
    let Some(day) = review_on(hold) else {
        let reason = PlanWord::ReviewDateInvalid.because("spec.reviewOn is no date");
        return (wanted(kind, Truth::False, reason), None);
    };
    let over = day.tomorrow().ok();
    let over = over.and_then(|next| next.to_zoned(TimeZone::UTC).ok());
    let over = over.map(|next| next.timestamp());
    if over.is_some_and(|over| over <= now) {
        let message = format!(
            "the review date {day} has passed, and the hold holds on: move spec.reviewOn, or release it"
        );
        return (
            wanted(kind, Truth::False, Word::ReviewPassed.because(message)),
            None,
        );
    }
    let message = format!("somebody looks again on {day}");
    (
        wanted(kind, Truth::True, Word::ReviewAhead.because(message)),
        over,
    )
}
