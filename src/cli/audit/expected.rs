//! Runs that a schedule asked for and that nobody recorded.
//!
//! What a policy's schedule is, and since when, is itself evidence: its `PolicyChange` records. When it fires is for
//! the plan's own calendar of CronJobs to say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::evidence::{Fault, Kind, Name, Record, body, canonical};
use crate::plan::gates::Schedule;

/// A CronJob that comes into being in the minute of its schedule may start then or the next time.
const MADE: SignedDuration = SignedDuration::from_mins(2);
/// A start counts for the time that the schedule names also when a clock is a little behind.
const EARLY: SignedDuration = SignedDuration::from_mins(1);
/// Beyond the window of a run: for Kubernetes' ten minutes to start it, its pod, and the operator to record it.
pub(super) const LATE: SignedDuration = SignedDuration::from_hours(1);
/// No more missing runs are named than that.
const TOLD: usize = 1000;

/// A region and a policy.
type Of = (String, String);

/// What the records say of schedules and runs.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    changes: BTreeMap<Of, BTreeMap<u64, (Timestamp, body::Policy)>>,
    /// The starts that runs say they are for.
    scheduled: BTreeMap<Of, BTreeSet<Timestamp>>,
    /// When runs that say nothing of it started.
    started: BTreeMap<Of, BTreeSet<Timestamp>>,
}

impl Expectations {
    /// Notes what a record says of them.
    pub(super) fn note(&mut self, record: &Record) {
        let of = || (record.region.clone(), record.about.name.clone());
        match record.kind {
            Kind::PolicyChange => {
                if let Ok(policy) = canonical::read::<body::Policy>(&record.body) {
                    let changes = self.changes.entry(of()).or_default();
                    changes.insert(record.sequence, (record.at, policy));
                }
            }
            Kind::Run => {
                let Ok(run) = canonical::read::<body::Run>(&record.body) else {
                    return;
                };
                let moment = |text: &Option<String>| text.as_ref()?.parse().ok();
                if let Some(at) = moment(&run.scheduled) {
                    self.scheduled.entry(of()).or_default().insert(at);
                } else if let Some(at) = moment(&run.started_at) {
                    self.started.entry(of()).or_default().insert(at);
                }
            }
            _ => {}
        }
    }

    /// How many runs were expected by `now`, and those that no record tells of.
    pub(super) fn missing(&self, now: Timestamp) -> (u64, Vec<Fault>) {
        let (mut expected, mut faults) = (0, Vec::new());
        for (of, changes) in &self.changes {
            let mut changes = changes.iter().peekable();
            while let Some((sequence, (since, policy))) = changes.next() {
                let until = changes.peek().map_or(now, |(_, (at, _))| *at);
                if !policy.runs {
                    continue;
                }
                for fire in fires(policy, (*since, until), now) {
                    expected += 1;
                    if !self.ran(of, fire) && faults.len() < TOLD {
                        faults.push(fault(of, *sequence, policy, fire.0));
                    }
                }
            }
        }
        (expected, faults)
    }

    fn ran(&self, of: &Of, (at, next): (Timestamp, Timestamp)) -> bool {
        let named = self.scheduled.get(of).is_some_and(|set| set.contains(&at));
        let within = at - EARLY..next - EARLY;
        let begun = |set: &BTreeSet<Timestamp>| set.range(within).next().is_some();
        named || self.started.get(of).is_some_and(begun)
    }
}

fn fault(of: &Of, sequence: u64, policy: &body::Policy, at: Timestamp) -> Fault {
    Fault {
        name: Name::ExpectedRunMissing,
        region: of.0.clone(),
        sequence: None,
        says: format!(
            "DataPolicy {}: no record of the run of {at}, which its schedule asked for ({} in {}, by record {sequence})",
            of.1, policy.schedule, policy.zone
        ),
    }
}

/// When a policy's schedule fired between two times, each with the time after, as far as a record can be expected.
fn fires(
    policy: &body::Policy,
    (since, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> Vec<(Timestamp, Timestamp)> {
    let (Ok(schedule), Ok(zone)) = (
        Schedule::parse(&policy.schedule),
        TimeZone::get(&policy.zone),
    ) else {
        return Vec::new();
    };
    let window: Option<SignedDuration> = policy
        .window
        .parse::<Span>()
        .ok()
        .and_then(|span| SignedDuration::try_from(span).ok());
    let due = window.unwrap_or_default() + LATE;
    let mut fires = Vec::new();
    let mut after = since + MADE;
    while let Some(at) = schedule.next(after, &zone) {
        if at >= until || at + due > now {
            break;
        }
        let next = schedule.next(at, &zone).unwrap_or(Timestamp::MAX);
        fires.push((at, next));
        after = at;
    }
    fires
}
