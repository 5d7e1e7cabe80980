//! How long evidence of a region is kept: as the Region says, and never less than a regime wants that applies there.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, date};

use super::gates::called_for;
use crate::api::{DataPolicy, Region};
use crate::packs::{Clock, ClockKind, Packs, Period};

/// From when periods are counted to be compared: the first day of a leap year.
const DAY: Date = date(2024, 1, 1);
/// What a regime says of how long records are kept.
const RECORDS: [ClockKind; 3] = [
    ClockKind::Records,
    ClockKind::IncidentRecords,
    ClockKind::ConsentRecords,
];

/// How long evidence is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFor {
    /// As records say it: `P24M`.
    pub period: String,
    /// The regimes that want as long, where the Region says less.
    pub regimes: Vec<String>,
    length: Period,
}

impl fmt::Display for KeptFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.period)?;
        if self.regimes.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.regimes.join(", "))
    }
}

impl KeptFor {
    /// The first moment at which what was there at another one may go.
    #[must_use]
    pub fn over(&self, since: Timestamp) -> Option<Timestamp> {
        let zoned = since.to_zoned(jiff::tz::TimeZone::UTC);
        let span = self.length.span()?;
        Some(zoned.checked_add(span).ok()?.timestamp())
    }
}

/// For how long, by the Region, its jurisdictions and the policies' regimes; none: for ever.
#[must_use]
pub fn evidence_keep<'a>(
    region: &Region,
    policies: impl Iterator<Item = &'a DataPolicy>,
    packs: &Packs,
    now: Timestamp,
) -> Option<KeptFor> {
    let said = region.spec.evidence.as_ref()?.keep.clone()?;
    let Ok(Clock::Period(own)) = Clock::try_from(said) else {
        return None;
    };
    let mut applies: BTreeSet<String> = called_for(region, packs, now)
        .into_iter()
        .map(|called| called.regime)
        .collect();
    applies.extend(policies.flat_map(|policy| policy.spec.regimes.iter().cloned()));
    let mut keep = (end(&own)?, own, Vec::new());
    for regime in applies {
        let Some(facts) = packs.regime(&regime) else {
            continue;
        };
        let wanted = RECORDS.iter().filter_map(|kind| facts.clocks.get(kind));
        let wanted = wanted.filter_map(|fact| match &fact.value {
            Clock::Period(period) => Some((end(period)?, *period)),
            _ => None,
        });
        let Some((until, period)) = wanted.max_by_key(|(until, _)| *until) else {
            continue;
        };
        if until > keep.0 {
            keep = (until, period, vec![regime]);
        } else if until == keep.0 && !keep.2.is_empty() {
            keep.2.push(regime);
        }
    }
    Some(KeptFor {
        period: keep.1.to_string(),
        regimes: keep.2,
        length: keep.1,
    })
}

fn end(period: &Period) -> Option<Date> {
    DAY.checked_add(period.span()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn region(code: &str, keep: Option<&str>) -> Region {
        let region = json!({
            "metadata": {"name": "r"},
            "spec": {"jurisdictions": [code], "cluster": {"local": {}}, "runNamespace": "runs", "evidence": {"keep": keep},
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"}},
        });
        serde_json::from_value(region).unwrap()
    }

    fn policy(regime: &str) -> DataPolicy {
        let policy = json!({
            "metadata": {"name": "p"},
            "spec": {"regimes": [regime], "selector": {}, "mode": "DryRun", "rules": [], "retention": {"schedule": "0 2 * * *"}},
        });
        serde_json::from_value(policy).unwrap()
    }

    fn told(region: &Region, policies: &[DataPolicy]) -> Option<(String, String)> {
        let packs = Packs::builtin().unwrap();
        let now = "2027-06-01T00:00:00Z".parse().unwrap();
        let keep = evidence_keep(region, policies.iter(), &packs, now)?;
        Some((keep.period, keep.regimes.join(" ")))
    }

    #[test]
    fn no_regime_that_applies_gets_less_than_it_wants() {
        let told = |region: &Region, policies: &[DataPolicy]| {
            let told = told(region, policies);
            told.map(|(period, regimes)| format!("{period} {regimes}").trim().to_owned())
        };
        assert_eq!(told(&region("DE", None), &[]), None);
        assert_eq!(told(&region("DE", Some("P1Y")), &[]).unwrap(), "P1Y");
        assert_eq!(
            told(&region("US-CA", Some("P1Y")), &[]).unwrap(),
            "P24M us-ca-ccpa"
        );
        assert_eq!(
            told(&region("US-CA", Some("P2Y")), &[]).unwrap(),
            "P2Y",
            "as long"
        );
        assert_eq!(told(&region("US-CA", Some("P6Y")), &[]).unwrap(), "P6Y");
        assert_eq!(
            told(&region("DE", Some("P1Y")), &[policy("us-ca-ccpa")]).unwrap(),
            "P24M us-ca-ccpa"
        );
        assert_eq!(
            told(&region("IN", Some("P1Y")), &[]).unwrap(),
            "P7Y in-dpdp"
        );
    }

    #[test]
    fn it_is_counted_by_the_calendar() {
        let packs = Packs::builtin().unwrap();
        let now = "2027-06-01T00:00:00Z".parse().unwrap();
        let keep =
            evidence_keep(&region("DE", Some("P1M")), std::iter::empty(), &packs, now).unwrap();
        let over = keep.over("2027-01-31T12:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(over.to_string(), "2027-02-28T12:00:00Z");
    }
}
