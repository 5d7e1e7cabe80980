//! `tradewind request create`: what an officer types becomes ciphertext that only the region's key reads.

use std::process::Output;

use base64::Engine as _;
use serde_json::{Value, json};

use super::fed;

const EMAIL: &str = "bob.q7@planted.example";

/// Regions as `kubectl get regions -o yaml` prints them; eu-west knows e-mail addresses and numbers, us-east numbers only.
fn regions(key: &str) -> Value {
    let region = |name: &str, kinds: &[&str], key: &str| {
        let kinds: Vec<Value> = kinds.iter().map(|kind| json!({"name": kind})).collect();
        json!({
            "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region", "metadata": {"name": name},
            "spec": {
                "jurisdictions": ["NO"], "cluster": {"local": {}}, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
                "requests": {"identities": kinds, "suppression": {"secretRef": {"name": "s", "key": "url"}}},
            },
            "status": {"requests": {"recipient": key}},
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        region("eu-west", &["email", "customerId"], key),
        region("us-east", &["customerId"], key),
        region("silent", &["email"], ""),
    ]})
}

fn create(regions: &Value, arguments: &[&str], identity: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("regions.yaml");
    std::fs::write(&file, serde_yaml::to_string(regions).unwrap()).unwrap();
    let given = [
        ("--name", "dsr-7"),
        ("--received", "2025-11-03T09:30:00+01:00"),
        ("--zone", "Europe/Oslo"),
    ];
    let mut otherwise = given.to_vec();
    otherwise.retain(|(name, _)| !arguments.contains(name));
    let regions = file.to_str().unwrap();
    let fixed = [
        "request",
        "create",
        "--jurisdiction",
        "NO",
        "--regions",
        regions,
    ];
    let otherwise: Vec<&str> = otherwise
        .iter()
        .flat_map(|(name, value)| [*name, *value])
        .collect();
    fed(&[&fixed, &otherwise[..], arguments].concat(), identity)
}

fn key() -> (age::x25519::Identity, String) {
    let own = age::x25519::Identity::generate();
    let public = own.to_public().to_string();
    (own, public)
}

#[test]
fn each_region_gets_what_it_knows_the_person_by_and_nobody_else_can_read_it() {
    let (own, public) = key();
    let arguments = [
        "--kind", "erasure", "--region", "eu-west", "--region", "us-east",
    ];
    let identity = format!("email={EMAIL}\ncustomerId=7\n");
    let told = create(&regions(&public), &arguments, &identity);
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(!text.contains(EMAIL));
    // `NO` is a boolean to YAML 1.1, which kubectl reads.
    assert!(text.contains("\"NO\""), "{text}");
    let request: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(request["spec"]["regions"], json!(["eu-west", "us-east"]));
    let read = |place: usize| -> Value {
        let sealed = &request["spec"]["identity"][place];
        assert_eq!(sealed["recipient"], public);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(sealed["ciphertext"].as_str().unwrap());
        serde_json::from_slice(&age::decrypt(&own, &bytes.unwrap()).unwrap()).unwrap()
    };
    assert_eq!(read(0), json!({"email": [EMAIL], "customerId": ["7"]}));
    assert_eq!(read(1), json!({"customerId": ["7"]}));
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(said.contains("silent is not asked; add `--region silent`"));
    assert!(
        !said.contains("west is") && !said.contains("east is"),
        "{said}"
    );
}

#[test]
fn a_region_that_knows_no_value_of_the_person_is_not_missed() {
    let (_, public) = key();
    let arguments = ["--kind", "erasure", "--region", "eu-west"];
    let told = create(&regions(&public), &arguments, "customerId=7\n");
    let said = String::from_utf8(told.stderr).unwrap();
    assert_eq!(
        said,
        "tradewind: us-east is not asked; add `--region us-east` if the person may be known there\n"
    );
}

#[test]
fn what_hides_rows_or_stops_a_sale_is_asked_for_in_the_same_way() {
    let (_, public) = key();
    for (kind, wanted) in [
        ("restriction", "Restriction"),
        ("objection", "Objection"),
        ("opt-out", "OptOut"),
    ] {
        let arguments = ["--kind", kind, "--region", "eu-west"];
        let told = create(&regions(&public), &arguments, &format!("email={EMAIL}"));
        let request: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(request["spec"]["kind"], wanted);
        assert!(request["spec"].get("delivery").is_none());
    }
}

#[test]
fn each_mistake_is_named_without_a_value_of_the_person() {
    let (_, public) = key();
    let email = format!("email={EMAIL}");
    for (arguments, identity, wanted) in [
        (
            vec!["--kind", "erasure", "--region", "nowhere"],
            email.as_str(),
            "nowhere is not in --regions",
        ),
        (
            vec!["--kind", "erasure", "--region", "silent"],
            email.as_str(),
            "it has told no key",
        ),
        (
            vec!["--kind", "erasure", "--region", "us-east"],
            email.as_str(),
            "line 1 is of a kind that no chosen Region knows; they know customerId",
        ),
        (
            vec!["--kind", "erasure", "--region", "eu-west"],
            EMAIL,
            "line 1 has no kind",
        ),
        (
            vec!["--kind", "access", "--region", "eu-west"],
            email.as_str(),
            "a copy needs --to",
        ),
        (
            vec![
                "--kind",
                "objection",
                "--region",
                "eu-west",
                "--to",
                "s3://copies",
                "--country",
                "DE",
                "--prefix",
                "p",
                "--credentials",
                "s",
                "--reader",
                public.as_str(),
                "--expires",
                "P30D",
            ],
            email.as_str(),
            "only a copy is delivered",
        ),
    ] {
        let mut regions = regions(&public);
        regions["items"][2]["status"] = json!({});
        let told = create(&regions, &arguments, identity);
        let said = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{said}");
        assert!(
            said.contains(wanted) && !said.contains(EMAIL),
            "{wanted}: {said}"
        );
        assert!(told.stdout.is_empty());
    }
}

/// What the server would refuse, or take and then count from, is refused where it is typed.
#[test]
fn what_could_not_be_done_is_refused_with_its_argument() {
    let (own, public) = key();
    let reader = own.to_public().to_string();
    let good = [
        "--kind",
        "access",
        "--region",
        "eu-west",
        "--to",
        "s3://copies",
        "--prefix",
        "{region}/copies",
        "--credentials",
        "copies-s3",
        "--country",
        "NO",
        "--reader",
        &reader,
        "--expires",
        "P30D",
    ];
    let told = create(&regions(&public), &good, "email=bob\n");
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}");
    for (argument, value, wanted) in [
        ("--name", "DSR_7", "'DSR_7' is no name"),
        ("--received", "2999-01-01T00:00:00Z", "lies ahead"),
        (
            "--received",
            "2025-11-02T09:30:00+01:00[Europe/Berlin]",
            "has not the form",
        ),
        ("--received", "2025-11-02 09:30Z", "has not the form"),
        ("--jurisdiction", "Germany", "'Germany' is no assigned code"),
        ("--jurisdiction", "NO", "is there twice"),
        ("--region", "eu-west", "is there twice"),
        ("--to", "https://copies", "has not the form"),
        ("--prefix", "/copies", "has not the form"),
        ("--country", "Norway", "has not the form"),
        ("--reader", "age1nobody", "'age1nobody' is no age recipient"),
        ("--expires", "P30X", "has not the form"),
        ("--expires", "P", "has 1 characters"),
    ] {
        let mut arguments = good.to_vec();
        match good.iter().position(|it| *it == argument) {
            Some(at) if argument != "--region" => arguments[at + 1] = value,
            _ => arguments.extend([argument, value]),
        }
        let told = create(&regions(&public), &arguments, "email=bob\n");
        let said = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{value}: {said}");
        assert!(
            said.contains(argument) && said.contains(wanted),
            "{value}: {said}"
        );
        assert!(told.stdout.is_empty());
    }
}
