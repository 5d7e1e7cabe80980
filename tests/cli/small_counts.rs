//! Numbers that a region did not tell: sums that hold all the same, what is behind them, and what somebody changed.

use serde_json::{Value as Json, json};
use tradewind::contract::{Count, ErasedTable, RetainedRule, Sum};
use tradewind::evidence::{
    About, Entry, Kind, Line, Opening, Salt, Tip, canonical, checkpoint, seal,
};

use super::audit::{audit, export};
use super::world::{Folder, REGIONS, moment, signer};

/// A sum as it is told, with commitments to the rest; `salts` makes them others.
fn told(
    names: [&str; 2],
    terms: &[&str],
    told: &Sum,
    exact: (i64, &[i64]),
    salts: u8,
) -> (Json, Vec<Opening>) {
    let openings = seal(told, exact, |place| {
        let mut bytes = [salts; 64];
        bytes[0] = u8::try_from(place).unwrap();
        Salt::new(&bytes)
    });
    let commitments: Vec<_> = openings.iter().map(|opening| opening.commitment).collect();
    let mut of = json!({"name": names[0], "commitments": commitments});
    of[names[1]] = json!(told.whole);
    for (term, count) in terms.iter().zip(&told.parts) {
        if !count.is_zero() {
            of[*term] = json!(count);
        }
    }
    (of, openings)
}

/// Of 130 due letters 3 are held; both invoices are left; of a person one row went, and another got a copy of theirs.
fn bodies() -> (Vec<(Kind, Json)>, Vec<Opening>) {
    let small = Count::below(5);
    let zero = Count::ZERO;
    let sum = |whole: Count, parts: &[Count]| Sum {
        whole,
        parts: parts.to_vec(),
    };
    let letters = sum(
        130.into(),
        &[Count::WITHHELD, small, zero, zero, zero, zero, 27.into()],
    );
    let exact = (130, &[100, 3, 0, 0, 0, 0, 27][..]);
    let (mut letters, mut openings) =
        told(["letters", "due"], &RetainedRule::PARTS, &letters, exact, 1);
    letters["rows"] = 9000.into();
    let invoices = sum(small, &[zero, zero, zero, zero, zero, zero, small]);
    let exact = (2, &[0, 0, 0, 0, 0, 0, 2][..]);
    let (mut invoices, more) = told(
        ["invoices", "due"],
        &RetainedRule::PARTS,
        &invoices,
        exact,
        2,
    );
    for field in ["erased", "blocked"] {
        invoices[field] = 0.into();
    }
    letters["blocked"] = 0.into();
    invoices["rows"] = "-".into();
    openings.extend(more);
    let run = json!({
        "job": "customers-1", "mode": "Enforce", "reason": "Done", "finishedAt": "2026-11-02T03:00:00Z", "rules": [letters, invoices],
    });
    let found = sum(small, &[small, zero, zero, zero, zero, zero, zero, zero]);
    let (mut table, more) = told(
        ["letters", "found"],
        &ErasedTable::TERMS,
        &found,
        (1, &[1, 0, 0, 0, 0, 0, 0, 0]),
        3,
    );
    table["state"] = "Verified".into();
    openings.extend(more);
    let request = json!({
        "state": "Done", "kind": "Erasure", "received": "2026-11-01T09:30:00+01:00", "jurisdictions": ["DE"], "zone": "Europe/Berlin",
        "outcome": {"progress": "Verified", "suppressed": small, "stores": [{"name": "shop", "tables": [table]}]},
    });
    let copy = json!({"name": "letters", "state": "Verified", "found": small, "erased": 0, "remaining": 0});
    let mut access = request.clone();
    access["kind"] = "Access".into();
    access["outcome"]["stores"][0]["tables"] = json!([copy]);
    let bodies = vec![
        (Kind::Run, run),
        (Kind::Request, request),
        (Kind::Request, access),
    ];
    (bodies, openings)
}

/// A chain of them that the region signed, as it would have been had it recorded just that.
fn folder(bodies: &[(Kind, Json)]) -> Folder {
    let mut tip = Tip::genesis("aurora", REGIONS[0]);
    let mut lines = Vec::new();
    for (place, (kind, body)) in (1_i64..).zip(bodies) {
        let about = match kind {
            Kind::Run => About::cluster("DataPolicy", "customers"),
            _ => About::cluster("DataSubjectRequest", &format!("dsr-{}", place - 1)),
        };
        let entry = Entry {
            kind: *kind,
            at: moment(&format!("2026-11-02T0{place}:00:00Z")),
            about,
            source: format!("s-{place}"),
            body: canonical::object(body).unwrap(),
        };
        let record = entry.append(REGIONS[0], &tip);
        tip = Tip::of(&record);
        lines.push(Line::Record(record));
    }
    let at = moment("2026-11-02T04:00:00Z");
    lines.push(Line::Checkpoint(
        checkpoint(&signer(0, 1), REGIONS[0], tip, at).unwrap(),
    ));
    let lines = lines
        .iter()
        .map(|line| String::from_utf8(line.canonical().unwrap()).unwrap());
    let folder = Folder::of(&lines.collect::<Vec<_>>());
    let key = signer(0, 1).key();
    folder.put(
        "trust.yaml",
        &format!(
            "fleet: aurora\nregions:\n  {}:\n    keys: [{key}]\n",
            REGIONS[0]
        ),
    );
    folder
}

fn verify(folder: &Folder, more: &[&str]) -> String {
    let args = [
        "verify",
        "--from",
        "evidence.jsonl",
        "--trust",
        "trust.yaml",
        "--at",
        "2026-11-03T00:00:00Z",
    ];
    audit(folder, &[&args[..], more].concat())
}

fn lines(openings: &[Opening]) -> String {
    let line = |opening| serde_json::to_string(opening).unwrap() + "\n";
    openings.iter().map(line).collect()
}

#[test]
fn sums_hold_by_commitments_and_open_by_the_regions_salts() {
    let (bodies, openings) = bodies();
    let folder = folder(&bodies);
    let said = verify(&folder, &[]);
    assert!(
        said.contains("small counts    3 sums hold by commitments"),
        "{said}"
    );
    // A copy's rows stand alone: there is nothing to add up.
    assert!(!said.contains("not known"), "{said}");
    assert!(
        said.ends_with("exit 0\n") && said.contains("no fault found"),
        "{said}"
    );
    // None of the numbers that are not told is anywhere in the evidence.
    folder.put("openings.jsonl", &lines(&openings));
    let said = verify(&folder, &["--opening", "openings.jsonl"]);
    for opened in [
        "opened: eu-west 1, rule letters: erased - is 100",
        "opened: eu-west 1, rule letters: held <5 is 3",
        "opened: eu-west 1, rule invoices: due <5 is 2",
        "opened: eu-west 1, rule invoices: remaining <5 is 2",
        "opened: eu-west 2, table letters of store shop: found <5 is 1",
    ] {
        assert!(said.contains(opened), "no {opened} in {said}");
    }
    assert!(said.contains("\nopened 6 of 6; 0 stay closed\n"), "{said}");
    assert!(said.ends_with("exit 0\n"), "{said}");
    let said = verify(
        &folder,
        &["--opening", "openings.jsonl", "--format", "json"],
    );
    let told: Json = serde_json::from_str(said.rsplit_once("exit").unwrap().0).unwrap();
    assert_eq!(told["opened"].as_array().unwrap().len(), openings.len());
    assert_eq!(told["regions"]["eu-west"]["committed"], 3);
    assert_eq!(
        told["openings"],
        json!({"of": 6, "opened": 6, "closed": 0, "unused": 0})
    );
}

/// What stays closed is counted, and so is what opens nothing; a file that opens nothing at all is the wrong one.
#[test]
fn a_file_of_something_else_is_named() {
    let (bodies, openings) = bodies();
    let folder = folder(&bodies);
    let (_, others) = told(
        ["letters", "due"],
        &RetainedRule::PARTS,
        &Sum {
            whole: 130.into(),
            parts: vec![Count::WITHHELD, Count::below(5), 27.into()],
        },
        (130, &[100, 3, 27]),
        9,
    );
    let open = |openings: &[Opening]| {
        folder.put("openings.jsonl", &lines(openings));
        verify(&folder, &["--opening", "openings.jsonl"])
    };
    let said = open(&[&openings[..2], &others].concat());
    let tally = "\nopened 2 of 6; 4 stay closed; lines that belong to no record here: 2\n";
    assert!(said.contains(tally) && said.ends_with("exit 0\n"), "{said}");
    for (openings, tally) in [
        (
            others.as_slice(),
            "6 stay closed; lines that belong to no record here: 2",
        ),
        (&[], "6 stay closed"),
    ] {
        let said = open(openings);
        let fault =
            format!("OpeningWrong: opened 0 of 6; {tally}: give a file that the agent wrote");
        assert!(
            said.contains(&fault) && said.ends_with("exit 1\n"),
            "{said}"
        );
    }
    // Where every number is told, and none is opened, all is well.
    let rule =
        json!({"name": "letters", "rows": 9, "due": 5, "erased": 5, "blocked": 0, "remaining": 0});
    let run = json!({
        "job": "customers-1", "mode": "Enforce", "reason": "Done", "finishedAt": "2026-11-02T03:00:00Z", "rules": [rule],
    });
    let whole = self::folder(&[(Kind::Run, run)]);
    whole.put("openings.jsonl", "");
    let said = verify(&whole, &["--opening", "openings.jsonl"]);
    assert!(
        said.contains("\nopened 0 of 0; 0 stay closed\n") && said.ends_with("exit 0\n"),
        "{said}"
    );
}

#[test]
fn what_was_changed_in_a_sum_is_named_whoever_signed_it() {
    let (bodies, openings) = bodies();
    let mut tried = 0;
    let mut changed = |change: &dyn Fn(&mut Json)| {
        let mut bodies = bodies.clone();
        change(&mut bodies[0].1["rules"][0]);
        let said = verify(&folder(&bodies), &[]);
        assert!(said.contains("SumBroken eu-west 1: rule letters"), "{said}");
        assert!(said.ends_with("exit 1\n"), "{said}");
        tried += 1;
    };
    for (field, value) in [
        ("due", json!(131)),
        ("due", json!("<5")),
        ("erased", json!(100)),
        ("held", json!(3)),
        ("gone", json!(1)),
        ("remaining", json!(26)),
        ("remaining", json!("26")),
    ] {
        changed(&|rule| rule[field] = value.clone());
    }
    for at in 0..2 {
        changed(&|rule| drop(rule["commitments"].as_array_mut().unwrap().remove(at)));
        changed(&|rule| rule["commitments"][at] = json!(openings[3].commitment));
    }
    assert_eq!(tried, 7 + 4);
    // Without any, nobody can tell: that is said, and is no fault.
    let mut bare = bodies.clone();
    bare[0].1["rules"][0]
        .as_object_mut()
        .unwrap()
        .remove("commitments");
    let said = verify(&folder(&bare), &[]);
    assert!(said.contains("not known       1 sums"), "{said}");
    assert!(said.ends_with("exit 0\n"), "{said}");
}

#[test]
fn an_opening_that_does_not_fit_is_named() {
    let (bodies, openings) = bodies();
    let folder = folder(&bodies);
    let other = Opening {
        value: 4,
        ..openings[1]
    };
    folder.put("openings.jsonl", &lines(&[other]));
    let said = verify(&folder, &["--opening", "openings.jsonl"]);
    assert!(
        said.contains("OpeningWrong: line 1 of the openings") && said.ends_with("exit 1\n"),
        "{said}"
    );
    folder.put("openings.jsonl", "{\"value\": 3}\n");
    let said = verify(&folder, &["--opening", "openings.jsonl"]);
    assert!(
        said.contains("--opening") && said.contains("line 1 is no opening"),
        "{said}"
    );
    // A number that fits its commitment, and was told as one that it cannot be.
    let mut lying = bodies;
    lying[0].1["rules"][0]["held"] = "-".into();
    lying[0].1["rules"][0]["erased"] = "<5".into();
    let folder = self::folder(&lying);
    folder.put("openings.jsonl", &lines(&openings));
    let said = verify(&folder, &["--opening", "openings.jsonl"]);
    assert!(
        said.contains("OpeningWrong eu-west 1: rule letters: erased is told as <5, and is 100"),
        "{said}"
    );
}

#[test]
fn an_export_tells_them_as_they_are_told() {
    let (bodies, _) = bodies();
    let folder = folder(&bodies);
    let said = audit(&folder, &export("json", &["--trust", "trust.yaml"]));
    let told: Json = serde_json::from_str(said.rsplit_once("exit").unwrap().0).unwrap();
    let runs = told["tables"]["runs"].as_array().unwrap();
    let row = |rule: &str| runs.iter().find(|row| row["rule"] == rule).unwrap();
    let cells = |rule: &str| {
        ["rows", "due", "erased", "held", "remaining", "sum"].map(|key| row(rule)[key].clone())
    };
    assert_eq!(
        cells("letters"),
        [
            json!(9000),
            json!(130),
            json!("-"),
            json!("<5"),
            json!(27),
            json!("yes, by commitments")
        ]
    );
    assert_eq!(cells("invoices")[..2], [json!("-"), json!("<5")]);
    let requests = &told["tables"]["requests"][0];
    assert_eq!(
        (&requests["found"], &requests["sum"]),
        (&json!("<5"), &json!("yes, by commitments"))
    );
    let html = audit(&folder, &export("html", &[]));
    assert!(
        html.contains("<td class=\"n\">&lt;5</td>") || html.contains("&lt;5</td>"),
        "the number is escaped"
    );
    assert!(
        html.contains(", at least</title>"),
        "a chart that is drawn by the least says so"
    );
    let oscal = audit(&folder, &export("oscal", &[]));
    let oscal: Json = serde_json::from_str(oscal.rsplit_once("exit").unwrap().0).unwrap();
    let findings = oscal["assessment-results"]["results"][0]["findings"]
        .as_array()
        .unwrap();
    for objective in ["runs-add-up", "requests-add-up"] {
        let found = findings
            .iter()
            .find(|it| it["target"]["target-id"] == objective)
            .unwrap();
        assert_eq!(found["target"]["status"]["state"], "satisfied", "{found}");
    }
}
