use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::evidence::{Standing, standing};
use proptest::prelude::*;

/// The other way round than the parts stand, so that nothing rests on the places.
fn order(parts: usize) -> Vec<usize> {
    (0..parts).rev().collect()
}

fn tell(bound: u32, parts: &[i64]) -> Sum {
    sum(bound, (parts.iter().sum(), parts), &order(parts.len()))
}

fn written(sum: &Sum) -> String {
    format!("{:?} of {:?}", sum.parts, sum.whole)
}

/// Every list of so many numbers up to the greatest.
fn all(parts: u32, greatest: i64) -> impl Iterator<Item = Vec<i64>> {
    let base = greatest + 1;
    (0..base.pow(parts)).map(move |number| {
        let digit = |place: u32| number / base.pow(place) % base;
        (0..parts).map(digit).collect()
    })
}

#[test]
fn a_lone_small_number_takes_another_with_it() {
    let case = |parts: &[i64]| written(&tell(5, parts));
    assert_eq!(case(&[100, 0, 0]), "[100, 0, 0] of 100", "nothing is small");
    assert_eq!(case(&[0, 0, 0]), "[0, 0, 0] of 0");
    assert_eq!(case(&[3, 0, 0]), "[<5, 0, 0] of <5");
    assert_eq!(case(&[100, 0, 3]), "[-, 0, <5] of 103");
    assert_eq!(case(&[100, 20, 3]), "[100, -, <5] of 123");
    assert_eq!(
        case(&[100, 5, 3]),
        "[-, -, <5] of 108",
        "5 alone hides too little"
    );
    assert_eq!(case(&[1, 1, 0]), "[<5, <5, 0] of <9");
    assert_eq!(case(&[0, 6, 1]), "[0, -, <5] of <10");
    assert_eq!(
        written(&tell(1, &[1, 2, 3])),
        "[1, 2, 3] of 6",
        "1 switches it off"
    );
}

/// Whoever knows all that is told, and this very function, finds each small number as likely as any other small one.
#[test]
fn no_small_number_follows_from_what_is_told() {
    for (bound, parts, greatest) in [(3, 3, 14), (4, 3, 18), (5, 3, 24), (3, 4, 9), (5, 2, 60)] {
        let inner = greatest - 2 * i64::from(bound);
        let mut groups: HashMap<String, Vec<Vec<i64>>> = HashMap::new();
        for numbers in all(parts, greatest) {
            let told = written(&tell(bound, &numbers));
            groups.entry(told).or_default().push(numbers);
        }
        let mut small = 0;
        let is_small = |rows: &i64| (1..i64::from(bound)).contains(rows);
        let wanted = usize::try_from(bound).unwrap() - 1;
        for (told, group) in &groups {
            // At the edge of what was tried some that are told in the same way are not there.
            let is_inner = |one: &Vec<i64>| one.iter().all(|rows| *rows <= inner);
            if !group.iter().any(is_inner) {
                continue;
            }
            for place in 0..group[0].len() {
                let values: BTreeSet<i64> = group.iter().map(|one| one[place]).collect();
                if values.iter().any(is_small) {
                    assert!(values.iter().all(is_small), "{told}: {values:?}");
                    assert_eq!(values.len(), wanted, "bound {bound}, {told}: {values:?}");
                    small += 1;
                }
            }
        }
        assert!(small > 10, "bound {bound}: {small}");
    }
}

#[test]
fn none_is_always_told_and_large_numbers_are_as_they_are_or_withheld() {
    for numbers in all(3, 12) {
        let told = tell(5, &numbers);
        for (count, rows) in told.parts.iter().zip(&numbers) {
            match rows {
                0 => assert_eq!(*count, 0),
                1..5 => assert_eq!(*count, Count::below(5)),
                rows => assert!(*count == *rows || *count == Count::WITHHELD),
            }
            assert!(count.can_be(*rows));
        }
        let whole: i64 = numbers.iter().sum();
        assert!(told.whole.can_be(whole) && told.may_hold(), "{numbers:?}");
        assert_eq!(told.whole.is_zero(), whole == 0);
        let has_small = numbers.iter().any(|rows| (1..5).contains(rows));
        assert_eq!(told.untold() > 0, has_small, "{numbers:?}");
    }
}

/// The rows of the whole table, those without a clock, and whether any are kept, are told beside a sum.
#[test]
fn a_tables_size_gives_no_small_number_away() {
    const BOUND: u32 = 5;
    let mut groups: BTreeMap<String, Vec<[i64; 3]>> = BTreeMap::new();
    for numbers in all(2, 16) {
        let due: i64 = numbers.iter().sum();
        for clockless in 0..8 {
            for rows in due + clockless..48 {
                let told = tell(BOUND, &numbers);
                let clock = alone(BOUND, clockless);
                let size = table(BOUND, rows, (told.whole, clock));
                assert!(size.can_be(rows));
                // Where nothing is left there is no oldest date of what is.
                let is_kept = rows > due + clockless;
                let key = format!(
                    "{} clock {clock:?} rows {size:?} kept {is_kept}",
                    written(&told)
                );
                groups
                    .entry(key)
                    .or_default()
                    .push([numbers[0], numbers[1], clockless]);
            }
        }
    }
    for (told, group) in groups {
        // At the edge of what was tried some that are told in the same way are not there.
        if group.iter().all(|one| one[0].max(one[1]) > 11) {
            continue;
        }
        for place in 0..3 {
            let values: BTreeSet<i64> = group.iter().map(|one| one[place]).collect();
            let is_small = |rows: &i64| (1..5).contains(rows);
            assert!(
                !values.iter().any(is_small) || (1..5).all(|rows| values.contains(&rows)),
                "{told}: {values:?}"
            );
        }
    }
}

#[test]
fn the_same_numbers_have_the_same_commitments_and_others_have_nothing_in_common() {
    let blur = Blur {
        bound: 5,
        seed: Seed([7; 32]),
    };
    let told = |seed: &Blur, name, parts: [i64; 2]| {
        let whole = parts.iter().sum();
        seed.sum(["orders", name], (whole, &parts), &[1, 0])
            .commitments()
    };
    let one = told(&blur, "messages", [100, 3]);
    assert_eq!(one, told(&blur, "messages", [100, 3]));
    assert_eq!(one.len(), 2);
    let seed = Seed::random().unwrap();
    for other in [
        told(&blur, "customers", [100, 3]),
        told(&blur, "messages", [100, 2]),
        told(&Blur { seed, ..blur }, "messages", [100, 3]),
    ] {
        assert!(other.iter().all(|commitment| !one.contains(commitment)));
    }
}

fn numbers() -> impl Strategy<Value = Vec<i64>> {
    let number = prop_oneof![Just(0), 1_i64..30, 1_i64..1_000_000_000];
    prop::collection::vec(number, 2..9)
}

proptest! {
    /// With any other small number in its place, and others that add up, the very same is told.
    #[test]
    fn each_small_number_can_be_any_other(parts in numbers(), bound in 3_u32..30) {
        let least = i64::from(bound);
        let told = tell(bound, &parts);
        let order = order(parts.len());
        let withheld: Vec<usize> = order.iter().copied().filter(|at| told.parts[*at] == Count::WITHHELD).collect();
        let small: Vec<usize> = (0..parts.len()).filter(|at| (1..least).contains(&parts[*at])).collect();
        for place in &small {
            for value in 1..least {
                let mut other = parts.clone();
                for at in &small {
                    other[*at] = 1;
                }
                for at in &withheld {
                    other[*at] = least;
                }
                other[*place] = value;
                if let (Some(whole), Some(last)) = (told.whole.told(), withheld.last()) {
                    other[*last] += whole - other.iter().sum::<i64>();
                }
                prop_assert_eq!(&tell(bound, &other), &told, "{:?} and {:?}", other, parts);
            }
        }
    }

    #[test]
    fn what_is_told_adds_up_by_its_commitments(parts in numbers(), bound in 1_u32..30, seed in any::<[u8; 32]>()) {
        let blur = Blur { bound, seed: Seed(seed) };
        let whole = parts.iter().sum();
        let told = blur.sum(["store", "rule"], (whole, &parts), &order(parts.len()));
        let wanted = if told.sum.untold() == 0 { Standing::Told } else { Standing::Committed };
        prop_assert_eq!(standing(&told.sum, &told.commitments()), wanted);
        let values: Vec<i64> = told.openings.iter().map(|one| one.value).collect();
        let all = std::iter::once((told.sum.whole, whole)).chain(told.sum.parts.iter().copied().zip(parts));
        let untold: Vec<i64> = all.filter(|(count, _)| count.told().is_none()).map(|(_, rows)| rows).collect();
        prop_assert_eq!(values, untold);
    }
}
