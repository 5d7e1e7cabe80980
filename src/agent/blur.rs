//! Small counts, blurred before they are told.
//!
//! In: the numbers of a sum as the books have them, the bound below which a number is small, what salts are made of. Out:
//! the numbers as far as they are told, and commitments to the rest. Pure, but for [`Seed::random`]; the same numbers are
//! told in the same way each time. `docs/design/0024-small-counts.md` says why nobody can work a small number out.

use sha2::{Digest as _, Sha512};

use crate::contract::{Count, Sum};
use crate::evidence::{Commitment, Opening, Salt, seal};

const WORD: &[u8] = b"tradewind.dev/evidence/salt/v1\n";

/// What a run's salts are made of. It stays in the store's books.
#[derive(Clone, Copy)]
pub(super) struct Seed(pub(super) [u8; 32]);

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no randomness for the salts of small counts")]
pub(super) struct NoRandomness;

impl Seed {
    /// One that nobody keeps: what it hides stays closed.
    pub(super) fn random() -> Result<Self, NoRandomness> {
        let mut seed = [0; 32];
        let provider = rustls::crypto::ring::default_provider();
        let filled = provider.secure_random.fill(&mut seed);
        filled.map_err(|_| NoRandomness)?;
        Ok(Self(seed))
    }

    /// The salt of a part. Other numbers of the same sum have other salts: two commitments with one salt would tell how far
    /// their numbers are apart.
    fn salt(&self, of: [&str; 2], numbers: &[i64], place: usize) -> Salt {
        let mut hash = Sha512::new().chain_update(WORD).chain_update(self.0);
        for name in of {
            hash.update(name.len().to_be_bytes());
            hash.update(name);
        }
        for number in numbers {
            hash.update(number.to_be_bytes());
        }
        hash.update(place.to_be_bytes());
        Salt::new(&hash.finalize().into())
    }
}

/// How a run's numbers are told.
#[derive(Clone, Copy)]
pub(super) struct Blur {
    /// Numbers from 1 to below it are small. 1: none is.
    pub(super) bound: u32,
    /// What salts are made of.
    pub(super) seed: Seed,
}

/// A sum as it is told.
pub(super) struct Told {
    /// The numbers.
    pub(super) sum: Sum,
    /// What stands for those that are not told, the whole first.
    pub(super) openings: Vec<Opening>,
}

impl Told {
    /// What is told beside the numbers.
    pub(super) fn commitments(&self) -> Vec<Commitment> {
        self.openings.iter().map(|one| one.commitment).collect()
    }

    /// What is told of a part.
    pub(super) fn part(&self, place: usize) -> Count {
        self.sum.parts.get(place).copied().unwrap_or_default()
    }
}

impl Blur {
    /// A sum; `of` names it in its run, `order` says which part is withheld first beside a small one.
    pub(super) fn sum(
        &self,
        of: [&str; 2],
        (whole, parts): (i64, &[i64]),
        order: &[usize],
    ) -> Told {
        let sum = sum(self.bound, (whole, parts), order);
        let numbers: Vec<i64> = std::iter::once(whole)
            .chain(parts.iter().copied())
            .collect();
        let salt = |place| self.seed.salt(of, &numbers, place);
        let openings = if sum.has_parts() {
            seal(&sum, (whole, parts), salt)
        } else {
            Vec::new()
        };
        Told { sum, openings }
    }
}

/// A number that is no part of a sum.
pub(super) fn alone(bound: u32, rows: i64) -> Count {
    let bound = i64::from(bound);
    if (1..bound).contains(&rows) {
        Count::below(bound)
    } else {
        Count::exact(rows)
    }
}

/// The rows of a whole table, beside its due rows and those without a clock: no hint at how many these are.
///
/// Where either is not told, so many rows are not told that both could be as large as they are told to be, with a further
/// row and without one: whether there is one, `oldestKept` of another run may tell. Where the due rows are not told for the sake of their
/// parts (`<9`, `<10`) it is so many that they are less than a hundredth: whether they were too many to go without an
/// approval is told as well, and of how many percent that was asked.
pub(super) fn table(bound: u32, rows: i64, (due, clockless): (Count, Count)) -> Count {
    if due.told().is_some() && clockless.told().is_some() {
        return alone(bound, rows);
    }
    let more = |count: Count| count.most().map_or(i64::MAX, |most| most.saturating_add(1));
    let is_few = due.most().is_some_and(|most| most < i64::from(bound));
    let room = if due.told().is_some() || is_few {
        more(due.plus(clockless))
    } else {
        more(due).saturating_mul(100).max(more(due.plus(clockless)))
    };
    if rows > room {
        Count::exact(rows)
    } else {
        Count::WITHHELD
    }
}

/// A sum as it is told. A small part is told as `<5`. Then it must be no difference of what else is told: other parts are
/// withheld, in the order given, until what is not told is together so much that every small number fits; where that is
/// never so, the whole is told no better than its parts.
///
/// Which parts are withheld follows from what is small and from sums, never from a small number: so with each small number
/// any other small one can be in its place, also for who knows this function.
pub(super) fn sum(bound: u32, (whole, parts): (i64, &[i64]), order: &[usize]) -> Sum {
    let bound = i64::from(bound);
    let is_small = |rows: i64| (1..bound).contains(&rows);
    let tell = |rows: &i64| {
        if is_small(*rows) {
            Count::below(bound)
        } else {
            Count::exact(*rows)
        }
    };
    let mut told: Vec<Count> = parts.iter().map(tell).collect();
    let small = parts.iter().filter(|rows| is_small(**rows));
    let (number, mut hidden) =
        small.fold((0, 0_i64), |(number, sum), rows| (number + 1, sum + rows));
    if number == 0 {
        return Sum {
            whole: tell(&whole),
            parts: told,
        };
    }
    // With so much together each small number can be any: the others 1, and each withheld one the bound.
    let enough = |withheld: i64| number + (withheld + 1) * bound - 1;
    let mut withheld = 0;
    for place in order {
        let Some((count, rows)) = told.get_mut(*place).zip(parts.get(*place)) else {
            continue;
        };
        if *rows < bound {
            continue;
        }
        if withheld > 0 && hidden >= enough(withheld) {
            break;
        }
        *count = Count::WITHHELD;
        hidden += rows;
        withheld += 1;
    }
    let whole = if withheld == 0 {
        Count::below(number * (bound - 1) + 1)
    } else if hidden >= enough(withheld) {
        Count::exact(whole)
    } else {
        Count::below(enough(withheld))
    };
    Sum { whole, parts: told }
}

#[cfg(test)]
mod tests;
