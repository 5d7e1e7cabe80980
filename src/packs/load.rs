//! From text to checked packs.

mod regime;
mod words;

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{
    FeedFormat, PackHashes, PackSigners, Packs, Place, Platform, Platforms, Regimes, Scheme,
    SecretRole,
};
use crate::contract::{Column, ColumnKind, EventRule};

/// Why packs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no YAML of the pack's form; the source names line and column.
    #[error("reading {field} of pack '{file}'")]
    Read {
        /// `platforms.yaml` or `regimes.yaml`.
        file: &'static str,
        /// The field, `platforms.Instagram.settings[0]`.
        field: String,
        /// What is wrong where.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A fact does not fit the others.
    #[error("pack '{file}', line {}, column {}: {field}: {problem}", place.line, place.column)]
    Check {
        /// `platforms.yaml` or `regimes.yaml`.
        file: &'static str,
        /// Where.
        place: Place,
        /// The field, `platforms.Instagram.webhook`.
        field: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

pub(super) fn packs(platforms: &str, regimes: &str) -> Result<Packs, Error> {
    let hash = |text: &str| format!("sha256-{}", hex::encode(Sha256::digest(text)));
    let hashes = PackHashes {
        platforms: hash(platforms),
        regimes: hash(regimes),
    };
    let platforms: Platforms = read(super::PLATFORMS_KEY, platforms)?;
    for (name, platform) in &platforms.platforms {
        let check = Check {
            file: super::PLATFORMS_KEY,
            root: format!("platforms.{name}"),
        };
        check.platform(name, platform)?;
    }
    let regimes = self::regimes(regimes)?;
    Ok(Packs {
        platforms,
        regimes,
        hashes,
        signers: PackSigners::default(),
    })
}

pub(super) fn regimes(text: &str) -> Result<Regimes, Error> {
    let regimes: Regimes = read(super::REGIMES_KEY, text)?;
    regime::check(&regimes)?;
    Ok(regimes)
}

fn read<T: serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<T, Error> {
    // One line: the message ends in a condition or a log, where an excerpt of the file would only tear it apart.
    let options = serde_saphyr::options! { with_snippet: false };
    let mut field = String::new();
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            // A fact has one `value` in the file and two on the way through its place.
            field = error.path().to_string().replace(".value.value", ".value");
            error.into_inner()
        })
    })
    .map_err(|source| Error::Read {
        file,
        // The root is a dot, and an end that came too early has no path at all.
        field: if field.len() < 2 {
            "the whole".to_owned()
        } else {
            field
        },
        source: Box::new(source),
    })
}

/// A part of a pack under examination.
struct Check {
    file: &'static str,
    root: String,
}

type Checked = Result<(), Error>;

impl Check {
    fn fail(&self, place: Place, field: &str, problem: String) -> Checked {
        Err(Error::Check {
            file: self.file,
            place,
            field: format!("{}.{field}", self.root),
            problem,
        })
    }

    fn once<'a>(
        &self,
        field: &str,
        seen: &mut BTreeSet<&'a str>,
        name: &'a str,
        place: Place,
    ) -> Checked {
        if seen.insert(name) {
            return Ok(());
        }
        self.fail(place, field, format!("'{name}' is there twice; keep one"))
    }

    fn platform(&self, name: &str, platform: &Platform) -> Checked {
        let place = platform.webhook.place;
        if !is_word(name) {
            let problem = "a platform's name is letters and digits, a letter first".to_owned();
            return self.fail(place, "name", problem);
        }
        self.secrets(platform)?;
        let mut settings = BTreeSet::new();
        for fact in &platform.settings {
            let name = &fact.value.name;
            self.once("settings", &mut settings, name, fact.place)?;
            if !is_word(name) {
                let problem =
                    format!("'{name}' must be letters and digits, a letter first, as channels do");
                return self.fail(fact.place, "settings", problem);
            }
        }
        self.webhook(platform)?;
        if let Some(feed) = &platform.feed.value {
            self.feed(platform.feed.place, feed)?;
        }
        let mut countries = BTreeSet::new();
        for fact in &platform.markets.except {
            for country in &fact.value.countries {
                self.once(
                    "markets.except",
                    &mut countries,
                    country.as_str(),
                    fact.place,
                )?;
            }
        }
        if platform.checkout.value.is_empty() {
            let problem = "name at least one way to pay: Redirect, InApp".to_owned();
            return self.fail(platform.checkout.place, "checkout", problem);
        }
        Ok(())
    }

    fn secrets(&self, platform: &Platform) -> Checked {
        let (mut keys, mut roles) = (BTreeSet::new(), BTreeSet::new());
        for fact in &platform.secrets {
            let secret = &fact.value;
            self.once("secrets", &mut keys, &secret.key, fact.place)?;
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if secret.key.is_empty() || secret.key.len() > 253 || !secret.key.bytes().all(fits) {
                let problem = format!("'{}' is no key of a Kubernetes Secret", secret.key);
                return self.fail(fact.place, "secrets", problem);
            }
            if !roles.insert(secret.role) {
                let problem = format!("two keys play the role {:?}; keep one", secret.role);
                return self.fail(fact.place, "secrets", problem);
            }
        }
        let Some(webhook) = &platform.webhook.value else {
            return Ok(());
        };
        let needed: &[SecretRole] = match webhook.scheme.value {
            Scheme::MetaHubSignature => &[SecretRole::AppSecret, SecretRole::VerifyToken],
            Scheme::StandardWebhooks => &[SecretRole::SigningSecret],
        };
        for role in needed {
            if platform.key(*role).is_none_or(|key| !key.required) {
                let problem = format!(
                    "{:?} needs a required secret with the role {role:?}",
                    webhook.scheme.value
                );
                return self.fail(webhook.scheme.place, "webhook.scheme", problem);
            }
        }
        Ok(())
    }

    fn webhook(&self, platform: &Platform) -> Checked {
        let Some(webhook) = &platform.webhook.value else {
            return Ok(());
        };
        if webhook.rules.is_empty() {
            let problem =
                "a webhook without rules brings no event; add one or write null".to_owned();
            return self.fail(platform.webhook.place, "webhook.rules", problem);
        }
        for fact in &webhook.rules {
            for pointer in pointers(&fact.value) {
                if !pointer.is_empty() && !pointer.starts_with('/') {
                    let problem =
                        format!("'{pointer}' is no JSON pointer; start it with '/', as /entry/*");
                    return self.fail(fact.place, "webhook.rules", problem);
                }
            }
        }
        Ok(())
    }

    fn feed(&self, place: Place, feed: &FeedFormat) -> Checked {
        let mut modes = Vec::new();
        for fact in &feed.modes {
            if modes.contains(&fact.value.mode) {
                let problem = format!("{:?} is there twice; keep one", fact.value.mode);
                return self.fail(fact.place, "feed.modes", problem);
            }
            modes.push(fact.value.mode);
            if fact.value.floor.as_secs() < 60 {
                let problem = "a floor is a minute (PT1M) at least: cron knows no less".to_owned();
                return self.fail(fact.place, "feed.modes", problem);
            }
        }
        if modes.is_empty() {
            return self.fail(
                place,
                "feed.modes",
                "name at least one of Replace, Delta".into(),
            );
        }
        let mut names = BTreeSet::new();
        for fact in &feed.columns {
            self.once("feed.columns", &mut names, &fact.value.name, fact.place)?;
            if let Some(problem) = column_problem(&fact.value) {
                return self.fail(fact.place, "feed.columns", problem);
            }
        }
        let is_id = |fact: &&super::Fact<Column>| fact.value.kind == ColumnKind::Id;
        let ids = feed.columns.iter().filter(is_id).count();
        if ids != 1 {
            let problem = format!("one column of kind Id tells items apart; there are {ids}");
            return self.fail(place, "feed.columns", problem);
        }
        Ok(())
    }
}

fn column_problem(column: &Column) -> Option<String> {
    let name = &column.name;
    if name.is_empty() || column.field.is_empty() {
        return Some("a column needs a name and a field".into());
    }
    if (column.kind == ColumnKind::Choice) == column.values.is_empty() {
        return Some(format!(
            "'{name}': a Choice, and nothing else, lists its values"
        ));
    }
    if column.max_chars == Some(0) || column.max_values == Some(0) {
        return Some(format!("'{name}': a limit of 0 refuses every value"));
    }
    if column.truncate && (column.kind != ColumnKind::Text || column.max_chars.is_none()) {
        return Some(format!(
            "'{name}': only a Text with maxChars can be truncated"
        ));
    }
    (column.max_values.is_some() && column.kind != ColumnKind::Urls)
        .then(|| format!("'{name}': maxValues is for a list; make the kind Urls"))
}

fn pointers(rule: &EventRule) -> impl Iterator<Item = &str> {
    let when = rule.when.iter().map(|when| when.pointer.as_str());
    let names = rule.id.iter().chain(&rule.subject).map(String::as_str);
    std::iter::once(rule.each.as_str()).chain(when).chain(names)
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 40
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
