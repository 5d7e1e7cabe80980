//! Records of evidence: every field, and that nothing of one is changed or deleted by anybody.

use jiff::Timestamp;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tradewind::api::{EvidenceRecord, SignedCheckpoint, SignedCountersignature};
use tradewind::evidence::{
    About, Entry, Kind, Record, Signer, Tip, Witness, canonical, checkpoint, countersign,
};

use crate::server::{self, Server};

const PATTERN: &str = "should match";

fn record(last: &Tip, bytes: usize) -> Record {
    let body = json!({"text": "x".repeat(bytes)});
    let entry = Entry {
        kind: Kind::Run,
        at: Timestamp::now(),
        about: About {
            namespace: Some("aurora".to_owned()),
            ..About::cluster("DataPolicy", "eu-customers")
        },
        source: "0b0f0e0a".to_owned(),
        body: canonical::object(&body).unwrap(),
    };
    entry.append("eu-west", last)
}

/// Values of a field that the server refuses, and with which words. Null stands for the record without it.
fn illegal() -> Vec<(&'static str, Value, &'static str)> {
    let hash = |digits: usize| json!(format!("sha256-{}", "0".repeat(digits)));
    vec![
        ("version", json!(0), "greater than or equal to 1"),
        ("version", json!(1001), "less than or equal to 1000"),
        ("version", Value::Null, "Required value"),
        ("region", json!("eu_west"), PATTERN),
        ("region", json!("e".repeat(41)), "Too long"),
        (
            "region",
            json!("us-east"),
            "metadata.name: the region and the sequence in ten digits",
        ),
        ("region", Value::Null, "Required value"),
        ("sequence", json!(0), "greater than or equal to 1"),
        (
            "sequence",
            json!(10_000_000_000_i64),
            "less than or equal to 9999999999",
        ),
        (
            "sequence",
            json!(3),
            "metadata.name: the region and the sequence in ten digits",
        ),
        ("sequence", Value::Null, "Required value"),
        ("previous", hash(63), "should be at least 71"),
        ("previous", hash(65), "Too long"),
        (
            "previous",
            json!("SHA256-".to_owned() + &"0".repeat(64)),
            PATTERN,
        ),
        ("previous", Value::Null, "Required value"),
        ("kind", json!("Gossip"), "Unsupported value"),
        ("kind", Value::Null, "Required value"),
        ("at", json!("2026-11-26T12:00:00+01:00"), PATTERN),
        ("at", json!("yesterday"), "should be at least 20"),
        (
            "at",
            json!(format!("2026-11-26T12:00:00.{}Z", "0".repeat(30))),
            "Too long",
        ),
        ("at", Value::Null, "Required value"),
        ("about", Value::Null, "Required value"),
        ("about", json!({"kind": "DataPolicy"}), "Required value"),
        ("about", json!({"kind": "dataPolicy", "name": "a"}), PATTERN),
        (
            "about",
            json!({"kind": "K".repeat(64), "name": "a"}),
            "Too long",
        ),
        (
            "about",
            json!({"kind": "DataPolicy", "name": ""}),
            "should be at least 1",
        ),
        (
            "about",
            json!({"kind": "DataPolicy", "name": "a".repeat(254)}),
            "Too long",
        ),
        (
            "about",
            json!({"kind": "DataPolicy", "name": "a", "namespace": ""}),
            "should be at least 1",
        ),
        (
            "about",
            json!({"kind": "DataPolicy", "name": "a", "namespace": "n".repeat(64)}),
            "Too long",
        ),
        ("source", json!(""), "should be at least 1"),
        ("source", json!("s".repeat(257)), "Too long"),
        ("source", Value::Null, "Required value"),
        ("body", json!("[]"), PATTERN),
        ("body", json!("{"), "should be at least 2"),
        (
            "body",
            json!("{".to_owned() + &" ".repeat(262_144)),
            "Too long",
        ),
        ("body", Value::Null, "Required value"),
        ("hash", hash(63), "should be at least 71"),
        ("hash", Value::Null, "Required value"),
        ("more", json!(1), "field not declared in schema"),
    ]
}

/// All of it.
pub(crate) async fn walk(server: &Server, faults: &mut Vec<String>) {
    let client = server.client();
    let records: Api<EvidenceRecord> = Api::all(client.clone());
    let first = record(&Tip::genesis("aurora", "eu-west"), 262_144 - 11);
    let object = EvidenceRecord::of(&first).unwrap();
    assert_eq!(
        object.spec.body.len(),
        262_144,
        "the longest body that is legal"
    );
    let made = records
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    assert_eq!(made.record().as_ref(), Some(&first), "kept as it was");
    refusals(&client, &first, faults).await;
    let again = records.create(&PostParams::default(), &object).await;
    assert!(
        matches!(again, Err(kube::Error::Api(status)) if status.code == 409),
        "one place, one record"
    );
    changes(&client, faults).await;
    signatures(&records, &first).await;
    let of_region = ListParams::default().fields("spec.region=eu-west,spec.kind=Run");
    assert_eq!(records.list(&of_region).await.unwrap().items.len(), 1);
    let others = ListParams::default().fields("spec.region=us-east");
    assert_eq!(records.list(&others).await.unwrap().items.len(), 0);
    deletions(&client, &records).await;
}

async fn refusals(client: &Client, first: &Record, faults: &mut Vec<String>) {
    let kind = GroupVersionKind::gvk("tradewind.dev", "v1alpha1", "EvidenceRecord");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let second = EvidenceRecord::of(&record(&Tip::of(first), 9)).unwrap();
    for (field, value, message) in illegal() {
        let mut object = serde_json::to_value(&second).unwrap();
        object["spec"][field] = value.clone();
        if value.is_null() {
            object["spec"].as_object_mut().unwrap().remove(field);
        }
        object.as_object_mut().unwrap().remove("status");
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::apply("walker").force().validation_strict()
        };
        let done = api
            .patch(&second.name_any(), &params, &Patch::Apply(&object))
            .await;
        let told = done.map(|_| ()).map_err(|error| error.to_string());
        if !told.as_ref().is_err_and(|told| told.contains(message)) {
            let value: String = value.to_string().chars().take(60).collect();
            let told = format!("{told:?}").chars().take(300).collect::<String>();
            faults.push(format!(
                "EvidenceRecord.{field} = {value}: must be refused with '{message}': {told}"
            ));
        }
    }
}

/// Not one field of a record can be changed, by an administrator.
async fn changes(client: &Client, faults: &mut Vec<String>) {
    let records: Api<EvidenceRecord> = Api::all(client.clone());
    let hash = format!("sha256-{}", "0".repeat(64));
    for change in [
        json!({"version": 2}),
        json!({"previous": hash}),
        json!({"kind": "Hold"}),
        json!({"at": "2026-11-26T12:00:00Z"}),
        json!({"about": {"name": "other"}}),
        json!({"about": {"namespace": null}}),
        json!({"source": "other"}),
        json!({"body": "{}"}),
        json!({"hash": hash}),
    ] {
        let patch = Patch::Merge(json!({"spec": change}));
        let done = records
            .patch("eu-west-0000000001", &PatchParams::default(), &patch)
            .await;
        let told = done.map(|_| ()).map_err(|error| error.to_string());
        if !told
            .as_ref()
            .is_err_and(|told| told.contains("a record is evidence and cannot be changed"))
        {
            faults.push(format!("EvidenceRecord: {change} is taken: {told:?}"));
        }
    }
}

async fn signatures(records: &Api<EvidenceRecord>, first: &Record) {
    let signer = Signer::new(&[7; 32]);
    let signed = checkpoint(&signer, "eu-west", Tip::of(first), Timestamp::now()).unwrap();
    let told = [SignedCheckpoint::of(&signed)];
    let patch = Patch::Merge(json!({"status": {"checkpoints": told}}));
    let params = PatchParams::default();
    let written = records
        .patch_status("eu-west-0000000001", &params, &patch)
        .await;
    assert_eq!(written.unwrap().checkpoints(), [signed]);
    let before = Tip::genesis("aurora", "eu-west");
    let made: Vec<_> = [("us-east", Some(before)), ("br-south", None)]
        .into_iter()
        .map(|(by, previous)| {
            let witness = Witness {
                by,
                region: "eu-west",
                previous,
            };
            countersign(&signer, witness, Tip::of(first), Timestamp::now()).unwrap()
        })
        .collect();
    let told: Vec<_> = made.iter().map(SignedCountersignature::of).collect();
    let patch = Patch::Merge(json!({"status": {"countersignatures": told}}));
    let written = records
        .patch_status("eu-west-0000000001", &params, &patch)
        .await;
    assert_eq!(written.unwrap().countersignatures(), made);
}

async fn deletions(client: &Client, records: &Api<EvidenceRecord>) {
    server::guard(client, "evidence").await;
    let crds = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let crds: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&crds));
    // The server takes a moment to put a policy into force.
    let refused = |told: &str| told.contains("deleted by nobody");
    let dry = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    let mut tries = 0;
    while let Ok(done) = records.delete("eu-west-0000000001", &dry).await {
        tries += 1;
        assert!(tries < 600, "a deletion is allowed: {done:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let one = records
        .delete("eu-west-0000000001", &DeleteParams::default())
        .await;
    let one = one.map(|_| ()).unwrap_err().to_string();
    assert!(refused(&one), "{one}");
    let all = records
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await;
    let all = all.map(|_| ()).unwrap_err().to_string();
    assert!(refused(&all), "{all}");
    let kind = crds
        .delete("evidencerecords.tradewind.dev", &DeleteParams::default())
        .await;
    let kind = kind.map(|_| ()).unwrap_err().to_string();
    assert!(refused(&kind), "{kind}");
    // A mark is of the record's own region and place, and lets nobody but the operator delete it.
    for (mark, is_legal) in [
        ("eu-west-0000000002-0000000009.jsonl.gz", false),
        ("us-east-0000000001-0000000009.jsonl.gz", false),
        ("eu-west-0000000001-0000000009.jsonl.gz", true),
    ] {
        let patch = Patch::Merge(json!({"status": {"sealedIn": mark}}));
        let done = records
            .patch_status("eu-west-0000000001", &PatchParams::default(), &patch)
            .await;
        assert_eq!(done.is_ok(), is_legal, "{mark}: {done:?}");
    }
    let marked = records
        .delete("eu-west-0000000001", &DeleteParams::default())
        .await;
    let marked = marked.map(|_| ()).unwrap_err().to_string();
    assert!(refused(&marked), "{marked}");
    let left = records.list(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 1);
    // Only that kind: others go as before.
    let other = crds.delete("socialchannels.tradewind.dev", &dry).await;
    assert!(other.is_ok(), "{other:?}");
}
