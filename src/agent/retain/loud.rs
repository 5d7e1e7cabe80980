//! Whether the server would write a row, or its key, into its log when it refuses to erase it.
//!
//! In: a session, a table. Out: nothing, once the session logs errors without their details, or where they can be no more than
//! a number, a uuid or a moment; or what an administrator must set. What a failed CHECK or NOT NULL logs as `Failing row
//! contains` is a person. Any row that another program refers to in the moment in which it is erased has its key logged.

use sqlx::Row;

use super::catalog::Table;
use super::error::Error;
use super::fault::{Fault, Trouble};
use super::refusal::Refusal;
use super::store::Store;

/// The setting that takes the details out of errors.
const SETTING: &str = "log_error_verbosity";
const QUIET: &str = "terse";

/// Whether a row may be refused with its values: changed, by a check that reads what changes (or all, or was never asked
/// of old rows), by a generated column, or by whatever a trigger makes of it; deleted, by a foreign key to something else
/// than a number, a uuid or a moment.
const MAY_SHOW: &str = "
WITH family AS (SELECT $1::bigint::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass))
SELECT CASE WHEN cardinality($2::text[]) = 0 THEN
  EXISTS (SELECT FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
    WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM family)
      AND a.atttypid NOT IN (20, 21, 23, 1082, 1114, 1184, 1700, 2950))
ELSE
  EXISTS (SELECT FROM pg_constraint AS k JOIN family AS f ON f.oid = k.conrelid
    WHERE k.contype = 'c' AND (k.conkey IS NULL OR 0 = ANY (k.conkey) OR NOT k.convalidated
      OR EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        AND quote_ident(a.attname) = ANY ($2))))
  OR EXISTS (SELECT FROM pg_attribute AS a JOIN family AS f ON f.oid = a.attrelid
    WHERE a.attgenerated <> '' AND NOT a.attisdropped)
  OR EXISTS (SELECT FROM pg_trigger AS t JOIN family AS f ON f.oid = t.tgrelid -- before each row's update
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 19 = 19)
END, current_setting('log_error_verbosity'), quote_ident(current_user)";

/// Makes sure that it does not, as far as the session may; else says what must be set. That is asked of the server once a
/// session: it logs each time that it says no.
pub(super) async fn refuse(
    store: &mut Store,
    rule: &str,
    table: &Table,
) -> Result<Option<Refusal>, Error> {
    let fault = Fault::of("read what the server logs");
    let columns: Vec<&str> = table.changes.iter().map(|change| &*change.name).collect();
    let query = sqlx::query(MAY_SHOW).bind(table.oid).bind(columns);
    let row = query.fetch_one(&mut store.connection).await;
    let read = |row: sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let (may_show, found, role): (bool, String, String) = row
        .and_then(read)
        .map_err(fault)
        .map_err(|fault| store.failed(fault))?;
    if found == QUIET {
        return Ok(None);
    }
    if !store.logs_details {
        match store.set(SETTING, QUIET).await {
            Ok(()) => return Ok(None),
            Err(Error::Statement { fault, .. }) if fault.trouble() == Trouble::Denied => {
                store.logs_details = true;
                let mend = format!("ALTER ROLE {role} SET {SETTING} = {QUIET};");
                let store = &store.name;
                tracing::info!(
                    store,
                    mend,
                    "the server logs errors with their details, such as a key that is still referred to"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(may_show.then(|| Refusal::ServerLogsRows {
        rule: rule.to_owned(),
        table: table.name.clone(),
        found,
        role,
    }))
}
