//! How much may go without, and with, somebody's approval.
//!
//! In: what is due now, what was approved, what earlier runs did under the same approval. Out: go, or why not.
//! Pure. An approval is an allowance that is used up: rows that an approved run erased, or that went by
//! themselves meanwhile, cannot be erased a second time under it, so an old approval never covers a later
//! accident (a bad import that makes a table due, say).

use crate::contract::Approval;

/// A rule's counts at the cut-off of the run that wants to begin.
#[derive(Clone, Debug)]
pub(super) struct Counted<'a> {
    /// The rule.
    pub(super) rule: &'a str,
    /// Rows of its table.
    pub(super) rows: i64,
    /// Due rows.
    pub(super) due: i64,
    /// Rows that earlier runs under the same approval erased or found gone.
    pub(super) used: i64,
}

/// What the task says about the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// The region that runs.
    pub(super) region: &'a str,
    /// The spec that runs.
    pub(super) spec_hash: &'a str,
    /// The bound.
    pub(super) max_percent: u32,
    /// What was approved.
    pub(super) approval: Option<&'a Approval>,
    /// The tables that there are now.
    pub(super) shape: &'a str,
}

/// Whether a run may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every rule is within the bound: nobody need approve.
    Within,
    /// The approval covers it.
    Approved,
    /// Somebody must approve first; one sentence says why.
    Needed(String),
}

/// Judges all rules of a run together: one that may not go stops them all.
pub(super) fn judge(terms: Terms<'_>, counted: &[Counted<'_>]) -> Verdict {
    let percent = terms.max_percent;
    let beyond: Vec<&Counted> = counted
        .iter()
        .filter(|rule| i128::from(rule.due) > share(rule.rows, percent))
        .collect();
    let Some(first) = beyond.first() else {
        return Verdict::Within;
    };
    let Some(approval) = terms.approval else {
        return Verdict::Needed(format!(
            "{} of {} rules would erase more than {percent}% of their rows, `{}` among them: \
             approve this preview's hash",
            beyond.len(),
            counted.len(),
            first.rule,
        ));
    };
    if let Some(why) = mismatch(terms, approval, counted) {
        return Verdict::Needed(why);
    }
    for rule in beyond {
        let seen = approval
            .preview
            .rules
            .iter()
            .find(|seen| seen.name == rule.rule);
        // Who approves `<5` approves four.
        let seen = seen.and_then(|seen| seen.due.most());
        let left = seen.map_or(0, |due| due.saturating_sub(rule.used).max(0));
        if i128::from(rule.due) > i128::from(left) + share(rule.rows, percent) {
            return Verdict::Needed(format!(
                "`{}` has more due rows than the approval still covers and {percent}% of its rows: \
                 approve this preview's hash",
                rule.rule,
            ));
        }
    }
    Verdict::Approved
}

/// Why an approval is not one for this run.
fn mismatch(terms: Terms<'_>, approval: &Approval, counted: &[Counted<'_>]) -> Option<String> {
    let preview = &approval.preview;
    let why = if approval.hash != preview.hash() {
        "names another hash than that of the preview it carries"
    } else if preview.region != terms.region {
        "is for another region"
    } else if preview.spec_hash != terms.spec_hash {
        "was given for another version of the policy's spec"
    } else if counted
        .iter()
        .any(|rule| preview.rules.iter().all(|seen| seen.name != rule.rule))
    {
        "does not know every rule"
    } else if preview
        .shape
        .as_ref()
        .is_some_and(|shape| shape != terms.shape)
    {
        "was given for other tables, keys, clocks, columns or foreign keys under these names"
    } else {
        return None;
    };
    Some(format!("the approval {why}: approve this preview's hash"))
}

/// So many percent of `rows`.
fn share(rows: i64, percent: u32) -> i128 {
    i128::from(rows) * i128::from(percent) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Count, Preview, PreviewedRule};
    use proptest::prelude::*;

    fn counted(due: i64, used: i64) -> Counted<'static> {
        Counted {
            rule: "orders",
            rows: 1000,
            due,
            used,
        }
    }

    fn approval(due: i64) -> Approval {
        let preview = Preview {
            region: "eu-west".into(),
            as_of: "2026-01-01T00:00:00Z".into(),
            spec_hash: "sha256-1".into(),
            rules: vec![PreviewedRule {
                name: "orders".into(),
                rows: 1000.into(),
                due: due.into(),
            }],
            shape: Some("sha256-5a".into()),
        };
        Approval {
            hash: preview.hash(),
            by: "dpo@shop.example".into(),
            preview,
        }
    }

    fn terms(approval: Option<&Approval>) -> Terms<'_> {
        Terms {
            region: "eu-west",
            spec_hash: "sha256-1",
            max_percent: 5,
            approval,
            shape: "sha256-5a",
        }
    }

    fn needed(terms: Terms<'_>, counted: &[Counted<'_>]) -> String {
        match judge(terms, counted) {
            Verdict::Needed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_bound_itself_needs_nobody_and_one_row_more_does() {
        assert_eq!(judge(terms(None), &[counted(50, 0)]), Verdict::Within);
        let why = needed(terms(None), &[counted(51, 0)]);
        assert!(why.contains("`orders` among them"), "{why}");
    }

    #[test]
    fn an_empty_table_needs_nobody() {
        let empty = Counted {
            rule: "orders",
            rows: 0,
            due: 0,
            used: 0,
        };
        assert_eq!(judge(terms(None), &[empty]), Verdict::Within);
    }

    #[test]
    fn an_approval_covers_what_was_seen_and_the_bound_on_top() {
        let approval = approval(400);
        assert_eq!(
            judge(terms(Some(&approval)), &[counted(450, 0)]),
            Verdict::Approved
        );
        let why = needed(terms(Some(&approval)), &[counted(451, 0)]);
        assert!(why.contains("than the approval still covers"), "{why}");
    }

    #[test]
    fn who_approves_a_small_number_approves_the_greatest_that_it_can_be() {
        let approval = |due: Count| {
            let mut approval = approval(0);
            approval.preview.rules[0].due = due;
            approval.hash = approval.preview.hash();
            approval
        };
        let rare = |due| Counted {
            rows: 10,
            ..counted(due, 0)
        };
        let small = approval(Count::below(5));
        for due in 1..5 {
            assert_eq!(judge(terms(Some(&small)), &[rare(due)]), Verdict::Approved);
        }
        needed(terms(Some(&small)), &[rare(5)]);
        needed(terms(Some(&approval(Count::WITHHELD))), &[rare(1)]);
    }

    #[test]
    fn an_approval_is_used_up() {
        let approval = approval(400);
        assert_eq!(
            judge(terms(Some(&approval)), &[counted(150, 300)]),
            Verdict::Approved
        );
        needed(terms(Some(&approval)), &[counted(151, 300)]);
        assert_eq!(
            judge(terms(Some(&approval)), &[counted(50, 900)]),
            Verdict::Within
        );
        needed(terms(Some(&approval)), &[counted(51, 900)]);
    }

    #[test]
    fn an_approval_for_something_else_is_none() {
        let due = [counted(400, 0)];
        let mut forged = approval(400);
        forged.hash = format!("sha256-{}", "0".repeat(64));
        assert!(needed(terms(Some(&forged)), &due).contains("another hash"));
        let mut swollen = approval(10);
        swollen.preview.rules[0].due = 400.into();
        assert!(needed(terms(Some(&swollen)), &due).contains("another hash"));
        let good = approval(400);
        let elsewhere = Terms {
            region: "us-east",
            ..terms(Some(&good))
        };
        assert!(needed(elsewhere, &due).contains("another region"));
        let newer = Terms {
            spec_hash: "sha256-2",
            ..terms(Some(&good))
        };
        assert!(needed(newer, &due).contains("another version"));
        let stranger = Counted {
            rule: "customers",
            rows: 10,
            due: 0,
            used: 0,
        };
        let why = needed(terms(Some(&good)), &[counted(400, 0), stranger]);
        assert!(why.contains("does not know every rule"), "{why}");
    }

    #[test]
    fn an_approval_of_other_tables_under_the_same_names_is_none() {
        let approval = approval(400);
        let swapped = Terms {
            shape: "sha256-77",
            ..terms(Some(&approval))
        };
        let why = needed(swapped, &[counted(400, 0)]);
        assert!(why.contains("for other tables, keys, clocks"), "{why}");
        let mut older = approval.clone();
        older.preview.shape = None;
        older.hash = older.preview.hash();
        let older = Terms {
            approval: Some(&older),
            ..swapped
        };
        assert_eq!(judge(older, &[counted(400, 0)]), Verdict::Approved);
    }

    proptest! {
        #[test]
        fn nothing_beyond_allowance_and_bound_ever_goes(
            rows in 0_i64..10_000, due in 0_i64..10_000, seen in 0_i64..10_000, used in 0_i64..10_000,
            max_percent in 0_u32..=100,
        ) {
            let mut approval = approval(seen);
            approval.preview.rules[0].rows = rows.into();
            approval.hash = approval.preview.hash();
            let due = due.min(rows);
            let counted = [Counted { rule: "orders", rows, due, used }];
            let terms = Terms { max_percent, ..terms(Some(&approval)) };
            let bound = rows * i64::from(max_percent) / 100;
            let may = due <= bound || due <= (seen - used).max(0) + bound;
            prop_assert_eq!(!matches!(judge(terms, &counted), Verdict::Needed(_)), may);
        }
    }
}
