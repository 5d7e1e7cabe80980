//! A keep that keeps some columns of a row, parsed: which, and what becomes of others in an erasure.
//!
//! In: the task's words. Out: [`Partial`], whose columns are told apart. Pure.

use super::method::{self, Wanted};
use super::settings::Keep;
use crate::contract::{ColumnChange, Method, RetentionKeep, RetentionRule};

/// Why a keep of some columns makes no sense.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What is not kept would not go, or the other way round.
    #[error(
        "rule `{rule}`: the keep of DataPolicy {policy} has `{given}` and no `{lacks}`: name in `columns` what the law keeps, and in `others` what goes"
    )]
    Half {
        /// The rule.
        rule: String,
        /// The policy that states the keep.
        policy: String,
        /// What it has.
        given: &'static str,
        /// What it has not.
        lacks: &'static str,
    },
    /// A column is kept, and a rule that is for kept rows takes it.
    #[error(
        "rule `{rule}`: `columns` has `{column}`, which the keep of DataPolicy {policy} keeps while it lasts: take it out"
    )]
    Taken {
        /// The rule.
        rule: String,
        /// The policy that states the keep.
        policy: String,
        /// The column.
        column: String,
    },
    /// A column is kept and goes.
    #[error(
        "rule `{rule}`: the keep of DataPolicy {policy} has column `{column}` in `columns` and in `others`: take it out of one"
    )]
    Both {
        /// The rule.
        rule: String,
        /// The policy that states the keep.
        policy: String,
        /// The column.
        column: String,
    },
    /// A rule that takes rows while a law keeps them.
    #[error(
        "rule `{rule}`: the keep of DataPolicy {policy} has `lasts`: of rows that it keeps, only a rule of retention with the method Anonymise may take anything, and only beside the `columns` that it keeps"
    )]
    Lasting {
        /// The rule.
        rule: String,
        /// The policy that states the keep.
        policy: String,
    },
    /// The row could not be found again.
    #[error(
        "table `{table}`: `others` of a keep has column `{column}`, which tells whose a row is: without it the row would not be found again when the keep ends; take it out"
    )]
    Subject {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// What the columns are set to is wrong.
    #[error(transparent)]
    Method(#[from] method::Error),
}

/// What a keep keeps of a row, where that is not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    /// The columns that the law keeps, as they were written.
    pub(super) columns: Vec<String>,
    /// What goes in an erasure, and how.
    pub(super) others: Vec<Wanted>,
}

/// What a keep of a rule keeps; `None`: all of a row.
pub(super) fn parse(
    rule: &RetentionRule,
    keep: &RetentionKeep,
    zone: &str,
) -> Result<Option<Partial>, Error> {
    let policy = keep.policy.clone();
    let half = |given, lacks| {
        let (rule, policy) = (rule.name.clone(), policy.clone());
        Err(Error::Half {
            rule,
            policy,
            given,
            lacks,
        })
    };
    match (keep.columns.is_empty(), keep.others.is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => return half("others", "columns"),
        (false, true) => return half("columns", "others"),
        (false, false) => {}
    }
    let is_kept = |other: &&ColumnChange| keep.columns.contains(&other.name);
    if let Some(both) = keep.others.iter().find(is_kept) {
        let (rule, column) = (rule.name.clone(), both.name.clone());
        return Err(Error::Both {
            rule,
            policy,
            column,
        });
    }
    let words = RetentionRule {
        name: format!("{}, kept by DataPolicy {policy}", rule.name),
        method: Method::Anonymise,
        columns: keep.others.clone(),
        ..rule.clone()
    };
    Ok(Some(Partial {
        columns: keep.columns.clone(),
        others: method::parse(&words, zone, "")?,
    }))
}

/// That a rule which is for rows that a law keeps takes nothing of these that the law keeps.
pub(super) fn check_lasting(
    rule: &RetentionRule,
    keep: &RetentionKeep,
    is_retention: bool,
) -> Result<(), Error> {
    let (name, policy) = (rule.name.clone(), keep.policy.clone());
    if !is_retention || rule.method != Method::Anonymise || keep.columns.is_empty() {
        return Err(Error::Lasting { rule: name, policy });
    }
    let mut taken = rule.columns.iter().map(|column| &column.name);
    match taken.find(|name| keep.columns.contains(name)) {
        None => Ok(()),
        Some(column) => Err(Error::Taken {
            rule: name,
            policy,
            column: column.clone(),
        }),
    }
}

/// The keeps that forbid what one lets go: those of whole rows, and those that name a column of it.
pub(super) fn opposed(keeps: &[Keep], partial: &Partial) -> Vec<usize> {
    let opposes = |keep: &Keep| match &keep.partial {
        None => true,
        Some(other) => {
            let mut names = partial.others.iter().map(|other| &other.name);
            names.any(|name| other.columns.contains(name))
        }
    };
    let all = keeps.iter().enumerate();
    all.filter(|(_, keep)| opposes(keep))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::retain::cutoff::Anchor;
    use serde_json::{Value, json};

    fn read(columns: &Value, others: &Value) -> Result<Option<Partial>, String> {
        let rule = json!({"name": "invoices", "store": "shop", "url": "/u", "table": "invoices", "clock": "issued", "after": "P1Y"});
        let keep = json!({"clock": "issued", "for": "P8Y", "reference": "AO 147", "policy": "tax", "columns": columns, "others": others});
        let rule = serde_json::from_value(rule).unwrap();
        let keep = serde_json::from_value(keep).unwrap();
        parse(&rule, &keep, "Europe/Berlin").map_err(|error| error.to_string())
    }

    #[test]
    fn a_keep_without_columns_keeps_the_whole_row() {
        assert_eq!(read(&json!([]), &json!([])), Ok(None));
        let some = read(&json!(["total"]), &json!([{"name": "email"}]));
        let some = some.unwrap().unwrap();
        assert_eq!(some.columns, ["total"]);
        assert_eq!(some.others[0].name, "email");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_field() {
        for (columns, others, says) in [
            (json!(["total"]), json!([]), "has `columns` and no `others`"),
            (
                json!([]),
                json!([{"name": "email"}]),
                "has `others` and no `columns`",
            ),
            (
                json!(["email"]),
                json!([{"name": "email"}]),
                "has column `email` in `columns` and in `others`",
            ),
            (
                json!(["total"]),
                json!([{"name": "email", "set": "Truncate"}]),
                "invoices, kept by DataPolicy tax",
            ),
        ] {
            let told = read(&columns, &others).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }

    /// Inside a keep nothing goes but what it does not name, by whatever a task says.
    #[test]
    fn of_kept_rows_only_a_rule_that_anonymises_other_columns_takes_anything() {
        let checked = |method: &str, column: &str, columns: &Value, is_retention| {
            let rule = json!({"name": "invoices/others", "store": "shop", "url": "/u", "table": "invoices", "clock": "issued",
                "after": "P1Y", "method": method, "columns": [{"name": column}]});
            let keep = json!({"clock": "issued", "for": "P8Y", "reference": "AO 147", "policy": "tax", "columns": columns, "lasts": true});
            let rule = serde_json::from_value(rule).unwrap();
            let keep = serde_json::from_value(keep).unwrap();
            check_lasting(&rule, &keep, is_retention).map_err(|error| error.to_string())
        };
        let total = json!(["total"]);
        assert_eq!(checked("Anonymise", "email", &total, true), Ok(()));
        for (method, column, columns, is_retention, says) in [
            ("Delete", "email", &total, true, "has `lasts`"),
            ("Shred", "email", &total, true, "has `lasts`"),
            ("Anonymise", "email", &json!([]), true, "has `lasts`"),
            ("Anonymise", "email", &total, false, "has `lasts`"),
            ("Anonymise", "total", &total, true, "`columns` has `total`"),
        ] {
            let told = checked(method, column, columns, is_retention).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn a_keep_of_a_whole_row_and_one_of_the_same_column_forbid_it() {
        let keep = |columns: &[&str], other: &str| Keep {
            clock: "issued".into(),
            period: jiff::Span::new().years(8),
            from: Anchor::EventDate,
            ground: "AO 147".into(),
            partial: (!columns.is_empty()).then(|| Partial {
                columns: columns.iter().map(|name| (*name).to_owned()).collect(),
                others: vec![Wanted {
                    name: other.into(),
                    set: method::Set::Null,
                }],
            }),
            lasts: false,
            columns: Vec::new(),
        };
        let keeps = [
            keep(&["total"], "email"),
            keep(&[], ""),
            keep(&["email"], "phone"),
            keep(&["phone"], "name"),
        ];
        let opposed = |at: usize| opposed(&keeps, keeps[at].partial.as_ref().unwrap());
        assert_eq!(opposed(0), [1, 2]);
        assert_eq!(opposed(2), [1, 3]);
        assert_eq!(opposed(3), [1]);
    }
}
