//! The Job that does a request's work in a region: a task, the person's ciphertext beside it, the stores' and the region's
//! Secrets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{KeyToPath, PodTemplateSpec};
use kube::ResourceExt;

use super::action::{kind, reference, superseded};
use super::events::Events;
use super::people::{People, kinds};
use super::recipients::Recipients;
use crate::api::{CopyDelivery, DataSubjectRequest, Region, RequestAction, SealedIdentity, names};
use crate::contract::{Delivery, Erase, FeedDestination, SubjectRequest, Suppression};
use crate::plan::cron::{self, Once};
use crate::plan::meta::{self, Role};
use crate::plan::pod::{Agent, Mount, Size};
use crate::plan::{RequestFacts, RequestWorkloads, hold_list, legal_hold, suppression};

/// The command, and the component label.
pub(super) const COMMAND: &str = "erase";
const COMPONENT: &str = "request";
/// A copy is put together in memory; an erasure has one person's keys.
pub(super) const SIZE: Size = Size {
    cpu: "50m",
    memory: "64Mi",
    memory_limit: "512Mi",
    scratch: "16Mi",
};
/// Seconds to finish the batch under way.
pub(super) const GRACE: i64 = 60;
/// Attempts after the first.
const RETRIES: i32 = 6;
/// What a Job may take over all attempts, in seconds: also to wait for a Secret that is not there yet.
const DEADLINE: i64 = 14_400;
/// How long a Job stays once it ended, in seconds. It is made anew then, while something is left to do: a hold that was
/// released, a row that was mended.
const TTL: i32 = 1_800;
/// Most rows in one transaction.
pub(super) const BATCH_ROWS: u32 = 500;
/// Most rows of one person in a table where the Region does not say.
pub(super) const MAX_ROWS: u32 = 10_000;
/// Folders of the mounts.
pub(super) const KEYS: &str = "keys";
const DESTINATION: &str = "destination";
/// The ciphertext beside the task.
pub(super) const CIPHERTEXT: &str = "identity.age";
/// What ends a restriction, an opt-out or an erasure in its midst, by the very task that began it.
const LIFT: &str = "--lift";

const ONCE: Once = Once {
    retries: RETRIES,
    deadline: DEADLINE,
    ttl: TTL,
};

/// Everything that it has there, where rows of persons are.
pub(super) fn workloads(
    facts: &RequestFacts,
    at: (&str, &Region),
    (action, identity): (RequestAction, Option<&SealedIdentity>),
    (people, recipients, events): (&People, &Recipients, &Events),
) -> RequestWorkloads {
    let mut task = task(facts, at, action, Some(people));
    if action == RequestAction::Erase {
        let holds = (facts.settings.fleet.as_str(), &facts.holds);
        let apart = events.apart_from(&people.stores());
        task.holds
            .extend(legal_hold::required(holds, said(facts), at.1, &apart));
    }
    task.events = events.stores();
    task.recipients.clone_from(&recipients.told);
    task.held_recipients.clone_from(&recipients.held);
    task.coming_recipients.clone_from(&recipients.coming);
    let mut mounts = people.mounts.clone();
    mounts.extend(events.mounts_beside(&people.mounts));
    mounts.extend(suppression::mount(&at.1.spec));
    mounts.push(keys());
    made(
        facts,
        at,
        (action, identity),
        (mounts, task, &recipients.mounts),
    )
}

/// The same of any task, with the Secrets of its stores.
pub(super) fn made(
    facts: &RequestFacts,
    (region, at): (&str, &Region),
    (action, identity): (RequestAction, Option<&SealedIdentity>),
    (mut mounts, task, more): (Vec<Mount>, Erase, &[Mount]),
) -> RequestWorkloads {
    let spec = &at.spec;
    let name = facts.request.name_any();
    let role = Role::of_cluster(
        &facts.settings.fleet,
        ("DataSubjectRequest", &name),
        COMPONENT,
    );
    let delivery = facts.request.spec.delivery.as_ref();
    let text = meta::task(COMMAND, region, task);
    // To end it is the same task as to begin it, and another Job.
    let makes = identity.map_or(LIFT, |identity| identity.ciphertext.as_str());
    let config_map = names::request_task(&name, &text, makes);
    let namespace = spec.run_namespace.as_str();
    let account = names::request(&name);
    mounts.extend(delivery.map(destination));
    mounts.extend(more.iter().cloned());
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &config_map,
        hash: meta::config_hash(&text, &BTreeMap::new()),
        service_account: account.clone(),
        mounts,
        size: SIZE,
        grace: GRACE,
    };
    let requested = facts.request.annotations().get(names::ANNOTATION_RUN_AT);
    let job = match requested {
        None => config_map.clone(),
        Some(requested) => names::run_job(&config_map, requested),
    };
    let mut template = agent.template(&facts.settings, spec);
    let mut map = meta::config_map(&role, namespace, &config_map, text);
    if let Some(identity) = identity {
        with_ciphertext(&mut template);
        map.data
            .get_or_insert_default()
            .insert(CIPHERTEXT.to_owned(), identity.ciphertext.clone());
    }
    if action == RequestAction::Erase {
        hold_list::mount(&mut template, names::HOLD_LIST);
    }
    if matches!(action, RequestAction::Lift | RequestAction::Forget) {
        with_lift(&mut template);
    }
    RequestWorkloads {
        service_account: meta::service_account(&role, namespace, &account),
        config_map: map,
        job: cron::once(&role, (namespace, &job), &template, ONCE),
    }
}

/// The task's folder has the ciphertext too.
fn with_ciphertext(template: &mut PodTemplateSpec) {
    let volumes = template.spec.iter_mut().flat_map(|pod| &mut pod.volumes);
    for items in volumes
        .flatten()
        .filter_map(|volume| volume.config_map.as_mut()?.items.as_mut())
    {
        items.push(KeyToPath {
            key: CIPHERTEXT.to_owned(),
            path: CIPHERTEXT.to_owned(),
            ..KeyToPath::default()
        });
    }
}

/// The same task, the other way round.
fn with_lift(template: &mut PodTemplateSpec) {
    let pods = template.spec.iter_mut();
    for container in pods.flat_map(|pod| &mut pod.containers) {
        container.args.get_or_insert_default().push(LIFT.to_owned());
    }
}

/// Who says which table has data of which category.
fn said(facts: &RequestFacts) -> legal_hold::Said<'_> {
    legal_hold::Said {
        policies: &facts.policies,
        channels: &facts.channels,
    }
}

pub(super) fn keys() -> Mount {
    Mount {
        name: KEYS.to_owned(),
        secret: names::REQUESTS.to_owned(),
        required: vec![
            names::REQUESTS_IDENTITY.to_owned(),
            names::REQUESTS_HASHES.to_owned(),
        ],
        optional: Vec::new(),
    }
}

fn destination(delivery: &CopyDelivery) -> Mount {
    let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    Mount {
        name: DESTINATION.to_owned(),
        secret: delivery.object_store.credentials_ref.name.clone(),
        required: own(&["accessKeyId", "secretAccessKey"]),
        optional: own(&["endpoint", "region", "sessionToken"]),
    }
}

/// What the names of a copy's files begin with: of each request and region another, as neither's name has a slash. A copy that was
/// put by a name of before keeps that.
fn object(request: &DataSubjectRequest, prefix: &str, region: &str) -> String {
    let (name, folder) = (request.name_any(), prefix.replace("{region}", region));
    let folder = folder.trim_end_matches('/');
    let before = format!("{folder}/{name}-{region}");
    let delivered = super::entry(request, region).and_then(|entry| entry.delivered.as_ref());
    let is_before = |manifest: &str| manifest.strip_suffix(".manifest.json") == Some(&before);
    if delivered.is_some_and(|delivered| is_before(&delivered.manifest)) {
        return before;
    }
    format!("{folder}/{name}/{region}")
}

/// The task; without people it has no tables of theirs.
pub(super) fn task(
    facts: &RequestFacts,
    (region, at): (&str, &Region),
    action: RequestAction,
    people: Option<&People>,
) -> Erase {
    let (request, spec) = (&facts.request, &at.spec);
    let delivery = request.spec.delivery.as_ref().map(|delivery| {
        let store = &delivery.object_store;
        Delivery {
            destination: FeedDestination {
                url: store.url.clone(),
                object: object(request, &store.prefix, region),
                credentials: meta::secret_folder(DESTINATION),
            },
            recipient: delivery.recipient.clone(),
            expires_after: delivery.expires_after.clone(),
            withdrawn: false,
        }
    });
    let requests = spec.requests.as_ref();
    let most = requests.and_then(|requests| u32::try_from(requests.max_rows?).ok());
    let erases = action == RequestAction::Erase;
    let holds = (facts.settings.fleet.as_str(), &facts.holds);
    Erase {
        by_schedule: false,
        request: Some(SubjectRequest {
            reference: reference(request, action),
            kind: kind(&request.spec, action),
            identity: std::path::Path::new(meta::task_folder()).join(CIPHERTEXT),
            key: meta::secret_file(KEYS, names::REQUESTS_IDENTITY),
            delivery,
            supersedes: superseded(request, action),
        }),
        time_zone: spec.locale.time_zone.clone(),
        batch_rows: BATCH_ROWS,
        max_rows: most.unwrap_or(MAX_ROWS),
        small_counts: spec.small_counts(),
        identities: kinds(at),
        stores: people.map(People::tables).unwrap_or_default(),
        opt_outs: Vec::new(),
        events: Vec::new(),
        suppression: Suppression {
            url: suppression::url(spec).unwrap_or_default(),
            key: meta::secret_file(KEYS, names::REQUESTS_HASHES),
        },
        // What hides rows, or copies them, takes nothing that a hold could keep.
        holds: if erases {
            let stores = people.map(People::stores).unwrap_or_default();
            legal_hold::required(holds, said(facts), at, &stores)
        } else {
            Vec::new()
        },
        hold_list: erases.then(|| hold_list::bound(&spec.hold_list())),
        recipients: Vec::new(),
        held_recipients: Vec::new(),
        coming_recipients: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_copy_has_the_name_of_another_persons() {
        let of = |name: &str, region: &str, prefix: &str, delivered: Option<&str>| {
            let delivered = delivered
                .map(|manifest| json!({"manifest": manifest, "hash": "h", "expiresAt": "e"}));
            let request = json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "DataSubjectRequest", "metadata": {"name": name},
                "spec": {"kind": "Access", "received": "r", "timeZone": "z", "jurisdictions": [], "regions": []},
                "status": {"regions": [{"name": region, "state": "Run", "reason": "r", "delivered": delivered}]}});
            object(&serde_json::from_value(request).unwrap(), prefix, region)
        };
        let one = of("dsr-1", "eu-west", "copies", None);
        assert_eq!(one, "copies/dsr-1/eu-west");
        assert_ne!(one, of("dsr-1-eu", "west", "copies", None));
        // What lies there by a name of before is looked for by that.
        let before = "{region}/";
        assert_eq!(
            of("dsr-1", "eu", before, Some("eu/dsr-1-eu.manifest.json")),
            "eu/dsr-1-eu"
        );
        assert_eq!(
            of("dsr-1", "eu", before, Some("eu/dsr-1/eu.manifest.json")),
            "eu/dsr-1/eu"
        );
    }
}
