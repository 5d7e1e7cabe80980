//! Findings as OpenReports reports, where the hub knows that kind. Kubernetes takes a report away with its policy.
//!
//! It is a copy for other programs: what is true stands in the policy's status. So a hub without the kind, or without the
//! right to write it, is no fault; and one that somebody deleted is written again when a finding changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use super::HUB_DEADLINE;
use super::hub::hash;
use super::retry::Error;
use crate::api::DataPolicy;
use crate::api::names::FIELD_MANAGER;
use crate::apply::Fence;
use crate::metrics::{Metrics, Verb};
use crate::plan::Baseline;
use crate::status;

/// How long a hub that does not know the kind, or refuses it, is not asked again.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// Writes the reports.
pub(super) struct OpenReports {
    hub: Client,
    fence: Fence,
    metrics: Metrics,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Since when reports cannot be written.
    without_since: Option<Instant>,
    /// Whether the hub knows the kind.
    is_there: bool,
    /// What was last written, by the policy's uid.
    told: HashMap<String, u64>,
}

impl OpenReports {
    pub(super) fn new(hub: Client, fence: Fence, metrics: Metrics) -> Self {
        Self {
            hub,
            fence,
            metrics,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a policy's report, if it says something else than before.
    pub(super) async fn tell(&self, policy: &DataPolicy, baseline: &Baseline) -> Result<(), Error> {
        let report = status::open_report(policy, baseline);
        let uid = policy.uid().unwrap_or_default();
        let now = hash(&report.to_string());
        {
            let known = self.known();
            let waits = known.without_since.map(|since| since.elapsed() < ASK_AGAIN);
            if waits == Some(true) || known.told.get(&uid) == Some(&now) {
                return Ok(());
            }
        }
        if !self.is_there().await? {
            return Ok(());
        }
        if !(self.fence)() {
            return Err(Error::NotLeading);
        }
        let api: Api<DynamicObject> = Api::all_with(self.hub.clone(), &resource());
        let name = status::open_report_name(&policy.name_any());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&report);
        let written = tokio::time::timeout(HUB_DEADLINE, api.patch(&name, &params, &patch)).await;
        match written {
            Ok(Ok(_)) => {
                self.metrics.wrote(status::OPEN_REPORT, Verb::Apply);
                self.known().told.insert(uid, now);
                Ok(())
            }
            // The kind went meanwhile, or the chart gives no right to it.
            Ok(Err(kube::Error::Api(refused))) if [403, 404].contains(&refused.code) => {
                tracing::info!(
                    code = refused.code,
                    "no OpenReports reports are written: see the chart's openReports"
                );
                self.without();
                Ok(())
            }
            Ok(Err(error)) => Err(Error::Report(error)),
            Err(_) => Err(Error::Timeout(HUB_DEADLINE)),
        }
    }

    /// Forgets a policy that is gone.
    pub(super) fn forget(&self, policy: &DataPolicy) {
        self.known().told.remove(&policy.uid().unwrap_or_default());
    }

    fn without(&self) {
        let mut known = self.known();
        known.without_since = Some(Instant::now());
        known.is_there = false;
        // By then somebody may have installed it anew.
        known.told.clear();
    }

    /// Everybody may ask a server which kinds it knows.
    async fn is_there(&self) -> Result<bool, Error> {
        if self.known().is_there {
            return Ok(true);
        }
        let asked = self.hub.list_api_group_resources(status::OPEN_REPORT_API);
        let kinds = match tokio::time::timeout(HUB_DEADLINE, asked).await {
            Ok(Ok(kinds)) => kinds.resources,
            Ok(Err(kube::Error::Api(refused))) if [403, 404].contains(&refused.code) => Vec::new(),
            Ok(Err(error)) => return Err(Error::Report(error)),
            Err(_) => return Err(Error::Timeout(HUB_DEADLINE)),
        };
        let is_there = kinds.iter().any(|it| it.kind == status::OPEN_REPORT);
        if is_there {
            let mut known = self.known();
            (known.is_there, known.without_since) = (true, None);
        } else {
            self.without();
        }
        Ok(is_there)
    }
}

fn resource() -> ApiResource {
    let (group, version) = status::OPEN_REPORT_API.split_once('/').unwrap_or_default();
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, status::OPEN_REPORT))
}
