//! What the walk-throughs have a reader type is there: files, commands, flags, fields.
//!
//! Each block is typed into a real shell in an empty folder, where `kubectl` only notes its words and `tradewind` is the real
//! program: so quoting, files that an earlier block writes, and arguments are what the reader gets. That the clusters answer
//! is proven by tests/cluster, which lives the GDPR's page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tradewind::api::LegalHold;

use crate::page::{Block, blocks};
use crate::{files, read, root};

/// What the pages ask of kubectl, which is none of ours: every word that begins with a dash.
const FLAGS: [&str; 12] = [
    "-f",
    "-o",
    "-p",
    "--all",
    "--for",
    "--from-file",
    "--ignore-not-found",
    "--kubeconfig",
    "--namespace",
    "--overwrite",
    "--timeout",
    "--type",
];

/// Ours and the few others that the pages name.
const KINDS: [&str; 8] = [
    "auth",
    "secret",
    "region",
    "regions",
    "datapolicy",
    "legalhold",
    "datasubjectrequest",
    "evidencerecords",
];

/// `legalhold` or `legalhold/claim-2026-117`.
fn is_kind(word: &str) -> bool {
    let kind = word.split_once('/').map_or(word, |(kind, _)| kind);
    KINDS.contains(&kind)
}

/// A reader's folder.
struct Reader {
    home: TempDir,
    page: String,
}

impl Reader {
    fn new(page: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let link = |from: PathBuf, to: &str| {
            std::os::unix::fs::symlink(from, home.path().join(to)).unwrap();
        };
        fs::create_dir_all(home.path().join("target/debug")).unwrap();
        link(root().join("examples"), "examples");
        link(
            env!("CARGO_BIN_EXE_tradewind").into(),
            "target/debug/tradewind",
        );
        let page = page.display().to_string();
        Self { home, page }
    }

    /// Types a block; the words of each kubectl, and what `tradewind` complained of.
    fn types(&self, block: &Block) -> (Vec<Vec<String>>, String) {
        let text = ["eu-west", "us-east"]
            .iter()
            .fold(block.text.clone(), |text, region| {
                text.replace(&format!("<the file of {region}>"), region)
            });
        let noted = self.home.path().join("noted");
        let _ = fs::remove_file(&noted);
        // What is typed for a program is an assignment to this shell; tests/cluster types it.
        let script = format!(
            "kubectl() {{ printf '%s\\036' \"$@\" >> noted; printf '\\035' >> noted; \
             case \" $* \" in *' -f - '*) cat > /dev/null;; esac; }}\n\
             target/debug/tradewind() {{ command target/debug/tradewind \"$@\" < /dev/null || true; }}\n{text}"
        );
        let ran = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{}: {text}\n{said}", self.page);
        let noted = fs::read_to_string(noted).unwrap_or_default();
        let calls = noted.split_terminator('\u{1d}');
        let words = |call: &str| {
            let words = call.split_terminator('\u{1e}');
            words.map(str::to_owned).collect()
        };
        (calls.map(words).collect(), said)
    }

    /// A file that the page shows, under the name in its first line.
    fn writes(&self, block: &Block) {
        let name = block
            .text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "));
        let name = name.unwrap_or_else(|| panic!("{}: a file without a name", self.page));
        fs::write(self.home.path().join(name), &block.text).unwrap();
        let value: Value = serde_yaml::from_str(&block.text).unwrap();
        if value["kind"] == "LegalHold" {
            let hold: LegalHold = serde_yaml::from_str(&block.text).unwrap();
            assert!(!hold.spec.scopes.is_empty(), "{}: {name}", self.page);
            has("legalholds", &value["spec"], &["spec"]);
        }
    }

    fn looks_at(&self, words: &[String]) {
        let at = format!("{}: kubectl {}", self.page, words.join(" "));
        assert!(
            words.iter().any(|word| is_kind(word)) || words.contains(&"-f".into()),
            "{at}: no kind"
        );
        for (place, word) in words.iter().enumerate() {
            let flag = word.split('=').next().unwrap();
            assert!(
                !flag.starts_with('-') || flag == "-" || FLAGS.contains(&flag),
                "{at}: {flag} is no flag"
            );
            let next = words.get(place + 1);
            if word == "-f" && next.is_none_or(|file| file != "-") {
                let file = self.home.path().join(next.unwrap());
                assert!(file.exists(), "{at}: no such file");
            }
            if word == "-p" {
                let patch: Value = serde_json::from_str(next.unwrap())
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                let kind = words
                    .iter()
                    .find(|word| KINDS[2..].contains(&word.as_str()));
                let kind = match kind.unwrap().as_str() {
                    "datapolicy" => "datapolicies".to_owned(),
                    one => format!("{one}s"),
                };
                has(&kind, &patch["spec"], &["spec"]);
            }
        }
    }
}

/// Every field of a value is one of the kind's schema.
fn has(kind: &str, value: &Value, path: &[&str]) {
    let file = PathBuf::from(format!("crds/{kind}.yaml"));
    let crd: Value = serde_yaml::from_str(&read(&file)).unwrap();
    let mut schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for part in path {
        schema = &schema["properties"][part];
    }
    assert!(schema.is_object(), "{kind} has no {path:?}");
    fits(kind, schema, value);
}

fn fits(at: &str, schema: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let below = &schema["properties"][name];
                assert!(below.is_object(), "{at} has no field {name}");
                fits(&format!("{at}.{name}"), below, field);
            }
        }
        Value::Array(items) => {
            for item in items {
                fits(&format!("{at}[]"), &schema["items"], item);
            }
        }
        _ => {}
    }
}

#[test]
fn every_command_of_a_walk_through_names_what_exists() {
    let pages = files();
    let pages = pages.iter().filter(|file| {
        let is_page = file.extension().is_some_and(|extension| extension == "md");
        is_page && file.to_string_lossy().starts_with("docs/walkthrough-")
    });
    let mut read_pages = 0;
    for page in pages {
        read_pages += 1;
        let reader = Reader::new(page);
        let mut calls = 0;
        for block in blocks(&read(page)) {
            if !block.language.is_empty() {
                reader.writes(&block);
                continue;
            }
            let (words, said) = reader.types(&block);
            // A file that only a cluster fills is empty here: that is said, and is no misuse.
            assert!(
                !said.contains("Usage:"),
                "{}: {}\n{said}",
                reader.page,
                block.text
            );
            for words in &words {
                reader.looks_at(words);
            }
            calls += words.len();
        }
        assert!(calls > 10, "{}: {calls} commands", reader.page);
    }
    assert_eq!(read_pages, 4, "one for each law, and one for three at once");
}

/// Whoever follows the page does so on `make up`: its Region takes who is typed there.
#[test]
fn the_request_that_is_followed_is_one_of_the_quickstart() {
    let page = read(Path::new("docs/walkthrough-gdpr.md"));
    let region: Vec<Value> = read(Path::new("examples/quickstart/1-regions.yaml"))
        .split("\n---\n")
        .map(|text| serde_yaml::from_str(text).unwrap())
        .collect();
    let kinds: Vec<&str> = region[0]["spec"]["requests"]["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    let typed: Vec<Block> = blocks(&page)
        .into_iter()
        .filter(|block| block.text.contains("request create"))
        .collect();
    let [create] = typed.as_slice() else {
        panic!("one request is made: {typed:?}");
    };
    assert!(create.section.starts_with("7. "), "{}", create.section);
    let name = region[0]["metadata"]["name"].as_str().unwrap();
    assert!(create.text.contains(&format!("--region {name} ")));
    let identity = create.text.lines().last().unwrap();
    let (kind, _) = identity.split_once('=').unwrap();
    assert!(kinds.contains(&kind), "{kind} is none of {kinds:?}");
}

/// Without each region's key `audit verify` finds a fault, also where the page touched one region alone: `make up` has the
/// quickstart's two. Each signs before anything leaves the hub, and the report is of evidence that was verified.
#[test]
fn every_page_trusts_the_regions_of_the_quickstart_and_has_them_sign_first() {
    let regions = read(Path::new("examples/quickstart/1-regions.yaml"));
    let names: BTreeSet<String> = regions
        .split("\n---\n")
        .map(|text| serde_yaml::from_str::<Value>(text).unwrap())
        .map(|region| region["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    for page in ["ccpa", "gdpr", "lgpd", "three-regimes"] {
        let page = format!("docs/walkthrough-{page}.md");
        let mut last = blocks(&read(Path::new(&page)));
        last.retain(|block| block.section.starts_with("8. "));
        let at = |word: &str| {
            let found = last.iter().position(|block| block.text.contains(word));
            found.unwrap_or_else(|| panic!("{page}: nothing has {word}"))
        };
        let trust: Value = serde_yaml::from_str(&last[at("# trust.yaml")].text).unwrap();
        let trusted = trust["regions"].as_object().unwrap().keys().cloned();
        assert_eq!(trusted.collect::<BTreeSet<_>>(), names, "{page}");
        let order = [
            at("annotate region --all"),
            at(".status.evidence.key"),
            at("# trust.yaml"),
            at("audit export"),
        ];
        assert!(order.is_sorted(), "{page}: {order:?}");
        for line in last[at("audit export")].text.lines() {
            let needs = line.contains("--format html") || line.contains("audit verify");
            assert_eq!(needs, line.contains("--trust trust.yaml"), "{page}: {line}");
        }
    }
}
