//! The chart of open requests against their clocks: how many were open at the end of each part of the period, and how many
//! of those were in time, near their next deadline, or too late.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::super::export::Book;
use super::super::tables::Asked;
use super::chart::{Bar, Part, figure, parts};
use super::{escaped, table};

/// What is this near is due soon, as status has it.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// In time, due soon, overdue: told apart without colours, on paper too.
const FILLS: [&str; 3] = ["#ffffff", "#8a8a8a", "#1b1b1b"];

/// The chart of each region, and the numbers of all as a table.
pub(super) fn write(out: &mut String, book: &Book) -> std::fmt::Result {
    let asked = &book.tables.asked;
    let regions: BTreeSet<&str> = asked.iter().map(|one| one.region.as_str()).collect();
    if regions.is_empty() {
        return writeln!(out, "<p>No request was recorded for the period.</p>");
    }
    writeln!(
        out,
        "<p>A request is open from its receipt until the person was answered. It is due soon seven days before its next deadline, and too late from the deadline on. A deadline that stands still by the law, while a question to the person is open, does not count.</p>"
    )?;
    let (word, parts) = parts(&book.period);
    // Of what lies behind the last record nobody knows anything.
    let latest = book.all.iter().map(|record| record.at).max();
    let moments: Vec<Option<Timestamp>> = parts
        .iter()
        .map(|part| moment(part, book.period.to.min(latest?)))
        .collect();
    let mut rows = Vec::new();
    for (index, region) in regions.iter().enumerate() {
        let here: Vec<&Asked> = asked.iter().filter(|one| one.region == *region).collect();
        let count = |at: &Option<Timestamp>| at.map_or([0; 3], |at| standing(&here, at));
        let sums: Vec<[i64; 3]> = moments.iter().map(count).collect();
        let bar = |sums: &[i64; 3]| sums.iter().copied().zip(FILLS).collect();
        let bars: Vec<Bar> = sums.iter().map(bar).collect();
        let title = format!(
            "Open requests in {} in time (outlined), due soon (grey) and too late (filled), at the end of each {word}",
            escaped(region)
        );
        figure(out, &format!("clocks-{index}"), &title, (&parts, &bars))?;
        for (part, sums) in parts.iter().zip(&sums) {
            let mut row = vec![part.name.clone(), (*region).to_owned()];
            let open = sums.iter().sum::<i64>();
            row.extend([open].iter().chain(sums).map(ToString::to_string));
            rows.push(row);
        }
    }
    rows.sort();
    let heads = [
        (word, false),
        ("Region", false),
        ("Open", true),
        ("In time", true),
        ("Due soon", true),
        ("Too late", true),
    ];
    let caption = format!("Open requests at the end of each {word}");
    table(out, &caption, &heads, &rows)
}

/// The moment at which a part is looked at: its end, or the last that is known of; none where all of it lies behind that.
fn moment(part: &Part, last: Timestamp) -> Option<Timestamp> {
    let begin = |day: jiff::civil::Date| {
        let day = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(day.timestamp())
    };
    (begin(part.first)? <= last).then_some(begin(part.after)?.min(last))
}

/// How many are open then, by how they stand.
fn standing(asked: &[&Asked], at: Timestamp) -> [i64; 3] {
    let is_open = |one: &&&Asked| one.received <= at && one.ended.is_none_or(|ended| at < ended);
    let mut sums = [0; 3];
    for one in asked.iter().filter(is_open) {
        let open = one.clocks.iter();
        let open = open.filter(|(_, met)| met.is_none_or(|met| at < met));
        let next = open.map(|(ends, _)| *ends).min();
        let place = match next.map(|ends| ends.duration_since(at)) {
            Some(left) if !left.is_positive() => 2,
            Some(left) if left <= SOON => 1,
            _ => 0,
        };
        sums[place] += 1;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_request_stands_by_its_next_open_deadline_until_it_is_answered() {
        let asked = Asked {
            region: "eu".to_owned(),
            received: at("2026-10-05T00:00:00Z"),
            ended: Some(at("2026-11-20T00:00:00Z")),
            clocks: vec![
                (at("2026-10-15T00:00:00Z"), Some(at("2026-10-06T00:00:00Z"))),
                (at("2026-11-05T00:00:00Z"), None),
            ],
        };
        for (moment, wanted) in [
            ("2026-10-04T23:59:59Z", [0, 0, 0]),
            // The first deadline is met a day later, and three days ahead of it the second counts.
            ("2026-10-05T00:00:00Z", [1, 0, 0]),
            ("2026-10-12T00:00:00Z", [1, 0, 0]),
            ("2026-10-29T00:00:00Z", [0, 1, 0]),
            ("2026-11-04T23:59:59Z", [0, 1, 0]),
            ("2026-11-05T00:00:00Z", [0, 0, 1]),
            ("2026-11-20T00:00:00Z", [0, 0, 0]),
        ] {
            assert_eq!(standing(&[&asked], at(moment)), wanted, "{moment}");
        }
    }
}
