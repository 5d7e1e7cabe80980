//! What a Region itself has in its cluster: what signs its evidence, what tells how old its list of legal holds is, what keeps
//! its key for requests, and what erases again after a restore.
//! Facts in, Kubernetes objects out.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::cron::{self, Schedule};
use super::gates;
use super::hold_list;
use super::keeper;
use super::meta::{self, Role};
use super::placement::{self, Decision, Ground, Place};
use super::pod::{Agent, Size};
use super::reason::Word;
use super::request::reapply;
use super::{
    Baseline, Plan, RegionFacts, RegionNote, RegionPlan, Settings, SigningWorkloads, Verdict,
};
use crate::api::{DataPolicy, LegalHold, Region, SocialChannel, names};
use crate::contract::{Attest, Witnessed};
use crate::evidence::{Hash, Tip};
use crate::packs::Packs;

/// The command, and the component label.
const COMMAND: &str = "attest";
const COMPONENT: &str = "evidence";
/// Hashes, and one signature.
const SIZE: Size = Size {
    cpu: "20m",
    memory: "32Mi",
    memory_limit: "128Mi",
    scratch: "1Mi",
};
/// Seconds to write down what was signed.
const GRACE: i64 = 30;
/// What a Job may take over all attempts, in seconds.
const DEADLINE: i64 = 900;
/// Records in one task: a ConfigMap takes a mebibyte.
pub(super) const MOST: usize = 8_000;

/// All that signing in a region needs.
#[derive(Clone, Debug)]
pub struct SigningFacts {
    /// The resource, with its old status.
    pub region: Arc<Region>,
    /// Every Region of the hub by name, this one with what is known of its cluster.
    pub regions: BTreeMap<String, RegionFacts>,
    /// How far the region's key has signed.
    pub from: Tip,
    /// The records after that, each by its digest.
    pub digests: Vec<Hash>,
    /// When the hub last gave a sign that all LegalHolds are known.
    pub holds_seen: Option<Timestamp>,
    /// The record that names the next key, as its bytes, while that key is yet to sign.
    pub successor: Option<String>,
    /// Other regions' chains, for this one to countersign.
    pub witness: Vec<Witnessed>,
    /// Whether channels or policies still have something there.
    pub in_use: bool,
    /// Every DataPolicy of the hub by name: their rules say where persons are, and what a law keeps.
    pub policies: BTreeMap<String, Arc<DataPolicy>>,
    /// Every SocialChannel of the hub: policies may choose regions by them.
    pub channels: Vec<Arc<SocialChannel>>,
    /// Every LegalHold of the hub by name: nothing is erased again while one is not in force.
    pub holds: BTreeMap<String, Arc<LegalHold>>,
    /// The platform and regime packs in force: a law of theirs may keep what would be erased again.
    pub packs: Arc<Packs>,
    /// The operator's configuration.
    pub settings: Arc<Settings>,
}

/// How many other regions a region countersigns: a report has room for so many, and more make nothing surer.
const WITNESSES: usize = 2;

/// Whose chains a region countersigns: those of the regions that come after it by name, around the end.
#[must_use]
pub fn witnesses<'a>(by: &str, regions: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut others: Vec<&str> = regions.filter(|region| *region != by).collect();
    others.sort_by_key(|region| (*region < by, *region));
    others.truncate(WITNESSES);
    others
}

/// Who countersigns a region's chain: the regions that come before it by name, around the beginning.
#[must_use]
pub fn countersigners<'a>(region: &str, regions: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut others: Vec<&str> = regions.filter(|by| *by != region).collect();
    others.sort_by_key(|by| (*by > region, Reverse(*by)));
    others.truncate(WITNESSES);
    others
}

impl SigningFacts {
    /// Records of another region that one task has room for.
    pub const MOST_OF_OTHERS: usize = MOST / 8;
    /// Records that one task has room for.
    pub const MOST: usize = MOST;
}

/// What should sign in the region.
#[must_use]
pub fn signing(facts: &SigningFacts, now: Timestamp) -> Plan<SigningWorkloads> {
    let name = facts.region.name_any();
    let going = facts.region.metadata.deletion_timestamp.as_ref();
    let deleting = going.map(|_| facts.region.spec.deletion_policy.unwrap_or_default());
    let mut plan = Plan {
        verdict: Verdict::Accepted,
        regions: BTreeMap::new(),
        notes: BTreeMap::new(),
        findings: Vec::new(),
        uncovered: Vec::new(),
        baseline: Baseline::default(),
        wake_at: None,
        deleting,
    };
    let place = Place {
        name: &name,
        facts: facts.regions.get(&name),
        chosen: true,
        had: true,
    };
    let decision = match placement::ground(&place, &facts.regions, deleting, now) {
        Ground::Decided(decision) => decision,
        // Signing takes nothing away: what is there goes on.
        Ground::Suspended(reason, wake_at) => Decision {
            wake_at,
            ..RegionPlan::Hold(reason).into()
        },
        Ground::Open(region) => {
            match placement::unready(region, &name, &region.region.spec.run_namespace) {
                Some(reason) => RegionPlan::Keep(reason).into(),
                None => RegionPlan::Run(Box::new(workloads(facts, &name, now))).into(),
            }
        }
    };
    let is_early = matches!(decision.plan, RegionPlan::Withdraw(_)) && facts.in_use;
    // What ends there is still recorded, and signed if there is time.
    let decision = if is_early {
        let why = Word::RegionDeleting.because("signing goes when nothing else is left");
        RegionPlan::Keep(why).into()
    } else {
        decision
    };
    let listed = facts.holds_seen;
    if let Some(seen) = listed.filter(|_| decision.plan.workloads().is_some()) {
        let next = hold_list::wake_at(&facts.region.spec.hold_list(), seen, now);
        plan.wake_at = placement::earlier(plan.wake_at, next);
    }
    let again = decision.plan.workloads();
    let again = again.and_then(|workloads| workloads.reapply_times);
    plan.wake_at = placement::earlier(plan.wake_at, again.map(|times| times.wake_at));
    plan.enter(&place, RegionNote::default(), decision);
    plan
}

/// Why the schedule cannot be one, for a CronJob takes it.
pub(super) fn schedule_problem(region: &Region) -> Option<super::Reason> {
    let text = region.spec.signing_schedule();
    let error = gates::Schedule::parse(text).err()?;
    Some(Word::SigningScheduleInvalid.because(format!(
        "spec.evidence.schedule: {text} is no schedule ({error}); write five cron fields such as 7 * * * *"
    )))
}

/// A request for another key that was not carried out yet.
#[must_use]
pub fn rotation(region: &Region) -> Option<String> {
    let asked = region.annotations().get(names::ANNOTATION_ROTATE_AT)?;
    let asked = names::acknowledged(asked);
    let told = region.status.as_ref().and_then(|s| s.evidence.as_ref());
    let handled = told.and_then(|told| told.last_handled_rotate_at.as_ref());
    (handled != Some(&asked)).then_some(asked)
}

fn workloads(facts: &SigningFacts, region: &str, now: Timestamp) -> SigningWorkloads {
    let spec = &facts.region.spec;
    let role = Role::of_cluster(&facts.settings.fleet, ("Region", region), COMPONENT);
    let task = meta::task(COMMAND, region, attest(facts));
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: names::SIGNING,
        // A run reads the task as it is then; no pod outlives one.
        hash: meta::config_hash(COMMAND, &BTreeMap::new()),
        service_account: names::SIGNING.to_owned(),
        mounts: Vec::new(),
        size: SIZE,
        grace: GRACE,
    };
    let mut template = agent.template(&facts.settings, spec);
    if let Some(pod) = template.spec.as_mut() {
        // Its key is in a Secret that only it may read: the one agent that talks to an API server.
        pod.automount_service_account_token = Some(true);
    }
    let schedule = Schedule {
        role: role.clone(),
        namespace: &spec.run_namespace,
        name: names::SIGNING.to_owned(),
        cron: spec.signing_schedule(),
        time_zone: &spec.locale.time_zone,
        deadline: DEADLINE,
        history: cron::HISTORY,
        marks: BTreeMap::new(),
    };
    let requested = facts.region.annotations().get(names::ANNOTATION_RUN_AT);
    let told = facts
        .region
        .status
        .as_ref()
        .and_then(|s| s.evidence.as_ref());
    let handled = told.and_then(|told| told.last_handled_run_at.as_deref());
    let again = reapply::reapply(facts, region, &role, now);
    SigningWorkloads {
        hold_list: facts.holds_seen.map(|seen| {
            let (role, bound) = (listing(&role), spec.hold_list());
            let place = (spec.run_namespace.as_str(), names::HOLD_LIST);
            hold_list::config_map(&role, place, &bound, seen)
        }),
        config_map: meta::config_map(&role, &spec.run_namespace, names::SIGNING, task),
        cron_job: schedule.cron_job(&template),
        run_now: requested
            .filter(|requested| Some(names::acknowledged(requested).as_str()) != handled)
            .map(|requested| schedule.run_now(&template, requested)),
        keeper: keeper::workloads(&facts.settings, &facts.region, region, &role),
        reapply_asked: again.asked,
        reapply_times: again.times,
        reapply_problem: again.problem,
        reapply: again.workloads,
    }
}

/// What the region's signer is told.
fn attest(facts: &SigningFacts) -> Attest {
    let signing = facts.region.spec.evidence.as_ref();
    Attest {
        secret: names::SIGNING.to_owned(),
        api_server: signing.and_then(|signing| signing.api_server.clone()),
        from: facts.from,
        digests: facts.digests.clone(),
        rotate: rotation(&facts.region),
        successor: facts.successor.clone(),
        witness: facts.witness.clone(),
    }
}

/// The role of what tells how old the list of holds is.
fn listing<'a>(role: &Role<'a>) -> Role<'a> {
    Role {
        component: "hold",
        ..role.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_chain_is_countersigned_by_two_others_where_there_are_two(
            names in prop::collection::btree_set("[a-z]{1,3}", 1..9),
        ) {
            let all = || names.iter().map(String::as_str);
            for region in all() {
                let others = countersigners(region, all());
                prop_assert_eq!(others.len(), WITNESSES.min(names.len() - 1));
                prop_assert!(!others.contains(&region));
                for by in all() {
                    let is_told = witnesses(by, all()).contains(&region);
                    prop_assert_eq!(is_told, others.contains(&by), "{} by {}", region, by);
                }
            }
        }
    }
}
