//! What has become of the space that erased rows lay in.

use serde::{Deserialize, Serialize};

/// What has become of the space that erased rows lay in. Until it is `Released` they lie in the table's file, where
/// whoever reads the disk finds them; after it, until something else is written over them. Backups are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum Space {
    /// A vacuum that began after the last who could see the rows was gone has ended, or the file is gone.
    Released,
    /// Nobody sees the rows any more; a vacuum that began since has not been seen to end.
    WaitsForVacuum,
    /// A session's transaction may see the rows.
    WaitsForTransaction,
    /// A prepared transaction may see the rows.
    WaitsForPrepared,
    /// A replication slot keeps the rows.
    WaitsForSlot,
    /// A standby's query may see the rows (`hot_standby_feedback`).
    WaitsForStandby,
    /// It cannot be seen in which files the rows lay.
    Unknown,
}

impl Space {
    const ALL: [Self; 7] = [
        Self::Released,
        Self::WaitsForVacuum,
        Self::WaitsForTransaction,
        Self::WaitsForPrepared,
        Self::WaitsForSlot,
        Self::WaitsForStandby,
        Self::Unknown,
    ];

    /// As reports and books write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Released => "Released",
            Self::WaitsForVacuum => "WaitsForVacuum",
            Self::WaitsForTransaction => "WaitsForTransaction",
            Self::WaitsForPrepared => "WaitsForPrepared",
            Self::WaitsForSlot => "WaitsForSlot",
            Self::WaitsForStandby => "WaitsForStandby",
            Self::Unknown => "Unknown",
        }
    }

    /// What is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_called_what_reports_call_it() {
        for space in Space::ALL {
            assert_eq!(serde_json::to_value(space).unwrap(), space.name());
            assert_eq!(Space::named(space.name()), Some(space));
        }
        assert_eq!(Space::named("released"), None);
    }
}
