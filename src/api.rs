//! The API: group `tradewind.dev`, version `v1alpha1`, in the user's vocabulary.
//!
//! In: nothing. Out: the kinds, their conditions, and every name that other rooms use in a cluster.
//! It must never decide anything: rules that the API server checks are declared here, all others are the plan's.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod accountability;
pub mod condition;
pub mod crd;
mod data_policy;
mod dates;
pub mod docs;
mod erased_column;
mod evidence_record;
mod finding;
mod free_text;
mod hold_list;
mod last_contact;
mod legal_hold;
pub mod names;
mod opt_out;
mod recipient;
mod reference;
mod region;
mod requests;
mod rule;
mod signing;
mod social_channel;
mod subject_request;
mod subject_status;
mod transfer;
mod unread_run;

pub use accountability::{Contact, Controller, ControllerClass, LegalBasis, Recipient};
pub use data_policy::{
    ApprovalSpec, CategoryTotals, DataPolicy, DataPolicySpec, DataPolicyStatus, PolicyRegionStatus,
    PolicySelector, Regime, RegionEvidence, Retention, RetentionThrottle, RunPhase, RunStatus,
    Uncovered,
};
pub use dates::{KeptColumns, NoDate, RuleDates};
pub use erased_column::ErasedColumn;
pub use evidence_record::{
    CountersignedBefore, EvidenceAbout, EvidenceRecord, EvidenceRecordSpec, EvidenceRecordStatus,
    SignedCheckpoint, SignedCountersignature,
};
pub use finding::{FindingTotals, PolicyFinding, Severity};
pub use hold_list::HoldList;
pub use last_contact::{ContactTable, LastContact};
pub use legal_hold::{
    HeldScope, HeldStoreStatus, HeldSubject, HeldTable, HoldRegionStatus, HoldRelease,
    HoldSelector, HoldState, LegalHold, LegalHoldSpec, LegalHoldStatus, ValuesRef,
};
pub use opt_out::ConnectorOptOut;
pub use recipient::{PolicyRecipient, ReceiptRecipient, RecipientHttp};
pub use reference::{
    DeletionPolicy, InventoryEntry, KeyRef, LabelPair, NameRef, RegionState, Setting, Suspend,
};
pub use region::{
    Cluster, DataStore, Enforcement, EnforcementMode, IngressTarget, KubeconfigRef, Local,
    LocaleSpec, PostgresStore, Region, RegionSpec, RegionStatus, TaxRateSpec, TaxSpec, Tenant,
    Toleration, Workloads,
};
pub use requests::{
    PersonKind, Reapplied, ReapplySchedule, Requests, RequestsStatus, SuppressionStore,
};
pub use rule::{
    BindingHold, BindingKeep, ByLaw, Dataset, DatasetSubject, Decides, Erase, Keep, Notice,
    OtherErase, PolicyRule, RuleDecision, RunsFrom, Stopped,
};
pub use signing::{CountersignedTo, Signing, SigningStatus};
pub use social_channel::{
    Catalog, CatalogSource, ChannelRegionStatus, ChannelSelector, Checkout, CheckoutMode,
    Connector, ConnectorIngress, ConnectorStatus, ConnectorStore, Credentials, CredentialsLocation,
    FeedDestinationSpec, FeedSpec, FeedStatus, HttpSink, HttpSource, ObjectStoreDestination,
    Platform, PostgresSource, RegionSelector, Replicas, SinkSpec, SocialChannel, SocialChannelSpec,
    SocialChannelStatus,
};
pub use subject_request::{
    AskedFor, ClockPause, CopyDelivery, CopyStore, DataSubjectRequest, DataSubjectRequestSpec,
    DataSubjectRequestStatus, Done, ErasureNotice, Measure, Reasoned, SealedIdentity, Upheld,
};
pub use subject_status::{
    RequestAction, RequestDeadline, RequestReceipt, RequestRegionStatus, RequestStage,
};
pub use transfer::{Backups, ExportedPersons, HeldFlow, Transfer};
pub use unread_run::UnreadRun;

/// The API group.
pub const GROUP: &str = "tradewind.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
