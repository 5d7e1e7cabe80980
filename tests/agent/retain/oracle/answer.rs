//! The naive answer, row by row in SQL, and whether the agent said the same.

use std::fmt::Write as _;

use super::super::world::{Ran, assert_balanced};
use super::case::Case;
use super::tables::literal;

impl Case {
    /// Whether the row `x` is due, contacts and all.
    pub(super) fn due(&self, at: usize) -> String {
        let table = &self.tables[at];
        let Some(contacts) = &table.contacts else {
            return table.due();
        };
        let mut due = table.due();
        if let Some(least) = contacts.least {
            let least = table.over("x", 0, table.own(least, true));
            write!(due, " AND coalesce({least}, false)").unwrap();
        }
        let mut ways = vec!["false".to_owned()];
        for from in &contacts.tables {
            let referring = &self.tables[*from];
            for (nth, _) in referring
                .parents
                .iter()
                .enumerate()
                .filter(|(_, parent)| parent.0 == at)
            {
                let on = (0..table.key.len())
                    .map(|place| format!("y.f{nth}_{place} = x.\"Key {place}\""));
                let over = referring.over("y", 0, table.own(table.after, false));
                ways.push(format!(
                    "EXISTS (SELECT FROM {} AS y WHERE {} AND NOT coalesce({over}, false))",
                    self.name(*from),
                    on.collect::<Vec<_>>().join(" AND ")
                ));
            }
        }
        let past = contacts.most.map_or("false".to_owned(), |most| {
            table.over("x", 0, table.own(most, false))
        });
        write!(
            due,
            " AND (coalesce({past}, false) OR NOT ({}))",
            ways.join(" OR ")
        )
        .unwrap();
        due
    }

    /// Row by row and round by round: a row stays when it is not due, or held, or a row that stays refers to it.
    pub(super) fn oracle(&self) -> String {
        let mark = format!("{}.mark", self.schema);
        let mut sql = format!(
            "CREATE TABLE {mark} (t int, k text, due boolean, held boolean, stays boolean, goes boolean, before text, after text);\n"
        );
        let key = |at: usize, alias: &str| {
            let keys = (0..self.tables[at].key.len())
                .map(|place| format!("{alias}.\"Key {place}\"::text"));
            format!("concat_ws('|', {})", keys.collect::<Vec<_>>().join(", "))
        };
        for (at, table) in self.tables.iter().enumerate() {
            let changes = table.change.is_some();
            let (pending, word, n) = table.change.map_or(("true", "x.word", "x.n"), |change| {
                (change.pending, change.word, change.n)
            });
            let held = self
                .holds
                .iter()
                .filter(|(held, _)| *held == at)
                .map(|(_, values)| {
                    let kind = table.key[0];
                    let values = values
                        .iter()
                        .map(|value| format!("{}::{kind}", literal(value)));
                    let values = values.collect::<Vec<_>>();
                    if values.is_empty() {
                        "true".to_owned()
                    } else {
                        format!("x.\"Key 0\" IN ({})", values.join(", "))
                    }
                });
            let held = held
                .chain(["false".to_owned()])
                .collect::<Vec<_>>()
                .join(" OR ");
            let marks = if table.restricts() {
                format!(", '{{policy/{}/r{at}}}'", self.schema)
            } else {
                String::new()
            };
            writeln!(
                sql,
                "INSERT INTO {mark} SELECT {at}, {}, {} AND {} AND coalesce({pending}, false),
                  {held}, {}, NULL, concat_ws('|', x.word, x.n), concat_ws('|', {word}, {n}{marks}) FROM {} AS x;",
                key(at, "x"), table.ruled, self.due(at), if changes { "true" } else { "NULL" }, self.name(at)
            ).unwrap();
        }
        writeln!(sql, "UPDATE {mark} SET goes = due AND NOT held WHERE stays; UPDATE {mark} SET stays = NOT due OR held WHERE stays IS NULL;").unwrap();
        let mut rounds = String::new();
        for (at, table) in self.tables.iter().enumerate() {
            for (nth, (parent, _)) in table.parents.iter().enumerate() {
                let columns = (0..self.tables[*parent].key.len())
                    .map(|place| format!("c.f{nth}_{place}::text"));
                write!(
                    rounds,
                    "UPDATE {mark} AS p SET stays = true FROM {} AS c JOIN {mark} AS m ON m.t = {at} AND m.k = {}
                      WHERE m.stays AND NOT p.stays AND p.t = {parent} AND c.f{nth}_0 IS NOT NULL AND p.k = concat_ws('|', {})
                        AND NOT (m.t = p.t AND m.k = p.k);
                    GET DIAGNOSTICS n = ROW_COUNT; total := total + n;\n",
                    self.name(at), key(at, "c"), columns.collect::<Vec<_>>().join(", ")
                ).unwrap();
            }
        }
        writeln!(sql, "DO $$ DECLARE n int; total int; BEGIN LOOP total := 0; {rounds} EXIT WHEN total = 0; END LOOP; END $$;
            UPDATE {mark} SET goes = NOT stays WHERE goes IS NULL;").unwrap();
        sql
    }

    /// A line for each table: what the oracle says of its numbers.
    pub(super) fn expected_sql(&self) -> String {
        format!(
            "SELECT t, count(*), count(*) FILTER (WHERE due), count(*) FILTER (WHERE goes), count(*) FILTER (WHERE due AND held),
              count(*) FILTER (WHERE due AND NOT goes AND NOT held) FROM {}.mark GROUP BY t ORDER BY t",
            self.schema
        )
    }

    pub(super) fn kept_sql(&self) -> String {
        let kept = format!(
            "SELECT t, string_agg(k || '=' || CASE WHEN goes THEN after ELSE before END, ' ' ORDER BY k COLLATE \"C\")
              FROM {}.mark WHERE stays GROUP BY t ORDER BY t",
            self.schema
        );
        kept
    }

    pub(super) fn there_sql(&self) -> String {
        let tables = self.tables.iter().enumerate().map(|(at, table)| {
            let keys = (0..table.key.len()).map(|place| format!("x.\"Key {place}\"::text"));
            let mark = if table.restricts() { ", x.restricted_by" } else { "" };
            format!(
                "SELECT {at} AS t, concat_ws('|', {}) AS k, concat_ws('|', x.word, x.n{mark}) AS v FROM {} AS x",
                keys.collect::<Vec<_>>().join(", "),
                self.name(at)
            )
        });
        let all = tables.collect::<Vec<_>>().join(" UNION ALL ");
        format!(
            "SELECT t, string_agg(k || '=' || v, ' ' ORDER BY k COLLATE \"C\") FROM ({all}) AS r GROUP BY t ORDER BY t"
        )
    }

    /// Every rule's numbers as the oracle has them.
    pub(super) fn check(&self, ran: &Ran, expected: &str, done: bool) {
        assert_balanced(&ran.body().rules);
        for (at, table) in self
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| table.ruled)
        {
            let rule = ran.rule(&format!("r{at}"));
            let went = match (done, table.restricts()) {
                (false, _) => rule.remaining,
                (true, false) => rule.erased,
                (true, true) => rule.restricted,
            };
            let line = format!(
                "{at}|{}|{}|{went}|{}|{}",
                rule.rows, rule.due, rule.held, rule.blocked
            );
            let found = expected.lines().any(|expected| expected == line);
            assert!(found || table.rows == 0, "{line} in\n{expected}\n{rule:?}");
            assert_eq!((rule.gone, rule.failed, rule.late), (0, 0, 0), "{rule:?}");
        }
    }
}
