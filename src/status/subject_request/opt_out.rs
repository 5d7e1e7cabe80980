//! What status says of an opt-out of a sale or a sharing.

use jiff::Timestamp;

use super::untold;
use crate::api::{RequestAction, RequestRegionStatus};
use crate::contract::{OptedOut, RecipientState, RequestState, SEVERAL, ToldRecipient};
use crate::plan::Reason;
use crate::plan::reason::Word as PlanWord;

/// Where nothing is sold or shared there is nothing to stop, and that is done as soon as it is seen.
pub(super) fn settle(
    entry: &mut RequestRegionStatus,
    planned: Option<&Reason>,
    action: RequestAction,
    now: Timestamp,
) {
    let is_nothing = planned.is_some_and(|why| why.word == PlanWord::NothingToStop.as_str());
    if !is_nothing || entry.is_done() {
        return;
    }
    entry.action = Some(action);
    entry.progress = Some(match action {
        RequestAction::Lift => RequestState::Lifted,
        _ => RequestState::Verified,
    });
    entry.reported_at = Some(now.to_string());
    // Who is listed no more is told no more.
    let is_settled = |told: &ToldRecipient| told.state != RecipientState::Pending;
    entry.recipients.retain(is_settled);
}

/// What was stopped, as a report has it: a channel that it knows no more is stopped all the same, and lifted with the others. One
/// that was not stopped, and is told no more, has nothing to be told. Where
/// it had no room for all, lifting goes by the request's name alone.
pub(super) fn stopped(before: &[OptedOut], told: &[OptedOut]) -> Vec<OptedOut> {
    if told.iter().any(|it| it.channel == SEVERAL) {
        return told.to_vec();
    }
    let is_told = |old: &&OptedOut| {
        let mut told = told.iter();
        told.any(|it| (&it.store, &it.channel) == (&old.store, &old.channel))
    };
    let others = before
        .iter()
        .filter(|old| !is_told(old) && !old.subjects.is_zero())
        .cloned();
    told.iter().cloned().chain(others).collect()
}

/// What it means that it is done.
pub(super) fn fulfilled(entry: &RequestRegionStatus) -> Reason {
    let told = &entry.opted_out;
    if told.is_empty() {
        let why = "no channel here has a sink with saleOrSharing: there was nothing to stop";
        if entry.recipients.is_empty() {
            return PlanWord::NothingToStop.because(why);
        }
        return PlanWord::Fulfilled.because(with_recipients(why, entry));
    }
    let stopped = told.iter().map(OptedOut::stopped);
    let sinks = stopped.fold(0, i64::saturating_add);
    let sinks = format!("sinks that are sent nothing of the person: {sinks}");
    let said = match entry.in_force_since() {
        Some(since) => format!("in force since {since}: {sinks}"),
        None => unstopped(told, &sinks),
    };
    PlanWord::Fulfilled.because(with_recipients(&said, entry))
}

/// That a channel goes on as before, and what somebody is to do about it: the law's clock runs until then.
fn unstopped(told: &[OptedOut], sinks: &str) -> String {
    let channels = told.iter().filter(|one| one.lets_pass());
    let channels: Vec<&str> = channels.map(|one| one.channel.as_str()).collect();
    let channels = match channels.join(", ") {
        all if all == SEVERAL => "one of its channels or more".to_owned(),
        all => all,
    };
    format!(
        "not in force in {channels}: the identity has no value by which the person would be known there; {sinks}. If they may \
         be known there ask again, under another name, with that value too; if they are not record spec.answered, which ends \
         the law's clock"
    )
}

/// How many recipients know of it, and whom somebody has to see to.
fn with_recipients(said: &str, entry: &RequestRegionStatus) -> String {
    let all = entry.recipients.len();
    if all == 0 {
        return said.to_owned();
    }
    let recipients = entry.recipients.iter();
    let took = recipients.filter(|told| told.state.is_taken()).count();
    let said = format!("{said}; recipients that took word of it: {took} of {all}");
    untold::with(&said, entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_channel_that_a_report_knows_no_more_stays_stopped() {
        let one = |channel: &str, subjects: i64| OptedOut {
            store: "inbox".to_owned(),
            channel: channel.to_owned(),
            subjects: subjects.into(),
            ..OptedOut::default()
        };
        let before = [one("aurora/a", 1), one("aurora/b", 1)];
        let told = stopped(&before, &[one("aurora/b", 2), one("aurora/c", 1)]);
        let wanted = [one("aurora/b", 2), one("aurora/c", 1), one("aurora/a", 1)];
        assert_eq!(told, wanted);
        assert_eq!(stopped(&before, &[]), before);
        // One that stands for several stands for them too.
        let folded = [one(SEVERAL, 1)];
        assert_eq!(stopped(&before, &folded), folded);
    }

    #[test]
    fn what_a_channel_may_still_send_is_not_called_in_force() {
        let since = "2026-11-05T09:00:08Z";
        let known = json!({"store": "inbox", "channel": "a/shop", "sinks": ["ads"], "subjects": 1, "inForceSince": since});
        let unknown = json!({"store": "inbox", "channel": "a/chat", "sinks": ["ads"]});
        let folded =
            json!({"store": "inbox", "channel": SEVERAL, "unnamedSinks": 3, "subjects": 2});
        for (opted_out, begins) in [
            (
                json!([known]),
                "in force since 2026-11-05T09:00:08Z: sinks that are sent nothing of the person: 1",
            ),
            (json!([known, unknown]), "not in force in a/chat: "),
            (json!([unknown]), "not in force in a/chat: "),
            (
                json!([folded]),
                "not in force in one of its channels or more: ",
            ),
        ] {
            let entry = json!({"name": "us", "state": "Run", "reason": "Any", "action": "OptOut", "progress": "Verified",
                "reportedAt": since, "optedOut": opted_out});
            let entry: RequestRegionStatus = serde_json::from_value(entry).unwrap();
            let said = fulfilled(&entry).message;
            assert!(said.starts_with(begins), "{said}");
            let is_open = entry.in_force_since().is_none();
            assert_eq!(said.contains("spec.answered"), is_open, "{said}");
            // What was lifted has nothing to stop.
            let lifted = RequestRegionStatus {
                action: Some(RequestAction::Lift),
                ..entry
            };
            assert_eq!(lifted.in_force_since(), Some(since));
        }
    }

    #[test]
    fn who_is_listed_no_more_is_waited_for_no_more() {
        let entry = json!({"name": "us", "state": "Run", "reason": "Any", "action": "OptOut", "progress": "Verified", "recipients": [
            {"name": "orders/broker", "state": "Pending"}, {"name": "orders/far", "state": "Held"}]});
        let mut entry: RequestRegionStatus = serde_json::from_value(entry).unwrap();
        let nothing = PlanWord::NothingToStop.because("none");
        settle(
            &mut entry,
            Some(&nothing),
            RequestAction::OptOut,
            Timestamp::UNIX_EPOCH,
        );
        assert!(entry.is_done());
        let said = fulfilled(&entry);
        let wanted = "recipients that took word of it: 0 of 1; see to these recipients by other means: orders/far (Held)";
        assert!(said.message.ends_with(wanted), "{}", said.message);
    }
}
