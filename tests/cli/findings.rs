//! What a policy's laws ask for and is missing, from records into every form of export.

use tradewind::evidence::{About, Entry, Kind, Line, Tip, canonical, checkpoint};

use serde_json::{Value as Json, json};

use super::audit::{audit, export};
use super::oscal::{document, findings, misfits};
use super::world::{END, Folder, REGIONS, lines, moment, records, signer};

/// The quarter's evidence, with what a policy's findings were on its last days.
fn evidence(told: &[(&str, &[Json])]) -> Vec<String> {
    let of = |(day, findings): &(&str, &[Json])| {
        let about = About::cluster("DataPolicy", "customers");
        (
            (*day).to_owned(),
            about,
            json!({"uncovered": [], "findings": findings}),
        )
    };
    covered(&told.iter().map(of).collect::<Vec<_>>())
}

/// The quarter's evidence, and what was told of coverage on its last days, in the first region.
pub(super) fn covered(told: &[(String, About, Json)]) -> Vec<String> {
    let mut tip = Tip::of(records(0, &[]).last().unwrap());
    let mut more = Vec::new();
    for (day, about, body) in told {
        let entry = Entry {
            kind: Kind::Coverage,
            at: moment(&format!("2026-12-{day}T09:00:00Z")),
            about: about.clone(),
            source: format!("c-{day}"),
            body: canonical::object(body).unwrap(),
        };
        let record = entry.append(REGIONS[0], &tip);
        tip = Tip::of(&record);
        more.push(Line::Record(record));
    }
    let at = moment(END);
    more.push(Line::Checkpoint(
        checkpoint(&signer(0, 2), REGIONS[0], tip, at).unwrap(),
    ));
    let more = more.iter().map(|line| line.canonical().unwrap());
    let more: Vec<String> = more.map(|line| String::from_utf8(line).unwrap()).collect();
    let mut all = lines(&[]);
    let other = format!("\"region\":\"{}\"", REGIONS[1]);
    let end = all.iter().position(|line| line.contains(&other)).unwrap();
    all.splice(end..end, more);
    all
}

pub(super) fn finding(check: &str, severity: &str, place: &str) -> Json {
    json!({"id": format!("{check}-0123456789"), "check": check, "severity": severity, "law": "GDPR Article 5(1)(e)", "place": place})
}

#[test]
fn findings_are_in_every_form_of_export() {
    let notes = finding(
        "PersonalTableWithoutRule",
        "High",
        "Region eu-west, store shop, table <notes>",
    );
    let clock = finding("NoPeriod", "Medium", "spec.rules[messages]");
    let folder = Folder::of(&evidence(&[
        ("29", &[notes.clone(), clock.clone()]),
        ("30", std::slice::from_ref(&notes)),
    ]));
    let verify = "verify --from evidence.jsonl --trust trust.yaml --at 2027-01-01T00:00:00Z";
    let verified = audit(&folder, &verify.split(' ').collect::<Vec<_>>());
    assert!(verified.contains("no fault found"), "{verified}");
    audit(&folder, &export("csv", &["--out", "tables"]));
    let table = std::fs::read_to_string(folder.at("tables/findings.csv")).unwrap();
    let rows: Vec<&str> = table.split("\r\n").collect();
    let wanted = [
        "policy,region,severity,check,place,law,since,until,record,id",
        "customers,eu-west,High,PersonalTableWithoutRule,\"Region eu-west, store shop, table <notes>\",GDPR Article 5(1)(e),2026-12-29T09:00:00Z,open,23,PersonalTableWithoutRule-0123456789",
        "customers,eu-west,Medium,NoPeriod,spec.rules[messages],GDPR Article 5(1)(e),2026-12-29T09:00:00Z,2026-12-30T09:00:00Z,23,NoPeriod-0123456789",
        "",
    ];
    assert_eq!(rows, wanted);
    let told = audit(&folder, &export("json", &[]));
    let told: Json = serde_json::from_str(&told[..told.rfind("exit ").unwrap()]).unwrap();
    assert_eq!(
        told["tables"]["findings"][1]["until"],
        "2026-12-30T09:00:00Z"
    );
    // The log of coverage leaves them to their own table.
    let coverage = told["tables"]["coverage"].as_array().unwrap();
    assert!(
        coverage
            .iter()
            .all(|row| !row["facts"].as_str().unwrap().contains("NoPeriod"))
    );
    let page = audit(&folder, &export("html", &[]));
    assert!(page.contains("<h2 id=\"findings\">Findings</h2>"), "{page}");
    assert!(page.contains("table &lt;notes&gt;</td>"), "{page}");
    let whole = document(&folder, &["--trust", "trust.yaml"]);
    assert_eq!(misfits(&whole), [""; 0]);
    let severe = |document: &Json| {
        let told = findings(document).into_iter();
        let mut told = told.filter(|one| one.starts_with("nothing-severe-missing "));
        told.next().unwrap()
    };
    assert_eq!(severe(&whole), "nothing-severe-missing not-satisfied");
    let mended = Folder::of(&evidence(&[("29", &[notes]), ("30", &[clock])]));
    let mended = document(&mended, &[]);
    assert_eq!(severe(&mended), "nothing-severe-missing satisfied");
    assert_eq!(misfits(&mended), [""; 0]);
}
