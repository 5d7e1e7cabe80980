//! Who is told of what was done for a request, and what they answered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::report::is_zero;

/// Somebody who has data of the same person from us, and is told by a signed POST straight from the region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipient {
    /// Its name in reports, `<policy>/<recipient>`.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// File with the signing key, `whsec_<base64>`.
    pub secret: PathBuf,
    /// The kinds of values by which it knows persons: it is told of these and no others.
    pub identities: Vec<String>,
    /// How it is told a value.
    #[serde(default)]
    pub identity_form: IdentityForm,
}

/// How a recipient is told who the person is. Absent or `KeyedHash`: by HMAC-SHA256 with its own signing key, so that it
/// learns nothing of a person whom it does not have. `Value`: as it is, for one that cannot look a hash up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum IdentityForm {
    /// A keyed hash of each value, with the recipient's own key: who does not have the person learns nothing.
    #[default]
    KeyedHash,
    /// Each value as it is.
    Value,
}

/// How far a recipient is, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum RecipientState {
    /// It has not taken it yet, and is told again.
    #[default]
    Pending,
    /// It did not take it for so long that it was given up; `answer` says why.
    Failed,
    /// It may not be told: no instrument covers the transfer to its country.
    Held,
    /// It took it, and keeps the person's data, on a ground of its own.
    Refused,
    /// It knows the person by nothing that the request has, or was never told what ends now.
    NotConcerned,
    /// It took it, and said no more.
    Told,
    /// It took it, and has no data of the person.
    NoData,
    /// It took it, and did the same.
    Done,
}

impl RecipientState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Failed,
        Self::Held,
        Self::Refused,
        Self::NotConcerned,
        Self::Told,
        Self::NoData,
        Self::Done,
    ];

    /// As books and reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Failed => "Failed",
            Self::Held => "Held",
            Self::Refused => "Refused",
            Self::NotConcerned => "NotConcerned",
            Self::Told => "Told",
            Self::NoData => "NoData",
            Self::Done => "Done",
        }
    }

    /// Whether it has taken what it was told.
    #[must_use]
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Refused | Self::Told | Self::NoData | Self::Done)
    }

    /// Whether a person has to see to it by other means.
    #[must_use]
    pub fn needs_somebody(self) -> bool {
        matches!(self, Self::Failed | Self::Held | Self::Refused)
    }
}

/// On which ground a recipient keeps the person's data. A closed list: nothing that a stranger writes reaches the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum RefusalGround {
    /// A law asks it to keep the data: GDPR Article 17(3)(b).
    LegalObligation,
    /// For legal claims: GDPR Article 17(3)(e).
    LegalClaims,
    /// A contract with the person that still runs.
    Contract,
    /// Freedom of expression and information: GDPR Article 17(3)(a).
    FreedomOfExpression,
    /// Public health: GDPR Article 17(3)(c).
    PublicHealth,
    /// Archiving, research or statistics: GDPR Article 17(3)(d).
    Archiving,
    /// None of these, or none was given.
    Other,
}

impl RefusalGround {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LegalObligation,
        Self::LegalClaims,
        Self::Contract,
        Self::FreedomOfExpression,
        Self::PublicHealth,
        Self::Archiving,
        Self::Other,
    ];

    /// As answers, books and reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LegalObligation => "LegalObligation",
            Self::LegalClaims => "LegalClaims",
            Self::Contract => "Contract",
            Self::FreedomOfExpression => "FreedomOfExpression",
            Self::PublicHealth => "PublicHealth",
            Self::Archiving => "Archiving",
            Self::Other => "Other",
        }
    }
}

/// What one recipient was told: counts and times only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToldRecipient {
    /// `<policy>/<recipient>`; `...` for several that a report has no room for.
    pub name: String,
    /// How far it is; of several, the least.
    pub state: RecipientState,
    /// On which ground it keeps the person's data, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<RefusalGround>,
    /// Attempts so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: i64,
    /// Its last answer: an HTTP status, `timeout`, `no connection` or `broken`; `no key` and `no address` where it could
    /// not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When it last answered, or was last tried, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_and_a_ground_are_called_what_reports_call_them() {
        for state in RecipientState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for ground in RefusalGround::ALL {
            assert_eq!(serde_json::to_value(ground).unwrap(), ground.name());
        }
    }
}
