//! Which rows are a person's, and what becomes of each, as SQL.
//!
//! In: a table as the catalogue has it, and who is looked for. Out: text for a statement, with the values bound to it.
//! Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::catalog::Table;
use super::super::change;
use super::super::cutoff::{ClockKind, Ended};
use super::super::holds::Holds;
use super::super::predicate;
use super::super::statement::{Hidden, Statement, Value};
use super::super::subjects::Values;
use super::person::Person;
use super::settings::Kinds;

/// Who is looked for.
#[derive(Debug)]
pub(super) enum Who {
    /// One person, of a request.
    Person(Person),
    /// All who were erased, of a store that was restored.
    Erased(Vec<Back>),
}

impl Who {
    /// The person of a request.
    pub(super) fn person(&self) -> Option<&Person> {
        match self {
            Self::Person(person) => Some(person),
            Self::Erased(_) => None,
        }
    }
}

/// Values of erased persons that stand in a column of a table again.
pub(super) struct Back {
    /// The table's name in the task.
    pub(super) table: String,
    /// The column's place among those that tell whose a row is.
    pub(super) subject: usize,
    /// As the column has them.
    pub(super) values: Hidden,
    /// When each was erased, by the table's clock.
    pub(super) until: Vec<String>,
}

impl std::fmt::Debug for Back {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Back in {}", self.table)
    }
}

/// A table, and whose rows are looked for in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    /// The table's name in the task.
    pub(super) name: &'a str,
    /// The table.
    pub(super) table: &'a Table,
    /// Who.
    pub(super) who: &'a Who,
    /// How their values are compared.
    pub(super) kinds: &'a Kinds,
}

impl Whose<'_> {
    /// Whether `alias`'s row is theirs: never null.
    pub(super) fn theirs(&self, sql: &mut Statement, alias: &str) -> String {
        let ways: Vec<String> = match self.who {
            Who::Person(person) => {
                let subjects = self.table.subjects.iter();
                let known = subjects.filter(|subject| !person.of(&subject.identity).is_empty());
                let ways = known.map(|subject| {
                    let values = Values {
                        texts: person.of(&subject.identity),
                        ignore_case: self.kinds.get(&subject.identity) == Some(&true),
                    };
                    subject.matches(sql, alias, values)
                });
                ways.collect()
            }
            Who::Erased(_) => self
                .back(sql, alias)
                .into_iter()
                .map(|back| self.before(alias, &back))
                .collect(),
        };
        any(&ways)
    }

    /// Whether `alias`'s row is theirs and holds something to erase.
    pub(super) fn to_erase(self, sql: &mut Statement, alias: &str) -> String {
        let theirs = self.theirs(sql, alias);
        let pending = change::pending(sql, alias, self.table);
        format!("({theirs} AND {pending})")
    }

    /// Whether `alias`'s row is an erased person's, and nobody can say whether it came later.
    pub(super) fn undated(&self, sql: &mut Statement, alias: &str) -> String {
        let clock = format!("{alias}.{}", self.table.clock);
        let back = self.back(sql, alias).into_iter();
        let ways: Vec<String> = back
            .map(|back| {
                let listed = listed(&back);
                format!("{listed} AND ({clock} IS NULL OR NOT pg_catalog.isfinite({clock}))")
            })
            .collect();
        let pending = change::pending(sql, alias, self.table);
        format!("({} AND {pending})", any(&ways))
    }

    /// Whether `alias`'s row is an erased person's, and came later by its clock: it is spared.
    pub(super) fn spared(&self, sql: &mut Statement, alias: &str) -> String {
        let clock = format!("{alias}.{}", self.table.clock);
        let back = self.back(sql, alias);
        let ways: Vec<String> = back
            .iter()
            .map(|back| {
                let listed = listed(back);
                format!("{listed} AND {clock} IS NOT NULL AND pg_catalog.isfinite({clock})")
            })
            .collect();
        // By another of its columns it may have come before.
        let before: Vec<String> = back.iter().map(|back| self.before(alias, back)).collect();
        let pending = change::pending(sql, alias, self.table);
        format!("({} AND NOT {} AND {pending})", any(&ways), any(&before))
    }

    /// The columns in which erased persons are back: each as a text, with the places of its values and their moments.
    fn back(&self, sql: &mut Statement, alias: &str) -> Vec<[String; 3]> {
        let Who::Erased(back) = self.who else {
            return Vec::new();
        };
        let here = back.iter().filter(|back| back.table == self.name);
        let bound = here.filter_map(|back| {
            let subject = self.table.subjects.get(back.subject)?;
            let values = sql.bind(Value::Hidden(back.values.clone()));
            let until = sql.bind(Value::Texts(back.until.clone()));
            Some([subject.written(alias), values, until])
        });
        bound.collect()
    }

    fn before(&self, alias: &str, [written, values, until]: &[String; 3]) -> String {
        let clock = format!("{alias}.{}", self.table.clock);
        let kind = self.table.kind.as_sql();
        format!(
            "({clock} IS NOT NULL AND pg_catalog.isfinite({clock}) AND EXISTS (
              SELECT FROM unnest({values}::text[], {until}::text[]::{kind}[]) AS p (value, until)
              WHERE {written} OPERATOR(pg_catalog.=) p.value AND {clock} OPERATOR(pg_catalog.<=) p.until))"
        )
    }
}

/// Whether a column has one of its values that were suppressed.
fn listed([written, values, _]: &[String; 3]) -> String {
    format!("coalesce({written} OPERATOR(pg_catalog.=) ANY ({values}::text[]), false)")
}

fn any(ways: &[String]) -> String {
    if ways.is_empty() {
        return "false".to_owned();
    }
    format!("({})", ways.join(" OR "))
}

/// The place of the first keep that has not ended for `alias`'s row; null when all have.
pub(super) fn kept(sql: &mut Statement, alias: &str, table: &Table, ends: &[Ended]) -> String {
    let cases: Vec<String> = ends
        .iter()
        .enumerate()
        .map(|(at, keep)| {
            let ended = predicate::ended(sql, alias, table, keep);
            format!("WHEN NOT {ended} THEN {at}")
        })
        .collect();
    if cases.is_empty() {
        return "NULL::int".to_owned();
    }
    format!("(CASE {} END)", cases.join(" "))
}

/// Whether `alias`'s row is held.
pub(super) fn held(sql: &mut Statement, alias: &str, table: &Table, holds: &Holds) -> String {
    holds.condition(sql, alias, table)
}

/// The last clock of a kind that is not after a moment. Of a day, the whole of it is before: what came the same day
/// cannot be told apart.
pub(super) fn until(moment: Timestamp, kind: ClockKind, zone: &TimeZone) -> String {
    let wall = zone.to_datetime(moment);
    match kind {
        ClockKind::Date => wall.date().to_string(),
        ClockKind::Timestamp => wall.to_string(),
        ClockKind::Timestamptz => moment.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::predicate::tests::table;
    use super::*;

    #[test]
    fn nobody_is_found_where_nobody_is_known() {
        let table = table();
        let back = Back {
            table: "elsewhere".into(),
            subject: 0,
            values: Hidden(vec!["ann".into()]),
            until: vec![String::new()],
        };
        let who = Who::Erased(vec![back]);
        let whose = Whose {
            name: "orders",
            table: &table,
            who: &who,
            kinds: &Kinds::new(),
        };
        let mut sql = Statement::default();
        assert_eq!(whose.theirs(&mut sql, "t"), "false");
        assert_eq!(whose.undated(&mut sql, "t"), "(false AND true)");
        assert_eq!(
            whose.spared(&mut sql, "t"),
            "(false AND NOT false AND true)"
        );
        assert_eq!(kept(&mut sql, "t", &table, &[]), "NULL::int");
        assert!(!format!("{whose:?}").contains("ann"));
    }

    #[test]
    fn a_moment_is_told_by_each_clock() {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let moment: Timestamp = "2026-01-31T20:00:00.5Z".parse().unwrap();
        let said = [
            ClockKind::Date,
            ClockKind::Timestamp,
            ClockKind::Timestamptz,
        ]
        .map(|kind| until(moment, kind, &zone));
        assert_eq!(
            said,
            [
                "2026-02-01",
                "2026-02-01T05:00:00.5",
                "2026-01-31T20:00:00.5Z"
            ]
        );
    }
}
