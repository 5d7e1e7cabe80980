//! Who has data of the same persons from us, and is told when it is erased or restricted, or may be sold no more.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KeyRef;
use crate::contract::{IdentityForm, RecipientState, RefusalGround};

/// A recipient of personal data: told, straight from each region, what was done for a person there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.identityForm) || self.identityForm != 'Value' || self.http.url.startsWith('https://')").message("recipients: with identityForm Value the url must begin with https://, as values of a person travel there"))]
pub struct PolicyRecipient {
    /// The recipient's name, unique in the policy.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([a-z0-9\-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Where it is, an ISO 3166-1 code, quoted. Outside of a region's jurisdictions it needs an instrument in
    /// `Region.spec.transfers` that is valid today: without one it is told nothing, and status says so.
    #[schemars(length(min = 2, max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: String,
    /// The kinds of values by which it knows persons, of `Region.spec.requests.identities`. It is told of these, of the one
    /// person whose request it is, and of nothing else of them.
    #[schemars(
        length(min = 1, max = 4),
        inner(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub identities: Vec<String>,
    /// How it is told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_form: Option<IdentityForm>,
    /// A signed HTTP POST (Standard Webhooks).
    pub http: RecipientHttp,
}

/// Where a recipient is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecipientHttp {
    /// The recipient's address.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@]+$"))]
    pub url: String,
    /// A Secret with the signing key (`whsec_<base64>`), in each region's `runNamespace`.
    pub secret_ref: KeyRef,
}

/// How a recipient of a region stands when a request ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptRecipient {
    /// The Region's name.
    pub region: String,
    /// `<policy>/<recipient>`; `...` for several that a report had no room for.
    pub name: String,
    /// How it stands; of several, the least.
    pub state: RecipientState,
    /// On which ground it keeps the person's data, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<RefusalGround>,
}
