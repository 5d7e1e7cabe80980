//! Builds the Go programs of the local clusters from their pinned modules.
//! In: what is wanted. Out: a folder of binaries outside the checkout, made once per content of the modules.
//! Never builds what was not asked for, and never leaves a half-written binary where a whole one is expected.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{paths, progress::Progress};

/// The Kubernetes release of `dev/controlplane/go.mod`; a test holds the two together.
pub const KUBERNETES: &str = "1.37.1";
/// The containerd release of `dev/controlplane/go.mod`.
pub const CONTAINERD: &str = "2.4.2";
/// The Go release that the modules ask for.
const GO: &str = "1.26.6";

const CONTAINERD_MODULE: &str = "github.com/containerd/containerd/v2";
const CNI_MODULE: &str = "github.com/containernetworking/plugins/plugins";

/// Why a program could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache folder cannot be used.
    #[error("cannot use the build cache {}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Neither `TRADEWIND_CACHE` nor `HOME` says where the cache is.
    #[error("no place for the build cache: set `TRADEWIND_CACHE` to a folder")]
    NoCache,
    /// The checkout that `dev` was built from has moved, or is not whole.
    #[error("there is no folder {}: run `dev` from a whole checkout, built there (`make build`)", dir.display())]
    NoModule {
        /// The module's folder.
        dir: PathBuf,
    },
    /// There is no Go compiler.
    #[error(
        "cannot run `go`: install Go {GO} or later (https://go.dev/doc/install) and put it on `PATH`"
    )]
    NoGo {
        /// Why not.
        source: io::Error,
    },
    /// The compiler failed.
    #[error("`go build` in {} failed; the end of its output:\n{tail}", module.display())]
    Go {
        /// The module's folder.
        module: PathBuf,
        /// Its last words.
        tail: String,
    },
}

/// A set of programs that are wanted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubelet: one binary. And kubectl.
    ControlPlane,
    /// containerd with its shim and `ctr`, the CNI plugins and the pause program.
    Node,
    /// Helm, for the chart's tests.
    Helm,
    /// The S3 server.
    ObjectStore,
}

impl What {
    /// Everything there is.
    pub const ALL: [Self; 4] = [
        Self::ControlPlane,
        Self::Node,
        Self::Helm,
        Self::ObjectStore,
    ];

    fn module(self) -> &'static str {
        match self {
            Self::ControlPlane | Self::Node | Self::Helm => "controlplane",
            Self::ObjectStore => "objectstore",
        }
    }

    /// Package path and binary name of each program.
    fn packages(self) -> Vec<(String, &'static str)> {
        match self {
            Self::ControlPlane => vec![
                (".".into(), "controlplane"),
                // By itself: it is called by the thousand, and setting up parts that it does not use takes longer than
                // what it is asked for.
                ("k8s.io/kubernetes/cmd/kubectl".into(), "kubectl"),
            ],
            Self::Node => vec![
                ("./pause".into(), "pause"),
                (format!("{CONTAINERD_MODULE}/cmd/containerd"), "containerd"),
                (
                    format!("{CONTAINERD_MODULE}/cmd/containerd-shim-runc-v2"),
                    "containerd-shim-runc-v2",
                ),
                (format!("{CONTAINERD_MODULE}/cmd/ctr"), "ctr"),
                (format!("{CNI_MODULE}/main/ptp"), "ptp"),
                (format!("{CNI_MODULE}/main/loopback"), "loopback"),
                (format!("{CNI_MODULE}/ipam/host-local"), "host-local"),
            ],
            Self::Helm => vec![("helm.sh/helm/v4/cmd/helm".into(), "helm")],
            Self::ObjectStore => {
                vec![(
                    "github.com/versity/versitygw/cmd/versitygw".into(),
                    "versitygw",
                )]
            }
        }
    }
}

/// Where the built programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    controlplane: PathBuf,
    objectstore: PathBuf,
}

impl Binaries {
    /// The folder of the cluster's programs: `controlplane`, `kubectl`, `containerd`, `ctr`, `helm` and so on.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.controlplane
    }

    /// The S3 server.
    #[must_use]
    pub fn object_store(&self) -> PathBuf {
        self.objectstore.join("versitygw")
    }

    /// Helm.
    #[must_use]
    pub fn helm(&self) -> PathBuf {
        self.controlplane.join("helm")
    }

    /// kubectl.
    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.controlplane.join("kubectl")
    }

    /// The multi-call binary; its first argument is the part, such as `kube-apiserver`.
    #[must_use]
    pub fn control_plane(&self) -> PathBuf {
        self.controlplane.join("controlplane")
    }

    fn of(&self, what: What) -> &Path {
        match what {
            What::ControlPlane | What::Node | What::Helm => &self.controlplane,
            What::ObjectStore => &self.objectstore,
        }
    }

    fn missing(&self, what: What) -> bool {
        let dir = self.of(what);
        what.packages()
            .iter()
            .any(|(_, binary)| !dir.join(binary).is_file())
    }
}

/// Where the programs are, or would be, without building anything.
pub fn located() -> Result<Binaries, Error> {
    let cache = paths::cache().ok_or(Error::NoCache)?;
    let dir = |module: &str| -> Result<PathBuf, Error> { Ok(cache.join(key(module)?).join("bin")) };
    Ok(Binaries {
        controlplane: dir("controlplane")?,
        objectstore: dir("objectstore")?,
    })
}

/// Whether everything wanted is built already.
pub fn is_built(wanted: &[What]) -> Result<bool, Error> {
    let binaries = located()?;
    Ok(!wanted.iter().any(|what| binaries.missing(*what)))
}

/// Builds what is missing of what is wanted: one compiler run a module, as the programs share most packages.
pub async fn build(wanted: &[What]) -> Result<Binaries, Error> {
    let binaries = located()?;
    for module in ["controlplane", "objectstore"] {
        let of_module: Vec<What> = wanted
            .iter()
            .copied()
            .filter(|what| what.module() == module && binaries.missing(*what))
            .collect();
        let Some(first) = of_module.first() else {
            continue;
        };
        let bin = binaries.of(*first);
        let _lock = lock(bin).await?;
        // Another command may have built it while we waited for the lock.
        let still: Vec<What> = of_module
            .into_iter()
            .filter(|what| binaries.missing(*what))
            .collect();
        if !still.is_empty() {
            compile(module, &still, bin).await?;
        }
    }
    Ok(binaries)
}

/// The cache key: everything that decides what comes out of the compiler.
fn key(module: &str) -> Result<String, Error> {
    key_of(module, module_dir(module))
}

fn key_of(module: &str, dir: PathBuf) -> Result<String, Error> {
    if !dir.is_dir() {
        return Err(Error::NoModule { dir });
    }
    let mut hash = Sha256::new();
    for file in ["go.mod", "go.sum", "main.go", "pause/main.go"] {
        let path = dir.join(file);
        match fs::read(&path) {
            Ok(content) => {
                hash.update(format!("{file} {}\n", content.len()));
                hash.update(content);
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Cache { path, source }),
        }
    }
    hash.update(ldflags());
    hash.update(std::env::consts::ARCH);
    Ok(format!("{module}-{}", &hex::encode(hash.finalize())[..16]))
}

fn module_dir(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(module)
}

/// Stamps the versions: without them clients are told `v0.0.0`.
fn ldflags() -> String {
    let version = "k8s.io/component-base/version";
    let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
    format!(
        "-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor=1 \
         -X {version}.gitMinor={minor} -X {version}.gitTreeState=clean \
         -X {CONTAINERD_MODULE}/version.Version=v{CONTAINERD}"
    )
}

/// One build of a module at a time: two would compile the same thing on the same cores.
async fn lock(bin: &Path) -> Result<fs::File, Error> {
    let path = bin.with_file_name("lock");
    let at = |source| Error::Cache {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(bin).map_err(at)?;
    let file = fs::File::create(&path).map_err(at)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    locked
        .map_err(io::Error::other)
        .and_then(|file| file)
        .map_err(at)
}

async fn compile(module: &str, wanted: &[What], bin: &Path) -> Result<(), Error> {
    let dir = module_dir(module);
    let packages: Vec<(String, &str)> = wanted.iter().flat_map(|what| what.packages()).collect();
    let names: Vec<&str> = packages.iter().map(|(_, binary)| *binary).collect();
    // In the cache's own file system, so that the renames below are atomic.
    let temporary = tempfile::tempdir_in(bin).map_err(|source| Error::Cache {
        path: bin.to_owned(),
        source,
    })?;
    let long = wanted
        .iter()
        .any(|what| matches!(what, What::ControlPlane | What::Node));
    let hint = if long {
        " (the first time takes 10 to 20 minutes on two cores)"
    } else {
        ""
    };
    let progress = Progress::start(&format!(
        "building {} from Go modules{hint}",
        names.join(", ")
    ));
    go_build(&dir, &packages, temporary.path(), &progress).await?;
    for name in names {
        let target = bin.join(name);
        fs::rename(temporary.path().join(name), &target).map_err(|source| Error::Cache {
            path: target,
            source,
        })?;
    }
    progress.done("built");
    Ok(())
}

async fn go_build(
    dir: &Path,
    packages: &[(String, &str)],
    out: &Path,
    progress: &Progress,
) -> Result<(), Error> {
    let mut go = Command::new("go")
        .args([
            "build",
            "-v",
            "-trimpath",
            "-buildvcs=false",
            // `-s -w` throws it away: made, it is a tenth of the time and a quarter of the cache.
            "-gcflags=all=-dwarf=false",
            "-ldflags",
            &ldflags(),
            "-o",
        ])
        // The slash makes it a folder of several binaries.
        .arg(out.join(""))
        .args(packages.iter().map(|(package, _)| package))
        .current_dir(dir)
        // Static: the same binary runs in an image and on any node.
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::NoGo { source })?;
    // `-v` names every package as it is compiled; everything else it says is a complaint.
    let mut compiled = 0_usize;
    let mut tail = std::collections::VecDeque::new();
    if let Some(output) = go.stderr.take() {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if !line.contains(' ') {
                compiled += 1;
            }
            progress.step(&format!("{compiled} packages compiled, now {line}"));
            tail.push_back(line);
            if tail.len() > 20 {
                tail.pop_front();
            }
        }
    }
    let status = go.wait().await.map_err(|source| Error::NoGo { source })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Go {
        module: dir.to_owned(),
        tail: Vec::from(tail).join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamped_versions_are_the_pinned_ones() {
        let pinned = fs::read_to_string(module_dir("controlplane").join("go.mod")).unwrap();
        assert!(pinned.contains(&format!("k8s.io/kubernetes v{KUBERNETES}\n")));
        assert!(pinned.contains(&format!("{CONTAINERD_MODULE} v{CONTAINERD}")));
    }

    /// Every file below a folder.
    fn files(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let below = |path: PathBuf| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        };
        entries.flat_map(below).collect()
    }

    #[test]
    fn the_key_depends_on_the_module_and_on_every_file_of_it() {
        for module in ["controlplane", "objectstore"] {
            let copy = tempfile::tempdir().unwrap();
            let origin = module_dir(module);
            let files = files(&origin);
            assert!(files.iter().any(|file| file.ends_with("go.sum")));
            let mut copies = Vec::new();
            for file in &files {
                let target = copy.path().join(file.strip_prefix(&origin).unwrap());
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::copy(file, &target).unwrap();
                copies.push(target);
            }
            let key_now = || key_of(module, copy.path().to_owned()).unwrap();
            let before = key_now();
            assert_eq!(before, key(module).unwrap(), "what is the same is the same");
            for file in &copies {
                let content = fs::read(file).unwrap();
                fs::write(file, [&content[..], b"\n"].concat()).unwrap();
                assert_ne!(before, key_now(), "{} changed", file.display());
                fs::write(file, content).unwrap();
            }
            assert_eq!(before, key_now());
        }
        assert_ne!(key("controlplane").unwrap(), key("objectstore").unwrap());
    }

    #[test]
    fn the_go_that_is_asked_for_is_what_the_modules_need() {
        let needed = ["controlplane", "objectstore"].map(|module| {
            let text = fs::read_to_string(module_dir(module).join("go.mod")).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("go "));
            let parts = line.unwrap().split('.').map(|part| part.parse().unwrap());
            parts.collect::<Vec<u32>>()
        });
        let newest = needed.iter().max().unwrap();
        let newest: Vec<String> = newest.iter().map(u32::to_string).collect();
        assert_eq!(newest.join("."), GO);
        let readme = fs::read_to_string(module_dir("../README.md")).unwrap();
        assert!(readme.contains(&format!("Go {GO} or later")));
    }

    #[test]
    fn a_module_that_is_not_there_has_no_key() {
        let error = key("nowhere").unwrap_err().to_string();
        assert!(error.contains("dev/nowhere"), "{error}");
    }
}
