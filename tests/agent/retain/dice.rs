//! Chance that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers from a seed (SplitMix64): the same case for the same seed, on every machine.
pub(super) struct Dice(u64);

impl Dice {
    /// For the n-th case of a seed.
    pub(super) fn new(seed: u64, nth: u64) -> Self {
        Self(seed.wrapping_add(nth.wrapping_mul(0x00D1_5EA5_E000)))
    }

    /// A seed that the environment names, or a new one.
    pub(super) fn seed(variable: &str) -> u64 {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let random = || u64::try_from(now().as_micros()).unwrap();
        std::env::var(variable).map_or_else(|_| random(), |seed| seed.parse().unwrap())
    }

    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}
