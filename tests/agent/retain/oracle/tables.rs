//! The tables that a case may have, and the words in which the oracle asks for their rows.

use serde_json::{Value, json};

use super::super::dice::Dice;
use super::super::moments::{Anchor, Period, Term};

/// The types that keys are made of; two of them for a composite key.
pub(super) const KEYS: [&[&str]; 9] = [
    &["bigint"],
    &["int"],
    &["smallint"],
    &["text"],
    &["uuid"],
    &["numeric"],
    &["char(6)"],
    &["int", "text"],
    &["varchar(9)", "date"],
];

pub(super) const NAMES: [&str; 8] = [
    "orders", "Or ders", "select", "a\"b", "x'; --", "straße", "$1", "UPPER",
];

/// The columns that are clocks: the rule's own, and those that a keep may count from beside it.
pub(super) const COLUMNS: [&str; 3] = ["at", "kept \"0", "select"];

/// What its period runs from beside its own clock.
pub(super) struct Contacts {
    /// Tables that refer to it, each by all its foreign keys.
    pub(super) tables: Vec<usize>,
    pub(super) least: Option<Period>,
    pub(super) most: Option<Period>,
}

pub(super) struct Keep {
    /// In `COLUMNS`, without the first; or the rule's own clock.
    pub(super) column: Option<usize>,
    pub(super) period: Period,
    pub(super) anchor: Anchor,
}

impl Keep {
    /// Of its clock in `COLUMNS`.
    pub(super) fn place(&self) -> usize {
        self.column.map_or(0, |column| 1 + column)
    }
}

/// A rule that keeps its rows: what it sets, in the oracle's words. Each table has a `word` and a number `n`.
pub(super) struct Change {
    pub(super) method: &'static str,
    pub(super) columns: &'static str,
    /// The columns that it needs a right to change.
    pub(super) changes: &'static str,
    /// Whether row `x` has something to lose.
    pub(super) pending: &'static str,
    pub(super) word: &'static str,
    pub(super) n: &'static str,
}

pub(super) static CHANGES: [Change; 4] = [
    Change {
        method: "Restrict",
        columns: "[]",
        changes: "restricted_by",
        pending: "true",
        word: "x.word",
        n: "x.n",
    },
    Change {
        method: "Nullify",
        columns: r#"[{"name": "word"}, {"name": "n"}]"#,
        changes: "word, n",
        pending: "x.word IS NOT NULL OR x.n IS NOT NULL",
        word: "NULL",
        n: "NULL",
    },
    Change {
        method: "Anonymise",
        columns: r#"[{"name": "word", "set": "Constant", "value": "Go'ne"}]"#,
        changes: "word, n",
        pending: "x.word IS NULL OR x.word <> 'Go''ne'",
        word: "'Go''ne'",
        n: "x.n",
    },
    Change {
        method: "Anonymise",
        columns: r#"[{"name": "word", "set": "Truncate", "length": 2}, {"name": "n", "set": "Generalise", "step": 10}]"#,
        changes: "word, n",
        pending: "length(x.word) > 2 OR x.n % 10 <> 0",
        word: "substr(x.word, 1, 2)",
        n: "x.n / 10 * 10",
    },
];

pub(super) struct Table {
    pub(super) change: Option<&'static Change>,
    pub(super) name: String,
    /// Of those in `COLUMNS`.
    pub(super) clocks: [&'static str; 3],
    pub(super) zone: &'static str,
    pub(super) after: Period,
    pub(super) anchor: Anchor,
    pub(super) keeps: Vec<Keep>,
    pub(super) contacts: Option<Contacts>,
    pub(super) key: &'static [&'static str],
    pub(super) ruled: bool,
    pub(super) rows: u64,
    /// Tables that it refers to.
    pub(super) parents: Vec<(usize, &'static str)>,
}

impl Table {
    /// Whether its rows stay and are hidden.
    pub(super) fn restricts(&self) -> bool {
        self.change
            .is_some_and(|change| change.method == "Restrict")
    }

    /// A period from its own clock, or from one that it is told with, by what the rule counts from.
    pub(super) fn own(&self, period: Period, keeps: bool) -> Term {
        Term {
            period,
            anchor: self.anchor,
            keeps,
        }
    }

    /// Of one of its columns that are clocks, 0 for its own, the terms that rule and laws have; contacts aside.
    pub(super) fn terms(&self, place: usize) -> Vec<Term> {
        let own = (place == 0).then(|| self.own(self.after, false));
        let keeps = self.keeps.iter().filter(|keep| keep.place() == place);
        let keeps = keeps.map(|keep| Term {
            period: keep.period,
            anchor: keep.anchor,
            keeps: true,
        });
        own.into_iter().chain(keeps).collect()
    }

    /// Whether a term of one of its clocks is over for a row.
    pub(super) fn over(&self, row: &str, place: usize, term: Term) -> String {
        let column = format!("{row}.{}", quoted(COLUMNS[place]));
        term.over(&column, self.clocks[place], self.zone)
    }

    /// Whether the row `x` is due, by the words of rule and laws; contacts aside.
    pub(super) fn due(&self) -> String {
        let all = (0..COLUMNS.len()).flat_map(|place| {
            let terms = self.terms(place).into_iter();
            terms.map(move |term| self.over("x", place, term))
        });
        format!("coalesce({}, false)", all.collect::<Vec<_>>().join(" AND "))
    }

    pub(super) fn told(&self) -> Vec<Value> {
        let keeps = self.keeps.iter().enumerate().map(|(nth, keep)| {
            json!({"clock": COLUMNS[keep.place()], "for": keep.period.told(), "from": keep.anchor.told(),
                "reference": format!("law {nth}"), "policy": "tax"})
        });
        keeps.collect()
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column of the n-th row's key, as text.
pub(super) fn key_text(kind: &str, n: u64) -> String {
    match kind {
        "text" => format!("k'{n}\\ \"{}", n % 3),
        "uuid" => format!("00000000-0000-0000-0000-{n:012}"),
        "numeric" => format!("{n}.50"),
        "char(6)" => format!("c{n}"),
        "varchar(9)" => format!("v {n}"),
        "date" => format!("2020-01-{:02}", 1 + n % 28),
        _ => n.to_string(),
    }
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Some tables' periods run from contacts: from rows that are there as long as the run lasts.
pub(super) fn draw_contacts(tables: &mut [Table], dice: &mut Dice) {
    for at in 0..tables.len() {
        let refers = |from: &usize| {
            let table = &tables[*from];
            let stays = !table.ruled || table.change.is_some() || *from == at;
            stays && table.parents.iter().any(|(parent, _)| *parent == at)
        };
        let referring: Vec<usize> = (0..tables.len()).filter(refers).collect();
        if tables[at].ruled && !referring.is_empty() && dice.percent(60) {
            let mut period = |least| (dice.percent(40)).then(|| Period::draw(dice, least, 6));
            tables[at].contacts = Some(Contacts {
                least: period(15),
                most: period(18),
                tables: referring,
            });
        }
    }
}
