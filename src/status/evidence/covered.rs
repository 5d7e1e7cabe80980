//! What a policy covers in a region and what is missing there, as its chain tells it: names and articles, and nothing that
//! changes while the same is so, for each change is a record.

use crate::api::PolicyFinding;
use crate::evidence::body::{Coverage, OpenFinding, UncoveredTable};
use crate::packs::Check;
use crate::plan::{Plan, PolicyWorkloads};

/// Findings that a record has room for, as many as status has.
const FINDINGS: usize = 50;
/// Tables without a rule that a record has room for. A body may have 262,144 characters: these take half of it at most.
const TABLES: usize = 500;
/// Characters of a law: a pack of one's own may have sources of any length.
const LAW: usize = 400;

/// What there is to tell of a region that the policy chooses.
pub(super) fn coverage(plan: &Plan<PolicyWorkloads>, region: &str) -> Coverage {
    let tables = plan.uncovered.iter().filter(|one| one.region == region);
    let uncovered: Vec<UncoveredTable> = tables
        .clone()
        .take(TABLES)
        .map(|one| UncoveredTable {
            store: one.store.clone(),
            table: one.table.clone(),
        })
        .collect();
    let of_here = |one: &&PolicyFinding| {
        let is_here = one.region.as_deref().is_none_or(|of| of == region);
        is_here && lasts(&one.check)
    };
    let all = plan.baseline.findings.iter().filter(of_here);
    let findings: Vec<OpenFinding> = all.clone().take(FINDINGS).map(open).collect();
    let beyond = |all: usize, told: usize| u32::try_from(all - told).unwrap_or(u32::MAX);
    Coverage {
        more_uncovered: beyond(tables.count(), uncovered.len()),
        more_findings: beyond(all.count(), findings.len()),
        uncovered,
        findings: Some(findings),
        ended: false,
    }
}

/// Whether a finding stays until somebody does something. That evidence is stale comes and goes by itself, and a record of it
/// would make it fresh: `EvidenceFresh` and what is missing from the chain tell of that.
fn lasts(check: &str) -> bool {
    check != Check::EvidenceStale.as_str()
}

fn open(finding: &PolicyFinding) -> OpenFinding {
    OpenFinding {
        id: finding.id.clone(),
        check: finding.check.clone(),
        severity: format!("{:?}", finding.severity),
        law: short(&finding.law),
        place: finding.place.clone(),
    }
}

fn short(law: &str) -> String {
    if law.chars().count() <= LAW {
        return law.to_owned();
    }
    law.chars().take(LAW - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::{Severity, Uncovered};
    use crate::evidence::canonical;
    use crate::plan::{Baseline, Verdict};

    fn finding(check: Check, region: Option<&str>, place: &str, message: &str) -> PolicyFinding {
        PolicyFinding {
            id: format!("{}-{place}", check.as_str()),
            check: check.as_str().to_owned(),
            severity: Severity::Medium,
            law: "GDPR Article 5".to_owned(),
            region: region.map(str::to_owned),
            place: place.to_owned(),
            message: message.to_owned(),
            remedy: "r".to_owned(),
        }
    }

    fn plan(findings: Vec<PolicyFinding>, tables: usize) -> Plan<PolicyWorkloads> {
        let table = |n: usize| Uncovered {
            region: "eu".to_owned(),
            store: "s".repeat(63),
            table: format!("{}{n}", "t".repeat(120)),
            reason: "r".to_owned(),
        };
        Plan {
            verdict: Verdict::Accepted,
            regions: BTreeMap::new(),
            notes: BTreeMap::new(),
            findings: Vec::new(),
            uncovered: (0..tables).map(table).collect(),
            baseline: Baseline {
                findings,
                wake_at: None,
            },
            wake_at: None,
            deleting: None,
        }
    }

    #[test]
    fn a_region_has_the_policys_own_findings_and_its_own_and_none_that_its_records_would_end() {
        let own = finding(Check::ControllerMissing, None, "spec.controller", "m");
        let here = finding(Check::NoPeriod, Some("eu"), "Region eu", "m");
        let there = finding(Check::NoPeriod, Some("us"), "Region us", "m");
        let stale = finding(Check::EvidenceStale, Some("eu"), "Region eu", "m");
        let told = coverage(&plan(vec![own, here, there, stale], 0), "eu");
        let checks = told.findings.iter().flatten().map(|one| one.check.as_str());
        assert_eq!(
            checks.collect::<Vec<_>>(),
            ["ControllerMissing", "NoPeriod"]
        );
    }

    #[test]
    fn what_is_said_in_other_words_is_no_news() {
        let told = |message: &str| {
            let one = finding(
                Check::ExportedPersonsUncounted,
                Some("eu"),
                "Region eu",
                message,
            );
            coverage(&plan(vec![one], 0), "eu")
        };
        assert_eq!(told("16 persons"), told("17 persons"));
    }

    #[test]
    fn the_longest_fits_into_a_record() {
        let mut longest = finding(Check::NoPeriod, Some("eu"), &"p".repeat(400), "m");
        longest.law = "é".repeat(10_000);
        let told = coverage(&plan(vec![longest; 1_000], 2_500), "eu");
        assert_eq!((told.more_findings, told.more_uncovered), (950, 2_000));
        let text = canonical::encode(&canonical::object(&told).unwrap());
        let text = String::from_utf8(text).unwrap();
        assert!(text.chars().count() < 200_000, "{}", text.chars().count());
    }
}
