//! What keeps a region's key for requests: a Job that finds it, or makes it, and tells its public half.

use std::collections::BTreeMap;

use super::cron::{self, Once};
use super::meta::{self, Role};
use super::pod::{Agent, Size};
use super::{KeyWorkloads, Settings};
use crate::api::{Region, RegionSpec, names};
use crate::contract::KeepKey;

/// The command, and the component label.
const COMMAND: &str = "keep-key";
const COMPONENT: &str = "requests";
/// One key.
const SIZE: Size = Size {
    cpu: "20m",
    memory: "32Mi",
    memory_limit: "128Mi",
    scratch: "1Mi",
};
/// Seconds to be told no.
const GRACE: i64 = 10;
/// Attempts after the first.
const RETRIES: i32 = 6;
/// What a Job may take over all attempts, in seconds.
const DEADLINE: i64 = 3_600;
/// How long a Job stays once it ended, in seconds. It is made anew then, and tells whether the key is still there.
const TTL: i32 = 21_600;

/// The Job and its task; nothing for a region that takes no requests.
pub(super) fn workloads(
    settings: &Settings,
    region: &Region,
    name: &str,
    role: &Role<'_>,
) -> Option<KeyWorkloads> {
    let spec: &RegionSpec = &region.spec;
    spec.requests.as_ref()?;
    let role = Role {
        component: COMPONENT,
        ..role.clone()
    };
    let signing = spec.evidence.as_ref();
    let task = KeepKey {
        secret: names::REQUESTS.to_owned(),
        api_server: signing.and_then(|signing| signing.api_server.clone()),
    };
    let text = meta::task(COMMAND, name, task);
    let job = names::keeper_task(&text);
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &job,
        hash: meta::config_hash(&text, &BTreeMap::new()),
        service_account: names::REQUESTS.to_owned(),
        mounts: Vec::new(),
        size: SIZE,
        grace: GRACE,
    };
    let mut template = agent.template(settings, spec);
    if let Some(pod) = template.spec.as_mut() {
        // The key is in a Secret that only this ServiceAccount may read.
        pod.automount_service_account_token = Some(true);
    }
    let once = Once {
        retries: RETRIES,
        deadline: DEADLINE,
        ttl: TTL,
    };
    let namespace = spec.run_namespace.as_str();
    Some(KeyWorkloads {
        config_map: meta::config_map(&role, namespace, &job, text),
        job: cron::once(&role, (namespace, &job), &template, once),
    })
}
