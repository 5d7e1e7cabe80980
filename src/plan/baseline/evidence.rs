//! Regions whose evidence is not fresh. What a plan is made of does not know the chains; whoever does says where.

use std::collections::BTreeMap;

use super::book::{Book, Spot, Told};
use super::{Baseline, ground};
use crate::packs::Check;
use crate::plan::{Plan, PolicyFacts, PolicyWorkloads};

/// Adds a finding for each chosen region of which evidence is stale, with what is wrong there.
pub fn stale_evidence(
    facts: &PolicyFacts,
    plan: &mut Plan<PolicyWorkloads>,
    stale: &BTreeMap<String, String>,
    now: jiff::Timestamp,
) {
    if stale.is_empty() || plan.deleting.is_some() {
        return;
    }
    let chosen = plan.notes.iter().filter(|(_, note)| note.chosen);
    let chosen = chosen.map(|(name, _)| name.as_str()).collect();
    let (ground, _) = ground(facts, &chosen, now);
    let mut book = Book::new(&facts.packs);
    for place in &ground.places {
        let Some(why) = stale.get(place.name) else {
            continue;
        };
        for regime in &place.regimes {
            let told = Told::once(
                format!("what happened in the region cannot be shown: {why}"),
                "mend what the condition EvidenceFresh says of this region",
            );
            let field = format!("Region {}, its EvidenceRecords", place.name);
            let spot = Spot::here(place.name, field);
            book.enter(regime, Check::EvidenceStale, spot, told);
        }
    }
    let mut findings = std::mem::take(&mut plan.baseline.findings);
    findings.extend(book.findings());
    plan.baseline = Baseline::of(findings, plan.baseline.wake_at);
}
