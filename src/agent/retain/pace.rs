//! How many rows the next batch takes: twice as many while batches take less than half of what is quick, more by a step while they
//! are quick, half when they are slow; few while other programs write, and a rest after each.
//!
//! In: how long each batch held its locks. Out: a number of rows, and how long to rest. Pure.

use std::time::Duration;

/// A batch that holds its locks longer than this makes other programs wait noticeably; below the second there is room
/// for more.
const ALONE: [Duration; 2] = [Duration::from_millis(40), Duration::from_millis(20)];

/// The same while other programs write: whoever commits beside a batch waits until the disk has what it wrote so far.
const IN_COMPANY: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(2)];

/// The quickest of so many batches is what their size takes while others write: the rest met the others.
const WATCHED: u32 = 4;

/// A batch rests so many times as long as it took while others write, and no longer than the bound.
const REST: u32 = 2;
const LONGEST_REST: Duration = Duration::from_millis(100);

/// A batch that is slow at this size is slow for another reason, a far server say: smaller ones would only be
/// more of them.
const LEAST: u32 = 100;

/// Rows that a pace grows by, and the first batch's size: small against a table, large against a round trip.
pub(super) const STEP: u32 = 500;

/// The size of the next batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rows: u32,
    most: u32,
    /// While other programs write.
    sparing: Option<Sparing>,
    full: bool,
}

/// What batches took since other programs write.
#[derive(Clone, Copy, Debug)]
struct Sparing {
    /// The quickest of those of one size, and how many they are.
    quickest: Duration,
    watched: u32,
    /// The size before it was halved, and what it took.
    halved: Option<(u32, Duration)>,
    /// Fewer rows take as long.
    floor: u32,
}

impl Pace {
    /// Starts with one step, never to exceed `most` rows.
    pub(super) fn new(most: u32) -> Self {
        Self {
            rows: STEP.min(most),
            most,
            sparing: None,
            full: false,
        }
    }

    /// Rows of the next batch; at least one.
    pub(super) fn rows(self) -> u32 {
        self.rows
    }

    /// A batch went through in `took`, while other programs wrote, or not. Answers how long to rest.
    pub(super) fn went(&mut self, took: Duration, company: bool) -> Duration {
        let least = LEAST.min(self.most);
        self.full = !company && self.rows == self.most && took < ALONE[0];
        if !company {
            self.sparing = None;
            let [slow, quick] = ALONE;
            if took > slow {
                self.rows = (self.rows / 2).max(least);
            } else if took * 2 < quick {
                self.rows = self.rows.saturating_mul(2).min(self.most);
            } else if took < quick {
                self.rows = self.rows.saturating_add(STEP).min(self.most);
            }
            return Duration::ZERO;
        }
        match &mut self.sparing {
            None => {
                self.rows = self.rows.clamp(least, STEP.max(least));
                self.sparing = Some(Sparing {
                    quickest: Duration::MAX,
                    watched: 0,
                    halved: None,
                    floor: least,
                });
            }
            Some(sparing) => self.rows = sparing.went(took, (self.rows, self.most)),
        }
        (took * REST).min(LONGEST_REST)
    }

    /// Whether the last batch was as large as may be, and quick, while nobody else wrote.
    pub(super) fn is_full(self) -> bool {
        self.full
    }

    /// A batch had to give up: somebody else needed its rows.
    pub(super) fn failed(&mut self) {
        self.full = false;
        self.rows = (self.rows / 2).max(1);
    }
}

impl Sparing {
    /// Rows of the next batch after one of `rows`. Where half the rows took hardly less, what takes the time is not the
    /// rows: then the size before is the least.
    fn went(&mut self, took: Duration, (rows, most): (u32, u32)) -> u32 {
        self.quickest = self.quickest.min(took);
        self.watched += 1;
        if rows < self.floor {
            return self.floor.min(most);
        }
        if self.watched < WATCHED {
            return rows;
        }
        let took = std::mem::replace(&mut self.quickest, Duration::MAX);
        self.watched = 0;
        let [slow, quick] = IN_COMPANY;
        if let Some((before, longer)) = self.halved.take()
            && took * 4 > longer * 3
        {
            self.floor = before;
            before
        } else if took > slow && rows > self.floor {
            self.halved = Some((rows, took));
            (rows / 2).max(self.floor)
        } else if took < quick {
            rows.saturating_mul(2).min(STEP).min(most).max(rows)
        } else {
            rows
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn quick_batches_grow_by_a_step_very_quick_ones_twofold_and_slow_ones_halve() {
        let mut pace = Pace::new(1200);
        assert_eq!(pace.rows(), 500);
        assert_eq!(pace.went(ms(10), false), Duration::ZERO);
        assert_eq!(pace.rows(), 1000, "by a step");
        pace.went(ms(9), false);
        assert_eq!(pace.rows(), 1200, "twofold, but for the most");
        pace.went(ms(40), false);
        assert_eq!(pace.rows(), 1200);
        assert!(!pace.is_full());
        pace.went(ms(39), false);
        assert!(pace.is_full());
        pace.went(ms(41), false);
        assert_eq!(pace.rows(), 600);
        assert!(!pace.is_full());
        pace.failed();
        assert_eq!(pace.rows(), 300);
        pace.went(ms(4), false);
        assert_eq!(pace.rows(), 600, "twofold");
    }

    #[test]
    fn others_are_spared_at_once_and_by_what_the_quickest_of_some_batches_takes() {
        let mut pace = Pace::new(5000);
        for _ in 0..20 {
            pace.went(ms(8), false);
        }
        assert_eq!(pace.rows(), 5000);
        assert!(pace.is_full());
        assert_eq!(pace.went(ms(8), true), ms(16));
        assert_eq!(pace.rows(), 500);
        assert!(!pace.is_full());
        for took in [9, 30, 3, 200] {
            pace.went(ms(took), true);
        }
        assert_eq!(pace.rows(), 500, "one of them was quick enough");
        for _ in 0..4 {
            pace.went(ms(6), true);
        }
        assert_eq!(pace.rows(), 250);
        for _ in 0..8 {
            pace.went(ms(1), true);
        }
        assert_eq!(pace.rows(), 500, "no more, however quick");
        assert_eq!(pace.went(ms(900), true), ms(100));
        pace.went(ms(5), false);
        assert_eq!(pace.rows(), 1000, "they are gone");
    }

    #[test]
    fn where_fewer_rows_take_as_long_others_get_their_rest_and_no_more() {
        let mut pace = Pace::new(5000);
        pace.went(ms(60), true);
        for _ in 0..4 {
            pace.went(ms(60), true);
        }
        assert_eq!(pace.rows(), 250);
        for _ in 0..4 {
            pace.went(ms(55), true);
        }
        assert_eq!(pace.rows(), 500);
        for _ in 0..40 {
            pace.went(ms(60), true);
        }
        assert_eq!(pace.rows(), 500);
        pace.failed();
        pace.went(ms(30), true);
        assert_eq!(pace.rows(), 500);
    }

    #[test]
    fn only_failure_makes_batches_tiny_and_a_slow_success_mends_it() {
        let mut pace = Pace::new(1000);
        for _ in 0..20 {
            pace.went(Duration::from_secs(1), false);
        }
        assert_eq!(pace.rows(), 100);
        for company in [false, true] {
            for _ in 0..20 {
                pace.failed();
            }
            assert_eq!(pace.rows(), 1);
            pace.went(Duration::from_secs(1), company);
            assert_eq!(pace.rows(), 100);
        }
        assert_eq!(Pace::new(30).rows(), 30);
    }

    proptest! {
        #[test]
        fn a_pace_never_leaves_its_bounds(most in 1_u32..20_000, took in prop::collection::vec((0_u64..200, any::<bool>(), any::<bool>()), 0..50)) {
            let mut pace = Pace::new(most);
            for (took, company, fails) in took {
                let rest = pace.went(ms(took), company);
                prop_assert!(rest <= LONGEST_REST && (company || rest.is_zero()));
                if fails {
                    pace.failed();
                }
                prop_assert!((1..=most).contains(&pace.rows()));
            }
        }
    }
}
