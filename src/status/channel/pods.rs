//! What is said of a connector's pods: whether they serve, are on their way, or should have been there long ago.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::condition::{ConditionType, Truth};
use crate::api::{ChannelRegionStatus, SocialChannel};
use crate::plan::Reason;
use crate::status::ChannelObserved;
use crate::status::reason::Word;
use crate::status::resource::Standing;
use crate::status::said::Said;

/// How long pods may take to become ready before their not being so is a failure: a Deployment's own deadline.
const ROLLOUT: SignedDuration = SignedDuration::from_mins(10);

/// How long connectors have not been available.
pub(super) struct Rollout {
    since: Option<Timestamp>,
    is_late: bool,
}

impl Rollout {
    pub(super) fn of(conditions: &[Condition], now: Timestamp) -> Self {
        let since = conditions
            .iter()
            .find(|condition| {
                condition.type_ == ConditionType::ConnectorAvailable.as_str()
                    && condition.status == Truth::False.as_str()
            })
            .map(|condition| condition.last_transition_time.0);
        Self {
            since,
            is_late: since.is_some_and(|since| now.duration_since(since) >= ROLLOUT),
        }
    }

    /// When pods that are still coming are late.
    pub(super) fn wake_at<'a>(
        &self,
        mut ready: impl Iterator<Item = &'a Said>,
    ) -> Option<Timestamp> {
        let progressing = ready.any(|said| said.reason.word == Word::Progressing.as_str());
        let since = self.since.filter(|_| progressing)?;
        since.checked_add(ROLLOUT).ok()
    }
}

/// Whether all pods serve, when nothing else is known.
fn served((desired, ready): (i32, i32)) -> (Truth, Reason) {
    let told = format!("{ready} of {desired} connector pods are ready");
    if ready >= desired {
        (Truth::True, Word::Available.because(told))
    } else {
        (Truth::False, Word::ConnectorUnavailable.because(told))
    }
}

pub(super) fn pods(children: &ChannelObserved, rollout: &Rollout) -> (Truth, Reason) {
    let Some(pods) = children.connector else {
        return (
            Truth::Unknown,
            Word::Progressing.because("the connector is being made"),
        );
    };
    let (truth, reason) = served(pods);
    if truth == Truth::True {
        return (truth, reason);
    }
    let told = reason.message;
    if let Some(waits) = &children.connector_waits {
        let message = format!("{told}; the others wait: {waits}");
        return (Truth::False, Word::ConnectorUnavailable.because(message));
    }
    if rollout.is_late {
        let message = format!("{told}, for more than 10 minutes; look at their logs");
        return (Truth::False, Word::ConnectorUnavailable.because(message));
    }
    (Truth::Unknown, Word::Progressing.because(told))
}

/// What is said of the connector here; nothing where none is wanted and none is left.
pub(super) fn connector(
    standing: &Standing<'_, ChannelObserved>,
    before: Option<&ChannelRegionStatus>,
    channel: &SocialChannel,
    rollout: &Rollout,
) -> Option<Said> {
    channel.spec.connector.as_ref()?;
    let say = |(truth, reason)| Some(Said::of(standing.name, truth, reason));
    if let Some(silence) = standing.sight.silence() {
        return match before.and_then(|entry| entry.connector.as_ref()) {
            Some(pods) if !standing.sight.is_stale => say(served((pods.desired, pods.ready))),
            _ => say((Truth::Unknown, silence)),
        };
    }
    match (standing.sight.known, standing.planned) {
        // What was there before is still there, and serves.
        (Some(known), _) if known.children.connector.is_some() => {
            let (truth, reason) = pods(known.children, rollout);
            // A pod that isn't ready serves nobody, however well its rollout goes.
            let truth = if truth == Truth::Unknown {
                Truth::False
            } else {
                truth
            };
            say((truth, reason))
        }
        (_, Some(reason)) => match standing.planned_truth() {
            Some((Truth::False, _)) => say((
                Truth::False,
                Word::ConnectorMissing.because(format!("there is none: {}", reason.message)),
            )),
            _ => say((Truth::Unknown, reason.clone())),
        },
        (Some(_), None) => say((
            Truth::False,
            Word::Progressing.because("the connector is being made"),
        )),
        (None, None) => say((
            Truth::Unknown,
            Word::Progressing.because("it has not been looked at yet"),
        )),
    }
}
