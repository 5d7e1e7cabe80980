//! `audit export --format oscal`: it fits NIST's own schema, whatever the evidence, and says what the records say.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use super::audit::{audit, export};
use super::world::{Folder, lines};

pub(super) fn document(folder: &Folder, more: &[&str]) -> Json {
    let told = audit(folder, &export("oscal", more));
    let end = told.rfind("exit ").unwrap();
    let document = serde_json::from_str(&told[..end]);
    assert!(document.is_ok(), "no JSON: {told}");
    document.unwrap()
}

/// What the schema says against a document.
pub(super) fn misfits(document: &Json) -> Vec<String> {
    let file = "tests/cli/oscal/assessment-results-1.1.2.json";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let schema = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults = validator.iter_errors(document);
    faults
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

/// Objectives, and whether each is satisfied.
pub(super) fn findings(document: &Json) -> Vec<String> {
    let all = document["assessment-results"]["results"][0]["findings"]
        .as_array()
        .unwrap();
    let told = all.iter().map(|one| {
        let target = &one["target"];
        format!(
            "{} {}",
            target["target-id"].as_str().unwrap(),
            target["status"]["state"].as_str().unwrap()
        )
    });
    told.collect()
}

#[test]
fn what_is_exported_fits_the_published_schema() {
    let folder = Folder::of(&lines(&[]));
    let whole = document(&folder, &["--trust", "trust.yaml"]);
    assert_eq!(misfits(&whole), [""; 0]);
    assert_eq!(
        findings(&whole),
        [
            "runs-add-up satisfied",
            "tables-covered not-satisfied",
            "requests-add-up satisfied",
            "requests-in-time not-satisfied",
            "evidence-verified satisfied"
        ]
    );
    let observations = whole["assessment-results"]["results"][0]["observations"]
        .as_array()
        .unwrap();
    let of_period = lines(&[]);
    let of_period = of_period
        .iter()
        .filter(|line| line.starts_with("{\"record\"") && line.contains("\"at\":\"2026-1"));
    let of = |kind: &str| {
        observations
            .iter()
            .filter(|one| one["types"][0] == kind)
            .count()
    };
    assert_eq!(of("historic"), of_period.count());
    // Runs, requests and a hold in two regions.
    assert_eq!(of("case-sample"), observations.len() - of("historic"));
    assert!(of("case-sample") > 12);
    let uuids: BTreeSet<&str> = observations
        .iter()
        .map(|one| one["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(uuids.len(), observations.len());
    // What is wrong is a finding, and still fits.
    let sum = lines(&[])
        .concat()
        .replace("\"erased\":12", "\"erased\":11");
    folder.put("evidence.jsonl", &sum);
    let wrong = document(&folder, &["--trust", "trust.yaml"]);
    assert_eq!(misfits(&wrong), [""; 0]);
    assert_eq!(
        findings(&wrong),
        [
            "runs-add-up not-satisfied",
            "tables-covered not-satisfied",
            "requests-add-up satisfied",
            "requests-in-time not-satisfied",
            "evidence-verified not-satisfied"
        ]
    );
    // Without a trust file nothing is said of what nobody verified; of a period without a record there is none.
    assert_eq!(findings(&document(&folder, &[])).len(), 4);
    folder.put("evidence.jsonl", &lines(&[])[0]);
    assert_eq!(misfits(&document(&folder, &[])), [""; 0]);
}

#[test]
fn the_schema_is_one_that_refuses() {
    let folder = Folder::of(&lines(&[]));
    let mut whole = document(&folder, &[]);
    whole["assessment-results"]["results"][0]["observations"][0]["uuid"] = "no".into();
    whole["assessment-results"]["metadata"]["more"] = 1.into();
    assert!(misfits(&whole).len() >= 2, "{:?}", misfits(&whole));
}
