//! Runs that a schedule asked for and that nobody recorded.
//!
//! What a policy's schedule is, and since when, is itself evidence: its `PolicyChange` records. When it fires is for
//! the plan's own calendar of CronJobs to say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::api::names;
use crate::evidence::{Checked, Fault, Kind, Name, Record, body, canonical};
use crate::plan::gates::Schedule;

/// A CronJob that comes into being in the minute of its schedule may start then or the next time.
const MADE: SignedDuration = SignedDuration::from_mins(2);
/// A start counts for the time that the schedule names also when a clock is a little behind.
const EARLY: SignedDuration = SignedDuration::from_mins(1);
/// Beyond the window of a run: for Kubernetes' ten minutes to start it, its pod, and the operator to record it.
pub(super) const LATE: SignedDuration = SignedDuration::from_hours(1);
/// No more missing runs are named than that.
const TOLD: usize = 1000;

/// When a schedule fired.
#[derive(Clone, Copy, Debug)]
struct Fire {
    at: Timestamp,
    /// The time after.
    next: Timestamp,
    /// How long after it a record of its run can be expected.
    due: SignedDuration,
}

/// A region and a policy.
type Of = (String, String);

/// What the records say of schedules and runs.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    changes: BTreeMap<Of, BTreeMap<u64, (Timestamp, body::Policy)>>,
    /// The starts that runs say they are for.
    scheduled: BTreeMap<Of, BTreeSet<Timestamp>>,
    /// When runs that say nothing of it started, but for those that somebody asked for: they are none of the schedule's.
    started: BTreeMap<Of, BTreeSet<Timestamp>>,
}

impl Expectations {
    /// Leaves out what is left of records that went by rule.
    pub(super) fn begin(&mut self, regions: &BTreeMap<String, Checked>) {
        for ((region, _), changes) in &mut self.changes {
            let begins = regions.get(region).map_or(0, |checked| checked.begins);
            changes.retain(|sequence, _| *sequence >= begins);
        }
    }

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
                } else if let Some(at) = moment(&run.started_at)
                    && !names::is_asked_for(&run.job)
                {
                    self.started.entry(of()).or_default().insert(at);
                }
            }
            _ => {}
        }
    }

    /// How many runs were expected by `now`, and those that no record tells of. Of a region that was given up none is after that.
    pub(super) fn missing(
        &self,
        now: Timestamp,
        ended: impl Fn(&str) -> Option<Timestamp>,
    ) -> (u64, Vec<Fault>) {
        let (mut expected, mut faults) = (0, Vec::new());
        for (of, changes) in &self.changes {
            let now = ended(&of.0).map_or(now, |ended| ended.min(now));
            let mut changes = changes.iter().peekable();
            while let Some((sequence, (since, policy))) = changes.next() {
                let until = changes.peek().map_or(now, |(_, (at, _))| *at);
                if !policy.runs {
                    continue;
                }
                for fire in fires(policy, (*since, until), now) {
                    expected += 1;
                    if !self.ran(of, fire) && faults.len() < TOLD {
                        faults.push(fault(of, *sequence, policy, fire.at));
                    }
                }
            }
        }
        (expected, faults)
    }

    fn ran(&self, of: &Of, Fire { at, next, due }: Fire) -> bool {
        let named = self.scheduled.get(of).is_some_and(|set| set.contains(&at));
        let within = at - EARLY..next.min(at + due) - EARLY;
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

/// When a policy's schedule fired between two times, as far as a record can be expected.
fn fires(
    policy: &body::Policy,
    (since, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> Vec<Fire> {
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
        fires.push(Fire { at, next, due });
        after = at;
    }
    fires
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{About, Entry, Tip};
    use serde_json::{Value as Json, json};

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Records of a policy, in their order.
    fn noted(entries: &[(Kind, &str, Json)]) -> Expectations {
        let mut expectations = Expectations::default();
        let mut tip = Tip::genesis("f", "eu-west");
        for (kind, at, body) in entries {
            let entry = Entry {
                kind: *kind,
                at: moment(at),
                about: About::cluster("DataPolicy", "p"),
                source: at.to_string(),
                body: canonical::object(body).unwrap(),
            };
            let record = entry.append("eu-west", &tip);
            tip = Tip::of(&record);
            expectations.note(&record);
        }
        expectations
    }

    fn policy(runs: bool, schedule: &str) -> Json {
        json!({"generation": 1, "runs": runs, "schedule": schedule, "zone": "Europe/Berlin", "window": "PT4H", "spec": {}})
    }

    fn run(started: &str, scheduled: Option<&str>) -> Json {
        let mut run = json!({"job": "j", "reason": "Done", "startedAt": started, "rules": []});
        if let Some(scheduled) = scheduled {
            run["scheduled"] = Json::from(scheduled);
        }
        run
    }

    fn missing(expectations: &Expectations, now: &str) -> (u64, Vec<String>) {
        let (expected, faults) = expectations.missing(moment(now), |_| None);
        let told = faults.iter().map(|fault| {
            let says = fault.says.split("the run of ").nth(1).unwrap();
            says.split(',').next().unwrap().to_owned()
        });
        (expected, told.collect())
    }

    #[test]
    fn a_run_is_expected_once_its_window_and_an_hour_have_passed() {
        let change = (
            Kind::PolicyChange,
            "2026-06-01T10:00:00Z",
            policy(true, "0 2 * * *"),
        );
        let noted = noted(&[change]);
        // 2 in Berlin is midnight in UTC.
        assert_eq!(missing(&noted, "2026-06-02T04:59:59Z"), (0, vec![]));
        let one = vec!["2026-06-02T00:00:00Z".to_owned()];
        assert_eq!(missing(&noted, "2026-06-02T05:00:00Z"), (1, one));
        // Of a region that was given up before that, none is; of another's end it is nothing.
        let now = moment("2026-07-01T00:00:00Z");
        let until = |region: &'static str, at: &'static str| {
            noted
                .missing(now, move |of| (of == region).then(|| moment(at)))
                .0
        };
        assert_eq!(until("eu-west", "2026-06-02T04:59:59Z"), 0);
        assert_eq!(until("eu-west", "2026-06-02T05:00:00Z"), 1);
        assert_eq!(until("us-east", "2026-06-02T05:00:00Z"), 29);
    }

    #[test]
    fn a_run_counts_for_what_it_was_scheduled_for_or_when_it_started() {
        let noted = noted(&[
            (
                Kind::PolicyChange,
                "2026-06-01T10:00:00Z",
                policy(true, "0 2 * * *"),
            ),
            (
                Kind::Run,
                "2026-06-02T01:00:00Z",
                run("2026-06-02T00:00:20Z", None),
            ),
            // It came late, and says what it is for.
            (
                Kind::Run,
                "2026-06-04T02:00:00Z",
                run("2026-06-04T00:10:00Z", Some("2026-06-03T00:00:00Z")),
            ),
        ]);
        let missed = ["2026-06-04T00:00:00Z", "2026-06-05T00:00:00Z"].map(str::to_owned);
        assert_eq!(
            missing(&noted, "2026-06-05T12:00:00Z"),
            (4, missed.to_vec())
        );
    }

    /// Of the run of the first of the month nothing is recorded; what somebody had counted on the day, or weeks later, is another.
    #[test]
    fn a_run_that_somebody_asked_for_is_none_of_the_schedules() {
        let asked = |started: &str| {
            let mut run = run(started, None);
            run["job"] = names::run_job("p-retention", started).into();
            run
        };
        let of = |body: Json| {
            let schedule = policy(true, "0 2 1 * *");
            let noted = noted(&[
                (Kind::PolicyChange, "2026-06-20T10:00:00Z", schedule),
                (Kind::Run, "2026-06-30T23:00:00Z", body),
            ]);
            missing(&noted, "2026-07-21T00:00:00Z").1
        };
        let first = vec!["2026-07-01T00:00:00Z".to_owned()];
        // By hand in the time of the run, and some time when nobody knows by whom.
        assert_eq!(of(asked("2026-07-01T00:00:20Z")), first);
        assert_eq!(of(run("2026-07-01T12:00:00Z", None)), first);
        assert_eq!(of(run("2026-07-20T09:00:00Z", None)), first);
        assert_eq!(of(run("2026-07-01T04:58:59Z", None)), [""; 0]);
        assert_eq!(of(run("2026-07-01T04:59:00Z", None)), first);
    }

    #[test]
    fn nothing_is_expected_while_nothing_runs_or_another_schedule_holds() {
        let noted = noted(&[
            (
                Kind::PolicyChange,
                "2026-06-01T10:00:00Z",
                policy(true, "0 2 * * *"),
            ),
            (
                Kind::PolicyChange,
                "2026-06-02T22:00:00Z",
                policy(false, "0 2 * * *"),
            ),
            (
                Kind::PolicyChange,
                "2026-06-09T22:00:00Z",
                policy(true, "0 3 * * *"),
            ),
            // A schedule that a CronJob would not take asks for nothing.
            (
                Kind::PolicyChange,
                "2026-06-10T22:00:00Z",
                policy(true, "every night"),
            ),
        ]);
        let missed = ["2026-06-02T00:00:00Z", "2026-06-10T01:00:00Z"].map(str::to_owned);
        assert_eq!(
            missing(&noted, "2026-07-01T00:00:00Z"),
            (2, missed.to_vec())
        );
    }

    #[test]
    fn an_hour_that_the_clocks_skip_asks_for_no_run_and_one_that_comes_twice_for_two() {
        let change = |at| (Kind::PolicyChange, at, policy(true, "30 2 * * *"));
        let spring = noted(&[change("2026-03-28T12:00:00Z")]);
        assert_eq!(missing(&spring, "2026-03-29T20:00:00Z").0, 0);
        let autumn = noted(&[change("2026-10-24T12:00:00Z")]);
        assert_eq!(missing(&autumn, "2026-10-25T20:00:00Z").0, 2);
    }
}
