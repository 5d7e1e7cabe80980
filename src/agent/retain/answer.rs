//! What is reported: a preview that somebody may approve, or what the ledger says.

use jiff::Timestamp;

use super::begin::Snapshot;
use super::books;
use super::enforce::Job;
use super::error::Error;
use super::site::Site;
use crate::agent::{Begun, error_chain};
use crate::contract::{Outcome, Preview, PreviewedRule, Report, RetainReport, RetainedRule};

/// How a run came to its end.
#[derive(Debug)]
pub(super) enum Ending {
    /// Every pinned row was judged.
    Finished,
    /// The window was over before that.
    WindowElapsed,
    /// Rows that were erased are there again.
    Returned(i64),
    /// It could not go on.
    Error(Error),
}

/// What is reported.
#[derive(Debug)]
pub(super) struct Answer {
    outcome: Outcome,
    reason: String,
    message: String,
    body: Option<RetainReport>,
}

impl Answer {
    /// Into the report.
    pub(super) fn report(self, begun: Begun) -> Report<RetainReport> {
        begun.ended(self.outcome, &self.reason, &self.message, self.body)
    }

    /// Nothing but the error.
    pub(super) fn error(error: &Error) -> Self {
        Self {
            outcome: error.outcome(),
            reason: error.reason().to_owned(),
            message: error_chain(error),
            body: None,
        }
    }

    /// What a run would do. `awaiting` says why it did not do it.
    pub(super) async fn forecast(
        job: Job<'_>,
        now: Timestamp,
        snapshots: Vec<Snapshot<'_>>,
        awaiting: Option<String>,
    ) -> Result<Self, Error> {
        let mut rules = Vec::new();
        for snapshot in snapshots {
            rules.extend(snapshot.forecast().await?);
        }
        rules.sort_by_key(|(position, _)| *position);
        let rules: Vec<RetainedRule> = rules.into_iter().map(|(_, rule)| rule).collect();
        let seen = |rule: &RetainedRule| PreviewedRule {
            name: rule.name.clone(),
            rows: rule.rows,
            due: rule.due,
        };
        let preview = Preview {
            region: job.task.region.clone(),
            as_of: now.to_string(),
            spec_hash: job.task.spec.spec_hash.clone(),
            rules: rules.iter().map(seen).collect(),
        };
        let free: i64 = rules.iter().map(|rule| rule.remaining).sum();
        let due: i64 = rules.iter().map(|rule| rule.due).sum();
        let (outcome, reason, message) = match awaiting {
            Some(why) => (Outcome::Refused, "AwaitingApproval", why),
            None => {
                let said = format!("{due} rows are due; {free} would be erased now; nothing was");
                (Outcome::Done, "Previewed", said)
            }
        };
        let body = RetainReport {
            run: String::new(),
            preview_as_of: Some(preview.as_of.clone()),
            preview_hash: Some(preview.hash()),
            rules,
        };
        Ok(Self {
            outcome,
            reason: reason.to_owned(),
            message,
            body: Some(body),
        })
    }

    /// What the ledger says of a run. An error of the run is told even when the ledger cannot be read.
    pub(super) async fn from_books(
        sites: &mut [Site],
        run: &str,
        ending: Ending,
    ) -> Result<Self, Error> {
        let rules = match rules(sites, run).await {
            Ok(rules) => rules,
            Err(unreadable) => {
                return match ending {
                    Ending::Error(error) => Err(error),
                    _ => Err(unreadable),
                };
            }
        };
        let sum = |term: fn(&RetainedRule) -> i64| rules.iter().map(term).sum::<i64>();
        let (erased, failed) = (sum(|rule| rule.erased), sum(|rule| rule.failed));
        let (blocked, remaining) = (sum(|rule| rule.blocked), sum(|rule| rule.remaining));
        let done = format!("erased {erased} rows; {blocked} blocked, {remaining} left");
        let (outcome, reason, message) = match ending {
            Ending::Error(error) => (error.outcome(), error.reason(), error_chain(&error)),
            Ending::Returned(rows) => (
                Outcome::Refused,
                "VerificationFailed",
                format!("{done}; {rows} erased rows are there again: see what writes them back"),
            ),
            Ending::Finished | Ending::WindowElapsed if failed > 0 => (
                Outcome::Refused,
                "RowsFailed",
                format!(
                    "{done}; the database refuses to delete {failed}: the log says with what code"
                ),
            ),
            Ending::WindowElapsed => (Outcome::Done, "WindowElapsed", done),
            Ending::Finished => (Outcome::Done, "Done", done),
        };
        let body = RetainReport {
            run: run.to_owned(),
            rules,
            ..RetainReport::default()
        };
        Ok(Self {
            outcome,
            reason: reason.to_owned(),
            message,
            body: Some(body),
        })
    }

    /// What the ledger says of the last run, whoever ran it.
    pub(super) async fn last(sites: &mut [Site], policy: &str) -> Result<Self, Error> {
        let mut last: Option<books::Run> = None;
        for site in &mut *sites {
            if let Some(run) = books::last_run(&mut site.store, policy).await? {
                let newer = last.as_ref().is_none_or(|last| last.now < run.now);
                last = if newer { Some(run) } else { last };
            }
        }
        let Some(run) = last else {
            let message = "no run of this policy has begun in any of its stores".to_owned();
            let (outcome, reason) = (Outcome::Done, "NoRun".to_owned());
            return Ok(Self {
                outcome,
                reason,
                message,
                body: None,
            });
        };
        let rules = rules(sites, &run.id).await?;
        let message = format!("as of {}: what the ledger holds", run.now);
        let reason = run.reason.unwrap_or_else(|| "Unfinished".to_owned());
        let body = RetainReport {
            run: run.id,
            rules,
            ..RetainReport::default()
        };
        Ok(Self {
            outcome: Outcome::Done,
            reason,
            message,
            body: Some(body),
        })
    }
}

/// The run's rules over all stores, in the policy's order.
async fn rules(sites: &mut [Site], run: &str) -> Result<Vec<RetainedRule>, Error> {
    let mut rules = Vec::new();
    for site in sites {
        rules.extend(books::totals(&mut site.store, run).await?);
    }
    rules.sort_by_key(|(position, _)| *position);
    Ok(rules.into_iter().map(|(_, rule)| rule).collect())
}
