//! The receipt of a request: counts and a hash.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::{
    DataSubjectRequest, ReceiptRecipient, RequestReceipt, RequestRegionStatus, RequestStage,
};
use crate::contract::OptedOut;
use crate::plan::{Horizons, canonical_hash};
use crate::status::gone_by;

/// What came of it, once it has ended; told once, and kept while nothing of it changes.
pub(super) fn receipt(
    request: &DataSubjectRequest,
    stage: Option<RequestStage>,
    (entries, horizons): (&[RequestRegionStatus], &BTreeMap<&str, &Horizons>),
    now: Timestamp,
) -> Option<RequestReceipt> {
    let outcome = match stage? {
        RequestStage::Done => "Done",
        RequestStage::Refused => "Refused",
        RequestStage::Cancelled => "Cancelled",
        RequestStage::Lifted => "Lifted",
        RequestStage::Received
        | RequestStage::Waiting
        | RequestStage::Working
        | RequestStage::Restricted => return None,
    };
    let whole = whole(request, outcome, entries);
    let hash = canonical_hash(&whole);
    let old = request
        .status
        .as_ref()
        .and_then(|status| status.receipt.as_ref());
    // What is attested later, or a copy that was taken away when its time had come, changes nothing of when it was done.
    let first = old.filter(|old| old.outcome == outcome);
    let at = first.map(|old| old.at.clone());
    let old = old.filter(|old| old.hash == hash);
    // What was told once stays: backups that were made by then do not go later because new ones are kept longer.
    let told = old.and_then(|old| old.gone_by.clone());
    let mut receipt = RequestReceipt {
        at: at.unwrap_or_else(|| now.to_string()),
        outcome: outcome.to_owned(),
        hash,
        gone_by: told.or_else(|| gone_by::request(entries, horizons)),
        ..RequestReceipt::default()
    };
    receipt.lifted = entries.iter().filter_map(|entry| entry.lifted).sum();
    let unasked: usize = entries.iter().map(|entry| entry.unasked.len()).sum();
    receipt.unasked = i64::try_from(unasked).unwrap_or(i64::MAX);
    receipt.recipients = entries.iter().flat_map(recipients).collect();
    if stage == Some(RequestStage::Done) {
        let told = entries.iter().flat_map(|entry| &entry.opted_out);
        let stopped = told.map(OptedOut::stopped);
        receipt.opted_out = stopped.fold(0, i64::saturating_add);
    }
    let stores = entries.iter().flat_map(|entry| &entry.stores);
    for table in stores.flat_map(|store| &store.tables) {
        for (sum, term) in [
            (&mut receipt.found, table.found),
            (&mut receipt.erased, table.erased),
            (&mut receipt.restricted, table.restricted),
            (&mut receipt.kept, table.kept),
            (&mut receipt.held, table.held),
            (&mut receipt.blocked, table.blocked),
            (&mut receipt.failed, table.failed),
            (&mut receipt.gone, table.gone),
            (&mut receipt.remaining, table.remaining),
        ] {
            *sum = sum.plus(term);
        }
    }
    Some(receipt)
}

fn recipients(entry: &RequestRegionStatus) -> impl Iterator<Item = ReceiptRecipient> {
    entry.recipients.iter().map(|told| ReceiptRecipient {
        region: entry.name.clone(),
        name: told.name.clone(),
        state: told.state,
        ground: told.ground,
    })
}

/// What the hash is over: what each region reported, and what people recorded.
fn whole(request: &DataSubjectRequest, outcome: &str, entries: &[RequestRegionStatus]) -> Value {
    let region = |entry: &RequestRegionStatus| {
        let mut region = json!({
            "name": entry.name, "progress": entry.progress, "reportedAt": entry.reported_at,
            "suppressed": entry.suppressed, "delivered": entry.delivered, "stores": entry.stores,
        });
        if !entry.opted_out.is_empty() {
            region["optedOut"] = json!(entry.opted_out);
        }
        if let Some(rows) = entry.lifted {
            region["lifted"] = json!(rows);
        }
        if !entry.unasked.is_empty() {
            region["unasked"] = json!(entry.unasked);
        }
        if !entry.recipients.is_empty() {
            region["recipients"] = json!(entry.recipients);
        }
        region
    };
    let mut whole = json!({
        "request": request.name_any(), "kind": request.spec.kind, "received": request.spec.received,
        "outcome": outcome, "verified": request.spec.verified, "refusal": request.spec.refusal,
        "cancelled": request.spec.cancelled, "attestations": request.spec.attestations,
        "regions": entries.iter().map(region).collect::<Vec<_>>(),
    });
    // Only where there is one: a receipt that was told before there were such fields keeps its hash.
    if let Some(upheld) = &request.spec.upheld {
        whole["upheld"] = json!(upheld);
    }
    if let Some(lifted) = &request.spec.lifted {
        whole["lifted"] = json!(lifted);
    }
    whole
}
