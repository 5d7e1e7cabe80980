//! A million items cost no more memory than ten thousand.
//!
//! The agent is built as it ships for this (profile `measured`): without optimisation a million items take minutes.
//! Measured is the peak of a control group that holds nothing but the agent: its own memory and the page cache
//! that it causes, as a pod's limit counts them. Where no group can be made, the test fails and says what mends it: the
//! process's own peak would leave the page cache out.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tradewind_dev::serve::merchant::Form;

use super::world::{Ended, World};

const FEW: u64 = 10_000;
const MANY: u64 = 1_000_000;
/// What a million may cost above ten thousand.
const ABOVE: u64 = 16 * 1024 * 1024;

/// A control group of one process.
struct Group {
    folder: PathBuf,
    /// The file that holds the peak, in bytes.
    peak: &'static str,
}

impl Group {
    /// A new group; the error says what mends it.
    fn new(root: &Path, name: &str) -> Result<Self, String> {
        let (root, peak) = memory_groups(root)?;
        let folder = root.join(format!("tradewind-{name}-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            format!(
                "cannot make the control group {} ({error}): run this as root, `sudo env \"PATH=$PATH\" \"HOME=$HOME\" make test`, \
                 and in a container with its own, writable control groups",
                folder.display()
            )
        })?;
        let group = Self { folder, peak };
        match fs::read_to_string(group.folder.join(peak)) {
            Ok(_) => Ok(group),
            Err(error) => Err(format!(
                "the control group {} has no {peak} ({error}): version 2 has it since Linux 5.19",
                group.folder.display()
            )),
        }
    }

    fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.peak)).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Where memory groups are made: version 1, or version 2 with the controller switched on.
fn memory_groups(root: &Path) -> Result<(PathBuf, &'static str), String> {
    let first = root.join("memory");
    if first.is_dir() {
        return Ok((first, "memory.max_usage_in_bytes"));
    }
    let switches = root.join("cgroup.subtree_control");
    let on = fs::read_to_string(&switches).unwrap_or_default();
    if on
        .split_whitespace()
        .any(|controller| controller == "memory")
    {
        return Ok((root.to_owned(), "memory.peak"));
    }
    Err(format!(
        "no control group counts memory here: as root, `echo +memory > {}`",
        switches.display()
    ))
}

/// The agent as it ships. Cargo itself knows whether there is anything to build.
async fn optimised() -> PathBuf {
    let built = tokio::task::spawn_blocking(|| {
        Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--profile",
                "measured",
                "--bin",
                "tradewind-agent",
            ])
            .args([
                "--no-default-features",
                "--features",
                "agent",
                "--message-format",
                "json",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap()
    });
    let output = built.await.unwrap();
    assert!(
        output.status.success(),
        "cargo build --profile measured failed"
    );
    let messages = String::from_utf8(output.stdout).unwrap();
    // One JSON message a line; one of them names the program.
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .unwrap()
}

/// Runs the agent in a group of its own and gives its peak.
async fn peak(world: &World, name: &str) -> (u64, Ended) {
    let group = Group::new(Path::new("/sys/fs/cgroup"), name).unwrap_or_else(|why| panic!("{why}"));
    let agent = world.command();
    let mut command = Command::new("sh");
    let enter = format!("echo $$ > {}/cgroup.procs", group.folder.display());
    // The shell enters the group and becomes the agent, so that the group never holds anything else for long.
    command
        .arg("-c")
        .arg(format!("{enter} && exec \"$0\" \"$@\""))
        .arg(agent.get_program())
        .args(agent.get_args())
        .process_group(0);
    let log = fs::File::create(world.dir.path().join("log")).unwrap();
    let child = command.stderr(log).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let watched = tokio::spawn(async move {
        let mut highest = 0;
        while let Some(peak) = high_water(&status) {
            highest = peak.max(highest);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        highest
    });
    let ended = world.wait(child).await;
    let own = watched.await.unwrap();
    println!(
        "{name}: group peak {} KiB, process peak {} KiB",
        group.peak() / 1024,
        own / 1024
    );
    (group.peak(), ended)
}

/// The most memory that the process ever had, in bytes.
fn high_water(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[test]
fn where_no_group_can_be_made_the_failure_says_what_mends_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let new = || Group::new(path, "none").err().unwrap();
    assert!(new().contains("echo +memory > "), "{}", new());
    fs::write(path.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
    assert!(new().contains("Linux 5.19"), "{}", new());
    // Version 1, and a folder in which none can be made.
    fs::write(path.join("cgroup.subtree_control"), "cpu\n").unwrap();
    std::os::unix::fs::symlink("/proc/self", path.join("memory")).unwrap();
    assert!(new().contains("run this as root"), "{}", new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_items_cost_no_more_memory_than_ten_thousand() {
    let mut world = World::new("memory", 100).await;
    world.agent = optimised().await;
    world.form(Form::Lines);
    // Once outside of any group, so that the program's own pages are charged to none.
    world.run().await.wrote();
    world.merchant.set_items(FEW);
    let (few, ended) = peak(&world, "few").await;
    ended.wrote();
    world.merchant.set_items(MANY);
    let began = Instant::now();
    let (many, ended) = peak(&world, "many").await;
    ended.wrote();
    println!(
        "{FEW} items: {} KiB; {MANY} items: {} KiB, in {} s",
        few / 1024,
        many / 1024,
        began.elapsed().as_secs()
    );
    let rejected = ended.report["body"]["rejected"].as_i64().unwrap();
    assert_eq!(u64::try_from(ended.items() + rejected).unwrap(), MANY);
    assert!(many <= few + ABOVE, "{many} bytes after {few}");
}
