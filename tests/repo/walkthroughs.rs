//! What the walk-throughs have a reader type is there: files, commands, flags, fields.
//!
//! Each block is typed into a real shell in an empty folder, where `kubectl` only notes its words and `tradewind` is the real
//! program: so quoting, files that an earlier block writes, and arguments are what the reader gets. That the clusters answer
//! is proven by tests/cluster, which lives the pages of the GDPR, the LGPD and the CCPA; what comes of each page's requests by
//! tests/agent.

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
            let template = word.strip_prefix("--for=jsonpath=");
            let template = template.or_else(|| word.strip_prefix("jsonpath="));
            let mut kinds = words.iter().filter_map(|word| plural(word));
            if let Some((template, kind)) = template.zip(kinds.next()) {
                prints(&kind, template, &at);
            }
            if word == "-p" {
                let patch: Value = serde_json::from_str(next.unwrap())
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                let kind = words.iter().find_map(|word| plural(word));
                has(&kind.unwrap(), &patch["spec"], &["spec"]);
            }
        }
    }
}

/// The kind of ours that a word names, `legalhold/claim-2026-117` too, as its file in `crds/` has it.
fn plural(word: &str) -> Option<String> {
    let kind = word.split_once('/').map_or(word, |(kind, _)| kind);
    if !KINDS[2..].contains(&kind) {
        return None;
    }
    Some(match kind {
        "datapolicy" => "datapolicies".to_owned(),
        "regions" | "evidencerecords" => kind.to_owned(),
        one => format!("{one}s"),
    })
}

fn schema_of(kind: &str) -> Value {
    let file = PathBuf::from(format!("crds/{kind}.yaml"));
    let mut crd: Value = serde_yaml::from_str(&read(&file)).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()
}

/// Every path of a template, `{range .status.regions[*]}{.name}{end}`, leads to a field that there is.
fn prints(kind: &str, template: &str, at: &str) {
    let schema = schema_of(kind);
    let mut ranges = vec![&schema];
    for word in template.split('{').skip(1) {
        let word = word.split('}').next().unwrap();
        let here = ranges[ranges.len() - 1];
        match word.strip_prefix("range ") {
            Some(path) => ranges.push(below(here, path, at)),
            None if word == "end" => {
                ranges.pop();
            }
            None if word.starts_with('"') => {}
            None => {
                below(here, word, at);
            }
        }
    }
    assert_eq!(ranges.len(), 1, "{at}: a range without an end");
}

/// What stands at a path. Of a list of objects each has the kind's own fields; what every object has is not in the schema.
fn below<'a>(mut schema: &'a Value, path: &str, at: &str) -> &'a Value {
    let path = path.strip_prefix(".items[*]").unwrap_or(path);
    for part in path.split('.').skip(1) {
        let (field, each) = match part.strip_suffix("[*]") {
            Some(field) => (field, true),
            None => (part, false),
        };
        if field == "metadata" {
            return &Value::Null;
        }
        schema = &schema["properties"][field];
        if each {
            schema = &schema["items"];
        }
        assert!(schema.is_object(), "{at}: {path} has no {field}");
    }
    schema
}

/// Every field of a value is one of the kind's schema.
fn has(kind: &str, value: &Value, path: &[&str]) {
    let whole = schema_of(kind);
    let mut schema = &whole;
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

/// Whoever follows a page does so on `make up`: its Region takes who is typed there.
#[test]
fn the_requests_that_are_followed_are_ones_of_the_quickstart() {
    let regions: Vec<Value> = read(Path::new("examples/quickstart/1-regions.yaml"))
        .split("\n---\n")
        .map(|text| serde_yaml::from_str(text).unwrap())
        .collect();
    for (page, requests) in [("ccpa", 2), ("gdpr", 1), ("lgpd", 1), ("three-regimes", 1)] {
        let text = read(&PathBuf::from(format!("docs/walkthrough-{page}.md")));
        let typed: Vec<Block> = blocks(&text)
            .into_iter()
            .filter(|block| block.text.contains("request create"))
            .collect();
        assert_eq!(typed.len(), requests, "{page}");
        for create in typed {
            assert!(create.section.starts_with("7. "), "{}", create.section);
            let is_asked = |region: &&Value| {
                let name = region["metadata"]["name"].as_str().unwrap();
                create.text.contains(&format!("--region {name} "))
            };
            let region = regions.iter().find(is_asked);
            let region = region.unwrap_or_else(|| panic!("{page}: no Region in {}", create.text));
            let kinds = region["spec"]["requests"]["identities"].as_array().unwrap();
            let identity = create.text.lines().last().unwrap();
            let (kind, _) = identity.split_once('=').unwrap();
            assert!(
                kinds.iter().any(|known| known["name"] == kind),
                "{page}: {kind} is none of {kinds:?}"
            );
        }
    }
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
