//! All erasures over again, in a region whose stores were restored: a Job that an officer asks for by an annotation, and
//! that stays asked for until the books of every store say that nobody is left.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::{Region, names};
use crate::contract::{Erase, Suppression};
use crate::plan::cron::{self, Once};
use crate::plan::meta::{self, Role};
use crate::plan::pod::{Agent, Mount};
use crate::plan::reason::Word;
use crate::plan::{ReapplyWorkloads, Reason, SigningFacts, hold_list, legal_hold, suppression};

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

/// What somebody asked for and that was not done yet, as status would acknowledge it.
#[must_use]
pub fn asked(region: &Region) -> Option<String> {
    let asked = region.metadata.annotations.as_ref()?;
    let asked = names::acknowledged(asked.get(names::ANNOTATION_REAPPLY)?);
    let told = region.status.as_ref().and_then(|s| s.requests.as_ref());
    let handled = told.and_then(|told| told.last_handled_reapply.as_ref());
    (handled != Some(&asked)).then_some(asked)
}

/// The Job and its task, while they are asked for; or why they cannot be made.
pub(in crate::plan) fn workloads(
    facts: &SigningFacts,
    name: &str,
    role: &Role<'_>,
    now: Timestamp,
) -> Option<Result<ReapplyWorkloads, Reason>> {
    let asked = asked(&facts.region)?;
    Some(made(facts, (name, &asked), role, now))
}

fn made(
    facts: &SigningFacts,
    (name, asked): (&str, &str),
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
    let text = meta::task(COMMAND, name, task(facts, &people, &events));
    let job = names::reapply_task(&text, asked);
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
    hold_list::mount(&mut template);
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

fn task(facts: &SigningFacts, people: &People, events: &Events) -> Erase {
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
