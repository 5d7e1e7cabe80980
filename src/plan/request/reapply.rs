//! All erasures over again, in a region whose stores were restored or imported into: a Job that an officer asks for by an
//! annotation, or the Region's schedule, and that stays asked for until the books of every store say that nobody is left.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::names;
use crate::contract::{Erase, Suppression};
use crate::plan::cron::{self, Once};
use crate::plan::meta::{self, Role};
use crate::plan::pod::{Agent, Mount};
use crate::plan::reason::Word;
use crate::plan::{ReapplyWorkloads, Reason, SigningFacts, hold_list, legal_hold, suppression};

use super::asked::{self, ReapplyAsked, ReapplyTimes};
use super::events::Events;
use super::job::{BATCH_ROWS, COMMAND, GRACE, KEYS, MAX_ROWS, SIZE};
use super::people::People;

/// What the pods' objects and their label are called.
const COMPONENT: &str = "reapply";
/// Attempts after the first, an hour in all: a hold that was lost with a restored database is opened within half an hour.
const RETRIES: i32 = 12;
/// What a Job may take over all attempts, in seconds: every subject column is read.
const DEADLINE: i64 = 86_400;
/// How long a Job stays once it ended, in seconds. It is made anew then, until it has done what it is for: long enough for
/// an operator that was away to read what it did.
const TTL: i32 = 21_600;

/// What is asked for and was not done yet, with the Job and its task or why they cannot be made; and when the schedule asks.
#[derive(Default)]
pub(in crate::plan) struct Reapply {
    pub(in crate::plan) asked: Option<ReapplyAsked>,
    pub(in crate::plan) times: Option<ReapplyTimes>,
    pub(in crate::plan) workloads: Option<ReapplyWorkloads>,
    pub(in crate::plan) problem: Option<Reason>,
}

/// All of that for a region.
pub(in crate::plan) fn reapply(
    facts: &SigningFacts,
    name: &str,
    role: &Role<'_>,
    now: Timestamp,
) -> Reapply {
    let times = asked::times(&facts.region, now);
    let asked = asked::asked(&facts.region, times.as_ref());
    let made = asked
        .as_ref()
        .map(|asked| made(facts, (name, asked), role, now));
    let (workloads, problem) = match made.transpose() {
        Ok(workloads) => (workloads, None),
        Err(problem) => (None, Some(problem)),
    };
    Reapply {
        asked,
        times,
        workloads,
        problem,
    }
}

fn made(
    facts: &SigningFacts,
    (name, asked): (&str, &ReapplyAsked),
    role: &Role<'_>,
    now: Timestamp,
) -> Result<ReapplyWorkloads, Reason> {
    let spec = &facts.region.spec;
    if spec.requests.is_none() {
        return Err(Word::RequestsNotTaken.because(format!(
            "Region {name} takes no requests: give it spec.requests with the suppression store that knows who was erased"
        )));
    }
    let packs = (facts.packs.as_ref(), now);
    let hub = (&facts.policies, facts.channels.as_slice(), &facts.regions);
    let people = People::within(hub, packs, &facts.region)?;
    people.erasable(name)?;
    let events = Events::of(&facts.channels, (name, &facts.region))?;
    let role = Role {
        component: COMPONENT,
        ..role.clone()
    };
    let text = meta::task(COMMAND, name, task(facts, asked, &people, &events));
    let job = names::reapply_task(&text, &asked.value);
    let mut mounts = people.mounts.clone();
    mounts.extend(events.mounts_beside(&people.mounts));
    mounts.extend(suppression::mount(spec));
    // The key of hashes alone: whose identities were encrypted to the other one is nothing that this needs.
    mounts.push(Mount::key(
        KEYS.to_owned(),
        names::REQUESTS,
        names::REQUESTS_HASHES,
    ));
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &job,
        hash: meta::config_hash(&text, &BTreeMap::new()),
        service_account: names::REAPPLY.to_owned(),
        mounts,
        size: SIZE,
        grace: GRACE,
    };
    let mut template = agent.template(&facts.settings, spec);
    hold_list::mount(&mut template, names::HOLD_LIST);
    let containers = template.spec.iter_mut().flat_map(|pod| &mut pod.containers);
    for args in containers.filter_map(|container| container.args.as_mut()) {
        args.push("--reapply".to_owned());
    }
    let once = Once {
        retries: RETRIES,
        deadline: DEADLINE,
        ttl: TTL,
    };
    let namespace = spec.run_namespace.as_str();
    Ok(ReapplyWorkloads {
        service_account: meta::service_account(&role, namespace, names::REAPPLY),
        config_map: meta::config_map(&role, namespace, &job, text),
        job: cron::once(&role, (namespace, &job), &template, once),
    })
}

fn task(facts: &SigningFacts, asked: &ReapplyAsked, people: &People, events: &Events) -> Erase {
    let spec = &facts.region.spec;
    let holds = (facts.settings.fleet.as_str(), &facts.holds);
    let said = legal_hold::Said {
        policies: &facts.policies,
        channels: &facts.channels,
    };
    let mut stores = people.stores();
    stores.extend(events.apart_from(&people.stores()));
    Erase {
        request: None,
        by_schedule: asked.is_scheduled,
        time_zone: spec.locale.time_zone.clone(),
        batch_rows: BATCH_ROWS,
        max_rows: MAX_ROWS,
        small_counts: spec.small_counts(),
        identities: people.kinds.clone(),
        stores: people.tables(),
        opt_outs: Vec::new(),
        events: events.stores(),
        suppression: Suppression {
            url: suppression::url(spec).unwrap_or_default(),
            key: meta::secret_file(KEYS, names::REQUESTS_HASHES),
        },
        holds: legal_hold::required(holds, said, &facts.region, &stores),
        hold_list: Some(hold_list::bound(&spec.hold_list())),
        recipients: Vec::new(),
        held_recipients: Vec::new(),
        coming_recipients: Vec::new(),
    }
}
