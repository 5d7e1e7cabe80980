//! A fleet of which there is nothing but the record.

use std::{fs, path::Path};

use serde_json::json;

/// Writes it below `base`; `dir` is what is to be swept.
pub(crate) fn record(base: &Path, name: &str, dir: &Path, nodes: bool) {
    let fleet = json!({
        "name": name, "dir": dir, "slot": 31, "nodes": nodes, "machinery": "built", "programs": "/nowhere",
        "hostAddress": "127.0.0.1", "owner": null, "clusters": ["hub", "eu-west"],
    });
    fs::create_dir(base.join(name)).unwrap();
    fs::write(base.join(name).join("fleet.json"), fleet.to_string()).unwrap();
}
