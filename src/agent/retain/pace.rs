//! How many rows the next batch takes: more by a step while batches are quick, half when they are slow.
//!
//! In: how long each batch held its locks. Out: a number of rows. Pure.

use std::time::Duration;

/// A batch that holds its locks longer than this makes other programs wait noticeably; below the second there is room
/// for more.
const ALONE: [Duration; 2] = [Duration::from_millis(40), Duration::from_millis(20)];

/// The same while other programs write.
const IN_COMPANY: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(10)];

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

    /// A batch went through in `took`, while other programs wrote, or not.
    pub(super) fn went(&mut self, took: Duration, company: bool) {
        let [slow, quick] = if company { IN_COMPANY } else { ALONE };
        if took > slow {
            self.rows = (self.rows / 2).max(LEAST.min(self.most));
        } else if took < quick {
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
        pace.went(Duration::from_millis(5), false);
        pace.went(Duration::from_millis(5), false);
        assert_eq!(pace.rows(), 1200);
        pace.went(Duration::from_millis(30), false);
        assert_eq!(pace.rows(), 1200);
        pace.went(Duration::from_millis(41), false);
        assert_eq!(pace.rows(), 600);
        pace.failed();
        assert_eq!(pace.rows(), 300);
        pace.went(Duration::from_millis(15), true);
        assert_eq!(pace.rows(), 300);
        pace.went(Duration::from_millis(21), true);
        assert_eq!(pace.rows(), 150);
    }

    #[test]
    fn only_failure_makes_batches_tiny_and_a_slow_success_mends_it() {
        let mut pace = Pace::new(1000);
        for _ in 0..20 {
            pace.went(Duration::from_secs(1), false);
        }
        assert_eq!(pace.rows(), 100);
        for _ in 0..20 {
            pace.failed();
        }
        assert_eq!(pace.rows(), 1);
        pace.went(Duration::from_secs(1), false);
        assert_eq!(pace.rows(), 100);
        assert_eq!(Pace::new(30).rows(), 30);
    }

    proptest! {
        #[test]
        fn a_pace_never_leaves_its_bounds(most in 1_u32..20_000, took in prop::collection::vec(0_u64..200, 0..50)) {
            let mut pace = Pace::new(most);
            for took in took {
                pace.went(Duration::from_millis(took), false);
                prop_assert!((1..=most).contains(&pace.rows()));
            }
        }
    }
}
