//! The words that a retention run's row ends with when the run did all that it could in its time. Any other needs a look.

/// Every row that was due when the run began was judged.
pub const DONE: &str = "Done";
/// The window was over before that.
pub const WINDOW_ELAPSED: &str = "WindowElapsed";

/// What a run waits for, so that it adds nothing to what the database has to carry already. When the window ends meanwhile, its
/// word is the run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A replica is behind.
    Replica,
    /// A slot keeps too much of the log.
    Slot,
    /// A transaction keeps dead rows from being vacuumed.
    Transaction,
    /// A vacuum is at work on a table that a rule erases from.
    Vacuum,
    /// Too many rows of such a table are dead.
    DeadRows,
}

impl Wait {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Replica,
        Self::Slot,
        Self::Transaction,
        Self::Vacuum,
        Self::DeadRows,
    ];

    /// The word that a run's row ends with when the window ended meanwhile.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Replica => "ThrottledByReplica",
            Self::Slot => "ThrottledBySlot",
            Self::Transaction => "ThrottledByTransaction",
            Self::Vacuum => "ThrottledByVacuum",
            Self::DeadRows => "ThrottledByDeadRows",
        }
    }

    /// By its word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wait| wait.word() == word)
    }

    /// Completes "while".
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Replica => "a replica was too far behind",
            Self::Slot => "a replication slot kept too much of the write-ahead log",
            Self::Transaction => {
                "a transaction was open for too long, which keeps dead rows from being vacuumed"
            }
            Self::Vacuum => "a vacuum was at work on one of its tables",
            Self::DeadRows => "too many rows of one of its tables were dead and not vacuumed",
        }
    }
}

/// Whether a run that ended with a word did all that it could in its time: told by its pod or read back from its ledger.
#[must_use]
pub fn ended_well(word: &str) -> bool {
    word == DONE || word == WINDOW_ELAPSED || Wait::named(word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_held_back_ended_as_well_as_one_whose_window_ended() {
        for wait in Wait::ALL {
            assert_eq!(Wait::named(wait.word()), Some(wait));
            assert!(wait.word().starts_with("ThrottledBy"));
            assert!(ended_well(wait.word()), "{}", wait.word());
        }
        assert!(ended_well(DONE) && ended_well(WINDOW_ELAPSED));
        for other in [
            "",
            "Unfinished",
            "Throttled",
            "ThrottleUnreadable",
            "SchemaDrift",
        ] {
            assert!(!ended_well(other), "{other}");
        }
    }
}
