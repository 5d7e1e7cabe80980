//! Why a run ended without an answer, and what the Job should make of it.

use super::fault::{Fault, Trouble};
use super::refusal::Refusal;
use super::{cutoff, settings};
use crate::agent::blur::NoRandomness;
use crate::contract::Outcome;

/// Why a run ended without an answer. What it had done until then stands in the ledger.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The task's words are wrong.
    #[error("the task is wrong")]
    Settings(#[from] settings::Error),
    /// The file with the URL is not there.
    #[error("store `{store}`: cannot read its URL: mount the Secret that the Region names")]
    UrlUnreadable {
        /// The store.
        store: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no URL.
    #[error(
        "store `{store}`: its Secret holds no URL such as postgres://role:password@host/database?sslmode=verify-full"
    )]
    UrlInvalid {
        /// The store.
        store: String,
    },
    /// Nobody answers.
    #[error("store `{store}` does not answer")]
    Silent {
        /// The store.
        store: String,
    },
    /// No connection.
    #[error("store `{store}` cannot be reached")]
    Unreachable {
        /// The store.
        store: String,
        /// What happened.
        #[source]
        fault: Fault,
    },
    /// The login in the URL is no good.
    #[error("store `{store}` refuses the role, password or database of its URL")]
    Login {
        /// The store.
        store: String,
        /// What the server said.
        #[source]
        fault: Fault,
    },
    /// The database's clock says something that is no time.
    #[error("store `{store}`: the database's clock makes no sense")]
    Clock {
        /// The store.
        store: String,
    },
    /// Somebody else works on it.
    #[error("another run of this policy works on store `{store}`")]
    AnotherRun {
        /// The store.
        store: String,
    },
    /// Rules that cannot run; at least one.
    #[error("{}", first(.0))]
    Refused(Vec<Refusal>),
    /// No cut-off for a rule.
    #[error("rule `{rule}`")]
    Cutoff {
        /// The rule.
        rule: String,
        /// Why.
        #[source]
        source: cutoff::Error,
    },
    /// Small counts could not be hidden.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The books could not be set up.
    #[error("store `{store}`: its schema `tradewind` holds books that this release cannot use")]
    Books {
        /// The store.
        store: String,
    },
    /// The books do not add up, which no crash can cause: somebody wrote in them.
    #[error(
        "store `{store}`: the books of rule `{rule}` do not add up: somebody else wrote in schema `tradewind`"
    )]
    Unbalanced {
        /// The store.
        store: String,
        /// The rule.
        rule: String,
    },
    /// The table is not the one that the run began with.
    #[error(
        "rule `{rule}`: its table, key, clock or foreign keys changed during the run: nothing was erased since; the next run begins anew"
    )]
    Drift {
        /// The rule.
        rule: String,
    },
    /// Somebody keeps the whole table locked.
    #[error("rule `{rule}`: another transaction keeps its whole table locked")]
    TableBusy {
        /// The rule.
        rule: String,
    },
    /// A hold names a column of the table that is not there, or is another by now.
    #[error(
        "rule `{rule}`: a hold on its table names a column that was renamed, dropped or given another type: nothing is erased until the hold is released and opened anew"
    )]
    HoldUnclear {
        /// The rule.
        rule: String,
    },
    /// A hold that the hub knows is not in force here.
    #[error(
        "store `{store}`: LegalHold {hold} is not in force here, so nothing is erased: its Job opens it, or the LegalHold's status says why not; if it was released here by hand, record that in its spec.release"
    )]
    HoldNotInForce {
        /// The store.
        store: String,
        /// The hold's id.
        hold: String,
    },
    /// Nobody knows which holds the hub has by now.
    #[error(
        "store `{store}`: the list of legal holds is older than {max_age}, so nothing is erased: the hub {seen}; see that the hub reaches this region and that both clocks are right, or change spec.holds.maxAge of the Region"
    )]
    HoldsStale {
        /// The store.
        store: String,
        /// What is known of it.
        seen: String,
        /// The bound.
        max_age: String,
    },
    /// Somebody who opens or releases a hold does not commit.
    #[error("store `{store}`: another transaction keeps the list of holds locked")]
    HoldsBusy {
        /// The store.
        store: String,
    },
    /// What the database has to carry cannot be seen, so nobody knows whether it can carry more.
    #[error(
        "store `{store}`: its replicas, slots or transactions cannot be seen, by which a run spares it: nothing was erased since; GRANT pg_read_all_stats to its role"
    )]
    Signals {
        /// The store.
        store: String,
        /// What happened; nothing when the server hides them.
        #[source]
        source: Option<Fault>,
    },
    /// The server counts no dead rows, and the policy says how many are too many.
    #[error(
        "store `{store}`: its server does not count dead rows (`track_counts` is off), by which `retention.throttle.deadRowsPercent` spares it: nothing was erased since; switch it on, or take that bound out"
    )]
    Uncounted {
        /// The store.
        store: String,
    },
    /// A partition is on its way out, and other transactions still use the table.
    #[error(
        "rule `{rule}`: a partition of its table is being detached and waits for other transactions: none of its rows is erased, and the next pod goes on"
    )]
    Detaching {
        /// The rule.
        rule: String,
    },
    /// Rows are out of their table, and may come back.
    #[error(
        "store `{store}`: a partition is detached from a table of the task, and its rows are not seen for now: nobody can say what they are; the next pod looks again, once the run that detached it has dropped it or put it back"
    )]
    Outside {
        /// The store.
        store: String,
    },
    /// A partition that is to go back does not fit any more.
    #[error(
        "rule `{rule}`: a detached partition cannot be attached again, as `tradewind.partition` has it: none of its rows is erased; attach it, or drop what stands in its place"
    )]
    Stranded {
        /// The rule.
        rule: String,
        /// What the server said.
        #[source]
        fault: Fault,
    },
    /// An administrator of the database said stop.
    #[error(
        "store `{store}`: a row of `tradewind.stop` says stop: nothing was erased since; delete it, and the next run goes on"
    )]
    Switched {
        /// The store.
        store: String,
    },
    /// The store was restored to a state of before an erasure.
    #[error(
        "store `{store}`: its books are behind the erasures that were acknowledged: it was restored, and persons may be back; run `tradewind-agent erase --reapply`"
    )]
    RestoreDetected {
        /// The store.
        store: String,
    },
    /// The store was restored to a state of before a restriction.
    #[error(
        "store `{store}`: its books lack restrictions that are in force, so it was restored and shows their rows again: ask for {} once more, each under another name, then lift the one that was lost", named(.lost)
    )]
    RestrictionLost {
        /// The store.
        store: String,
        /// The requests' references.
        lost: Vec<String>,
    },
    /// The suppression store is not what it was.
    #[error(
        "store `{store}`: persons were erased from it, and the suppression store knows of none of its erasures: it was lost or emptied, or another is named; restore it, as nobody would see that a store was restored, and nobody could be erased again"
    )]
    SuppressionLost {
        /// The store.
        store: String,
    },
    /// The suppression store was restored to a state of before an erasure.
    #[error(
        "store `{store}`: its books have erasures that the suppression store lacks, so that one was restored to an older state, and whoever was erased since could not be erased again: run `tradewind-agent erase --reapply`, then ask for every request since that state once more, each under another name"
    )]
    SuppressionBehind {
        /// The store.
        store: String,
    },
    /// Asked to stop.
    #[error("asked to stop: the run continues with the next pod")]
    Stopped,
    /// A statement failed.
    #[error("store `{store}`")]
    Statement {
        /// The store.
        store: String,
        /// What happened.
        #[source]
        fault: Fault,
    },
}

impl Error {
    /// How the Job should take it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Silent { .. }
            | Self::Unreachable { .. }
            | Self::AnotherRun { .. }
            | Self::TableBusy { .. }
            | Self::HoldNotInForce { .. }
            | Self::HoldsStale { .. }
            | Self::HoldsBusy { .. }
            | Self::Signals { .. }
            | Self::Uncounted { .. }
            | Self::NoRandomness(_)
            | Self::Detaching { .. }
            | Self::Outside { .. }
            | Self::Stopped => Outcome::Retry,
            Self::Settings(_)
            | Self::UrlUnreadable { .. }
            | Self::UrlInvalid { .. }
            | Self::Login { .. }
            | Self::Clock { .. }
            | Self::Refused(_)
            | Self::Cutoff { .. }
            | Self::Books { .. }
            | Self::Unbalanced { .. }
            | Self::HoldUnclear { .. }
            | Self::Switched { .. }
            | Self::RestoreDetected { .. }
            | Self::RestrictionLost { .. }
            | Self::SuppressionLost { .. }
            | Self::SuppressionBehind { .. }
            | Self::Stranded { .. }
            | Self::Drift { .. } => Outcome::Refused,
            Self::Statement { fault, .. } => match fault.trouble() {
                Trouble::Lost | Trouble::Conflict | Trouble::Busy | Trouble::RunOpen => {
                    Outcome::Retry
                }
                Trouble::Login
                | Trouble::Referenced
                | Trouble::Denied
                | Trouble::Drifted
                | Trouble::Other => Outcome::Refused,
            },
        }
    }

    /// The word for a condition.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Settings(_) => "TaskInvalid",
            Self::UrlUnreadable { .. } | Self::UrlInvalid { .. } => "StoreUrlInvalid",
            Self::Silent { .. } | Self::Unreachable { .. } => "StoreUnavailable",
            Self::Login { .. } => "StoreLoginRefused",
            Self::Clock { .. } => "StoreClockInvalid",
            Self::AnotherRun { .. } => "AnotherRunActive",
            Self::Refused(refusals) => refusals.first().map_or("Refused", Refusal::reason),
            Self::Cutoff { .. } => "PeriodTooLong",
            Self::Books { .. } => "BooksUnusable",
            Self::NoRandomness(_) => "NoRandomness",
            Self::Unbalanced { .. } => "BooksUnbalanced",
            Self::Drift { .. } => "SchemaDrift",
            Self::TableBusy { .. } => "TableBusy",
            Self::HoldUnclear { .. } => "HoldUnclear",
            Self::HoldNotInForce { .. } => "HoldNotInForce",
            Self::HoldsStale { .. } => "HoldsStale",
            Self::HoldsBusy { .. } => "HoldsBusy",
            Self::Detaching { .. } | Self::Outside { .. } => "PartitionDetaching",
            Self::Stranded { .. } => "PartitionStranded",
            Self::Signals { .. } | Self::Uncounted { .. } => "ThrottleUnreadable",
            Self::Switched { .. } => "StoppedBySwitch",
            Self::RestoreDetected { .. } => "RestoreDetected",
            Self::RestrictionLost { .. } => "RestrictionLost",
            Self::SuppressionLost { .. } => "SuppressionLost",
            Self::SuppressionBehind { .. } => "SuppressionBehind",
            Self::Stopped => "Stopped",
            Self::Statement { fault, .. } => match fault.trouble() {
                Trouble::Lost => "StoreUnavailable",
                Trouble::Conflict | Trouble::Busy => "StoreBusy",
                Trouble::RunOpen => "AnotherRunActive",
                Trouble::Login | Trouble::Denied => "GrantsMissing",
                Trouble::Drifted => "SchemaDrift",
                Trouble::Referenced | Trouble::Other => "StoreFailed",
            },
        }
    }
}

/// The first refusal; the log has them all.
fn first(refusals: &[Refusal]) -> String {
    let text = refusals
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    match refusals.len() {
        0 | 1 => text,
        all => format!("{text} ({} more in the log)", all - 1),
    }
}

/// Requests that a message has room for.
const NAMED: usize = 4;

/// The first of some requests, and how many more there are.
fn named(references: &[String]) -> String {
    let first = references.iter().take(NAMED);
    let first: Vec<String> = first.map(|name| format!("`{name}`")).collect();
    match references.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_must_be_asked_again_are_named_and_the_rest_counted() {
        let error = |count: usize| Error::RestrictionLost {
            store: "shop".to_owned(),
            lost: (1..=count).map(|at| format!("dsr-{at}")).collect(),
        };
        assert!(
            error(2)
                .to_string()
                .contains("ask for `dsr-1`, `dsr-2` once")
        );
        assert!(error(6).to_string().contains("`dsr-4` and 2 more once"));
        assert_eq!(error(1).reason(), "RestrictionLost");
        assert_eq!(error(1).outcome(), Outcome::Refused);
    }
}
