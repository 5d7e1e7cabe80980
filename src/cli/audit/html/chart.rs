//! Charts as plain SVG, each with a title and a description, and its numbers as a table beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::super::export::Book;
use super::super::period::Period;
use super::{escaped, table};
use crate::contract::Count;

const WIDTH: usize = 960;
const HEIGHT: usize = 120;
const LEFT: usize = 60;
const BELOW: usize = 24;

/// A part of the period, by its first day.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) first: Date,
    pub(super) after: Date,
}

/// Days of a month, weeks of a quarter, months of more.
pub(super) fn parts(period: &Period) -> (&'static str, Vec<Part>) {
    let (first, last) = (period.first(), period.last());
    let days = first.until(last).map_or(0, |span| span.get_days()) + 1;
    let (word, step, begin): (_, Span, Date) = if days <= 31 {
        ("day", 1.day(), first)
    } else if days <= 100 {
        let back = i64::from(first.weekday().to_monday_zero_offset());
        ("week", 1.week(), first.saturating_sub(back.days()))
    } else {
        ("month", 1.month(), first.first_of_month())
    };
    let mut parts = Vec::new();
    let mut at = begin;
    while at <= last {
        let Ok(after) = at.checked_add(step) else {
            break;
        };
        let name = if word == "month" {
            at.strftime("%Y-%m").to_string()
        } else {
            at.to_string()
        };
        parts.push(Part {
            name,
            first: at,
            after,
        });
        at = after;
    }
    (word, parts)
}

/// The charts and their tables.
pub(super) fn write(out: &mut String, book: &Book) -> std::fmt::Result {
    let (word, parts) = parts(&book.period);
    let ran = &book.tables.ran;
    let regions: BTreeSet<&str> = ran.iter().map(|ran| ran.region.as_str()).collect();
    if regions.is_empty() {
        return writeln!(out, "<p>No run was recorded in the period.</p>");
    }
    let mut rows = Vec::new();
    for (index, region) in regions.iter().enumerate() {
        let within = |part: &Part| {
            let here = ran.iter().filter(|one| one.region == *region);
            let (mut runs, mut erased) = (0_i64, Count::ZERO);
            // What one run leaves is due for the next again: added up it would be told many times.
            let mut due: BTreeMap<&str, Count> = BTreeMap::new();
            for one in here.filter(|one| part.first <= one.day && one.day < part.after) {
                runs = runs.saturating_add(1);
                erased = erased.plus(one.erased);
                due.insert(&one.policy, one.due);
            }
            [Count::exact(runs), due.into_values().sum(), erased]
        };
        let sums: Vec<[Count; 3]> = parts.iter().map(within).collect();
        let runs: Vec<Bar> = sums
            .iter()
            .map(|sums| vec![(sums[0].least(), "#0b4f8a")])
            .collect();
        let name = escaped(region);
        figure(
            out,
            &format!("runs-{index}"),
            &format!("Runs in {name}, by {word}"),
            (&parts, &runs),
        )?;
        let both: Vec<Bar> = sums
            .iter()
            .map(|sums| vec![(sums[1].least(), "#ffffff"), (sums[2].least(), "#1b1b1b")])
            .collect();
        let least = least(&sums);
        let title = format!(
            "Rows due at the last run (outlined) and erased (filled) in {name}, by {word}{least}"
        );
        figure(out, &format!("rows-{index}"), &title, (&parts, &both))?;
        for (part, sums) in parts.iter().zip(&sums) {
            let mut row = vec![part.name.clone(), (*region).to_owned()];
            row.extend(sums.iter().map(ToString::to_string));
            rows.push(row);
        }
    }
    rows.sort();
    let heads = [
        (word, false),
        ("Region", false),
        ("Runs", true),
        ("Rows due at the last run", true),
        ("Rows erased", true),
    ];
    table(
        out,
        &format!("The charts' numbers by {word}"),
        &heads,
        &rows,
    )
}

/// Said of bars: a number that is not told is drawn as the least that it can be.
fn least(sums: &[[Count; 3]]) -> &'static str {
    let is_told = sums.iter().flatten().all(|count| count.told().is_some());
    if is_told { "" } else { ", at least" }
}

/// Values beside each other, with their colours.
pub(super) type Bar = Vec<(i64, &'static str)>;

/// Bars over time.
pub(super) fn figure(
    out: &mut String,
    id: &str,
    title: &str,
    (parts, bars): (&[Part], &[Bar]),
) -> std::fmt::Result {
    let greatest = bars
        .iter()
        .flatten()
        .map(|bar| bar.0)
        .max()
        .unwrap_or(0)
        .max(1);
    // Of two kinds of bars there is no one sum.
    let is_one = bars.iter().all(|bar| bar.len() < 2);
    let sum = bars.iter().flatten().map(|bar| bar.0);
    let sum = sum.fold(0, i64::saturating_add);
    let sum = if is_one {
        format!(", all together are {sum}")
    } else {
        String::new()
    };
    let height = HEIGHT + BELOW + 10;
    writeln!(
        out,
        "<figure>\n<figcaption>{title}</figcaption>\n<svg role=\"img\" aria-labelledby=\"{id}-t\" aria-describedby=\"{id}-d\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" xmlns=\"http://www.w3.org/2000/svg\" font-size=\"11\">\n<title id=\"{id}-t\">{title}</title>\n<desc id=\"{id}-d\">{} bars from {} to {}; the highest is {greatest}{sum}. The table below has every number.</desc>",
        parts.len(),
        parts.first().map_or("", |part| &part.name),
        parts.last().map_or("", |part| &part.name),
    )?;
    let base = HEIGHT + 10;
    writeln!(
        out,
        "<line x1=\"{LEFT}\" y1=\"{base}\" x2=\"{WIDTH}\" y2=\"{base}\" stroke=\"#1b1b1b\"/><text x=\"{}\" y=\"18\" text-anchor=\"end\">{greatest}</text><text x=\"{}\" y=\"{base}\" text-anchor=\"end\">0</text>",
        LEFT - 6,
        LEFT - 6
    )?;
    let slot = (WIDTH - LEFT) / parts.len().max(1);
    // A label needs the room of ten letters.
    let every = 80_usize.div_ceil(slot.max(1));
    for (index, (part, bar)) in parts.iter().zip(bars).enumerate() {
        let left = LEFT + index * slot;
        let wide = (slot * 4 / 5 / bar.len().max(1)).max(1);
        for (place, (value, fill)) in bar.iter().enumerate().filter(|(_, bar)| bar.0 > 0) {
            let high = scaled(*value, greatest);
            writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{wide}\" height=\"{high}\" fill=\"{fill}\" stroke=\"#1b1b1b\"/>",
                left + place * wide,
                base - high
            )?;
        }
        if index % every == 0 {
            writeln!(
                out,
                "<text x=\"{left}\" y=\"{}\">{}</text>",
                base + 16,
                part.name
            )?;
        }
    }
    writeln!(out, "</svg>\n</figure>")
}

/// A height in whole points; what is not nothing is seen.
fn scaled(value: i64, greatest: i64) -> usize {
    let high = i128::from(value) * HEIGHT as i128 / i128::from(greatest);
    usize::try_from(high).unwrap_or(HEIGHT).clamp(1, HEIGHT)
}
