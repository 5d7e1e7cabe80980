//! The words that gates give as reasons.

use crate::plan::Reason;

/// Why a gate is open or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// The channel's namespace is no tenant of the Region.
    NotATenant,
    /// A code of the spec is no assigned country or subdivision.
    UnknownJurisdiction,
    /// The platform sells there as asked.
    MarketSupported,
    /// The platform isn't in a country of the Region.
    MarketBlocked,
    /// The platform has no such way to pay, or not there.
    CheckoutUnsupported,
    /// A fact that nobody confirmed speaks against it.
    Unconfirmed,
    /// The schedule isn't what a CronJob takes.
    ScheduleInvalid,
    /// The schedule names no day that comes.
    ScheduleNever,
    /// The schedule runs more often than the platform takes a file.
    ScheduleTooOften,
    /// A run is skipped or doubled when clocks change.
    ClockChange,
    /// No regime is called for.
    NoRegime,
    /// Every regime that is called for has a policy that counts.
    Covered,
    /// A regime that is called for has none.
    Uncovered,
    /// A regime will be called for soon, and nothing covers it yet.
    RegimeComing,
    /// Nothing leaves the Region's jurisdictions, or no law asks for an instrument.
    NothingLeaves,
    /// What leaves has an instrument that is valid today.
    TransferLawful,
    /// Nobody said where it goes.
    CountryUnknown,
    /// What leaves has none.
    NoInstrument,
    /// Its instrument has ended.
    InstrumentEnded,
    /// Its instrument is still to begin.
    InstrumentNotBegun,
    /// Its instrument is none under this law, or not for this country.
    InstrumentUnfit,
    /// An instrument ends, or is to be reviewed, within ninety days.
    InstrumentEnding,
}

impl Word {
    /// Every word, for tests that look for one that no case reaches.
    pub const ALL: &'static [Self] = &[
        Self::NotATenant,
        Self::UnknownJurisdiction,
        Self::MarketSupported,
        Self::MarketBlocked,
        Self::CheckoutUnsupported,
        Self::Unconfirmed,
        Self::ScheduleInvalid,
        Self::ScheduleNever,
        Self::ScheduleTooOften,
        Self::ClockChange,
        Self::NoRegime,
        Self::Covered,
        Self::Uncovered,
        Self::RegimeComing,
        Self::NothingLeaves,
        Self::TransferLawful,
        Self::CountryUnknown,
        Self::NoInstrument,
        Self::InstrumentEnded,
        Self::InstrumentNotBegun,
        Self::InstrumentUnfit,
        Self::InstrumentEnding,
    ];

    /// The word in a condition's `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotATenant => "NotATenant",
            Self::UnknownJurisdiction => "UnknownJurisdiction",
            Self::MarketSupported => "MarketSupported",
            Self::MarketBlocked => "MarketBlocked",
            Self::CheckoutUnsupported => "CheckoutUnsupported",
            Self::Unconfirmed => "Unconfirmed",
            Self::ScheduleInvalid => "ScheduleInvalid",
            Self::ScheduleNever => "ScheduleNever",
            Self::ScheduleTooOften => "ScheduleTooOften",
            Self::ClockChange => "ClockChange",
            Self::NoRegime => "NoRegime",
            Self::Covered => "Covered",
            Self::Uncovered => "Uncovered",
            Self::RegimeComing => "RegimeComing",
            Self::NothingLeaves => "NothingLeaves",
            Self::TransferLawful => "TransferLawful",
            Self::CountryUnknown => "CountryUnknown",
            Self::NoInstrument => "NoInstrument",
            Self::InstrumentEnded => "InstrumentEnded",
            Self::InstrumentNotBegun => "InstrumentNotBegun",
            Self::InstrumentUnfit => "InstrumentUnfit",
            Self::InstrumentEnding => "InstrumentEnding",
        }
    }

    /// The word with its sentence.
    #[must_use]
    pub fn because(self, message: impl Into<String>) -> Reason {
        Reason {
            word: self.as_str().to_owned(),
            message: message.into(),
        }
    }
}
