//! Whether numbers of rows add up, told or not.

use super::requests::Last;
use crate::contract::{Count, ErasedTable, Sum};
use crate::evidence::{Standing, body, standing};

/// How a sum of some parts stands, in a word for a table; `alone` is that for a whole without parts, where there may be one.
pub(super) fn word(standing: Standing, parts: &[Count], alone: Option<&str>) -> String {
    match (standing, alone) {
        (Standing::Told, _) => "yes".to_owned(),
        (Standing::Committed, _) => "yes, by commitments".to_owned(),
        (Standing::Open, _) => "not known".to_owned(),
        (Standing::Alone, Some(word)) => word.to_owned(),
        (Standing::Alone | Standing::Broken, _) => {
            let sum: Count = parts.iter().copied().sum();
            format!("NO: {sum}")
        }
    }
}

/// Rows by term, and whether they add up.
pub(super) fn terms(outcome: Option<&body::RequestOutcome>, is_copy: bool) -> Vec<String> {
    if tables(outcome).next().is_none() {
        return vec![String::new(); 10];
    }
    let summed = summed(outcome);
    let all = std::iter::once(summed.whole).chain(summed.parts.iter().copied());
    let mut told: Vec<String> = all.map(|rows| rows.to_string()).collect();
    let alone = is_copy.then_some("copy");
    told.push(word(stands(outcome), &summed.parts, alone));
    told
}

/// How the sums of all tables stand together: as the worst of them does.
fn stands(outcome: Option<&body::RequestOutcome>) -> Standing {
    let each = tables(outcome).map(|table| standing(&table.sum(), &table.commitments));
    let each: Vec<Standing> = each.collect();
    let has_parts = !summed(outcome).parts.iter().all(Count::is_zero);
    // What takes rows away says of each table what became of its rows; a copy of none.
    if each.contains(&Standing::Alone) && has_parts {
        return Standing::Broken;
    }
    let worst = [
        Standing::Broken,
        Standing::Alone,
        Standing::Open,
        Standing::Committed,
    ];
    let worst = worst.into_iter().find(|standing| each.contains(standing));
    worst.unwrap_or(Standing::Told)
}

/// Every table of what stores said.
pub(super) fn tables(outcome: Option<&body::RequestOutcome>) -> impl Iterator<Item = &ErasedTable> {
    let stores = outcome.into_iter().flat_map(|outcome| &outcome.stores);
    stores.flat_map(|store| &store.tables)
}

/// How the sums of all tables of a request stand together.
pub(in crate::cli::audit) fn standing_of(one: &Last<'_>) -> Standing {
    stands(one.request.as_ref().and_then(|one| one.outcome.as_ref()))
}

/// Rows found, and the terms that they are the sum of, over all tables.
fn summed(outcome: Option<&body::RequestOutcome>) -> Sum {
    let none = Sum {
        whole: Count::ZERO,
        parts: vec![Count::ZERO; 8],
    };
    tables(outcome).fold(none, |sum, table| Sum {
        whole: sum.whole.plus(table.found),
        parts: sum
            .parts
            .iter()
            .zip(table.terms())
            .map(|(part, more)| part.plus(more))
            .collect(),
    })
}
