//! The conditions under which a row goes, as SQL.
//!
//! In: a table as the catalogue has it, and the set of due clocks. Out: text for a statement, with the values
//! bound to it. Pure.

use super::catalog::{Column, Table};
use super::change;
use super::contact;
use super::cutoff::{ClockKind, Cutoffs, Due, Ended};
use super::holds::Holds;
use super::notice;
use super::statement::{Statement, Value};

/// A rule's table, and which of its rows are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// The table.
    pub(super) table: &'a Table,
    /// Its due clocks, and those whose keeps have ended.
    pub(super) due: &'a Cutoffs,
    /// What is held of it.
    pub(super) holds: &'a Holds,
}

/// Whether `alias`'s row is held: never null.
pub(super) fn held(statement: &mut Statement, alias: &str, target: Target<'_>) -> String {
    target.holds.condition(statement, alias, target.table)
}

/// Whether `alias`'s row is due, its time over and something of it left to erase: never null, so that its negation is
/// safe.
pub(super) fn due(statement: &mut Statement, alias: &str, target: Target<'_>) -> String {
    let elapsed = elapsed(statement, alias, target);
    if target.table.changes.is_empty() {
        return elapsed;
    }
    let pending = change::pending(statement, alias, target.table);
    format!("({elapsed} AND {pending})")
}

/// Whether `alias`'s row's time is over: its own period is over, every keep of it has ended, but for one that has to last, no
/// contact is younger, and the person was told where the rule asks for it.
/// Never null. A clock that is null or infinite is no clock: the row is never due, and its keep has not ended.
fn elapsed(statement: &mut Statement, alias: &str, target: Target<'_>) -> String {
    let mut all = periods_over(statement, alias, target);
    all.extend(notice::was_told(statement, alias, target));
    match all.as_slice() {
        [own] => own.clone(),
        all => format!("({})", all.join(" AND ")),
    }
}

/// Whether `alias`'s row waits for a notice alone: else it were due. Never null; nothing where the rule asks for no notice.
pub(super) fn untold(statement: &mut Statement, alias: &str, target: Target<'_>) -> Option<String> {
    target.table.notice.as_ref()?;
    let mut all = periods_over(statement, alias, target);
    let told = notice::was_told(statement, alias, target)?;
    all.push(format!("NOT {told}"));
    if !target.table.changes.is_empty() {
        all.push(change::pending(statement, alias, target.table));
    }
    Some(format!("({})", all.join(" AND ")))
}

/// The conditions of time, but for a notice.
fn periods_over(statement: &mut Statement, alias: &str, target: Target<'_>) -> Vec<String> {
    let Target { table, due, .. } = target;
    let own = (format!("{alias}.{}", table.clock), table.kind);
    let mut all = vec![over(statement, own, &due.own)];
    for keep in &due.keeps {
        let ended = ended(statement, alias, table, keep);
        all.push(if keep.lasts {
            format!("NOT {ended}")
        } else {
            ended
        });
    }
    all.extend(contact::none_younger(statement, alias, target));
    all
}

/// Whether a keep has ended for `alias`'s row.
pub(super) fn ended(statement: &mut Statement, alias: &str, table: &Table, keep: &Ended) -> String {
    match table.keeps.iter().find(|clock| clock.name == keep.clock) {
        Some(clock) => {
            let clock = (format!("{alias}.{}", clock.name), clock.kind);
            over(statement, clock, &keep.due)
        }
        // Nobody can say that the keep has ended.
        None => "false".to_owned(),
    }
}

/// Whether a clock is one of those whose period is over.
pub(super) fn over(
    statement: &mut Statement,
    (clock, kind): (String, ClockKind),
    due: &Due,
) -> String {
    let latest = statement.bind(Value::Clock(kind, due.latest.clone()));
    let kind = kind.as_sql();
    let over = format!(
        "{clock} IS NOT NULL AND {clock} OPERATOR(pg_catalog.<=) {latest}::{kind} AND pg_catalog.isfinite({clock})"
    );
    if due.gaps.is_empty() {
        return format!("({over})");
    }
    let (from, to) = due.gaps.iter().cloned().unzip();
    let from = statement.bind(Value::Texts(from));
    let to = statement.bind(Value::Texts(to));
    format!(
        "({over} AND NOT EXISTS (SELECT FROM unnest({from}::text[]::{kind}[], {to}::text[]::{kind}[]) AS gap (a, b)
          WHERE gap.a OPERATOR(pg_catalog.<=) {clock} AND {clock} OPERATOR(pg_catalog.<=) gap.b))"
    )
}

/// Whether `alias`'s row lacks a clock, its own, that of a keep, or that of a contact: then it is never due. A keep that has to
/// last does so without one.
pub(super) fn clockless(statement: &mut Statement, alias: &str, target: Target<'_>) -> String {
    let of = |lasts: bool, clock: &String| {
        let mut keeps = target.due.keeps.iter();
        keeps.any(|keep| keep.lasts == lasts && keep.clock == *clock)
    };
    let mut names = target.table.clocks();
    names.retain(|name| *name == target.table.clock || !of(true, name) || of(false, name));
    names.sort();
    names.dedup();
    let lacks = names
        .iter()
        .map(|name| format!("{alias}.{name} IS NULL OR NOT pg_catalog.isfinite({alias}.{name})"));
    let lacks = lacks.chain(contact::undated(statement, alias, target));
    format!("({})", lacks.collect::<Vec<_>>().join(" OR "))
}

/// Whether any row at all refers to `alias`'s row: of a table with a rule or without, of the same table or
/// another. A row that refers to itself does not hold itself back.
pub(super) fn referenced(alias: &str, table: &Table) -> String {
    if table.references.is_empty() {
        return "false".to_owned();
    }
    let exists = table.references.iter().map(|reference| {
        let mut on = reference.on("r", alias);
        if reference.oid == table.oid {
            on = format!("{on} AND NOT ({})", same_key("r", alias, table));
        }
        format!("EXISTS (SELECT FROM {} AS r WHERE {on})", reference.name)
    });
    format!("({})", exists.collect::<Vec<_>>().join(" OR "))
}

/// Whether two aliases of one table stand for the same row.
pub(super) fn same_key(one: &str, other: &str, table: &Table) -> String {
    let same = table
        .key
        .iter()
        .map(|Column { name, equals, .. }| format!("{one}.{name} {equals} {other}.{name}"));
    same.collect::<Vec<_>>().join(" AND ")
}

/// Whether `alias`'s row is the one that a list of keys calls `keys` (columns `k1`, `k2`, ...).
pub(super) fn is_key(alias: &str, keys: &str, table: &Table) -> String {
    let names = table.key.iter().zip(1..);
    let same = names.map(|(column, place)| {
        let Column { name, equals, .. } = column;
        format!("{alias}.{name} {equals} {keys}.k{place}")
    });
    same.collect::<Vec<_>>().join(" AND ")
}

/// The key's columns of `alias`, joined by commas.
pub(super) fn key_of(alias: &str, table: &Table) -> String {
    let names = table
        .key
        .iter()
        .map(|column| format!("{alias}.{}", column.name));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::catalog::Seen;
    use super::super::clocks::Clock;
    use super::super::holds::NONE;
    use super::super::references::{Action, Link, Reference};
    use super::*;

    const EQUALS: &str = "OPERATOR(pg_catalog.=)";

    pub(in super::super) fn link(child: &str, parent: &str) -> Link {
        Link {
            child: child.into(),
            parent: parent.into(),
            equals: "=".into(),
        }
    }

    pub(in super::super) fn table() -> Table {
        Table {
            oid: 1,
            name: r#"public."Or""ders""#.into(),
            clock: "placed_at".into(),
            kind: ClockKind::Timestamptz,
            keeps: vec![],
            contacts: vec![],
            notice: None,
            subjects: vec![],
            key: vec![
                Column {
                    name: "year".into(),
                    kind: "integer".into(),
                    is_integer: true,
                    equals: EQUALS.into(),
                },
                Column {
                    name: "no".into(),
                    kind: "character varying(9)".into(),
                    is_integer: false,
                    equals: EQUALS.into(),
                },
            ],
            seen: Seen {
                places: true,
                writers: true,
            },
            changes: Vec::new(),
            references: vec![
                Reference {
                    oid: 2,
                    name: "public.invoices".into(),
                    links: vec![link("o_year", "year"), link("o_no", "no")],
                    constraint: "invoices_order".into(),
                    action: Action::Refuse,
                    is_indexed: true,
                    called: String::new(),
                },
                Reference {
                    oid: 1,
                    name: r#"public."Or""ders""#.into(),
                    links: vec![link("repeats_no", "no")],
                    constraint: "repeats".into(),
                    action: Action::Refuse,
                    is_indexed: true,
                    called: String::new(),
                },
            ],
            triggers: Vec::new(),
            lesser: Vec::new(),
            shape: String::new(),
        }
    }

    #[test]
    fn every_reference_holds_a_row_back_but_not_its_own() {
        assert_eq!(
            referenced("t", &table()),
            r#"(EXISTS (SELECT FROM public.invoices AS r WHERE t.year = r.o_year AND t.no = r.o_no) OR EXISTS (SELECT FROM public."Or""ders" AS r WHERE t.no = r.repeats_no AND NOT (r.year OPERATOR(pg_catalog.=) t.year AND r.no OPERATOR(pg_catalog.=) t.no)))"#
        );
        let alone = Table {
            references: vec![],
            ..table()
        };
        assert_eq!(referenced("t", &alone), "false");
    }

    pub(in super::super) fn cutoffs(own: Due, keeps: Vec<Ended>) -> Cutoffs {
        Cutoffs {
            own,
            keeps,
            contacts: vec![],
            most: None,
            notice: None,
        }
    }

    pub(in super::super) fn said(table: &Table, due: &Cutoffs) -> String {
        let holds = &NONE;
        super::due(&mut Statement::default(), "t", Target { table, due, holds })
    }

    #[test]
    fn a_cut_off_is_bound_and_its_gaps_only_when_it_has_some() {
        let table = table();
        let own = Due {
            latest: "2026-01-31T12:00:00Z".into(),
            gaps: vec![],
        };
        let mut set = cutoffs(own, vec![]);
        assert_eq!(
            said(&table, &set),
            "(t.placed_at IS NOT NULL AND t.placed_at OPERATOR(pg_catalog.<=) $1::timestamptz AND pg_catalog.isfinite(t.placed_at))"
        );
        set.own
            .gaps
            .push(("2026-01-30T12:00:01Z".into(), "2026-01-30T23:59:59Z".into()));
        let text = said(&table, &set);
        assert!(
            text.contains("unnest($2::text[]::timestamptz[], $3::text[]::timestamptz[])"),
            "{text}"
        );
    }

    #[test]
    fn a_keep_has_its_own_column_and_type_and_one_that_is_not_there_keeps_all() {
        let paid = Clock {
            name: "paid".into(),
            kind: ClockKind::Date,
        };
        let table = Table {
            keeps: vec![paid],
            ..table()
        };
        let due = |latest: &str| Due {
            latest: latest.into(),
            gaps: vec![],
        };
        let keep = |clock: &str| Ended {
            clock: clock.into(),
            due: due("2018-12-31"),
            lasts: false,
        };
        let set = |keeps| cutoffs(due("2026-01-31T12:00:00Z"), keeps);
        assert_eq!(
            said(&table, &set(vec![keep("paid")])),
            "((t.placed_at IS NOT NULL AND t.placed_at OPERATOR(pg_catalog.<=) $1::timestamptz AND pg_catalog.isfinite(t.placed_at)) AND (t.paid IS NOT NULL AND t.paid OPERATOR(pg_catalog.<=) $2::date AND pg_catalog.isfinite(t.paid)))"
        );
        assert!(said(&table, &set(vec![keep("x; --")])).ends_with(" AND false)"));
        // One that has to last does so too where the row says nothing of it.
        let lasting = |clock: &str| Ended {
            lasts: true,
            ..keep(clock)
        };
        let turned = said(&table, &set(vec![lasting("paid")]));
        assert!(
            turned.contains(" AND NOT (t.paid IS NOT NULL AND "),
            "{turned}"
        );
        let without = |keeps| {
            let due = &set(keeps);
            let target = Target {
                table: &table,
                due,
                holds: &NONE,
            };
            super::clockless(&mut Statement::default(), "t", target)
        };
        assert!(!without(vec![lasting("paid")]).contains("paid"));
        assert!(without(vec![lasting("paid"), keep("paid")]).contains("paid"));
        assert!(without(vec![lasting("placed_at")]).contains("placed_at"));
        let (due, holds) = (&set(vec![]), &NONE);
        let target = Target {
            table: &table,
            due,
            holds,
        };
        assert_eq!(
            clockless(&mut Statement::default(), "t", target),
            "(t.paid IS NULL OR NOT pg_catalog.isfinite(t.paid) OR t.placed_at IS NULL OR NOT pg_catalog.isfinite(t.placed_at))"
        );
    }
}
