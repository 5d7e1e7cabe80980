//! What a fleet shall be.

use std::collections::BTreeSet;

use super::{Error, HUB, slot::CLUSTERS};

/// Who ends a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It outlives the command that starts it, until `dev down`.
    UntilStopped,
    /// It ends with the [`Fleet`](super::Fleet) value or with this process, whichever ends first: for tests.
    Owned,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct FleetSpec {
    /// The fleet's name; unique among those that run.
    pub name: String,
    /// The regional clusters; the hub comes on top.
    pub regions: Vec<String>,
    /// Whether each cluster gets a real node; without, the API only.
    pub nodes: bool,
    /// Who ends it.
    pub lifetime: Lifetime,
}

impl FleetSpec {
    /// A hub and these regions with nodes, until stopped.
    #[must_use]
    pub fn new(name: &str, regions: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            nodes: true,
            lifetime: Lifetime::UntilStopped,
        }
    }

    /// The same for a test: ends with it, and its name is made unique by the process id.
    #[must_use]
    pub fn for_test(name: &str, regions: &[&str]) -> Self {
        Self {
            lifetime: Lifetime::Owned,
            ..Self::new(&format!("{name}-{}", std::process::id()), regions)
        }
    }

    /// API only: quicker, when no pod must run.
    #[must_use]
    pub fn without_nodes(mut self) -> Self {
        self.nodes = false;
        self
    }

    /// All clusters' names, the hub first.
    pub(super) fn clusters(&self) -> Result<Vec<String>, Error> {
        check_name(&self.name, "fleet")?;
        let clusters: Vec<String> = [HUB.to_owned()]
            .into_iter()
            .chain(self.regions.iter().cloned())
            .collect();
        let mut seen = BTreeSet::new();
        for name in &clusters {
            check_name(name, "cluster")?;
            if !seen.insert(name) {
                return Err(Error::Twice { name: name.clone() });
            }
        }
        if clusters.len() > CLUSTERS {
            return Err(Error::TooMany { limit: CLUSTERS });
        }
        Ok(clusters)
    }
}

/// The name becomes a folder, a node and a host name.
fn check_name(name: &str, what: &'static str) -> Result<(), Error> {
    let good = (1..=40).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if good {
        Ok(())
    } else {
        Err(Error::Name {
            name: name.to_owned(),
            what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_comes_first_and_only_once() {
        let names = FleetSpec::new("try", &["eu-west"]).clusters().unwrap();
        assert_eq!(names, ["hub", "eu-west"]);
        assert!(matches!(
            FleetSpec::new("try", &["hub"]).clusters(),
            Err(Error::Twice { .. })
        ));
    }

    #[test]
    fn names_that_would_escape_the_run_directory_are_refused() {
        for name in ["", "..", "a/b", "A", "-a", "a-", "1a"] {
            let spec = FleetSpec::new(name, &[]);
            assert!(matches!(spec.clusters(), Err(Error::Name { .. })), "{name}");
        }
    }
}
