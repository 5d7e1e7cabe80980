//! What `dev up` refuses, and that it does so before it installs, builds or starts anything.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its world is not as it should be"
)]

#[path = "fleet/record.rs"]
mod record;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A machine's folders: nothing is built, nothing runs, and the Go compiler only fails.
struct Machine {
    base: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            base: tempfile::tempdir().unwrap(),
        };
        for folder in ["bin", "cache", "run"] {
            fs::create_dir(machine.path(folder)).unwrap();
        }
        let go = machine.path("bin/go");
        fs::write(&go, "#!/bin/sh\necho no compiler for tests >&2\nexit 1\n").unwrap();
        for open in [go, machine.base.path().to_owned()] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn up(&self, program: &Path) -> Command {
        let path = std::env::join_paths(
            [self.path("bin")]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut command = Command::new(program);
        command
            .args(["up", "--name", "proof"])
            .env("PATH", path.unwrap())
            .env("TRADEWIND_CACHE", self.path("cache"))
            .env("TRADEWIND_RUN", self.path("run"))
            .env_remove("KUBEBUILDER_ASSETS")
            .env_remove("TRADEWIND_HOST_ADDRESS")
            .env_remove("TRADEWIND_KUBECONFIGS");
        command
    }

    /// What it said when it refused, having touched nothing.
    fn refusal(&self, command: &mut Command) -> String {
        let said = said(command);
        for folder in ["cache", "run"] {
            let left = fs::read_dir(self.path(folder)).unwrap().count();
            assert_eq!(left, 0, "{folder}: {said}");
        }
        assert!(!said.contains("machine:"), "something was set up: {said}");
        said
    }
}

fn dev() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dev"))
}

fn said(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success(), "{said}");
    said
}

#[test]
fn assets_give_no_pods_and_the_refusal_says_so() {
    let machine = Machine::new();
    let assets = machine.path("bin");
    for program in ["etcd", "kube-apiserver"] {
        fs::write(assets.join(program), "").unwrap();
    }
    let said = machine.refusal(machine.up(dev()).env("KUBEBUILDER_ASSETS", &assets));
    assert!(said.contains("`KUBEBUILDER_ASSETS` is set"), "{said}");
    assert!(said.contains("unset it"), "{said}");
}

#[test]
fn existing_clusters_need_an_address_that_their_pods_reach() {
    let machine = Machine::new();
    let given = "hub=/h,eu-west=/e,us-east=/u";
    let mut command = machine.up(dev());
    command.env("TRADEWIND_KUBECONFIGS", given);
    let said = machine.refusal(&mut command);
    assert!(said.contains("set `TRADEWIND_HOST_ADDRESS`"), "{said}");
    // An address for documentation: never this machine's.
    let said = machine.refusal(command.env("TRADEWIND_HOST_ADDRESS", "192.0.2.1"));
    assert!(said.contains("`192.0.2.1` is none"), "{said}");
}

#[test]
fn without_root_the_refusal_says_what_to_type() {
    let machine = Machine::new();
    // Where everybody may read it.
    let program = machine.path("bin/dev");
    fs::copy(dev(), &program).unwrap();
    let mut command = machine.up(&program);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let said = machine.refusal(command.current_dir("/"));
    assert!(said.contains("nodes need root"), "{said}");
    assert!(
        said.contains("sudo env \"PATH=$PATH\" \"HOME=$HOME\" make up"),
        "{said}"
    );
}

#[test]
fn a_fleet_that_died_is_cleared_away() {
    let machine = Machine::new();
    let dir = machine.path("run/proof");
    record::record(&machine.path("run"), "proof", &dir, true);
    let said = said(&mut machine.up(dev()));
    assert!(said.contains("eu-west: not running: etcd"), "{said}");
    assert!(said.contains("no compiler for tests"), "{said}");
    assert!(!dir.exists(), "{said}");
}

#[test]
fn a_fleet_without_nodes_is_not_ours_to_clear() {
    let machine = Machine::new();
    let dir = machine.path("run/proof");
    record::record(&machine.path("run"), "proof", &dir, false);
    let said = said(&mut machine.up(dev()));
    assert!(said.contains("started without nodes"), "{said}");
    assert!(said.contains("dev down --name proof"), "{said}");
    assert!(dir.exists(), "{said}");
}
