//! Runs that more than one record tells: one that a pause or a node's end stopped is read back, and told again, with all that
//! it did, by the Job that goes on with it. The newest record tells the whole run.

use std::collections::BTreeMap;

use crate::evidence::{Kind, Record, body, canonical};

/// By its region and place, each record of a run of which a later one of these tells all: that one's place.
pub(in crate::cli::audit) fn superseded<'a>(
    records: impl Iterator<Item = &'a Record> + Clone,
) -> BTreeMap<(&'a str, u64), u64> {
    let runs = records.filter(|record| record.kind == Kind::Run);
    let named = runs.filter_map(|record| {
        let run = canonical::read::<body::Run>(&record.body).ok()?.run?;
        Some((
            (record.region.as_str(), &record.about, run),
            record.sequence,
        ))
    });
    let mut newest = BTreeMap::new();
    for (run, sequence) in named.clone() {
        let known = newest.entry(run).or_insert(sequence);
        *known = sequence.max(*known);
    }
    named
        .filter_map(|(run, sequence)| {
            let by = newest.get(&run).copied()?;
            (by != sequence).then_some(((run.0, sequence), by))
        })
        .collect()
}
