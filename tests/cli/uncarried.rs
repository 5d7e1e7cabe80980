//! A channel that no policy covers, from records into the export: also one that has a policy's name.

use serde_json::{Value as Json, json};
use tradewind::evidence::About;

use super::audit::{audit, export};
use super::findings::{covered, finding};
use super::oscal::{document, findings, misfits};
use super::world::Folder;

const LAW: &str = "GDPR 12(3), 17";

/// What is told on a day of the policy, or of the channel of its name.
fn told(day: &str, kind: &str, body: Json) -> (String, About, Json) {
    let about = About {
        namespace: (kind == "SocialChannel").then(|| "aurora".to_owned()),
        ..About::cluster(kind, "customers")
    };
    (day.to_owned(), about, body)
}

/// A policy that lacks a table, and beside it the channel.
fn folder(of_channel: &[(&str, Json)]) -> Folder {
    let high = finding("PersonalTableWithoutRule", "High", "Region eu-west");
    let lacks = json!({"uncovered": [{"store": "shop", "table": "notes"}], "findings": [high]});
    let mut all = vec![told("27", "DataPolicy", lacks)];
    let channel = of_channel.iter();
    all.extend(channel.map(|(day, body)| told(day, "SocialChannel", body.clone())));
    Folder::of(&covered(&all))
}

fn table(folder: &Folder, name: &str) -> String {
    audit(folder, &export("csv", &["--out", "tables"]));
    std::fs::read_to_string(folder.at(&format!("tables/{name}.csv"))).unwrap()
}

#[test]
fn a_channel_that_no_policy_covers_is_in_every_form_of_export() {
    let lacking = json!({"enforcement": "Warn", "regimes": [
        {"regime": "eu-gdpr", "law": LAW, "nearest": "customers", "datasets": ["shop/orders"]}]});
    let open = folder(&[("28", lacking.clone())]);
    let coverage = table(&open, "coverage");
    let row = coverage.lines().find(|row| row.contains("SocialChannel"));
    assert_eq!(
        row.unwrap().trim_end(),
        "2026-12-28T09:00:00Z,eu-west,24,Coverage,SocialChannel aurora/customers,\"enforcement: Warn; regimes: datasets: shop/orders; law: GDPR 12(3), 17; nearest: customers; regime: eu-gdpr\""
    );
    let page = audit(&open, &export("html", &[]));
    assert!(page.contains("SocialChannel aurora/customers"), "{page}");
    let whole = document(&open, &["--trust", "trust.yaml"]);
    assert_eq!(misfits(&whole), [""; 0]);
    let said = findings(&whole);
    for wanted in [
        "tables-covered not-satisfied",
        "channels-covered not-satisfied",
        "nothing-severe-missing not-satisfied",
    ] {
        assert!(said.iter().any(|one| one == wanted), "{said:?}");
    }
    let over = folder(&[("28", lacking), ("29", json!({"ended": true}))]);
    let whole = document(&over, &[]);
    assert_eq!(misfits(&whole), [""; 0]);
    let said = findings(&whole);
    let is_said = |wanted: &str| said.iter().any(|one| one == wanted);
    assert!(is_said("channels-covered satisfied"), "{said:?}");
    // Nothing of the channel's ends what is open of the policy of its name.
    assert!(is_said("nothing-severe-missing not-satisfied"), "{said:?}");
    assert!(is_said("tables-covered not-satisfied"), "{said:?}");
    let none = folder(&[]);
    for name in ["register", "findings", "deletion"] {
        assert_eq!(table(&over, name), table(&none, name), "{name}");
    }
    let said = findings(&document(&none, &[]));
    assert!(!said.iter().any(|one| one.starts_with("channels-covered")));
}
