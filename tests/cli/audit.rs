//! `tradewind audit`: what it prints and writes of a quarter's evidence, and what it says when somebody meddled.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::world::{self, Folder, REGIONS, lines};

/// What a run in a folder printed, and how it exited.
pub(super) fn audit(folder: &Folder, args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .arg("audit")
        .args(args)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8(out.stdout).unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    format!("{stdout}{stderr}exit {}\n", out.status.code().unwrap())
}

const VERIFY: [&str; 7] = [
    "verify",
    "--from",
    "evidence.jsonl",
    "--trust",
    "trust.yaml",
    "--at",
    "2027-01-01T00:00:00Z",
];

fn verify(folder: &Folder) -> String {
    audit(folder, &VERIFY)
}

pub(super) fn export<'a>(format: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = [
        "export",
        "--from",
        "evidence.jsonl",
        "--period",
        "2026-Q4",
        "--format",
        format,
    ];
    [&args[..], more].concat()
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_quarter_that_nobody_touched() {
    let folder = Folder::of(&lines(&[]));
    golden("audit-verified", &verify(&folder));
    golden(
        "audit-verified-json",
        &audit(&folder, &[&VERIFY[..], &["--format=json"]].concat()),
    );
    // A folder of parts is the same evidence.
    let parts = Folder::of(&lines(&[]));
    let all = lines(&[]);
    fs::create_dir(parts.at("parts")).unwrap();
    parts.put("parts/1.jsonl", &all[..20].concat());
    parts.put("parts/2.jsonl", &all[20..].concat());
    parts.put("parts/notes.txt", "not evidence");
    let mut args = VERIFY;
    args[2] = "parts";
    assert_eq!(audit(&parts, &args), verify(&folder));
}

#[test]
fn the_form_of_evidence_is_pinned() {
    let all = lines(&[]);
    let first = |word: &str| all.iter().find(|line| line.starts_with(word)).unwrap();
    let three = ["{\"record\"", "{\"checkpoint\"", "{\"countersignature\""]
        .map(|word| first(word).as_str());
    golden("audit-lines", &three.concat());
}

#[test]
fn what_somebody_did_is_named() {
    let all = lines(&[]);
    let mut told = String::new();
    let mut try_out = |what: &str, lines: &[String]| {
        writeln!(told, "## {what}\n{}", faults(&verify(&Folder::of(lines)))).unwrap();
    };
    let edit = |at: usize, from: &str, to: &str| {
        let mut lines = all.clone();
        assert!(lines[at].contains(from), "{}", lines[at]);
        lines[at] = lines[at].replacen(from, to, 1);
        lines
    };
    let own = |line: &String| line.contains("\"region\":\"eu-west\"");
    let end = all
        .iter()
        .filter(|line| line.starts_with("{\"record\""))
        .filter(|l| own(l))
        .count();
    try_out(
        "a number changed",
        &edit(4, "\"erased\":92", "\"erased\":93"),
    );
    try_out(
        "a space put in",
        &edit(4, "\"erased\":92", "\"erased\": 92"),
    );
    let mut missing = all.clone();
    missing.remove(4);
    try_out("a record taken out", &missing);
    let mut swapped = all.clone();
    swapped.swap(4, 5);
    try_out("two records exchanged", &swapped);
    let mut twice = all.clone();
    twice.insert(5, all[4].clone());
    try_out("a record put in twice", &twice);
    let mut cut = all.clone();
    cut.drain(end - 2..end);
    try_out("the end cut off", &cut);
    let signed = |line: &&String| line.starts_with("{\"checkpoint\"") && own(line);
    let at = all.iter().position(|line| signed(&line)).unwrap();
    try_out(
        "a signature changed",
        &edit(at, "\"at\":\"2026-10-19", "\"at\":\"2026-10-20"),
    );
    let mut unsigned = all.clone();
    unsigned.retain(|line| !line.starts_with("{\"checkpoint\""));
    try_out("the checkpoints taken away", &unsigned);
    try_out("a run that nobody recorded", &lines(&["job-5"]));
    golden("audit-faults", &told);
}

/// From the faults on.
fn faults(told: &str) -> String {
    let from = told
        .find("faults:")
        .map_or(0, |at| told[..at].rfind('\n').unwrap_or(0));
    told[from..].to_owned()
}

#[test]
fn keys_come_from_outside_the_evidence() {
    let folder = Folder::of(&lines(&[]));
    let mut told = String::new();
    let mut say = |what: &str, args: &[&str]| {
        writeln!(told, "## {what}\n{}", audit(&folder, args)).unwrap();
    };
    say("no trust file", &VERIFY[..3]);
    let with = |file: &'static str| {
        let mut args = VERIFY;
        args[4] = file;
        args
    };
    say("one that is not there", &with("no.yaml"));
    for (file, text) in [
        (
            "keyless.yaml",
            "fleet: aurora\nregions:\n  eu-west:\n    keys: []\n",
        ),
        ("regionless.yaml", "fleet: aurora\nregions: {}\n"),
        (
            "short.yaml",
            "fleet: aurora\nregions:\n  eu-west:\n    keys: [ed25519-00]\n",
        ),
        ("wrong.yaml", "fleet: aurora\nregion: {}\n"),
    ] {
        folder.put(file, text);
        say(text.trim_end(), &with(file));
    }
    say(
        "evidence that is not there",
        &["verify", "--from", "no", "--trust", "trust.yaml"],
    );
    fs::create_dir(folder.at("empty")).unwrap();
    say(
        "a folder without evidence",
        &["verify", "--from", "empty", "--trust", "trust.yaml"],
    );
    say(
        "a bound that is no time",
        &[&VERIFY[..], &["--unsigned=soon"]].concat(),
    );
    say(
        "a period that is none",
        &[
            "export",
            "--from",
            "evidence.jsonl",
            "--period",
            "Q4",
            "--format",
            "html",
        ],
    );
    folder.put("nothing.jsonl", "");
    let of = |file: &'static str, format: &'static str| {
        let mut args = export(format, &[]);
        args[2] = file;
        args
    };
    say("evidence without a record", &of("nothing.jsonl", "csv"));
    let all = lines(&[]);
    fs::create_dir(folder.at("parts")).unwrap();
    folder.put("parts/1.jsonl", all[..20].concat().trim_end());
    folder.put("parts/2.jsonl", &all[20..].concat());
    say("a part that was cut off", &of("parts", "lines"));
    fs::write(folder.at("odd.jsonl"), b"{\"record\":\xff}\n").unwrap();
    say("bytes that are no text", &of("odd.jsonl", "lines"));
    golden("audit-mistakes", &told);
    // As they are, into a file.
    let written = [&of("odd.jsonl", "lines")[..], &["--out", "same.jsonl"]].concat();
    assert_eq!(audit(&folder, &written), "exit 0\n");
    let same = fs::read(folder.at("same.jsonl")).unwrap();
    assert_eq!(same, b"{\"record\":\xff}\n");
    // Another's key is no fault of the file, but of the evidence.
    folder.put(
        "other.yaml",
        &world::trust().replace(
            &world::signer(0, 1).key().to_string(),
            &world::signer(0, 9).key().to_string(),
        ),
    );
    let told = audit(&folder, &with("other.yaml"));
    assert!(
        told.contains("UntrustedKey eu-west") && told.ends_with("exit 1\n"),
        "{told}"
    );
}

#[test]
fn an_export_says_what_the_records_say() {
    let folder = Folder::of(&lines(&[]));
    golden("audit-export-csv", &audit(&folder, &export("csv", &[])));
    golden(
        "audit-export-json",
        &audit(&folder, &export("json", &["--trust", "trust.yaml"])),
    );
    let written = audit(&folder, &export("csv", &["--out", "tables"]));
    assert_eq!(written, "exit 0\n");
    let names: BTreeSet<String> = fs::read_dir(folder.at("tables"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 20, "{names:?}");
    let runs = fs::read_to_string(folder.at("tables/runs.csv")).unwrap();
    assert_eq!(
        runs.lines().count(),
        1 + 2 * 13 * 2,
        "a row for each run and rule"
    );
    assert!(
        runs.lines().skip(1).all(|row| row.ends_with(",yes")),
        "{runs}"
    );
    // A number that does not add up is told, also when it was signed.
    let sum = |evidence: &str| evidence.replace("\"erased\":12", "\"erased\":11");
    folder.put("evidence.jsonl", &sum(&lines(&[]).concat()));
    let told = audit(&folder, &export("csv", &[]));
    assert_eq!(told.matches("NO: 19").count(), 26);
}

/// Every step of a sample is a record of the evidence, by its place and hash; who makes the report cannot choose, and asking
/// for more only adds.
#[test]
fn case_samples_are_drawn_by_the_evidence_itself() {
    let folder = Folder::of(&lines(&[]));
    let drawn = |more: &[&str]| {
        audit(
            &folder,
            &export("csv", &[&["--out", "tables"], more].concat()),
        );
        let text = fs::read_to_string(folder.at("tables/cases.csv")).unwrap();
        let rows = text.lines().skip(1).map(str::to_owned);
        rows.collect::<Vec<_>>()
    };
    let few = drawn(&[]);
    let hashes: BTreeSet<String> = lines(&[])
        .iter()
        .filter_map(
            |line| match tradewind::evidence::Line::parse(line.trim_end().as_bytes()) {
                Ok(tradewind::evidence::Line::Record(record)) => {
                    Some(format!(",{},{},", record.sequence, record.hash()))
                }
                _ => None,
            },
        )
        .collect();
    for row in &few {
        let is_there = hashes.iter().any(|place| row.contains(place.as_str()));
        assert!(is_there || row.ends_with("not in this evidence"), "{row}");
    }
    let of = |rows: &[String], kind: &str| {
        let cases = rows.iter().filter(|row| row.starts_with(kind));
        let names = cases.map(|row| row.split(',').next().unwrap().to_owned());
        names.collect::<BTreeSet<_>>().len()
    };
    assert_eq!((of(&few, "Run"), of(&few, "Hold")), (10, 2));
    assert!(of(&few, "Request") >= 2);
    let more = drawn(&["--cases", "20"]);
    assert_eq!(of(&more, "Run"), 26);
    assert!(few.iter().all(|row| more.contains(row)));
}

#[test]
fn the_same_evidence_makes_the_same_bytes() {
    let folder = Folder::of(&lines(&[]));
    for format in ["html", "json", "csv", "oscal"] {
        let args = export(format, &["--trust", "trust.yaml"]);
        let first = audit(&folder, &args);
        let out = Command::new(env!("CARGO_BIN_EXE_tradewind"))
            .arg("audit")
            .args(&args)
            .current_dir(folder.path())
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "de_DE.UTF-8")
            .output()
            .unwrap();
        let second = String::from_utf8(out.stdout).unwrap();
        assert_eq!(first, format!("{second}exit 0\n"), "{format}");
        // However the lines are parted and ordered among regions.
        let mut all = lines(&[]);
        all.sort_by_key(|line| !line.contains("\"region\":\"us-east\""));
        let other = Folder::of(&all);
        assert_eq!(audit(&other, &args), first, "{format}");
    }
}

/// The lines of before a moment.
fn until(moment: &str) -> Vec<String> {
    let is_before = |line: &String| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let inner = json.as_object().unwrap().values().next().unwrap();
        inner["at"].as_str().unwrap() < moment
    };
    lines(&[]).into_iter().filter(is_before).collect()
}

/// Whoever can write records goes on where the signatures end: two weeks of that are a fault of the report, too, and nothing of
/// them is called known.
#[test]
fn an_end_that_nobody_signed_is_a_fault_of_the_report() {
    let folder = Folder::of(&until("2026-11-16"));
    for format in ["html", "json", "oscal", "csv"] {
        let said = audit(&folder, &export(format, &["--trust", "trust.yaml"]));
        assert!(said.ends_with("exit 1\n"), "{format}: {said}");
        assert!(
            said.contains("evidence ends at 2026-10-27T07:30:00Z"),
            "{format}: {said}"
        );
        assert!(!said.contains("no fault found"), "{format}: {said}");
    }
    let page = audit(&folder, &export("html", &["--trust", "trust.yaml"]));
    assert!(page.contains("UnsignedTail"), "{page}");
    let longer = ["--trust", "trust.yaml", "--unsigned", "P30D"];
    let said = audit(&folder, &export("html", &longer));
    assert!(said.ends_with("exit 0\n"), "{said}");
}

/// Half a quarter is in order as far as it goes; no form of the report lets anybody take it for the whole.
#[test]
fn a_period_of_which_a_part_is_not_there_is_told() {
    let folder = Folder::of(&until("2026-10-27T13"));
    let ends = |region: &str, at: &str| {
        format!(
            "Region {region}: evidence ends at {at}; of the rest of the period nothing is known"
        )
    };
    let told = [
        ends("eu-west", "2026-10-27T07:30:00Z"),
        ends("us-east", "2026-10-27T12:30:00Z"),
    ];
    let trusted = |format: &str, more: &[&str]| {
        let args = export(format, &[&["--trust", "trust.yaml"], more].concat());
        audit(&folder, &args)
    };
    let page = trusted("html", &[]);
    let bad = page
        .find("<div class=\"verdict bad\" role=\"alert\">")
        .unwrap();
    assert!(bad < page.find("<table").unwrap());
    for says in &told {
        for format in ["html", "json", "oscal"] {
            for text in [trusted(format, &[]), audit(&folder, &export(format, &[]))] {
                assert!(text.contains(says.as_str()), "{format}: {says}\n{text}");
            }
            assert_eq!(trusted(format, &[]), trusted(format, &[]), "{format}");
        }
    }
    let csv = trusted("csv", &[]);
    let (_, ends) = told[0].split_once(": ").unwrap();
    assert_eq!(
        csv.matches("; of the rest of the period nothing is known")
            .count(),
        2
    );
    assert!(csv.contains(ends), "{csv}");
    assert!(page.contains("Verified, no fault found in what is here."));
    let oscal = super::oscal::document(&folder, &["--trust", "trust.yaml"]);
    let found = super::oscal::findings(&oscal);
    assert!(
        found.contains(&"evidence-verified not-satisfied".to_owned()),
        "{found:?}"
    );
    assert_eq!(super::oscal::misfits(&oscal), [""; 0]);
    // As of a moment the silence itself is a fault, as `audit verify` has it.
    assert!(page.ends_with("exit 0\n"));
    let later = trusted("html", &["--at", "2027-01-01T00:00:00Z"]);
    assert!(later.contains("Silent eu-west") && later.ends_with("exit 1\n"));
    let patient = ["--at", "2027-01-01T00:00:00Z", "--unsigned", "P90D"];
    let patient = trusted("json", &patient);
    assert!(!patient.contains("Silent") && patient.contains("ExpectedRunMissing"));
    // Of regions that were given up no more is waited for.
    let ended = "    ended: 2026-11-09T01:00:00Z\n    keys:";
    folder.put("trust.yaml", &world::trust().replace("    keys:", ended));
    let page = trusted("html", &[]);
    assert!(!page.contains("of the rest of the period"), "{page}");
    assert!(page.contains("given up at 2026-11-09T01:00:00Z"), "{page}");
}

/// Which region was given up, and for how long evidence is to be kept at least, the trust file says.
#[test]
fn a_trust_file_says_when_a_region_was_given_up() {
    let folder = Folder::of(&lines(&[]));
    let late = |trust: &str| {
        folder.put("trust.yaml", trust);
        let mut args = VERIFY;
        args[6] = "2027-01-03T00:00:01Z";
        audit(&folder, &args)
    };
    let told = late(&world::trust());
    for region in REGIONS {
        let says = format!("Silent {region}");
        assert!(told.contains(&says), "{told}");
    }
    let ended = world::trust().replace(
        "    keys:",
        "    ended: 2027-01-01T06:00:00Z\n    keep: P6Y\n    keys:",
    );
    let told = late(&ended);
    assert!(told.contains("no fault found"), "{told}");
    let told = late(&ended.replace("P6Y", "long"));
    assert!(
        told.contains("write years, months or days, as P6Y"),
        "{told}"
    );
}

#[test]
fn a_report_of_evidence_with_a_fault_says_so_first() {
    let mut all = lines(&[]);
    all.remove(4);
    let folder = Folder::of(&all);
    let args = export("html", &["--trust", "trust.yaml", "--out", "report.html"]);
    assert_eq!(audit(&folder, &args), "exit 1\n");
    let page = fs::read_to_string(folder.at("report.html")).unwrap();
    let (verdict, table) = (
        page.find("cannot be relied upon").unwrap(),
        page.find("<table").unwrap(),
    );
    assert!(verdict < table);
    assert!(page.contains("Missing eu-west 5"));
    let unverified = audit(&folder, &export("html", &[]));
    assert!(unverified.contains("Not verified."));
}

#[test]
fn the_page_needs_nothing_and_everybody_can_read_it() {
    let folder = Folder::of(&lines(&[]));
    let page = audit(&folder, &export("html", &["--trust", "trust.yaml"]));
    for foreign in [
        "<script", "<link", "<img", "@import", "url(", "src=", "https://",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let own = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!own.contains("http://"));
    let count = |word: &str| page.matches(word).count();
    assert_eq!(count("<html lang=\"en\">"), 1);
    assert_eq!(count("<h1"), 1);
    assert_eq!(count("<table"), count("<caption>"));
    assert_eq!(count("<th"), count("<th scope=") + count("<thead"));
    assert_eq!(count("<svg"), 6, "runs, rows and requests of each region");
    assert_eq!(count("<svg"), count("<svg role=\"img\" aria-labelledby="));
    assert_eq!(count("<svg"), count("<title id="));
    assert_eq!(count("<svg"), count("<desc id="));
    assert!(page.contains("&lt;notes&gt;") && !page.contains("<notes>"));
}

/// November had five runs; what each of them left was due for the next again.
#[test]
fn a_chart_tells_rows_that_are_due_once() {
    let folder = Folder::of(&lines(&[]));
    let mut args = export("html", &[]);
    args[4] = "2026";
    let page = audit(&folder, &args);
    let row = "<th scope=\"row\">2026-11</th><td>eu-west</td><td class=\"n\">5</td><td class=\"n\">128</td><td class=\"n\">540</td>";
    assert!(page.contains(row), "{page}");
    assert_eq!(page.matches("all together are 13. The table").count(), 2);
    assert_eq!(page.matches("the highest is 540. The table").count(), 2);
}

#[test]
fn another_program_agrees_with_the_signatures() {
    let folder = Folder::of(&lines(&[]));
    // RFC 8410: twelve bytes before an ed25519 public key.
    let prefix = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let mut checked = 0;
    for (word, domain) in [
        ("checkpoint", "checkpoint"),
        ("countersignature", "countersignature"),
    ] {
        for line in lines(&[])
            .iter()
            .filter(|line| line.starts_with(&format!("{{\"{word}\"")))
        {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut signed = json[word].clone();
            let signature = signed.as_object_mut().unwrap().remove("signature").unwrap();
            let key = signed["key"]
                .as_str()
                .unwrap()
                .strip_prefix("ed25519-")
                .unwrap();
            // Sorted keys and no white space: what is left of the line without its signature.
            let text = line
                .trim_end()
                .strip_prefix(&format!("{{\"{word}\":"))
                .unwrap();
            let text = text.strip_suffix('}').unwrap();
            let text = text.replace(&format!("\"signature\":{signature},"), "");
            let statement = format!("tradewind.dev/evidence/{domain}/v1\n{text}");
            fs::write(
                folder.at("key"),
                [&prefix[..], &hex::decode(key).unwrap()].concat(),
            )
            .unwrap();
            fs::write(
                folder.at("signature"),
                hex::decode(signature.as_str().unwrap()).unwrap(),
            )
            .unwrap();
            assert!(openssl(folder.path(), &statement), "{line}");
            assert!(!openssl(
                folder.path(),
                &statement
                    .replace("eu-west", "eu-vest")
                    .replace("us-east", "us-vest")
            ));
            checked += 1;
        }
    }
    assert!(checked >= 4 * REGIONS.len(), "{checked}");
}

/// Whether OpenSSL takes the signature for the statement's.
fn openssl(folder: &Path, statement: &str) -> bool {
    fs::write(folder.join("statement"), statement).unwrap();
    let args =
        "pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in statement -sigfile signature";
    let out = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is needed: target/debug/dev setup");
    out.status.success()
}

#[test]
fn the_manual_names_every_fault_and_has_keys_that_can_be_read() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md");
    let manual = fs::read_to_string(manual).unwrap();
    for name in tradewind::evidence::Name::ALL {
        assert!(manual.contains(&format!("\n| `{name:?}` | ")), "{name:?}");
    }
    let from = manual.find("fleet: aurora").unwrap();
    let trust = manual[from..].split("```").next().unwrap();
    let folder = Folder::of(&lines(&[]));
    folder.put("trust.yaml", trust);
    assert!(verify(&folder).contains("no fault found"));
}

#[test]
fn what_the_hub_lists_is_the_same_evidence() {
    let all = lines(&[]);
    let (mut items, mut signed) = (Vec::new(), Vec::new());
    for line in &all {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(record) = json.get("record") {
            let parsed = tradewind::evidence::Line::parse(line.trim_end().as_bytes()).unwrap();
            let tradewind::evidence::Line::Record(parsed) = parsed else {
                panic!("{line}");
            };
            let mut spec = record.clone();
            let body = tradewind::evidence::canonical::encode(&parsed.body);
            spec["body"] = String::from_utf8(body).unwrap().into();
            spec["hash"] = parsed.hash().to_string().into();
            let object = serde_json::json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "EvidenceRecord", "spec": spec});
            items.push(object);
        } else if let Some(checkpoint) = json.get("checkpoint") {
            signed.push(checkpoint.clone());
        }
    }
    for checkpoint in signed {
        let of = |item: &&mut serde_json::Value| {
            item["spec"]["region"] == checkpoint["region"]
                && item["spec"]["sequence"] == checkpoint["tip"]["sequence"]
        };
        let item = items.iter_mut().find(of).unwrap();
        let told = serde_json::json!({"at": checkpoint["at"], "key": checkpoint["key"], "signature": checkpoint["signature"]});
        item["status"] = serde_json::json!({"checkpoints": [told]});
    }
    items.reverse();
    let folder = Folder::of(&[]);
    let list = |items: &[serde_json::Value]| {
        let list =
            serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {}});
        folder.put(
            "evidence.jsonl",
            &serde_json::to_string_pretty(&list).unwrap(),
        );
    };
    list(&items);
    let told = verify(&folder);
    let own = |line: &&String| !line.starts_with("{\"countersignature\"");
    let without: Vec<String> = all.iter().filter(own).cloned().collect();
    assert_eq!(told, verify(&Folder::of(&without)));
    assert!(told.contains("no fault found"), "{told}");
    let raw = audit(
        &folder,
        &["export", "--from", "evidence.jsonl", "--format", "lines"],
    );
    assert_eq!(raw, format!("{}exit 0\n", without.concat()));
    let erased = |from: &str, to: &str| {
        let mut items = items.clone();
        let last = items.len() - 5;
        let body = items[last]["spec"]["body"]
            .as_str()
            .unwrap()
            .replacen(from, to, 1);
        assert_ne!(items[last]["spec"]["body"], body);
        items[last]["spec"]["body"] = body.into();
        list(&items);
        verify(&folder)
    };
    assert!(erased("\"erased\":92", "\"erased\":93").contains("Rewritten eu-west 5"));
    assert!(erased("\"erased\":92", "\"erased\": 92").contains("NonCanonical eu-west 5"));
}
