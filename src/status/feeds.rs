//! A channel's feeds in one region.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::reason::Word;
use super::timing::{Firing, Next, upcoming};
use super::{RunEnd, RunObserved};
use crate::api::FeedStatus;
use crate::api::condition::Truth;
use crate::contract::{FeedReport, Outcome};
use crate::plan::{FeedWorkloads, Reason};

/// The feeds' entries, what is to be said of each, and when that changes by itself.
#[derive(Default)]
pub(super) struct Feeds {
    pub(super) entries: Vec<FeedStatus>,
    pub(super) said: Vec<(Truth, Reason)>,
    pub(super) wake_at: Vec<Option<Timestamp>>,
}

/// `planned` is absent where nothing is applied: then what was told stands, with what was seen.
pub(super) fn feeds(
    planned: Option<&BTreeMap<String, FeedWorkloads>>,
    seen: Option<&BTreeMap<String, RunObserved<FeedReport>>>,
    old: &[FeedStatus],
    now: Timestamp,
) -> Feeds {
    let names: Vec<&str> = match planned {
        Some(planned) => planned.keys().map(String::as_str).collect(),
        None => old.iter().map(|feed| feed.name.as_str()).collect(),
    };
    let mut feeds = Feeds::default();
    for name in names {
        let before = old.iter().find(|feed| feed.name == name);
        let run = seen.and_then(|seen| seen.get(name));
        let firing = planned
            .and_then(|planned| planned.get(name))
            .and_then(|feed| Firing::of(&feed.cron_job));
        let mut entry = entry(name, before, run);
        let next = firing.map_or_else(Next::default, |firing| {
            let told = before.and_then(|feed| feed.next_run.as_deref());
            firing.next(told, newest(run, &entry), now)
        });
        entry.next_run = match planned {
            Some(_) => next.at.map(|at| at.to_string()),
            None => upcoming(before.and_then(|feed| feed.next_run.as_deref()), now),
        };
        feeds.said.push(say(&entry, &next));
        feeds.wake_at.push(next.wake_at);
        feeds.entries.push(entry);
    }
    feeds
}

fn newest(run: Option<&RunObserved<FeedReport>>, entry: &FeedStatus) -> Option<Timestamp> {
    let started = run
        .and_then(|run| run.running.as_ref())
        .map(|run| run.started);
    let ended = entry.last_run.as_ref().and_then(|at| at.parse().ok());
    started.max(ended)
}

/// The old entry with what the newest run adds: numbers are those of the last file that was written.
fn entry(
    name: &str,
    before: Option<&FeedStatus>,
    run: Option<&RunObserved<FeedReport>>,
) -> FeedStatus {
    let mut entry = before.cloned().unwrap_or_else(|| FeedStatus {
        name: name.to_owned(),
        ..FeedStatus::default()
    });
    let Some(end) = run.and_then(|run| run.last.as_ref()) else {
        return entry;
    };
    let known = entry.last_run.as_ref().and_then(|at| at.parse().ok());
    if known.is_some_and(|known: Timestamp| known > end.at) {
        // An older Job is all that is left to see.
        return entry;
    }
    entry.last_run = Some(end.at.to_string());
    let report = end.report.as_ref();
    if is_good(end) {
        entry.last_success = Some(end.at.to_string());
        entry.reason = Some("Done".to_owned());
        entry.message = None;
        if let Some(body) = report.and_then(|report| report.body.as_ref()) {
            entry.items = body.items;
            entry.rejected = body.rejected;
            entry.hash = (!body.hash.is_empty()).then(|| body.hash.clone());
        }
        return entry;
    }
    let why = failure(end);
    entry.reason = Some(why.word);
    entry.message = Some(why.message);
    entry
}

fn is_good(end: &RunEnd<FeedReport>) -> bool {
    let said_so = end.report.as_ref().map(|report| report.outcome);
    end.succeeded && said_so.is_none_or(|outcome| outcome == Outcome::Done)
}

fn failure(end: &RunEnd<FeedReport>) -> Reason {
    end.report.as_ref().map_or_else(
        || {
            Word::FeedFailed.because(format!(
                "Job {} failed and left no report: its pod was killed, never started or timed out",
                end.job
            ))
        },
        |report| Reason {
            word: report.reason.clone(),
            message: report.message.clone(),
        },
    )
}

fn say(entry: &FeedStatus, next: &Next) -> (Truth, Reason) {
    let name = &entry.name;
    match (&entry.last_run, &entry.reason) {
        (Some(at), Some(word)) if word != "Done" => {
            let message = entry.message.as_deref().unwrap_or_default();
            let reason = Reason {
                word: word.clone(),
                message: format!("feed {name} failed at {at}: {message}"),
            };
            (Truth::False, reason)
        }
        (last, _) if next.is_overdue => {
            let due = next.at.map(|at| at.to_string()).unwrap_or_default();
            let last = last.as_deref().unwrap_or("never");
            let message = format!(
                "feed {name} was due at {due} and once more since, and did not run (last run: {last}); look at its \
                 CronJob's events"
            );
            (Truth::False, Word::FeedOverdue.because(message))
        }
        (None, _) => {
            let first = next
                .at
                .map_or_else(String::new, |at| format!("; the first run is due at {at}"));
            let message = format!("feed {name} has not run yet{first}");
            (Truth::Unknown, Word::AwaitingFirstRun.because(message))
        }
        (Some(at), _) => {
            let message = format!("feed {name} ran at {at}");
            (Truth::True, Word::Current.because(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_report_that_comes_after_its_jobs_end_is_told() {
        let end = at("2026-11-22T10:00:00Z");
        let seen = |report| RunObserved {
            last: Some(RunEnd {
                job: "j".into(),
                uid: "u".into(),
                scheduled: None,
                started: None,
                at: end,
                succeeded: false,
                report,
            }),
            ..RunObserved::default()
        };
        let early = entry("full", None, Some(&seen(None)));
        assert_eq!(early.reason.as_deref(), Some("FeedFailed"));
        let report = serde_json::from_value(serde_json::json!({
            "version": 1, "command": "feed", "outcome": "Refused", "reason": "Shrunk", "message": "m",
            "startedAt": "2026-11-22T09:59:00Z", "finishedAt": "2026-11-22T09:59:59Z",
        }));
        let late = entry("full", Some(&early), Some(&seen(Some(report.unwrap()))));
        assert_eq!(late.reason.as_deref(), Some("Shrunk"));
    }
}
