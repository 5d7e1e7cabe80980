//! How old a connector's list of legal holds is. It is told beside each connector, and on while all else of the channel is left as
//! it is: a pause or a fault would else end what the connector purges.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

use super::{Own, identity};
use crate::api::{Region, names};
use crate::plan::meta::Role;
use crate::plan::placement::{self, Decision, Ground, Place};
use crate::plan::{ChannelFacts, ChannelWorkloads, RegionNote, RegionPlan, hold_list};

/// The ConfigMap that says when the hub last saw all holds. Nothing before it saw any.
pub(in crate::plan) fn config_map(facts: &ChannelFacts, region: &Region) -> Option<ConfigMap> {
    let identity = identity(facts);
    let role = Role {
        identity,
        component: "hold",
        feed: None,
    };
    let name = names::connector_holds(identity.name);
    let place = (identity.namespace, name.as_str());
    let seen = facts.holds_seen?;
    let bound = region.spec.hold_list();
    Some(hold_list::config_map(&role, place, &bound, seen))
}

/// Notes what a connector that is left as it is must be told, and says when there is more to tell. In a region that is suspended
/// what erases stops: there nobody is told anything.
pub(super) fn note(
    note: &mut RegionNote,
    (facts, own): (&ChannelFacts, &Own<'_>),
    place: &Place<'_>,
    decision: &Decision<ChannelWorkloads>,
    now: Timestamp,
) -> Option<Timestamp> {
    let region = &place.facts?.region;
    match &decision.plan {
        RegionPlan::Run(workloads) => {
            workloads.connector.as_ref()?;
        }
        RegionPlan::Keep(_) | RegionPlan::Hold(_) => {
            facts.channel.spec.connector.as_ref()?;
            let ground = placement::ground(place, &facts.regions, own.deleting, now);
            let is_open = matches!(ground, Ground::<ChannelWorkloads>::Open(_));
            note.hold_list = config_map(facts, region).filter(|_| place.had && is_open);
            note.hold_list.as_ref()?;
        }
        RegionPlan::Pause(_) | RegionPlan::Withdraw(_) | RegionPlan::Leave(_) => return None,
    }
    hold_list::wake_at(&region.spec.hold_list(), facts.holds_seen?, now)
}
