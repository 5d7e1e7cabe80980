//! Random requests, holidays, pauses and zones.

use jiff::{Span, ToSpan};
use proptest::prelude::*;

use super::{both, builtin, naive};
use crate::clock::*;
use crate::packs::{Roll, Step};

const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Beirut",         // leaves midnight out
    "Australia/Lord_Howe", // half an hour
    "Pacific/Kiritimati",  // fourteen hours ahead
    "Pacific/Pago_Pago",   // eleven behind
];

prop_compose! {
    fn cases()(
        kind in prop::sample::select(&naive::KINDS[..]),
        zone in prop::sample::select(&ZONES[..]),
        second in 1_577_836_800_i64..2_051_222_400, // 2020 to 2034
        holidays in prop::collection::vec(0_i64..130, 0..20),
        pauses in prop::collection::vec((0_i64..90, 0_i64..30), 0..4),
    ) -> Case {
        let zone = TimeZone::get(zone).unwrap();
        let received = Timestamp::from_second(second).unwrap();
        let first = zone.to_datetime(received).date();
        let day = |days: i64| first + Span::new().days(days);
        let pauses = pauses.into_iter().map(|(from, days)| Pause { from: day(from), to: day(from + days) });
        Case {
            kind,
            received,
            holidays: Calendar::of(holidays.into_iter().map(day)),
            pauses: pauses.collect(),
            zone,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn stepping_day_by_day_agrees(case in cases(), same in any::<bool>(), sure in any::<bool>()) {
        let pack = builtin();
        for (id, regime) in &pack.regimes {
            let mut regime = regime.clone();
            if sure {
                // Also rules that the pack is not sure of, so that every regime is rolled and counted.
                regime.counting.roll = pack.regimes["eu-gdpr"].counting.roll.clone();
                regime.counting.pause = pack.regimes["uk-gdpr"].counting.pause.clone();
                regime.counting.pause.as_mut().unwrap().value.steps.insert(Step::Acknowledgement);
            }
            if same {
                regime.counting.first_day.value = crate::packs::FirstDay::Same;
            }
            if !regime.deadlines.iter().any(|fact| fact.value.kinds.contains(&case.kind)) {
                continue;
            }
            let [ours, theirs] = both(&regime, &case);
            prop_assert_eq!(ours, theirs, "{}", id);
        }
    }

    #[test]
    fn what_is_unconfirmed_never_gives_time(case in cases()) {
        let pack = builtin();
        for regime in pack.regimes.values() {
            if !regime.deadlines.iter().any(|fact| fact.value.kinds.contains(&case.kind)) {
                continue;
            }
            let mut unsure = regime.clone();
            let counting = &mut unsure.counting;
            if let Some(roll) = &mut counting.roll {
                roll.confirmed = false;
            }
            if let Some(pause) = &mut counting.pause {
                pause.confirmed = false;
            }
            let sure = answer(regime, pack.as_of, &case).unwrap();
            let unsure = answer(&unsure, pack.as_of, &case).unwrap();
            for (sure, unsure) in sure.deadlines.iter().zip(&unsure.deadlines) {
                prop_assert!(unsure.ends.at() <= sure.ends.at());
            }
        }
    }

    #[test]
    fn an_end_is_a_working_day_where_the_law_rolls(case in cases()) {
        let pack = builtin();
        let union = &pack.regimes["eu-gdpr"];
        prop_assert_eq!(union.counting.roll.as_ref().unwrap().value, Roll::NextWorkingDay);
        prop_assume!(union.deadlines.iter().any(|fact| fact.value.kinds.contains(&case.kind)));
        for deadline in answer(union, pack.as_of, &case).unwrap().deadlines {
            if let Ends::Day { last, at } = deadline.ends {
                let weekly = &union.counting.rest_days.value;
                prop_assert!(!weekly.iter().any(|rest| rest.is(last.weekday())));
                prop_assert!(case.holidays.name(last).is_none());
                prop_assert_eq!(case.zone.to_datetime(at - 1.nanosecond()).date(), last);
            }
        }
    }
}
