//! A million items cost no more memory than ten thousand.
//!
//! Measured is the peak of a control group that holds nothing but the agent: its own memory and the page cache
//! that it causes, as a pod's limit counts them. Where no group can be made (no root), the process's own peak is
//! taken instead, which leaves the page cache out, and the test says so.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tradewind_dev::serve::merchant::Form;

use super::world::{Ended, World};

const FEW: u64 = 10_000;
const MANY: u64 = 50_000;
/// What a million may cost above ten thousand.
const ABOVE: u64 = 16 * 1024 * 1024;

/// A control group of one process.
struct Group {
    folder: PathBuf,
    /// The file that holds the peak, in bytes.
    peak: &'static str,
}

impl Group {
    /// A new group below our own; none where we may not make one.
    fn new(name: &str) -> Option<Self> {
        let (root, peak) = memory_groups()?;
        let folder = root.join(format!("tradewind-{name}-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, peak };
        fs::read_to_string(group.folder.join(peak)).ok()?;
        Some(group)
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
fn memory_groups() -> Option<(PathBuf, &'static str)> {
    let first = Path::new("/sys/fs/cgroup/memory");
    if first.is_dir() {
        return Some((first.to_owned(), "memory.max_usage_in_bytes"));
    }
    let second = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_to_string(second.join("cgroup.subtree_control")).ok()?;
    controllers
        .split_whitespace()
        .any(|controller| controller == "memory")
        .then(|| (second.to_owned(), "memory.peak"))
}

/// Runs the agent in a group of its own and gives its peak.
async fn peak(world: &World, name: &str) -> (u64, Ended) {
    let group = Group::new(name);
    let agent = world.command();
    let mut command = Command::new("sh");
    let enter = group.as_ref().map_or(String::new(), |group| {
        format!("echo $$ > {}/cgroup.procs && ", group.folder.display())
    });
    // The shell enters the group and becomes the agent; without a group, GNU time would be one more thing to
    // install, so the agent's own high-water mark is read while it runs.
    command
        .arg("-c")
        .arg(format!("{enter}exec \"$0\" \"$@\""))
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
    let Some(group) = group else {
        println!("no control group can be made here: the process's own peak is measured");
        return (own, ended);
    };
    println!("{name}: group peak {} KiB, process peak {} KiB", group.peak() / 1024, own / 1024);
    (group.peak(), ended)
}

/// The most memory that the process ever had, in bytes.
fn high_water(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_items_cost_no_more_memory_than_ten_thousand() {
    let mut world = World::new("memory", 100).await;
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
    assert_eq!(ended.items() + ended.report["body"]["rejected"].as_i64().unwrap(), 50_000);
    assert!(many <= few + ABOVE, "{many} bytes after {few}");
}
