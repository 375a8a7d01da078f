//! How long to wait before the next try: twice as long as before up to a bound, and never twice the
//! same, so that many files do not come back to a store in step.

use std::time::Duration;

use rand::Rng;

/// The first wait and the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After the first failure.
    pub first: Duration,
    /// However often it has failed: what the end of an outage is noticed after.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The wait after so many failures in a row: between half of its bound and all of it.
    pub(super) fn wait(self, failures: u32, random: &mut impl Rng) -> Duration {
        let doubled = 1u32.checked_shl(failures.saturating_sub(1));
        let bound = doubled
            .and_then(|times| self.first.checked_mul(times))
            .map_or(self.longest, |wait| wait.min(self.longest));
        let bound_us = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.random_range(bound_us / 2..=bound_us))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_not_the_same() {
        let pace = Pace::default();
        let mut random = StdRng::seed_from_u64(1);
        for failures in 1..200u32 {
            let bound = Duration::from_millis(500 << (failures - 1).min(7)).min(pace.longest);
            let waits: Vec<Duration> = (0..50).map(|_| pace.wait(failures, &mut random)).collect();
            assert!(waits.iter().all(|wait| (bound / 2..=bound).contains(wait)));
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
