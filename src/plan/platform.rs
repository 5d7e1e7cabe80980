//! A channel against its platform's pack: settings, events, feeds, secret keys.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::reason::Word;
use super::{Reason, SecretCopy, SecretFact};
use crate::api::{SocialChannelSpec, names};
use crate::packs::{Packs, Platform};

/// What stands for a region's name in addresses and folders.
pub(super) const REGION: &str = "{region}";

/// The channel's platform, or the list of those there are.
pub(super) fn known<'a>(
    spec: &SocialChannelSpec,
    packs: &'a Packs,
) -> Result<&'a Platform, Reason> {
    let name = &spec.platform.name;
    packs.platform(name).ok_or_else(|| {
        let there: Vec<&str> = packs
            .platforms
            .platforms
            .keys()
            .map(String::as_str)
            .collect();
        Word::UnknownPlatform.because(format!(
            "spec.platform.name: no installed pack knows {name}; there are {}",
            there.join(", ")
        ))
    })
}

/// What somebody must mend in the spec, in the order of its fields.
pub(super) fn problems(spec: &SocialChannelSpec, platform: &Platform) -> Vec<Reason> {
    let mut problems = settings(spec, platform);
    problems.extend(addresses(spec));
    problems.extend(events(spec, platform));
    problems.extend(feeds(spec, platform));
    problems
}

/// Addresses as the agent reads them: the schema's pattern takes a port that there is none of, say, and then no pod starts.
fn addresses(spec: &SocialChannelSpec) -> Vec<Reason> {
    let source = spec.catalog.iter().filter_map(|catalog| {
        let http = catalog.source.http.as_ref()?;
        Some(("spec.catalog.source.http.url".to_owned(), http.url.as_str()))
    });
    let checkout = spec.checkout.iter().filter_map(|checkout| {
        let url = checkout.url.as_deref()?;
        Some(("spec.checkout.url".to_owned(), url))
    });
    let sinks = spec.sinks.iter().map(|sink| {
        let field = format!("spec.sinks[{}].http.url", sink.name);
        (field, sink.http.url.as_str())
    });
    source
        .chain(checkout)
        .chain(sinks)
        .filter_map(|(field, address)| {
            let error = Url::parse(&address.replace(REGION, "region")).err()?;
            Some(Word::AddressInvalid.because(format!(
                "{field}: {address} is no address ({error}); write one such as https://erp.aurora.example:8443/hooks"
            )))
        })
        .collect()
}

fn settings(spec: &SocialChannelSpec, platform: &Platform) -> Vec<Reason> {
    let rules = || platform.settings.iter().map(|fact| &fact.value);
    let given = &spec.platform.settings;
    let name = &spec.platform.name;
    let mut problems = Vec::new();
    for setting in given {
        let Some(rule) = rules().find(|rule| rule.name == setting.name) else {
            let there: Vec<&str> = rules().map(|rule| rule.name.as_str()).collect();
            let list = if there.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", there.join(", "))
            };
            problems.push(Word::UnknownSetting.because(format!(
                "spec.platform.settings: {name} has no setting {}; {list}",
                setting.name
            )));
            continue;
        };
        if !rule.form.fits(&setting.value) {
            problems.push(Word::SettingInvalid.because(format!(
                "spec.platform.settings: {} must be {} ({})",
                rule.name,
                rule.form.as_str(),
                rule.about
            )));
        }
    }
    problems.extend(
        rules()
            .filter(|rule| rule.required && !given.iter().any(|s| s.name == rule.name))
            .map(|rule| {
                Word::SettingMissing.because(format!(
                    "spec.platform.settings: {name} needs {} ({})",
                    rule.name, rule.about
                ))
            }),
    );
    problems
}

fn events(spec: &SocialChannelSpec, platform: &Platform) -> Vec<Reason> {
    let Some(connector) = &spec.connector else {
        return Vec::new();
    };
    let name = &spec.platform.name;
    if platform.webhook.value.is_none() {
        return vec![Word::WebhooksUnsupported.because(format!(
            "spec.connector: {name} sends no webhooks, so there is nothing for a connector to take; remove it"
        ))];
    }
    let sent = platform.events();
    let mut wanted = connector.events.clone();
    wanted.sort_unstable();
    let list = || {
        let words: Vec<String> = sent.iter().map(|kind| format!("{kind:?}")).collect();
        words.join(", ")
    };
    wanted
        .into_iter()
        .filter(|kind| !sent.contains(kind))
        .map(|kind| {
            Word::EventUnsupported.because(format!(
                "spec.connector.events: {name} sends no {kind:?}; it sends {}",
                list()
            ))
        })
        .collect()
}

fn feeds(spec: &SocialChannelSpec, platform: &Platform) -> Vec<Reason> {
    let name = &spec.platform.name;
    let mut problems = Vec::new();
    for feed in &spec.feeds {
        if platform.mode(feed.mode).is_none() {
            let modes = platform.feed.value.iter().flat_map(|format| &format.modes);
            let there: Vec<String> = modes.map(|mode| format!("{:?}", mode.value.mode)).collect();
            let list = if there.is_empty() {
                "it reads no files".to_owned()
            } else {
                format!("it takes {}", there.join(", "))
            };
            problems.push(Word::FeedUnsupported.because(format!(
                "spec.feeds: {name} takes no {:?} feed such as {}; {list}",
                feed.mode, feed.name
            )));
        }
    }
    problems
}

/// The folder of a feed's file in a region.
pub(super) fn folder(prefix: &str, region: &str) -> String {
    let folder = prefix.replace(REGION, region);
    folder.trim_end_matches('/').to_owned()
}

/// Feeds that would write one file in turns, in the chosen regions: each feed is told of once.
pub(super) fn shared_files(spec: &SocialChannelSpec, chosen: &BTreeSet<&str>) -> Vec<Reason> {
    let mut files: BTreeMap<(&str, String), (&str, &str)> = BTreeMap::new();
    let mut problems = Vec::new();
    for feed in &spec.feeds {
        let store = &feed.destination.object_store;
        let own = chosen.iter().map(|region| {
            let file = (store.url.as_str(), folder(&store.prefix, region));
            (file, (feed.name.as_str(), *region))
        });
        let mut told = false;
        for (file, writer) in own {
            let Some((other, region)) = files.insert(file, writer) else {
                continue;
            };
            if std::mem::replace(&mut told, true) {
                continue;
            }
            let problem = if other == feed.name {
                format!(
                    "spec.feeds: {other} would write the same file in {region} and {}; put {REGION} into its prefix",
                    writer.1
                )
            } else {
                format!(
                    "spec.feeds: {other} and {} would write the same file; give each a prefix of its own",
                    feed.name
                )
            };
            problems.push(Word::FeedsShareFile.because(problem));
        }
    }
    problems
}

/// What is to be copied from the hub to a region: the platform's keys, and no other.
pub(super) fn copy(
    platform: &Platform,
    secret: &SecretFact,
    spec: &SocialChannelSpec,
    (namespace, channel): (&str, &str),
    labels: BTreeMap<String, String>,
) -> Option<SecretCopy> {
    let SecretFact::Present(there) = secret else {
        return None;
    };
    let keys = platform
        .secrets
        .iter()
        .filter_map(|fact| there.get_key_value(&fact.value.key))
        .map(|(key, hash)| (key.clone(), hash.clone()))
        .collect();
    Some(SecretCopy {
        namespace: namespace.to_owned(),
        from: spec.credentials_ref.as_ref()?.name.clone(),
        name: names::credentials(channel),
        keys,
        labels,
    })
}

/// What is wrong with the credentials, if anything. Unreadable is not absent: then nothing is known.
pub(super) fn credentials(
    platform: &Platform,
    secret: &SecretFact,
    spec: &SocialChannelSpec,
    namespace: &str,
) -> Option<Reason> {
    // Only a connector reads them.
    spec.connector.as_ref()?;
    let Some(credentials) = &spec.credentials_ref else {
        // The API server asks for it too; what is read from a file need not have passed there.
        return Some(Word::SecretNotFound.because(
            "spec.credentialsRef: a connector checks webhooks with the platform's keys; name the Secret that holds them",
        ));
    };
    let name = &credentials.name;
    let required = || {
        platform
            .secrets
            .iter()
            .map(|fact| &fact.value)
            .filter(|key| key.required)
    };
    let list = |keys: Vec<String>| keys.join(", ");
    match secret {
        SecretFact::InRegion => None,
        SecretFact::Absent => Some(Word::SecretNotFound.because(format!(
            "there is no Secret {namespace}/{name} on the hub; make it with {}",
            list(required().map(|key| key.key.clone()).collect())
        ))),
        SecretFact::Unreadable(why) => Some(Word::SecretUnreadable.because(format!(
            "Secret {namespace}/{name} on the hub cannot be read: {why}"
        ))),
        SecretFact::Present(there) => {
            let missing: Vec<String> = required()
                .filter(|key| !there.contains_key(&key.key))
                .map(|key| format!("{} ({})", key.key, key.about))
                .collect();
            (!missing.is_empty()).then(|| {
                Word::SecretKeysMissing
                    .because(format!("Secret {namespace}/{name} lacks {}", list(missing)))
            })
        }
    }
}
