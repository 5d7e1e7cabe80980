//! Contacts: rows of other tables that refer to a rule's, and keep a row while one of them is younger than its period.
//!
//! In: names as the task wrote them, bound as values. Out: tables as the catalogue has them; the condition that no contact
//! is younger. Reads only. Which row a contact belongs to, the foreign key says: what is only alike by name is no reference.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::catalog::{self, Table};
use super::clocks::{self, Clock};
use super::cutoff::ClockKind;
use super::fault::Fault;
use super::fence;
use super::predicate::{self, Target};
use super::references::{self, Link};
use super::refusal::Refusal;
use super::settings::Rule;
use super::statement::Statement;
use super::store::Store;

/// A table of contacts by one of the foreign keys by which they refer to the rule's table.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    /// Its identity.
    pub(super) oid: i64,
    /// `schema.table`, quoted.
    pub(super) name: String,
    /// When a contact was.
    pub(super) clock: Clock,
    /// The foreign key's columns, and those of the rule's table.
    pub(super) links: Vec<Link>,
    /// The table as the run relies on it, in one text.
    pub(super) shape: String,
}

impl Contact {
    /// Its clock with its table. Only compared: what goes into a statement comes from the catalogue.
    pub(super) fn column(&self) -> String {
        format!("{}.{}", self.name, self.clock.name)
    }

    /// The columns by which the rule works, quoted.
    pub(super) fn watched(&self) -> Vec<String> {
        let links = self.links.iter().map(|link| link.child.clone());
        links.chain([self.clock.name.clone()]).collect()
    }

    /// All that a run, or an approval, is bound to.
    pub(super) fn bound_to(&self) -> String {
        format!(" contact {} {}", self.column(), self.shape)
    }

    /// The contacts `c` of `alias`'s row that `which` says.
    pub(super) fn exist(&self, alias: &str, which: &str) -> String {
        let links = self.links.iter().map(|link| link.on("c", alias));
        let on = links.collect::<Vec<_>>().join(" AND ");
        format!(
            "EXISTS (SELECT FROM {} AS c WHERE {on} AND {which})",
            self.name
        )
    }
}

/// Whether no contact of `alias`'s row is younger than the rule's period, or none counts any more: never null. Nothing
/// where the rule asks for no contacts.
pub(super) fn none_younger(sql: &mut Statement, alias: &str, target: Target<'_>) -> Option<String> {
    let Target { table, due, .. } = target;
    if table.contacts.is_empty() {
        return None;
    }
    let mut younger = Vec::new();
    for contact in &table.contacts {
        let mut ended = due.contacts.iter();
        let over = match ended.find(|ended| ended.clock == contact.column()) {
            Some(ended) => {
                let clock = (format!("c.{}", contact.clock.name), contact.clock.kind);
                predicate::over(sql, clock, &ended.due)
            }
            // Nobody can say that it is old enough.
            None => "false".to_owned(),
        };
        younger.push(contact.exist(alias, &format!("NOT {over}")));
    }
    let none = format!("NOT ({})", younger.join(" OR "));
    Some(match past_most(sql, alias, target) {
        Some(past) => format!("({past} OR {none})"),
        None => none,
    })
}

/// Whether a contact of `alias`'s row has no clock and keeps it for that.
pub(super) fn undated(sql: &mut Statement, alias: &str, target: Target<'_>) -> Option<String> {
    let contacts = &target.table.contacts;
    if contacts.is_empty() {
        return None;
    }
    let undated = contacts.iter().map(|contact| {
        let clock = &contact.clock.name;
        let lacks = format!("(c.{clock} IS NULL OR NOT pg_catalog.isfinite(c.{clock}))");
        contact.exist(alias, &lacks)
    });
    let undated = format!("({})", undated.collect::<Vec<_>>().join(" OR "));
    Some(match past_most(sql, alias, target) {
        Some(past) => format!("({undated} AND NOT {past})"),
        None => undated,
    })
}

/// Whether contacts of `alias`'s row count no more.
fn past_most(sql: &mut Statement, alias: &str, target: Target<'_>) -> Option<String> {
    let Target { table, due, .. } = target;
    let clock: (String, ClockKind) = (format!("{alias}.{}", table.clock), table.kind);
    let most = due.most.as_ref()?;
    Some(predicate::over(sql, clock, most))
}

/// The contacts that a rule asks for, of a table of that name and number.
pub(super) async fn find(
    store: &mut Store,
    rule: &Rule,
    (table, oid): (&str, i64),
) -> Result<Result<Vec<Contact>, Refusal>, Fault> {
    let fault = Fault::of("read the catalogue");
    let mut contacts = Vec::new();
    let wanted = rule.contacts.iter().flat_map(|wanted| &wanted.tables);
    for named in wanted {
        let asked = Rule {
            table: named.table.clone(),
            ..rule.clone()
        };
        let row = match catalog::found(store, &asked).await? {
            Ok(row) => row,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (from, name): (i64, String) = (
            row.try_get(0).map_err(&fault)?,
            row.try_get(1).map_err(&fault)?,
        );
        let user: String = row.try_get(5).map_err(&fault)?;
        let connection = &mut store.connection;
        let clock = clocks::one(connection, from, (&rule.name, &name), &named.clock).await?;
        let clock = match clock {
            Ok(clock) => clock,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let is_asked = |referring: i64| referring == from;
        let keys = references::referring(connection, oid, (&rule.name, &user), is_asked).await?;
        let keys = match keys {
            Ok(keys) if keys.is_empty() => {
                return Ok(Err(Refusal::ContactUnrelated {
                    rule: rule.name.clone(),
                    table: table.to_owned(),
                    contact: name,
                }));
            }
            Ok(keys) => keys,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for key in keys {
            let mut contact = Contact {
                oid: from,
                name: name.clone(),
                clock: clock.clone(),
                links: key.links,
                shape: String::new(),
            };
            let (shape, _) = look(connection, &contact).await?;
            contact.shape = shape.unwrap_or_default();
            contacts.push(contact);
        }
    }
    Ok(Ok(contacts))
}

/// Whether the tables of contacts are what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They are.
    Same,
    /// One was changed between the transaction's first look and its lock: look again.
    Stale,
    /// One is another, or has other columns.
    Changed,
}

/// Looks at the tables of contacts again. The foreign keys are part of the rule's own table's shape.
pub(super) async fn standing(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<Standing, Fault> {
    for contact in &table.contacts {
        let (shape, is_steady) = look(connection, contact).await?;
        if !is_steady {
            return Ok(Standing::Stale);
        }
        if shape.as_ref() != Some(&contact.shape) {
            return Ok(Standing::Changed);
        }
    }
    Ok(Standing::Same)
}

/// The table behind the name, its security and the columns that are watched.
const SHAPE: &str = "
SELECT concat_ws(' ', c.oid, c.relkind, row_security_active(c.oid),
  (SELECT string_agg(concat_ws(':', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND quote_ident(a.attname) = ANY ($2)))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = $3::bigint::oid AND format('%I.%I', n.nspname, c.relname) = $1";

/// The shape as it is now, and whether it is what statements meet at this moment.
async fn look(
    connection: &mut PgConnection,
    contact: &Contact,
) -> Result<(Option<String>, bool), Fault> {
    let fault = Fault::of("look at the contacts' table");
    let sql = format!("SELECT ({SHAPE}), ({})", fence::STEADY);
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(&contact.name)
        .bind(contact.watched())
        .bind(contact.oid);
    let row = query.fetch_one(connection).await.map_err(&fault)?;
    let read = || Ok((row.try_get(0)?, row.try_get(1)?));
    read().map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::super::cutoff::{Due, Ended};
    use super::super::holds::NONE;
    use super::super::predicate::tests::{cutoffs, link, said, table};
    use super::*;

    fn contact() -> Contact {
        Contact {
            oid: 7,
            name: r#"public."mes""sages""#.into(),
            clock: Clock {
                name: r#""at""#.into(),
                kind: ClockKind::Date,
            },
            links: vec![link("o_year", "year"), link("o_no", "no")],
            shape: String::new(),
        }
    }

    fn due(latest: &str) -> Due {
        Due {
            latest: latest.into(),
            gaps: vec![],
        }
    }

    const OWN: &str = "(t.placed_at IS NOT NULL AND t.placed_at OPERATOR(pg_catalog.<=) $1::timestamptz AND pg_catalog.isfinite(t.placed_at))";

    #[test]
    fn a_younger_contact_spares_a_row_and_one_that_nobody_can_judge_too() {
        let table = Table {
            contacts: vec![contact()],
            ..table()
        };
        let mut set = cutoffs(due("2024-01-31T12:00:00Z"), vec![]);
        let with = |over: &str| {
            format!(
                r#"({OWN} AND NOT (EXISTS (SELECT FROM public."mes""sages" AS c WHERE t.year = c.o_year AND t.no = c.o_no AND NOT {over})))"#
            )
        };
        assert_eq!(said(&table, &set), with("false"));
        set.contacts = vec![Ended {
            lasts: false,
            clock: contact().column(),
            due: due("2024-01-31"),
        }];
        let over = r#"(c."at" IS NOT NULL AND c."at" OPERATOR(pg_catalog.<=) $2::date AND pg_catalog.isfinite(c."at"))"#;
        assert_eq!(said(&table, &set), with(over));
    }

    #[test]
    fn past_the_maximum_no_contact_counts_and_none_lacks_its_clock() {
        let table = Table {
            contacts: vec![contact()],
            ..table()
        };
        let mut set = cutoffs(due("2024-01-31T12:00:00Z"), vec![]);
        set.most = Some(due("2016-01-31T12:00:00Z"));
        let past = OWN.replace("$1", "$2");
        assert!(said(&table, &set).contains(&format!("({past} OR NOT (EXISTS (")));
        let (due, holds) = (&set, &NONE);
        let target = Target {
            table: &table,
            due,
            holds,
        };
        let lacks = predicate::clockless(&mut Statement::default(), "t", target);
        let past = OWN;
        assert_eq!(
            lacks,
            format!(
                r#"(t.placed_at IS NULL OR NOT pg_catalog.isfinite(t.placed_at) OR ((EXISTS (SELECT FROM public."mes""sages" AS c WHERE t.year = c.o_year AND t.no = c.o_no AND (c."at" IS NULL OR NOT pg_catalog.isfinite(c."at")))) AND NOT {past}))"#
            )
        );
    }
}
