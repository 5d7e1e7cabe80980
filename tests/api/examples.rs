//! Every example, and every whole object in the docs, is taken by the API server as it stands, without a field that it
//! doesn't know.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Kind;
use crate::server::{API_VERSION, Server};

/// Asks for each object of each example; nothing is kept.
pub(crate) async fn walk(server: &Server, kinds: &[Kind], faults: &mut Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for file in files(&root.join("examples"), "yaml") {
        let text = std::fs::read_to_string(&file).unwrap();
        count += take(server, kinds, (&file, &text), faults).await;
    }
    assert!(count >= 6, "only {count} objects in the examples");

    let blocks = blocks(&root.join("README.md"));
    assert!(!blocks.is_empty(), "README.md shows nothing");
    for (file, text) in &blocks {
        let taken = take(server, kinds, (file, text), faults).await;
        assert!(taken > 0, "README.md shows what is no whole object: {text}");
    }
    // The docs explain parts as well.
    let mut count = 0;
    for file in files(&root.join("docs"), "md") {
        for (file, text) in blocks_with_objects(&file) {
            count += take(server, kinds, (&file, &text), faults).await;
        }
    }
    assert!(count >= 6, "only {count} objects in the docs");
}

/// Asks for each of our objects in a text; how many there are.
async fn take(
    server: &Server,
    kinds: &[Kind],
    (file, text): (&Path, &str),
    faults: &mut Vec<String>,
) -> usize {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let mut count = 0;
    for object in objects.iter().filter(|o| o["apiVersion"] == API_VERSION) {
        let kind = kinds
            .iter()
            .find(|kind| object["kind"] == kind.name)
            .unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        let done = server.could_create(kind, name, &object["spec"]).await;
        if done.as_ref() != Ok(&object["spec"]) {
            faults.push(format!("{}: {name}: {done:?}", file.display()));
        }
        count += 1;
    }
    count
}

/// The blocks of YAML in a Markdown file.
fn blocks(file: &Path) -> Vec<(PathBuf, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let parts = text.split("\n```yaml\n").skip(1);
    let blocks = parts.map(|part| part.split("\n```").next().unwrap().to_owned());
    blocks.map(|block| (file.to_owned(), block)).collect()
}

/// Those of them that have whole objects.
fn blocks_with_objects(file: &Path) -> Vec<(PathBuf, String)> {
    let mut blocks = blocks(file);
    blocks.retain(|(_, text)| text.contains(&format!("apiVersion: {API_VERSION}")));
    blocks
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path, ending)
            } else {
                vec![path]
            }
        })
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == ending)
        })
        .collect()
}
