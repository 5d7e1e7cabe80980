//! What is reported: a preview that somebody may approve, or what the ledger says.

use jiff::Timestamp;

use super::begin::Snapshot;
use super::books::{self, Run};
use super::enforce::Job;
use super::error::Error;
use super::site::Site;
use crate::agent::blur::{Blur, Seed};
use crate::agent::{Begun, error_chain};
pub(super) use crate::contract::ended::{DONE, WINDOW_ELAPSED};
use crate::contract::ended::{Wait, ended_well};
use crate::contract::{
    CatalogueLook, Count, Outcome, Preview, PreviewedRule, Report, RetainReport, RetainedRule,
};

/// Words that a run's row ends with beside those of [`crate::contract::ended`]: rows that were erased are there again; the tables
/// changed.
pub(super) const VERIFICATION_FAILED: &str = "VerificationFailed";
pub(super) const SCHEMA_DRIFT: &str = "SchemaDrift";
/// The policy, or its approval, is another one now.
pub(super) const SUPERSEDED: &str = "Superseded";
pub(super) const APPROVAL_WITHDRAWN: &str = "ApprovalWithdrawn";
/// No word yet.
const UNFINISHED: &str = "Unfinished";

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
        (snapshots, shape): (Vec<Snapshot<'_>>, String),
        awaiting: Option<String>,
    ) -> Result<Self, Error> {
        let mut rules = Vec::new();
        for snapshot in snapshots {
            rules.extend(snapshot.forecast().await?);
        }
        rules.sort_by_key(|(position, _)| *position);
        // It writes nothing, so nobody keeps the salts of what it counted.
        let blur = Blur {
            bound: job.settings.small_counts,
            seed: Seed::random()?,
        };
        let rules = rules.into_iter().map(|(_, rule)| rule.blurred(&blur).0);
        let rules: Vec<RetainedRule> = rules.collect();
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
            shape: Some(shape),
        };
        let free: Count = rules.iter().map(|rule| rule.remaining).sum();
        let due: Count = rules.iter().map(|rule| rule.due).sum();
        let (outcome, reason, message) = if let Some(why) = awaiting {
            (Outcome::Refused, "AwaitingApproval", why)
        } else {
            let said = format!("{due} rows are due; {free} would be erased now; nothing was");
            (Outcome::Done, "Previewed", said)
        };
        let body = RetainReport {
            run: String::new(),
            preview_as_of: Some(preview.as_of.clone()),
            preview_hash: Some(preview.hash()),
            preview_shape: preview.shape,
            ended_at: None,
            catalogue: None,
            rules,
        };
        Ok(Self {
            outcome,
            reason: reason.to_owned(),
            message,
            body: Some(body),
        })
    }

    /// The same, with what the catalogues say, when there are figures to tell it beside.
    pub(super) fn beside(mut self, look: Option<CatalogueLook>) -> Self {
        if let Some(body) = &mut self.body {
            body.catalogue = look;
        }
        self
    }

    /// The same, with what would keep a run from erasing.
    pub(super) fn warned(mut self, error: &Error) -> Self {
        tracing::warn!(reason = error.reason(), "{error}");
        self.message = format!("{}; a run that erases would not: {error}", self.message);
        self
    }

    /// What the ledger says of a run that ended with `word`.
    pub(super) async fn of(sites: &mut [Site], run: &str, word: &str) -> Result<Self, Error> {
        let rules = rules(sites, run).await?;
        let sum = |term: fn(&RetainedRule) -> Count| rules.iter().map(term).sum::<Count>();
        let (erased, failed) = (sum(|rule| rule.erased), sum(|rule| rule.failed));
        let (blocked, remaining) = (sum(|rule| rule.blocked), sum(|rule| rule.remaining));
        let hidden = match sum(|rule| rule.restricted) {
            rows if rows.is_zero() => String::new(),
            rows => format!(", restricted {rows}"),
        };
        let done = format!("erased {erased} rows{hidden}; {blocked} blocked, {remaining} left");
        let (outcome, reason, message) = match word {
            _ if !failed.is_zero() && ended_well(word) => {
                let more = "the database refuses to erase";
                let said = format!("{done}; {more} {failed}: the log says with what SQLSTATE");
                (Outcome::Refused, "RowsFailed", said)
            }
            DONE | WINDOW_ELAPSED => (Outcome::Done, word, done),
            _ if let Some(wait) = Wait::named(word) => {
                let said = format!("{done}: the window ended while {}", wait.sentence());
                (Outcome::Done, word, said)
            }
            VERIFICATION_FAILED => {
                let said =
                    format!("{done}; erased rows are there again: see what writes them back");
                (Outcome::Refused, word, said)
            }
            UNFINISHED => {
                let said = format!(
                    "{done} so far; the run has not ended, and the next pod goes on with it"
                );
                (Outcome::Refused, word, said)
            }
            _ => (
                Outcome::Refused,
                word,
                format!("{done}; the run was given up"),
            ),
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

    /// An error that ended a run's work, with what the ledger says was done before it, if it can be read.
    pub(super) async fn broken(sites: &mut [Site], run: &str, error: &Error) -> Self {
        let kept = async {
            for site in &mut *sites {
                books::keep(&mut site.store, run).await?;
            }
            Self::of(sites, run, UNFINISHED).await
        };
        let body = kept.await.ok().and_then(|answer| answer.body);
        Self {
            body,
            ..Self::error(error)
        }
    }

    /// What the ledger says of the last run, whoever ran it, or of a Job's run: reading it is all that was to be done.
    pub(super) async fn read_back(
        sites: &mut [Site],
        policy: &str,
        run_of: Option<&str>,
    ) -> Result<Self, Error> {
        let mut runs: Vec<Run> = Vec::new();
        for site in &mut *sites {
            runs.extend(books::recent(&mut site.store, policy, books::RECENT).await?);
        }
        let Some(last) = wanted(&runs, run_of) else {
            let message = match run_of {
                Some(job) => format!(
                    "no run is Job {job}'s in the books of this policy's stores: it never came to its work, or another Job \
                     went on with its run and tells it"
                ),
                None => "no run of this policy has begun in any of its stores".to_owned(),
            };
            let (outcome, reason) = (Outcome::Done, "NoRun".to_owned());
            return Ok(Self {
                outcome,
                reason,
                message,
                body: None,
            });
        };
        let parts = runs.iter().filter(|run| run.id == last.id);
        let ended = parts
            .clone()
            .map(|run| run.ended.as_ref().map(|(at, _)| *at));
        // Ended once every store's part is.
        let ended = ended
            .collect::<Option<Vec<_>>>()
            .into_iter()
            .flatten()
            .max();
        let mut answer = Self::of(sites, &last.id, &word(parts)).await?;
        answer.outcome = Outcome::Done;
        if let Some(body) = answer.body.as_mut() {
            body.ended_at = ended.map(|at| at.to_string());
        }
        Ok(answer)
    }
}

/// The newest run, or a Job's newest. Books from before Jobs were noted name none: there it may be any that is nobody's.
fn wanted<'a>(runs: &'a [Run], run_of: Option<&str>) -> Option<&'a Run> {
    let newest = |is: &dyn Fn(&Run) -> bool| {
        let those = runs.iter().filter(|run| is(run));
        those.max_by_key(|run| run.now)
    };
    let Some(job) = run_of else {
        return newest(&|_| true);
    };
    newest(&|run| run.job.as_deref() == Some(job)).or_else(|| newest(&|run| run.job.is_none()))
}

/// How a run ended over all its stores: the first word that is not `Done`.
pub(super) fn word<'a>(parts: impl Iterator<Item = &'a Run>) -> String {
    let words = parts.map(|run| run.ended.as_ref().map_or(UNFINISHED, |(_, word)| word));
    words
        .fold(DONE, |sum, word| if sum == DONE { word } else { sum })
        .to_owned()
}

/// The run's rules over all stores, in the policy's order.
async fn rules(sites: &mut [Site], run: &str) -> Result<Vec<RetainedRule>, Error> {
    let mut rules = Vec::new();
    for site in sites {
        let blur = books::blur(&mut site.store, run).await?;
        let exact = books::totals(&mut site.store, run).await?.into_iter();
        rules.extend(exact.map(|(position, rule)| (position, rule.blurred(&blur).0)));
    }
    rules.sort_by_key(|(position, _)| *position);
    Ok(rules.into_iter().map(|(_, rule)| rule).collect())
}
