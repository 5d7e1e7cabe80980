//! Every field of each kind's status: what the operator writes is kept whole.

use kube::core::object::HasStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tradewind::api::{DataPolicy, DataSubjectRequest, LegalHold, Region, SocialChannel};

use crate::case::Kind;
use crate::schema;
use crate::server::Server;

/// Writes a whole status for each kind, and another in its place.
pub(crate) async fn walk(server: &Server, faults: &mut Vec<String>) {
    one::<Region>(server, &crate::region::kind(), &region(), faults).await;
    one::<SocialChannel>(server, &crate::social_channel::kind(), &channel(), faults).await;
    one::<DataPolicy>(server, &crate::data_policy::kind(), &policy(), faults).await;
    let hold = crate::legal_hold::status(condition(), inventory());
    one::<LegalHold>(server, &crate::legal_hold::kind(), &hold, faults).await;
    let request = crate::subject_request::status(condition(), inventory());
    let kind = crate::subject_request::kind();
    one::<DataSubjectRequest>(server, &kind, &request, faults).await;
}

async fn one<K>(server: &Server, kind: &Kind, status: &Value, faults: &mut Vec<String>)
where
    K: HasStatus,
    K::Status: Serialize + DeserializeOwned,
{
    for field in schema::fields(&server.crd(kind).await, "status") {
        if schema::pointer(&field.path, status).is_none() {
            faults.push(format!(
                "{}.status.{}: the test's status lacks it",
                kind.name, field.path
            ));
        }
    }
    // The types know every field as well, and write it as it was.
    let typed: K::Status = serde_json::from_value(status.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(&typed).unwrap(),
        *status,
        "{}",
        kind.name
    );
    let kept = server.apply_status(kind, "least", status).await;
    if kept.as_ref() != Ok(status) {
        faults.push(format!("{}.status: {kept:?}", kind.name));
    }
    let object = server.get(kind, "least").await;
    assert_eq!(
        object["spec"], kind.least,
        "{}: a status changed the spec",
        kind.name
    );
    assert_eq!(object["metadata"]["generation"], 1, "{}", kind.name);
    let next = json!({"observedGeneration": 2});
    let kept = server.apply_status(kind, "least", &next).await;
    let told = kept.map(|status| status["observedGeneration"].clone());
    assert_eq!(told, Ok(json!(2)), "{}", kind.name);
}

fn condition() -> Value {
    json!({
        "type": "Ready", "status": "True", "reason": "Running", "message": "all runs", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-22T12:00:00Z",
    })
}

fn inventory() -> Value {
    json!([{"kind": "Deployment.apps", "namespace": "aurora", "name": "a-connector", "uid": "u"}])
}

fn region() -> Value {
    json!({
        "observedGeneration": 1, "conditions": [condition()], "clusterId": "u", "clusterVersion": "v1.37.1",
        "unreachableSince": "2026-11-22T12:00:00Z", "channels": 2, "policies": 1, "lastHandledReconcileAt": "1",
        "requests": {"recipient": "age1qqqq", "reason": "KeyForbidden", "message": "the API server answers 403",
            "reapplySchedule": {"nextAt": "2026-11-22T03:00:00Z", "lastEndedAt": "2026-11-20T03:10:00Z", "lastErased": "<5",
                "reason": "ReapplyOverdue", "message": "m"},
            "lastHandledReapply": "ticket-17", "reapplied": {"asked": "ticket-17", "reason": "Kept", "message": "m",
                "reportedAt": "2026-11-22T12:00:00Z", "state": "Kept", "suppressed": "<5", "sameServer": "orders",
                "stores": [{"name": "orders", "state": "Kept", "tables": [crate::subject_request::erased()]}]}},
        "evidence": {
            "key": "ed25519-0", "sequence": 7, "head": "sha256-0", "signedAt": "2026-11-22T12:00:00Z",
            "reason": "NotAnExtension", "message": "m", "nextKey": "ed25519-1", "unproven": ["us-east"],
            "behind": [{"region": "br", "sequence": 3, "head": "sha256-0", "problem": "m"}], "sealedTo": 5, "expiredTo": 3,
            "keptFor": "P24M (us-ca-ccpa)", "sealingProblem": "m",
            "untrustedKey": "ed25519-2", "lastHandledRotateAt": "1", "lastHandledRunAt": "1", "inventory": inventory(),
        },
    })
}

fn channel() -> Value {
    json!({
        "observedGeneration": 1, "conditions": [condition()], "regionsReady": "1/1",
        "lastFeed": "2026-11-22T12:00:00Z", "lastHandledReconcileAt": "1", "lastHandledRunAt": "1",
        "regions": [{
            "name": "eu-west", "state": "Run", "reason": "Running", "message": "m", "ready": true,
            "unreachableSince": "2026-11-22T12:00:00Z", "uncoveredSince": "2026-11-22T12:00:00Z",
            "held": [{"flow": "sink erp", "reason": "NoInstrument", "message": "m"}],
            "callbackUrl": "https://a.example/webhooks/aurora/a", "connector": {"desired": 2, "ready": 1},
            "feeds": [{
                "name": "full", "lastRun": "2026-11-22T12:00:00Z", "lastSuccess": "2026-11-22T12:00:00Z", "nextRun": "2026-11-23T12:00:00Z",
                "reason": "Done", "message": "m", "items": 9, "rejected": 1, "hash": "sha256-0",
            }],
            "lastHandledRunAt": "1", "inventory": inventory(),
        }],
    })
}

fn policy() -> Value {
    let totals = json!({
        "due": "13-16", "erased": "-", "held": "<5", "restricted": "11+", "gone": 1, "blocked": 0, "failed": 1, "remaining": 3,
    });
    json!({
        "observedGeneration": 1, "conditions": [condition()], "totals": totals, "lastRun": "2026-11-22T12:00:00Z",
        "nextRun": "2026-11-23T12:00:00Z", "lastHandledReconcileAt": "1", "lastHandledRunAt": "1",
        "uncovered": [{"region": "eu-west", "store": "orders", "table": "messages", "reason": "r"}],
        "findingTotals": {"all": 60, "high": 1, "medium": 2, "low": 57},
        "findings": [{
            "id": "NoPeriod-0123456789", "check": "NoPeriod", "severity": "Medium", "law": "GDPR Articles 5(1)(e) and 17",
            "region": "eu-west", "place": "Region eu-west, spec.dataStores[orders].datasets[messages]", "message": "m",
            "remedy": "r",
        }],
        "regions": [policy_region(&totals)],
    })
}

fn policy_region(totals: &Value) -> Value {
    let preview = json!({
        "region": "eu-west", "asOf": "2026-11-22T12:00:00Z", "specHash": "sha256-0", "shape": "sha256-1",
        "rules": [{"name": "orders", "rows": "-", "due": "<5"}],
    });
    json!({
        "name": "eu-west", "state": "Run", "reason": "Running", "message": "m", "ready": true,
        "unreachableSince": "2026-11-22T12:00:00Z", "nextRun": "2026-11-23T12:00:00Z", "totals": totals,
        "evidence": {"fresh": true, "reason": "Fresh", "since": "2026-11-22T12:00:00Z"},
        "preview": preview, "previewHash": "sha256-0", "approved": preview, "lastHandledRunAt": "1",
        "unread": [{
            "job": "j", "uid": "u", "startedAt": "2026-11-22T12:00:00Z", "finishedAt": "2026-11-22T12:00:00Z",
            "since": "2026-11-22T12:00:00Z",
        }],
        "waitsSince": "2026-11-22T12:00:00Z",
        "inventory": inventory(), "decisions": [decision()], "dates": [dates()], "moreDates": 1,
        "catalogue": {"more": 1, "tables": [{"store": "orders", "table": "public.leads", "rule": "leads", "columns": ["email"]}],
            "indexes": [{"store": "orders", "rule": "orders", "table": "public.parcels", "columns": ["order_id"]}],
            "triggers": [{"store": "orders", "rule": "orders", "table": "public.orders", "trigger": "audit"}],
            "absent": [{"store": "orders", "table": "invoises"}], "moreOfRules": 1,
            "databases": [{"store": "orders", "database": "0123456789abcdef"}]},
        "lastRun": {
            "job": "j", "uid": "u", "run": "r", "phase": "Succeeded", "mode": "Enforce", "reason": "Done", "message": "m",
            "startedAt": "2026-11-22T12:00:00Z", "finishedAt": "2026-11-22T12:00:00Z",
            "goneBy": "2027-02-20T12:00:00Z", "rules": [retained()],
        },
    })
}

fn decision() -> Value {
    json!({
        "rule": "orders", "store": "orders", "table": "orders", "decides": "Keep", "message": "m", "moreKeeps": 1,
        "holds": [{"hold": "claim-2026-117", "reviewOn": "2027-06-01", "everyRow": true}], "moreHolds": 1,
        "keeps": [{
            "policy": "tax", "rule": "invoices", "reference": "AO 147(3)", "for": "P8Y", "from": "EndOfCalendarYear",
            "clock": "issued_on", "law": "de-tax", "records": "invoice", "columns": ["total"],
        }],
        "moreErases": 1,
        "alsoErases": [{
            "policy": "marketing", "rule": "orders", "law": "GDPR Articles 5(1)(e) and 17", "method": "Delete", "after": "P1Y",
            "from": "EventDate", "clock": "placed_at", "mode": "DryRun", "stopped": "Suspended",
        }],
    })
}

fn dates() -> Value {
    json!({
        "rule": "orders", "of": "orders/orders.placed_at", "asOf": "2026-11-22T12:00:00Z", "untoldSince": "2026-11-20T12:00:00Z", "oldest": "2018-11-22",
        "eraseBy": "2021-11-22", "keepUntil": "2027-01-01", "restrictFrom": "2021-11-22", "goesFrom": "2027-01-01", "ground": "AO 147(3)", "loses": "P3Y from placed_at",
        "columns": [{"names": ["total"], "keepUntil": "2027-01-01", "ground": "AO 147(3)", "others": ["email"], "othersGoFrom": "2021-11-22"}], "unknown": "Held",
    })
}

fn retained() -> Value {
    json!({
        "name": "orders", "method": "Anonymise", "rows": 100, "due": "<14", "erased": "-", "held": "<5", "restricted": 1, "gone": 1, "blocked": 1,
        "failed": 1, "remaining": 3, "late": 1, "nullClock": "<5", "untold": 1, "commitments": ["A".repeat(43), "A".repeat(43)], "oldestKept": "2018-11-22",
        "strategy": "Partitions", "partitions": 2, "space": "WaitsForVacuum", "releasedUntil": "2026-11-22T08:00:00Z",
    })
}
