//! Every example is taken by the API server as it stands, without a field that it doesn't know.

use std::path::Path;

use serde_json::Value;

use crate::case::Kind;
use crate::server::{API_VERSION, Server};

/// Asks for each object of each example; nothing is kept.
pub(crate) async fn walk(server: &Server, kinds: &[Kind], faults: &mut Vec<String>) {
    let mut count = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for file in files(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
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
    }
    assert!(count >= 6, "only {count} objects in {}", folder.display());
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}
