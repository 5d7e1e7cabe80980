//! By when a request must be acknowledged and answered, and what must be waited for: every regime's clock, from receipt.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

use super::action::action;
use super::moments;
use crate::api::{
    AskedFor, DataSubjectRequest, DataSubjectRequestSpec, ErasureNotice, RequestAction,
    RequestDeadline,
};
use crate::clock::{self, Calendar, Case, Deadline, Standing};
use crate::packs::{Clock, ClockKind, Jurisdiction, Kind, Packs, Step};
use crate::plan::Reason;
use crate::plan::gates::called_by;
use crate::plan::reason::Word;

/// What is this near is due soon.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A request's clocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clocks {
    /// Every deadline, regime by regime.
    pub deadlines: Vec<RequestDeadline>,
    /// What somebody must mend in the spec.
    pub problems: Vec<Reason>,
    /// What a reader must know besides, such as an extension that was told too late.
    pub notes: Vec<String>,
    /// When how a deadline stands changes by itself.
    pub wake_at: Option<Timestamp>,
    /// The times to wait between a notice and erasure, by regime, each with its law.
    waits: BTreeMap<String, (Clock, String)>,
    /// The notice, as far as it was sent and has arrived by now.
    notice: Option<ErasureNotice>,
    zone: Option<TimeZone>,
}

/// Counts a request's deadlines by all regimes that its jurisdictions call for.
#[must_use]
pub fn clocks(request: &DataSubjectRequest, packs: &Packs, now: Timestamp) -> Clocks {
    let mut clocks = Clocks::default();
    let Some(case) = case(&request.spec, &mut clocks.problems, now) else {
        return clocks;
    };
    clocks.zone = Some(case.zone.clone());
    let erases = action(&request.spec) == RequestAction::Erase;
    let mut heeded = request.clone();
    moments::heed(&mut heeded.spec, (case.received, now), &mut clocks);
    clocks.notice.clone_from(&heeded.spec.notice);
    let request = &heeded;
    let codes = request.spec.jurisdictions.iter();
    let codes: Vec<_> = codes.filter_map(|code| Jurisdiction::parse(code)).collect();
    let in_force = |at: Timestamp| {
        let called = called_by(&codes, &case.zone, packs, at).into_iter();
        let called = called.filter(|called| called.from.is_none());
        called.filter_map(|called| Some((packs.regime(&called.regime)?, called)))
    };
    // A law that came since the request says nothing of how long an answer may take, and yet what goes before erasure.
    for (regime, called) in in_force(case.received)
        .chain(in_force(now))
        .filter(|_| erases)
    {
        if let Some(wait) = regime.clocks.get(&ClockKind::ErasureNotice) {
            let law = wait.source.as_str().to_owned();
            let told = (wait.value.clone(), law);
            clocks.waits.insert(called.regime, told);
        }
    }
    for (regime, called) in in_force(case.received) {
        match clock::answer(regime, packs.regimes.as_of, &case) {
            Ok(answer) => enter(&mut clocks, &called.regime, &answer.deadlines, request, now),
            Err(clock::Error::Kind { .. }) => clocks.notes.push(format!(
                "{}: its pack has no time for this kind of request",
                called.regime
            )),
            Err(error) => clocks
                .problems
                .push(Word::ClockInvalid.because(format!("spec.pauses, spec.received: {error}"))),
        }
    }
    if request.spec.pauses.iter().any(|pause| pause.to.is_none()) {
        // Each day that the clock stands still moves its end.
        let tomorrow = case.zone.to_datetime(now).date().tomorrow().ok();
        let begins = tomorrow.and_then(|day| day.to_zoned(case.zone.clone()).ok());
        let begins = begins.map(|day| day.timestamp());
        clocks.wake_at = clocks.wake_at.into_iter().chain(begins).min();
    }
    clocks
}

fn case(spec: &DataSubjectRequestSpec, problems: &mut Vec<Reason>, now: Timestamp) -> Option<Case> {
    let mut wrong = |field: &str, text: &str, such: &str| {
        problems.push(
            Word::ClockInvalid
                .because(format!("{field}: {text} is none; write one such as {such}")),
        );
    };
    let Ok(received) = spec.received.parse::<Timestamp>() else {
        wrong("spec.received", &spec.received, "2026-03-31T23:30:00+02:00");
        return None;
    };
    let Ok(zone) = TimeZone::get(&spec.time_zone) else {
        wrong("spec.timeZone", &spec.time_zone, "Europe/Berlin");
        return None;
    };
    let day = |text: &str| text.parse::<Date>().ok();
    let holidays: Vec<Date> = spec.holidays.iter().filter_map(|text| day(text)).collect();
    let today = zone.to_datetime(now).date();
    let pause = |pause: &crate::api::ClockPause| {
        let from = day(&pause.from)?;
        let to = match &pause.to {
            Some(to) => day(to)?,
            // The answer has not come: the clock stands still until today.
            None => today.max(from),
        };
        Some(clock::Pause { from, to })
    };
    let pauses: Vec<clock::Pause> = spec.pauses.iter().filter_map(pause).collect();
    if holidays.len() != spec.holidays.len() || pauses.len() != spec.pauses.len() {
        wrong("spec.holidays, spec.pauses", "a day", "2026-05-01");
        return None;
    }
    Some(Case {
        kind: match spec.kind {
            AskedFor::Erasure => Kind::Erasure,
            AskedFor::Access => Kind::Access,
            AskedFor::Portability => Kind::Portability,
            AskedFor::Restriction => Kind::Restriction,
            AskedFor::Objection => Kind::Objection,
            AskedFor::OptOut => Kind::OptOut,
        },
        received,
        zone,
        holidays: Calendar::of(holidays),
        pauses,
    })
}

/// A regime's deadlines, as far as they concern the request as it stands.
fn enter(
    clocks: &mut Clocks,
    regime: &str,
    all: &[Deadline],
    request: &DataSubjectRequest,
    now: Timestamp,
) {
    let spec = &request.spec;
    let ends = |step: Step| {
        let mut of_step = all.iter().filter(|deadline| deadline.step == step);
        of_step.find_map(|deadline| deadline.ends.at())
    };
    let told = spec.extension.as_ref().and_then(|told| moment(&told.at));
    let has_extension = all.iter().any(|deadline| deadline.step == Step::Extension);
    let limit = ends(Step::ExtensionNotice).or_else(|| ends(Step::Response));
    let in_time = told.is_some_and(|told| limit.is_none_or(|limit| told < limit));
    if told.is_some() && !(has_extension && in_time) {
        let why = if has_extension {
            "the extension was told after the end of the first period, and gives no time"
        } else {
            "the law has no extension"
        };
        clocks.notes.push(format!("{regime}: {why}"));
    }
    let is_extended = has_extension && in_time;
    for deadline in all {
        let concerns = match deadline.step {
            Step::Response | Step::SimpleResponse => !is_extended,
            Step::Extension => is_extended,
            Step::ExtensionNotice => told.is_some(),
            Step::RefusalNotice => spec.refusal.is_some(),
            Step::Acknowledgement | Step::OptOut => true,
            Step::Breach | Step::BreachDetail | Step::BreachFinal | Step::BreachPersons => false,
        };
        if concerns {
            let one = one(regime, deadline, request, now);
            clocks.wake_at = clocks.wake_at.into_iter().chain(turn(&one, now)).min();
            clocks.deadlines.push(one);
        }
    }
}

fn one(
    regime: &str,
    deadline: &Deadline,
    request: &DataSubjectRequest,
    now: Timestamp,
) -> RequestDeadline {
    let spec = &request.spec;
    let in_force = in_force(request).filter(|_| deadline.step == Step::OptOut);
    let met = match deadline.step {
        Step::Acknowledgement => spec.acknowledged.as_ref().map(|done| &done.at),
        Step::ExtensionNotice => spec.extension.as_ref().map(|told| &told.at),
        Step::RefusalNotice => spec.refusal.as_ref().map(|told| &told.at),
        _ => None,
    };
    // Whoever refused, or was told that it is taken back, has been answered.
    let ended = spec
        .answered
        .as_ref()
        .map(|done| &done.at)
        .into_iter()
        .chain(spec.refusal.as_ref().map(|told| &told.at))
        .chain(spec.cancelled.as_ref().map(|told| &told.at))
        .chain(&in_force);
    let met = met.or_else(|| ended.min_by_key(|at| moment(at)));
    let ends = deadline.ends.at();
    let at = met.and_then(|met| moment(met)).unwrap_or(now);
    let unsure = if deadline.confirmed {
        ""
    } else {
        " (unconfirmed)"
    };
    RequestDeadline {
        regime: regime.to_owned(),
        step: deadline.step.to_string(),
        within: deadline.within.to_string(),
        ends: ends.map(|ends| ends.to_string()),
        law: format!("{}{unsure}", deadline.law),
        met_at: met.cloned(),
        standing: ends.map(|ends| word(clock::standing(ends, at, SOON)).to_owned()),
    }
}

/// Since when an opt-out is in force in the last of its regions, and known to recipients, once that is so in all of them, as
/// their stores said. None where a channel would know the person by no value that was given: whether that is in order a person
/// says, by `answered`.
fn in_force(request: &DataSubjectRequest) -> Option<String> {
    let told: Vec<_> = request.status.iter().flat_map(|s| &s.regions).collect();
    let of = |name: &String| {
        let entry = told.iter().find(|entry| entry.name == *name)?;
        let entry = entry.is_done().then_some(entry)?;
        // Of one that was lifted they were told that it ends.
        let holds = entry.action == Some(RequestAction::OptOut);
        let recipients = entry.recipients.iter().filter(|_| holds);
        let last = recipients.filter_map(|told| told.at.as_deref());
        let all = std::iter::once(entry.in_force_since()?).chain(last);
        all.max_by_key(|at| moment(at))
    };
    let all: Option<Vec<&str>> = request.spec.regions.iter().map(of).collect();
    let last = all?.into_iter().max_by_key(|at| moment(at))?;
    Some(last.to_owned())
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::OnTime => "OnTime",
        Standing::DueSoon => "DueSoon",
        Standing::Overdue => "Overdue",
    }
}

/// When an open deadline stands otherwise.
fn turn(deadline: &RequestDeadline, now: Timestamp) -> Option<Timestamp> {
    if deadline.met_at.is_some() {
        return None;
    }
    let ends = moment(deadline.ends.as_ref()?)?;
    let soon = ends.checked_sub(SOON).ok();
    soon.into_iter().chain([ends]).filter(|at| *at > now).min()
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

impl Clocks {
    /// Why nothing may be erased yet: a law asks for a notice, and it was not sent, not acknowledged, or its time has not
    /// passed; and when that ends by itself.
    pub(super) fn notice(
        &self,
        request: &DataSubjectRequest,
        now: Timestamp,
    ) -> Option<(Reason, Option<Timestamp>)> {
        let zone = self.zone.as_ref()?;
        // A moment of the notice may be what is wrong.
        if let Some(problem) = self.problems.first().filter(|_| !self.waits.is_empty()) {
            return Some((problem.clone(), None));
        }
        let mut last: Option<(Timestamp, &str)> = None;
        for (regime, (wait, law)) in &self.waits {
            let Some(notice) = &self.notice else {
                if let Some(ahead) = &request.spec.notice {
                    let why = format!(
                        "spec.notice.sentAt: {} has not come; the time that {regime} ({law}) gives the person runs from there",
                        ahead.sent_at
                    );
                    return Some((Word::AwaitingNotice.because(why), moment(&ahead.sent_at)));
                }
                let why = format!(
                    "spec.notice: {regime} ({law}) asks that the person is told {wait} before their data goes; send the notice \
                     and record it"
                );
                return Some((Word::AwaitingNotice.because(why), None));
            };
            if notice.acknowledged.is_none() {
                let why = format!(
                    "spec.notice.acknowledged: nobody has recorded that the notice which {regime} ({law}) asks for arrived"
                );
                return Some((Word::AwaitingNotice.because(why), None));
            }
            let Some(over) = moment(&notice.sent_at).and_then(|sent| after(sent, wait, zone))
            else {
                let why = format!("spec.notice.sentAt: {} is no moment", notice.sent_at);
                return Some((Word::AwaitingNotice.because(why), None));
            };
            if last.is_none_or(|(at, _)| at < over) {
                last = Some((over, regime));
            }
        }
        let (over, regime) = last.filter(|(over, _)| *over > now)?;
        let why =
            format!("the time that {regime} gives the person after the notice is over at {over}");
        Some((Word::AwaitingNotice.because(why), Some(over)))
    }
}

/// The end of a time from a moment. What has no number is over at once. Days on which offices work no pack has here: they would
/// be four of the calendar each, as a weekend and a holiday may lie before every one.
fn after(from: Timestamp, wait: &Clock, zone: &TimeZone) -> Option<Timestamp> {
    let span: Span = match wait {
        Clock::Hours(hours) => Span::new().try_hours(*hours).ok()?,
        Clock::BusinessDays(days) => Span::new().try_days(i64::from(*days) * 4).ok()?,
        Clock::NoNumber(_) => 0.seconds(),
        Clock::Period(period) => Span::new()
            .try_years(period.years)
            .ok()?
            .try_months(period.months)
            .ok()?
            .try_days(period.days)
            .ok()?,
    };
    let end = from.to_zoned(zone.clone()).checked_add(span).ok()?;
    Some(end.timestamp())
}
