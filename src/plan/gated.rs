//! The gates' answers for one channel in one region, and what follows from them together.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calculus;
use super::flows::{self, Flow};
use super::gates::{self, Border, Candidate, Rule, Sanction, Word as GateWord};
use super::placement::{Place, earlier};
use super::reason::Word;
use super::{ChannelFacts, Finding, Lacking, Reason, RegionFacts, policy};
use crate::api::condition::ConditionType;
use crate::api::{DataPolicy, DataPolicySpec, SocialChannelSpec};
use crate::packs::Platform;

/// What the gates say of a channel in a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gated {
    /// One per question, for the conditions; none for a region that isn't chosen.
    pub(super) findings: Vec<Finding>,
    /// Nothing may be there.
    pub(super) withdraw: Option<Reason>,
    /// Nothing new may start.
    pub(super) keep: Option<Reason>,
    /// What would take personal data out of the region, held or not.
    pub(super) flows: Vec<Flow>,
    /// Since when no policy has covered it.
    pub(super) uncovered_since: Option<Timestamp>,
    /// Which regimes no policy carries for it.
    pub(super) lacking: Option<Lacking>,
    /// When an answer may change by itself.
    pub(super) wake_at: Option<Timestamp>,
}

impl Gated {
    fn find(&mut self, condition: ConditionType, region: &str, holds: Option<bool>, why: Reason) {
        self.findings.push(Finding {
            condition,
            region: Some(region.to_owned()),
            holds,
            reason: why,
        });
    }

    /// A warning speaks against nothing: it stands beside the answer, and is told with it.
    fn warn(&mut self, condition: ConditionType, region: &str, warnings: Vec<Reason>) {
        for warning in warnings {
            self.find(condition, region, Some(true), warning);
        }
    }
}

/// Asks every gate, in the order of what follows: no tenant, no market, no policy.
pub(super) fn ask(
    facts: &ChannelFacts,
    platform: Option<&Platform>,
    place: &Place<'_>,
    now: Timestamp,
) -> Gated {
    let mut gated = Gated::default();
    let Some(region) = place.facts else {
        return gated;
    };
    tenant(facts, place.name, region, &mut gated);
    market(facts, platform, place.name, region, &mut gated);
    coverage(facts, place, region, now, &mut gated);
    transfers(facts, place, region, now, &mut gated);
    let clocks = clocks(facts, platform, region, now);
    gated.warn(ConditionType::Accepted, place.name, clocks);
    if !place.chosen {
        gated.findings.clear();
    }
    gated
}

fn tenant(facts: &ChannelFacts, name: &str, region: &RegionFacts, gated: &mut Gated) {
    let namespace = facts.channel.metadata.namespace.as_deref();
    if let Err(reason) = gates::tenant(namespace.unwrap_or_default(), &region.region) {
        gated.find(ConditionType::Accepted, name, Some(false), reason.clone());
        gated.withdraw = Some(reason);
    }
}

fn market(
    facts: &ChannelFacts,
    platform: Option<&Platform>,
    name: &str,
    region: &RegionFacts,
    gated: &mut Gated,
) {
    let spec = &facts.channel.spec;
    let Some(platform) = platform else {
        let unknown = Word::UnknownPlatform.because("no installed pack knows the platform");
        gated.find(ConditionType::MarketSupported, name, None, unknown);
        return;
    };
    let mode = spec.checkout.as_ref().map(|checkout| checkout.mode);
    let answer = gates::market(&spec.platform.name, platform, mode, &region.region);
    let kind = ConditionType::MarketSupported;
    gated.find(kind, name, Some(answer.holds), answer.reason.clone());
    gated.warn(kind, name, answer.warnings);
    if answer.holds {
        return;
    }
    if answer.reason.word == GateWord::MarketBlocked.as_str() {
        gated.withdraw.get_or_insert(answer.reason);
    } else {
        // The channel may be there, only not pay that way: its spec is to be mended.
        gated.keep = Some(answer.reason);
    }
}

fn coverage(
    facts: &ChannelFacts,
    place: &Place<'_>,
    region: &RegionFacts,
    now: Timestamp,
    gated: &mut Gated,
) {
    let refused: Vec<(&Arc<DataPolicy>, Option<Reason>)> = facts
        .policies
        .values()
        .map(|policy| {
            let refused = policy::refused(policy, &facts.packs, now);
            let lawless = || {
                let place = (&*region.region, &*facts.packs);
                let reasons = calculus::without_period(policy, place, now);
                reasons.into_iter().next()
            };
            (policy, refused.or_else(lawless))
        })
        .collect();
    let candidates: Vec<Candidate<'_>> = refused
        .iter()
        .map(|(policy, refused)| Candidate {
            policy,
            refused: refused.as_ref(),
        })
        .collect();
    let coverage = gates::coverage(
        &facts.channel,
        &region.region,
        &candidates,
        &facts.packs,
        now,
    );
    let enforced = gates::enforce(
        coverage.is_covered(),
        region.region.spec.enforcement.as_ref(),
        remembered(facts, place.name),
        place.had,
        now,
    );
    gated.uncovered_since = enforced.since;
    gated.lacking = (!coverage.is_covered()).then(|| Lacking {
        missing: coverage.missing.clone(),
        sanction: enforced.sanction,
    });
    gated.wake_at = earlier(coverage.wake_at, enforced.wake_at);
    let answer = coverage.answer();
    let mut told = answer.reason;
    match enforced.sanction {
        Sanction::None => {}
        Sanction::Warn => told.message += "; it runs all the same (enforcement.mode: Warn)",
        Sanction::Grace(end) => {
            let countdown = format!("; nothing new starts, and what runs is taken away at {end}");
            told.message += &countdown;
            gated.keep = Some(told.clone());
        }
        Sanction::Withdraw => {
            told.message += "; until then nothing runs here";
            gated.withdraw.get_or_insert(told.clone());
        }
    }
    let kind = ConditionType::PolicyCovered;
    gated.find(kind, place.name, Some(answer.holds), told);
    gated.warn(kind, place.name, answer.warnings);
}

/// Whether what leaves the region may.
fn transfers(
    facts: &ChannelFacts,
    place: &Place<'_>,
    region: &RegionFacts,
    now: Timestamp,
    gated: &mut Gated,
) {
    let border = Border {
        region: &region.region,
        regions: &facts.regions,
        packs: &facts.packs,
        now,
    };
    gated.flows = flows::flows(&facts.channel.spec, |to| match to {
        Some(country) => gates::transfer(&border, country),
        None => gates::transfer_anywhere(&border),
    });
    let stores = flows::stores(&facts.channel.spec, &region.region.spec, |to| {
        gates::transfer(&border, to)
    });
    gated.flows.extend(stores);
    for flow in &gated.flows {
        gated.wake_at = earlier(gated.wake_at, flow.judgement.wake_at);
        gated.findings.extend(flow.findings(place.name));
    }
    if gated.flows.is_empty() {
        let nothing = GateWord::NothingLeaves
            .because("nothing of the channel is known to take personal data anywhere");
        gated.find(
            ConditionType::TransfersLawful,
            place.name,
            Some(true),
            nothing,
        );
    }
}

fn remembered(facts: &ChannelFacts, region: &str) -> Option<Timestamp> {
    let entries = &facts.channel.status.as_ref()?.regions;
    let entry = entries.iter().find(|entry| entry.name == region)?;
    entry.uncovered_since.as_ref()?.parse().ok()
}

/// Runs that a change of clocks in the region's zone skips or doubles.
fn clocks(
    facts: &ChannelFacts,
    platform: Option<&Platform>,
    region: &RegionFacts,
    now: Timestamp,
) -> Vec<Reason> {
    let zone = TimeZone::get(&region.region.spec.locale.time_zone).ok();
    let (Some(zone), Some(platform)) = (zone, platform) else {
        return Vec::new();
    };
    let spec = &facts.channel.spec;
    spec.feeds
        .iter()
        .flat_map(|feed| feed_schedule(feed, (spec, platform), &zone, now).1)
        .filter(|warning| warning.word == GateWord::ClockChange.as_str())
        .collect()
}

/// What is wrong with the feeds' schedules, and what would be if somebody confirmed the fact.
pub(super) fn schedules(
    spec: &SocialChannelSpec,
    platform: &Platform,
    now: Timestamp,
) -> (Vec<Reason>, Vec<Reason>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for feed in &spec.feeds {
        let (problem, more) = feed_schedule(feed, (spec, platform), &TimeZone::UTC, now);
        problems.extend(problem);
        warnings.extend(more);
    }
    (problems, warnings)
}

fn feed_schedule(
    feed: &crate::api::FeedSpec,
    (spec, platform): (&SocialChannelSpec, &Platform),
    zone: &TimeZone,
    now: Timestamp,
) -> (Option<Reason>, Vec<Reason>) {
    let field = format!("spec.feeds[{}].schedule", feed.name);
    let rule = Rule {
        field: &field,
        floor: platform
            .mode(feed.mode)
            .map(|floor| (spec.platform.name.as_str(), floor)),
        zone,
        now,
    };
    match gates::schedule(&feed.schedule, rule) {
        Ok(scheduled) => (None, scheduled.warnings),
        Err(problem) => (Some(problem), Vec::new()),
    }
}

/// What is wrong with a policy's schedule, or what a change of clocks does to it in a zone.
pub(super) fn retention_schedule(
    spec: &DataPolicySpec,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Vec<Reason>, Reason> {
    let rule = Rule {
        field: "spec.retention.schedule",
        floor: None,
        zone,
        now,
    };
    gates::schedule(&spec.retention.schedule, rule).map(|scheduled| scheduled.warnings)
}
