//! How a connector is told of persons who opt out of a sale or a sharing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a connector is told of persons who opt out: requests reach its database from the region's `runNamespace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorOptOut {
    /// The data store of each chosen Region (`Region.spec.dataStores`) that is the same database as `store`: its Secret is in
    /// the region's `runNamespace`, where requests are carried out.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub data_store: String,
    /// The kind of value (`Region.spec.requests.identities`) by which the platform's events name a person, such as the id of
    /// an account. It is one without `ignoreCase`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z][A-Za-z0-9]*$"))]
    pub identity: String,
}
