//! How a connector is told of persons who opt out of a sale or a sharing, and how their events are erased.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How requests reach a connector's database, from the region's `runNamespace`: there it is told of persons who opt out, and
/// an erasure takes the person's events.
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
