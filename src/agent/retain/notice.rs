//! Notices: persons are told before their rows go, and a row of whom nobody was told since the last contact stays.
//!
//! In: a column's name as the task wrote it, bound as a value. Out: the column as the catalogue has it; the condition that a notice is
//! old enough and younger than the row's own clock and every contact. Reads only. Doubt keeps: no notice, one that is infinite, a contact
//! without a clock, or one on the notice's own day where a clock is only a day.

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::clocks::{self, Clock};
use super::cutoff::ClockKind;
use super::fault::Fault;
use super::predicate::Target;
use super::refusal::Refusal;
use super::settings::Rule;
use super::statement::{Statement, Value};

/// Which notices are old enough, and by which zone clocks without one are read. Kept in the run row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The latest moment.
    pub(super) latest: String,
    /// The region's zone.
    pub(super) zone: String,
}

impl Told {
    /// Those of so many hours ago.
    pub(super) fn before(now: Timestamp, hours: u32, zone: &str) -> Option<Self> {
        let latest = now.checked_sub(i64::from(hours).hours()).ok()?;
        let zone = zone.to_owned();
        Some(Self {
            latest: latest.to_string(),
            zone,
        })
    }
}

/// The column that says when a person was told.
pub(super) async fn find(
    connection: &mut PgConnection,
    oid: i64,
    table: &str,
    rule: &Rule,
) -> Result<Result<Option<Clock>, Refusal>, Fault> {
    let Some(notice) = &rule.notice else {
        return Ok(Ok(None));
    };
    let found = clocks::one(connection, oid, (&rule.name, table), &notice.column).await?;
    Ok(found.and_then(|clock| match clock.kind {
        ClockKind::Timestamptz => Ok(Some(clock)),
        // Hours are of moments.
        ClockKind::Date | ClockKind::Timestamp => Err(Refusal::NoticeNoMoment {
            rule: rule.name.clone(),
            table: table.to_owned(),
            column: clock.name,
        }),
    }))
}

/// Whether `alias`'s person was told early enough, and not been in touch since: never null. Nothing where the rule asks for no notice.
pub(super) fn was_told(sql: &mut Statement, alias: &str, target: Target<'_>) -> Option<String> {
    let Target { table, due, .. } = target;
    let notice = table.notice.as_ref()?;
    let Some(told) = &due.notice else {
        // Nobody can say that it is old enough.
        return Some("false".to_owned());
    };
    let column = format!("{alias}.{}", notice.name);
    let latest = sql.bind(Value::Clock(ClockKind::Timestamptz, told.latest.clone()));
    let zone = sql.bind(Value::Text(told.zone.clone()));
    let own = before(
        (&format!("{alias}.{}", table.clock), table.kind),
        &column,
        &zone,
    );
    let since = table.contacts.iter().map(|contact| {
        let clock = format!("c.{}", contact.clock.name);
        let before = before((&clock, contact.clock.kind), &column, &zone);
        format!("NOT {}", contact.exist(alias, &format!("NOT {before}")))
    });
    let all: Vec<String> = std::iter::once(own).chain(since).collect();
    // Only then: what is compared with has to be a day that every calendar here has.
    Some(format!(
        "CASE WHEN {column} OPERATOR(pg_catalog.<=) {latest}::timestamptz AND {column} OPERATOR(pg_catalog.>=) '1900-01-01 00:00:00+00'::timestamptz
          THEN {} ELSE false END",
        all.join(" AND ")
    ))
}

/// Whether a clock was before a notice: never null. Of a day, the notice came on a later one; a wall clock may have been set back.
fn before((clock, kind): (&str, ClockKind), notice: &str, zone: &str) -> String {
    let wall = format!("({notice} AT TIME ZONE {zone}::text)");
    let before = match kind {
        ClockKind::Timestamptz => format!("{clock} OPERATOR(pg_catalog.<=) {notice}"),
        ClockKind::Timestamp => format!(
            "{clock} OPERATOR(pg_catalog.<=) ({wall} OPERATOR(pg_catalog.-) interval '1 hour')"
        ),
        ClockKind::Date => format!("{clock} OPERATOR(pg_catalog.<) {wall}::date"),
    };
    format!("COALESCE({before}, false)")
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Table;
    use super::super::cutoff::Due;
    use super::super::holds::NONE;
    use super::super::predicate;
    use super::super::predicate::tests::{cutoffs, said, table};
    use super::*;

    #[test]
    fn without_a_notice_that_is_old_enough_a_row_stays() {
        let mut own = table();
        own.notice = Some(Clock {
            name: r#""told""#.into(),
            kind: ClockKind::Timestamptz,
        });
        let mut set = cutoffs(
            Due {
                latest: "2024-01-31T12:00:00Z".into(),
                gaps: vec![],
            },
            vec![],
        );
        assert!(
            said(&own, &set).ends_with(" AND false)"),
            "of a run that knows of none"
        );
        set.notice = Told::before("2026-01-31T12:00:00Z".parse().unwrap(), 48, "Asia/Kolkata");
        assert_eq!(set.notice.as_ref().unwrap().latest, "2026-01-29T12:00:00Z");
        let text = said(&own, &set);
        let case = r#"CASE WHEN t."told" OPERATOR(pg_catalog.<=) $2::timestamptz"#;
        assert!(text.contains(case), "{text}");
        assert!(
            text.contains(r#"COALESCE(t.placed_at OPERATOR(pg_catalog.<=) t."told", false)"#),
            "{text}"
        );
        // Who waits is asked of a rule with a notice, and of no other.
        let untold = |table: &Table| {
            let (due, holds) = (&set, &NONE);
            let target = Target { table, due, holds };
            predicate::untold(&mut Statement::default(), "t", target)
        };
        let waits = untold(&own).unwrap();
        assert!(waits.starts_with("((t.placed_at IS NOT NULL"), "{waits}");
        assert!(waits.contains(r#" AND NOT CASE WHEN t."told""#), "{waits}");
        own.notice = None;
        assert_eq!(untold(&own), None);
    }
}
