//! Where an officer sits and types what a page of docs/ has: in a real shell, with the programs where the page has them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tradewind_dev::story::programs::checkout;
use tradewind_dev::story::{Stage, officers};

use crate::page::{Block, blocks};

/// A folder with the program where the pages have it, kubectl, and the officer's own kubeconfig.
pub(crate) struct Desk<'a> {
    stage: &'a Stage,
    home: TempDir,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("target/debug");
        std::fs::create_dir_all(&folder).unwrap();
        let link = |from: PathBuf, to: PathBuf| std::os::unix::fs::symlink(from, to).unwrap();
        link(stage.spec.program.clone(), folder.join("tradewind"));
        link(checkout().join("examples"), home.path().join("examples"));
        Self { stage, home }
    }

    /// Types a text as the officer and, where a program reads what is typed, more lines for it; answers what was printed.
    pub(crate) fn types(&self, text: &str, more: &str) -> String {
        let officer = officers::kubeconfig(&self.stage.fleet);
        // A shell takes a line at a time, and leaves what follows to the program that it starts.
        self.types_with(&officer, &format!("{text}{more}"))
    }

    /// The same with another kubeconfig: where a page says whose it is.
    pub(crate) fn types_with(&self, kubeconfig: &Path, text: &str) -> String {
        let mut path: Vec<_> = officers::path(&self.stage.fleet).into_iter().collect();
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut child = Command::new("bash")
            .args(["-euo", "pipefail", "-s"])
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut typed = child.stdin.take().unwrap();
        typed.write_all(text.as_bytes()).unwrap();
        drop(typed);
        let ran = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        let shown = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{text}\n{shown}\n{said}");
        shown
    }

    /// Writes a file that a page shows, under the name in its first line.
    pub(crate) fn writes(&self, text: &str) {
        let first = text.lines().next().and_then(|line| line.strip_prefix("# "));
        std::fs::write(self.file(first.unwrap()), text).unwrap();
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

/// What a page has in a section, `7. ` by how its heading begins, in the order of its blocks.
pub(crate) fn section(page: &str, begins: &str) -> Vec<Block> {
    let page = std::fs::read_to_string(checkout().join(page)).unwrap();
    let mut all = blocks(&page);
    all.retain(|block| block.section.starts_with(begins));
    all
}
