//! The words that status gives as reasons beside those of the plan, the gates, apply and the agents.

use crate::plan::reason::words;

words! {
    "Why a condition is as it is.":

    /// Everything is there and works.
    Running,
    /// Something is on its way.
    Progressing,
    /// Something could not be applied; it is tried again.
    Retrying,
    /// What must not be there any more is being taken away.
    Removing,
    /// The resource is being deleted, and something is left.
    Deleting,
    /// The resource is being deleted, and nothing is left.
    Deleted,
    /// The spec is sound.
    Valid,
    /// Everything that the spec names is there.
    Resolved,
    /// No pause is in force.
    NotSuspended,
    /// No region was chosen, so nothing was asked.
    NotAsked,
    /// The channel has no connector.
    NoConnector,
    /// The connectors serve.
    Available,
    /// Connector pods are not ready, and won't be by themselves.
    ConnectorUnavailable,
    /// There is no connector where one should be.
    ConnectorMissing,
    /// The channel has no feeds.
    NoFeeds,
    /// Every feed's last run succeeded, in time.
    Current,
    /// A feed's run ended badly and left no word of its own.
    FeedFailed,
    /// A feed has not run for two intervals of its schedule.
    FeedOverdue,
    /// The first run is still to come.
    AwaitingFirstRun,
    /// A retention run ended badly and left no word of its own.
    RunFailed,
    /// A retention run left no report; its ledger is being read back.
    ReportLost,
    /// A retention run did not start for two intervals of its schedule.
    RunOverdue,
    /// The policy only counts.
    DryRun,
    /// The policy erases.
    Enforced,
    /// No two runs in a row that were due are without a record, and what is recorded is signed.
    Fresh,
    /// What is to be recorded could not be written.
    NotRecorded,
    /// Runs were due, and none is recorded.
    RunNotRecorded,
    /// The region's chain of records is broken.
    ChainBroken,
    /// Another region countersigned another chain than the hub shows.
    ChainUnproven,
    /// Another region was shown the chain from a later record on than it had countersigned.
    ChainNotShown,
    /// No key before the one that signs has named it.
    KeyUntrusted,
    /// The region's key has not signed yet.
    AwaitingSignature,
    /// The region's key was to sign, and did not.
    NotSigned,
    /// A region's key signed another chain than the hub has.
    NotThisChain,
    /// What was to sign left no word.
    SigningFailed,
    /// What was to find or make the key for requests left no word.
    KeeperFailed,
    /// What was to erase again after a restore left no word.
    ReapplyFailed,
    /// Erasing again was due by its schedule, twice, and was not done.
    ReapplyOverdue,
    /// Somebody saw that the person is who they say they are.
    Verified,
    /// Every open deadline lies ahead.
    OnTime,
    /// A deadline ends within seven days.
    DueSoon,
    /// A deadline has passed.
    Overdue,
    /// No deadline is open any more.
    Answered,
    /// No deadline that is open has passed, and one that is not was met after its end.
    DoneLate,
    /// What is open has no number in law.
    NoNumber,
    /// No law speaks of such a request at all.
    NoClock,
    /// The Job of a request left no word.
    RequestJobFailed,
    /// A copy that has expired is still in its bucket.
    CopyNotRemoved,
    /// Every data set has a rule.
    Complete,
    /// A data set has none.
    NoRule,
    /// Every database that it is for says that it holds.
    InForce,
    /// A database has not said yet that it holds.
    NotInForce,
    /// The release is on its way to a database.
    Releasing,
    /// A Job that opens or releases a hold ended badly and left no word of its own.
    HoldJobFailed,
    /// The review date lies ahead.
    ReviewAhead,
    /// The review date has passed.
    ReviewPassed,
    /// Nothing that the regimes ask for is missing, by what can be seen.
    NoFindings,
    /// Something is missing, and none of it is severe.
    LesserFindings,
    /// Something severe is.
    SevereFindings,
    /// The regional cluster answers.
    Connected,
    /// The regional cluster is being connected for the first time.
    Connecting,
    /// The region has not answered for so long that its last values no longer count.
    RegionUnreachable,
}
