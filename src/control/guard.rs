//! Around every reconcile: its time is taken, a panic is caught, and its end becomes the next look.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;

use super::hub::Kind;
use super::retry::{Error, Retry, retry};
use super::{Context, FIRST_CONTACT};
use crate::api::DeletionPolicy;
use crate::apply::Again;
use crate::metrics::{self, Outcome};
use crate::plan::Plan;
use crate::resolve::{Look, Looks};

/// A look that is due now still waits this long, so that a clock that stands still doesn't make us spin.
const SOONEST: Duration = Duration::from_secs(1);

/// A kind with a controller of its own.
pub(super) trait Guarded: Kind {
    /// How metrics call it.
    const METRIC: metrics::Kind;
}

impl Guarded for crate::api::Region {
    const METRIC: metrics::Kind = metrics::Kind::Region;
}

impl Guarded for crate::api::SocialChannel {
    const METRIC: metrics::Kind = metrics::Kind::SocialChannel;
}

impl Guarded for crate::api::DataPolicy {
    const METRIC: metrics::Kind = metrics::Kind::DataPolicy;
}

impl Guarded for crate::api::LegalHold {
    const METRIC: metrics::Kind = metrics::Kind::LegalHold;
}

impl Guarded for crate::api::DataSubjectRequest {
    const METRIC: metrics::Kind = metrics::Kind::DataSubjectRequest;
}

/// When a resource is looked at again, if nothing wakes it before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// Something could not be written in a region.
    pub(super) again: Option<Again>,
    /// It changes by itself then.
    pub(super) wake_at: Option<Timestamp>,
}

/// What was about to be done is no longer right: once more, from the start.
pub(super) fn soon() -> Next {
    Next {
        again: Some(Again::Soon),
        wake_at: None,
    }
}

/// Runs a reconcile.
pub(super) async fn guarded<K, F>(
    object: Arc<K>,
    context: Arc<Context>,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F + Send,
) -> Result<Action, Error>
where
    K: Guarded,
    F: Future<Output = Result<Next, Error>>,
{
    let begun = Instant::now();
    let uid = object.uid().unwrap_or_default();
    let result = contained(reconcile(object.clone(), context.clone())).await;
    let outcome = match &result {
        Ok(_) => Outcome::Done,
        Err(Error::Panicked) => Outcome::Panicked,
        Err(_) => Outcome::Failed,
    };
    context
        .report
        .reconciled(K::METRIC, begun.elapsed(), outcome);
    let next = result?;
    Ok(action(&context, &uid, next))
}

/// A panic ends this reconcile and nothing else.
async fn contained(reconcile: impl Future<Output = Result<Next, Error>>) -> Result<Next, Error> {
    let end = AssertUnwindSafe(reconcile).catch_unwind().await;
    end.unwrap_or(Err(Error::Panicked))
}

fn action(context: &Context, uid: &str, next: Next) -> Action {
    let after = match next.again {
        Some(Again::Soon) => Some(context.attempts.next(uid)),
        Some(Again::Later) => Some(context.attempts.slow(uid)),
        None => {
            context.attempts.reset(uid);
            None
        }
    };
    let due = next.wake_at.map(|at| {
        let left = at.duration_since((context.clock)());
        Duration::try_from(left).unwrap_or_default().max(SOONEST)
    });
    match (after, due) {
        (Some(a), Some(b)) => Action::requeue(a.min(b)),
        (Some(one), None) | (None, Some(one)) => Action::requeue(one),
        (None, None) => Action::await_change(),
    }
}

/// What kube calls when a reconcile fails.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(super) fn error_policy<K: Guarded + Debug>(
    object: Arc<K>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    context.report.failed(K::METRIC, object.as_ref(), error);
    if matches!(error, Error::Panicked) {
        let note = "Tradewind failed on this resource by a bug of its own; it is tried again. Others are not affected.";
        context.report.warn(object.as_ref(), "Panicked", note);
    }
    let uid = object.uid().unwrap_or_default();
    match retry(error) {
        Retry::Wait => Action::await_change(),
        Retry::Slow => Action::requeue(context.attempts.slow(&uid)),
        Retry::Backoff => Action::requeue(context.attempts.next(&uid)),
    }
}

/// Whether a region that the resource is about is still being connected for the first time: what would be said of it now
/// would be wrong a moment later. A resource that is being deleted is about every region: one of them may hold what no
/// status remembers. Only for so long, lest one silent region keeps the others waiting.
pub(super) fn is_early<W>(context: &Context, uid: &str, looks: &Looks, plan: &Plan<W>) -> bool {
    let everywhere = plan.deleting == Some(DeletionPolicy::Delete);
    let connecting = looks.iter().any(|(region, look)| {
        let is_asked = everywhere || plan.regions.contains_key(region);
        is_asked
            && matches!(look, Look::Unknown(unreachable) if unreachable.cause.is_first_contact())
    });
    is_waiting(context, uid, connecting)
}

/// Whether something that is about to be known is waited for, and not for too long yet.
pub(super) fn is_waiting(context: &Context, uid: &str, for_it: bool) -> bool {
    let mut waiting = context
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if !for_it {
        waiting.remove(uid);
        return false;
    }
    let since = waiting.entry(uid.to_owned()).or_insert_with(Instant::now);
    since.elapsed() < FIRST_CONTACT
}

/// The look that follows an early one.
pub(super) fn later(context: &Context) -> Next {
    let wait = jiff::SignedDuration::try_from(FIRST_CONTACT).unwrap_or_default();
    Next {
        again: None,
        wake_at: (context.clock)().checked_add(wait).ok(),
    }
}

/// The earlier of two times.
pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_reconcile_only() {
        let end = contained(async {
            tokio::task::yield_now().await;
            panic!("a bug")
        })
        .await;
        assert!(matches!(end, Err(Error::Panicked)), "{end:?}");
        let next = contained(async { Ok(Next::default()) }).await;
        assert_eq!(next.unwrap(), Next::default());
    }
}
