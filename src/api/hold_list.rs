//! How old a region's list of legal holds may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bound for a region that says none: longer than a weekend without a hub, shorter than a plaintiff waits.
const MAX_AGE: &str = "P3D";

/// How old the region's list of legal holds may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldList {
    /// ISO 8601 duration of 30 minutes to 99 days, `PT6H`. A retention run erases nothing (`HoldsStale`) once the hub last
    /// told this region longer ago than this that its LegalHolds are as the tasks have them: as when the region is cut
    /// off, or the operator is down; connectors purge nothing then. The hub writes one ConfigMap in `runNamespace`, and one
    /// beside each connector, every sixth of it, every hour at least. Longer than your longest outage on a weekend, shorter than counsel can wait.
    #[schemars(
        length(min = 3, max = 7),
        regex(
            pattern = r"^(PT(3[0-9]|[4-9][0-9]|[1-9][0-9]{2,3})M|PT[1-9][0-9]{0,2}H|P[1-9][0-9]?D)$"
        )
    )]
    pub max_age: String,
}

impl Default for HoldList {
    fn default() -> Self {
        Self {
            max_age: MAX_AGE.to_owned(),
        }
    }
}
