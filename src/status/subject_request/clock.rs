//! The clocks of a request, in a word and in a condition.

use crate::api::RequestDeadline;
use crate::api::condition::{ConditionType, Truth, Wanted};
use crate::plan::{Clocks, Reason};
use crate::status::reason::Word;
use crate::status::said::wanted;

/// The standings, the worst first.
const WORST: [&str; 3] = ["Overdue", "DueSoon", "OnTime"];

/// Open deadlines that have an end.
fn open(clocks: &Clocks) -> impl Iterator<Item = &RequestDeadline> {
    let all = clocks.deadlines.iter();
    all.filter(|deadline| deadline.met_at.is_none() && deadline.ends.is_some())
}

/// How the most pressing open deadline stands, and its end.
pub(super) fn pressing(clocks: &Clocks) -> (Option<String>, Option<String>) {
    let standing = |word: &&&str| open(clocks).any(|it| it.standing.as_deref() == Some(**word));
    let worst = WORST.iter().find(standing);
    let ends = open(clocks).filter_map(|deadline| deadline.ends.as_ref());
    let due = ends.min_by_key(|ends| ends.parse::<jiff::Timestamp>().ok());
    (worst.map(|word| (*word).to_owned()), due.cloned())
}

fn told(deadline: &RequestDeadline) -> String {
    let ends = deadline.ends.as_deref().unwrap_or_default();
    format!(
        "{} of {} before {ends} ({}, {})",
        deadline.step, deadline.regime, deadline.law, deadline.within
    )
}

/// A moment that says nothing takes no alarm away.
fn unclear(problem: &Reason, overdue: &[String]) -> Wanted {
    let (truth, reason) = if overdue.is_empty() {
        (Truth::Unknown, problem.clone())
    } else {
        let why = format!("overdue: {}; {}", overdue.join("; "), problem.message);
        (Truth::False, Word::Overdue.because(why))
    };
    wanted(ConditionType::OnTime, truth, reason)
}

/// Whether every open deadline lies ahead. `undone`: the regions that have not done yet what was asked.
pub(super) fn on_time(clocks: &Clocks, undone: &[&str]) -> Wanted {
    let of = |word: &str| -> Vec<String> {
        let all = open(clocks).filter(|it| it.standing.as_deref() == Some(word));
        all.map(told).collect()
    };
    let (overdue, soon, ahead) = (of("Overdue"), of("DueSoon"), of("OnTime"));
    if let Some(problem) = clocks.problems.first() {
        return unclear(problem, &overdue);
    }
    let missed: Vec<String> = clocks
        .deadlines
        .iter()
        .filter(|it| it.met_at.is_some() && it.standing.as_deref() == Some("Overdue"))
        .map(told)
        .collect();
    let (truth, word, mut message) = if !overdue.is_empty() {
        (
            Truth::False,
            Word::Overdue,
            format!("overdue: {}", overdue.join("; ")),
        )
    } else if !soon.is_empty() {
        (
            Truth::True,
            Word::DueSoon,
            format!("due soon: {}", soon.join("; ")),
        )
    } else if !ahead.is_empty() {
        (Truth::True, Word::OnTime, ahead.join("; "))
    } else if clocks.deadlines.is_empty() {
        let why = "no law of spec.jurisdictions gives a time for a request of this kind, as far as the regime packs know: \
                   nothing here tells you when it is late; answer without delay, and see what your counsel says";
        (Truth::Unknown, Word::NoClock, why.to_owned())
    } else if clocks.deadlines.iter().any(|it| it.met_at.is_none()) {
        let why =
            "no law of spec.jurisdictions has a number for what is open: answer without delay";
        (Truth::Unknown, Word::NoNumber, why.to_owned())
    } else {
        let done = if undone.is_empty() {
            "everything was done".to_owned()
        } else {
            let regions = undone.join(", ");
            format!("the person was answered; not done yet in: {regions}")
        };
        (Truth::True, Word::Answered, done)
    };
    // What was done too late is told before what is well, and after what is still to be done.
    let is_calm = truth == Truth::True && soon.is_empty();
    let word = if is_calm && !missed.is_empty() {
        Word::DoneLate
    } else {
        word
    };
    if !missed.is_empty() {
        message = format!("{message}; done too late: {}", missed.join("; "));
    }
    for note in &clocks.notes {
        message = format!("{message}; {note}");
    }
    wanted(ConditionType::OnTime, truth, word.because(message))
}
