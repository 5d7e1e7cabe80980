//! The packs in force: those that this release ships, or a ConfigMap's when it is sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;
use kube::{Api, Client};
use tokio::sync::watch;

use super::signed::{self, Refused};
use crate::clusters::{Limits, Sink};
use crate::evidence::KeyId;
use crate::metrics::Metrics;
use crate::packs::{Dates, Error, Older, Packs, older};

/// The packs in force, and what is wrong with those that were to replace them.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The packs.
    pub packs: Arc<Packs>,
    /// Why the ConfigMap's are not in force, with the line; none when they are, or when there is no ConfigMap.
    pub problem: Option<String>,
    /// False until the ConfigMap has been looked for once.
    pub known: bool,
    /// As of when the newest packs were that were in force since the process began.
    pub newest: Dates,
}

impl InForce {
    /// The release's own.
    fn builtin(packs: &Arc<Packs>, known: bool) -> Self {
        Self {
            packs: packs.clone(),
            problem: None,
            known,
            newest: Dates::of(packs),
        }
    }
}

/// The built-in packs, for good.
pub fn builtin() -> Result<watch::Receiver<InForce>, Error> {
    let builtin = Arc::new(Packs::builtin()?);
    let (_, packs) = watch::channel(InForce::builtin(&builtin, true));
    Ok(packs)
}

/// Where the packs' ConfigMap is.
pub struct Place<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whose signature a pack must bear; anybody's pack is taken where nobody is named.
    pub trust: &'a [KeyId],
    /// Whether a signed pack may be older than one that was in force.
    pub may_go_back: bool,
}

/// Follows a ConfigMap, and says whether it can be read. The built-in packs are in force while it isn't there; while it is
/// unsound or cannot be read, those that were in force stay.
pub fn follow(
    client: Client,
    place: &Place<'_>,
    limits: &Limits,
    metrics: &Metrics,
) -> Result<(watch::Receiver<InForce>, watch::Receiver<bool>), Error> {
    let builtin = Arc::new(Packs::builtin()?);
    let (tell, packs) = watch::channel(InForce::builtin(&builtin, false));
    let (readable, is_readable) = watch::channel(false);
    let sink = Replacing {
        builtin,
        asks: Asks {
            name: place.name.to_owned(),
            trust: place.trust.to_vec(),
            may_go_back: place.may_go_back,
        },
        listed: None,
        tell,
        readable,
    };
    let field = format!("metadata.name={}", place.name);
    tokio::spawn(crate::clusters::follow(
        Api::namespaced(client, place.namespace),
        limits.watch().fields(&field),
        limits.silence(),
        Arc::new(metrics.watch("hub", "ConfigMap", Some(place.namespace))),
        sink,
    ));
    Ok((packs, is_readable))
}

/// What is asked of the ConfigMap.
struct Asks {
    name: String,
    trust: Vec<KeyId>,
    may_go_back: bool,
}

/// Puts what the ConfigMap says into force.
struct Replacing {
    builtin: Arc<Packs>,
    asks: Asks,
    /// What the list that is being read has shown so far.
    listed: Option<ConfigMap>,
    tell: watch::Sender<InForce>,
    readable: watch::Sender<bool>,
}

impl Replacing {
    /// A list that is read again and says the same wakes nobody.
    fn put(&self, map: Option<&ConfigMap>) {
        self.tell.send_if_modified(|now| {
            let next = next(now, map, (&self.builtin, &self.asks));
            let differs = !now.known || now.problem != next.problem || now.packs != next.packs;
            *now = next;
            differs
        });
    }
}

impl Sink<ConfigMap> for Replacing {
    fn take(&mut self, event: Event<ConfigMap>) {
        match event {
            Event::Init => self.listed = None,
            Event::InitApply(map) => self.listed = Some(map),
            Event::InitDone => {
                let listed = self.listed.take();
                self.put(listed.as_ref());
                self.readable.send_replace(true);
            }
            Event::Apply(map) => self.put(Some(&map)),
            Event::Delete(_) => self.put(None),
        }
    }

    fn forbidden(&mut self, message: String) {
        tracing::error!(message, "the hub forbids the watch of the packs' ConfigMap");
        self.readable.send_replace(false);
    }
}

/// What is in force once the ConfigMap is as it is now.
fn next(now: &InForce, map: Option<&ConfigMap>, (builtin, asks): (&Arc<Packs>, &Asks)) -> InForce {
    let Some(map) = map else {
        return InForce {
            newest: now.newest,
            ..InForce::builtin(builtin, true)
        };
    };
    match load(map.data.as_ref(), now.newest, asks) {
        Ok(packs) => InForce {
            newest: now.newest.latest(Dates::of(&packs)),
            packs: Arc::new(packs),
            problem: None,
            known: true,
        },
        Err(error) => InForce {
            packs: now.packs.clone(),
            problem: Some(chain(&error)),
            known: true,
            newest: now.newest,
        },
    }
}

/// A ConfigMap may replace one pack and leave the other.
fn load(
    data: Option<&BTreeMap<String, String>>,
    newest: Dates,
    asks: &Asks,
) -> Result<Packs, Refused> {
    let nothing = BTreeMap::new();
    let packs = signed::load(data.unwrap_or(&nothing), (&asks.name, &asks.trust))?;
    match older(&packs, newest).filter(|_| !asks.may_go_back) {
        None => Ok(packs),
        Some(Older { file, is_of, than }) => Err(Refused::Older {
            map: asks.name.clone(),
            file,
            is_of,
            than,
        }),
    }
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
    use crate::evidence::{PackSignature, Signer};
    use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, PLATFORMS_KEY, REGIMES_KEY};

    fn asks() -> Asks {
        Asks {
            name: "house-packs".to_owned(),
            trust: Vec::new(),
            may_go_back: false,
        }
    }

    /// The regime pack as of a day, signed.
    fn dated(signer: &Signer, day: &str) -> ConfigMap {
        let text = BUILTIN_REGIMES.replacen("asOf: 2026-11-22", &format!("asOf: {day}"), 1);
        let line = PackSignature::sign(signer, REGIMES_KEY, &text).to_string();
        let data = [
            (REGIMES_KEY.to_owned(), text),
            ("regimes.yaml.sig".to_owned(), line),
        ];
        ConfigMap {
            data: Some(data.into()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn an_older_signed_pack_is_not_taken_unless_packs_may_go_back() {
        let builtin = Arc::new(Packs::builtin().unwrap());
        let signer = Signer::new(&[7; 32]);
        let mut asks = Asks {
            trust: vec![signer.key()],
            ..asks()
        };
        let step =
            |now: &InForce, map: Option<&ConfigMap>, asks: &Asks| next(now, map, (&builtin, asks));
        let first = InForce::builtin(&builtin, false);
        let (older, newer) = (dated(&signer, "2026-12-01"), dated(&signer, "2027-02-01"));
        let taken = step(&first, Some(&newer), &asks);
        assert_eq!(taken.problem, None);
        let back = step(&taken, Some(&older), &asks);
        let why = back.problem.clone().unwrap();
        assert!(
            why.contains("regimes.yaml is as of 2026-12-01, and one as of 2027-02-01"),
            "{why}"
        );
        assert_eq!(back.packs, taken.packs);
        // Not by way of a ConfigMap that was deleted either.
        let gone = step(&back, None, &asks);
        assert_eq!(gone.packs, builtin);
        assert!(step(&gone, Some(&older), &asks).problem.is_some());
        assert!(step(&gone, Some(&newer), &asks).problem.is_none());
        // Older than the release's own.
        let stale = dated(&signer, "2026-11-21");
        assert!(step(&first, Some(&stale), &asks).problem.is_some());
        asks.may_go_back = true;
        assert_eq!(step(&taken, Some(&older), &asks).problem, None);
    }

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
        let now = InForce::builtin(&builtin, false);
        let broken = next(&now, Some(&map("platforms: [")), (&builtin, &asks()));
        assert_eq!(broken.packs, builtin);
        let problem = broken.problem.clone().unwrap();
        assert!(
            problem.contains("platforms.yaml") && problem.contains("line"),
            "{problem}"
        );
        let mended = next(&broken, Some(&map(BUILTIN_PLATFORMS)), (&builtin, &asks()));
        assert!(mended.problem.is_none());
        let gone = next(&broken, None, (&builtin, &asks()));
        assert!(gone.problem.is_none() && gone.known);
    }

    #[test]
    fn a_config_map_that_may_not_be_read_changes_nothing_and_is_waited_for() {
        let builtin = Arc::new(Packs::builtin().unwrap());
        let first = InForce::builtin(&builtin, false);
        let (tell, mut packs) = watch::channel(first);
        let (readable, is_readable) = watch::channel(false);
        let mut sink = Replacing {
            builtin,
            asks: asks(),
            listed: None,
            tell,
            readable,
        };
        sink.forbidden("no".to_owned());
        assert!(!*is_readable.borrow() && !packs.borrow_and_update().known);
        for event in [
            Event::Init,
            Event::InitApply(map("platforms: [")),
            Event::InitDone,
        ] {
            sink.take(event);
        }
        assert!(*is_readable.borrow() && packs.has_changed().unwrap());
        assert!(packs.borrow_and_update().problem.is_some());
        for event in [
            Event::Init,
            Event::InitApply(map("platforms: [")),
            Event::InitDone,
        ] {
            sink.take(event);
        }
        assert!(!packs.has_changed().unwrap(), "the same again is no news");
        sink.forbidden("no".to_owned());
        assert!(!*is_readable.borrow() && packs.borrow().known);
    }
}
