//! Rows that stay because rows that stay refer to them: a customer whose invoices a law keeps.
//!
//! In: what a look found of a table, who refers to its rows, and what the same look found of those. Out: each such row
//! with the fate and the ground of what refers to it. Tables come children first, so a chain of any length is followed;
//! rows of one table that refer to each other are followed until nothing changes.

use std::collections::{BTreeMap, HashMap};

use sqlx::{PgConnection, Row};

use super::super::fault::Fault;
use super::super::predicate;
use super::super::preflight::Step;
use super::super::references::Reference;
use super::super::statement::Statement;
use super::books::{self, Fate};
use super::rows::{self, Keys};
use super::site::whose;
use super::work::Job;

/// Why a row stays, and rightly: the least is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stay {
    /// A law keeps it, or what refers to it.
    Kept(Ground),
    /// A hold keeps it, or what refers to it.
    Held,
}

/// A ground, and the table whose rows the law keeps; none: the table that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ground {
    /// The table, by its name in the task.
    pub(super) through: Option<String>,
    /// The law.
    pub(super) law: String,
    /// The columns that it keeps; none: all of a row.
    pub(super) columns: Vec<String>,
}

/// The rows of a table that stay rightly, by their hashes.
pub(super) type Stayed = HashMap<Vec<u8>, Stay>;

/// A row that another refers to: its hash, the table of the other and the hash there.
pub(super) type Edge = (Vec<u8>, String, Vec<u8>);

/// What is known when a table is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// The store's name.
    pub(super) store: &'a str,
    /// All tables of the store.
    pub(super) steps: &'a [Step],
    /// What stays of those that were looked at before.
    pub(super) stayed: &'a BTreeMap<String, Stayed>,
}

/// Gives every row that others refer to the fate of these, where they stay rightly; answers all rows of the table that do.
/// `grounds` are the table's own, and get those that its rows have through others.
pub(super) async fn settle(
    connection: &mut PgConnection,
    around: Around<'_>,
    (step, job): (&Step, Job<'_>),
    (fates, grounds): (&mut [Fate], &mut Vec<Ground>),
) -> Result<Stayed, Fault> {
    let mut edges = Vec::new();
    if fates.iter().any(|(_, word, _)| *word == books::BLOCKED) {
        for reference in &step.table.references {
            let mut children = around.steps.iter();
            // Of a table that is not in the task nobody knows why its rows stay, nor that they ever go.
            if let Some(child) = children.find(|child| child.table.oid == reference.oid) {
                let links = (step, child, reference);
                edges.extend(referring(connection, around.store, links, job).await?);
            }
        }
    }
    let name = &step.rule.name;
    Ok(judge(fates, grounds, name, (&edges, around.stayed)))
}

/// The person's rows of one table that the person's rows of another refer to.
async fn referring(
    connection: &mut PgConnection,
    store: &str,
    (step, child, reference): (&Step, &Step, &Reference),
    job: Job<'_>,
) -> Result<Vec<Edge>, Fault> {
    let kinds = &job.settings.kinds;
    let keys = |table| Keys {
        with: job.key,
        store,
        table,
    };
    let (own, other) = (keys(&step.rule.name), keys(&child.rule.name));
    let mut sql = Statement::default();
    let theirs = whose(step, job.who, kinds).to_erase(&mut sql, "t");
    let referring = whose(child, job.who, kinds).theirs(&mut sql, "r");
    let itself = if reference.oid == step.table.oid {
        format!(" AND NOT ({})", predicate::same_key("r", "t", &step.table))
    } else {
        String::new()
    };
    sql.push(&format!(
        "SELECT {}, {} FROM {} AS t JOIN {} AS r ON {} WHERE {theirs} AND {referring}{itself}",
        rows::texts("t", &step.table),
        rows::texts("r", &child.table),
        step.table.name,
        reference.name,
        reference.on("r", "t"),
    ));
    let fault = Fault::of("find what refers to the person's rows");
    let found = sql.query().map_err(&fault)?.fetch_all(connection).await;
    let count = step.table.key.len();
    let read = |row: &sqlx::postgres::PgRow| {
        let parent = own.hash(row, (0, count))?;
        let hash = other.hash(row, (count, child.table.key.len()))?;
        Ok((parent, child.rule.name.clone(), hash))
    };
    found
        .and_then(|rows| rows.iter().map(read).collect())
        .map_err(fault)
}

/// The grounds of a table's own keeps, as the request pinned them.
pub(super) async fn own_grounds(
    connection: &mut PgConnection,
    (run, store): (&str, &str),
    table: &str,
    keeps: usize,
) -> Result<Vec<Ground>, Fault> {
    let sql =
        "SELECT grounds FROM tradewind.request_table WHERE run = $1 AND store = $2 AND name = $3";
    let query = sqlx::query(sql).bind(run).bind(store).bind(table);
    let row = query.fetch_one(connection).await;
    let laws: Vec<String> = row
        .and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the grounds"))?;
    // What an earlier look has added is found anew.
    let own = laws.into_iter().take(keeps);
    let own = own.map(|law| Ground {
        through: None,
        law,
        columns: Vec::new(),
    });
    Ok(own.collect())
}

/// The same without a database.
fn judge(
    fates: &mut [Fate],
    grounds: &mut Vec<Ground>,
    table: &str,
    (edges, others): (&[Edge], &BTreeMap<String, Stayed>),
) -> Stayed {
    let mut stayed = own(fates, grounds, table);
    let mut parents: HashMap<&[u8], Vec<(&str, &[u8])>> = HashMap::new();
    for (parent, child, hash) in edges {
        parents.entry(parent).or_default().push((child, hash));
    }
    loop {
        let mut is_changed = false;
        for (hash, word, _) in &*fates {
            let Some(children) = parents.get(hash.as_slice()) else {
                continue;
            };
            if *word != books::BLOCKED {
                continue;
            }
            let found = children.iter().filter_map(|(child, hash)| {
                if *child == table {
                    stayed.get(*hash)
                } else {
                    others.get(*child)?.get(*hash)
                }
            });
            let Some(least) = found.min() else { continue };
            if stayed.get(hash).is_none_or(|known| least < known) {
                let least = least.clone();
                stayed.insert(hash.clone(), least);
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    for (hash, word, ground) in fates {
        if *word != books::BLOCKED {
            continue;
        }
        match stayed.get(hash) {
            Some(Stay::Kept(why)) => {
                *word = books::KEPT;
                *ground = Some(place(grounds, why));
            }
            Some(Stay::Held) => *word = books::HELD,
            None => {}
        }
    }
    stayed
}

/// What stays of a table for its own sake, as rows that it refers to have to see it.
fn own(fates: &[Fate], grounds: &[Ground], table: &str) -> Stayed {
    let stay = |(hash, word, ground): &Fate| {
        let stay = match (*word, ground) {
            (books::KEPT, Some(place)) => {
                let why = grounds.get(usize::try_from(*place).ok()?)?;
                Stay::Kept(Ground {
                    through: Some(table.to_owned()),
                    law: why.law.clone(),
                    columns: Vec::new(),
                })
            }
            (books::HELD, _) => Stay::Held,
            _ => return None,
        };
        Some((hash.clone(), stay))
    };
    fates.iter().filter_map(stay).collect()
}

/// Where a ground stands among a table's; the first time it is added.
fn place(grounds: &mut Vec<Ground>, why: &Ground) -> i32 {
    let at = grounds.iter().position(|known| known == why);
    let at = at.unwrap_or_else(|| {
        grounds.push(why.clone());
        grounds.len() - 1
    });
    i32::try_from(at).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use books::{BLOCKED, FAILED, HELD, KEPT};

    fn hash(at: u8) -> Vec<u8> {
        vec![at]
    }

    fn kept(table: &str, law: &str) -> Stay {
        Stay::Kept(Ground {
            through: Some(table.into()),
            law: law.into(),
            columns: vec![],
        })
    }

    fn edge(parent: u8, child: &str, row: u8) -> Edge {
        (hash(parent), child.into(), hash(row))
    }

    fn others() -> BTreeMap<String, Stayed> {
        let invoices = [
            (hash(1), kept("invoices", "AO 147")),
            (hash(2), Stay::Held),
            (hash(3), kept("lines", "HGB 257")),
        ];
        [("invoices".to_owned(), invoices.into())].into()
    }

    /// Words and grounds of rows 10, 11, ... that were blocked, and the table's grounds.
    fn told(rows: u8, edges: &[Edge]) -> (Vec<(&'static str, Option<i32>)>, Vec<Ground>) {
        let mut fates: Vec<Fate> = (10..10 + rows)
            .map(|at| (hash(at), BLOCKED, None))
            .collect();
        let mut grounds = vec![Ground {
            through: None,
            law: "own".into(),
            columns: vec![],
        }];
        judge(&mut fates, &mut grounds, "customers", (edges, &others()));
        let words = fates.into_iter().map(|(_, word, ground)| (word, ground));
        (words.collect(), grounds)
    }

    #[test]
    fn a_row_has_the_ground_of_what_refers_to_it() {
        let edges = [
            edge(10, "invoices", 1),
            edge(11, "invoices", 2),
            edge(12, "invoices", 9),
            edge(13, "notes", 1),
            edge(14, "invoices", 3),
        ];
        let (words, grounds) = told(6, &edges);
        // Of row 9, and of a table that nobody looked at, nobody knows that they stay rightly.
        let blocked = (BLOCKED, None);
        let (first, last) = ((KEPT, Some(1)), (KEPT, Some(2)));
        assert_eq!(
            words,
            [first, (HELD, None), blocked, blocked, last, blocked]
        );
        let told: Vec<_> = grounds
            .iter()
            .map(|it| (it.through.as_deref(), &*it.law))
            .collect();
        let through = [(Some("invoices"), "AO 147"), (Some("lines"), "HGB 257")];
        assert_eq!(told, [&[(None, "own")][..], &through].concat());
    }

    #[test]
    fn a_law_is_told_before_a_hold_in_whatever_order_they_are_found() {
        let (law, hold) = (edge(10, "invoices", 1), edge(10, "invoices", 2));
        let other = edge(10, "invoices", 9);
        for edges in [
            [law.clone(), hold.clone(), other.clone()],
            [other, hold, law],
        ] {
            assert_eq!(told(1, &edges).0, [(KEPT, Some(1))]);
        }
    }

    #[test]
    fn a_chain_within_a_table_is_followed_to_its_end_and_a_circle_ends() {
        // 13 refers to 12, that to 11, that to 10; 14 and 15 refer to each other, and nothing keeps them.
        let chain = [
            edge(10, "customers", 11),
            edge(11, "customers", 12),
            edge(12, "customers", 13),
            edge(13, "invoices", 1),
            edge(14, "customers", 15),
            edge(15, "customers", 14),
        ];
        let (words, _) = told(6, &chain);
        let kept = (KEPT, Some(1));
        assert_eq!(words[..4], [kept; 4]);
        assert_eq!(words[4..], [(BLOCKED, None); 2]);
    }

    #[test]
    fn what_stays_for_its_own_sake_or_fails_is_left_as_it_is() {
        let mut grounds = vec![Ground {
            through: None,
            law: "own".into(),
            columns: vec![],
        }];
        let mut fates = vec![
            (hash(10), KEPT, Some(0)),
            (hash(11), HELD, None),
            (hash(12), FAILED, None),
        ];
        let edges = [10, 11, 12].map(|at| edge(at, "invoices", 1));
        let before = fates.clone();
        let stayed = judge(&mut fates, &mut grounds, "customers", (&edges, &others()));
        assert_eq!(fates, before);
        let own = [(hash(10), kept("customers", "own")), (hash(11), Stay::Held)];
        assert_eq!(stayed, own.into());
    }
}
