//! What the walk-through of three laws makes of `make up`: the quickstart's policies erase, the page's commands are done, and
//! no policy but the page's own chooses the region that it changes.

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

fn named(policy: &Value) -> String {
    format!(
        "DataPolicy {}",
        policy["metadata"]["name"].as_str().unwrap()
    )
}
