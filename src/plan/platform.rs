//! A channel against its platform's pack: settings, events, feeds, secret keys.

use std::collections::BTreeMap;

use super::reason::Word;
use super::{Reason, SecretCopy, SecretFact};
use crate::api::{SocialChannelSpec, names};
use crate::packs::{Packs, Platform};

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
    problems.extend(events(spec, platform));
    problems.extend(feeds(spec, platform));
    problems
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
    let mut files: BTreeMap<(String, String), &str> = BTreeMap::new();
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
        let store = &feed.destination.object_store;
        let file = (
            store.url.clone(),
            store.prefix.trim_end_matches('/').to_owned(),
        );
        if let Some(other) = files.insert(file, &feed.name) {
            problems.push(Word::FeedsShareFile.because(format!(
                "spec.feeds: {other} and {} would write the same file; give each a prefix of its own",
                feed.name
            )));
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
        from: spec.credentials_ref.name.clone(),
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
    let name = &spec.credentials_ref.name;
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
