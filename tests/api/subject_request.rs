//! Every field of a DataSubjectRequest. What was recorded stays; what it is about cannot be changed.

use serde_json::{Value, json};

use crate::case::{Case, Kind, LONG, PATTERN, list, ruled, text};
use crate::server::Server;

const PERSON: &str = "looks as if an e-mail address or a telephone number were in it";
const MOMENT: &str = "2026-03-31T23:30:00+02:00";
const LATER: &str = "2026-04-01T08:00:00Z";
const REGIONS: &str = "regions: one may be added, never removed";
const LAWS: &str = "jurisdictions: one may be added, never removed";
const SEALED: &str = "identity: it cannot be changed, only taken away";
const DELIVERY: &str = "spec.delivery: Access and Portability need it";
const STAYS: &str = "each is recorded once and stays";
const NOTICE: &str = "spec.notice: a notice before erasure is for Erasure and Objection only";
const LIFTED: &str =
    "spec.lifted: it ends a Restriction, an OptOut, or an Objection that was upheld";

fn done(by: &str) -> Value {
    json!({"by": by, "at": LATER})
}

fn reasoned(ground: &str) -> Value {
    json!({"by": "privacy@aurora.example", "at": LATER, "ground": ground})
}

fn sealed(region: &str) -> Value {
    json!({"region": region, "recipient": "age1qqqqqqqq", "ciphertext": "A".repeat(200)})
}

/// The DataSubjectRequest kind.
pub(crate) fn kind() -> Kind {
    let least = json!({
        "kind": "Erasure", "received": MOMENT, "jurisdictions": ["DE"], "timeZone": "Europe/Berlin", "regions": ["eu-west"],
    });
    let erasure = json!({
        "kind": "Erasure", "received": MOMENT, "jurisdictions": ["DE", "US-CA"], "timeZone": "Europe/Berlin",
        "holidays": ["2026-05-01"], "regions": ["eu-west", "us-east"], "identity": [sealed("eu-west"), sealed("us-east")],
        "verified": done("privacy@aurora.example"), "acknowledged": done("privacy@aurora.example"),
        "extension": reasoned("many requests"), "pauses": [{"from": "2026-04-02", "to": "2026-04-09"}],
        "notice": {"sentAt": LATER, "acknowledged": done("privacy@aurora.example")},
        "refusal": reasoned("GDPR Article 17(3)(b)"), "cancelled": reasoned("the person took it back"),
        "answered": done("privacy@aurora.example"), "attestations": [reasoned("paper file 12 shredded")],
    });
    let access = json!({
        "kind": "Access", "received": MOMENT, "jurisdictions": ["DE"], "timeZone": "Europe/Berlin", "regions": ["eu-west"],
        "delivery": {
            "objectStore": {"country": "DE", "url": "s3://copies", "prefix": "{region}/copies", "credentialsRef": {"name": "copies-s3"}},
            "recipient": "age1qqqqqqqq", "expiresAfter": "P30D",
        },
    });
    Kind {
        name: "DataSubjectRequest",
        plural: "datasubjectrequests",
        namespace: None,
        least,
        specs: vec![erasure, access, objection()],
        cases: [
            head(),
            identity(),
            recorded(),
            hidden(),
            notice(),
            delivery(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        names: vec![
            (LONG, "metadata.name: at most 40 characters"),
            ("0221-1234567", "metadata.name: it is kept as evidence"),
        ],
    }
}

/// An objection that was upheld, and has ended since.
fn objection() -> Value {
    json!({
        "kind": "Objection", "received": MOMENT, "jurisdictions": ["DE"], "timeZone": "Europe/Berlin", "regions": ["eu-west"],
        "upheld": {"by": "dpo@aurora.example", "at": LATER, "ground": "GDPR Article 17(3)(e)", "measure": "Restrict"},
        "lifted": reasoned("the claim was settled"),
    })
}

/// What no field alone can say.
pub(crate) async fn together(server: &Server, faults: &mut Vec<String>) {
    let kind = kind();
    let with = |asked: &str, more: &[(&str, Value)]| {
        let mut spec = kind.least.clone();
        spec["kind"] = asked.into();
        for (field, value) in more {
            spec[*field] = value.clone();
        }
        spec
    };
    let upheld = ("upheld", objection()["upheld"].clone());
    let ended = ("lifted", reasoned("the claim was settled"));
    let refused = ("refusal", reasoned("GDPR Article 21(1)"));
    for (spec, message) in [
        (with("Restriction", &[]), None),
        (with("Restriction", std::slice::from_ref(&ended)), None),
        (with("OptOut", &[]), None),
        (with("OptOut", std::slice::from_ref(&ended)), None),
        (with("Objection", &[]), None),
        (
            with("Objection", std::slice::from_ref(&ended)),
            Some(LIFTED),
        ),
        (with("Erasure", std::slice::from_ref(&ended)), Some(LIFTED)),
        (
            with("Restriction", std::slice::from_ref(&upheld)),
            Some("spec.upheld: only an Objection is upheld"),
        ),
        (
            with("Objection", &[upheld.clone(), refused]),
            Some("spec.upheld, spec.refusal: an objection is upheld or refused, not both"),
        ),
    ] {
        let made = server.could_create(&kind, "together", &spec).await;
        let is_so = match message {
            None => made.as_ref() == Ok(&spec),
            Some(message) => made.as_ref().is_err_and(|told| told.contains(message)),
        };
        if !is_so {
            faults.push(format!("DataSubjectRequest: {spec}: {message:?}: {made:?}"));
        }
    }
}

fn moment(path: &'static str) -> Case {
    text(
        path,
        "2026-04-02T08:00:00+02:00",
        "9999-12-31T23:59:59.999999999+23:59",
        &[("2026-04-02", PATTERN), ("2026-04-02T08:00:00", PATTERN)],
    )
}

fn head() -> Vec<Case> {
    vec![
        ruled(
            "kind",
            vec![(json!("Access"), DELIVERY), (json!("Restriction"), NOTICE)],
        )
        .fixed("kind cannot be changed"),
        moment("received").fixed("received cannot be changed"),
        list("jurisdictions", |i| json!(format!("US-{i:03}"))).fixed(LAWS),
        text(
            "jurisdictions[]",
            "GB",
            "US-CAL",
            &[("fr", PATTERN), ("FRA", PATTERN)],
        )
        .fixed(LAWS),
        text(
            "timeZone",
            "Europe/Paris",
            format!("A{}", "b".repeat(63)),
            &[("Europe Berlin", PATTERN), ("/Berlin", PATTERN)],
        ),
        list("holidays", |i| json!(format!("20{i:02}-01-01"))),
        text(
            "holidays[]",
            "2026-12-25",
            "9999-12-31",
            &[("2026-2-030", PATTERN)],
        ),
        list("regions", |i| json!(format!("region-{i}"))).fixed(REGIONS),
        text("regions[]", "us-west", "n".repeat(40), &[]).fixed(REGIONS),
    ]
}

fn identity() -> Vec<Case> {
    vec![
        ruled("identity[]", vec![]),
        list("identity", |i| sealed(&format!("region-{i}"))),
        text("identity[].region", "us-west", "n".repeat(40), &[]),
        text(
            "identity[].recipient",
            "age1pppppppp",
            format!("age1{}", "q".repeat(196)),
            &[("age2qqqqqqqq", PATTERN), ("age1QQQQQQQQ", PATTERN)],
        )
        .fixed(SEALED),
        text(
            "identity[].ciphertext",
            "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "A".repeat(16_384),
            &[("ann@mail.example, and many more characters than that, so that it is long enough to be one, but no base64", PATTERN)],
        )
        .fixed(SEALED),
    ]
}

/// Who, when and why.
fn recorded() -> Vec<Case> {
    let by = |path| {
        text(
            path,
            "dpo",
            "b".repeat(128),
            &[(" ", PATTERN), (" a", PATTERN)],
        )
    };
    let ground = |path| {
        text(
            path,
            "GDPR Article 17(3)(b), settled on 2026-11-22",
            "g".repeat(256),
            &[
                (" ", PATTERN),
                ("a ", PATTERN),
                ("ann@mail.example withdrew", PERSON),
                ("called from +49 221 1234567", PERSON),
            ],
        )
    };
    let once = |path: &'static str| ruled(path, vec![]).stays(STAYS);
    vec![
        once("verified"),
        by("verified.by").fixed("verified: it is recorded once"),
        moment("verified.at").fixed("verified: it is recorded once"),
        by("acknowledged.by"),
        moment("acknowledged.at"),
        by("extension.by"),
        moment("extension.at"),
        ground("extension.ground"),
        list("pauses", |i| json!({"from": format!("20{i:02}-01-01")})),
        text(
            "pauses[].from",
            "2026-04-03",
            "9999-12-31",
            &[("2026-02-30", "must be of type date")],
        ),
        text(
            "pauses[].to",
            "2026-04-10",
            "9999-12-31",
            &[("2026-02-30", "must be of type date")],
        ),
        once("refusal"),
        by("refusal.by").fixed("refusal: it is recorded once"),
        moment("refusal.at").fixed("refusal: it is recorded once"),
        ground("refusal.ground").fixed("refusal: it is recorded once"),
        once("cancelled"),
        by("cancelled.by").fixed("cancelled: it is recorded once"),
        moment("cancelled.at").fixed("cancelled: it is recorded once"),
        ground("cancelled.ground").fixed("cancelled: it is recorded once"),
        by("answered.by"),
        moment("answered.at"),
        list("attestations", |i| reasoned(&format!("file {i}"))),
        by("attestations[].by"),
        moment("attestations[].at"),
        ground("attestations[].ground"),
    ]
}

/// Of a restriction and an objection.
fn hidden() -> Vec<Case> {
    let upheld = "upheld: it is recorded once";
    let lifted = "lifted: it is recorded once";
    let by = |path| text(path, "dpo", "b".repeat(128), &[(" ", PATTERN)]);
    let ground = |path| {
        let illegal = [("a ", PATTERN), ("020 7946 0018", PERSON)];
        text(path, "other", "g".repeat(256), &illegal)
    };
    vec![
        ruled("upheld", vec![]).kept(LIFTED),
        by("upheld.by").fixed(upheld),
        moment("upheld.at").fixed(upheld),
        ground("upheld.ground").fixed(upheld),
        ruled("upheld.measure", vec![(json!("Erase"), LIFTED)]).fixed(upheld),
        ruled("lifted", vec![]).stays(STAYS),
        by("lifted.by").fixed(lifted),
        moment("lifted.at").fixed(lifted),
        ground("lifted.ground").fixed(lifted),
    ]
}

fn notice() -> Vec<Case> {
    vec![
        moment("notice.sentAt"),
        text(
            "notice.acknowledged.by",
            "dpo",
            "b".repeat(128),
            &[(" ", PATTERN)],
        ),
        moment("notice.acknowledged.at"),
    ]
}

fn delivery() -> Vec<Case> {
    vec![
        ruled("delivery", vec![]).kept(DELIVERY),
        text(
            "delivery.objectStore.url",
            "s3://others",
            format!("s3://a{}z", "b".repeat(61)),
            &[("https://copies", PATTERN), ("s3://copies/a", PATTERN)],
        ),
        text(
            "delivery.objectStore.country",
            "US",
            "FR",
            &[("us", PATTERN), ("U1", PATTERN)],
        ),
        text(
            "delivery.objectStore.prefix",
            "copies",
            "p".repeat(200),
            &[("/copies", PATTERN), ("a b", PATTERN)],
        ),
        text(
            "delivery.objectStore.credentialsRef.name",
            "other",
            "n".repeat(253),
            &[("Copies", PATTERN), ("-a", PATTERN)],
        ),
        text(
            "delivery.recipient",
            "age1pppppppp",
            format!("age1{}", "q".repeat(196)),
            &[("age2qqqqqqqq", PATTERN)],
        ),
        text(
            "delivery.expiresAfter",
            "P60D",
            "P999Y9999M9999W9999D",
            &[("30D", PATTERN), ("P1DT1H", PATTERN)],
        ),
    ]
}

/// A table's numbers with every field.
pub(crate) fn erased() -> Value {
    json!({
        "name": "invoices", "state": "Kept", "found": 28, "erased": "<5", "restricted": 10, "kept": "<5",
        "grounds": [{"ground": "AO 147(3)", "through": "lines", "columns": ["total"], "rows": "<5"}], "commitments": ["A".repeat(43), "A".repeat(43)],
        "held": 3, "blocked": 4, "failed": 5, "gone": 6, "remaining": 7, "late": 8, "undated": 9, "spared": 10,
    })
}

/// A status with every field.
pub(crate) fn status(condition: Value, inventory: Value) -> Value {
    json!({
        "observedGeneration": 1, "conditions": [condition], "state": "Working", "clock": "DueSoon",
        "due": "2026-04-30T22:00:00Z",
        "deadlines": [{
            "regime": "eu-gdpr", "step": "response", "within": "P1M", "ends": "2026-04-30T22:00:00Z",
            "law": "GDPR Article 12(3)", "metAt": "2026-04-20T08:00:00Z", "standing": "OnTime",
        }],
        "regionsDone": "1/2",
        "regions": [{
            "name": "eu-west", "state": "Run", "reason": "Fulfilled", "message": "done", "ready": true,
            "unreachableSince": "2026-11-22T12:00:00Z", "action": "Erase", "progress": "Kept", "reportedAt": "2026-11-22T12:00:00Z",
            "suppressed": "<5",
            "delivered": {"manifest": "eu-west/copies/dsr-1.manifest.json", "place": "s3://copies/eu-west/copies/dsr-1", "hash": "sha256-00", "expiresAt": "2026-12-22T12:00:00Z", "removedAt": "2026-12-22T12:01:00Z"},
            "stores": [{"name": "orders", "state": "Kept", "tables": [erased()]}],
            "recipients": [{"name": "shop/erp", "state": "Refused", "ground": "LegalClaims", "attempts": 2, "answer": "200", "at": "2026-11-22T12:00:00Z"}],
            "lifted": 10, "lastHandledRunAt": "1", "inventory": inventory,
            "unasked": ["orders/newsletter", "events of aurora/shop"],
            "optedOut": [{"store": "inbox", "channel": "aurora/shop", "sinks": ["ads"], "unnamedSinks": 2, "subjects": 1, "inForceSince": "2026-11-05T09:00:08Z"}],
        }],
        "receipt": {
            "at": "2026-11-22T12:00:00Z", "outcome": "Done", "found": "35-41", "erased": "<5", "restricted": 10, "lifted": 10, "optedOut": 1, "kept": 2, "held": 3,
            "blocked": 4, "failed": 5, "gone": 6, "remaining": 7, "unasked": 2, "hash": "sha256-00", "goneBy": "2027-02-20T12:00:00Z",
            "recipients": [{"region": "eu-west", "name": "shop/erp", "state": "Refused", "ground": "LegalClaims"}],
        },
        "identityHash": "sha256-00", "lastHandledReconcileAt": "1",
    })
}
