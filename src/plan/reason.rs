//! The words that a plan gives as reasons; the gates have words of their own beside their questions.

/// An enum of words with their spelling and a list of all of them.
macro_rules! words {
    ($about:literal: $($(#[doc = $doc:literal])* $word:ident,)*) => {
        #[doc = $about]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Word {
            $($(#[doc = $doc])* $word,)*
        }

        impl Word {
            /// Every word, for tests that look for one that no case reaches.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// The word in a condition's `reason`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)*
                }
            }

            /// The word with its sentence.
            #[must_use]
            pub fn because(self, message: impl Into<String>) -> $crate::plan::Reason {
                $crate::plan::Reason {
                    word: self.as_str().to_owned(),
                    message: message.into(),
                }
            }
        }
    };
}

pub(crate) use words;

words! {
    "Why a resource or a region is planned as it is.":

    // What an edit of the resource must mend
    /// A Region's evidence is to be signed by a schedule that is none.
    SigningScheduleInvalid,
    /// The schedule by which whoever was erased is erased again is none.
    ReapplyScheduleInvalid,
    /// No pack knows the platform.
    UnknownPlatform,
    /// The platform has no such setting.
    UnknownSetting,
    /// The platform needs a setting that isn't there.
    SettingMissing,
    /// A setting's value is of another form.
    SettingInvalid,
    /// A connector for a platform that sends no webhooks.
    WebhooksUnsupported,
    /// An event that the platform never sends.
    EventUnsupported,
    /// The platform's events do not tell a person by one value.
    OptOutUnsupported,
    /// A feed for a platform that reads no files, or a mode that it doesn't have.
    FeedUnsupported,
    /// Two feeds, or one in two regions, would write the same file.
    FeedsShareFile,
    /// No address that the agent could read.
    AddressInvalid,
    /// No pack knows the regime.
    UnknownRegime,
    /// No law of the policy keeps records of a kind that a rule names.
    RecordsUnknown,
    /// A regime has no such kind of controller.
    ClassUnknown,
    /// A rule goes by the law, and none sets its period in the region.
    NoPeriodByLaw,
    /// The law that sets a rule's period wants persons told before, and the rule does not say when they were.
    NoticeUnstated,
    /// A rule's period isn't longer than nothing.
    PeriodInvalid,
    /// `retention.window` isn't longer than nothing.
    WindowInvalid,
    /// `suspend.until` is no moment: the pause has no end until it is mended.
    SuspensionInvalid,
    /// No such time zone.
    TimeZoneUnknown,
    /// `enforcement.grace` is no duration.
    GraceInvalid,
    /// A tenant's namespace is the region's `runNamespace`.
    TenantIsRunNamespace,
    /// Another Region is the same cluster.
    SharedCluster,
    /// No currency of ISO 4217 with a minor unit.
    CurrencyUnknown,
    /// The suppression store is one of the stores that it protects.
    SuppressionNotApart,
    /// Two rules for one table.
    RulesShareTable,
    /// A rule's method is no erasure, and nothing does it.
    MethodNotErasure,
    /// Rules name one database of the Region by two names.
    StoresAreOne,
    /// A run's report has no room for all that goes of kept rows.
    TooManyParts,
    /// `reviewOn` is no date.
    ReviewDateInvalid,
    /// Moments, days or pauses from which no deadline can be counted.
    ClockInvalid,

    // What the resource names, and isn't there
    /// No Region of that name.
    RegionNotFound,
    /// No Region is chosen.
    NoRegion,
    /// The Secret of the platform's credentials isn't there.
    SecretNotFound,
    /// The Secret could not be read.
    SecretUnreadable,
    /// The Secret lacks keys.
    SecretKeysMissing,
    /// The Region has no data store of that name.
    StoreNotFound,
    /// No rule says of a table there that it has data of the category.
    NothingOfCategory,
    /// No rule of a policy says which column has the kind of value that a hold names.
    NothingOfSubject,
    /// The Region has no `ingress`.
    IngressNotConfigured,
    /// The namespace isn't in the regional cluster.
    NamespaceMissing,
    /// The Region itself isn't accepted.
    RegionNotAccepted,
    /// The Region has no `requests`.
    RequestsNotTaken,
    /// The request has no ciphertext for the region.
    IdentityMissing,
    /// The region's key is not known yet.
    KeyUnknown,
    /// The ciphertext is to another key than the region's.
    KeyChanged,
    /// A rule speaks of a kind of identity that the Region does not know.
    IdentityUnknown,
    /// No rule says whose rows are.
    NobodyMapped,
    /// No rule names a table any more in which a request has hidden rows.
    HiddenRowsUnmapped,
    /// A copy was delivered to another place than the spec names by now.
    CopyElsewhere,
    /// A hold of the hub is not in force yet.
    HoldNotInForce,
    /// No preview has the hash that an approval names.
    ApprovalUnknown,
    /// An approval for a region that the policy isn't for.
    ApprovalUnmatched,
    /// The approved preview is of another spec.
    ApprovalOutdated,

    // What is so, and will end
    /// `spec.suspend` of the resource.
    Suspended,
    /// `spec.suspend` of the Region.
    RegionSuspended,
    /// The regional cluster does not answer.
    RegionUnreachable,
    /// Which cluster the Region is has not been written down yet.
    RegionUnidentified,
    /// The Region was taken from the hub while objects were there.
    RegionGone,
    /// The Region is being deleted.
    RegionDeleting,
    /// The Region is being deleted with `Orphan`.
    RegionOrphaned,
    /// The policy has no rule that erases.
    OnlyKeeps,
    /// The hold is released in every database of the region.
    Released,
    /// Nobody recorded that the person is who they say they are.
    NotVerified,
    /// A notice before erasure is to be sent, to be acknowledged, or its time to pass.
    AwaitingNotice,
    /// Another request is the same.
    Duplicate,
    /// The request is done in the region.
    Fulfilled,
    /// The request is done in the region, and nobody was found.
    NobodyFound,
    /// No channel sells or shares anything in the region.
    NothingToStop,
    /// The request was refused.
    RequestRefused,
    /// The request was taken back.
    Cancelled,
    /// The rows that the request has hidden read as before.
    Lifted,
    /// Rows are hidden, and nobody recorded whether the objection holds.
    Undecided,
    /// The spec no longer chooses the region.
    Deselected,
    /// The resource is being deleted.
    Deleted,
    /// The resource is being deleted with `Orphan`.
    Orphaned,
}
