//! How a rule's due rows are taken out of a table.

use serde::{Deserialize, Serialize};

/// How due rows are taken out of a table: in batches, or with their partitions. The second needs a table that is
/// partitioned by ranges of the rule's clock, and none of what the other words name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum Strategy {
    /// In batches of rows.
    #[default]
    Rows,
    /// Partitions in which every row is due are detached and dropped; other rows go in batches.
    Partitions,
    /// In batches: the role may not detach, as it does not own the table.
    RowsNotOwner,
    /// In batches: the table has a default partition, beside which PostgreSQL detaches none without locking all.
    RowsDefaultPartition,
    /// In batches: rows of other tables refer to the table.
    RowsReferenced,
    /// In batches: a trigger fires on each delete, which a dropped partition would not fire.
    RowsTrigger,
    /// In batches: the table is published, and a dropped partition is not told to subscribers.
    RowsPublished,
}

impl Strategy {
    const ALL: [Self; 7] = [
        Self::Rows,
        Self::Partitions,
        Self::RowsNotOwner,
        Self::RowsDefaultPartition,
        Self::RowsReferenced,
        Self::RowsTrigger,
        Self::RowsPublished,
    ];

    /// As reports and books write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "Rows",
            Self::Partitions => "Partitions",
            Self::RowsNotOwner => "RowsNotOwner",
            Self::RowsDefaultPartition => "RowsDefaultPartition",
            Self::RowsReferenced => "RowsReferenced",
            Self::RowsTrigger => "RowsTrigger",
            Self::RowsPublished => "RowsPublished",
        }
    }

    /// The strategy of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
    }

    /// For serde: what reports leave out.
    #[must_use]
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature is serde's"
    )]
    pub fn is_rows(&self) -> bool {
        *self == Self::Rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_called_what_reports_call_it() {
        for strategy in Strategy::ALL {
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.name());
            assert_eq!(Strategy::named(strategy.name()), Some(strategy));
            assert_eq!(strategy.is_rows(), strategy == Strategy::default());
        }
        assert_eq!(Strategy::named("rows"), None);
    }
}
