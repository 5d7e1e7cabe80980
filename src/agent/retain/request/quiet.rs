//! Whether the server would write what a statement is bound to into its log.
//!
//! In: a session. Out: nothing, or the setting that would and what mends it. Asked before the first value of a person is
//! bound. The text of a statement never has one.

use sqlx::Row;

use super::super::fault::{Fault, Trouble};
use super::super::store::Store;
use super::error::{Error, failed};

/// Settings that log statements with their values, if any at all are logged: each with the value that logs nothing.
const LOGGING: [(&str, &[&str]); 4] = [
    ("log_statement", &["none", "ddl"]),
    ("log_min_duration_statement", &["-1"]),
    ("log_min_duration_sample", &["-1"]),
    ("log_transaction_sample_rate", &["0"]),
];

/// The one setting that takes the values out of what these log.
const VALUES: &str = "log_parameter_max_length";

/// Settings of the server's own and of extensions that log values by themselves: with what they must be.
const ALONE: [(&str, &str); 6] = [
    ("log_parameter_max_length_on_error", "0"),
    ("debug_print_parse", "off"),
    ("debug_print_rewritten", "off"),
    ("debug_print_plan", "off"),
    ("auto_explain.log_min_duration", "-1"),
    ("pgaudit.log_parameter", "off"),
];

/// Makes sure of it, as far as the session may; else says what an administrator must set.
pub(super) async fn is_quiet(store: &mut Store) -> Result<(), Error> {
    for (name, value) in ALONE {
        if let Some(found) = setting(store, name).await?
            && found != value
        {
            set(store, (name, value), &format!("{name} = {found}")).await?;
        }
    }
    if setting(store, VALUES).await?.as_deref() == Some("0") {
        return Ok(());
    }
    for (name, fit) in LOGGING {
        let found = setting(store, name).await?;
        if let Some(found) = found.filter(|found| !fit.contains(&found.as_str())) {
            return set(store, (VALUES, "0"), &format!("{name} = {found}")).await;
        }
    }
    Ok(())
}

/// As the server writes it; none that it does not know.
async fn setting(store: &mut Store, name: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT setting FROM pg_settings WHERE name = $1";
    let row = sqlx::query(sql)
        .bind(name)
        .fetch_optional(&mut store.connection)
        .await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(Fault::of("read what the server logs"))
        .map_err(failed(store))
}

/// Sets it for the session; whoever may not is told what to ask for.
async fn set(store: &mut Store, (name, value): (&str, &str), setting: &str) -> Result<(), Error> {
    let query = sqlx::query("SELECT set_config($1, $2, false)")
        .bind(name)
        .bind(value);
    let done = query.execute(&mut store.connection).await;
    match done.map_err(Fault::of("keep values out of the server's log")) {
        Ok(_) => Ok(()),
        Err(fault) if fault.trouble() == Trouble::Denied => {
            let row = sqlx::query("SELECT quote_ident(current_user)");
            let row = row.fetch_one(&mut store.connection).await;
            let role: String = row
                .and_then(|row| row.try_get(0))
                .map_err(Fault::of("read the role's name"))
                .map_err(failed(store))?;
            Err(Error::ServerLogs {
                store: store.name.clone(),
                setting: setting.to_owned(),
                mend: format!("ALTER ROLE {role} SET {name} = {value};"),
            })
        }
        Err(fault) => Err(failed(store)(fault)),
    }
}
