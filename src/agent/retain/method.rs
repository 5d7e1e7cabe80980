//! A rule's method, parsed once: which columns change, and to what.
//!
//! In: the task's words. Out: [`Wanted`], whose parameters fit. Pure.

use super::restrict;
use crate::contract::{ColumnChange, ColumnSet, Grain, Method, PSEUDONYMISE, RetentionRule};

/// Why a rule's method makes no sense.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Whole rows go or are hidden, and columns are named.
    #[error(
        "rule `{rule}`: `columns` is not for method {}: remove it, or choose Nullify or Anonymise",
        method.name()
    )]
    Spare {
        /// The rule.
        rule: String,
        /// Its method.
        method: Method,
    },
    /// A method that is here to be refused.
    #[error("rule `{rule}`: {PSEUDONYMISE}")]
    NoErasure {
        /// The rule.
        rule: String,
    },
    /// Several keys in a row: one receipt could not tell which it is of.
    #[error(
        "rule `{rule}`: `columns` names {count}: Shred takes one, the column that holds the key"
    )]
    OneKey {
        /// The rule.
        rule: String,
        /// So many.
        count: usize,
    },
    /// Rows stay, and nothing changes.
    #[error("rule `{rule}`: `columns` is empty: {} needs at least one", method.name())]
    Nothing {
        /// The rule.
        rule: String,
        /// Its method.
        method: Method,
    },
    /// One column, two values.
    #[error("rule `{rule}`: `columns` names `{column}` twice")]
    Twice {
        /// The rule.
        rule: String,
        /// The column.
        column: String,
    },
    /// What a column is set to does not fit the method, or its parameters do not fit it.
    #[error("rule `{rule}`: column `{column}`: {fits}")]
    Parameters {
        /// The rule.
        rule: String,
        /// The column.
        column: String,
        /// What would fit.
        fits: &'static str,
    },
}

/// A column that is to change, to be found in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its name as it was written.
    pub(super) name: String,
    /// What it is set to.
    pub(super) set: Set,
}

/// What a column is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Null.
    Null,
    /// This, as the column's type reads it.
    Constant(String),
    /// So many characters.
    Truncate(u32),
    /// The start of the year or month, in a zone.
    Period(Grain, String),
    /// A multiple of this.
    Step(u32),
    /// The same, and this word among those by whom the row is restricted.
    Mark(String),
    /// Null, with a receipt of the key that it was.
    Shred,
}

impl Set {
    /// The same word for the same change, in whatever release: run rows and approvals are bound to it.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Null => "Null".to_owned(),
            Self::Constant(value) => format!("Constant {value}"),
            Self::Truncate(length) => format!("Truncate {length}"),
            Self::Period(Grain::Year, zone) => format!("Year {zone}"),
            Self::Period(Grain::Month, zone) => format!("Month {zone}"),
            Self::Step(step) => format!("Step {step}"),
            Self::Mark(by) => format!("Mark {by}"),
            Self::Shred => "Shred".to_owned(),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Shred)
    }
}

/// The columns that a rule changes; none when it deletes. `zone` is the region's; `by` is what restricted rows are marked
/// with.
pub(super) fn parse(rule: &RetentionRule, zone: &str, by: &str) -> Result<Vec<Wanted>, Error> {
    let (name, method) = (rule.name.clone(), rule.method);
    let count = rule.columns.len();
    match method {
        Method::Pseudonymise => return Err(Error::NoErasure { rule: name }),
        Method::Delete | Method::Restrict if count > 0 => {
            return Err(Error::Spare { rule: name, method });
        }
        Method::Delete => return Ok(Vec::new()),
        Method::Restrict => return Ok(vec![restrict::mark(by)]),
        Method::Nullify | Method::Anonymise | Method::Shred if count == 0 => {
            return Err(Error::Nothing { rule: name, method });
        }
        Method::Shred if count > 1 => return Err(Error::OneKey { rule: name, count }),
        Method::Nullify | Method::Anonymise | Method::Shred => {}
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for column in &rule.columns {
        let (rule_name, name) = (rule.name.clone(), column.name.clone());
        if wanted.iter().any(|other| other.name == name) {
            return Err(Error::Twice {
                rule: rule_name,
                column: name,
            });
        }
        match set(rule.method, column, zone) {
            Ok(set) => wanted.push(Wanted { name, set }),
            Err(fits) => {
                return Err(Error::Parameters {
                    rule: rule_name,
                    column: name,
                    fits,
                });
            }
        }
    }
    Ok(wanted)
}

/// What a column is set to; or what would fit.
fn set(method: Method, column: &ColumnChange, zone: &str) -> Result<Set, &'static str> {
    let ColumnChange {
        value,
        length,
        to,
        step,
        ..
    } = column;
    let set = match (method, column.set) {
        (Method::Nullify, Some(set)) if set != ColumnSet::Null => {
            return Err("Nullify takes no `set` but Null");
        }
        (Method::Shred, Some(_)) => return Err("Shred takes no `set`: the key is destroyed"),
        (_, set) => set.unwrap_or(ColumnSet::Null),
    };
    match (set, value, length, to, step) {
        (ColumnSet::Null, None, None, None, None) if method == Method::Shred => Ok(Set::Shred),
        (ColumnSet::Null, None, None, None, None) => Ok(Set::Null),
        (ColumnSet::Constant, Some(value), None, None, None) => Ok(Set::Constant(value.clone())),
        (ColumnSet::Truncate, None, Some(length @ 1..), None, None) => Ok(Set::Truncate(*length)),
        (ColumnSet::Generalise, None, None, Some(to), None) => Ok(Set::Period(*to, zone.into())),
        (ColumnSet::Generalise, None, None, None, Some(step @ 1..)) => Ok(Set::Step(*step)),
        (ColumnSet::Null, ..) => Err("Null takes no parameter"),
        (ColumnSet::Constant, ..) => Err("Constant takes `value`, and nothing else"),
        (ColumnSet::Truncate, ..) => Err("Truncate takes `length`, at least 1, and nothing else"),
        (ColumnSet::Generalise, ..) => {
            Err("Generalise takes one of `to` and `step`, at least 1, and nothing else")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(method: &str, columns: &Value) -> Result<Vec<Wanted>, String> {
        let rule = json!({"name": "r", "store": "s", "url": "/u", "table": "t", "clock": "at", "after": "P1Y",
            "method": method, "columns": columns});
        let rule: RetentionRule = serde_json::from_value(rule).unwrap();
        parse(&rule, "Europe/Berlin", "policy/p/r").map_err(|error| error.to_string())
    }

    #[test]
    fn each_set_is_read_with_its_parameters() {
        let columns = json!([{"name": "a"}, {"name": "b", "set": "Constant", "value": ""},
            {"name": "c", "set": "Truncate", "length": 3}, {"name": "d", "set": "Generalise", "to": "Month"},
            {"name": "e", "set": "Generalise", "step": 10}]);
        let sets = [
            Set::Null,
            Set::Constant(String::new()),
            Set::Truncate(3),
            Set::Period(Grain::Month, "Europe/Berlin".into()),
            Set::Step(10),
        ];
        let found = read("Anonymise", &columns).unwrap();
        assert_eq!(found.into_iter().map(|w| w.set).collect::<Vec<_>>(), sets);
        let nullified = read(
            "Nullify",
            &json!([{"name": "a"}, {"name": "b", "set": "Null"}]),
        );
        assert!(nullified.unwrap().iter().all(|w| w.set == Set::Null));
        assert_eq!(read("Delete", &json!([])), Ok(Vec::new()));
        let key = read("Shred", &json!([{"name": "key"}])).unwrap();
        assert_eq!((&*key[0].name, &key[0].set), ("key", &Set::Shred));
        let mark = read("Restrict", &json!([])).unwrap();
        assert_eq!(mark[0].set, Set::Mark("policy/p/r".into()));
    }

    #[test]
    fn what_is_for_another_method_is_refused() {
        for (method, columns, says) in [
            (
                "Delete",
                json!([{"name": "a"}]),
                "rule `r`: `columns` is not for method Delete",
            ),
            (
                "Restrict",
                json!([{"name": "a"}]),
                "`columns` is not for method Restrict",
            ),
            (
                "Pseudonymise",
                json!([{"name": "a"}]),
                "Pseudonymise is no erasure",
            ),
            ("Shred", json!([]), "`columns` is empty: Shred needs"),
            (
                "Shred",
                json!([{"name": "a"}, {"name": "b"}]),
                "Shred takes one",
            ),
            (
                "Shred",
                json!([{"name": "a", "set": "Null"}]),
                "Shred takes no `set`",
            ),
        ] {
            let told = read(method, &columns).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        for (method, columns, says) in [
            (
                "Nullify",
                json!([]),
                "`columns` is empty: Nullify needs at least one",
            ),
            (
                "Nullify",
                json!([{"name": "a"}, {"name": "a"}]),
                "names `a` twice",
            ),
            (
                "Nullify",
                json!([{"name": "a", "set": "Constant", "value": ""}]),
                "no `set` but Null",
            ),
            (
                "Nullify",
                json!([{"name": "a", "value": ""}]),
                "Null takes no parameter",
            ),
            (
                "Anonymise",
                json!([{"name": "a", "set": "Constant"}]),
                "Constant takes `value`",
            ),
            (
                "Anonymise",
                json!([{"name": "a", "set": "Truncate", "length": 0}]),
                "at least 1",
            ),
            (
                "Anonymise",
                json!([{"name": "a", "set": "Generalise"}]),
                "one of `to` and `step`",
            ),
            (
                "Anonymise",
                json!([{"name": "a", "set": "Generalise", "to": "Year", "step": 2}]),
                "one of",
            ),
            (
                "Anonymise",
                json!([{"name": "a", "set": "Truncate", "length": 2, "value": "x"}]),
                "nothing else",
            ),
        ] {
            let told = read(method, &columns).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }
}
