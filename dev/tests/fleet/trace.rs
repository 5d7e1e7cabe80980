//! What a running fleet has on the machine, seen from outside it, and whether all of that is gone.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;
use tradewind_dev::{fleet::Fleet, process::Identity};

/// Taken while the fleet runs.
pub(crate) struct Trace {
    dir: PathBuf,
    slot: u64,
    /// Network and mount namespaces other than ours.
    namespaces: BTreeSet<PathBuf>,
    interfaces: BTreeSet<String>,
}

impl Trace {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let record = fs::read(fleet.dir().join("fleet.json")).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        let slot = record["slot"].as_u64().unwrap();
        let mut trace = Self {
            dir: fleet.dir().to_owned(),
            slot,
            namespaces: BTreeSet::new(),
            interfaces: BTreeSet::new(),
        };
        trace.interfaces = trace.routed_interfaces();
        let own = [namespace("self", "net"), namespace("self", "mnt")];
        trace.namespaces = trace
            .processes()
            .iter()
            .flat_map(|pid| [namespace(pid, "net"), namespace(pid, "mnt")])
            .flatten()
            .filter(|found| !own.contains(&Some(found.clone())))
            .collect();
        assert!(
            !trace.processes().is_empty(),
            "a running fleet has processes"
        );
        trace
    }

    /// Whether the trace holds a pod's network: its interface and its namespace.
    pub(crate) fn saw_pods(&self) -> bool {
        self.interfaces.iter().any(|name| name.starts_with("veth"))
            && self
                .namespaces
                .iter()
                .any(|link| link.to_string_lossy().starts_with("net:"))
    }

    pub(crate) fn assert_gone(&self) {
        let alive: Vec<String> = self.processes().iter().map(|pid| described(pid)).collect();
        assert!(alive.is_empty(), "processes: {alive:#?}");
        assert!(!self.dir.exists(), "{} is left", self.dir.display());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(&*self.dir.to_string_lossy()),
            "mounts:\n{mounts}"
        );
        let held: Vec<PathBuf> = pids()
            .iter()
            .flat_map(|pid| [namespace(pid, "net"), namespace(pid, "mnt")])
            .flatten()
            .filter(|found| self.namespaces.contains(found))
            .collect();
        assert_eq!(held, Vec::<PathBuf>::new(), "namespaces");
        assert_eq!(self.routed_interfaces(), BTreeSet::new(), "interfaces");
        let left = run("ip", &["-br", "link"]);
        for interface in &self.interfaces {
            assert!(
                !left.lines().any(|line| line.starts_with(interface)),
                "{interface} is left"
            );
        }
        let cgroups = run(
            "find",
            &[
                "/sys/fs/cgroup",
                "-name",
                &format!("tradewind-{}", self.slot),
            ],
        );
        assert_eq!(cgroups, "", "cgroups");
    }

    /// By command line, environment or cgroup: not by the same single mark that the sweep goes by.
    fn processes(&self) -> BTreeSet<String> {
        let dir = self.dir.to_string_lossy().into_owned();
        let cgroup = format!("/tradewind-{}/", self.slot);
        let own = std::process::id().to_string();
        pids()
            .into_iter()
            // One that has ended and waits for the machine's init to notice still names its cgroup.
            .filter(|pid| *pid != own && pid.parse().ok().and_then(Identity::of).is_some())
            .filter(|pid| {
                let has = |file: &str, what: &str| {
                    let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                    String::from_utf8_lossy(&content).contains(what)
                };
                // The watcher of an owned fleet, and its `cat`, end a moment after the fleet itself.
                let watches = has("cmdline", "What belongs to a fleet is found by its marks");
                let is_ours = has("environ", &format!("{dir}\0"))
                    || has("cmdline", &format!("{dir}/"))
                    || (self.has_nodes() && has("cgroup", &cgroup));
                is_ours && !watches
            })
            .collect()
    }

    fn has_nodes(&self) -> bool {
        self.interfaces.contains(&format!("tw{}", self.slot))
    }

    /// Interfaces that lead to the fleet's network, its bridge among them.
    fn routed_interfaces(&self) -> BTreeSet<String> {
        let network = format!("10.{}.", 160 + self.slot);
        let routes = run("ip", &["-4", "route", "show", "table", "all"]);
        let ours = routes.lines().filter(|route| route.contains(&network));
        ours.filter_map(|route| route.split(" dev ").nth(1)?.split_whitespace().next())
            .map(str::to_owned)
            .collect()
    }
}

fn pids() -> BTreeSet<String> {
    let names = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.chars().all(|c| c.is_ascii_digit()))
        .collect()
}

fn described(pid: &str) -> String {
    let read = |file: &str| {
        let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&content).replace('\0', " ")
    };
    format!("{pid}: {} in {}", read("cmdline"), read("cgroup"))
}

fn namespace(pid: &str, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
