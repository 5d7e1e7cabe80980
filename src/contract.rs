//! The only knowledge that both binaries share: what the operator tells an agent, and what it answers.
//!
//! In: nothing. Out: serde structs, names of files, exit codes, the calendar by which rows are due. It must never
//! know Kubernetes, SQL or HTTP.
//!
//! A task is a JSON file mounted from a ConfigMap. It holds no secret and no personal data; it names the
//! files that hold the secrets. A report is one JSON object in the container's termination message.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod attest;
mod catalogue;
mod contact;
mod count;
pub mod cutoff;
pub mod ended;
mod erase;
mod event;
mod events;
mod hold;
mod keeper;
mod lift;
mod method;
mod opt_out;
mod own;
mod personal;
mod recipient;
mod report;
mod space;
mod strategy;
mod task;
mod throttle;

pub use attest::{Attest, AttestReport, Behind, Witnessed};
pub use catalogue::{
    AbsentTable, Catalogue, CatalogueLook, FiringTrigger, MissingIndex, StoreDatabase,
    UnruledTable, can_be_ruled, names_table,
};
pub use contact::{ContactTable, LastContact, Notice};
pub use count::{Count, NoCount, Sum};
pub use erase::{
    Delivered, Delivery, Erase, EraseReport, ErasedStore, ErasedTable, IdentityKind, KeptRows,
    Lookup, RequestKind, RequestState, SEVERAL, SubjectColumn, SubjectRequest, SubjectStore,
    SubjectTable, Suppression,
};
pub use event::{EventKind, EventRule, Match};
pub use events::{EventChannel, EventStore, events_of};
pub use hold::{
    HeldStore, Hold, HoldList, HoldReport, HoldScope, ReleaseOf, ReportedStore, RequiredHold,
    RequiredScope, SEALED, held_values,
};
pub use keeper::{KeepKey, KeepKeyReport};
pub use lift::{LiftReport, LiftedTable};
pub use method::{ColumnChange, ColumnSet, Grain, Method, PSEUDONYMISE};
pub use opt_out::{OptOutChannel, OptOutStore, OptedOut};
pub use own::{OWN_TABLES, OwnDatabase, OwnTables};
pub use personal::personal_word;
pub use recipient::{IdentityForm, Recipient, RecipientState, RefusalGround, ToldRecipient};
pub use report::{
    FeedReport, Outcome, REPORT_BYTES, RejectedItem, Report, RetainReport, RetainedRule, rule_of,
};
pub use space::Space;
pub use strategy::Strategy;
pub use task::{
    Approval, Channel, Column, ColumnKind, Connect, Country, Feed, FeedDestination, FeedMode,
    FeedSource, KEEP_UNDELIVERED, Locale, Preview, PreviewedRule, Retain, RetainMode,
    RetentionKeep, RetentionRule, SMALL_COUNTS, Sink, SourceAuth, SourceFormat, Task, Tax,
    TaxDisplay, TaxRate, Webhook,
};
pub use throttle::Throttle;

/// The version of the task and report formats. An agent refuses any other.
pub const VERSION: u32 = 1;

/// Where the task is mounted in every pod that the operator starts.
pub const TASK_PATH: &str = "/etc/tradewind/task.json";

/// Below this folder each Secret that a task names is mounted: `<SECRETS_PATH>/<mount>/<key>`.
pub const SECRETS_PATH: &str = "/var/run/tradewind/secrets";

/// Where the hub says when it last saw all LegalHolds: one RFC 3339 moment.
pub const HOLD_LIST_PATH: &str = "/var/run/tradewind/holds/seen-at";

/// The environment variable that tells a pod of a retention of which Job it is.
pub const JOB_VARIABLE: &str = "TRADEWIND_JOB";

/// Where a report is written (Kubernetes' default termination message path).
pub const REPORT_PATH: &str = "/dev/termination-log";

/// The connector's port for webhooks.
pub const WEBHOOK_PORT: u16 = 8080;

/// The connector's port for `/healthz`, `/readyz` and `/metrics`; never exposed by an Ingress.
pub const ADMIN_PORT: u16 = 8081;

/// Exit codes that a Job's pod failure policy reads.
pub mod exit {
    /// The work is done, or there was nothing to do.
    pub const DONE: u8 = 0;
    /// The task or the world it describes is wrong: a retry would end the same way (BSD's `EX_USAGE`).
    pub const REFUSED: u8 = 64;
    /// A passing fault: the same task may succeed later (BSD's `EX_TEMPFAIL`).
    pub const RETRY: u8 = 75;
}
