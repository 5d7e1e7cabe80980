//! What a walk-through has an officer type, typed: the program is the real one, and of `kubectl` its words are noted, to be done
//! to the hub of the test. And what kubectl would print of an object by a template.

#[path = "../../../repo/page.rs"]
mod blocks;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tradewind::api::Region;

/// What the shell knows of kubectl: it notes what it was told, and prints the Regions and who types.
const KUBECTL: &str = r#"kubectl() { printf '%s\036' "$@" >> noted; printf '\035' >> noted
  case "$1 $2" in 'get regions') cat regions;; 'auth whoami') echo officer@aurora.example;; esac; }
"#;

/// The blocks of a page in a section, `7. ` by how its heading begins, with a region of another name than `make up` has.
fn section(page: &str, begins: &str, region: &str) -> Vec<blocks::Block> {
    let file = format!("docs/walkthrough-{page}.md");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut all = blocks::blocks(&std::fs::read_to_string(file).unwrap());
    all.retain(|block| block.section.starts_with(begins));
    for block in &mut all {
        let text = block.text.replace("<the file of us-east>", "file");
        block.text = text.replace("us-east", region);
    }
    all
}

/// What a page has an officer type in a section, block by block.
pub(super) fn typed(page: &str, begins: &str, region: &str) -> Vec<String> {
    let mut all = section(page, begins, region);
    all.retain(|block| block.language.is_empty());
    all.into_iter().map(|block| block.text).collect()
}

/// The file that a page has an officer write in a section.
pub(super) fn written(page: &str, begins: &str, region: &str) -> Value {
    let mut all = section(page, begins, region);
    all.retain(|block| block.language == "yaml");
    let [file] = all.as_slice() else {
        panic!("{page}: section {begins}has one file: {all:?}");
    };
    serde_yaml::from_str(&file.text).unwrap()
}

/// Does to an object's spec what the first `kubectl patch` of a block does.
pub(super) fn patched(desk: &Desk, text: &str, (kind, name): (&str, &str), of: &mut Value) {
    let (_, calls) = desk.types(text);
    let patch = calls.iter().find_map(|call| match call.as_slice() {
        [verb, k, n, _, p, patch] if (verb, p) == (&"patch".into(), &"-p".into()) => {
            assert_eq!((k.as_str(), n.as_str()), (kind, name), "{text}");
            Some(patch)
        }
        _ => None,
    });
    let patch = patch.unwrap_or_else(|| panic!("no patch in {text}"));
    let patch: Value = serde_json::from_str(patch).unwrap();
    for (field, value) in patch["spec"].as_object().unwrap() {
        of["spec"][field] = value.clone();
    }
}

/// Where an officer sits.
pub(super) struct Desk {
    home: TempDir,
}

impl Desk {
    /// With the program where the pages have it, and the Region that `kubectl get regions` prints.
    pub(super) fn new(region: &Region) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("target/debug");
        std::fs::create_dir_all(&folder).unwrap();
        let program = env!("CARGO_BIN_EXE_tradewind");
        std::os::unix::fs::symlink(program, folder.join("tradewind")).unwrap();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [region]});
        std::fs::write(home.path().join("regions"), list.to_string()).unwrap();
        Self { home }
    }

    /// Types a block, a line at a time: a program that reads takes the lines behind it. What was printed, and the words of each
    /// kubectl.
    pub(super) fn types(&self, text: &str) -> (String, Vec<Vec<String>>) {
        let noted = self.home.path().join("noted");
        let _ = std::fs::remove_file(&noted);
        let mut child = Command::new("bash")
            .args(["-euo", "pipefail", "-s"])
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut given = child.stdin.take().unwrap();
        given.write_all(KUBECTL.as_bytes()).unwrap();
        given.write_all(text.as_bytes()).unwrap();
        drop(given);
        let ran = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{text}\n{said}");
        let noted = std::fs::read_to_string(noted).unwrap_or_default();
        let words = |call: &str| {
            let words = call.split_terminator('\u{1e}');
            words.map(str::to_owned).collect()
        };
        let calls = noted.split_terminator('\u{1d}').map(words).collect();
        (String::from_utf8(ran.stdout).unwrap(), calls)
    }

    /// A file that was written there.
    pub(super) fn reads(&self, file: &str) -> Value {
        let text = std::fs::read(self.home.path().join(file)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

/// As kubectl prints an object by `{range PATH}...{end}`, `{PATH}`, `{"text"}` and text between.
pub(super) fn printed(template: &str, of: &Value) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        out += text;
        let (word, after) = after.split_once('}').unwrap();
        rest = after;
        if let Some(path) = word.strip_prefix("range ") {
            let (body, behind) = inner(after);
            for item in found(path, of) {
                out += &printed(body, item);
            }
            rest = behind;
        } else if word.starts_with('"') {
            out += &serde_json::from_str::<String>(word).unwrap();
        } else {
            let texts = found(word, of).into_iter().map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            out += &texts.collect::<Vec<_>>().join(" ");
        }
    }
    out + rest
}

/// What a range repeats, and what stands behind its end.
fn inner(text: &str) -> (&str, &str) {
    const END: &str = "{end}";
    let (mut depth, mut at) = (1, 0);
    loop {
        let end = text[at..].find(END).expect("a range has an end") + at;
        depth += text[at..end].matches("{range ").count();
        depth -= 1;
        if depth == 0 {
            return (&text[..end], &text[end + END.len()..]);
        }
        at = end + END.len();
    }
}

/// The values at a path such as `.status.regions[*].name`; none where something of it is absent.
fn found<'a>(path: &str, of: &'a Value) -> Vec<&'a Value> {
    let mut all = vec![of];
    for part in path.trim_start_matches('.').split('.') {
        let (field, each) = match part.strip_suffix("[*]") {
            Some(field) => (field, true),
            None => (part, false),
        };
        let fields = all.into_iter().filter_map(|value| value.get(field));
        all = if each {
            fields.filter_map(Value::as_array).flatten().collect()
        } else {
            fields.collect()
        };
    }
    all
}
