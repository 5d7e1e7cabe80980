//! Why a request ended without an answer, and what the Job should make of it. No word of the person is in any of them.

use super::super::error::Error as Run;
use super::super::fault::{Fault, Trouble};
use super::super::store::Store;
use super::{events, opt_out, settings};
use crate::agent::error_chain;
use crate::contract::Outcome;

/// Why a request ended without an answer. What it had done until then stands in the books.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Something is wrong with several stores.
    #[error("{}", each(.0))]
    Several(Vec<Self>),
    /// What retention would say of the same.
    #[error(transparent)]
    Run(#[from] Run),
    /// The task's words are wrong.
    #[error("the task is wrong")]
    Settings(#[from] settings::Error),
    /// An opt-out is not in force.
    #[error(transparent)]
    OptOut(#[from] opt_out::Error),
    /// Events cannot be erased.
    #[error(transparent)]
    Events(#[from] events::Error),
    /// A file that the task names is not there.
    #[error("cannot read the file that `{what}` names: mount its Secret")]
    Unreadable {
        /// The field.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The region's key is none.
    #[error(
        "the file that `request.key` names holds no `age` identity: make one by `tradewind-agent keygen`"
    )]
    KeyInvalid,
    /// The key of the hashes is none.
    #[error(
        "the file that `suppression.key` names does not hold 64 hexadecimal digits: make them by `openssl rand -hex 32`"
    )]
    HashKeyInvalid,
    /// The ciphertext holds no person.
    #[error("what the file that `request.identity` names holds, decrypted, {0}")]
    IdentityInvalid(&'static str),
    /// Encrypted to another region's key.
    #[error(
        "the identity was not encrypted to this region's key, or was changed on its way: encrypt it to the key that `tradewind-agent keygen` printed here"
    )]
    IdentityNotForKey,
    /// It could not be encrypted.
    #[error("could not encrypt to the recipient")]
    Encrypt,
    /// One reference, two persons.
    #[error(
        "`request.reference` stood for another person or another kind of request before: give this one another"
    )]
    ReferenceReused,
    /// Hidden or opted out once, lifted, and asked for again.
    #[error(
        "`request.reference` stood for a restriction or an opt-out that was lifted: give this one another"
    )]
    Lifted,
    /// Ended in its midst, and asked for again.
    #[error(
        "`request.reference` stood for an erasure that was ended before all was erased: give this one another"
    )]
    Forgotten,
    /// One person, two requests for the same at one time.
    #[error(
        "request `{other}` is for the same, by the same values, was begun within a day and has not ended: rows of before it \
         are erased there, and this one looks again after it, or a day after that one began"
    )]
    Duplicate {
        /// The reference of the one that is under way.
        other: String,
    },
    /// One reference, two tasks.
    #[error(
        "store `{store}`: the request was begun with other tables: give it another reference, or the tables it had"
    )]
    OtherTables {
        /// The store.
        store: String,
    },
    /// Nobody would go on in a store.
    #[error(
        "store `{store}`: the request was begun there and is not over, and the task names no table of it any more: give it back until the request has ended"
    )]
    StoreLeft {
        /// The store.
        store: String,
    },
    /// Rows would stay hidden.
    #[error(
        "store `{store}`: the request has hidden rows there, or may have, and the task names no table of it any more: give it back until they are shown"
    )]
    StoreHides {
        /// The store.
        store: String,
    },
    /// Rows would stay hidden.
    #[error(
        "table `{table}` of store `{store}`: the request has hidden rows there, and the task does not name it any more: give it back until they are shown"
    )]
    TableHides {
        /// The store.
        store: String,
        /// The table, as the task named it.
        table: String,
    },
    /// Too many for one person.
    #[error(
        "table `{table}`: more than {most} rows would be the person's (`maxRows`): see whether a value is shared by many"
    )]
    TooMany {
        /// The table.
        table: String,
        /// The bound.
        most: i64,
    },
    /// The suppression store would be restored with the store.
    #[error(
        "store `{store}` is in the database of the suppression store: give that one a database, better a server, of its own"
    )]
    NotApart {
        /// The store.
        store: String,
    },
    /// Hashes whose key is not here.
    #[error(
        "the suppression store has hashes of another key than `suppression.key`: mount that key, or delete them there if it was destroyed on purpose"
    )]
    OtherHashKey,
    /// Hashes of values that nobody looks for.
    #[error(
        "the suppression store has values of kind `{kind}`, which is not among `identities`: name it there as it was, or whoever was erased by it would not be found; after a renaming, both names"
    )]
    KindUnknown {
        /// The kind.
        kind: String,
    },
    /// The copy did not get where it was to go.
    #[error("the copy was not delivered: {what}")]
    Delivery {
        /// What happened.
        what: String,
        /// How to take it.
        outcome: Outcome,
        /// The word for a condition.
        reason: &'static str,
    },
    /// The copy is where it was.
    #[error("the copy was not removed: {what}")]
    Removal {
        /// What happened.
        what: String,
        /// How to take it.
        outcome: Outcome,
        /// The word for a condition.
        reason: &'static str,
    },
}

/// All of them, each with what it came from.
fn each(errors: &[Error]) -> String {
    let all: Vec<String> = errors.iter().map(|error| error_chain(error)).collect();
    all.join("; ")
}

impl Error {
    /// All that is wrong, as one; what somebody must mend comes before what may end by itself.
    pub(super) fn together(mut errors: Vec<Self>) -> Option<Self> {
        errors.sort_by_key(|error| error.outcome() == Outcome::Retry);
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// A failed statement.
    pub(super) fn at(store: &str) -> impl Fn(Fault) -> Self + use<> {
        let store = store.to_owned();
        move |fault| {
            Self::Run(Run::Statement {
                store: store.clone(),
                fault,
            })
        }
    }

    /// Whether another transaction was in the way.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Run(Run::Statement { fault, .. }) = self else {
            return false;
        };
        matches!(fault.trouble(), Trouble::Conflict | Trouble::Busy)
    }

    /// How the Job should take it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Several(all) => all.first().map_or(Outcome::Retry, Self::outcome),
            Self::Run(error) => error.outcome(),
            Self::OptOut(error) => error.outcome(),
            Self::Events(error) => error.outcome(),
            Self::Delivery { outcome, .. } | Self::Removal { outcome, .. } => *outcome,
            _ => Outcome::Refused,
        }
    }

    /// The word for a condition.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Several(all) => all.first().map_or("StoreUnavailable", Self::reason),
            Self::Run(error) => error.reason(),
            Self::OptOut(error) => error.reason(),
            Self::Events(error) => error.reason(),
            Self::Settings(_) => "TaskInvalid",
            Self::Unreadable { .. } => "SecretMissing",
            Self::KeyInvalid => "KeyInvalid",
            Self::HashKeyInvalid => "SuppressionKeyInvalid",
            Self::IdentityInvalid(_) => "IdentityInvalid",
            Self::IdentityNotForKey => "IdentityNotForKey",
            Self::Encrypt => "EncryptionFailed",
            Self::ReferenceReused | Self::Lifted | Self::Forgotten => "ReferenceReused",
            Self::Duplicate { .. } => "Duplicate",
            Self::OtherTables { .. } | Self::StoreLeft { .. } => "SchemaDrift",
            Self::StoreHides { .. } | Self::TableHides { .. } => "HiddenRowsUnmapped",
            Self::TooMany { .. } => "TooManyRows",
            Self::NotApart { .. } => "SuppressionNotApart",
            Self::OtherHashKey => "SuppressionKeyUnknown",
            Self::KindUnknown { .. } => "SuppressionKindUnknown",
            Self::Delivery { reason, .. } | Self::Removal { reason, .. } => reason,
        }
    }
}

/// The error for a failed statement of a store.
pub(super) fn failed(store: &Store) -> impl Fn(Fault) -> Error + use<> {
    Error::at(&store.name)
}
