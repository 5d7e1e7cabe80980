//! What is reported: numbers from the books, states, no identity.

use super::super::books as runs;
use super::super::store::Store;
use super::began::Began;
use super::books;
use super::error::Error;
use super::site::Site;
use crate::agent::{Begun, blur, error_chain};
use crate::contract::{
    Count, EraseReport, ErasedStore, ErasedTable, Outcome, RecipientState, Report, RequestState,
    ToldRecipient,
};

/// What is reported.
#[derive(Debug)]
pub(super) struct Answer {
    outcome: Outcome,
    reason: String,
    message: String,
    body: Option<EraseReport>,
}

impl Answer {
    /// Into the report.
    pub(super) fn report(mut self, begun: Begun) -> Report<EraseReport> {
        for store in self.body.iter_mut().flat_map(|body| &mut body.stores) {
            store.state = Some(worst(std::slice::from_ref(store)));
        }
        begun.ended(self.outcome, &self.reason, &self.message, self.body)
    }

    /// An error, with what the books say was done before it, if they can be read.
    pub(super) fn error(error: &Error, mut body: Option<EraseReport>) -> Self {
        // Recipients, or events, were not come to: it has not ended, whatever the books say of the tables.
        if let Some(body) = &mut body
            && matches!(body.state, RequestState::Verified | RequestState::Kept)
        {
            body.state = RequestState::LogicallyGone;
        }
        Self {
            outcome: error.outcome(),
            reason: error.reason().to_owned(),
            message: error_chain(error),
            body,
        }
    }

    /// Done in the stores, and somebody is still to be told.
    pub(super) fn untold(body: EraseReport) -> Self {
        let waits = |told: &&ToldRecipient| told.state == RecipientState::Pending;
        let waiting = body.recipients.iter().filter(waits);
        let names: Vec<&str> = waiting.map(|told| told.name.as_str()).collect();
        Self {
            outcome: Outcome::Retry,
            reason: "RecipientNotTold".to_owned(),
            message: format!(
                "done in every store; {} of {} recipients have not taken it and are told again: {}",
                names.len(),
                body.recipients.len(),
                names.join(", ")
            ),
            body: Some(body),
        }
    }

    /// A copy that was delivered.
    pub(super) fn delivered(body: EraseReport) -> Self {
        let rows: Count = tables(&body).map(|table| table.found).sum();
        Self {
            outcome: Outcome::Done,
            reason: "Delivered".to_owned(),
            message: format!("delivered {rows} rows, encrypted to the recipient"),
            body: Some(body),
        }
    }

    /// The same, with what nobody is told any more after it: of these stores' erasures some are missing in the suppression store.
    pub(super) fn although(mut self, stores: &[String]) -> Self {
        if !stores.is_empty() {
            self.message
                .push_str("; the suppression store was older than erasures in ");
            self.message.push_str(&stores.join(", "));
            self.message
                .push_str(": ask once more for every request that has ended since its backup");
        }
        self
    }

    /// What was done, and is told in other words than rows.
    pub(super) fn done(reason: &str, message: String, body: EraseReport) -> Self {
        Self {
            outcome: Outcome::Done,
            reason: reason.to_owned(),
            message,
            body: Some(body),
        }
    }

    /// What the books say.
    pub(super) fn of(body: EraseReport) -> Self {
        let sum = |term: fn(&ErasedTable) -> Count| tables(&body).map(term).sum::<Count>();
        let erased = sum(|table| table.erased);
        let (kept, held) = (sum(|table| table.kept), sum(|table| table.held));
        let (blocked, failed) = (sum(|table| table.blocked), sum(|table| table.failed));
        let undated = sum(|table| table.undated);
        let spared = sum(|table| table.spared);
        let mut done = match sum(|table| table.restricted) {
            rows if rows.is_zero() => {
                format!("erased {erased} rows; {kept} kept by law, {held} held")
            }
            restricted => format!("restricted {restricted} rows: hidden, not erased"),
        };
        if !spared.is_zero() {
            let why = "of erased persons have a clock after their erasure, and stay";
            done = format!("{done}; {spared} rows {why}");
        }
        let (outcome, reason, message) = match body.state {
            RequestState::Verified => (Outcome::Done, "Verified", done),
            RequestState::Kept => (Outcome::Done, "Kept", done),
            RequestState::Lifted => {
                let rows: Count = body.lifted.iter().map(|table| table.rows).sum();
                let said = format!("{rows} rows read as before");
                (Outcome::Done, "Lifted", said)
            }
            RequestState::Forgotten => {
                let then = "it was ended, and who the person is is kept here no longer";
                (Outcome::Done, "Forgotten", format!("{done}: {then}"))
            }
            // It has words of its own.
            RequestState::Removed => (Outcome::Done, "CopyRemoved", done),
            RequestState::Held => {
                let then = "the request goes on once no hold keeps them";
                (Outcome::Done, "Held", format!("{done}: {then}"))
            }
            RequestState::LogicallyGone | RequestState::Pending => {
                let said = format!("{done} so far; the next pod goes on");
                (Outcome::Retry, "Unfinished", said)
            }
            RequestState::Failed => stays(&done, [undated, failed, blocked]),
        };
        Self {
            outcome,
            reason: reason.to_owned(),
            message,
            body: Some(body),
        }
    }
}

/// Why rows stay that should go, by how many of them are undated, failed or blocked.
fn stays(done: &str, [undated, failed, blocked]: [Count; 3]) -> (Outcome, &'static str, String) {
    let (reason, rows, why) = if !undated.is_zero() {
        let why = "rows of erased persons have no clock: nobody can say whether they came later";
        ("RowsUndated", undated, why)
    } else if !failed.is_zero() {
        let why = "the database refuses to erase, or has again: the log says with what SQLSTATE";
        ("RowsFailed", failed, why)
    } else {
        let why = "other rows still refer to: name their tables in the task";
        ("RowsBlocked", blocked, why)
    };
    (Outcome::Refused, reason, format!("{done}; {rows} {why}"))
}

fn tables(body: &EraseReport) -> impl Iterator<Item = &ErasedTable> {
    body.stores.iter().flat_map(|store| &store.tables)
}

/// The worst state of all tables.
fn worst(stores: &[ErasedStore]) -> RequestState {
    let tables = stores.iter().flat_map(|store| &store.tables);
    let states = tables.map(|table| table.state);
    states.min().unwrap_or(RequestState::Pending)
}

/// Adds what was told last of stores that a request was begun in and that are not among those of the report any more. Of one
/// of which nothing was told nobody can say that all is gone.
pub(super) fn beyond(body: &mut EraseReport, began: Began) {
    let mut is_known = true;
    for (name, told) in began {
        if body.stores.iter().any(|store| store.name == name) {
            continue;
        }
        is_known &= told.is_some();
        body.stores.extend(told);
    }
    body.state = match worst(&body.stores) {
        _ if !is_known => RequestState::Pending,
        state => state,
    };
}

/// Adds what was told last of stores that a request is done in.
pub(super) fn with(mut body: EraseReport, done: Vec<ErasedStore>) -> EraseReport {
    body.stores.extend(done);
    body.state = worst(&body.stores);
    body
}

/// A request's numbers over all stores. `suppressed` is how many values of persons are, with the bound of a request that has
/// begun in no store: one that has keeps its own.
pub(super) async fn body(
    sites: &mut [Site],
    (run, reference): (&str, &str),
    (suppressed, present): (i64, u32),
) -> Result<EraseReport, Error> {
    let stores = sites.iter_mut().map(|site| &mut site.store);
    numbers(stores, (run, reference), (suppressed, present)).await
}

/// The same of stores in which nothing is at work.
pub(super) async fn numbers(
    all: impl Iterator<Item = &mut Store>,
    (run, reference): (&str, &str),
    (suppressed, present): (i64, u32),
) -> Result<EraseReport, Error> {
    let mut stores = Vec::new();
    let mut bound = None;
    for store in all {
        let blur = runs::blur(store, run).await?;
        if runs::has_run(store, run).await? {
            bound = bound.max(Some(blur.bound));
        }
        let exact = books::totals(store, run).await?.into_iter();
        stores.push(ErasedStore {
            name: store.name.clone(),
            state: None,
            tables: exact.map(|table| table.blurred(&blur).0).collect(),
        });
    }
    Ok(EraseReport {
        request: reference.to_owned(),
        state: worst(&stores),
        suppressed: blur::alone(bound.unwrap_or(present), suppressed),
        stores,
        ..EraseReport::default()
    })
}
