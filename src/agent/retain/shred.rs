//! Keys that are destroyed: the receipt that tells which key it was, for whoever has a copy of it.
//!
//! In: a batch's statement whose rule destroys keys. Out: the part of it that writes a receipt for each. Pure.

use super::catalog::Table;
use super::method::Set;
use super::predicate;
use super::statement::Statement;

/// A key has so many bytes at least: of a shorter one, or of what is no key, the value could be found again from its
/// receipt by trying.
const LEAST_BYTES: u32 = 16;

/// The column that holds the key, quoted, where the table's rule destroys keys.
fn key(table: &Table) -> Option<&str> {
    let mut changes = table.changes.iter();
    let change = changes.find(|change| change.set == Set::Shred)?;
    Some(&change.name)
}

/// Whether the table's rule destroys keys.
pub(super) fn is_wanted(table: &Table) -> bool {
    key(table).is_some()
}

/// Whether `alias`'s row may be touched, as far as its key goes: never null.
pub(super) fn is_key(alias: &str, table: &Table) -> String {
    match key(table) {
        Some(key) => format!(
            "coalesce(pg_catalog.octet_length({alias}.{key}) OPERATOR(pg_catalog.>=) {LEAST_BYTES}, false)"
        ),
        None => "true".to_owned(),
    }
}

/// A receipt for each key that a batch destroys, in the batch's own statement: every part of that sees the rows as they
/// were before. `erased` has the rows that went, by the columns `by` of `taken`; `place` names run, store and rule.
/// Empty, where the rule destroys no keys.
pub(super) fn receipts(sql: &mut Statement, table: &Table, by: &str, place: &[String; 3]) {
    let Some(key) = key(table) else { return };
    let [run, store, rule] = place;
    sql.push(&format!(
        "receipts AS (
  INSERT INTO tradewind.shredded (run, store, rule, fingerprint)
  SELECT {run}::text, {store}::text, {rule}::text, pg_catalog.sha256(t.{key})
  FROM taken AS w JOIN erased AS d USING ({by}) JOIN {} AS t ON {}
), ",
        table.name,
        predicate::is_key("t", "w", table),
    ));
}

#[cfg(test)]
mod tests {
    use super::super::change::{Base, Change};
    use super::super::predicate::tests::table;
    use super::*;

    #[test]
    fn only_a_key_has_a_receipt() {
        let place = [1, 2, 3].map(|place| format!("${place}"));
        let mut table = table();
        let mut sql = Statement::default();
        receipts(&mut sql, &table, "id", &place);
        assert!(!is_wanted(&table) && !format!("{sql:?}").contains("receipts"));
        assert_eq!(is_key("t", &table), "true");
        table.changes = vec![Change {
            name: r#""the key""#.into(),
            kind: "bytea".into(),
            base: Base::Other,
            set: Set::Shred,
        }];
        receipts(&mut sql, &table, "id", &place);
        let text = format!("{sql:?}");
        assert!(text.contains(r#"sha256(t.\"the key\")"#), "{text}");
        assert!(is_key("t", &table).contains(r#"octet_length(t."the key")"#));
    }
}
