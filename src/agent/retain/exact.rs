//! Numbers as the books have them. They leave by [`Exact::blurred`] and by nothing else.

use crate::agent::blur::{Blur, Told, alone, sum, table};
use crate::contract::{Count, ErasedTable, RetainedRule};
use crate::evidence::Opening;

/// Which part of `due` is withheld first beside a small one: `gone`, `blocked`, `failed`, `restricted`, `held`, `remaining`,
/// `erased`. What matters most to a reader comes last.
const WITHHELD_OF_RULE: [usize; 7] = [3, 4, 5, 2, 1, 6, 0];

/// The same of `found`: `gone`, `blocked`, `failed`, `held`, `kept`, `remaining`, `restricted`, `erased`.
const WITHHELD_OF_TABLE: [usize; 8] = [6, 4, 5, 3, 2, 7, 1, 0];

/// Numbers of a store, exact.
pub(super) struct Exact<T> {
    store: String,
    of: T,
}

impl<T> Exact<T> {
    /// What a store's books or a count say.
    pub(super) fn new(store: &str, of: T) -> Self {
        Self {
            store: store.to_owned(),
            of,
        }
    }
}

/// A number that was counted.
fn number(count: Count) -> i64 {
    count.told().unwrap_or_default()
}

fn numbers<const N: usize>(counts: [Count; N]) -> [i64; N] {
    counts.map(number)
}

impl Exact<RetainedRule> {
    /// As they are told, and what is behind the commitments.
    pub(super) fn blurred(self, blur: &Blur) -> (RetainedRule, Vec<Opening>) {
        let Self { store, of: rule } = self;
        let parts = numbers(rule.parts());
        let told = blur.sum(
            [&store, &rule.name],
            (number(rule.due), &parts),
            &WITHHELD_OF_RULE,
        );
        let null_clock = alone(blur.bound, number(rule.null_clock));
        let untold = alone(blur.bound, number(rule.untold));
        let beside = (told.sum.whole, null_clock.plus(untold));
        let rows = table(blur.bound, number(rule.rows), beside);
        let rule = RetainedRule {
            rows,
            // Of few rows the day of one may say whose it is.
            oldest_kept: rule.oldest_kept.filter(|_| rows.told().is_some()),
            due: told.sum.whole,
            erased: told.part(0),
            held: told.part(1),
            restricted: told.part(2),
            gone: told.part(3),
            blocked: told.part(4),
            failed: told.part(5),
            remaining: told.part(6),
            late: alone(blur.bound, number(rule.late)),
            null_clock,
            untold,
            commitments: told.commitments(),
            ..rule
        };
        (rule, told.openings)
    }
}

impl Exact<ErasedTable> {
    /// As they are told, and what is behind the commitments.
    pub(super) fn blurred(self, blur: &Blur) -> (ErasedTable, Vec<Opening>) {
        let Self { store, of: table } = self;
        let parts = numbers(table.terms());
        let told = blur.sum(
            [&store, &table.name],
            (number(table.found), &parts),
            &WITHHELD_OF_TABLE,
        );
        let mut table = ErasedTable {
            found: told.sum.whole,
            erased: told.part(0),
            restricted: told.part(1),
            kept: told.part(2),
            held: told.part(3),
            blocked: told.part(4),
            failed: told.part(5),
            gone: told.part(6),
            remaining: told.part(7),
            late: alone(blur.bound, number(table.late)),
            undated: alone(blur.bound, number(table.undated)),
            spared: alone(blur.bound, number(table.spared)),
            commitments: told.commitments(),
            ..table
        };
        grounds(&mut table, blur.bound, &told);
        (table, told.openings)
    }
}

/// Rows by their ground are the parts of `kept`: told where each may be, else withheld all together.
fn grounds(table: &mut ErasedTable, bound: u32, told: &Told) {
    let kept = told.part(2);
    let is_large = |rows: Count| alone(bound, number(rows)).told().is_some();
    let is_told = kept.told().is_some() && table.grounds.iter().all(|it| is_large(it.rows));
    let is_one = table.grounds.len() == 1;
    for ground in &mut table.grounds {
        ground.rows = match (is_told, is_one) {
            (true, _) => ground.rows,
            (false, true) => kept,
            (false, false) => Count::WITHHELD,
        };
    }
}

/// How many rows a run took of a rule's due ones, at most, by what was told of it: the parts stand as they do in a report.
pub(super) fn taken(bound: u32, due: i64, parts: &[i64; 7]) -> i64 {
    let told = sum(bound, (due, parts), &WITHHELD_OF_RULE);
    // Erased, hidden, gone meanwhile.
    let took: Count = [0, 2, 3]
        .into_iter()
        .filter_map(|at| told.parts.get(at))
        .copied()
        .sum();
    took.most().or(told.whole.most()).unwrap_or(due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::blur::Seed;
    use crate::contract::KeptRows;

    const BLUR: Blur = Blur {
        bound: 5,
        seed: Seed([9; 32]),
    };

    fn rule(parts: [i64; 7], clockless: i64, rows: i64) -> RetainedRule {
        let due = parts.iter().sum::<i64>().into();
        let [erased, held, restricted, gone, blocked, failed, remaining] = parts.map(Count::exact);
        let exact = RetainedRule {
            name: "messages".to_owned(),
            partitions: 2,
            rows: rows.into(),
            due,
            erased,
            held,
            restricted,
            gone,
            blocked,
            failed,
            remaining,
            late: 1.into(),
            null_clock: clockless.into(),
            oldest_kept: Some("2018-03-01".to_owned()),
            ..RetainedRule::default()
        };
        Exact::new("orders", exact).blurred(&BLUR).0
    }

    #[test]
    fn the_day_of_the_oldest_row_is_told_where_its_table_s_rows_are() {
        let day = |parts, rows| rule(parts, 0, rows).oldest_kept;
        assert_eq!(day([0; 7], 5).as_deref(), Some("2018-03-01"));
        assert_eq!(day([0; 7], 4), None);
        assert_eq!(day([2, 0, 0, 0, 0, 0, 0], 5), None, "rows are `-`");
        assert_eq!(day([2, 0, 0, 0, 0, 0, 0], 6).as_deref(), Some("2018-03-01"));
    }

    #[test]
    fn every_number_of_persons_rows_of_a_rule_is_blurred() {
        let told = rule([100, 3, 0, 20, 0, 0, 0], 4, 1000);
        let json = serde_json::to_value(&told).unwrap();
        for (field, wanted) in [
            ("rows", "1000"),
            ("due", "123"),
            ("erased", "100"),
            ("held", "\"<5\""),
            ("gone", "\"-\""),
            ("late", "\"<5\""),
            ("nullClock", "\"<5\""),
            ("partitions", "2"),
        ] {
            assert_eq!(json[field].to_string(), wanted, "{field}");
        }
        assert_eq!(told.commitments.len(), 2);
        // Fewer rows than all that is small could be together would say something of it.
        assert_eq!(rule([2, 0, 0, 0, 0, 0, 0], 0, 5).rows, Count::WITHHELD);
        assert_eq!(rule([2, 0, 0, 0, 0, 0, 0], 0, 6).rows, 6);
        assert_eq!(rule([100, 0, 0, 0, 0, 0, 0], 2, 105).rows, Count::WITHHELD);
        assert_eq!(rule([100, 0, 0, 0, 0, 0, 0], 2, 106).rows, 106);
        // Told as `<9`: less than a hundredth.
        assert_eq!(rule([2, 0, 0, 0, 1, 0, 0], 0, 900).rows, Count::WITHHELD);
        assert_eq!(rule([2, 0, 0, 0, 1, 0, 0], 0, 901).rows, 901);
        assert_eq!(rule([0; 7], 0, 3).rows, Count::below(5));
        // Those that wait for a notice stand beside, as those without a clock do.
        let waits = |untold: i64, rows: i64| {
            let exact = RetainedRule {
                rows: rows.into(),
                untold: untold.into(),
                null_clock: 1.into(),
                ..RetainedRule::default()
            };
            let told = Exact::new("orders", exact).blurred(&BLUR).0;
            (told.untold, told.rows)
        };
        assert_eq!(waits(3, 8), (Count::below(5), Count::WITHHELD));
        assert_eq!(waits(3, 10), (Count::below(5), 10.into()));
        assert_eq!(waits(300, 305), (300.into(), Count::WITHHELD));
        assert_eq!(waits(300, 306), (300.into(), 306.into()));
    }

    #[test]
    fn a_run_took_at_most_what_its_report_leaves_open() {
        assert_eq!(taken(5, 3, &[3, 0, 0, 0, 0, 0, 0]), 4);
        assert_eq!(taken(5, 100, &[90, 10, 0, 0, 0, 0, 0]), 90);
        assert_eq!(taken(5, 100, &[90, 5, 0, 0, 0, 0, 5]), 90);
        // 98 are withheld beside two that are held, and may be 99.
        assert_eq!(taken(5, 100, &[98, 2, 0, 0, 0, 0, 0]), 100);
        assert_eq!(taken(5, 3, &[1, 0, 0, 2, 0, 0, 0]), 8);
        assert_eq!(taken(5, 30, &[0, 10, 20, 0, 0, 0, 0]), 20);
        assert_eq!(taken(1, 100, &[96, 2, 0, 2, 0, 0, 0]), 98);
    }

    #[test]
    fn a_large_sum_is_told_as_it_is() {
        let told = rule([100, 0, 0, 0, 7, 0, 5], 0, 120);
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!(json["due"], 112);
        assert!(json.get("commitments").is_none(), "{json}");
    }

    #[test]
    fn grounds_tell_no_more_than_what_is_kept() {
        let told = |kept: i64, erased: i64, grounds: &[i64]| {
            let of = |rows: &i64| KeptRows {
                ground: "AO 147(3)".to_owned(),
                rows: (*rows).into(),
                through: None,
                columns: Vec::new(),
            };
            let exact = ErasedTable {
                name: "invoices".to_owned(),
                found: (kept + erased).into(),
                kept: kept.into(),
                erased: erased.into(),
                grounds: grounds.iter().map(of).collect(),
                ..ErasedTable::default()
            };
            let (table, _) = Exact::new("orders", exact).blurred(&BLUR);
            let grounds: Vec<String> = table.grounds.iter().map(|it| it.rows.to_string()).collect();
            (table.kept.to_string(), grounds.join(" "))
        };
        let case = |kept: &str, grounds: &str| (kept.to_owned(), grounds.to_owned());
        assert_eq!(told(20, 0, &[12, 8]), case("20", "12 8"));
        assert_eq!(told(20, 0, &[18, 2]), case("20", "- -"));
        assert_eq!(told(20, 0, &[20]), case("20", "20"));
        assert_eq!(told(3, 0, &[3]), case("<5", "<5"));
        assert_eq!(told(3, 0, &[1, 2]), case("<5", "- -"));
        // Withheld beside a small number of erased rows.
        assert_eq!(told(20, 3, &[20]), case("-", "-"));
        assert_eq!(told(20, 3, &[12, 8]), case("-", "- -"));
    }

    #[test]
    fn a_copy_has_no_sum_and_no_commitments() {
        let exact = |found: i64| ErasedTable {
            found: found.into(),
            ..ErasedTable::default()
        };
        let told = |found| Exact::new("orders", exact(found)).blurred(&BLUR).0;
        assert_eq!(told(3).found, Count::below(5));
        assert_eq!(told(30).found, 30);
        assert!(told(3).commitments.is_empty());
    }
}
