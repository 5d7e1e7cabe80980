//! How a pin packs its keys: one array, key column after key column.
//!
//! In: a table's key. Out: text for a statement. Pure. Functions that take any type name their schema: a function
//! for one type that the database's own users made would fit better.

use super::catalog::Table;

/// The column that new pins of the table pack their keys into.
pub(super) fn column(table: &Table) -> &'static str {
    if table.packs_integers() {
        "ints"
    } else {
        "texts"
    }
}

/// The type of a packed key.
pub(super) fn kind(table: &Table) -> &'static str {
    if table.packs_integers() {
        "bigint"
    } else {
        "text"
    }
}

/// The packed keys of the pin that `alias` stands for. Pins of an older release are texts.
pub(super) fn array(alias: &str, table: &Table) -> String {
    if table.packs_integers() {
        format!("coalesce({alias}.ints, {alias}.texts::bigint[])")
    } else {
        format!("{alias}.texts")
    }
}

/// Rows `c1`, `c2`, ... with their `place`, from the pin that `pin` stands for.
pub(super) fn rows(pin: &str, alias: &str, table: &Table) -> String {
    let array = array(pin, table);
    let columns = each(table, |place| format!("c{place}"));
    if table.key.len() == 1 {
        return format!("pg_catalog.unnest({array}) WITH ORDINALITY AS {alias} ({columns}, place)");
    }
    // Of several arrays it is always the server's own, and only without its schema.
    let slices = each(table, |place| {
        format!(
            "({array})[{} * {pin}.rows + 1 : {place} * {pin}.rows]",
            place - 1
        )
    });
    format!("unnest({slices}) WITH ORDINALITY AS {alias} ({columns}, place)")
}

/// Packs columns `c1`, `c2`, ... of rows; `which` may filter and order them.
pub(super) fn pack(table: &Table, which: &str) -> String {
    let kind = kind(table);
    let arrays = (1..=table.key.len())
        .map(|place| format!("coalesce(pg_catalog.array_agg(c{place}{which}, '{{}}'::{kind}[])"));
    arrays.collect::<Vec<_>>().join(" OPERATOR(pg_catalog.||) ")
}

/// `c1::bigint AS k1, ...`: packed columns as the key's own types.
pub(super) fn typed(alias: &str, table: &Table) -> String {
    each(table, |place| {
        let kind = table
            .key
            .get(place - 1)
            .map_or("text", |column| column.kind.as_str());
        format!("{alias}.c{place}::{kind} AS k{place}")
    })
}

/// Something for each key column, by its place from 1, joined by commas.
pub(super) fn each(table: &Table, each: impl Fn(usize) -> String) -> String {
    (1..=table.key.len())
        .map(each)
        .collect::<Vec<_>>()
        .join(", ")
}
