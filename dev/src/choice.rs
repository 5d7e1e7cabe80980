//! Decides what the clusters are made of, and says why.
//! In: what the machine and the environment offer. Out: a [`Choice`] with its reasons. Starts nothing.

use std::{collections::BTreeMap, env, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::paths;

/// Existing clusters to use instead of our own: `hub=path,eu-west=path`.
pub const KUBECONFIGS: &str = "TRADEWIND_KUBECONFIGS";
/// A folder with `etcd` and `kube-apiserver`, as `setup-envtest` makes it.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Why nothing could be chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// An entry of `TRADEWIND_KUBECONFIGS` has no name or no path.
    #[error(
        "`{KUBECONFIGS}` has the entry `{entry}`: write `hub=/path/to/kubeconfig,eu-west=/path`"
    )]
    Entry {
        /// The entry.
        entry: String,
    },
    /// A cluster that is needed is not among the existing ones.
    #[error("`{KUBECONFIGS}` names no cluster `{cluster}`: add `{cluster}=/path/to/kubeconfig`")]
    Missing {
        /// The cluster.
        cluster: String,
    },
    /// The folder has no API server.
    #[error("`{ASSETS}` is {}, which has no `{program}`: run `setup-envtest use`, or unset it", dir.display())]
    Assets {
        /// The folder.
        dir: PathBuf,
        /// What it lacks.
        program: &'static str,
    },
}

/// What the clusters are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Machinery {
    /// Our own build of Kubernetes.
    Built,
    /// Somebody else's API server and etcd, in this folder.
    Assets(PathBuf),
    /// Clusters that run already, with an administrator's kubeconfig each.
    Existing(BTreeMap<String, PathBuf>),
}

impl Machinery {
    /// A `kubectl` that is there already: the assets' own, or the first on `PATH`. None where ours is used, or is to be built.
    pub(crate) fn kubectl(&self) -> Option<PathBuf> {
        let beside = match self {
            Self::Built => return None,
            Self::Assets(dir) => Some(dir.join("kubectl")).filter(|file| file.is_file()),
            Self::Existing(_) => None,
        };
        beside.or_else(|| paths::program("kubectl"))
    }
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What the clusters are made of.
    pub machinery: Machinery,
    /// Whether pods run.
    pub nodes: bool,
    /// Sentences for the person in front.
    pub why: Vec<String>,
}

/// What the choice depends on.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// `TRADEWIND_KUBECONFIGS`.
    pub kubeconfigs: Option<String>,
    /// `KUBEBUILDER_ASSETS`, with the names of the files in it.
    pub assets: Option<(PathBuf, Vec<String>)>,
    /// Whether we are root.
    pub root: bool,
}

impl Offer {
    /// What this machine and this environment offer.
    #[must_use]
    pub fn here() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let assets = set(ASSETS).map(|dir| {
            let files = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
            (PathBuf::from(&dir), names.collect())
        });
        Self {
            kubeconfigs: set(KUBECONFIGS),
            assets,
            root: nix::unistd::geteuid().is_root(),
        }
    }
}

/// Chooses for these clusters; `nodes` is whether pods are wanted at all.
pub fn choose(offer: &Offer, clusters: &[String], nodes: bool) -> Result<Choice, Error> {
    if let Some(list) = &offer.kubeconfigs {
        return existing(list, clusters);
    }
    if let Some((dir, files)) = &offer.assets {
        for program in ["etcd", "kube-apiserver"] {
            if !files.iter().any(|file| file == program) {
                return Err(Error::Assets {
                    dir: dir.clone(),
                    program,
                });
            }
        }
        return Ok(Choice {
            machinery: Machinery::Assets(dir.clone()),
            nodes: false,
            why: vec![format!(
                "`{ASSETS}` is set: API servers from {}, no nodes, so pods do not run (unset it for nodes)",
                dir.display()
            )],
        });
    }
    let why = match (nodes, offer.root) {
        (true, true) => "our own build of Kubernetes with a real node per cluster".to_owned(),
        (true, false) => {
            "our own build of Kubernetes, API only: nodes need root, so pods do not run \
             (for the whole, as root: `sudo env \"PATH=$PATH\" \"HOME=$HOME\" make up`)"
                .to_owned()
        }
        (false, _) => "our own build of Kubernetes, API only as asked".to_owned(),
    };
    Ok(Choice {
        machinery: Machinery::Built,
        nodes: nodes && offer.root,
        why: vec![why],
    })
}

fn existing(list: &str, clusters: &[String]) -> Result<Choice, Error> {
    let mut given = BTreeMap::new();
    for entry in list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        match entry.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                given.insert(name.to_owned(), PathBuf::from(path));
            }
            _ => {
                return Err(Error::Entry {
                    entry: entry.to_owned(),
                });
            }
        }
    }
    if let Some(missing) = clusters.iter().find(|name| !given.contains_key(*name)) {
        return Err(Error::Missing {
            cluster: missing.clone(),
        });
    }
    given.retain(|name, _| clusters.contains(name));
    Ok(Choice {
        why: vec![format!(
            "`{KUBECONFIGS}` is set: the existing clusters {}; nothing is started or stopped",
            given.keys().cloned().collect::<Vec<_>>().join(", ")
        )],
        machinery: Machinery::Existing(given),
        nodes: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters() -> Vec<String> {
        vec!["hub".into(), "eu-west".into()]
    }

    #[test]
    fn root_gets_nodes_and_others_are_told() {
        let root = Offer {
            root: true,
            ..Offer::default()
        };
        assert!(choose(&root, &clusters(), true).unwrap().nodes);
        let choice = choose(&Offer::default(), &clusters(), true).unwrap();
        assert!(!choice.nodes);
        assert!(choice.why[0].contains("need root"), "{:?}", choice.why);
    }

    #[test]
    fn assets_replace_the_api_server_and_end_nodes() {
        let offer = Offer {
            assets: Some(("/a".into(), vec!["etcd".into(), "kube-apiserver".into()])),
            root: true,
            ..Offer::default()
        };
        let choice = choose(&offer, &clusters(), true).unwrap();
        assert_eq!(choice.machinery, Machinery::Assets("/a".into()));
        assert!(!choice.nodes && choice.why[0].contains("no nodes"));
        let empty = Offer {
            assets: Some(("/a".into(), vec![])),
            ..offer
        };
        assert!(choose(&empty, &clusters(), true).is_err());
    }

    #[test]
    fn the_assets_own_kubectl_comes_first() {
        let assets = tempfile::tempdir().unwrap();
        let machinery = Machinery::Assets(assets.path().to_owned());
        assert_eq!(machinery.kubectl(), paths::program("kubectl"));
        let own = assets.path().join("kubectl");
        std::fs::write(&own, "").unwrap();
        assert_eq!(machinery.kubectl(), Some(own));
    }

    #[test]
    fn existing_clusters_come_first_and_must_be_all_there() {
        let offer = |list: &str| Offer {
            kubeconfigs: Some(list.into()),
            ..Offer::default()
        };
        let choice = choose(&offer("hub=/h, eu-west=/e, other=/o"), &clusters(), true).unwrap();
        let expected = BTreeMap::from([
            ("hub".to_owned(), PathBuf::from("/h")),
            ("eu-west".to_owned(), "/e".into()),
        ]);
        assert_eq!(choice.machinery, Machinery::Existing(expected));
        let missing = choose(&offer("hub=/h"), &clusters(), true).unwrap_err();
        assert_eq!(
            missing,
            Error::Missing {
                cluster: "eu-west".into()
            }
        );
        assert!(choose(&offer("hub"), &clusters(), true).is_err());
    }
}
