//! Small counts of more rules and tables than a report has room to commit to: every sum holds, or is told as not known.

use super::*;
use crate::agent::blur::{Blur, Seed, Told};
use crate::contract::{
    CatalogueLook, Count, ErasedStore, ErasedTable, RequestState, SEVERAL, Space, StoreDatabase,
};
use crate::evidence::{Standing, standing};

/// Thousands erased and three held: what is held is told as `<5`, what is erased as `-`, and something stands for each.
fn told(name: &str, parts: &[i64], order: &[usize]) -> Told {
    let blur = Blur {
        bound: 5,
        seed: Seed([7; 32]),
    };
    blur.sum(["shop", name], (parts.iter().sum(), parts), order)
}

fn heard<B: Shrink + Serialize + serde::de::DeserializeOwned + Default>(body: B) -> Option<B> {
    let said = "erased 1234567-1234999 rows; 0 blocked, 0 left";
    let report = Begun::now("erase").ended(Outcome::Done, "Done", said, Some(body));
    let bytes = encode(report).unwrap();
    let back: Report<B> = serde_json::from_slice(&bytes).unwrap();
    back.body
}

/// How many sums hold by commitments, and of how many nobody can say; none does not hold.
fn counted(all: impl Iterator<Item = Standing>) -> [usize; 2] {
    let mut counted = [0; 2];
    for standing in all {
        match standing {
            Standing::Committed => counted[0] += 1,
            Standing::Open => counted[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    counted
}

fn retained(rules: i64) -> RetainReport {
    let rule = |at: i64| {
        let name = format!("messages-{at:03}");
        let told = told(
            &name,
            &[20_000 + at, 3, 0, 0, 0, 0, 0],
            &[3, 4, 5, 2, 1, 6, 0],
        );
        RetainedRule {
            rows: 812_345.into(),
            due: told.sum.whole,
            erased: told.part(0),
            held: told.part(1),
            commitments: told.commitments(),
            oldest_kept: Some("2016-02-29".into()),
            strategy: Strategy::RowsReferenced,
            partitions: 3,
            null_clock: Count::below(5),
            space: Some(Space::Unknown),
            name,
            ..RetainedRule::default()
        }
    };
    RetainReport {
        run: "0".repeat(36),
        rules: (0..rules).map(rule).collect(),
        ..RetainReport::default()
    }
}

#[test]
fn of_as_many_rules_as_a_policy_may_have_each_sum_holds_or_is_not_known() {
    let body = retained(16);
    let stands = |body: &RetainReport| {
        let rules = body.rules.iter();
        counted(rules.map(|rule| standing(&rule.sum(), &rule.commitments)))
    };
    assert_eq!(stands(&body), [16, 0]);
    let [committed, open] = stands(&heard(body).unwrap());
    assert!(
        committed > 0 && open > 0 && committed + open == 16,
        "{committed} {open}"
    );
    // More than the schema lets a policy have leave no room for figures: nothing is told, and nothing wrong.
    assert_eq!(heard(retained(40)), None);
}

/// That two stores are one matters more than what stands for a number, which the ledger opens too.
#[test]
fn which_database_a_store_leads_to_is_told_before_commitments() {
    let database = |at: i64| StoreDatabase {
        store: format!("{at:040}"),
        database: format!("{at:016x}"),
    };
    let mut body = retained(16);
    body.catalogue = Some(CatalogueLook {
        databases: (0..16).map(database).collect(),
        ..CatalogueLook::default()
    });
    let heard = heard(body).unwrap();
    assert!(heard.rules.iter().all(|rule| rule.commitments.is_empty()));
    let databases = heard.catalogue.unwrap().databases;
    assert!(!databases.is_empty());
}

#[test]
fn of_many_tables_of_a_request_what_is_told_is_never_wrong() {
    let table = |at: i64| {
        let name = format!("messages-{at:03}");
        let parts = [100 + at, 0, 0, 3, 0, 0, 0, 0];
        let told = told(&name, &parts, &[6, 4, 5, 3, 2, 7, 1, 0]);
        ErasedTable {
            found: told.sum.whole,
            erased: told.part(0),
            held: told.part(3),
            commitments: told.commitments(),
            state: RequestState::Held,
            name,
            ..ErasedTable::default()
        }
    };
    // Forty have room for their figures; of ninety the last are told as one.
    for (number, found, is_summed) in [(40, 4_900, false), (90, 13_275, true)] {
        let body = EraseReport {
            request: "dsr-2026-17".into(),
            stores: vec![ErasedStore {
                name: "shop".into(),
                state: None,
                tables: (0..number).map(table).collect(),
            }],
            ..EraseReport::default()
        };
        let heard = heard(body).unwrap();
        let tables = &heard.stores[0].tables;
        let stand = tables
            .iter()
            .map(|table| standing(&table.sum(), &table.commitments));
        let [_, open] = counted(stand);
        assert!(open > 0, "{tables:?}");
        assert_eq!(tables.last().unwrap().name == SEVERAL, is_summed);
        let all: Count = tables.iter().map(|table| table.found).sum();
        assert_eq!(all, found);
    }
}
