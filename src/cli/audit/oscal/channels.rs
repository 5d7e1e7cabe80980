//! Whether policies carried what the law calls for, channel by channel.

use super::objectives::Objective;
use crate::cli::audit::export::Book;
use crate::cli::audit::tables::told_last;
use crate::evidence::{Kind, Record, body, canonical};

/// For no channel a regime was without a policy when the period ended. Nothing is said where no record tells of a channel: each
/// was covered, or nobody recorded it.
pub(super) fn carried(book: &Book) -> Option<Objective<'_>> {
    let mut last = told_last(&book.all, Kind::Coverage, book.period.to);
    last.retain(|(about, _), _| about.kind == "SocialChannel");
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
