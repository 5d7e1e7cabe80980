//! What the walk-throughs make of `make up`: the quickstart with what their first section does to it. No policy but the page's
//! own chooses the region of three laws, and each page tells of the findings that are there.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::folder;
use super::page::blocks;
use super::render;
use super::world::World;

/// The policies of the other pages, which a reader may have applied before.
const OTHERS: [&str; 3] = ["gdpr", "ccpa", "lgpd"];

fn documents(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder(file)).unwrap();
    let parts = text.split("\n---\n");
    let read = |part| {
        let mut value: Value = serde_yaml::from_str(part).unwrap();
        value["metadata"]["generation"] = json!(1);
        value
    };
    parts.map(read).collect()
}

/// The policies that choose a region.
fn choosing(world: &World, region: &str) -> BTreeSet<String> {
    let shown = render::shown(world).into_iter();
    let shown = shown.map(|(name, text)| (name, serde_yaml::from_str::<Value>(&text).unwrap()));
    shown
        .filter(|(_, told)| told["plan"]["regions"][region]["chosen"] == true)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn only_the_pages_own_policies_choose_the_region_of_three_laws() {
    let text = fs::read_to_string(folder("docs/walkthrough-three-regimes.md")).unwrap();
    let begin = blocks(&text)
        .into_iter()
        .find(|block| block.language.is_empty() && block.section.starts_with("1. "));
    let typed = begin.unwrap().text;
    let lines: Vec<&str> = typed.lines().collect();
    let [delete, patch, apply] = lines.as_slice() else {
        panic!("section 1 has other commands than this test knows: {typed}");
    };
    let gone = delete.strip_prefix("kubectl delete datapolicy --ignore-not-found ");
    let gone: BTreeSet<&str> = gone.unwrap().split(' ').collect();
    let patch = patch.strip_prefix("kubectl patch region us-east --type=merge -p '");
    let patch = patch.unwrap().strip_suffix('\'').unwrap();
    let patch: Value = serde_json::from_str(patch).unwrap();
    assert_eq!(
        *apply,
        r"sed 's/regions: \[world\]/regions: [us-east]/' examples/three-regimes/2-policy.yaml | kubectl apply -f -"
    );

    let mut own = documents("examples/three-regimes/2-policy.yaml");
    for policy in &mut own {
        assert_eq!(policy["spec"]["selector"], json!({"regions": ["world"]}));
        policy["spec"]["selector"]["regions"] = json!(["us-east"]);
    }
    let own_names: BTreeSet<String> = own.iter().map(named).collect();
    let others = OTHERS.map(|of| documents(&format!("examples/{of}/2-policy.yaml")));
    let mut all = documents("examples/quickstart/3-policies.yaml");
    all.extend(others.into_iter().flatten());
    let all: Vec<Value> = all
        .into_iter()
        .map(|mut policy| {
            policy["spec"]["mode"] = json!("Enforce");
            policy
        })
        .collect();

    let chosen = |policies: Vec<Value>, remove: &[&str]| {
        let given = json!({
            "about": "make up, with what the page does to it", "base": "quickstart", "now": "2026-11-22T10:00:00Z",
            "remove": remove, "patch": {"Region us-east": patch}, "add": policies,
            "show": policies.iter().map(named).collect::<Vec<_>>(), "well": true,
        });
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("given.yaml");
        fs::write(&file, given.to_string()).unwrap();
        choosing(&World::read(&file), "us-east")
    };
    let quickstart = ["DataPolicy eu-customers", "DataPolicy us-customers"];
    let stays = |policy: &&Value| !gone.contains(policy["metadata"]["name"].as_str().unwrap());
    let left = all.iter().filter(stays).chain(&own).cloned().collect();
    assert_eq!(chosen(left, &quickstart), own_names);
    // Without that command others would erase there too: it is what keeps them away.
    let others = chosen(all.iter().chain(&own).cloned().collect(), &[]);
    assert!(others.contains(quickstart[0]), "{others:?}");
}

/// What a page's first section does to the quickstart: its case of the plan, with the page's policies alone to be told.
fn begun(page: &str) -> Value {
    let text = fs::read_to_string(folder(&format!("docs/walkthrough-{page}.md"))).unwrap();
    let begin = blocks(&text)
        .into_iter()
        .find(|block| block.language.is_empty() && block.section.starts_with("1. "));
    let mut given = json!({
        "about": "make up, with what the page does to it", "base": "quickstart", "now": "2026-11-22T10:00:00Z", "well": true,
    });
    for line in begin.unwrap().text.lines() {
        if let Some(names) = line.strip_prefix("kubectl delete datapolicy ") {
            let names = names.split(' ').filter(|name| name.ends_with("-customers"));
            let gone = names.map(|name| format!("DataPolicy {name}"));
            given["remove"] = gone.collect();
        } else if let Some(patch) =
            line.strip_prefix("kubectl patch region us-east --type=merge -p ")
        {
            let patch: Value = serde_json::from_str(patch.trim_matches('\'')).unwrap();
            given["patch"] = json!({"Region us-east": patch});
        } else {
            let file = format!("examples/{page}/2-policy.yaml");
            assert!(line.contains(&file), "{line}");
            let mut own = documents(&file);
            if line.starts_with("sed ") {
                for policy in &mut own {
                    policy["spec"]["selector"]["regions"] = json!(["us-east"]);
                }
            }
            given["show"] = own.iter().map(named).collect();
            given["add"] = own.into();
        }
    }
    given
}

/// Each page counts the findings of its policy and says what the graver ones are about.
#[test]
fn each_page_tells_of_the_findings_that_its_policy_has_on_the_quickstart() {
    let backups = "BackupHorizonUnknown";
    let invoices = "PersonalTableWithoutSubjects";
    for (page, policy, graver, words) in [
        (
            "gdpr",
            "gdpr-shop",
            vec![backups, invoices],
            "two findings that are `Medium` stay",
        ),
        (
            "ccpa",
            "ccpa-shop",
            vec![backups, invoices],
            "two findings that are `Medium` stay",
        ),
        (
            "lgpd",
            "lgpd-shop",
            vec![],
            "no finding is more than `Low` at first",
        ),
        (
            "three-regimes",
            "world-shop",
            vec![backups, invoices],
            "two findings are `Medium`",
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("given.yaml");
        fs::write(&file, begun(page).to_string()).unwrap();
        let mut shown = render::shown(&World::read(&file)).into_iter();
        let own = format!("DataPolicy {policy}");
        let (_, told) = shown.find(|(name, _)| *name == own).unwrap();
        let told: Value = serde_yaml::from_str(&told).unwrap();
        let findings = told["status"]["written"]["findings"].as_array().unwrap();
        let graver_ones = findings.iter().filter(|one| one["severity"] != "Low");
        let mut found: Vec<&str> = graver_ones
            .map(|one| one["check"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, graver, "{page}: {findings:#?}");
        let is_of_invoices = |one: &&Value| one["check"] == invoices;
        let place: Vec<&Value> = findings.iter().filter(is_of_invoices).collect();
        assert_eq!(place.len(), 1, "{page}: {place:#?}");
        assert!(
            place[0]["place"]
                .as_str()
                .unwrap()
                .ends_with("table invoices")
        );
        let text = fs::read_to_string(folder(&format!("docs/walkthrough-{page}.md"))).unwrap();
        assert!(text.contains(words), "{page}: {words}");
    }
}

fn named(policy: &Value) -> String {
    format!(
        "DataPolicy {}",
        policy["metadata"]["name"].as_str().unwrap()
    )
}
