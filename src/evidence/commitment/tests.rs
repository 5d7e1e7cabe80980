use super::*;
use crate::contract::Count;
use proptest::prelude::*;

/// A salt that is another for each place and seed.
fn salt(seed: u8) -> impl Fn(usize) -> Salt {
    move |place| Salt::new(&Sha512::digest([seed, u8::try_from(place).unwrap()]).into())
}

fn commitments(openings: &[Opening]) -> Vec<Commitment> {
    openings.iter().map(|opening| opening.commitment).collect()
}

/// Due 30 of which 20 went, 3 are held, 2 blocked and 5 left: of these the first two are small, the third is withheld.
fn sealed(seed: u8) -> (Sum, Vec<Opening>) {
    let sum = Sum {
        whole: 30.into(),
        parts: vec![20.into(), Count::below(5), Count::below(5), Count::WITHHELD],
    };
    let openings = seal(&sum, (30, &[20, 3, 2, 5]), salt(seed));
    (sum, openings)
}

#[test]
fn what_is_told_and_what_is_committed_to_add_up() {
    let (sum, openings) = sealed(1);
    assert_eq!(openings.len(), 3);
    assert_eq!(standing(&sum, &commitments(&openings)), Standing::Committed);
    assert_eq!(standing(&sum, &[]), Standing::Open);
    assert!(openings.iter().all(Opening::fits));
}

#[test]
fn a_whole_that_is_not_told_is_committed_to_as_well() {
    let small = Count::below(5);
    let sum = Sum {
        whole: small,
        parts: vec![Count::ZERO, small],
    };
    let openings = seal(&sum, (3, &[0, 3]), salt(1));
    assert_eq!(openings.len(), 2);
    assert_eq!(standing(&sum, &commitments(&openings)), Standing::Committed);
    let other = seal(&sum, (3, &[0, 3]), salt(2));
    assert_ne!(
        commitments(&openings),
        commitments(&other),
        "nobody can try"
    );
}

#[test]
fn numbers_that_are_told_are_added() {
    let sum = |whole: i64, part: i64| Sum {
        whole: whole.into(),
        parts: vec![part.into(), 2.into()],
    };
    assert_eq!(standing(&sum(9, 7), &[]), Standing::Told);
    assert_eq!(standing(&sum(9, 8), &[]), Standing::Broken);
    assert_eq!(standing(&sum(-1, -3), &[]), Standing::Broken);
    let copy = Sum {
        whole: 9.into(),
        parts: vec![Count::ZERO],
    };
    assert_eq!(standing(&copy, &[]), Standing::Alone);
}

/// Each number changed by one, each commitment left out, doubled or in another's place, each bit of each turned.
#[test]
fn whatever_is_changed_is_found() {
    let (sum, openings) = sealed(1);
    let told = commitments(&openings);
    let (mut tried, mut found) = (0, 0);
    let mut attack = |sum: &Sum, told: &[Commitment]| {
        tried += 1;
        found += usize::from(standing(sum, told) == Standing::Broken);
    };
    for by in [-1, 1, 7, 1000] {
        let mut other = sum.clone();
        other.whole = Count::exact(30 + by);
        attack(&other, &told);
        let mut other = sum.clone();
        other.parts[0] = Count::exact(20 + by);
        attack(&other, &told);
        // What is not told may not be told as something else either.
        let mut other = sum.clone();
        other.parts[1] = Count::exact(4 + by);
        attack(&other, &[told[1], told[2]]);
    }
    for at in 0..told.len() {
        let mut less = told.clone();
        less.remove(at);
        attack(&sum, &less);
        let mut more = told.clone();
        more.insert(at, told[at]);
        attack(&sum, &more);
        let mut twice = told.clone();
        twice[at] = told[(at + 1) % told.len()];
        attack(&sum, &twice);
        let mut another = told.clone();
        another[at] = sealed(2).1[at].commitment;
        attack(&sum, &another);
        for bit in 0..256 {
            let mut turned = told.clone();
            turned[at].0[bit / 8] ^= 1 << (bit % 8);
            attack(&sum, &turned);
        }
    }
    assert_eq!((tried, found), (3 * 4 + 3 * 4 + 3 * 256, tried));
}

#[test]
fn an_opening_of_another_number_or_salt_does_not_fit() {
    let (_, openings) = sealed(1);
    for (at, opening) in openings.iter().enumerate() {
        for value in -1..100 {
            let other = Opening { value, ..*opening };
            assert_eq!(other.fits(), value == opening.value);
        }
        let salt = openings[(at + 1) % openings.len()].salt;
        assert!(!Opening { salt, ..*opening }.fits());
    }
}

#[test]
fn an_opening_is_read_as_it_was_written_and_no_salt_is_in_a_debug() {
    let (_, openings) = sealed(1);
    let text = serde_json::to_string(&openings[0]).unwrap();
    assert_eq!(serde_json::from_str::<Opening>(&text).unwrap(), openings[0]);
    let salt = serde_json::to_value(openings[0].salt).unwrap();
    assert!(!format!("{:?}", openings[0]).contains(salt.as_str().unwrap()));
    // The group's order, and so no number below it.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    assert!(serde_json::from_value::<Salt>(order.into()).is_err());
    for text in ["", "AAAA", &"A".repeat(44), &format!("{}B", "A".repeat(42))] {
        assert!(text.parse::<Commitment>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_not_told_adds_up(
        parts in prop::collection::vec(0_i64..1_000_000, 2..8), hidden in prop::collection::vec(any::<bool>(), 8), seed in any::<u8>(),
    ) {
        let whole: i64 = parts.iter().sum();
        let tell = |value: i64, is_hidden: bool| match value {
            1.. if is_hidden => Count::WITHHELD,
            value => Count::exact(value),
        };
        let told: Vec<Count> = parts.iter().zip(&hidden).map(|(value, hidden)| tell(*value, *hidden)).collect();
        let untold = told.iter().filter(|count| count.told().is_none()).count();
        // One that is not told, and is the difference of the others, would be told.
        let sum = Sum { whole: tell(whole, untold == 1), parts: told };
        let openings = seal(&sum, (whole, &parts), salt(seed));
        let wanted = if whole == 0 || sum.untold() == 0 { Standing::Told } else { Standing::Committed };
        prop_assert_eq!(standing(&sum, &commitments(&openings)), wanted);
        prop_assert!(openings.iter().all(Opening::fits));
    }
}
