//! A cluster of which one part dies at its start: the start fails, shows that part's log, and leaves nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its world is not as it should be"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::Command;
use tradewind_dev::{
    build::{self, What},
    fleet::Fleet,
};

/// A build cache like ours, in which one part of the control plane only says its last words.
fn cache_without(part: &str, programs: &Path, cache: &Path) {
    // `<cache>/<key>/bin`, and the same key below the other cache.
    let key = programs.parent().unwrap().file_name().unwrap();
    let broken = cache.join(key).join("bin");
    fs::create_dir_all(&broken).unwrap();
    for program in fs::read_dir(programs).unwrap().flatten() {
        symlink(program.path(), broken.join(program.file_name())).unwrap();
    }
    let program = broken.join("controlplane");
    fs::remove_file(&program).unwrap();
    let whole = programs.join("controlplane");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = {part} ]; then echo no such flag >&2; exit 3; fi\nexec {} \"$@\"\n",
        whole.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn a_start_fails_without(part: &str, more: &[&str]) {
    let built = build::build(&[What::ControlPlane, What::Node])
        .await
        .unwrap();
    let cache = tempfile::tempdir().unwrap();
    cache_without(part, built.dir(), cache.path());
    let name = format!("broken-{}-{}", part, std::process::id());
    let begun = Instant::now();
    let done = Command::new(env!("CARGO_BIN_EXE_dev"))
        .args(["start", "--regions", "eu-west", "--name", &name])
        .args(more)
        .env("TRADEWIND_CACHE", cache.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success(), "{said}");
    assert!(
        said.contains(&format!("{part} ended before it was ready")),
        "{said}"
    );
    assert!(said.contains("no such flag"), "{said}");
    assert!(
        begun.elapsed() < Duration::from_secs(120),
        "it was noticed, and not waited for in vain"
    );
    assert!(Fleet::attach(&name).is_err(), "the fleet is left");
}

/// Without nodes nothing else needs the scheduler.
#[tokio::test]
async fn a_scheduler_that_dies_is_named() {
    a_start_fails_without("kube-scheduler", &["--no-nodes"]).await;
}

/// The kubelet would wait for it until its time is up.
#[tokio::test]
async fn a_controller_manager_that_dies_is_named() {
    a_start_fails_without("kube-controller-manager", &[]).await;
}
