//! Whether policies carried what the law calls for, channel by channel.

use std::collections::BTreeMap;

use super::objectives::Objective;
use crate::cli::audit::export::Book;
use crate::evidence::{About, Kind, Record, body, canonical};

/// For no channel a regime was without a policy when the period ended. Nothing is said where no record tells of a channel: each
/// was covered, or nobody recorded it.
pub(super) fn carried(book: &Book) -> Option<Objective<'_>> {
    let told = book.all.iter().filter(|record| {
        let is_of_one = record.kind == Kind::Coverage && record.about.kind == "SocialChannel";
        is_of_one && record.at < book.period.to
    });
    let mut last: BTreeMap<(&About, &str), &Record> = BTreeMap::new();
    for record in told {
        let place = (&record.about, record.region.as_str());
        let before = last.entry(place).or_insert(record);
        if before.sequence < record.sequence {
            *before = record;
        }
    }
    let open: Vec<String> = last.values().copied().filter_map(open).collect();
    (!last.is_empty()).then(|| Objective {
        id: "channels-covered",
        title: "No channel was without a policy that the law of its region calls for",
        says: if open.is_empty() {
            "no channel was without one when the period ended".to_owned()
        } else {
            format!("no policy carried these: {}", open.join("; "))
        },
        holds: open.is_empty(),
        shown: last.into_values().collect(),
    })
}

/// Where and what, unless it has ended.
fn open(record: &Record) -> Option<String> {
    let place = format!("{} in {}", record.about, record.region);
    let Ok(told) = canonical::read::<body::ChannelCoverage>(&record.body) else {
        return Some(format!("{place}, whose record cannot be read"));
    };
    let regimes = told.regimes.iter().map(|one| one.regime.as_str());
    let regimes: Vec<&str> = regimes.collect();
    (!told.ended).then(|| format!("{} for {place}", regimes.join(", ")))
}
