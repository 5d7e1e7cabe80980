//! Cases by hand, a second implementation, and what must hold for any case.

mod naive;
mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::Deserialize;

use super::*;
use crate::packs::{BUILTIN_REGIMES, Packs, Regimes};

fn builtin() -> &'static Regimes {
    static PACK: LazyLock<Regimes> =
        LazyLock::new(|| Packs::load_regimes(BUILTIN_REGIMES).unwrap());
    &PACK
}

/// The shipped pack with one text replaced.
fn edited(from: &str, to: &str) -> Regimes {
    assert_eq!(
        BUILTIN_REGIMES.matches(from).count(),
        1,
        "{from} must be there once"
    );
    Packs::load_regimes(&BUILTIN_REGIMES.replace(from, to)).unwrap()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    regime: String,
    kind: Kind,
    received: String,
    zone: String,
    #[serde(default)]
    holidays: Vec<Date>,
    #[serde(default)]
    paused: Vec<String>,
    counting: String,
    ends: BTreeMap<Step, String>,
}

impl ByHand {
    fn case(&self) -> Case {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let pauses = self.paused.iter().map(|text| {
            let (from, to) = text.split_once('/').unwrap();
            Pause {
                from: day(from),
                to: day(to),
            }
        });
        Case {
            kind: self.kind,
            received: self.received.parse().unwrap(),
            zone: TimeZone::get(&self.zone).unwrap(),
            holidays: Calendar::of(self.holidays.clone()),
            pauses: pauses.collect(),
        }
    }
}

fn by_hand() -> Vec<ByHand> {
    serde_saphyr::from_str(include_str!("cases.yaml")).unwrap()
}

/// As a case by hand writes it.
fn written(ends: &Ends, zone: &TimeZone) -> String {
    match ends {
        Ends::Day { last, .. } => last.to_string(),
        Ends::Moment(at) => at.display_with_offset(zone.to_offset(*at)).to_string(),
        Ends::NoNumber(word) => word.as_str().to_owned(),
    }
}

/// As the second implementation writes it.
fn stepped(ends: &Ends) -> String {
    match ends {
        Ends::Day { last, at } => format!("{last} before {}", at.as_second()),
        Ends::Moment(at) => at.as_second().to_string(),
        Ends::NoNumber(word) => word.as_str().to_owned(),
    }
}

fn both(regime: &Regime, case: &Case) -> [Vec<(Step, String)>; 2] {
    let answer = answer(regime, date(2026, 11, 22), case).unwrap();
    let ours = answer.deadlines.iter().map(|d| (d.step, stepped(&d.ends)));
    [ours.collect(), naive::ends(regime, case)]
}

#[test]
fn every_case_by_hand_comes_out_as_its_law_has_it() {
    let pack = builtin();
    for one in by_hand() {
        let (regime, case) = (&pack.regimes[&one.regime], one.case());
        let answer = answer(regime, pack.as_of, &case).unwrap();
        let ends = answer
            .deadlines
            .iter()
            .map(|d| (d.step, written(&d.ends, &case.zone)));
        let ends: BTreeMap<Step, String> = ends.collect();
        let named = format!(
            "{} {} {}: {}",
            one.regime, one.kind, one.received, one.counting
        );
        assert_eq!(ends, one.ends, "{named}");
        let [ours, theirs] = both(regime, &case);
        assert_eq!(ours, theirs, "{named}");
    }
}

#[test]
fn every_regime_has_five_cases_and_every_deadline_one() {
    let (pack, cases) = (builtin(), by_hand());
    for (id, regime) in &pack.regimes {
        let own: Vec<&ByHand> = cases.iter().filter(|one| one.regime == *id).collect();
        assert!(own.len() >= 5, "{id} has {}", own.len());
        assert!(own.iter().all(|one| one.counting.len() > 8), "{id}");
        for fact in &regime.deadlines {
            let is_seen = own.iter().any(|one| {
                fact.value.kinds.contains(&one.kind) && one.ends.contains_key(&fact.value.step)
            });
            assert!(
                is_seen,
                "{id}: no case has {} to {:?}",
                fact.value.step, fact.value.kinds
            );
        }
    }
}

fn case(kind: Kind, received: &str, zone: &str) -> Case {
    Case {
        kind,
        received: received.parse().unwrap(),
        zone: TimeZone::get(zone).unwrap(),
        holidays: Calendar::default(),
        pauses: Vec::new(),
    }
}

fn last(regime: &Regime, case: &Case, step: Step) -> Date {
    let answer = answer(regime, date(2026, 11, 22), case).unwrap();
    match answer
        .deadlines
        .iter()
        .find(|d| d.step == step)
        .unwrap()
        .ends
    {
        Ends::Day { last, .. } => last,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_law_that_counts_the_first_day_ends_a_day_earlier() {
    let pack = edited(
        "firstDay: {value: Next, source: *orcpa,",
        "firstDay: {value: Same, source: *orcpa,",
    );
    let case = case(
        Kind::Access,
        "2026-06-15T10:00:00-07:00",
        "America/Los_Angeles",
    );
    let law = &pack.regimes["us-or-cpa"];
    assert_eq!(last(law, &case, Step::Response), date(2026, 7, 29));
    let [ours, theirs] = both(law, &case);
    assert_eq!(ours, theirs);
}

#[test]
fn what_is_received_before_an_amendment_keeps_its_law() {
    let pack = edited(
        "{step: breach, kinds: [breach], within: PT72H}, source: *gdpr33, confirmed: true}",
        "{step: breach, kinds: [breach], within: PT72H, until: 2027-06-30}, source: *gdpr33, confirmed: true}\n      \
         - {value: {step: breach, kinds: [breach], within: PT96H, since: 2027-07-01}, source: *gdpr33, confirmed: false}",
    );
    let law = &pack.regimes["eu-gdpr"];
    for (received, ends) in [
        ("2027-06-30T23:59:59+02:00", "2027-07-03T23:59:59+02:00"),
        ("2027-07-01T00:00:00+02:00", "2027-07-05T00:00:00+02:00"),
    ] {
        let case = case(Kind::Breach, received, "Europe/Berlin");
        let answer = answer(law, pack.as_of, &case).unwrap();
        // And the persons, of whom the amendment says nothing.
        let steps: Vec<Step> = answer.deadlines.iter().map(|it| it.step).collect();
        assert_eq!(steps, [Step::Breach, Step::BreachPersons], "{received}");
        assert_eq!(written(&answer.deadlines[0].ends, &case.zone), ends);
        assert_eq!(answer.notes.len(), 1, "the other one is named");
    }
}

#[test]
fn the_end_of_a_day_is_where_clocks_leave_midnight_out() {
    let mut case = case(Kind::Access, "2022-02-26T12:00:00+02:00", "Asia/Beirut");
    case.pauses.clear();
    let pack = builtin();
    let answer = answer(&pack.regimes["eu-gdpr"], pack.as_of, &case).unwrap();
    // 26 March 2022 is a Saturday; Monday's end is plain. The notice's day before it is not:
    let ends = answer.deadlines[0].ends.at().unwrap();
    assert_eq!(ends.to_string(), "2022-03-28T21:00:00Z");
    let [ours, theirs] = both(&pack.regimes["eu-gdpr"], &case);
    assert_eq!(ours, theirs);
    // In Oregon's law nothing rolls: 45 days from 9 February are 26 March, after which 00:00 did not come.
    let case = super::Case {
        received: "2022-02-09T12:00:00Z".parse().unwrap(),
        ..case
    };
    let [ours, theirs] = both(&pack.regimes["us-or-cpa"], &case);
    assert_eq!(ours, theirs);
    assert_eq!(
        ours[0].1,
        format!(
            "2022-03-26 before {}",
            "2022-03-26T22:00:00Z"
                .parse::<Timestamp>()
                .unwrap()
                .as_second()
        )
    );
}

#[test]
fn what_makes_no_sense_is_named() {
    let pack = builtin();
    let law = &pack.regimes["eu-gdpr"];
    let plain = case(Kind::Access, "2026-03-02T09:00:00Z", "Europe/Berlin");
    let told = |case: &Case| answer(law, pack.as_of, case).unwrap_err().to_string();
    let paused = |from, to| Case {
        pauses: vec![Pause { from, to }],
        ..plain.clone()
    };
    let error = told(&paused(date(2026, 3, 1), date(2026, 3, 4)));
    assert!(
        error.contains("paused: 2026-03-01 is before the day of receipt, 2026-03-02"),
        "{error}"
    );
    let error = told(&paused(date(2026, 3, 5), date(2026, 3, 4)));
    assert!(
        error.contains("paused: 2026-03-05/2026-03-04 ends before it begins"),
        "{error}"
    );
    let error = told(&Case {
        kind: Kind::OptOut,
        ..plain.clone()
    });
    assert!(
        error.contains("nothing of opt-out") && error.contains("access"),
        "{error}"
    );
    let error = told(&Case {
        received: "9999-12-30T00:00:00Z".parse().unwrap(),
        ..plain
    });
    assert!(error.contains("P1M leads out of the calendar"), "{error}");
}

#[test]
fn standings_turn_once_and_in_order() {
    let ends: Timestamp = "2026-04-30T22:00:00Z".parse().unwrap();
    let soon = SignedDuration::from_hours(168);
    for (now, expected) in [
        ("2026-04-23T21:59:59Z", Standing::OnTime),
        ("2026-04-23T22:00:00Z", Standing::DueSoon),
        ("2026-04-30T21:59:59.999999999Z", Standing::DueSoon),
        ("2026-04-30T22:00:00Z", Standing::Overdue),
        ("2030-01-01T00:00:00Z", Standing::Overdue),
    ] {
        assert_eq!(
            standing(ends, now.parse().unwrap(), soon),
            expected,
            "{now}"
        );
    }
    assert_eq!(
        standing(ends, ends - 1.nanosecond(), SignedDuration::ZERO),
        Standing::OnTime
    );
}

#[test]
fn a_pack_against_itself_changes_nothing() {
    let pack = builtin();
    assert_eq!(changes(pack, pack), []);
    let cases: Vec<OpenCase> = by_hand().iter().enumerate().map(open).collect();
    assert_eq!(moves(pack, pack, &cases).unwrap(), []);
}

fn open((index, one): (usize, &ByHand)) -> OpenCase {
    OpenCase {
        name: format!("{index}"),
        regime: one.regime.clone(),
        case: one.case(),
    }
}

#[test]
fn an_update_moves_the_cases_that_it_concerns_and_no_other() {
    let old = builtin();
    let new = edited(
        "kinds: [access], within: P30D}, source: *thpdpa",
        "kinds: [access], within: P60D}, source: *thpdpa",
    );
    let facts: Vec<String> = changes(old, &new)
        .into_iter()
        .map(|change| change.fact)
        .collect();
    assert_eq!(facts, ["th-pdpa: response (access)"]);
    let by_hand = by_hand();
    let cases: Vec<OpenCase> = by_hand.iter().enumerate().map(open).collect();
    let moved: BTreeSet<String> = moves(old, &new, &cases)
        .unwrap()
        .into_iter()
        .map(|one| one.case)
        .collect();
    let concerned = by_hand
        .iter()
        .enumerate()
        .filter(|(_, one)| one.regime == "th-pdpa" && one.kind == Kind::Access);
    assert_eq!(
        moved,
        concerned.map(|(index, _)| index.to_string()).collect()
    );
}

#[test]
fn a_regime_that_goes_takes_its_deadlines_along() {
    let old = builtin();
    let mut new = old.clone();
    new.regimes.remove("us-or-cpa");
    let cases: Vec<OpenCase> = by_hand().iter().enumerate().map(open).collect();
    let gone = moves(old, &new, &cases).unwrap();
    assert_eq!(gone.len(), 10, "two deadlines of five cases");
    assert!(
        gone.iter()
            .all(|one| one.old.is_some() && one.new.is_none())
    );
    let come = moves(&new, old, &cases).unwrap();
    assert!(
        come.iter()
            .all(|one| one.old.is_none() && one.new.is_some())
    );
    assert_eq!(come.len(), 10);
}

/// Days on which offices work, one rule of the counting at a time.
#[test]
fn working_days_are_counted_as_the_law_says_and_told() {
    let mut regime = builtin().regimes["us-ca-ccpa"].clone();
    let pause = builtin()
        .regimes
        .values()
        .find_map(|it| it.counting.pause.clone());
    let case = Case {
        kind: Kind::Access,
        received: "2026-11-02T09:00:00-08:00[America/Los_Angeles]"
            .parse::<jiff::Zoned>()
            .unwrap()
            .timestamp(),
        zone: TimeZone::get("America/Los_Angeles").unwrap(),
        holidays: Calendar::default(),
        pauses: vec![Pause {
            from: date(2026, 11, 4),
            to: date(2026, 11, 5),
        }],
    };
    let told = |regime: &Regime| {
        let answer = answer(regime, date(2026, 11, 22), &case).unwrap();
        let mut all = answer.deadlines.into_iter();
        let one = all.find(|one| one.step == Step::Acknowledgement).unwrap();
        (written(&one.ends, &case.zone), one.counting.join("; "))
    };
    // Ten from a Monday on, two weekends between; a pause that the law does not know is none.
    regime.counting.pause = None;
    regime.counting.rest_days.confirmed = true;
    let (end, says) = told(&regime);
    assert_eq!(end, "2026-11-16");
    assert!(says.contains("not counted: 2026-11-07"), "{says}");
    assert!(
        !says.contains("rest on these days of the week is unconfirmed"),
        "{says}"
    );
    regime.counting.rest_days.confirmed = false;
    assert!(
        told(&regime)
            .1
            .contains("rest on these days of the week is unconfirmed")
    );
    // The day on which the person was asked counts, the day of the answer does not.
    let mut pause = pause.unwrap();
    pause.confirmed = true;
    pause.value.steps = [Step::Acknowledgement].into();
    for (since, end) in [
        (None, "2026-11-17"),
        (Some(2), "2026-11-17"),
        (Some(3), "2026-11-16"),
    ] {
        pause.value.since = since.map(|day| date(2026, 11, day));
        regime.counting.pause = Some(pause.clone());
        assert_eq!(told(&regime).0, end, "{since:?}");
    }
}

/// A law is in force on its first day.
#[test]
fn a_law_that_begins_on_the_day_is_in_force() {
    let mut regime = builtin().regimes["in-dpdp"].clone();
    let notes = |regime: &Regime| {
        let case = by_hand().remove(0).case();
        let received = case.received.to_zoned(case.zone.clone()).date();
        let mut regime = regime.clone();
        let first = regime.in_force.as_mut().unwrap();
        first.value = first.value.max(received);
        let is_first = first.value == received;
        let told = answer(&regime, received, &case).unwrap().notes;
        (
            is_first,
            told.iter().any(|note| note.starts_with("not in force")),
        )
    };
    regime.in_force.as_mut().unwrap().value = date(2000, 1, 1);
    assert_eq!(notes(&regime), (true, false));
    regime.in_force.as_mut().unwrap().value = date(2099, 1, 1);
    assert_eq!(notes(&regime), (false, true));
}
