//! What a register of processing says beside periods: who is responsible, for what, on which ground, to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who decides why and how the data is processed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// The controller's name, as the register has it.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// How it is reached: an address of a function, `privacy@aurora.example`, rather than of a person.
    #[schemars(length(min = 1, max = 200))]
    pub contact: String,
    /// Who stands for a controller that is not established there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<Contact>,
    /// The data protection officer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpo: Option<Contact>,
}

/// A name and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// The name, of a firm or a function.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// How it is reached.
    #[schemars(length(min = 1, max = 200))]
    pub contact: String,
}

/// Why the data may be processed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LegalBasis {
    /// The person agreed.
    Consent,
    /// A contract with the person needs it.
    Contract,
    /// A law asks for it.
    LegalObligation,
    /// A life depends on it.
    VitalInterests,
    /// A task in the public interest.
    PublicTask,
    /// An interest that the person's own do not outweigh.
    LegitimateInterests,
    /// Claims are made or defended.
    LegalClaims,
    /// Research.
    Research,
    /// Health is protected.
    HealthProtection,
    /// Credit is protected.
    CreditProtection,
}

/// Somebody, or a kind of them, to whom the data is disclosed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The recipient, or the category: `tax adviser`, `Parcel Ltd`.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^\S(.*\S)?$"))]
    pub name: String,
    /// Where it gets the data, an ISO 3166-1 code, quoted. Outside of a region's jurisdictions it needs an instrument in
    /// `Region.spec.transfers`, else it is a finding. Absent: nothing is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: Option<String>,
}
