//! The law before a pause and before a fault: both leave what runs as it is, and what runs may be what must stop.

use super::{Own, unready, workloads};
use crate::api::HeldFlow;
use crate::plan::flows::Flow;
use crate::plan::gated::Gated;
use crate::plan::placement::{Decision, Place};
use crate::plan::reason::Word;
use crate::plan::{ChannelFacts, ChannelWorkloads, Reason, RegionPlan};

/// What is not made in a region.
pub(super) fn held(gated: &Gated) -> Vec<HeldFlow> {
    gated.flows.iter().filter_map(Flow::held).collect()
}

/// Where something runs that may still serve a flow that no instrument covers any more, it is changed in spite of a
/// pause. Where it cannot be changed, because the spec is wrong or something is missing, it is taken away: a webhook that
/// is refused comes again, what has crossed a border does not come back.
pub(super) fn law_first(
    facts: &ChannelFacts,
    own: &Own<'_>,
    (place, gated): (&Place<'_>, &Gated),
    decision: Decision<ChannelWorkloads>,
) -> Decision<ChannelWorkloads> {
    let Some(flow) = still_served(facts, place, gated).filter(|_| place.had) else {
        return decision;
    };
    let plan = match decision.plan {
        RegionPlan::Hold(pause) if pause.word == Word::Suspended.as_str() => {
            match changeable(facts, own, place, gated) {
                Some(workloads) => RegionPlan::Run(workloads),
                None => RegionPlan::Withdraw(taken_away(&flow, &pause)),
            }
        }
        RegionPlan::Keep(why) => RegionPlan::Withdraw(taken_away(&flow, &why)),
        other => other,
    };
    Decision { plan, ..decision }
}

/// The first flow that is closed and that status does not tell as held already.
fn still_served(facts: &ChannelFacts, place: &Place<'_>, gated: &Gated) -> Option<HeldFlow> {
    let entries = facts
        .channel
        .status
        .iter()
        .flat_map(|status| &status.regions);
    let told: Vec<&str> = entries
        .filter(|entry| entry.name == place.name)
        .flat_map(|entry| &entry.held)
        .map(|held| held.flow.as_str())
        .collect();
    let mut held = held(gated).into_iter();
    held.find(|held| !told.contains(&held.flow.as_str()))
}

fn changeable(
    facts: &ChannelFacts,
    own: &Own<'_>,
    place: &Place<'_>,
    gated: &Gated,
) -> Option<Box<ChannelWorkloads>> {
    let (region, platform) = (place.facts?, own.platform?);
    let is_sound = place.chosen && gated.keep.is_none() && own.waiting.is_none();
    let is_ready = is_sound && unready(facts, region, place.name).is_none();
    is_ready.then(|| {
        Box::new(workloads(
            facts,
            platform,
            (place.name, region),
            &gated.flows,
        ))
    })
}

fn taken_away(flow: &HeldFlow, why: &Reason) -> Reason {
    Reason {
        word: flow.reason.clone(),
        message: format!(
            "{}: {}; what runs here is taken away, because it cannot be changed: {}",
            flow.flow, flow.message, why.message
        ),
    }
}
