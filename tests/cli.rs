//! What `tradewind clock`, `tradewind regimes diff` and `tradewind audit` print, and how they exit. Golden files are in
//! tests/cli.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/browser.rs"]
mod browser;
#[path = "cli/findings.rs"]
mod findings;
#[path = "cli/hold.rs"]
mod hold;
#[path = "cli/oscal.rs"]
mod oscal;
#[path = "cli/quarter_after.rs"]
mod quarter_after;
#[path = "cli/request.rs"]
mod request;
#[path = "cli/screen_reader.rs"]
mod screen_reader;
#[path = "cli/signature.rs"]
mod signature;
#[path = "cli/small_counts.rs"]
mod small_counts;
#[path = "cli/standing.rs"]
mod standing;
#[path = "cli/uncarried.rs"]
mod uncarried;
#[path = "cli/world.rs"]
mod world;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn at(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    path.to_str().unwrap().to_owned()
}

/// What a run printed and how it exited; paths of this machine are cut down.
fn run(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(args)
        .output()
        .unwrap();
    let stdout = String::from_utf8(out.stdout).unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    format!("{stdout}{stderr}exit {}\n", out.status.code().unwrap()).replace(&root, "")
}

/// What the command does that reads `text` from standard input. One that refuses its arguments does not wait for it.
fn fed(args: &[&str], text: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap()
}

fn golden(name: &str, args: &[&str]) {
    insta::with_settings!({ snapshot_path => "cli", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, run(args));
    });
}

const REQUEST: [&str; 9] = [
    "clock",
    "--regime=eu-gdpr",
    "--kind=erasure",
    "--received=2026-03-31T23:30:00+02:00",
    "--zone=Europe/Berlin",
    "--at=2026-04-25T12:00:00+02:00",
    "--soon=P7D",
    "--output=text",
    "--pack=builtin",
];

/// The request with some arguments in another's place.
fn request(others: &[&str]) -> Vec<String> {
    let name = |arg: &str| arg.split('=').next().unwrap().to_owned();
    let mut args: Vec<String> = REQUEST.iter().map(|arg| (*arg).to_owned()).collect();
    args.retain(|arg| !others.iter().any(|other| name(other) == name(arg)));
    args.extend(others.iter().map(|arg| (*arg).to_owned()));
    args
}

fn golden_request(name: &str, others: &[&str]) {
    let args = request(others);
    golden(name, &args.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_request_in_the_union() {
    golden_request("erasure-in-germany", &[]);
    let hesse = format!("--holidays={}", at("tests/cli/hesse.txt"));
    // A day later in Berlin: 1 May is a holiday, then comes a weekend.
    golden_request(
        "erasure-over-labour-day",
        &["--received=2026-03-31T22:30:00Z", &hesse],
    );
    golden_request("erasure-in-germany-json", &["--output=json"]);
}

#[test]
fn a_request_that_stood_still() {
    let british = [
        "--regime=uk-gdpr",
        "--kind=access",
        "--received=2026-03-02T09:00:00Z",
        "--zone=Europe/London",
    ];
    let paused = "--paused=2026-03-10/2026-03-17";
    golden_request(
        "access-in-britain-paused",
        &[&british[..], &[paused]].concat(),
    );
    let moments = "--paused=2026-03-10T00:30:00+01:00/2026-03-17T23:59:00Z";
    let said = |paused| {
        let args = request(&[&british[..], &[paused]].concat());
        run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(
        said("--paused=2026-03-09/2026-03-17"),
        said(moments),
        "it was the 9th in London"
    );
    golden_request(
        "access-in-germany-paused",
        &["--paused=2026-04-02/2026-04-09"],
    );
}

#[test]
fn laws_without_a_number_say_so() {
    let brazil = [
        "--regime=br-lgpd",
        "--received=2026-03-02T09:00:00-03:00",
        "--zone=America/Sao_Paulo",
    ];
    golden_request(
        "access-in-brazil",
        &[&brazil[..], &["--kind=access"]].concat(),
    );
    golden_request(
        "erasure-in-brazil",
        &[&brazil[..], &["--kind=erasure"]].concat(),
    );
    let china = [
        "--regime=cn-pipl",
        "--received=2026-03-02T09:00:00+08:00",
        "--zone=Asia/Shanghai",
    ];
    golden_request(
        "erasure-in-china-json",
        &[&china[..], &["--output=json"]].concat(),
    );
}

#[test]
fn a_breach_is_counted_in_real_hours() {
    golden_request(
        "breach-over-a-change-of-clocks",
        &["--kind=breach", "--received=2026-03-27T18:00:00+01:00"],
    );
}

#[test]
fn a_law_that_is_not_in_force_is_noted() {
    let india = [
        "--regime=in-dpdp",
        "--kind=complaint",
        "--received=2026-12-01T09:00:00+05:30",
        "--zone=Asia/Kolkata",
    ];
    golden_request("complaint-in-india-before-its-law", &india);
    let britain = [
        "--regime=uk-gdpr",
        "--kind=complaint",
        "--received=2026-06-18T09:00:00Z",
        "--zone=Europe/London",
    ];
    golden_request("complaint-in-britain-before-its-duty", &britain);
}

#[test]
fn a_mistake_names_the_field_and_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("holidays.txt");
    fs::write(&wrong, "2026-12-25 Christmas Day\n26.12.2026\n").unwrap();
    let wrong = format!("--holidays={}", wrong.display());
    let mut told = String::new();
    for others in [
        &["--regime=eu"][..],
        &["--kind=opt-out"],
        &["--kind=erase"],
        &["--received=2026-03-31T23:30:00"],
        &["--received=31.3.2026"],
        &["--zone=Berlin"],
        &["--paused=2026-03-01/2026-03-04"],
        &["--paused=2026-04-04/2026-04-02"],
        &["--paused=2026-04-04"],
        &["--paused=2026-04-04/soon"],
        &["--holidays=none.txt"],
        &[&wrong],
        &["--soon=later"],
        &["--soon=-P1D"],
        &["--at=now"],
        &["--pack=none.yaml"],
        &["--pack=tests/cli/hesse.txt"],
        &["--received=9999-12-30T00:00:00Z"],
    ] {
        let args = request(others);
        let shown = others
            .join(" ")
            .replace(folder.path().to_str().unwrap(), "FOLDER");
        let said = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let said = said.replace(folder.path().to_str().unwrap(), "FOLDER");
        writeln!(told, "{shown}\n{said}").unwrap();
    }
    insta::with_settings!({ snapshot_path => "cli", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("mistakes", told);
    });
}

#[test]
fn the_help_has_examples() {
    for args in [&["clock", "--help"][..], &["regimes", "diff", "--help"]] {
        let help = run(args);
        assert!(
            help.contains("Examples:")
                && help.contains("Exit codes:")
                && help.ends_with("exit 0\n"),
            "{help}"
        );
    }
}

/// The shipped pack with one text in another's place, as a file.
fn edited(folder: &Path, from: &str, to: &str) -> String {
    let text = fs::read_to_string(at("src/packs/regimes.yaml")).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} must be there once");
    let file = folder.join("regimes.yaml");
    fs::write(&file, text.replace(from, to)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// What the Union's reform proposed: 96 hours, here from a day that somebody made up.
fn reform(folder: &Path) -> String {
    let breach =
        "{step: breach, kinds: [breach], within: PT72H}, source: *gdpr33, confirmed: true}";
    let amended = breach.replace("PT72H", "PT72H, until: 2027-06-30")
        + "\n      - {value: {step: breach, kinds: [breach], within: PT96H, since: 2027-07-01}, source: *gdpr33, confirmed: false}";
    edited(folder, breach, &amended)
}

#[test]
fn an_update_shows_what_it_would_move() {
    let folder = tempfile::tempdir().unwrap();
    let (new, cases) = (reform(folder.path()), at("tests/cli/open-cases.yaml"));
    golden("reform", &["regimes", "diff", "builtin", &new]);
    golden(
        "reform-cases",
        &["regimes", "diff", "builtin", &new, "--cases", &cases],
    );
    golden(
        "reform-cases-json",
        &[
            "regimes",
            "diff",
            "builtin",
            &new,
            "--cases",
            &cases,
            "--output=json",
        ],
    );
    golden(
        "no-difference",
        &["regimes", "diff", "builtin", "builtin", "--cases", &cases],
    );
}

/// What kubectl prints of the hub's requests: one that the update moves, one that it does not, one that is answered.
#[test]
fn an_update_shows_which_requests_it_would_move() {
    let folder = tempfile::tempdir().unwrap();
    let response = "{step: response, kinds: *caRequests, within: P45D, note";
    let new = edited(folder.path(), response, &response.replace("P45D", "P30D"));
    let request = |name: &str, place: &str, more: serde_json::Value| {
        let mut spec = serde_json::json!({"kind": "Erasure", "received": "2026-10-02T09:00:00Z", "jurisdictions": [place],
            "timeZone": "America/Los_Angeles", "regions": ["us-east"]});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        serde_json::json!({"apiVersion": "tradewind.dev/v1alpha1", "kind": "DataSubjectRequest", "metadata": {"name": name}, "spec": spec})
    };
    let told = serde_json::json!({"by": "privacy", "at": "2026-10-09T09:00:00Z"});
    let none = serde_json::json!({});
    let hub = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        request("case-7", "US-CA", none.clone()),
        request("case-8", "DE", none.clone()),
        request("case-9", "US-CA", serde_json::json!({"answered": told})),
        request("case-10", "US-CA", serde_json::json!({"timeZone": "Mars/Base"})),
    ]});
    let file = folder.path().join("requests.json");
    fs::write(&file, hub.to_string()).unwrap();
    let file = file.to_str().unwrap();
    golden(
        "reform-requests",
        &["regimes", "diff", "builtin", &new, "--cases", file],
    );
    golden(
        "reform-requests-json",
        &[
            "regimes",
            "diff",
            "builtin",
            &new,
            "--cases",
            file,
            "--output=json",
        ],
    );
    // From standard input the same; what is another kind is named.
    let diff = |input: String| {
        let out = fed(
            &["regimes", "diff", "builtin", &new, "--cases", "-"],
            &input,
        );
        let (stdout, stderr) = (out.stdout, String::from_utf8(out.stderr).unwrap());
        (
            String::from_utf8(stdout).unwrap(),
            stderr,
            out.status.code(),
        )
    };
    let (stdout, _, code) = diff(hub.to_string());
    assert_eq!(code, Some(2));
    assert!(run(&["regimes", "diff", "builtin", &new, "--cases", file]).starts_with(&stdout));
    let pods = serde_json::json!({"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "jill-roe"}}]});
    let (_, stderr, code) = diff(pods.to_string());
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("items[0]") && stderr.contains("is a Pod") && !stderr.contains("jill"),
        "{stderr}"
    );
}

#[test]
fn a_mistake_in_a_pack_or_a_case_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let pack = edited(
        folder.path(),
        "kinds: [breach], within: PT72H}, source: *gdpr33",
        "kinds: [breach], within: PT3D12H}, source: *gdpr33",
    );
    let mut told = run(&["regimes", "diff", "builtin", &pack]);
    for (from, to) in [
        (
            "kind: breach, received: 2027-07-02",
            "kind: breech, received: 2027-07-02",
        ),
        ("name: b-2", "name: b-3"),
        ("regime: uk-gdpr", "regime: uk"),
        ("zone: Europe/London", "zone: London"),
        (
            "received: 2027-07-02T08:00:00+02:00",
            "received: 2027-07-02",
        ),
        ("2026-03-10/2026-03-17", "2026-03-01/2026-03-17"),
        ("2026-03-10/2026-03-17", "2026-03-10"),
        ("holidays: [2026-05-01]", "holiday: [2026-05-01]"),
    ] {
        let text = fs::read_to_string(at("tests/cli/open-cases.yaml")).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        let file = folder.path().join("cases.yaml");
        fs::write(&file, text.replace(from, to)).unwrap();
        writeln!(told, "\n{to}").unwrap();
        told.push_str(&run(&[
            "regimes",
            "diff",
            "builtin",
            "builtin",
            "--cases",
            file.to_str().unwrap(),
        ]));
    }
    let file = folder.path().join("odd.yaml");
    let odd = file.to_str().unwrap();
    for text in ["", "- b-1", "cases: b-1"] {
        fs::write(&file, text).unwrap();
        writeln!(told, "\n{text}").unwrap();
        told.push_str(&run(&["regimes", "diff", odd, "builtin"]));
        told.push_str(&run(&[
            "regimes", "diff", "builtin", "builtin", "--cases", odd,
        ]));
    }
    insta::with_settings!({ snapshot_path => "cli", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("mistakes-in-files", told.replace(root, "FOLDER"));
    });
}
