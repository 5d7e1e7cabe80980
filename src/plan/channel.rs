//! What a SocialChannel should have in each region.

mod held;
pub(super) mod listed;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::flows::{self, Flow, Part};
use super::gated::{self, Gated};
use super::meta::{self, Identity, Role};
use super::placement::{self, Decision, Ground, Place, earlier};
use super::reason::Word;
use super::suspension::{self, Suspension};
use super::{
    Baseline, ChannelFacts, ChannelWorkloads, Finding, Plan, Reason, RegionFacts, RegionNote,
    RegionPlan, SecretFact, Verdict, connector, feed, gates, opt_out, platform,
};
use crate::api::condition::ConditionType;
use crate::api::{DeletionPolicy, Region, SocialChannel, SocialChannelSpec, names};
use crate::contract::Channel;
use crate::packs::Platform;

/// One channel in one region, while it is being built.
pub(super) struct Site<'a> {
    pub(super) facts: &'a ChannelFacts,
    pub(super) platform: &'a Platform,
    /// The Region's name and the Region.
    pub(super) region: &'a str,
    pub(super) place: &'a Region,
    /// What takes personal data out of the region, held or not.
    pub(super) flows: &'a [Flow],
    /// The channel's namespace (here and there) and name.
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// The value of the run-at annotation, while its Jobs are still to be made here.
    pub(super) run_at: Option<&'a str>,
}

impl<'a> Site<'a> {
    pub(super) fn role(&self, component: &'static str, feed: Option<&'a str>) -> Role<'a> {
        Role {
            identity: identity(self.facts),
            component,
            feed,
        }
    }

    /// The platform's settings as a task has them.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let settings = self.facts.channel.spec.platform.settings.iter();
        settings
            .map(|setting| (setting.name.clone(), setting.value.clone()))
            .collect()
    }

    /// What is known of a flow; nothing when it takes no personal data anywhere.
    pub(super) fn flow(&self, part: &Part) -> Option<&'a Flow> {
        self.flows.iter().find(|flow| flow.part == *part)
    }

    /// Whether it must not be made.
    pub(super) fn is_held(&self, part: &Part) -> bool {
        self.flow(part)
            .is_some_and(|flow| !flow.judgement.is_open())
    }

    pub(super) fn channel(&self) -> Channel {
        Channel {
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
        }
    }
}

fn identity(facts: &ChannelFacts) -> Identity<'_> {
    Identity {
        fleet: &facts.settings.fleet,
        kind: "SocialChannel",
        namespace: facts
            .channel
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default(),
        name: facts.channel.metadata.name.as_deref().unwrap_or_default(),
    }
}

/// What the channel itself says, whatever the region.
struct Own<'a> {
    deleting: Option<DeletionPolicy>,
    platform: Option<&'a Platform>,
    pause: Option<Suspension>,
    /// What somebody must mend.
    problems: Vec<Reason>,
    /// What would have to be mended if somebody confirmed a fact.
    warnings: Vec<Reason>,
    /// What is missing.
    waiting: Option<Reason>,
}

/// What should be where.
#[must_use]
pub fn channel(facts: &ChannelFacts, now: Timestamp) -> Plan<ChannelWorkloads> {
    let chosen = chosen(facts);
    let own = own(facts, &chosen, now);
    let deleting = own.deleting;
    let old = facts.channel.status.iter().flat_map(|s| &s.regions);
    let places = placement::places(
        &facts.regions,
        &chosen,
        old.map(|entry| (entry.name.as_str(), entry.inventory.as_slice())),
    );
    let mut plan = Plan {
        verdict: verdict(&own),
        regions: BTreeMap::new(),
        notes: BTreeMap::new(),
        findings: findings(facts, &own, &chosen),
        uncovered: Vec::new(),
        baseline: Baseline::default(),
        wake_at: own.pause.as_ref().and_then(|pause| pause.until),
        deleting,
    };
    for place in &places {
        if deleting.is_some() && !place.had {
            // Nothing was made there: a silent cluster must not hold the deletion up.
            continue;
        }
        let gated = gated::ask(facts, own.platform, place, now);
        let mut note = RegionNote {
            uncovered_since: gated.uncovered_since,
            lacking: gated.lacking.clone(),
            held: held::held(&gated),
            ..RegionNote::default()
        };
        let decision = decide(facts, &own, place, &gated, now);
        let decision = held::law_first(facts, &own, (place, &gated), decision);
        let anew = listed::note(&mut note, (facts, &own), place, &decision, now);
        plan.wake_at = earlier(plan.wake_at, anew);
        plan.enter(place, note, decision);
        plan.wake_at = earlier(plan.wake_at, gated.wake_at);
        plan.findings.extend(gated.findings);
    }
    plan
}

fn chosen(facts: &ChannelFacts) -> BTreeSet<&str> {
    let by_label = facts
        .regions
        .iter()
        .filter(|(_, region)| placement::channel_chooses(&facts.channel, &region.region))
        .map(|(name, _)| name.as_str());
    let by_name = facts.channel.spec.regions.names.iter().flatten();
    by_label.chain(by_name.map(String::as_str)).collect()
}

fn own<'a>(facts: &'a ChannelFacts, chosen: &BTreeSet<&str>, now: Timestamp) -> Own<'a> {
    let spec = &facts.channel.spec;
    let pause = suspension::in_force(spec.suspend.as_ref(), now);
    let going = facts.channel.metadata.deletion_timestamp.as_ref();
    let deleting = going.map(|_| spec.deletion_policy.unwrap_or_default());
    match platform::known(spec, &facts.packs) {
        Err(problem) => Own {
            deleting,
            platform: None,
            pause,
            problems: vec![problem],
            warnings: Vec::new(),
            waiting: None,
        },
        Ok(platform) => {
            let mut problems = platform::problems(spec, platform);
            problems.extend(platform::shared_files(spec, chosen));
            let (wrong, warnings) = gated::schedules(spec, platform, now);
            problems.extend(wrong);
            problems.extend(countries(spec));
            problems.extend(opt_out::unknowable(spec, platform));
            Own {
                deleting,
                platform: Some(platform),
                pause,
                problems,
                warnings,
                waiting: platform::credentials(
                    platform,
                    &facts.credentials,
                    spec,
                    facts
                        .channel
                        .metadata
                        .namespace
                        .as_deref()
                        .unwrap_or_default(),
                ),
            }
        }
    }
}

/// Countries that are none.
fn countries(spec: &SocialChannelSpec) -> Vec<Reason> {
    let named = flows::named(spec).into_iter();
    named
        .filter_map(|(field, code)| gates::codes(&field, &[code]).err())
        .collect()
}

/// A spec that somebody must mend says so before a pause does: both keep what runs.
fn verdict(own: &Own<'_>) -> Verdict {
    if let Some(problem) = own.problems.first() {
        return Verdict::Invalid(problem.clone());
    }
    if let Some(pause) = &own.pause {
        return Verdict::Suspended(pause.reason(Word::Suspended));
    }
    own.waiting
        .clone()
        .map_or(Verdict::Accepted, Verdict::Waiting)
}

fn findings(facts: &ChannelFacts, own: &Own<'_>, chosen: &BTreeSet<&str>) -> Vec<Finding> {
    let finding = |condition, reason: Reason| Finding {
        condition,
        region: None,
        holds: Some(false),
        reason,
    };
    let mut findings: Vec<Finding> = own
        .problems
        .iter()
        .map(|problem| finding(ConditionType::Accepted, problem.clone()))
        .collect();
    findings.extend(own.warnings.iter().map(|warning| Finding {
        holds: Some(true),
        ..finding(ConditionType::Accepted, warning.clone())
    }));
    if own.platform.is_none() {
        // Which keys the credentials need is the platform's fact.
        let unknown = Word::UnknownPlatform.because("no installed pack knows the platform");
        findings.push(Finding {
            holds: None,
            ..finding(ConditionType::ReferencesResolved, unknown)
        });
    }
    findings.extend(own.pause.as_ref().and_then(Suspension::problem));
    findings.extend(own.waiting.iter().map(|reason| Finding {
        holds: (!matches!(facts.credentials, SecretFact::Unreadable(_))).then_some(false),
        ..finding(ConditionType::ReferencesResolved, reason.clone())
    }));
    if chosen.is_empty() {
        findings.push(finding(ConditionType::ReferencesResolved, no_region(facts)));
    }
    findings
}

fn no_region(facts: &ChannelFacts) -> Reason {
    let labels: Vec<String> = facts
        .channel
        .spec
        .regions
        .selector
        .iter()
        .flat_map(|selector| &selector.match_labels)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Word::NoRegion.because(format!(
        "spec.regions: no Region has the labels {}; label one, or choose others",
        labels.join(", ")
    ))
}

/// The order is the meaning: ignorance first, then what the law and the region's owner say, then the channel's own
/// pause (which must not be a way around them), its faults, its wishes.
fn decide(
    facts: &ChannelFacts,
    own: &Own<'_>,
    place: &Place<'_>,
    gated: &Gated,
    now: Timestamp,
) -> Decision<ChannelWorkloads> {
    let region = match placement::ground(place, &facts.regions, own.deleting, now) {
        Ground::Decided(decision) => return decision,
        Ground::Suspended(reason, until) => {
            return Decision {
                wake_at: until,
                ..RegionPlan::Hold(reason).into()
            };
        }
        Ground::Open(region) => region,
    };
    if let Some(decided) = settled(facts, own, place, gated) {
        return decided.into();
    }
    if let Some(reason) = unready(facts, region, place.name) {
        return Decision {
            missing: Some(reason.clone()),
            ..RegionPlan::Keep(reason).into()
        };
    }
    match own.platform {
        Some(platform) => {
            let at = (place.name, region);
            RegionPlan::Run(Box::new(workloads(facts, platform, at, &gated.flows))).into()
        }
        // Not reached: an unknown platform is a problem, and settled above.
        None => {
            RegionPlan::Keep(Word::UnknownPlatform.because("no installed pack knows it")).into()
        }
    }
}

/// What is decided before the region's own state is looked at.
fn settled(
    facts: &ChannelFacts,
    own: &Own<'_>,
    place: &Place<'_>,
    gated: &Gated,
) -> Option<RegionPlan<ChannelWorkloads>> {
    if let Some(reason) = &gated.withdraw {
        return Some(RegionPlan::Withdraw(reason.clone()));
    }
    if let Some(problem) = own.problems.first() {
        return Some(RegionPlan::Keep(problem.clone()));
    }
    if let Some(pause) = &own.pause {
        return Some(RegionPlan::Hold(pause.reason(Word::Suspended)));
    }
    if !place.chosen {
        let reason = Word::Deselected.because("spec.regions no longer chooses this region");
        return Some(RegionPlan::Withdraw(reason));
    }
    if let Some(reason) = &gated.keep {
        return Some(RegionPlan::Keep(reason.clone()));
    }
    let reason = own.waiting.clone()?;
    Some(match &facts.credentials {
        SecretFact::Unreadable(_) => RegionPlan::Hold(reason),
        SecretFact::Absent | SecretFact::Present(_) | SecretFact::InRegion => {
            RegionPlan::Keep(reason)
        }
    })
}

fn unready(facts: &ChannelFacts, region: &RegionFacts, name: &str) -> Option<Reason> {
    let namespace = facts
        .channel
        .metadata
        .namespace
        .as_deref()
        .unwrap_or_default();
    placement::unready(region, name, namespace).or_else(|| {
        let wanted = facts
            .channel
            .spec
            .connector
            .as_ref()
            .is_some_and(|connector| connector.ingress.is_some());
        (wanted && region.region.spec.ingress.is_none()).then(|| {
            Word::IngressNotConfigured.because(format!(
                "spec.connector.ingress: Region {name} has no ingress; add spec.ingress to the Region, or remove it here"
            ))
        })
    })
    .or_else(|| {
        // Nothing is sold where nobody could opt out of it.
        let spec = &facts.channel.spec;
        let sells = !opt_out::sold(spec).is_empty();
        let means = sells.then(|| opt_out::means(spec, (name, &region.region), ""))?;
        means.err()
    })
}

fn workloads(
    facts: &ChannelFacts,
    platform: &Platform,
    (name, region): (&str, &RegionFacts),
    flows: &[Flow],
) -> ChannelWorkloads {
    let own = identity(facts);
    let site = Site {
        facts,
        platform,
        region: name,
        place: &region.region,
        flows,
        namespace: own.namespace,
        name: own.name,
        run_at: run_at(&facts.channel, name),
    };
    let spec = &facts.channel.spec;
    // Only a connector reads the platform's keys: without one they stay where they are.
    let credentials = spec.connector.as_ref().and_then(|_| {
        let labels = site.role("credentials", None).labels();
        platform::copy(
            platform,
            &facts.credentials,
            spec,
            (own.namespace, own.name),
            labels,
        )
    });
    // What must not be written there must not be taken either.
    let is_stored = flows.iter().all(|flow| {
        !matches!(flow.part, Part::Store(_) | Part::OwnStore) || flow.judgement.is_open()
    });
    let connector = spec
        .connector
        .as_ref()
        .filter(|_| is_stored)
        .and_then(|connector| connector::workloads(&site, connector, credentials.as_ref()));
    let source = spec.catalog.as_ref().map(|catalog| &catalog.source);
    let feeds = spec
        .feeds
        .iter()
        .filter(|feed| !site.is_held(&Part::Feed(feed.name.clone())))
        .filter_map(|feed| Some((feed.name.clone(), feed::workloads(&site, feed, source?)?)))
        .collect();
    ChannelWorkloads {
        service_account: meta::service_account(
            &site.role("agent", None),
            own.namespace,
            &names::agent(own.name),
        ),
        credentials,
        connector,
        feeds,
    }
}

/// The value of the run-at annotation, unless its Jobs were made here before, or elsewhere before the region joined.
fn run_at<'a>(channel: &'a SocialChannel, region: &str) -> Option<&'a str> {
    let requested = channel.annotations().get(names::ANNOTATION_RUN_AT)?;
    let before = channel.status.as_ref();
    let mut entries = before.iter().flat_map(|status| &status.regions);
    let handled = match entries.find(|entry| entry.name == region) {
        Some(entry) => entry.last_handled_run_at.as_ref(),
        None => before.and_then(|status| status.last_handled_run_at.as_ref()),
    };
    let is_handled = handled.is_some_and(|it| *it == names::acknowledged(requested));
    (!is_handled).then_some(requested.as_str())
}
