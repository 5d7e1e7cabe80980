//! Two rules over one table: only where no row, or no column of it, is of both.
//!
//! In: a store's steps. Out: whether another may stand beside them. Pure.

use super::preflight::Step;
use super::refusal::Refusal;
use super::settings::Keep;

/// Whether the rule takes columns of rows that a law keeps.
pub(super) fn takes_of_kept(step: &Step) -> bool {
    step.rule.keeps.iter().any(|keep| keep.lasts)
}

/// Why a step may not stand beside those that there are.
pub(super) fn clash(steps: &[Step], step: &Step) -> Option<Refusal> {
    let mut same = steps.iter().filter(|one| one.table.oid == step.table.oid);
    let other = same.find(|other| !are_apart(other, step))?;
    Some(Refusal::SameTable {
        rule: step.rule.name.clone(),
        other: other.rule.name.clone(),
        table: step.table.name.clone(),
    })
}

/// Whether no row is due for both: what has to last for one has to have ended for the other. Or both take columns of rows that
/// are kept, and none takes what the other does.
fn are_apart(one: &Step, other: &Step) -> bool {
    let waits = |one: &Step, other: &Step| {
        let mut lasting = one.rule.keeps.iter().filter(|keep| keep.lasts);
        lasting.any(|keep| {
            let mut ends = other.rule.keeps.iter().filter(|keep| !keep.lasts);
            ends.any(|end| is_same_time(keep, end))
        })
    };
    let is_changed = |name: &String| other.table.changes.iter().any(|it| it.name == *name);
    let columns = || {
        let mut names = one.table.changes.iter().map(|it| &it.name);
        takes_of_kept(one) && takes_of_kept(other) && !names.any(is_changed)
    };
    waits(one, other) || waits(other, one) || columns()
}

/// Whether two keeps end at the same moment, for every row.
fn is_same_time(one: &Keep, other: &Keep) -> bool {
    one.clock == other.clock
        && one.from == other.from
        && one.period.fieldwise() == other.period.fieldwise()
}

#[cfg(test)]
mod tests {
    use super::super::change::{Base, Change};
    use super::super::cutoff::Anchor;
    use super::super::method::Set;
    use super::super::predicate::tests::table;
    use super::super::settings::Rule;
    use super::*;
    use crate::contract::{Method, Strategy};

    /// A rule that keeps of so many years bind, the negative ones while they last, and that changes a column or takes rows.
    fn step(years: &[i16], column: Option<&str>) -> Step {
        let keep = |years: &i16| Keep {
            clock: "paid".into(),
            period: jiff::Span::new().years(years.abs()),
            from: Anchor::EventDate,
            ground: "AO 147".into(),
            partial: None,
            lasts: *years < 0,
            columns: Vec::new(),
        };
        let mut table = table();
        table.changes.extend(column.map(|name| Change {
            name: name.into(),
            kind: "text".into(),
            base: Base::Text,
            set: Set::Null,
        }));
        let rule = Rule {
            name: format!("{years:?}"),
            position: 0,
            table: "orders".into(),
            clock: "placed_at".into(),
            after: jiff::Span::new().years(1),
            from: Anchor::EventDate,
            contacts: None,
            notice: None,
            keeps: years.iter().map(keep).collect(),
            method: Method::Delete,
            changes: Vec::new(),
            subjects: Vec::new(),
        };
        let strategy = Strategy::Rows;
        Step {
            rule,
            table,
            strategy,
        }
    }

    #[test]
    fn two_rules_share_a_table_only_where_no_row_or_no_column_is_of_both() {
        for (one, other, is_free) in [
            (step(&[], None), step(&[], None), false),
            (step(&[8], None), step(&[8], Some("note")), false),
            (step(&[8], None), step(&[-8], Some("note")), true),
            (step(&[8, 10], None), step(&[10, -8], Some("note")), true),
            // Another period: between the two a row would be of both.
            (step(&[8], None), step(&[-9], Some("note")), false),
            (step(&[], None), step(&[-8], Some("note")), false),
            (step(&[-8], Some("mail")), step(&[-10], Some("note")), true),
            (step(&[-8], Some("note")), step(&[-10], Some("note")), false),
            (
                step(&[-8], Some("note")),
                step(&[8, -10], Some("note")),
                true,
            ),
            // A rule of everybody's changes rows that the other wants.
            (step(&[], Some("mail")), step(&[-10], Some("note")), false),
        ] {
            for (one, other) in [(&one, &other), (&other, &one)] {
                let told = clash(std::slice::from_ref(one), other);
                assert_eq!(
                    told.is_none(),
                    is_free,
                    "{} {}",
                    one.rule.name,
                    other.rule.name
                );
            }
        }
        let mut elsewhere = step(&[], None);
        elsewhere.table.oid += 1;
        assert!(clash(&[elsewhere], &step(&[], None)).is_none());
    }
}
