//! Container images made from one binary, without a registry or a container engine.
//! In: a binary. Out: a docker-archive of one layer, named by its content. Runs nothing but `ldd`.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use sha2::{Digest, Sha256};

/// The user of every image: nobody on the host, and not root inside.
const USER: u32 = 65532;
/// Where the binary is inside.
const BINARIES: &str = "/usr/local/bin";
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that belongs into it cannot be read.
    #[error("cannot read {} for the image", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("cannot write the image {}", path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `ldd` names a library that this machine lacks.
    #[error("{} needs the library {library}, which is not installed here", binary.display())]
    Library {
        /// The binary.
        binary: PathBuf,
        /// The library.
        library: String,
    },
}

/// An image on disk, ready to be loaded into a node.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name with tag, as a pod names it; use `imagePullPolicy: Never`.
    pub name: String,
    /// The docker-archive.
    pub archive: PathBuf,
}

/// Makes `<repository>:dev-<hash>` in `dir`: the binary as entry point, the libraries it needs, the public
/// certificate authorities, `/tmp` and a user without rights.
pub fn of_binary(repository: &str, binary: &Path, dir: &Path) -> Result<Image, Error> {
    let layer = layer(binary)?;
    let digest = hex::encode(Sha256::digest(&layer));
    let name = format!("{repository}:dev-{}", &digest[..12]);
    let archive = dir.join(format!("{repository}-{}.tar", &digest[..12]));
    if !archive.is_file() {
        pack(&name, &layer, &digest, &entry_point(binary))
            .and_then(|content| write_whole(&archive, &content))
            .map_err(|source| Error::Write {
                path: archive.clone(),
                source,
            })?;
    }
    Ok(Image { name, archive })
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
    io::Write::write_all(&mut temporary, content)?;
    temporary.persist(path)?;
    Ok(())
}

/// Where the binary is in the image: as in the released one, so that the same pod spec fits both.
fn entry_point(binary: &Path) -> String {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    format!("{BINARIES}/{name}")
}

fn layer(binary: &Path) -> Result<Vec<u8>, Error> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })
    };
    let mut files = vec![
        (entry_point(binary), read(binary)?, 0o755),
        (
            "/etc/passwd".into(),
            format!("nonroot:x:{USER}:{USER}::/:/none\n").into_bytes(),
            0o644,
        ),
        (
            "/etc/group".into(),
            format!("nonroot:x:{USER}:\n").into_bytes(),
            0o644,
        ),
    ];
    for library in libraries(binary)? {
        files.push((library.display().to_string(), read(&library)?, 0o755));
    }
    if Path::new(CERTIFICATES).is_file() {
        files.push((CERTIFICATES.into(), read(Path::new(CERTIFICATES))?, 0o644));
    }
    let build = || -> io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, "tmp/", &[], 0o1777)?;
        for (path, content, mode) in &files {
            append(&mut tar, path.trim_start_matches('/'), content, *mode)?;
        }
        tar.into_inner()
    };
    build().map_err(|source| Error::Read {
        path: binary.to_owned(),
        source,
    })
}

/// What the dynamic linker would load, by `ldd`; nothing for a static binary.
fn libraries(binary: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let output = Command::new("ldd")
        .arg(binary)
        .output()
        .map_err(|source| Error::Read {
            path: binary.to_owned(),
            source,
        })?;
    parse_ldd(&String::from_utf8_lossy(&output.stdout)).map_err(|library| Error::Library {
        binary: binary.to_owned(),
        library,
    })
}

/// Lines read `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)` or `/lib64/ld-linux-x86-64.so.2 (0x...)`.
fn parse_ldd(output: &str) -> Result<BTreeSet<PathBuf>, String> {
    let mut found = BTreeSet::new();
    for line in output.lines().map(str::trim) {
        let (name, target) = line.split_once(" => ").unwrap_or((line, line));
        if target.starts_with("not found") {
            return Err(name.to_owned());
        }
        if let Some(path) = target
            .split(" (0x")
            .next()
            .filter(|path| path.starts_with('/'))
        {
            found.insert(PathBuf::from(path));
        }
    }
    Ok(found)
}

fn pack(name: &str, layer: &[u8], digest: &str, entry_point: &str) -> io::Result<Vec<u8>> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": [entry_point],
            "Env": ["PATH=/usr/local/bin", format!("SSL_CERT_FILE={CERTIFICATES}")],
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let config = serde_json::to_vec(&config)?;
    let config_name = format!("{}.json", hex::encode(Sha256::digest(&config)));
    let layer_name = format!("{digest}.tar");
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": [layer_name] }]);
    let mut tar = tar::Builder::new(Vec::new());
    append(
        &mut tar,
        "manifest.json",
        &serde_json::to_vec(&manifest)?,
        0o644,
    )?;
    append(&mut tar, &config_name, &config, 0o644)?;
    append(&mut tar, &layer_name, layer, 0o644)?;
    tar.into_inner()
}

/// Owner, time and mode are fixed: the same binary gives the same image.
fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    content: &[u8],
    mode: u32,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    if path.ends_with('/') {
        header.set_entry_type(tar::EntryType::Directory);
    }
    tar.append_data(&mut header, path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_is_understood() {
        let output = "\tlinux-vdso.so.1 (0x00007ffe)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(
            parse_ldd(output).unwrap(),
            expected.map(PathBuf::from).into()
        );
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
        assert_eq!(
            parse_ldd("\tlibodd.so.1 => not found\n"),
            Err("libodd.so.1".into())
        );
    }

    #[test]
    fn the_same_binary_gives_the_same_image() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let binary = std::env::current_exe().unwrap();
        let first = of_binary("probe", &binary, dir.path()).unwrap();
        let second = of_binary("probe", &binary, other.path()).unwrap();
        assert_eq!(first.name, second.name);
        assert_eq!(
            fs::read(first.archive).unwrap(),
            fs::read(second.archive).unwrap()
        );
    }
}
