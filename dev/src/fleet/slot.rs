//! Numbers that are a fleet's own: addresses, ports, interface and cgroup names.
//! In: the slots that are taken. Out: a [`Slot`]; all else follows from its number, so two fleets cannot clash.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

use super::record::Record;

/// Fleets side by side on one machine.
const SLOTS: u8 = 32;
/// The second octet of slot 0: slot n owns 10.(160+n).0.0/16.
const FIRST_NETWORK: u8 = 160;
/// The first port of slot 0, below the range that the kernel hands out to clients.
const FIRST_PORT: u16 = 20_000;
/// Ports of a slot.
const PORTS: u16 = 100;
/// Ports of a cluster.
const PORTS_OF_CLUSTER: u16 = 5;
/// Clusters of a fleet, the hub included.
pub(super) const CLUSTERS: usize = 16;

/// Why there is no slot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lock file cannot be used.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// All are taken.
    #[error(
        "no room for another fleet: all {SLOTS} networks or port ranges are in use (`dev status` lists the fleets)"
    )]
    Full,
}

/// A fleet's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(u8);

/// One of a cluster's own ports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Port {
    ApiServer,
    Etcd,
    EtcdPeer,
    Kubelet,
}

impl Slot {
    /// The number.
    pub(super) fn number(self) -> u8 {
        self.0
    }

    fn network(self) -> u8 {
        FIRST_NETWORK + self.0
    }

    /// The address of the host that pods of all clusters reach; outside every pod network.
    pub(super) fn host_address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network(), 255, 1)
    }

    /// The pods of the n-th cluster.
    pub(super) fn pod_network(self, cluster: usize) -> String {
        format!("10.{}.{cluster}.0/24", self.network())
    }

    /// The bridge that carries the host address.
    pub(super) fn bridge(self) -> String {
        format!("tw{}", self.0)
    }

    /// The cgroup that all pods are under.
    pub(super) fn cgroup(self) -> String {
        format!("tradewind-{}", self.0)
    }

    pub(super) fn port(self, cluster: usize, port: Port) -> u16 {
        let cluster = u16::try_from(cluster).unwrap_or_default();
        let within = match port {
            Port::ApiServer => 0,
            Port::Etcd => 1,
            Port::EtcdPeer => 2,
            Port::Kubelet => 3,
        };
        FIRST_PORT + u16::from(self.0) * PORTS + cluster * PORTS_OF_CLUSTER + within
    }

    fn ports_are_free(self) -> bool {
        let first = self.port(0, Port::ApiServer);
        (first..first + PORTS).all(|port| {
            TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).is_ok()
        })
    }

    /// Creates the bridge; the kernel refuses a second of the same name, which makes this the claim.
    fn claim_network(self) -> bool {
        let ip = |args: &[&str]| {
            Command::new("ip")
                .args(args)
                .output()
                .ok()
                .filter(|done| done.status.success())
                .map(|done| String::from_utf8_lossy(&done.stdout).into_owned())
        };
        let mine = format!("10.{}.", self.network());
        if ip(&["-4", "route", "show"]).is_none_or(|routes| routes.contains(&mine)) {
            return false;
        }
        let bridge = self.bridge();
        let address = format!("{}/32", self.host_address());
        ip(&["link", "add", &bridge, "type", "bridge"]).is_some()
            && ip(&["address", "add", &address, "dev", &bridge]).is_some()
            && ip(&["link", "set", &bridge, "up"]).is_some()
    }
}

/// Held while a slot is chosen and its fleet is recorded.
pub(super) struct Claim {
    _lock: File,
}

/// One chooser at a time.
pub(super) fn lock(base: &Path) -> Result<Claim, Error> {
    let path = base.join("slots.lock");
    let lock = std::fs::create_dir_all(base)
        .and_then(|()| File::create(&path))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|source| Error::Lock { path, source })?;
    Ok(Claim { _lock: lock })
}

/// The first slot that no recorded fleet has and whose ports and network are free.
pub(super) fn choose(_claim: &Claim, recorded: &[Record], nodes: bool) -> Result<Slot, Error> {
    (0..SLOTS)
        .map(Slot)
        .filter(|slot| recorded.iter().all(|fleet| fleet.slot != *slot))
        .find(|slot| slot.ports_are_free() && (!nodes || slot.claim_network()))
        .ok_or(Error::Full)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_clusters_of_any_two_fleets_share_a_number() {
        let mut ports = BTreeSet::new();
        let mut networks = BTreeSet::new();
        for slot in (0..SLOTS).map(Slot) {
            for cluster in 0..CLUSTERS {
                for port in [Port::ApiServer, Port::Etcd, Port::EtcdPeer, Port::Kubelet] {
                    assert!(ports.insert(slot.port(cluster, port)));
                }
                assert!(networks.insert(slot.pod_network(cluster)));
            }
        }
        let highest = ports.last().copied().unwrap();
        assert!(
            highest < 32_768,
            "{highest} is a port that the kernel gives to clients"
        );
    }
}
