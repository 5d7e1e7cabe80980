//! Where things are kept outside the checkout.

use std::{env, path::PathBuf};

/// Built programs: `$TRADEWIND_CACHE`, or `~/.cache/tradewind`.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    match env::var_os("TRADEWIND_CACHE") {
        Some(dir) if !dir.is_empty() => Some(dir.into()),
        _ => env::home_dir().map(|home| home.join(".cache/tradewind")),
    }
}

/// Running fleets, a folder each: `$TRADEWIND_RUN`, or `/tmp/tradewind-<uid>`.
///
/// Not under `/run`, `/var/lib` or `/var/log`: a node hides the machine's own behind its own. Short, because the
/// path of a Unix socket has 108 bytes.
#[must_use]
pub fn run() -> PathBuf {
    match env::var_os("TRADEWIND_RUN") {
        Some(dir) if !dir.is_empty() => dir.into(),
        _ => format!("/tmp/tradewind-{}", nix::unistd::getuid()).into(),
    }
}

/// The first program of this name on `PATH`, or where Debian keeps programs for root.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
