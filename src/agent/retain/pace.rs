//! How many rows the next batch takes: more by a step while batches are quick, half when they are slow.
//!
//! In: how long each batch held its locks. Out: a number of rows. Pure.

use std::time::Duration;

/// A batch that holds its locks longer than this makes other programs wait noticeably.
const SLOW: Duration = Duration::from_millis(50);

/// Below this there is room for more.
const QUICK: Duration = Duration::from_millis(20);

/// Rows that a pace grows by, and the first batch's size: small against a table, large against a round trip.
pub(super) const STEP: u32 = 500;

/// The size of the next batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rows: u32,
    most: u32,
}

impl Pace {
    /// Starts with one step, never to exceed `most` rows.
    pub(super) fn new(most: u32) -> Self {
        Self {
            rows: STEP.min(most),
            most,
        }
    }

    /// Rows of the next batch; at least one.
    pub(super) fn rows(self) -> u32 {
        self.rows
    }

    /// A batch went through in `took`.
    pub(super) fn went(&mut self, took: Duration) {
        if took > SLOW {
            self.failed();
        } else if took < QUICK {
            self.rows = self.rows.saturating_add(STEP).min(self.most);
        }
    }

    /// A batch had to give up: somebody else needed its rows.
    pub(super) fn failed(&mut self) {
        self.rows = (self.rows / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quick_batches_grow_by_a_step_and_slow_ones_halve() {
        let mut pace = Pace::new(1200);
        assert_eq!(pace.rows(), 500);
        pace.went(Duration::from_millis(5));
        pace.went(Duration::from_millis(5));
        assert_eq!(pace.rows(), 1200);
        pace.went(Duration::from_millis(30));
        assert_eq!(pace.rows(), 1200);
        pace.went(Duration::from_millis(51));
        assert_eq!(pace.rows(), 600);
        pace.failed();
        assert_eq!(pace.rows(), 300);
    }

    proptest! {
        #[test]
        fn a_pace_never_leaves_its_bounds(most in 1_u32..20_000, took in prop::collection::vec(0_u64..200, 0..50)) {
            let mut pace = Pace::new(most);
            for took in took {
                pace.went(Duration::from_millis(took));
                prop_assert!((1..=most).contains(&pace.rows()));
            }
        }
    }
}
