//! When people recorded that something was done: what is said of a moment that has not come counts from then on, and nothing
//! was done about a request before it was received.

use jiff::{SignedDuration, Timestamp};

use super::clocks::Clocks;
use crate::api::DataSubjectRequestSpec;
use crate::plan::reason::Word;

/// People write the day, and clocks of machines differ: a moment on the day of the receipt may read as before it, and a receipt as to come.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// Whether a recorded moment has come. A text that is none was recorded once and stays, or is refused by [`heed`].
fn has_come(at: &str, now: Timestamp) -> bool {
    moment(at).is_none_or(|at| at <= now)
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Whether a moment lies so long before the receipt that nothing was done about the request then.
#[must_use]
pub fn precedes(at: Timestamp, received: Timestamp) -> bool {
    received.duration_since(at) > A_DAY
}

/// Whether somebody has seen by now that the person is who they say they are.
#[must_use]
pub fn is_verified(spec: &DataSubjectRequestSpec, now: Timestamp) -> bool {
    let verified = spec.verified.as_ref();
    verified.is_some_and(|done| has_come(&done.at, now))
}

/// Takes out of a spec what is not done yet, and notes in the clocks what is wrong with the rest.
pub(super) fn heed(
    spec: &mut DataSubjectRequestSpec,
    (received, now): (Timestamp, Timestamp),
    clocks: &mut Clocks,
) {
    let mut sight = Sight {
        received,
        now,
        clocks,
    };
    if received.duration_since(now) > CLOCKS {
        sight.clocks.problems.push(Word::ClockInvalid.because(format!(
            "spec.received: {} has not come, and every clock runs from it; make another request under another name",
            spec.received
        )));
        sight.wakes(received);
    }
    sight.mended("acknowledged.at", (&mut spec.acknowledged, A_DAY), |it| {
        &it.at
    });
    sight.mended("extension.at", (&mut spec.extension, A_DAY), |it| &it.at);
    sight.mended("answered.at", (&mut spec.answered, A_DAY), |it| &it.at);
    if let Some(notice) = &mut spec.notice {
        let arrived = &mut notice.acknowledged;
        sight.mended(
            "notice.acknowledged.at",
            (arrived, SignedDuration::ZERO),
            |it| &it.at,
        );
    }
    // Nothing is erased before its time is over: here each hour counts.
    sight.mended(
        "notice.sentAt",
        (&mut spec.notice, SignedDuration::ZERO),
        |it| &it.sent_at,
    );
    sight.kept("refusal.at", &mut spec.refusal, |it| &it.at);
    sight.kept("cancelled.at", &mut spec.cancelled, |it| &it.at);
}

struct Sight<'a> {
    received: Timestamp,
    now: Timestamp,
    clocks: &'a mut Clocks,
}

impl Sight<'_> {
    /// What can be corrected: it has to be right, but for so long before the receipt.
    fn mended<T>(
        &mut self,
        field: &str,
        (told, slack): (&mut Option<T>, SignedDuration),
        at: impl Fn(&T) -> &String,
    ) {
        let Some(text) = told.as_ref().map(|told| at(told).clone()) else {
            return;
        };
        let wrong = match moment(&text) {
            None => format!("{text} is none; write one such as 2026-03-31T23:30:00+02:00"),
            Some(at) if self.received.duration_since(at) > slack => {
                format!("{text} is before spec.received; write when it was done")
            }
            Some(_) => {
                self.ahead(field, &text, told);
                return;
            }
        };
        *told = None;
        let problem = Word::ClockInvalid.because(format!("spec.{field}: {wrong}"));
        self.clocks.problems.push(problem);
    }

    /// What was recorded once and stays: it is done, and no deadline is met by a moment that cannot be.
    fn kept<T>(&mut self, field: &str, told: &mut Option<T>, at: impl Fn(&T) -> &String) {
        let Some(text) = told.as_ref().map(|told| at(told).clone()) else {
            return;
        };
        if moment(&text).is_some_and(|at| precedes(at, self.received)) {
            *told = None;
            self.clocks.notes.push(format!(
                "spec.{field}: {text} is before spec.received and meets no deadline: record spec.answered"
            ));
            return;
        }
        self.ahead(field, &text, told);
    }

    /// What is not done yet.
    fn ahead<T>(&mut self, field: &str, text: &str, told: &mut Option<T>) {
        let Some(at) = moment(text).filter(|at| *at > self.now) else {
            return;
        };
        *told = None;
        let note = format!("spec.{field}: {text} has not come, and does not count before");
        self.clocks.notes.push(note);
        self.wakes(at);
    }

    fn wakes(&mut self, at: Timestamp) {
        self.clocks.wake_at = self.clocks.wake_at.into_iter().chain([at]).min();
    }
}
