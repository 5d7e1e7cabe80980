//! What a DataPolicy's status says of its findings: some of them, and how many there are.

use super::reason::Word;
use super::resource;
use super::said::wanted;
use crate::api::condition::{ConditionType, Truth, Wanted};
use crate::api::{FindingTotals, PolicyFinding, Severity};
use crate::plan::{Baseline, Plan, PolicyWorkloads};

/// Findings that status has room for.
const SHOWN: usize = 50;
/// Findings that a message names before it only counts them.
const NAMED: usize = 3;

/// The most severe ones.
pub(super) fn shown(baseline: &Baseline) -> Vec<PolicyFinding> {
    baseline.findings.iter().take(SHOWN).cloned().collect()
}

/// All of them, counted.
pub(super) fn totals(baseline: &Baseline) -> FindingTotals {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let of = |severity| number(baseline.count(severity));
    FindingTotals {
        all: number(baseline.findings.len()),
        high: of(Severity::High),
        medium: of(Severity::Medium),
        low: of(Severity::Low),
    }
}

/// Whether anything severe is missing.
pub(super) fn baseline(plan: &Plan<PolicyWorkloads>) -> Wanted {
    let kind = ConditionType::BaselineMet;
    if plan.notes.values().all(|note| !note.chosen) {
        return wanted(kind, Truth::Unknown, resource::not_asked(plan));
    }
    let totals = totals(&plan.baseline);
    let (truth, word) = match totals {
        FindingTotals { all: 0, .. } => (Truth::True, Word::NoFindings),
        FindingTotals { high: 0, .. } => (Truth::True, Word::LesserFindings),
        FindingTotals { .. } => (Truth::False, Word::SevereFindings),
    };
    if totals.all == 0 {
        let message = "nothing that the regimes ask for is missing, by what can be seen here";
        return wanted(kind, truth, word.because(message));
    }
    let told = |one: &PolicyFinding| format!("{} at {}", one.check, one.place);
    let findings = &plan.baseline.findings;
    let mut named: Vec<String> = findings.iter().take(NAMED).map(told).collect();
    if findings.len() > NAMED {
        named.push(format!("and {} more", findings.len() - NAMED));
    }
    let message = format!(
        "{} high, {} medium, {} low: {}; see status.findings",
        totals.high,
        totals.medium,
        totals.low,
        named.join(", ")
    );
    wanted(kind, truth, word.because(message))
}
