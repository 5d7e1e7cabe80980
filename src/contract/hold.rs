//! Legal holds: what the operator asks for in a region's databases, and what they say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the name of a file, and of a Secret's key, ends in where the values are ciphertext: the hub does not look inside.
pub const SEALED: &str = ".age";

/// `hold`: open a hold in each store, or release it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    /// The hold's id in every database: `<fleet>/<LegalHold>`.
    pub id: String,
    /// Why it is held.
    pub ground: String,
    /// Who opened it.
    pub opened_by: String,
    /// When somebody looks again, a date.
    pub review_on: String,
    /// Where, and what of it.
    pub stores: Vec<HeldStore>,
    /// File with the region's `age` identity: values in a file whose name ends in [`SEALED`] are encrypted to it. It may be
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Set: it is released instead of opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseOf>,
}

/// One database, and what is held of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeldStore {
    /// The data store's name in the Region.
    pub store: String,
    /// File with the store's PostgreSQL URL.
    pub url: PathBuf,
    /// What is held: any row of these.
    pub scopes: Vec<HoldScope>,
}

/// All of a database, a table, or the rows of a table with some values in a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldScope {
    /// The scope's name in the LegalHold.
    pub name: String,
    /// `schema.table`, or `table` as the role's search path finds it; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The column whose values tell which rows; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// File with the column's values, one a line or a JSON array; `age` ciphertext of that where its name ends in
    /// [`SEALED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<PathBuf>,
    /// Whether letters A to Z are the same as a to z, as in requests that go by this kind of value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// Who released a hold, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseOf {
    /// Who.
    pub by: String,
    /// Why.
    pub ground: String,
}

/// A hold without which nothing is erased in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredHold {
    /// Its id in the databases.
    pub id: String,
    /// One of the task's stores.
    pub store: String,
    /// What must be in force there, each of these.
    pub scopes: Vec<RequiredScope>,
    /// When the database said that the hold was widened last, RFC 3339: one that has an earlier moment has lost what it
    /// held. Absent: it never said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widened_at: Option<String>,
}

/// All of a database, a table, or rows of it by a column; the values are the database's alone to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredScope {
    /// `schema.table`, or `table` as the role's search path finds it; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The column; absent: every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Whether it must be held whatever the case of the letters A to Z.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// What a region's databases say of a hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldReport {
    /// A store each.
    pub stores: Vec<ReportedStore>,
}

/// What one database says of a hold: dates and a word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedStore {
    /// The store's name.
    pub store: String,
    /// When it was opened there, by the database's clock, RFC 3339; absent: it is not there, or nobody could ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_since: Option<String>,
    /// When it was widened there last, its opening included, by the database's clock, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widened_at: Option<String>,
    /// When it was released there, by the database's clock, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<String>,
    /// Why it could not be done there; absent: it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Nobody could ask the database: the dates say nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

/// How old the list of required holds may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldList {
    /// File in which the hub says when it last saw all LegalHolds, RFC 3339. Not there: it never said so.
    pub seen_at: PathBuf,
    /// ISO 8601 duration; a day has 24 hours.
    pub max_age: String,
}

/// A column's values as a file has them: a JSON array of texts and numbers when it begins with a bracket, else one a line. `None`:
/// it is no list, or an empty one.
#[must_use]
pub fn held_values(text: &str) -> Option<Vec<Value>> {
    let text = text.trim_start_matches('\u{feff}');
    let values: Vec<Value> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).ok()?
    } else {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(Value::from).collect()
    };
    let is_plain = |value: &Value| value.is_string() || value.is_number();
    (!values.is_empty() && values.iter().all(is_plain)).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lines_or_a_json_array() {
        let listed = |text: &str| held_values(text).map(|values| Value::Array(values).to_string());
        for (text, wanted) in [
            ("7\n9\n", r#"["7","9"]"#),
            ("\u{feff} 7 \r\n\r\n9", r#"["7","9"]"#),
            (" [7, \"a\\nb\", \"[\"]", r#"[7,"a\nb","["]"#),
            ("{\"a\": 1}", r#"["{\"a\": 1}"]"#),
            ("é; DROP TABLE x --", "[\"é; DROP TABLE x --\"]"),
        ] {
            assert_eq!(listed(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", " \n\t", "[", "[]", "[null]", "[[1]]", "[1] 2", "[true]"] {
            assert_eq!(listed(text), None, "{text}");
        }
    }
}
