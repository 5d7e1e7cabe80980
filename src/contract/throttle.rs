//! What a retention run waits for between two batches.

use serde::{Deserialize, Serialize};

/// Bounds beyond which a run waits, so that it never adds to what the database has to carry already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttle {
    /// Seconds that a replica may be behind.
    pub replica_lag_seconds: u32,
    /// MiB of log that a replication slot may keep from being recycled.
    pub slot_mebibytes: u32,
    /// Minutes that a transaction may be open which keeps dead rows from being vacuumed.
    pub transaction_minutes: u32,
    /// Minutes of its work for which a vacuum of a rule's table is waited for; 0: it is not.
    #[serde(default, skip_serializing_if = "is_none")]
    pub vacuum_minutes: u32,
    /// Percent of a rule's table that may be dead rows before a vacuum is waited for; 0: they are not looked at.
    #[serde(default, skip_serializing_if = "is_none")]
    pub dead_rows_percent: u32,
}

/// An agent of the release before knows no such field.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_none(number: &u32) -> bool {
    *number == 0
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            replica_lag_seconds: 10,
            slot_mebibytes: 10_240,
            transaction_minutes: 60,
            vacuum_minutes: 0,
            dead_rows_percent: 0,
        }
    }
}

impl Throttle {
    /// Whether it says what an absent one does.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_nothing_new_is_left_out() {
        assert!(Throttle::default().is_default());
        let changed = Throttle {
            slot_mebibytes: 1,
            ..Throttle::default()
        };
        assert!(!changed.is_default());
    }
}
