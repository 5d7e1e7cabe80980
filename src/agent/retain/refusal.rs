//! What is wrong with a rule's table, and what would be right.

use super::settings::Rule;
use super::unfit::Unfit;

/// Why a rule cannot run. Somebody must change the policy, the table or the role's grants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No such table, or the role cannot see it.
    #[error(
        "rule `{rule}`: no table `{table}` (case counts): name one that exists, or `schema.table`"
    )]
    TableMissing {
        /// The rule.
        rule: String,
        /// As it was written.
        table: String,
    },
    /// The name stands for two tables.
    #[error("rule `{rule}`: `{table}` names more than one table: write `schema.table`")]
    TableAmbiguous {
        /// The rule.
        rule: String,
        /// As it was written.
        table: String,
    },
    /// The server's own tables, or Tradewind's.
    #[error(
        "rule `{rule}`: {table} belongs to the server or to Tradewind: name a table of the merchant's"
    )]
    SystemTable {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
    },
    /// A view has no rows of its own.
    #[error("rule `{rule}`: {table} is a view: name the table that holds its rows")]
    View {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
    },
    /// Rows on another server: no snapshot, no lock of ours reaches them.
    #[error(
        "rule `{rule}`: {table} is a foreign table: make the store that holds its rows a data store"
    )]
    ForeignTable {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
    },
    /// A primary key does not reach into tables that inherit, and by one's name the holds and keeps of the other would be missed.
    #[error(
        "rule `{rule}`: {table} inherits from another table, or others inherit from it: take the inheritance away \
         (ALTER TABLE ... NO INHERIT), or make partitions of them"
    )]
    Inherited {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
    },
    /// Holds and keeps are of whole tables: by a partition's name they would be missed.
    #[error("rule `{rule}`: {table} is a partition: write the rule for {parent}")]
    Partition {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// What it is a partition of.
        parent: String,
    },
    /// Row security hides rows: what is hidden would be neither counted nor erased, or would be cascaded into.
    #[error(
        "rule `{rule}`: row security hides rows of {table} from role {role}: ALTER ROLE {role} BYPASSRLS"
    )]
    RowSecurityActive {
        /// The rule.
        rule: String,
        /// The table, or one that refers to it.
        table: String,
        /// The role, quoted.
        role: String,
    },
    /// A marked row would be as visible as any other.
    #[error(
        "rule `{rule}`: {table} does not hide restricted rows: {}",
        statements.join(" ")
    )]
    RestrictionUnprepared {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// What mends it.
        statements: Vec<String>,
    },
    /// A rule of the table's own says what happens instead of what erases.
    #[error(
        "rule `{rule}`: {table} has a rule (CREATE RULE) that rewrites what erases its rows: make a trigger of it"
    )]
    Rewritten {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
    },
    /// Without a key no row can be named.
    #[error("rule `{rule}`: {table} has no primary key: ALTER TABLE {table} ADD PRIMARY KEY (...)")]
    NoPrimaryKey {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
    },
    /// No such column.
    #[error("rule `{rule}`: {table} has no column `{clock}` (case counts): name its clock column")]
    ClockMissing {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// As it was written.
        clock: String,
    },
    /// No such column.
    #[error(
        "rule `{rule}`: {table} has no column `{column}` (case counts): name the column that tells whose a row is"
    )]
    SubjectMissing {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// As it was written.
        column: String,
    },
    /// Not a clock.
    #[error(
        "rule `{rule}`: column {clock} of {table} is {found}: a clock is date, timestamp or timestamptz"
    )]
    ClockWrongType {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// The column, quoted.
        clock: String,
        /// Its type.
        found: String,
    },
    /// Hours before are of moments.
    #[error(
        "rule `{rule}`: column {column} of {table} is no timestamptz: a notice is a moment, so that hours can be counted from it"
    )]
    NoticeNoMoment {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// The column, quoted.
        column: String,
    },
    /// A keep counts from what is no clock here: which rows it keeps cannot be known.
    #[error(
        "rule `{rule}`: {ground} keeps rows of {table} by `{clock}`, which is no date, timestamp or timestamptz column of it: correct the keep's clock, or its table if it means another"
    )]
    KeepUnreadable {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// As it was written.
        clock: String,
        /// The law, and the policy that states it.
        ground: String,
    },
    /// What is no reference tells nothing of whose a contact was.
    #[error(
        "rule `{rule}`: no foreign key of {contact} leads to {table}: name a table whose rows refer to it, or add the constraint"
    )]
    ContactUnrelated {
        /// The rule.
        rule: String,
        /// The rule's table.
        table: String,
        /// The table of contacts.
        contact: String,
    },
    /// A column that the rule would change, and may not.
    #[error("rule `{rule}`: column {column} of {table} {unfit}")]
    Column {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// The column, quoted.
        column: String,
        /// What is wrong with it.
        unfit: Box<Unfit>,
    },
    /// A foreign key would erase or change rows that no rule deletes.
    #[error(
        "rule `{rule}`: constraint {constraint} ({action}) reaches {child}, which has no rule that deletes: write one for {child}, or make it ON DELETE RESTRICT"
    )]
    Cascade {
        /// The rule.
        rule: String,
        /// The table that refers.
        child: String,
        /// The constraint, quoted.
        constraint: String,
        /// What it does.
        action: &'static str,
    },
    /// A row that the database refuses to erase would stand in its log.
    #[error(
        "rule `{rule}`: the server may refuse to erase a row of {table}, and would write the whole row into its log (log_error_verbosity = {found}): ALTER ROLE {role} SET log_error_verbosity = terse;"
    )]
    ServerLogsRows {
        /// The rule.
        rule: String,
        /// The table.
        table: String,
        /// What the setting is.
        found: String,
        /// The role, quoted.
        role: String,
    },
    /// What a statement is bound to would stand in the server's log.
    #[error(
        "store `{store}`: the server would log the values of statements ({setting}), and so persons': {mend}"
    )]
    ServerLogsValues {
        /// The store.
        store: String,
        /// The setting, as it is.
        setting: String,
        /// What mends it.
        mend: String,
    },
    /// Two rules over one table: no row would have one erase-by date.
    #[error("rules `{rule}` and `{other}` name the same table {table}: keep one of them")]
    SameTable {
        /// The rule.
        rule: String,
        /// The other.
        other: String,
        /// The table.
        table: String,
    },
    /// No order erases children first.
    #[error("rules {} refer to each other in a circle: take one out", rules.join(" -> "))]
    Circle {
        /// The rules, in order.
        rules: Vec<String>,
    },
    /// The role lacks rights.
    #[error("store `{store}`: role {role} lacks {} grants: {}", statements.len(), statements.join(" "))]
    GrantsMissing {
        /// The store.
        store: String,
        /// The role, quoted.
        role: String,
        /// What mends it.
        statements: Vec<String>,
    },
}

impl Refusal {
    /// A column that a rule cannot change.
    pub(super) fn of((column, unfit): (String, Unfit), rule: &Rule, table: &str) -> Self {
        Self::Column {
            rule: rule.name.clone(),
            table: table.to_owned(),
            column,
            unfit: Box::new(unfit),
        }
    }

    /// The word for a condition.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TableMissing { .. } => "TableMissing",
            Self::TableAmbiguous { .. } => "TableAmbiguous",
            Self::SystemTable { .. } => "SystemTable",
            Self::View { .. } => "View",
            Self::ForeignTable { .. } => "ForeignTable",
            Self::Inherited { .. } => "Inherited",
            Self::Partition { .. } => "Partition",
            Self::RowSecurityActive { .. } => "RowSecurityActive",
            Self::RestrictionUnprepared { .. } => "RestrictionUnprepared",
            Self::Rewritten { .. } => "TableRewritten",
            Self::NoPrimaryKey { .. } => "NoPrimaryKey",
            Self::ClockMissing { .. } => "ClockMissing",
            Self::SubjectMissing { .. } => "SubjectMissing",
            Self::ClockWrongType { .. } => "ClockWrongType",
            Self::NoticeNoMoment { .. } => "NoticeNoMoment",
            Self::KeepUnreadable { .. } => "KeepUnreadable",
            Self::ContactUnrelated { .. } => "ContactUnrelated",
            Self::Column { unfit, .. } => unfit.reason(),
            Self::Cascade { .. } => "CascadeWithoutRule",
            Self::ServerLogsRows { .. } | Self::ServerLogsValues { .. } => "ServerLogsValues",
            Self::SameTable { .. } => "SameTable",
            Self::Circle { .. } => "Circle",
            Self::GrantsMissing { .. } => "GrantsMissing",
        }
    }
}
