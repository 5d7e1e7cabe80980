//! Finding Debian's programs, and a new server's folder: owner, data, port.

use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Error, Result, SUPERUSER};
use crate::scratch::MARK;
use nix::unistd::{Uid, User};

/// Debian keeps each major version's programs in a folder of its own below this one.
const VERSIONS: &str = "/usr/lib/postgresql";

/// What we run of them.
const USED: [&str; 4] = ["initdb", "postgres", "psql", "pg_dump"];

/// Every address may knock; each needs its password.
const HBA: &str = "host all all 0.0.0.0/0 scram-sha-256\nhost all all ::0/0 scram-sha-256\n";

/// Whom the server runs as: ourselves, or for root the user of Debian's package.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner(Option<(u32, u32)>);

impl Owner {
    pub(super) fn find() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self(None));
        }
        match User::from_name(SUPERUSER) {
            Ok(Some(user)) => Ok(Self(Some((user.uid.as_raw(), user.gid.as_raw())))),
            Ok(None) | Err(_) => Err(Error::NoUser),
        }
    }

    /// A command that will run as the owner, and that a Ctrl-C in our terminal does not reach.
    /// The watchdog of `folder` ends it.
    pub(super) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .process_group(0)
            .current_dir("/")
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env(MARK, folder);
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes a file or folder the owner's.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        self.0
            .map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
    }
}

/// The programs of the newest version that has a server: the client's package alone makes a folder as well.
pub(super) fn newest_programs() -> Result<PathBuf> {
    newest_below(Path::new(VERSIONS))
}

fn newest_below(versions: &Path) -> Result<PathBuf> {
    let versions = fs::read_dir(versions).map_err(|_| Error::Missing)?;
    versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            USED.iter()
                .all(|program| programs.join(program).exists())
                .then_some((version, programs))
        })
        .max()
        .map(|(_, programs)| programs)
        .ok_or(Error::Missing)
}

/// Makes the data folder, with one superuser who has a password.
pub(super) async fn init(
    programs: &Path,
    folder: &Path,
    owner: &Owner,
    password: &str,
) -> Result<()> {
    let word = folder.join("password");
    fs::write(&word, password)
        .and_then(|()| owner.give(&word))
        .map_err(Error::Folder)?;
    let mut command = owner.command(&programs.join("initdb"), folder);
    command
        .args([
            "--username",
            SUPERUSER,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
        ])
        .args([
            "--locale",
            "C.UTF-8",
            "--no-sync",
            "--no-instructions",
            "--pgdata",
        ])
        .arg(folder.join("data"))
        .arg("--pwfile")
        .arg(&word);
    finish(command).await?;
    fs::remove_file(&word).map_err(Error::Folder)?;
    fs::write(folder.join("data/pg_hba.conf"), HBA).map_err(Error::Folder)
}

/// Runs a program to its end; answers what it printed.
pub(super) async fn finish(mut command: Command) -> Result<String> {
    let program = PathBuf::from(command.get_program());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| spawning(&program, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Failed {
        program: program.display().to_string(),
        said,
    })
}

/// A port that was free a moment ago.
pub(super) fn free_port(address: IpAddr) -> Result<SocketAddr> {
    TcpListener::bind((address, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::Port { address, source })
}

/// A password that nobody guesses.
pub(super) fn random_word() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}

pub(super) fn spawning(program: &Path, source: io::Error) -> Error {
    Error::Spawn {
        program: program.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_without_a_server_is_passed_over() {
        let versions = tempfile::tempdir().unwrap();
        let install = |version: &str, programs: &[&str]| {
            let folder = versions.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for program in programs {
                fs::write(folder.join(program), "").unwrap();
            }
            folder
        };
        install("17", &["psql", "pg_dump"]);
        assert!(matches!(newest_below(versions.path()), Err(Error::Missing)));
        install("9", &USED);
        let newest = install("15", &USED);
        assert_eq!(newest_below(versions.path()).unwrap(), newest);
    }
}
