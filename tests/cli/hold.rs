//! `tradewind hold values`: the values by which a hold keeps rows become ciphertext that only the region's key reads.

use std::process::Output;

use base64::Engine as _;
use serde_json::{Value, json};

use super::fed;

const VALUE: &str = "bob.q8@planted.example";

/// Regions as `kubectl get regions -o yaml` prints them: one with this key, one without any.
fn regions(key: &str) -> Value {
    let region = |name: &str, status: Value| {
        json!({
            "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region", "metadata": {"name": name},
            "spec": {
                "jurisdictions": ["NO"], "cluster": {"local": {}}, "runNamespace": format!("runs-{name}"),
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
            },
            "status": status,
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        region("eu-west", json!({"requests": {"recipient": key}})),
        region("silent", json!({})),
    ]})
}

fn run(regions: &Value, arguments: &[&str], values: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("regions.yaml");
    std::fs::write(&file, serde_yaml::to_string(regions).unwrap()).unwrap();
    let given = ["hold", "values", "--regions", file.to_str().unwrap()];
    fed(&[&given, arguments].concat(), values)
}

#[test]
fn a_secret_has_the_values_for_the_regions_key_alone() {
    let own = age::x25519::Identity::generate();
    let arguments = [
        "--name",
        "claim-7",
        "--key",
        "customers.age",
        "--region",
        "eu-west",
    ];
    let values = format!("{VALUE}\n7\n");
    let told = run(&regions(&own.to_public().to_string()), &arguments, &values);
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success() && said.is_empty(), "{said}");
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(!text.contains("planted"), "{text}");
    let secret: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&secret["kind"], &secret["metadata"]),
        (
            &json!("Secret"),
            &json!({"name": "claim-7", "namespace": "runs-eu-west"})
        )
    );
    let sealed = secret["data"]["customers.age"].as_str().unwrap();
    let sealed = base64::engine::general_purpose::STANDARD.decode(sealed);
    let plain = age::decrypt(&own, &sealed.unwrap()).unwrap();
    assert_eq!(String::from_utf8(plain).unwrap(), values);
}

#[test]
fn each_mistake_is_named_without_a_value() {
    let public = age::x25519::Identity::generate().to_public().to_string();
    for (name, key, region, values, wanted) in [
        (
            "claim-7",
            "ids.age",
            "nowhere",
            VALUE,
            "nowhere is not in --regions",
        ),
        ("claim-7", "ids.age", "silent", VALUE, "it has told no key"),
        (
            "claim-7",
            "ids",
            "eu-west",
            VALUE,
            "--key: 'ids' is no key for ciphertext",
        ),
        (
            "Claim",
            "ids.age",
            "eu-west",
            VALUE,
            "--name: 'Claim' is no name",
        ),
        (
            "claim-7",
            "ids.age",
            "eu-west",
            " \n",
            "there is no value in it",
        ),
        (
            "claim-7",
            "ids.age",
            "eu-west",
            "[\"bob.q8@planted.example\"",
            "there is no value in it",
        ),
    ] {
        let arguments = ["--name", name, "--key", key, "--region", region];
        let told = run(&regions(&public), &arguments, values);
        let said = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{said}");
        assert!(said.contains(wanted), "{said}");
        assert!(
            !said.contains("planted") && told.stdout.is_empty(),
            "{said}"
        );
    }
    let told = run(
        &regions("age1nobody"),
        &["--name", "c", "--region", "eu-west"],
        VALUE,
    );
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(said.contains("age1nobody is no age recipient"), "{said}");
}
