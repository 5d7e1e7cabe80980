//! What holds keep of a connector's events: the connector's own purge asks, and so does an erasure by request.
//!
//! In: a transaction that is about to purge. Out: it has the shared lock of the holds, and what must stay is known. Where holds
//! are and cannot be read, nothing is purged.

use sqlx::PgConnection;

use crate::agent::database::Said;

/// Whether a hold keeps event `e`: one on the whole database, on the table, or on a value of it. A hold on what cannot be
/// compared as text, or on the outbox, keeps all: more than was meant, never less. After a restore a table has another oid,
/// after a renaming another name: either will do.
pub(in crate::agent) const HELD: &str = "EXISTS (SELECT FROM tradewind.held AS s WHERE s.relation IS NULL
  OR s.relation = 'tradewind_connect.outbox' OR s.oid = 'tradewind_connect.outbox'::regclass
  OR (s.relation = 'tradewind_connect.event' OR s.oid = 'tradewind_connect.event'::regclass) AND (s.attname IS NULL
    OR s.attname NOT IN ('id', 'channel', 'kind', 'webhook_id', 'subject') OR to_jsonb(e) ->> s.attname::text = s.value))";

/// Whether holds keep all that a connector has, or some events of it: a hold on any other of its tables is one on all. Asked
/// first, so that no batch looks through what is held row by row.
const WHAT: &str = "
SELECT count(*) > 0, coalesce(bool_or(s.attname IS NULL
  OR NOT (s.relation = 'tradewind_connect.event' OR s.oid = 'tradewind_connect.event'::regclass)
  OR s.attname NOT IN ('id', 'channel', 'kind', 'webhook_id', 'subject')), false)
FROM tradewind.held AS s
WHERE s.relation IS NULL OR s.relation LIKE 'tradewind\\_connect.%'
  OR s.oid IN (SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = 'tradewind_connect'::regnamespace)";

/// Whether there are holds at all, whether their lock is there, and whether the role may use both. By the catalogue: whoever may
/// not use a schema gets an error for asking by name.
const BOOKS: &str = "
SELECT p.oid IS NOT NULL, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
  AND coalesce(has_function_privilege(p.oid, 'EXECUTE'), false), quote_ident(current_user)
FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'held'
LEFT JOIN pg_proc AS p ON p.pronamespace = n.oid AND p.proname = 'lock_holds' AND p.pronargs = 0
WHERE n.nspname = 'tradewind'";

/// Why nothing was purged.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent::connect) enum Unpurged {
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] Said),
    /// Holds that the role cannot see, or not wait for.
    #[error(
        "holds are kept in this database and the connector's role may not read them; the owner of the schema tradewind runs: GRANT USAGE ON SCHEMA tradewind TO {role}; GRANT SELECT ON tradewind.held TO {role}; GRANT EXECUTE ON FUNCTION tradewind.lock_holds() TO {role};"
    )]
    Grants {
        /// The role of the store's URL, quoted.
        role: String,
    },
    /// Books of an earlier release: their holds cannot be waited for.
    #[error(
        "holds are kept in this database by an earlier release, which a connector cannot wait for; the next run of retention or of a hold there brings them up to date"
    )]
    Books,
    /// Nobody knows which holds the hub has by now.
    #[error(
        "the list of legal holds is older than {max_age}: the hub {seen}; see that the hub reaches this region, that the Region is not suspended, and that both clocks are right, or change spec.holds.maxAge of the Region"
    )]
    Stale {
        /// What is known of it.
        seen: String,
        /// The bound.
        max_age: String,
    },
}

impl From<sqlx::Error> for Unpurged {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What holds keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing.
    Nothing,
    /// Some events.
    Some,
    /// Everything.
    All,
}

impl Held {
    /// Locks the holds until the transaction ends, in a statement of its own, and reads them in the next: a hold that was being
    /// opened is seen, and one that is opened now waits.
    pub(super) async fn locked(connection: &mut PgConnection) -> Result<Self, Unpurged> {
        let books: Option<(bool, bool, String)> = sqlx::query_as(BOOKS)
            .fetch_optional(&mut *connection)
            .await?;
        let Some((has_lock, may, role)) = books else {
            return Ok(Self::Nothing);
        };
        if !has_lock {
            return Err(Unpurged::Books);
        }
        if !may {
            return Err(Unpurged::Grants { role });
        }
        let lock = sqlx::query("SELECT tradewind.lock_holds()");
        lock.execute(&mut *connection).await?;
        let (some, all): (bool, bool) = sqlx::query_as(WHAT).fetch_one(connection).await?;
        Ok(match (some, all) {
            (_, true) => Self::All,
            (true, false) => Self::Some,
            (false, false) => Self::Nothing,
        })
    }

    /// Whether event `e` must stay.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Nothing => "false",
            Self::Some => HELD,
            Self::All => "true",
        }
    }
}
