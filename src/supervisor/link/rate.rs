//! How much comes in a second, over the last few. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// Over how long: several keyframes of most publishers, of which each is a burst.
const OVER: Duration = Duration::from_secs(5);

/// From when on there is a rate.
const OVER_MIN: Duration = Duration::from_secs(1);

/// Readings kept, whoever reads how often: twice as many as there are.
const READINGS_MAX: usize = 20;

/// Readings of a counter, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// By `at` so many bytes had come.
    pub(super) fn note(&mut self, at: Duration, bytes: u64) {
        self.0.push_back((at, bytes));
        let is_old = |reading: &(Duration, u64)| at.saturating_sub(reading.0) > OVER;
        while self.0.len() > READINGS_MAX || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// `None` until it has been measured for long enough.
    pub(super) fn bits_a_second(&self) -> Option<u64> {
        let (from, before) = self.0.front()?;
        let (to, now) = self.0.back()?;
        let took = to.saturating_sub(*from);
        let bits = 8 * now.saturating_sub(*before);
        (took >= OVER_MIN).then(|| (bits as f64 / took.as_secs_f64()).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.bits_a_second(), None);
        rate.note(MS(0), 0);
        rate.note(MS(999), 1000);
        assert_eq!(rate.bits_a_second(), None);
        for second in 1..=20 {
            rate.note(MS(second * 1000), second * 125_000);
        }
        assert_eq!(rate.bits_a_second(), Some(1_000_000));
        // Nothing comes any more.
        for second in 21..=25 {
            rate.note(MS(second * 1000), 20 * 125_000);
        }
        assert_eq!(rate.bits_a_second(), Some(0));
        for millisecond in 0..1000 {
            rate.note(MS(26_000 + millisecond), 0);
        }
        assert!(rate.0.len() <= READINGS_MAX);
    }
}
