//! Whether the server would write what a statement is bound to into its log.
//!
//! In: a session. Out: nothing, or the setting that would and what mends it. Asked before the first value of a person is
//! bound. The text of a statement never has one.

use std::collections::HashMap;

use sqlx::PgConnection;

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

/// By PostgreSQL's table of error codes: the role may not.
const DENIED: &str = "42501";

/// A setting that would log values, and that the session may not turn off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server would log the values of statements ({setting}), and so persons': {mend}")]
pub(super) struct Loud {
    /// The setting, as it is.
    pub(super) setting: String,
    /// What mends it.
    pub(super) mend: String,
}

/// Turns off what would log values, as far as the session may; else answers what an administrator must set.
pub(super) async fn hush(connection: &mut PgConnection) -> sqlx::Result<Option<Loud>> {
    let logging = LOGGING.iter().map(|(name, _)| *name);
    let alone = ALONE.iter().map(|(name, _)| *name);
    let names: Vec<&str> = logging.chain(alone).chain([VALUES]).collect();
    // As the server writes them; none that it does not know.
    let sql = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)";
    let found: Vec<(String, String)> = sqlx::query_as(sql)
        .bind(names)
        .fetch_all(&mut *connection)
        .await?;
    let found: HashMap<String, String> = found.into_iter().collect();
    let mut wrong: Vec<(&str, &str, &str)> = Vec::new();
    for (name, value) in ALONE {
        if found.get(name).is_some_and(|found| found != value) {
            wrong.push((name, value, name));
        }
    }
    if found.get(VALUES).is_none_or(|length| length != "0") {
        let is_loud = |(name, fit): &&(&str, &[&str])| {
            let found = found.get(*name);
            found.is_some_and(|found| !fit.contains(&found.as_str()))
        };
        let loud = LOGGING.iter().find(is_loud);
        wrong.extend(loud.map(|(name, _)| (VALUES, "0", *name)));
    }
    for (name, value, why) in wrong {
        let setting = format!("{why} = {}", found.get(why).map_or("", String::as_str));
        if let Some(loud) = set(connection, (name, value), setting).await? {
            return Ok(Some(loud));
        }
    }
    Ok(None)
}

/// Sets it for the session; whoever may not is told what to ask for.
async fn set(
    connection: &mut PgConnection,
    (name, value): (&str, &str),
    setting: String,
) -> sqlx::Result<Option<Loud>> {
    let query = sqlx::query("SELECT set_config($1, $2, false)");
    let query = query.bind(name).bind(value);
    let Err(error) = query.execute(&mut *connection).await else {
        return Ok(None);
    };
    let said = error.as_database_error();
    let code = said.and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() != Some(DENIED) {
        return Err(error);
    }
    let role: String = sqlx::query_scalar("SELECT quote_ident(current_user)")
        .fetch_one(connection)
        .await?;
    let mend = format!("ALTER ROLE {role} SET {name} = {value};");
    Ok(Some(Loud { setting, mend }))
}
