//! What a SocialChannel's status should say.

mod pods;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::feeds::{self, Feeds};
use super::reason::Word;
use super::resource::{self, Standing};
use super::said::{self, Said};
use super::timing::earliest;
use super::{ChannelObserved, Seen, Written};
use crate::api::condition::{self, ConditionType, Truth, Wanted};
use crate::api::{
    ChannelRegionStatus, ConnectorStatus, HeldFlow, SocialChannel, SocialChannelStatus, names,
};
use crate::plan::{ChannelWorkloads, Plan, Reason};
use pods::{Rollout, connector, pods};

/// One region: its entry, and what it says for the conditions.
struct Region<'a> {
    standing: Standing<'a, ChannelObserved>,
    entry: ChannelRegionStatus,
    ready: Said,
    connector: Option<Said>,
    feeds: Vec<Said>,
    wake_at: Vec<Option<Timestamp>>,
}

/// The new status.
#[must_use]
pub fn channel(
    plan: &Plan<ChannelWorkloads>,
    seen: &BTreeMap<String, Seen<ChannelObserved>>,
    channel: &SocialChannel,
    now: Timestamp,
) -> Written<SocialChannelStatus> {
    let none = SocialChannelStatus::default();
    let old = channel.status.as_ref().unwrap_or(&none);
    let rollout = Rollout::of(&old.conditions, now);
    let regions: Vec<Region<'_>> = plan
        .regions
        .keys()
        .filter_map(|name| region(plan, name, seen.get(name), channel, (&rollout, now)))
        .collect();
    let mut wanted = kinds(plan, channel, &regions);
    let ready: Vec<Said> = chosen(&regions)
        .map(|region| region.ready.clone())
        .collect();
    let wake_at = earliest(
        regions
            .iter()
            .flat_map(|region| region.wake_at.iter().copied())
            .chain([rollout.wake_at(regions.iter().map(|region| &region.ready))]),
        now,
    );
    let good = chosen(&regions).filter(|region| region.entry.ready == Some(true));
    let regions_ready = format!("{}/{}", good.count(), chosen(&regions).count());
    let (standings, entries): (Vec<_>, Vec<_>) = regions
        .into_iter()
        .map(|region| (region.standing, region.entry))
        .unzip();
    wanted.extend(resource::conditions(
        plan,
        channel.spec.suspend.as_ref(),
        &standings,
        &ready,
        now,
    ));
    let shown = standings.iter().map(Standing::is_shown);
    let entries: Vec<ChannelRegionStatus> = entries
        .into_iter()
        .zip(shown)
        .filter_map(|(entry, shown)| shown.then_some(entry))
        .collect();
    let generation = channel.metadata.generation.unwrap_or_default();
    let handled = entries
        .iter()
        .map(|entry| entry.last_handled_run_at.as_deref());
    let asked = resource::handled_run(&channel.metadata, handled, old.last_handled_run_at.as_ref());
    Written {
        status: SocialChannelStatus {
            observed_generation: generation,
            conditions: condition::merge(&old.conditions, wanted, generation, now),
            regions_ready: Some(regions_ready),
            last_feed: last_feed(&entries, old.last_feed.as_deref()),
            regions: entries,
            last_handled_reconcile_at: resource::handled_reconcile(&channel.metadata),
            last_handled_run_at: asked,
        },
        wake_at,
        finished: resource::is_finished(plan, &standings),
    }
}

fn chosen<'r, 'a>(regions: &'r [Region<'a>]) -> impl Iterator<Item = &'r Region<'a>> {
    regions.iter().filter(|region| region.standing.note.chosen)
}

/// The newest success, also of a region that has gone meanwhile.
fn last_feed(entries: &[ChannelRegionStatus], old: Option<&str>) -> Option<String> {
    let feeds = entries.iter().flat_map(|entry| &entry.feeds);
    let times = feeds.filter_map(|feed| feed.last_success.as_deref());
    let times = times
        .chain(old)
        .filter_map(|at| at.parse::<Timestamp>().ok());
    times.max().map(|at| at.to_string())
}

fn region<'a>(
    plan: &'a Plan<ChannelWorkloads>,
    name: &'a str,
    seen: Option<&'a Seen<ChannelObserved>>,
    channel: &SocialChannel,
    (rollout, now): (&Rollout, Timestamp),
) -> Option<Region<'a>> {
    let (name, decision) = plan.regions.get_key_value(name)?;
    let entries = channel.status.iter().flat_map(|status| &status.regions);
    let old = entries.into_iter().find(|entry| entry.name == *name);
    let memory = (
        old.and_then(|entry| entry.unreachable_since.as_deref()),
        old.map_or(&[][..], |entry| entry.inventory.as_slice()),
    );
    let standing = Standing::of((name, decision), plan.notes.get(name), seen, memory, now);
    let workloads = decision.workloads();
    let known = standing.sight.known.map(|known| known.children);
    // What is gone, or nobody's any more, has no last values.
    let before = old.filter(|_| !standing.is_settled);
    let feeds = feeds::feeds(
        workloads.map(|workloads| &workloads.feeds),
        known.map(|children| &children.feeds),
        before.map_or(&[][..], |entry| entry.feeds.as_slice()),
        now,
    );
    let wants = workloads.is_some_and(|workloads| workloads.connector.is_some());
    let (truth, why) = standing.ready(old.and_then(|entry| entry.ready), |children| {
        works(children, wants, &feeds, rollout)
    });
    let (truth, why) = lawful(&standing, (truth, why));
    let connector = connector(&standing, before, channel, rollout);
    let mut wake_at = feeds.wake_at.clone();
    wake_at.push(standing.sight.wake_at());
    let feed_lines = if channel.spec.feeds.is_empty() {
        Vec::new()
    } else {
        feed_lines(&standing, &feeds)
    };
    let entry = ChannelRegionStatus {
        name: name.clone(),
        state: standing.state,
        reason: why.word.clone(),
        message: why.message.clone(),
        ready: resource::ready_field(truth),
        unreachable_since: standing.sight.lost_since.map(|since| since.to_string()),
        uncovered_since: standing.note.uncovered_since.map(|since| since.to_string()),
        callback_url: callback(workloads, before),
        held: held(workloads, &standing, before),
        connector: match known {
            Some(children) => children.connector.map(of_pods),
            None => before.and_then(|entry| entry.connector.clone()),
        },
        last_handled_run_at: handled_run(workloads, known, channel)
            .or_else(|| handled_before(old, channel)),
        feeds: feeds.entries,
        inventory: standing.inventory.clone(),
    };
    Some(Region {
        ready: Said::of(name, truth, why),
        standing,
        entry,
        connector,
        feeds: feed_lines,
        wake_at,
    })
}

/// What is held, once all of it could be written. Until then it is what was: a pause that comes meanwhile must not take a
/// flow for stopped that old pods still serve.
fn held(
    workloads: Option<&ChannelWorkloads>,
    standing: &Standing<'_, ChannelObserved>,
    before: Option<&ChannelRegionStatus>,
) -> Vec<HeldFlow> {
    let known = standing.sight.known;
    let is_written = known.is_some_and(|known| known.troubles.is_empty());
    if workloads.is_some() && is_written {
        standing.note.held.clone()
    } else {
        before.map(|entry| entry.held.clone()).unwrap_or_default()
    }
}

/// What the region had acted on; what was asked before it joined is not asked of it.
fn handled_before(old: Option<&ChannelRegionStatus>, channel: &SocialChannel) -> Option<String> {
    match old {
        Some(entry) => entry.last_handled_run_at.clone(),
        None => channel.status.as_ref()?.last_handled_run_at.clone(),
    }
}

fn callback(
    workloads: Option<&ChannelWorkloads>,
    before: Option<&ChannelRegionStatus>,
) -> Option<String> {
    match workloads {
        Some(workloads) => workloads.connector.as_ref()?.callback_url.clone(),
        None => before?.callback_url.clone(),
    }
}

fn of_pods((desired, ready): (i32, i32)) -> ConnectorStatus {
    ConnectorStatus { desired, ready }
}

/// The run-at annotation's value, once the Jobs that it asked for are there.
fn handled_run(
    workloads: Option<&ChannelWorkloads>,
    known: Option<&ChannelObserved>,
    channel: &SocialChannel,
) -> Option<String> {
    let (workloads, known) = (workloads?, known?);
    let all_made = workloads.feeds.iter().all(|(feed, planned)| {
        let name = planned
            .run_now
            .as_ref()
            .and_then(|job| job.metadata.name.as_ref());
        name.is_none_or(|name| {
            let seen = known.feeds.get(feed);
            seen.is_some_and(|run| run.jobs.contains(name))
        })
    });
    all_made
        .then(|| resource::annotation(&channel.metadata, names::ANNOTATION_RUN_AT))
        .flatten()
}

/// Whether what should run there works: pods first, then feeds. A feed that has not run yet holds nothing back: a
/// new channel is ready before its first night. One whose last run failed does: the platform shows old goods.
fn works(
    children: &ChannelObserved,
    wants_connector: bool,
    feeds: &Feeds,
    rollout: &Rollout,
) -> (Truth, Reason) {
    if wants_connector {
        let (truth, reason) = pods(children, rollout);
        if truth != Truth::True {
            return (truth, reason);
        }
    }
    let failed = feeds.said.iter().find(|(truth, _)| *truth == Truth::False);
    failed.cloned().unwrap_or_else(|| {
        (
            Truth::True,
            Word::Running.because("everything runs as planned"),
        )
    })
}

/// What is held is not what the spec asks for, however well the rest runs.
fn lawful(
    standing: &Standing<'_, ChannelObserved>,
    (truth, why): (Truth, Reason),
) -> (Truth, Reason) {
    match standing.note.held.first() {
        Some(held) if truth == Truth::True => {
            let message = format!("{}: {}", held.flow, held.message);
            let word = held.reason.clone();
            (Truth::False, Reason { word, message })
        }
        _ => (truth, why),
    }
}

fn feed_lines(standing: &Standing<'_, ChannelObserved>, feeds: &Feeds) -> Vec<Said> {
    if let (Some(silence), true) = (standing.sight.silence(), standing.sight.is_stale) {
        return vec![Said::of(standing.name, Truth::Unknown, silence)];
    }
    if let Some((truth, reason)) = standing.planned_truth()
        && feeds.said.is_empty()
    {
        return vec![Said::of(standing.name, truth, reason)];
    }
    feeds
        .said
        .iter()
        .map(|(truth, reason)| Said::of(standing.name, *truth, reason.clone()))
        .collect()
}

/// The conditions that only channels have.
fn kinds(
    plan: &Plan<ChannelWorkloads>,
    channel: &SocialChannel,
    regions: &[Region<'_>],
) -> Vec<Wanted> {
    let of = |kind| said::findings(&plan.findings, kind);
    let none = || resource::not_asked(plan);
    let connectors: Vec<Said> = chosen(regions)
        .filter_map(|r| r.connector.clone())
        .collect();
    let feeds: Vec<Said> = chosen(regions).flat_map(|r| r.feeds.clone()).collect();
    let without = |wanted: bool, reason: Reason| {
        if wanted {
            (Truth::Unknown, none())
        } else {
            (Truth::True, reason)
        }
    };
    let spec = &channel.spec;
    vec![
        said::condition(
            ConditionType::MarketSupported,
            &of(ConditionType::MarketSupported),
            (Truth::Unknown, none()),
        ),
        said::condition(
            ConditionType::PolicyCovered,
            &of(ConditionType::PolicyCovered),
            (Truth::Unknown, none()),
        ),
        said::condition(
            ConditionType::TransfersLawful,
            &of(ConditionType::TransfersLawful),
            (Truth::Unknown, none()),
        ),
        said::condition(
            ConditionType::ConnectorAvailable,
            &connectors,
            without(
                spec.connector.is_some(),
                Word::NoConnector.because("the channel has no connector"),
            ),
        ),
        said::condition(
            ConditionType::FeedsCurrent,
            &feeds,
            without(
                !spec.feeds.is_empty(),
                Word::NoFeeds.because("the channel has no feeds"),
            ),
        ),
    ]
}
