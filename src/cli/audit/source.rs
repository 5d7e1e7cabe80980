//! Where evidence comes from, and what is trusted.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{listed, live};
use crate::archive;
use crate::cli::input::{self, Error};
use crate::evidence::{ENDING, Trust};

/// The lines of evidence: of a file, or of all files of a folder that end in `.jsonl`, `.json` or `.jsonl.gz`, by name.
/// A file may be the list that `kubectl get evidencerecords -o json` prints, or a segment of the archive. Segments come
/// first, and what is still on the hub beside its segment is read once.
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
        let bytes = fs::read(from).map_err(unread(from))?;
        let text = opened(from, bytes).map_err(unread(from))?;
        return Ok(vec![text]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(from)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(unread(from))?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|end| end == "jsonl" || end == "json")
            || is_segment(file)
    });
    files.sort_by_key(|file| (!is_segment(file), file.clone()));
    if files.is_empty() {
        let problem = format!(
            "'{}' has no file that ends in .jsonl, .json or .jsonl.gz: name the folder or file that evidence was exported to",
            from.display()
        );
        return Err(input::wrong("--from", problem));
    }
    let read = |file: &PathBuf| {
        let bytes = fs::read(file).map_err(unread(file))?;
        opened(file, bytes).map_err(unread(file))
    };
    let texts: Vec<Vec<u8>> = files.iter().map(read).collect::<Result<_, Error>>()?;
    let segments = files.iter().take_while(|file| is_segment(file)).count();
    Ok(once(texts, segments))
}

/// The same, and what a hub has now, by its kubeconfig.
pub(super) fn with_live(from: Option<&Path>, live: Option<&Path>) -> Result<Vec<Vec<u8>>, Error> {
    let mut texts = match from {
        Some(from) => evidence(from)?,
        None => Vec::new(),
    };
    let Some(live) = live else { return Ok(texts) };
    let before = texts.len();
    texts.push(live::lines(live)?);
    Ok(once(texts, before))
}

/// Texts, the later ones without the lines of the first so many: the last record of each kind stays on the hub when it is
/// in a segment.
fn once(mut texts: Vec<Vec<u8>>, segments: usize) -> Vec<Vec<u8>> {
    let (sealed, rest) = texts.split_at_mut(segments);
    let known: HashSet<Vec<u8>> = sealed
        .iter()
        .flat_map(|text| lines(text).map(|line| Sha256::digest(line).to_vec()))
        .collect();
    for text in rest.iter_mut().filter(|_| !known.is_empty()) {
        let new = lines(text).filter(|line| !known.contains(Sha256::digest(line).as_slice()));
        let new: Vec<u8> = new.flatten().copied().collect();
        *text = new;
    }
    texts
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

fn is_segment(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(ENDING))
}

fn opened(file: &Path, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if is_segment(file) {
        archive::lines(&bytes)
    } else {
        Ok(listed::lines(bytes))
    }
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
