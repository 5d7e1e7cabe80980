//! How much may go without, and with, somebody's approval.
//!
//! In: what is due now, what was approved, what earlier runs did under the same approval. Out: go, or why not.
//! Pure. What is judged is told: `rows`, the bound in percent and whether somebody had to approve. So a number that is told
//! as `<5` counts as four, and rows that are not told as none: else who knows the rule would read the number in its outcome.
//! An approval is an allowance that is used up: rows that an approved run erased, or that went by
//! themselves meanwhile, cannot be erased a second time under it, so an old approval never covers a later
//! accident (a bad import that makes a table due, say).

use crate::agent::blur::alone;
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
    /// Rows without a clock.
    pub(super) null_clock: i64,
    /// Rows that wait for a notice.
    pub(super) untold: i64,
    /// Rows that earlier runs under the same approval erased or found gone, at most, by what was told of them.
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
    /// Counts from 1 to below it are not told.
    pub(super) small_counts: u32,
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
    // No table has more due rows than rows; a small number counts as more than it may be.
    if percent >= 100 {
        return Verdict::Within;
    }
    let beyond: Vec<&Counted> = counted
        .iter()
        .filter(|rule| rule.weight(terms) > rule.share(terms))
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
        if rule.weight(terms) > i128::from(left) + rule.share(terms) {
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
    } else if preview.shape.is_none() {
        "was given for a preview of an older release, which does not say which tables it saw"
    } else if preview.shape.as_deref() != Some(terms.shape) {
        "was given for other tables, keys, clocks, columns or foreign keys under these names"
    } else {
        return None;
    };
    Some(format!("the approval {why}: approve this preview's hash"))
}

impl Counted<'_> {
    /// What its due rows count as: few, as the most that they may be.
    fn weight(&self, terms: Terms<'_>) -> i128 {
        let due = alone(terms.small_counts, self.due);
        i128::from(due.most().unwrap_or(self.due))
    }

    /// How many may go without an approval: so many percent of its rows. None where the table has but one row more than these
    /// can be: so few are not told beside a small number, and whether they were enough would say how many there are.
    fn share(&self, terms: Terms<'_>) -> i128 {
        let bound = terms.small_counts;
        let beside = [self.null_clock, self.untold].map(|rows| alone(bound, rows));
        let beside = beside
            .iter()
            .map(|rows| i128::from(rows.most().unwrap_or_default()));
        let these = self.weight(terms) + beside.sum::<i128>();
        let rows = i128::from(self.rows);
        if bound > 1 && rows <= these + 1 {
            return 0;
        }
        rows * i128::from(terms.max_percent) / 100
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::agent::blur::{sum, table};
    use crate::contract::{Count, Preview, PreviewedRule};
    use proptest::prelude::*;

    fn counted(due: i64, used: i64) -> Counted<'static> {
        Counted {
            rule: "orders",
            rows: 1000,
            due,
            null_clock: 0,
            untold: 0,
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
            small_counts: 5,
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
            ..counted(0, 0)
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

    /// Where 20 to 39 rows are told, and 5 % may go, a single row would be known by its going unasked.
    #[test]
    fn few_rows_count_as_the_most_that_they_may_be() {
        let of = |rows, due| Counted {
            rows,
            ..counted(due, 0)
        };
        for due in 1..5 {
            needed(terms(None), &[of(79, due)]);
            assert_eq!(judge(terms(None), &[of(80, due)]), Verdict::Within);
        }
        assert_eq!(judge(terms(None), &[of(3, 0)]), Verdict::Within);
        needed(terms(None), &[of(119, 6)]);
        assert_eq!(judge(terms(None), &[of(120, 6)]), Verdict::Within);
        // Where every number is told, and where all may go, nothing is rounded.
        let every = Terms {
            small_counts: 1,
            ..terms(None)
        };
        assert_eq!(judge(every, &[of(20, 1)]), Verdict::Within);
        let all = Terms {
            max_percent: 100,
            ..terms(None)
        };
        assert_eq!(judge(all, &[of(1, 1)]), Verdict::Within);
    }

    /// Rows without a clock, and rows that wait for a notice: each of them in any number, and few of both.
    #[rustfmt::skip]
    const BESIDE: [[i64; 2]; 11] = [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [2, 1], [2, 2]];

    /// Whoever knows all that a run tells of a rule, this function, and whether somebody had to approve, finds each small
    /// number as likely as any other small one.
    #[test]
    fn the_decision_tells_no_small_number() {
        const BOUND: u32 = 3;
        for max_percent in [0, 5, 20, 50, 70, 99, 100] {
            let terms = Terms {
                max_percent,
                small_counts: BOUND,
                ..terms(None)
            };
            let mut groups: BTreeMap<String, Vec<[i64; 4]>> = BTreeMap::new();
            let numbers = (0..13).flat_map(|one| (0..13).map(move |other| (one, other)));
            for ((one, other), beside) in numbers.flat_map(|it| BESIDE.map(move |few| (it, few))) {
                let [clockless, untold] = beside;
                let (due, least) = (one + other, one + other + clockless + untold);
                for rows in (least..least.max(40) + 20).chain([70, 100, 150, 300, 599, 601, 620]) {
                    let rule = Counted {
                        rows,
                        null_clock: clockless,
                        untold,
                        ..counted(due, 0)
                    };
                    let went = judge(terms, &[rule]) == Verdict::Within;
                    let told = told(BOUND, &[one, other], (rows, beside));
                    let told = format!("{told} kept {} went {went}", rows > least);
                    groups
                        .entry(told)
                        .or_default()
                        .push([one, other, clockless, untold]);
                }
            }
            let mut small = 0;
            for (told, group) in groups {
                // At the edge of what was tried some that are told in the same way are not there.
                if !group.iter().any(|it| it[0].max(it[1]) <= 6) {
                    continue;
                }
                for place in 0..4 {
                    let values: BTreeSet<i64> = group.iter().map(|it| it[place]).collect();
                    if values.contains(&1) || values.contains(&2) {
                        assert_eq!(values, BTreeSet::from([1, 2]), "{max_percent} %: {told}");
                        small += 1;
                    }
                }
            }
            assert!(small > 10, "{max_percent} %: {small}");
        }
    }

    /// A rule as a run tells it that erased some rows, and left others.
    fn told(bound: u32, parts: &[i64; 2], (rows, beside): (i64, [i64; 2])) -> String {
        let sum = sum(bound, (parts.iter().sum(), parts), &[1, 0]);
        let [clockless, untold] = beside.map(|rows| alone(bound, rows));
        let rows = table(bound, rows, (sum.whole, clockless.plus(untold)));
        format!("{sum:?} of {rows} rows, without a clock {clockless}, not told {untold}")
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
            ..counted(0, 0)
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
            ..terms(None)
        };
        let why = needed(older, &[counted(400, 0)]);
        assert!(why.contains("of an older release"), "{why}");
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
            let counted = [Counted { rows, ..counted(due, used) }];
            let terms = Terms { max_percent, small_counts: 1, ..terms(Some(&approval)) };
            let bound = rows * i64::from(max_percent) / 100;
            let may = due <= bound || due <= (seen - used).max(0) + bound;
            prop_assert_eq!(!matches!(judge(terms, &counted), Verdict::Needed(_)), may);
        }
    }
}
