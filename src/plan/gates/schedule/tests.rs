use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::contract::FeedMode;
use crate::packs::{Packs, Platform};

/// Made by CronJob's own parser: see dev/vectors/cron.
const VECTORS: &str = include_str!("vectors.tsv");

/// What CronJob takes and we do not: each would mislead.
const STRICTER: [&str; 2] = ["@daily", "@every 1h"];

#[test]
fn schedules_are_read_as_a_cron_job_reads_them() {
    let mut compared = 0;
    for line in VECTORS.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [text, zone, after, runs @ ..] = &cells[..] else {
            panic!("{line}")
        };
        let zone = TimeZone::get(zone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        if runs[0].starts_with('!') || text.contains("TZ") || STRICTER.contains(text) {
            assert!(Schedule::parse(text).is_err(), "{text}: {}", runs[0]);
            compared += 1;
            continue;
        }
        let schedule = Schedule::parse(text).unwrap_or_else(|e| panic!("{e}"));
        for run in runs {
            let next = schedule.next(at, &zone);
            let wanted = (*run != "never").then(|| run.parse().unwrap());
            assert_eq!(next, wanted, "{line}");
            let Some(next) = next else { break };
            at = next;
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn oddities_that_a_cron_job_lets_pass_are_refused() {
    // Its parser reads `*-5` as `*`, and nothing as nothing.
    for text in [
        "*-5 * * * *",
        ", * * * *",
        "1,,2 * * * *",
        "+5 * * * *",
        "5/ * * * *",
    ] {
        let told = Schedule::parse(text).unwrap_err();
        assert!(told.starts_with("minute"), "{told}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    for (text, told) in [
        ("0 25 * * *", "hour '25' must be from 0 to 23"),
        ("0 0 * * 7", "day of week '7' must be from 0 to 6"),
        (
            "0 0 * MONDAY *",
            "month 'MONDAY' 'MONDAY' is no number and no name such as JAN",
        ),
        ("9-5 * * * *", "minute '9-5' begins after its end"),
        ("*/0 * * * *", "minute '*/0' has a step of 0"),
        ("0 0 L * *", "day of month 'L' 'L' is no number"),
        ("* * * *", "'* * * *' has 4 fields, not five"),
        (
            "@hourly",
            "'@hourly' is a descriptor; write its five fields, \"0 * * * *\" for @hourly",
        ),
    ] {
        assert_eq!(Schedule::parse(text).unwrap_err(), told);
    }
}

fn facts(platform: &str) -> (Packs, TimeZone) {
    let packs = Packs::builtin().unwrap();
    assert!(packs.platform(platform).is_some());
    (packs, TimeZone::get("Europe/Berlin").unwrap())
}

fn asked(text: &str, platform: &str, mode: FeedMode) -> Result<Scheduled, Reason> {
    let (packs, zone) = facts(platform);
    let floor = packs
        .platform(platform)
        .and_then(|p: &Platform| p.mode(mode));
    let rule = Rule {
        field: "feeds[full].schedule",
        floor: floor.map(|floor| (platform, floor)),
        zone: &zone,
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
    };
    schedule(text, rule)
}

#[test]
fn the_platforms_floor_holds() {
    for (text, platform, fits) in [
        ("0 * * * *", "Instagram", true),
        ("0 3 * * *", "Instagram", true),
        ("*/30 * * * *", "Instagram", false),
        ("0,59 3 * * *", "Instagram", false),
        // 23:30 to 00:00 of the next day.
        ("0 0 * * *", "Instagram", true),
        ("30 23 * * *", "Instagram", true),
        ("*/30 * * * *", "Generic", true),
        ("* * * * *", "Generic", true),
    ] {
        let answer = asked(text, platform, FeedMode::Replace);
        assert_eq!(answer.is_ok(), fits, "{text} {platform} {answer:?}");
    }
    let told = asked("*/30 * * * *", "Instagram", FeedMode::Delta).unwrap_err();
    assert_eq!(told.word, "ScheduleTooOften");
    for part in [
        "feeds[full].schedule",
        "30m",
        "Delta",
        "1h",
        "best practices",
    ] {
        assert!(told.message.contains(part), "{part}: {}", told.message);
    }
}

#[test]
fn a_floor_that_nobody_confirmed_only_warns() {
    let (packs, zone) = facts("Instagram");
    let mut floor = packs
        .platform("Instagram")
        .unwrap()
        .mode(FeedMode::Delta)
        .unwrap()
        .clone();
    floor.confirmed = false;
    let rule = Rule {
        field: "schedule",
        floor: Some(("Instagram", &floor)),
        zone: &zone,
        now: Timestamp::UNIX_EPOCH,
    };
    let answer = schedule("*/30 * * * *", rule).unwrap();
    assert_eq!(answer.warnings[0].word, "Unconfirmed");
}

#[test]
fn a_schedule_that_never_comes_is_refused() {
    for text in ["0 0 31 2 *", "0 0 31 4,6 *"] {
        assert_eq!(
            asked(text, "Generic", FeedMode::Replace).unwrap_err().word,
            "ScheduleNever"
        );
    }
}

#[test]
fn a_run_in_the_hour_of_changing_clocks_is_warned_of() {
    for (text, skipped, doubled) in [
        ("30 2 * * *", true, true),
        ("0 3 * * *", false, false),
        ("0 1 * * *", false, false),
        ("0 * * * *", false, false),
        ("0 */2 * * *", true, true),
        // The last Sunday in March only; the one in October falls on another day.
        ("30 2 28 3 *", true, false),
        ("30 2 * * MON", false, false),
    ] {
        let warnings = asked(text, "Generic", FeedMode::Replace).unwrap().warnings;
        let has = |word: &str| warnings.iter().any(|w| w.message.contains(word));
        assert_eq!(
            (has("is skipped"), has("comes twice")),
            (skipped, doubled),
            "{text} {warnings:?}"
        );
    }
    let told = &asked("30 2 * * *", "Generic", FeedMode::Replace)
        .unwrap()
        .warnings[0];
    assert_eq!(told.word, "ClockChange");
    assert_eq!(
        told.message,
        "feeds[full].schedule: the run at 02:30 is skipped on 2027-03-28, when clocks in Europe/Berlin go from \
         02:00 to 03:00: choose another hour if that matters"
    );
}

#[test]
fn gaps_are_the_shortest_there_are() {
    for (text, minutes) in [
        ("* * * * *", Some(1)),
        ("0 * * * *", Some(60)),
        ("0,50 * * * *", Some(10)),
        ("0 0,23 * * *", Some(60)),
        ("0 0,23 * * MON", Some(23 * 60)),
        ("0 0 1 * *", Some(28 * 1440)),
        ("0 0 * * MON", Some(7 * 1440)),
        ("0 0 31 2 *", None),
        ("0 0 29 2 *", Some(1461 * 1440)),
        ("0 12 1 1 *", Some(365 * 1440)),
        // The 26th or a Tuesday: one day apart in the years in which the 26th of September is a Monday or a Wednesday.
        ("0 0 26 9 2", Some(1440)),
    ] {
        let gap = Schedule::parse(text).unwrap().shortest_gap();
        assert_eq!(gap, minutes.map(SignedDuration::from_mins), "{text}");
    }
}

fn part(min: u32, max: u32) -> impl Strategy<Value = String> {
    let pair = (min..=max, min..=max).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        Just("*".to_owned()),
        (min..=max).prop_map(|a| a.to_string()),
        pair.clone().prop_map(|(a, b)| format!("{a}-{b}")),
        (pair, 1..5u32).prop_map(|((a, b), step)| format!("{a}-{b}/{step}")),
        (1..=max).prop_map(|step| format!("*/{step}")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let fields = (
        part(0, 59),
        part(0, 23),
        part(1, 31),
        part(1, 12),
        part(0, 6),
    );
    fields.prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = Schedule::parse(&text);
    }

    #[test]
    fn the_next_run_matches_and_lies_ahead(text in text(), second in 0..4_000_000_000i64) {
        let schedule = Schedule::parse(&text).unwrap();
        let zone = TimeZone::get("America/New_York").unwrap();
        let now = Timestamp::from_second(second).unwrap();
        if let Some(next) = schedule.next(now, &zone) {
            prop_assert!(next > now);
            prop_assert!(schedule.matches(next.to_zoned(zone).datetime()));
        }
    }

    #[test]
    fn no_two_runs_are_nearer_than_the_shortest_gap(text in text(), day in 0..20_000i64) {
        let schedule = Schedule::parse(&text).unwrap();
        let mut at = date(1990, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp()
            + SignedDuration::from_hours(24 * day);
        let mut last = None;
        for _ in 0..10 {
            let Some(next) = schedule.next(at, &TimeZone::UTC) else { break };
            if let Some(last) = last {
                let gap = schedule.shortest_gap().unwrap();
                prop_assert!(next.duration_since(last) >= gap, "{last} {next} {gap}");
            }
            last = Some(next);
            at = next;
        }
    }
}
