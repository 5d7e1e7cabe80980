//! Writes what happened into the regions' chains.
//!
//! The name of a record is its place, so that the hub lets only one be there; whoever is behind is told so with 409 and
//! looks again. What stands there already is found by its source. So nothing is lost that is stated again until it
//! stands, and nothing stands twice, however many processes believe that they lead.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::HUB_DEADLINE;
use super::retry::Error;
use crate::api::names::STATUS_MANAGER;
use crate::api::{EvidenceRecord, SignedCheckpoint, SignedCountersignature};
use crate::apply::Fence;
use crate::evidence::{Checkpoint, Countersignature, Segment};
use crate::metrics::{Metrics, Verb};
use crate::resolve::Chains;
use crate::status::Statement;

const KIND: &str = "EvidenceRecord";
/// Records that are read at a time: each may have a quarter of a mebibyte.
const PAGE: u32 = 200;
/// So often in a row is a place that is taken somebody else's record, which the watch is about to show. After that
/// whatever depends on the region goes on without it, and says so.
const MOST_BEHIND: u32 = 5;

/// Whether it was there to be written; one that was gone already is as good.
fn is_there<T>(written: Result<T, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(Error::Evidence(kube::Error::Api(status))) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Appends to the regions' chains.
pub(super) struct Ledger {
    chains: Chains,
    api: Api<EvidenceRecord>,
    fence: Fence,
    metrics: Metrics,
    /// One writer per region at a time: two would only tell each other that they are behind.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Behind>>>>,
}

/// How often in a row the next place of a region's chain was taken.
type Behind = u32;

impl Ledger {
    pub(super) fn new(hub: Client, chains: Chains, fence: Fence, metrics: Metrics) -> Self {
        Self {
            chains,
            api: Api::all(hub),
            fence,
            metrics,
            turns: Mutex::default(),
        }
    }

    /// The chains, to read.
    pub(super) fn chains(&self) -> &Chains {
        &self.chains
    }

    fn turn(&self, region: &str) -> Arc<tokio::sync::Mutex<Behind>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(region.to_owned()).or_default().clone()
    }

    /// Writes what does not stand there yet, in its order. Says whether anything was written.
    pub(super) async fn append(
        &self,
        region: &str,
        statements: &[Statement],
        now: Timestamp,
    ) -> Result<bool, Error> {
        let turn = self.turn(region);
        let mut behind = turn.lock().await;
        let mut wrote = false;
        for statement in statements {
            let next = self.chains.read(region, |chain| {
                let entry = chain.entry(statement, now)?;
                Some(entry.append(region, &chain.tip()))
            });
            let Some(record) = next else { continue };
            let Some(object) = EvidenceRecord::of(&record) else {
                return Err(Error::Unwritable);
            };
            self.leading()?;
            let params = PostParams::default();
            let written = self.timed(self.api.create(&params, &object)).await;
            *behind = match &written {
                Err(error) if error.is_behind() => behind.saturating_add(1),
                _ => 0,
            };
            if *behind > MOST_BEHIND {
                let region = region.to_owned();
                return Err(Error::Contested { region });
            }
            written?;
            self.metrics.wrote(KIND, Verb::Create);
            self.chains.wrote(&record);
            wrote = true;
        }
        Ok(wrote)
    }

    /// Writes into each region's chain, and says where that failed. None when somebody else wrote meanwhile: whoever is
    /// behind looks again.
    pub(super) async fn record(
        &self,
        stated: &BTreeMap<String, Vec<Statement>>,
        now: Timestamp,
    ) -> Option<BTreeMap<String, Error>> {
        let mut unwritten = BTreeMap::new();
        for (region, statements) in stated {
            match self.append(region, statements, now).await {
                Ok(_) => {}
                Err(error) if error.is_behind() => return None,
                Err(error) => {
                    unwritten.insert(region.clone(), error);
                }
            }
        }
        Some(unwritten)
    }

    /// Writes a region's signature to the record that it was over.
    pub(super) async fn sign(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let turn = self.turn(&checkpoint.region);
        let _turn = turn.lock().await;
        let all = self
            .chains
            .read(&checkpoint.region, |chain| chain.with(checkpoint));
        let told: Vec<SignedCheckpoint> = all.iter().map(SignedCheckpoint::of).collect();
        let name = EvidenceRecord::name_of(&checkpoint.region, checkpoint.tip.sequence);
        let patch = Patch::Merge(json!({"status": {"checkpoints": told}}));
        let params = PatchParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.leading()?;
        let written = self
            .timed(self.api.patch_status(&name, &params, &patch))
            .await?;
        self.metrics.wrote(KIND, Verb::Patch);
        tracing::info!(
            record = written.name_any(),
            "the region's key signed its evidence"
        );
        self.chains.signed(checkpoint);
        Ok(())
    }

    /// Writes another region's signature to the record that it was over: the newest of each region.
    pub(super) async fn countersign(&self, made: &Countersignature) -> Result<(), Error> {
        let turn = self.turn(&made.region);
        let _turn = turn.lock().await;
        let name = EvidenceRecord::name_of(&made.region, made.tip.sequence);
        let fields = format!("metadata.name={name}");
        let listed = self
            .timed(self.api.list(&ListParams::default().fields(&fields)))
            .await?;
        let told = listed.items.into_iter().filter_map(|object| object.status);
        let others = told.flat_map(|status| status.countersignatures);
        let mut all: Vec<SignedCountersignature> =
            others.filter(|other| other.by != made.by).collect();
        all.push(SignedCountersignature::of(made));
        let patch = Patch::Merge(json!({"status": {"countersignatures": all}}));
        let params = PatchParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.leading()?;
        self.timed(self.api.patch_status(&name, &params, &patch))
            .await?;
        self.metrics.wrote(KIND, Verb::Patch);
        self.chains.countersigned(made);
        Ok(())
    }

    /// The records of these places, as the hub has them, with the signatures over them.
    pub(super) async fn segment(
        &self,
        region: &str,
        (first, last): (u64, u64),
    ) -> Result<Segment, Error> {
        let mut segment = Segment::default();
        let mut missing = last.saturating_sub(first) + 1;
        let field = format!("spec.region={region}");
        let mut params = ListParams::default().fields(&field).limit(PAGE);
        while missing > 0 {
            let page = self.timed(self.api.list(&params)).await?;
            for object in &page.items {
                let place = u64::try_from(object.spec.sequence).unwrap_or_default();
                if let Some(record) = object.record()
                    && (first..=last).contains(&place)
                {
                    segment.take(record, object.checkpoints(), object.countersignatures());
                    missing = missing.saturating_sub(1);
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        Ok(segment)
    }

    /// Takes records from the hub that the archive has. Each is marked first: nothing else may be deleted.
    pub(super) async fn remove(&self, region: &str, gone: &[(u64, String)]) -> Result<(), Error> {
        for (place, segment) in gone {
            let name = EvidenceRecord::name_of(region, *place);
            self.leading()?;
            let patch = Patch::Merge(json!({"status": {"sealedIn": segment}}));
            let params = PatchParams {
                field_manager: Some(STATUS_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let marked = self
                .timed(self.api.patch_status(&name, &params, &patch))
                .await;
            if is_there(marked)? {
                self.metrics.wrote(KIND, Verb::Patch);
                self.leading()?;
                let params = DeleteParams::default();
                if is_there(self.timed(self.api.delete(&name, &params)).await)? {
                    self.metrics.wrote(KIND, Verb::Delete);
                }
            }
            self.chains.removed(region, *place);
        }
        Ok(())
    }

    fn leading(&self) -> Result<(), Error> {
        if (self.fence)() {
            Ok(())
        } else {
            Err(Error::NotLeading)
        }
    }

    async fn timed<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        match tokio::time::timeout(HUB_DEADLINE, call).await {
            Ok(result) => result.map_err(Error::Evidence),
            Err(_) => Err(Error::Timeout(HUB_DEADLINE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::client::Body;

    use super::*;
    use crate::control::open_reports::OpenReports;
    use crate::evidence::{About, Kind, Object, Signer, Tip, checkpoint};
    use crate::status::When;

    /// A hub that answers every request in the same way, and counts what would change something.
    fn hub(code: u16) -> (Client, Arc<AtomicUsize>) {
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = writes.clone();
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            let reads = *request.method() == axum::http::Method::GET;
            counted.fetch_add(usize::from(!reads), Ordering::SeqCst);
            let kinds = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": crate::status::OPEN_REPORT_API,
                "resources": [{"name": "clusterreports", "singularName": "", "namespaced": false,
                    "kind": crate::status::OPEN_REPORT, "verbs": ["patch"]}]});
            let refused = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"});
            let (code, body) = if reads { (200, kinds) } else { (code, refused) };
            let answer = axum::http::Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()));
            std::future::ready(answer)
        });
        (Client::new(service, "default"), writes)
    }

    fn statement() -> Statement {
        Statement {
            kind: Kind::Run,
            about: About::cluster("DataPolicy", "p"),
            source: "uid".into(),
            body: Object::new(),
            when: When::Once,
        }
    }

    #[tokio::test]
    async fn who_does_not_lead_writes_and_deletes_no_evidence() {
        for leads in [false, true] {
            let (client, writes) = hub(403);
            let fence: Fence = Arc::new(move || leads);
            let metrics = Metrics::new();
            let chains = Chains::none("f");
            let ledger = Ledger::new(client.clone(), chains, fence.clone(), metrics.clone());
            let tip = Tip {
                sequence: 1,
                ..Tip::genesis("f", "eu")
            };
            let signed =
                checkpoint(&Signer::new(&[1; 32]), "eu", tip, Timestamp::UNIX_EPOCH).unwrap();
            let policy = serde_json::from_value(json!({"metadata": {"name": "p", "uid": "u"},
                "spec": {"regimes": ["eu-gdpr"], "selector": {"regions": ["eu"]}, "rules": [],
                    "retention": {"schedule": "0 4 * * *"}}}));
            let reports = OpenReports::new(client, fence, metrics);
            let ends = [
                ledger
                    .append("eu", &[statement()], Timestamp::UNIX_EPOCH)
                    .await
                    .err(),
                ledger.sign(&signed).await.err(),
                ledger.remove("eu", &[(1, "segment".into())]).await.err(),
                reports
                    .tell(&policy.unwrap(), &crate::plan::Baseline::default())
                    .await
                    .err(),
            ];
            let fenced = ends
                .iter()
                .flatten()
                .filter(|error| matches!(error, Error::NotLeading));
            assert_eq!(fenced.count(), if leads { 0 } else { 4 }, "{ends:?}");
            assert_eq!(
                writes.load(Ordering::SeqCst),
                if leads { 4 } else { 0 },
                "{ends:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_place_that_stays_taken_is_told_and_holds_nothing_up() {
        let (client, writes) = hub(409);
        let ledger = Ledger::new(client, Chains::none("f"), Arc::new(|| true), Metrics::new());
        let stated = BTreeMap::from([("eu".to_owned(), vec![statement()])]);
        for _ in 0..MOST_BEHIND {
            let told = ledger.record(&stated, Timestamp::UNIX_EPOCH).await;
            assert!(told.is_none(), "the watch is about to show it");
        }
        let told = ledger.record(&stated, Timestamp::UNIX_EPOCH).await;
        let told = told.unwrap();
        assert!(
            matches!(told.get("eu"), Some(Error::Contested { .. })),
            "{told:?}"
        );
        assert_eq!(writes.load(Ordering::SeqCst), 6);
    }
}
