//! Which tables are one, by what rules write.

use crate::api::{PolicyRule, RegionSpec};
use crate::plan::placement;

/// Whether two rules may be over one table: a keep that may bind binds.
pub(super) fn shares_table(one: &PolicyRule, other: &PolicyRule, region: &RegionSpec) -> bool {
    let (one, other) = (&one.dataset, &other.dataset);
    is_store((&one.store, &other.store), region) && may_be_one(&one.table, &other.table)
}

/// Whether two stores are one: two with one Secret are.
pub(super) fn is_store((one, other): (&str, &str), region: &RegionSpec) -> bool {
    let secret = |store: &str| placement::secret_of(region, store);
    one == other || secret(one).is_some_and(|own| secret(other) == Some(own))
}

/// A table's name without its schema.
pub(super) fn bare(table: &str) -> &str {
    table.split_once('.').map_or(table, |(_, table)| table)
}

/// Whether two spellings may name one table: which schema a bare name is in, only the database knows.
#[must_use]
pub fn may_be_one(one: &str, other: &str) -> bool {
    match (one.split_once('.'), other.split_once('.')) {
        (Some((_, table)), None) => table == other,
        (None, Some((_, table))) => table == one,
        (None, None) | (Some(_), Some(_)) => one == other,
    }
}
