//! What a register of processing says beside periods: who is responsible, for what, on which ground, to whom.

#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who decides why and how the data is processed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
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
    /// What kind of controller it is, where a law asks some kinds to erase the data of persons who were not heard of: `ecommerce` from
    /// so many registered users. `none` is a kind too. Absent where such a law counts: a finding, and no duty of it is taken to be the
    /// controller's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["regime".into(), "class".into()]))]
    pub classes: Vec<ControllerClass>,
}

/// A kind of controller that a regime knows, and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.class == 'none' || has(self.registeredUsers) && has(self.countedOn)").message("controller.classes[].registeredUsers: say how many registered users there are, and in countedOn on which day they were counted; class none alone needs neither"))]
#[serde(rename_all = "camelCase")]
pub struct ControllerClass {
    /// The regime, by its pack's id: `in-dpdp`. It has to stand in `spec.regimes` too.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$")
    )]
    pub regime: String,
    /// The kind, by the pack's word: `ecommerce`, `socialMedia`, `gaming`. `none`: it is of none of the law's kinds. One that the
    /// pack does not know ends in `Accepted=False`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))]
    pub class: String,
    /// How many registered users there are in the regime's country, as the law counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_000_000_000))]
    pub registered_users: Option<i32>,
    /// The day on which they were counted, `2027-04-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    )]
    pub counted_on: Option<String>,
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
