//! Where evidence comes from, and what is trusted.

use std::fs;
use std::path::{Path, PathBuf};

use super::listed;
use crate::cli::input::{self, Error};
use crate::evidence::Trust;

/// The lines of evidence: of a file, or of all files of a folder that end in `.jsonl` or `.json`, by name. A file may be
/// the list that `kubectl get evidencerecords -o json` prints.
pub(super) fn evidence(from: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let unread = |file: &Path| {
        let file = file.to_owned();
        |source| Error::File {
            field: "--from",
            file,
            source,
        }
    };
    if !from.is_dir() {
        return Ok(vec![listed::lines(fs::read(from).map_err(unread(from))?)]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(from)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(unread(from))?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|end| end == "jsonl" || end == "json")
    });
    files.sort();
    if files.is_empty() {
        let problem = format!(
            "'{}' has no file that ends in .jsonl or .json: name the folder or file that evidence was exported to",
            from.display()
        );
        return Err(input::wrong("--from", problem));
    }
    let read = |file: &PathBuf| fs::read(file).map(listed::lines).map_err(unread(file));
    files.iter().map(read).collect()
}

/// The trust file. Without a key in it nothing can be verified, whatever the evidence says of itself.
pub(super) fn trust(file: &Path) -> Result<Trust, Error> {
    let text = input::read("--trust", file)?;
    let trust: Trust = serde_saphyr::from_str(&text).map_err(|source| Error::Trust {
        file: file.to_owned(),
        source: Box::new(source),
    })?;
    let keyless = |(name, region): (&String, &crate::evidence::Trusted)| {
        region.keys.is_empty().then(|| name.clone())
    };
    if let Some(region) = trust.regions.iter().find_map(keyless) {
        let problem = "names no key: write down the key that the region shows, from elsewhere than the evidence";
        return Err(input::wrong(
            format!("--trust regions.{region}.keys"),
            problem.to_owned(),
        ));
    }
    if trust.regions.is_empty() {
        let problem =
            "names no region: name each region whose evidence is to be there, with its key";
        return Err(input::wrong("--trust regions", problem.to_owned()));
    }
    Ok(trust)
}
