//! Facts about platforms and privacy regimes: dated data, replaceable without a release.
//!
//! In: YAML. Out: [`Packs`], checked. It must never let a malformed fact through, nor decide anything with one.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod baseline;
mod code;
mod deadline;
mod fact;
mod keep;
mod load;
mod period;
mod platform;
mod regime;
mod signed;

pub use baseline::{Adequacy, Check, Decision, Demand, MethodName, RegisterField};
pub use code::{Country, Jurisdiction};
pub use deadline::{Counting, Deadline, FirstDay, Kind, Pause, RestDay, Roll, Step};
pub use fact::{Fact, Place, Source};
pub use keep::{EraseDuty, InactivityDuty, KeepDuty, NO_CLASS, NO_RECORDS, Statute};
pub use load::Error;
pub use period::{Clock, Period, Word};
pub use platform::{
    FeedFormat, Market, MarketException, Markets, ModeRules, Platform, Platforms, Scheme,
    SecretKey, SecretRole, SettingForm, SettingRule, WebhookRules,
};
pub use regime::{CallsFor, ClockKind, LimitKind, Regime, Regimes};
pub use signed::{Dates, Older, older};

/// Key of a replacing ConfigMap that holds the platform pack.
pub const PLATFORMS_KEY: &str = "platforms.yaml";
/// Key of a replacing ConfigMap that holds the regime pack.
pub const REGIMES_KEY: &str = "regimes.yaml";
/// What a pack's key in a replacing ConfigMap has behind it for its signature: `regimes.yaml.sig`.
pub const SIGNATURE: &str = ".sig";

/// The platform pack that this release ships.
pub const BUILTIN_PLATFORMS: &str = include_str!("packs/platforms.yaml");
/// The regime pack that this release ships.
pub const BUILTIN_REGIMES: &str = include_str!("packs/regimes.yaml");

/// The platform and regime packs in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packs {
    /// What platforms take, send and allow.
    pub platforms: Platforms,
    /// What the law asks, and where.
    pub regimes: Regimes,
    /// What tells these packs from others.
    pub hashes: PackHashes,
    /// Who vouches for them; nobody for those that the release ships.
    pub signers: PackSigners,
}

/// Whose signature each pack bears, where it was asked for: `ed25519-<hex>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackSigners {
    /// Of the platform pack.
    pub platforms: Option<String>,
    /// Of the regime pack.
    pub regimes: Option<String>,
}

/// `sha256-<hex>` of each pack's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackHashes {
    /// Of the platform pack.
    pub platforms: String,
    /// Of the regime pack.
    pub regimes: String,
}

impl Packs {
    /// The packs that this release ships. They are checked as strangers are; a test keeps this from failing.
    pub fn builtin() -> Result<Self, Error> {
        Self::load(BUILTIN_PLATFORMS, BUILTIN_REGIMES)
    }

    /// Packs from the text of both files. Nothing is taken over unless all of it is sound.
    pub fn load(platforms: &str, regimes: &str) -> Result<Self, Error> {
        load::packs(platforms, regimes)
    }

    /// The regime pack alone, from its text.
    pub fn load_regimes(text: &str) -> Result<Regimes, Error> {
        load::regimes(text)
    }

    /// A platform by the name that `spec.platform.name` uses.
    #[must_use]
    pub fn platform(&self, name: &str) -> Option<&Platform> {
        self.platforms.platforms.get(name)
    }

    /// A regime by the id that `spec.regimes` uses.
    #[must_use]
    pub fn regime(&self, id: &str) -> Option<&Regime> {
        self.regimes.regimes.get(id)
    }

    /// What the regime or statute of that id obliges to keep; nothing where no pack knows it.
    #[must_use]
    pub fn keeps(&self, id: &str) -> &[Fact<KeepDuty>] {
        let regime = self.regime(id).map(|regime| regime.keep.as_slice());
        let statute = || Some(self.regimes.statutes.get(id)?.keep.as_slice());
        regime.or_else(statute).unwrap_or_default()
    }

    /// What the regime or statute of that id asks to be gone by a time; nothing where no pack knows it.
    #[must_use]
    pub fn erases(&self, id: &str) -> &[Fact<EraseDuty>] {
        let regime = self.regime(id).map(|regime| regime.erase.as_slice());
        let statute = || Some(self.regimes.statutes.get(id)?.erase.as_slice());
        regime.or_else(statute).unwrap_or_default()
    }

    /// What the regime of that id asks of persons who were not heard of; nothing where no pack knows it.
    #[must_use]
    pub fn inactivity(&self, id: &str) -> &[Fact<InactivityDuty>] {
        let regime = self.regime(id).map(|regime| regime.inactivity.as_slice());
        regime.unwrap_or_default()
    }

    /// Whether the regime or statute of that id says something of such records.
    #[must_use]
    pub fn speaks_of(&self, id: &str, records: &str) -> bool {
        let mut keeps = self.keeps(id).iter();
        let mut erases = self.erases(id).iter();
        let mut inactivity = self.inactivity(id).iter();
        keeps.any(|fact| fact.value.records == records)
            || erases.any(|fact| fact.value.records == records)
            || inactivity.any(|fact| fact.value.except_records.contains(records))
    }

    /// Whether `spec.regimes` may name it: a regime, or a law or terms that only say what stays or goes.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.regime(id).is_some() || self.regimes.statutes.contains_key(id)
    }

    /// Every id that `spec.regimes` may name: the regimes', then the statutes'.
    pub fn laws(&self) -> impl Iterator<Item = &str> {
        let (regimes, statutes) = (&self.regimes.regimes, &self.regimes.statutes);
        regimes.keys().chain(statutes.keys()).map(String::as_str)
    }
}
