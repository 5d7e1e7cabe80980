//! The last word on each request in each region, and whether it came in time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::sums::tables;
use crate::cli::audit::period::Period;
use crate::contract::ErasedTable;
use crate::evidence::{Kind, Record, body, canonical};
use crate::plan::precedes;

/// The last word on a request in a region.
pub(in crate::cli::audit) struct Last<'a> {
    pub(in crate::cli::audit) record: &'a Record,
    /// None where it cannot be read.
    pub(in crate::cli::audit) request: Option<body::Request>,
}

impl Last<'_> {
    /// When the person had their answer, or nobody was left to answer. Steps stand in the records as people wrote them: a moment
    /// before which nothing can have been asked ends nothing.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        let request = self.request.as_ref()?;
        let gone = request.deleted.then_some(self.record.at);
        let received = self.received();
        let ends = ["Answered", "Refused", "Cancelled"];
        let told = request
            .steps
            .iter()
            .filter(|step| ends.contains(&&*step.step));
        told.filter_map(|step| step.at.parse().ok())
            .filter(|at| received.is_none_or(|received| !precedes(*at, received)))
            .chain(gone)
            .min()
    }

    pub(super) fn received(&self) -> Option<Timestamp> {
        self.request.as_ref()?.received.parse().ok()
    }

    /// Deadlines that were missed by then.
    pub(in crate::cli::audit) fn late(&self, by: Timestamp) -> Vec<&body::RequestClock> {
        let until = self.ended().map_or(by, |ended| ended.min(by));
        let clocks = self.request.iter().flat_map(|one| &one.deadlines);
        let is_late = |clock: &&body::RequestClock| {
            // It was asked before its end, or it would run: until the answer comes it is not late, whatever is done meanwhile.
            if clock.stands_still {
                return false;
            }
            let ends = clock.ends.as_ref().and_then(|at| at.parse().ok());
            let met = clock.met_at.as_ref().and_then(|at| at.parse().ok());
            ends.is_some_and(|ends: Timestamp| ends <= met.unwrap_or(until).min(by))
        };
        clocks.filter(is_late).collect()
    }

    /// Every table's numbers.
    pub(super) fn tables(&self) -> impl Iterator<Item = &ErasedTable> {
        tables(self.request.as_ref().and_then(|one| one.outcome.as_ref()))
    }
}

/// About a request: of the same kind are the records of what was erased again after a restore.
pub(super) fn is_request(record: &Record) -> bool {
    record.kind == Kind::Request && record.about.kind == "DataSubjectRequest"
}

/// The last word on each request in each region before the period ended, for requests that were open in it or of which
/// something was recorded in it.
pub(in crate::cli::audit) fn last<'a>(records: &'a [Record], period: &Period) -> Vec<Last<'a>> {
    let mut last: BTreeMap<(&str, &str), &Record> = BTreeMap::new();
    let of_kind = records.iter().filter(|one| is_request(one));
    for record in of_kind.filter(|one| one.at < period.to) {
        let key = (record.about.name.as_str(), record.region.as_str());
        let before = last.entry(key).or_insert(record);
        if before.sequence < record.sequence {
            *before = record;
        }
    }
    let all = last.into_values().map(|record| Last {
        record,
        request: canonical::read(&record.body).ok(),
    });
    let is_of_it = |one: &Last<'_>| {
        period.has(one.record.at) || one.ended().is_none_or(|ended| period.from < ended)
    };
    all.filter(is_of_it).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{About, Entry, Tip};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Received in October 2026, to be answered by the 20th of November.
    fn record(steps: &Value, more: &Value) -> Record {
        let mut body = json!({
            "state": "Refused", "kind": "Erasure", "received": "2026-10-20T09:30:00+02:00", "jurisdictions": ["DE"], "zone": "Europe/Berlin",
            "steps": steps,
            "deadlines": [{"regime": "eu-gdpr", "step": "response", "within": "P1M", "ends": "2026-11-20T23:00:00Z", "law": "GDPR Article 12(3)"}],
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let entry = Entry {
            kind: Kind::Request,
            at: at("2026-10-21T08:00:00Z"),
            about: About::cluster("DataSubjectRequest", "dsr-1"),
            source: "r/1".to_owned(),
            body: canonical::object(&body).unwrap(),
        };
        entry.append("eu", &Tip::genesis("f", "eu"))
    }

    /// Since when it has ended, and how many deadlines were missed by the end of the year; none where it is not of the quarter.
    fn told(record: Record) -> Option<(Option<Timestamp>, usize)> {
        let records = [record];
        let all = last(&records, &Period::parse("2026-12").unwrap());
        let one = all.first()?;
        Some((one.ended(), one.late(at("2027-01-01T00:00:00Z")).len()))
    }

    #[test]
    fn what_ended_before_it_was_asked_has_not_ended() {
        let step = |step: &str, at: &str| json!({"step": step, "at": at, "by": "dpo"});
        let refused = |at: &str| record(&json!([step("Refused", at)]), &json!({}));
        // The year is a slip: it is open, and late.
        for word in ["Refused", "Cancelled", "Answered"] {
            let slip = step(word, "2025-11-03T09:00:00+01:00");
            let open = told(record(&json!([slip]), &json!({})));
            assert_eq!(open, Some((None, 1)), "{word}");
            // The answer that is recorded then counts.
            let answered = step("Answered", "2026-12-03T09:00:00+01:00");
            let both = told(record(&json!([slip, answered]), &json!({})));
            assert_eq!(both, Some((Some(at("2026-12-03T08:00:00Z")), 1)), "{word}");
        }
        // Whoever wrote the day alone, as midnight, wrote the day of the receipt; an answer of November is of no later month.
        assert_eq!(told(refused("2026-10-20T00:00:00+02:00")), None);
        assert_eq!(told(refused("2026-11-03T09:00:00+01:00")), None);
    }

    /// As on the hub, where the end moves until the answer comes.
    #[test]
    fn what_stands_still_is_not_late_however_it_ends() {
        let answer = "2026-12-03T09:00:00+01:00";
        let steps = json!([{"step": "Paused", "at": "2026-11-02"}, {"step": "Answered", "at": answer, "by": "dpo"}]);
        let late = |still: bool| {
            let mut clock = json!({"regime": "uk-gdpr", "step": "response", "within": "P1M", "ends": "2026-11-20T23:00:00Z",
                "law": "UK GDPR Article 12A", "metAt": answer});
            if still {
                clock["standsStill"] = true.into();
            }
            told(record(&steps, &json!({"deadlines": [clock]})))
                .unwrap()
                .1
        };
        assert_eq!((late(true), late(false)), (0, 1));
    }
}
