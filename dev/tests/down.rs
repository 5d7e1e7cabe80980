//! `dev down`, on fleets of which nothing but the record is there.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its world is not as it should be"
)]

#[path = "fleet/record.rs"]
mod record;

use std::{path::Path, process::Command};

use record::record;

#[test]
fn one_that_cannot_be_stopped_does_not_keep_the_others() {
    let base = tempfile::tempdir().unwrap();
    // The sweep refuses to sweep nowhere.
    record(base.path(), "broken", Path::new(""), false);
    record(base.path(), "good", &base.path().join("good"), false);
    let done = Command::new(env!("CARGO_BIN_EXE_dev"))
        .args(["down", "--all"])
        .env("TRADEWIND_RUN", base.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success(), "{said}");
    assert!(said.contains("cannot stop the fleet `broken`"), "{said}");
    assert!(said.contains("stopped good"), "{said}");
    assert!(!base.path().join("good").exists());
}
