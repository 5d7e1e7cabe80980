//! The packs in force: those that this release ships, or a ConfigMap's when it is sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;

use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Error, PLATFORMS_KEY, Packs, REGIMES_KEY};

/// The packs in force, and what is wrong with those that were to replace them.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The packs.
    pub packs: Arc<Packs>,
    /// Why the ConfigMap's are not in force, with the line; none when they are, or when there is no ConfigMap.
    pub problem: Option<String>,
    /// False until the ConfigMap has been looked for once.
    pub known: bool,
}

/// The built-in packs, for good.
pub fn builtin() -> Result<watch::Receiver<InForce>, Error> {
    let (_, packs) = watch::channel(InForce {
        packs: Arc::new(Packs::builtin()?),
        problem: None,
        known: true,
    });
    Ok(packs)
}

/// Follows the ConfigMap `namespace/name`. The built-in packs are in force while it isn't there; while it is unsound,
/// those that were in force stay.
pub fn follow(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<watch::Receiver<InForce>, Error> {
    let builtin = Arc::new(Packs::builtin()?);
    let (tell, packs) = watch::channel(InForce {
        packs: builtin.clone(),
        problem: None,
        known: false,
    });
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        let mut listed = None;
        loop {
            let map = tokio::select! {
                () = tell.closed() => return,
                event = events.next() => match event {
                    Some(Ok(watcher::Event::Init)) => { listed = None; continue }
                    Some(Ok(watcher::Event::InitApply(map))) => { listed = Some(map); continue }
                    Some(Ok(watcher::Event::InitDone)) => listed.take(),
                    Some(Ok(watcher::Event::Apply(map))) => Some(map),
                    Some(Ok(watcher::Event::Delete(_))) => None,
                    Some(Err(_)) => continue,
                    None => return,
                }
            };
            tell.send_modify(|now| *now = next(now, map.as_ref(), &builtin));
        }
    });
    Ok(packs)
}

/// What is in force once the ConfigMap is as it is now.
fn next(now: &InForce, map: Option<&ConfigMap>, builtin: &Arc<Packs>) -> InForce {
    let Some(map) = map else {
        return InForce {
            packs: builtin.clone(),
            problem: None,
            known: true,
        };
    };
    match load(map.data.as_ref()) {
        Ok(packs) => InForce {
            packs: Arc::new(packs),
            problem: None,
            known: true,
        },
        Err(error) => InForce {
            packs: now.packs.clone(),
            problem: Some(chain(&error)),
            known: true,
        },
    }
}

/// A ConfigMap may replace one pack and leave the other.
fn load(data: Option<&BTreeMap<String, String>>) -> Result<Packs, Error> {
    let text = |key: &str, builtin: &'static str| {
        let found = data.and_then(|d| d.get(key));
        found.map_or(builtin, String::as_str).to_owned()
    };
    Packs::load(
        &text(PLATFORMS_KEY, BUILTIN_PLATFORMS),
        &text(REGIMES_KEY, BUILTIN_REGIMES),
    )
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.chars().take(900).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(platforms: &str) -> ConfigMap {
        ConfigMap {
            data: Some(BTreeMap::from([(
                PLATFORMS_KEY.to_owned(),
                platforms.to_owned(),
            )])),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn an_unsound_pack_changes_nothing_and_says_where() {
        let builtin = Arc::new(Packs::builtin().unwrap());
        let now = InForce {
            packs: builtin.clone(),
            problem: None,
            known: false,
        };
        let broken = next(&now, Some(&map("platforms: [")), &builtin);
        assert_eq!(broken.packs, builtin);
        let problem = broken.problem.clone().unwrap();
        assert!(
            problem.contains("platforms.yaml") && problem.contains("line"),
            "{problem}"
        );
        let mended = next(&broken, Some(&map(BUILTIN_PLATFORMS)), &builtin);
        assert!(mended.problem.is_none());
        let gone = next(&broken, None, &builtin);
        assert!(gone.problem.is_none() && gone.known);
    }
}
