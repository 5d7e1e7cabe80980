//! What is written down about a running fleet, so that another command or test finds it.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::slot::Slot;
use crate::{choice::Machinery, process::Identity};

const FILE: &str = "fleet.json";
/// The same before it is whole.
pub(super) const UNFINISHED: &str = ".fleet.json";

/// A fleet, as recorded in its run directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The fleet's name.
    pub name: String,
    /// Its run directory.
    pub dir: PathBuf,
    /// Its numbers.
    pub slot: Slot,
    /// Whether pods run.
    pub nodes: bool,
    /// What the clusters are made of.
    pub machinery: Machinery,
    /// The folder of our own programs.
    pub programs: PathBuf,
    /// Where servers that pods call may listen.
    pub host_address: Ipv4Addr,
    /// The process whose end ends the fleet; without one it runs until it is stopped.
    pub owner: Option<Identity>,
    /// The clusters in order; the first is the hub.
    pub clusters: Vec<String>,
}

impl Record {
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let content = fs::read(dir.join(FILE))?;
        Ok(serde_json::from_slice(&content)?)
    }

    /// Whole or not at all: a reader may come at any time.
    pub(super) fn write(&self) -> io::Result<()> {
        let temporary = self.dir.join(UNFINISHED);
        fs::write(&temporary, serde_json::to_vec_pretty(self)?)?;
        fs::rename(temporary, self.dir.join(FILE))
    }

    /// All fleets recorded under `base`.
    pub(super) fn all(base: &Path) -> Vec<Self> {
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        let mut all: Vec<Self> = entries
            .filter_map(|entry| Self::read(&entry.path()).ok())
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Whether its owner died without stopping it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.owner.is_some_and(|owner| !owner.is_alive())
    }
}
