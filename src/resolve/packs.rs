//! The packs in force: those that this release ships, or where a ConfigMap is named, its own.
//!
//! A house that names a ConfigMap says that its law is in there. While it isn't there, or is unsound, nobody knows what the
//! house would say: the release's own numbers may be shorter, and what goes by them does not come back. So after a start
//! nothing is planned until it has been read once, and later what was in force stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;
use kube::{Api, Client};
use tokio::sync::watch;

use super::signed::{self, Refused};
use crate::clusters::{Limits, Sink};
use crate::evidence::KeyId;
use crate::metrics::Metrics;
use crate::packs::{Dates, Error, Older, PLATFORMS_KEY, Packs, REGIMES_KEY, older};

/// The packs in force, and what is wrong with those that were to replace them.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The packs.
    pub packs: Arc<Packs>,
    /// Why what the ConfigMap says now is not in force, with the line; none when it is, or when no ConfigMap is named.
    pub problem: Option<String>,
    /// False until what the named ConfigMap says has been in force once: nothing may be planned by these packs.
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
    /// What time it is.
    pub clock: fn() -> Timestamp,
}

/// Follows a ConfigMap, and says whether it can be read. While it isn't there, is unsound or cannot be read, those that were
/// in force stay, and before any were, none are known.
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
            clock: place.clock,
        },
        listed: None,
        tell,
        readable,
        metrics: metrics.clone(),
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
    clock: fn() -> Timestamp,
}

/// Puts what the ConfigMap says into force.
struct Replacing {
    builtin: Arc<Packs>,
    asks: Asks,
    /// What the list that is being read has shown so far.
    listed: Option<ConfigMap>,
    tell: watch::Sender<InForce>,
    readable: watch::Sender<bool>,
    metrics: Metrics,
}

impl Replacing {
    /// A list that is read again and says the same wakes nobody.
    fn put(&self, map: Option<&ConfigMap>) {
        self.tell.send_if_modified(|now| {
            let next = next(now, map, (&self.builtin, &self.asks));
            self.metrics.packs(next.known, next.problem.is_some());
            let differs =
                now.known != next.known || now.problem != next.problem || now.packs != next.packs;
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
    let data = map.map(|map| map.data.clone().unwrap_or_default());
    match load(data.as_ref(), now, (builtin, asks)) {
        Ok(packs) => InForce {
            newest: now.newest.latest(Dates::of(&packs)),
            packs: Arc::new(packs),
            problem: None,
            known: true,
        },
        Err(error) => InForce {
            packs: now.packs.clone(),
            problem: Some(chain(&error).chars().take(900).collect()),
            known: now.known,
            newest: now.newest,
        },
    }
}

/// A ConfigMap may replace one pack and leave the other; one that replaced it goes on replacing it.
fn load(
    data: Option<&BTreeMap<String, String>>,
    now: &InForce,
    (builtin, asks): (&Packs, &Asks),
) -> Result<Packs, Refused> {
    let map = || asks.name.clone();
    let data = data.ok_or_else(|| Refused::Missing { map: map() })?;
    let (own, its) = (&now.packs.hashes, &builtin.hashes);
    let all = [
        (PLATFORMS_KEY, own.platforms != its.platforms),
        (REGIMES_KEY, own.regimes != its.regimes),
    ];
    let here = |file: &str| data.contains_key(file);
    if let Some((file, _)) = all.into_iter().find(|(file, is)| *is && !here(file)) {
        return Err(Refused::Gone { map: map(), file });
    }
    if !all.iter().any(|(file, _)| here(file)) {
        return Err(Refused::Empty { map: map() });
    }
    let packs = signed::load(data, (&asks.name, &asks.trust))?;
    // Whoever's clock is behind by a zone is not refused.
    let today = TimeZone::UTC.to_datetime((asks.clock)()).date();
    let latest = today.saturating_add(1.day());
    let is_of = Dates::of(&packs);
    let days = [
        (PLATFORMS_KEY, is_of.platforms),
        (REGIMES_KEY, is_of.regimes),
    ];
    let mut coming = days
        .into_iter()
        .filter(|(file, day)| here(file) && *day > latest);
    if let Some((file, is_of)) = coming.next() {
        return Err(Refused::ToCome {
            map: map(),
            file,
            is_of,
        });
    }
    match older(&packs, now.newest).filter(|_| !asks.may_go_back) {
        None => Ok(packs),
        Some(Older { file, is_of, than }) => Err(Refused::Older {
            map: map(),
            file,
            is_of,
            than,
        }),
    }
}

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{PackSignature, Signer};
    use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES};

    fn asks() -> Asks {
        Asks {
            name: "house-packs".to_owned(),
            trust: Vec::new(),
            may_go_back: false,
            clock: || "2027-03-01T12:00:00Z".parse().unwrap(),
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
        assert_eq!(gone.packs, taken.packs);
        assert!(step(&gone, Some(&older), &asks).problem.is_some());
        assert!(step(&gone, Some(&newer), &asks).problem.is_none());
        // Older than the release's own, after an upgrade: nothing is planned by another's numbers until somebody has looked.
        let stale = dated(&signer, "2026-11-21");
        let stale = step(&first, Some(&stale), &asks);
        assert!(stale.problem.is_some() && !stale.known);
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

    /// It would be newer than every pack of the house until that day.
    #[test]
    fn a_pack_of_a_day_to_come_is_not_taken() {
        let builtin = Arc::new(Packs::builtin().unwrap());
        let signer = Signer::new(&[7; 32]);
        let first = InForce::builtin(&builtin, false);
        for (day, is_taken) in [("2027-03-02", true), ("2027-03-03", false)] {
            let next = next(&first, Some(&dated(&signer, day)), (&builtin, &asks()));
            assert_eq!((next.problem.is_none(), next.known), (is_taken, is_taken));
            let why = next.problem.unwrap_or_default();
            assert_eq!(
                why.contains("regimes.yaml is as of 2027-03-03, a day to come"),
                !is_taken
            );
        }
    }

    #[test]
    fn what_the_house_said_stays_until_it_says_something_else() {
        let builtin = Arc::new(Packs::builtin().unwrap());
        let both = (&builtin, &asks());
        let first = InForce::builtin(&builtin, false);
        // After a start nobody knows what the house says: nothing is planned.
        let nothing = next(&first, None, both);
        assert!(!nothing.known);
        let why = nothing.problem.clone().unwrap();
        assert!(
            why.contains("house-packs is not there") && why.contains("--packs-configmap"),
            "{why}"
        );
        let empty = next(&first, Some(&ConfigMap::default()), both);
        assert!(!empty.known && empty.problem.unwrap().contains("platforms.yaml"));
        // One pack of the two is enough.
        let house = BUILTIN_REGIMES.replacen("Oregon", "0regon", 1);
        let data = |key: &str, text: &str| ConfigMap {
            data: Some([(key.to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        };
        let taken = next(&nothing, Some(&data(REGIMES_KEY, &house)), both);
        assert!(taken.known && taken.problem.is_none() && taken.packs != builtin);
        // Deleted, emptied, or with the other pack alone: it stays, and somebody is told.
        for map in [
            None,
            Some(ConfigMap::default()),
            Some(data(PLATFORMS_KEY, BUILTIN_PLATFORMS)),
        ] {
            let gone = next(&taken, map.as_ref(), both);
            assert!(gone.known && gone.packs == taken.packs);
            assert!(gone.problem.unwrap().contains("house-packs"));
        }
        // Whoever means the release's own writes them there.
        let own = next(&taken, Some(&data(REGIMES_KEY, BUILTIN_REGIMES)), both);
        assert_eq!((own.problem, &own.packs), (None, &builtin));
    }

    #[test]
    fn an_unsound_pack_changes_nothing_and_says_where() {
        let builtin = Arc::new(Packs::builtin().unwrap());
        let now = InForce::builtin(&builtin, false);
        let broken = next(&now, Some(&map("platforms: [")), (&builtin, &asks()));
        assert!(
            broken.packs == builtin && !broken.known,
            "nothing is planned"
        );
        let problem = broken.problem.clone().unwrap();
        assert!(
            problem.contains("platforms.yaml") && problem.contains("line"),
            "{problem}"
        );
        let mended = next(&broken, Some(&map(BUILTIN_PLATFORMS)), (&builtin, &asks()));
        assert!(mended.problem.is_none() && mended.known);
        let again = next(&mended, Some(&map("platforms: [")), (&builtin, &asks()));
        assert!(again.problem.is_some() && again.known);
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
            metrics: Metrics::new(),
        };
        let said = |sink: &Replacing| {
            let text = sink.metrics.encode().unwrap();
            let value = |name: &str| text.contains(&format!("\ntradewind_packs_{name} 1\n"));
            (value("known"), value("refused"))
        };
        assert_eq!(said(&sink), (false, false));
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
        assert_eq!(said(&sink), (false, true));
        for event in [
            Event::Init,
            Event::InitApply(map("platforms: [")),
            Event::InitDone,
        ] {
            sink.take(event);
        }
        assert!(!packs.has_changed().unwrap(), "the same again is no news");
        sink.take(Event::Apply(map(BUILTIN_PLATFORMS)));
        assert!(packs.borrow_and_update().known);
        assert_eq!(said(&sink), (true, false));
        sink.take(Event::Delete(map(BUILTIN_PLATFORMS)));
        assert_eq!(said(&sink), (true, true));
        sink.take(Event::Apply(map(BUILTIN_PLATFORMS)));
        assert_eq!(said(&sink), (true, false));
        sink.forbidden("no".to_owned());
        assert!(!*is_readable.borrow() && packs.borrow().known);
    }
}
