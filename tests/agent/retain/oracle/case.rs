//! One case: its tables, its holds and what the agent is asked.

use std::fmt::Write as _;

use serde_json::json;

use super::super::dice::Dice;
use super::super::moments::{ANCHORS, CLOCKS, Period, Term, ZONES, clock, steady};
use super::super::world::World;
use super::tables::{
    CHANGES, COLUMNS, KEYS, Keep, NAMES, Table, draw_contacts, key_text, literal, quoted,
};

/// One case: what there is, what is asked, and what should come of it.
pub(super) struct Case {
    pub(super) schema: String,
    pub(super) zone: &'static str,
    pub(super) tables: Vec<Table>,
    /// Table, and the values of its first key column; all rows where there are none.
    pub(super) holds: Vec<(usize, Vec<String>)>,
    pub(super) sql: String,
}

impl Case {
    pub(super) fn new(schema: &str, dice: &mut Dice) -> Self {
        let zone = dice.pick(&ZONES);
        let mut tables: Vec<Table> = Vec::new();
        for at in 0..=dice.roll(4) {
            let at = usize::try_from(at).unwrap();
            let ruled = at == 0 || dice.percent(80);
            let changes = ruled && dice.percent(35);
            let change = changes.then(|| &CHANGES[usize::try_from(dice.roll(4)).unwrap()]);
            let mut parents = Vec::new();
            for parent in 0..at {
                if dice.percent(60) {
                    let actions: &[&str] = if ruled && !changes {
                        &[
                            "",
                            "ON DELETE CASCADE",
                            "ON DELETE SET NULL",
                            "ON DELETE RESTRICT",
                            "DEFERRABLE INITIALLY DEFERRED",
                        ]
                    } else {
                        &["", "ON DELETE RESTRICT"]
                    };
                    parents.push((parent, dice.pick(actions)));
                }
            }
            if dice.percent(30) {
                parents.push((at, ""));
            }
            let keeps = (0..dice.roll(3)).map(|_| Keep {
                column: (dice.percent(70)).then(|| usize::from(dice.percent(50))),
                period: Period::draw(dice, 15, 8),
                anchor: dice.pick(&ANCHORS),
            });
            let keeps = keeps.collect();
            tables.push(Table {
                clocks: [(); 3].map(|()| dice.pick(&CLOCKS)),
                zone,
                after: Period::draw(dice, 1, 6),
                anchor: dice.pick(&ANCHORS),
                keeps,
                contacts: None,
                change,
                name: format!("{}{at}", dice.pick(&NAMES)),
                key: dice.pick(&KEYS),
                ruled,
                rows: dice.roll(60),
                parents,
            });
        }
        draw_contacts(&mut tables, dice);
        let mut case = Self {
            schema: schema.to_owned(),
            zone,
            tables,
            holds: Vec::new(),
            sql: format!("CREATE SCHEMA {schema};\n"),
        };
        for at in 0..case.tables.len() {
            case.create(at, dice);
            let table = &case.tables[at];
            if dice.percent(35) {
                let values = (0..dice.roll(6)).map(|_| key_text(table.key[0], 1 + dice.roll(60)));
                let values: Vec<String> = values.collect();
                if !values.is_empty() || dice.percent(30) {
                    case.holds.push((at, values));
                }
            }
        }
        let steady = case.steady();
        case.sql.push_str(&steady);
        case
    }

    /// Every term that runs from a clock of a table, its own or of those that it is in touch with.
    pub(super) fn terms(&self, at: usize, place: usize) -> Vec<Term> {
        let table = &self.tables[at];
        let mut terms = table.terms(place);
        if place == 0 {
            let contacts = table.contacts.iter();
            terms.extend(contacts.flat_map(|contacts| {
                let least = contacts.least.map(|least| table.own(least, true));
                least
                    .into_iter()
                    .chain(contacts.most.map(|most| table.own(most, false)))
            }));
            let parents = table
                .parents
                .iter()
                .map(|(parent, _)| &self.tables[*parent]);
            let parents = parents.filter(|parent| {
                let contacts = parent.contacts.as_ref();
                contacts.is_some_and(|contacts| contacts.tables.contains(&at))
            });
            terms.extend(parents.map(|parent| parent.own(parent.after, false)));
        }
        terms
    }

    /// No clock is about to make a difference while the agent is at work.
    pub(super) fn steady(&self) -> String {
        let mut sql = String::new();
        for (at, table) in self.tables.iter().enumerate() {
            for (place, column) in COLUMNS.iter().enumerate() {
                for term in self.terms(at, place) {
                    let over = table.over("x", place, term);
                    sql.push_str(&steady(&self.name(at), &quoted(column), &over));
                }
            }
        }
        sql
    }

    pub(super) fn name(&self, at: usize) -> String {
        format!("{}.{}", self.schema, quoted(&self.tables[at].name))
    }

    pub(super) fn create(&mut self, at: usize, dice: &mut Dice) {
        let table = &self.tables[at];
        let clocks = COLUMNS.iter().zip(table.clocks);
        let clocks = clocks.map(|(name, kind)| format!("{} {kind}", quoted(name)));
        let mut columns: Vec<String> = clocks.collect();
        columns.push("word text, n int".to_owned());
        for (place, kind) in table.key.iter().enumerate() {
            columns.push(format!("\"Key {place}\" {kind} NOT NULL"));
        }
        for (nth, (parent, action)) in table.parents.iter().enumerate() {
            let kinds = self.tables[*parent].key;
            let own = (0..kinds.len()).map(|place| format!("f{nth}_{place}"));
            let own = own.collect::<Vec<_>>();
            columns.extend(
                own.iter()
                    .zip(kinds)
                    .map(|(name, kind)| format!("{name} {kind}")),
            );
            columns.push(format!(
                "FOREIGN KEY ({}) REFERENCES {} {action}",
                own.join(", "),
                self.name(*parent)
            ));
        }
        if table.restricts() {
            columns.push("restricted_by text[]".to_owned());
        }
        let keys = (0..table.key.len()).map(|place| format!("\"Key {place}\""));
        columns.push(format!(
            "PRIMARY KEY ({})",
            keys.collect::<Vec<_>>().join(", ")
        ));
        let mut sql = format!("CREATE TABLE {} ({});\n", self.name(at), columns.join(", "));
        if table.restricts() {
            let name = self.name(at);
            writeln!(
                sql,
                "CREATE POLICY a ON {name} USING (true); CREATE POLICY r ON {name} AS RESTRICTIVE USING (restricted_by IS NULL);
                ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            )
            .unwrap();
        }
        let terms = [0, 1, 2].map(|place| self.terms(at, place));
        // Deferred: a row may refer to itself.
        for row in 1..=table.rows {
            let mut values: Vec<String> = terms.iter().map(|terms| clock(dice, terms)).collect();
            let word = dice.pick(&["NULL", "''", "'Go''ne'", "'go''ne'", "'ab'", "'straße'"]);
            let n = dice.pick(&["NULL", "0", "30", "-37", "37"]);
            values.extend([word.to_owned(), n.to_owned()]);
            values.extend(table.key.iter().map(|kind| literal(&key_text(kind, row))));
            for (parent, _) in &table.parents {
                let other = &self.tables[*parent];
                // To itself or to an older row: no circle.
                let most = if *parent == at { row } else { other.rows };
                let to = (most > 0 && dice.percent(50)).then(|| 1 + dice.roll(most));
                values.extend(
                    other.key.iter().map(|kind| {
                        to.map_or("NULL".to_owned(), |to| literal(&key_text(kind, to)))
                    }),
                );
            }
            writeln!(
                sql,
                "INSERT INTO {} VALUES ({});",
                self.name(at),
                values.join(", ")
            )
            .unwrap();
        }
        self.sql.push_str(&sql);
    }

    /// Rights: to whole tables, or to single columns, as little as retention needs.
    pub(super) fn grants(&self, role: &str, sparing: bool) -> String {
        let mut sql = format!("GRANT USAGE ON SCHEMA {} TO {role};", self.schema);
        for (at, table) in self.tables.iter().enumerate() {
            let mut columns: Vec<String> = (0..table.key.len())
                .map(|place| format!("\"Key {place}\""))
                .collect();
            columns.push("\"at\"".to_owned());
            let kept = table.keeps.iter().filter_map(|keep| keep.column);
            columns.extend(kept.map(|column| quoted(COLUMNS[1 + column])));
            columns.extend(table.change.map(|change| change.changes.to_owned()));
            for (nth, (parent, _)) in table.parents.iter().enumerate() {
                columns.extend(
                    (0..self.tables[*parent].key.len()).map(|place| format!("f{nth}_{place}")),
                );
            }
            let columns = if sparing {
                format!("({})", columns.join(", "))
            } else {
                String::new()
            };
            let erase = table.change.map_or("DELETE".to_owned(), |change| {
                format!("UPDATE ({})", change.changes)
            });
            write!(
                sql,
                "GRANT {erase}, SELECT {columns} ON {} TO {role};",
                self.name(at)
            )
            .unwrap();
        }
        sql
    }

    pub(super) fn open_holds(&self) -> String {
        let open = self.holds.iter().enumerate().map(|(nth, (at, values))| {
            let table = format!("{}.{}", self.schema, self.tables[*at].name);
            let scope = if values.is_empty() {
                json!([{"table": table}])
            } else {
                json!([{"table": table, "column": "Key 0", "values": values}])
            };
            format!(
                "SELECT tradewind.open_hold('{}-{nth}', 'g', 'ann', NULL, {}::jsonb);",
                self.schema,
                literal(&scope.to_string())
            )
        });
        open.collect()
    }

    pub(super) fn task(&self, world: &mut World, dice: &mut Dice) {
        world.set("policy", self.schema.clone());
        world.set("timeZone", self.zone);
        world.set("batchRows", 1 + dice.roll(40));
        let url = world.dir.path().join("url");
        let rules = self.tables.iter().enumerate().filter(|(_, table)| table.ruled).map(|(at, table)| {
            let mut rule = json!({"name": format!("r{at}"), "store": "orders", "url": url, "table": format!("{}.{}", self.schema, table.name),
                "clock": "at", "after": table.after.told(), "from": table.anchor.told(), "keeps": table.told()});
            if let Some(contacts) = &table.contacts {
                let period = |period: Option<Period>| period.map(Period::told);
                let tables = contacts.tables.iter().map(|from| {
                    json!({"table": format!("{}.{}", self.schema, self.tables[*from].name), "clock": "at"})
                });
                rule["lastContact"] = json!({"tables": tables.collect::<Vec<_>>(),
                    "atLeast": period(contacts.least), "atMost": period(contacts.most)});
            }
            if let Some(change) = table.change {
                rule["method"] = change.method.into();
                rule["columns"] = serde_json::from_str(change.columns).unwrap();
            }
            rule
        });
        world.set("rules", rules.collect::<Vec<_>>());
    }
}
