//! Which regimes the law of a Region calls for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::Region;
use crate::packs::{Jurisdiction, Packs};

/// A regime that the Region's law calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its id.
    pub regime: String,
    /// The provisions.
    pub law: String,
    /// The Region's jurisdictions that call for it.
    pub by: BTreeSet<Jurisdiction>,
    /// Where it was read that they do.
    pub source: String,
    /// Whether that is confirmed; else its lack is a warning.
    pub confirmed: bool,
    /// When it begins to be called for, when that is to come.
    pub from: Option<Timestamp>,
}

/// The regimes that count for a policy where these are called for: those that it carries; where the law calls for none of
/// them today, all of them, for the policy's author says so.
#[must_use]
pub fn counting<'a>(carried: &BTreeSet<&'a str>, called: &[Called]) -> BTreeSet<&'a str> {
    let today = called.iter().filter(|called| called.from.is_none());
    let today: BTreeSet<&str> = today.map(|called| called.regime.as_str()).collect();
    let here = carried.iter().copied().filter(|id| today.contains(id));
    let here: BTreeSet<&str> = here.collect();
    if here.is_empty() {
        return carried.clone();
    }
    here
}

/// Every regime that the Region's jurisdictions call for, today or later. Codes that are no codes call for nothing:
/// [`codes`](fn@crate::plan::gates::codes) refuses them.
#[must_use]
pub fn called_for(region: &Region, packs: &Packs, now: Timestamp) -> Vec<Called> {
    let zone = TimeZone::get(&region.spec.locale.time_zone).unwrap_or(TimeZone::UTC);
    let codes = region.spec.jurisdictions.iter();
    let codes: Vec<_> = codes.filter_map(|code| Jurisdiction::parse(code)).collect();
    called_by(&codes, &zone, packs, now)
}

/// Every regime that these jurisdictions call for, at a moment or later; its first day begins in this zone.
#[must_use]
pub fn called_by(
    codes: &[Jurisdiction],
    zone: &TimeZone,
    packs: &Packs,
    now: Timestamp,
) -> Vec<Called> {
    let mut called: BTreeMap<&str, Called> = BTreeMap::new();
    for fact in &packs.regimes.jurisdictions {
        // A country calls by its parts, and a part is called by what its country calls for.
        let touches = |code: &&Jurisdiction| {
            let entries = fact.value.codes.iter();
            entries
                .clone()
                .any(|entry| entry.holds(code) || code.holds(entry))
        };
        let by: BTreeSet<_> = codes.iter().filter(touches).cloned().collect();
        for id in fact.value.regimes.iter().filter(|_| !by.is_empty()) {
            let Some(regime) = packs.regime(id) else {
                continue;
            };
            let begins = regime.in_force.as_ref();
            let from = begins.and_then(|date| date.value.to_zoned(zone.clone()).ok());
            let confirmed = fact.confirmed && begins.is_none_or(|date| date.confirmed);
            let entry = called.entry(id).or_insert_with(|| Called {
                regime: id.clone(),
                law: regime.law.value.clone(),
                by: BTreeSet::new(),
                source: fact.source.as_str().to_owned(),
                confirmed,
                from: from.map(|from| from.timestamp()).filter(|from| *from > now),
            });
            if confirmed && !entry.confirmed {
                entry.confirmed = true;
                fact.source.as_str().clone_into(&mut entry.source);
            }
            entry.by.extend(by.iter().cloned());
        }
    }
    called.into_values().collect()
}
