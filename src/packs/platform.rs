//! The platform pack: what a platform takes, sends and allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::SignedDuration;
use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Country, Fact};
use crate::api::CheckoutMode;
use crate::contract::{Column, EventKind, EventRule, FeedMode, Webhook};

/// All platforms.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Platforms {
    /// When the facts were last gone through.
    #[serde(default)]
    pub as_of: Date,
    /// Texts that facts refer to by alias; nothing else reads them.
    #[serde(default)]
    pub sources: Vec<String>,
    /// By the name that `spec.platform.name` uses.
    pub platforms: BTreeMap<String, Platform>,
}

/// One platform.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Platform {
    /// Keys of the Secret that a connector needs.
    pub secrets: Vec<Fact<SecretKey>>,
    /// What the platform needs to know and is no secret.
    pub settings: Vec<Fact<SettingRule>>,
    /// How its webhooks are verified and read; null for a platform without.
    pub webhook: Fact<Option<WebhookRules>>,
    /// The file that brings the catalogue; null for a platform without.
    pub feed: Fact<Option<FeedFormat>>,
    /// Where it sells, and how.
    pub markets: Markets,
    /// The ways of paying that it has at all.
    pub checkout: Fact<BTreeSet<CheckoutMode>>,
}

/// A key of the platform's Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// The key in the Secret's data.
    pub key: String,
    /// What the connector does with its value.
    pub role: SecretRole,
    /// Whether a connector cannot do without it.
    pub required: bool,
    /// What it is, for whoever must find it.
    pub about: String,
}

/// What a connector does with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum SecretRole {
    /// Key of the platform's signature.
    AppSecret,
    /// Token of the verification handshake.
    VerifyToken,
    /// Standard Webhooks key, `whsec_<base64>`.
    SigningSecret,
}

/// A setting of the channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingRule {
    /// Its name in `spec.platform.settings`.
    pub name: String,
    /// Whether a channel cannot do without it.
    pub required: bool,
    /// What its value is made of.
    pub form: SettingForm,
    /// What it is, for whoever must find it.
    pub about: String,
}

/// What a setting's value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SettingForm {
    /// Digits only, as platforms number their objects.
    Digits,
    /// Any text.
    Text,
}

/// How a platform's webhooks are verified and read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookRules {
    /// How a webhook proves where it comes from.
    pub scheme: Fact<Scheme>,
    /// How a body becomes events.
    pub rules: Vec<Fact<EventRule>>,
}

/// How a webhook proves where it comes from: [`Webhook`] without its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Scheme {
    /// [`Webhook::MetaHubSignature`].
    MetaHubSignature,
    /// [`Webhook::StandardWebhooks`].
    StandardWebhooks,
}

/// A platform's feed file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedFormat {
    /// What the file may mean, and how often the platform takes one.
    pub modes: Vec<Fact<ModeRules>>,
    /// The file's columns, in order.
    pub columns: Vec<Fact<Column>>,
}

/// One mode of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModeRules {
    /// Which.
    pub mode: FeedMode,
    /// The least time between two files.
    #[serde(deserialize_with = "duration")]
    pub floor: SignedDuration,
}

/// Where a platform sells, and how.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Markets {
    /// Every country that no exception names.
    pub default: Fact<Market>,
    /// What is otherwise, and where. A country is named at most once.
    #[serde(default)]
    pub except: Vec<Fact<MarketException>>,
}

/// Countries in which something else is so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarketException {
    /// Where.
    pub countries: BTreeSet<Country>,
    /// What.
    pub market: Market,
}

/// What a platform does in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Market {
    /// It sells, in every way that it has.
    Allowed,
    /// It shows goods and sends buyers to the shop.
    RedirectOnly,
    /// It isn't there.
    Blocked,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| D::Error::custom(format!("'{text}' is no duration; write one such as PT1H"));
    text.parse().map_err(wrong)
}

impl Platform {
    /// The events that its webhooks can bring.
    #[must_use]
    pub fn events(&self) -> BTreeSet<EventKind> {
        let rules = self.webhook.value.iter().flat_map(|w| &w.rules);
        rules.map(|rule| rule.value.kind).collect()
    }

    /// The key that plays a role.
    #[must_use]
    pub fn key(&self, role: SecretRole) -> Option<&SecretKey> {
        let keys = self.secrets.iter().map(|fact| &fact.value);
        keys.into_iter().find(|key| key.role == role)
    }

    /// The webhook part of a connector's task, with the keys' files below `folder`; absent for a platform without.
    #[must_use]
    pub fn webhook(&self, folder: &Path) -> Option<Webhook> {
        let file = |role| Some(folder.join(&self.key(role)?.key));
        Some(match self.webhook.value.as_ref()?.scheme.value {
            Scheme::MetaHubSignature => Webhook::MetaHubSignature {
                app_secret: file(SecretRole::AppSecret)?,
                verify_token: file(SecretRole::VerifyToken)?,
            },
            Scheme::StandardWebhooks => Webhook::StandardWebhooks {
                secret: file(SecretRole::SigningSecret)?,
            },
        })
    }

    /// How a body becomes events; empty for a platform without webhooks.
    #[must_use]
    pub fn event_rules(&self) -> Vec<EventRule> {
        let rules = self.webhook.value.iter().flat_map(|w| &w.rules);
        rules.map(|rule| rule.value.clone()).collect()
    }

    /// The columns of its feed file; empty for a platform without.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let columns = self.feed.value.iter().flat_map(|feed| &feed.columns);
        columns.map(|column| column.value.clone()).collect()
    }

    /// What is known of a mode of its feed; absent when it doesn't have that mode.
    #[must_use]
    pub fn mode(&self, mode: FeedMode) -> Option<&Fact<ModeRules>> {
        let feed = self.feed.value.as_ref()?;
        feed.modes.iter().find(|fact| fact.value.mode == mode)
    }
}

impl SettingForm {
    /// Whether a value is of this form.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        match self {
            Self::Digits => !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()),
            Self::Text => !value.is_empty(),
        }
    }

    /// The form, for a person.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits only",
            Self::Text => "any text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_value_is_of_its_form() {
        let fits = |value| [SettingForm::Digits, SettingForm::Text].map(|form| form.fits(value));
        assert_eq!(fits("104"), [true, true]);
        assert_eq!(fits("10a"), [false, true]);
        assert_eq!(fits(""), [false, false]);
    }
}
