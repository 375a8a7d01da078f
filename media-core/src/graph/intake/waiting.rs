//! How long what is first in a queue of bytes has been there. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// What enters within so much time counts as one.
const GRAIN: Duration = Duration::from_millis(100);

/// Grains that are remembered: whoever asks lets nothing enter that long after the first.
const GRAINS_MAX: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Bytes that have entered so far.
    entered: u64,
    /// When grains entered, and how many bytes had by their end.
    grains: VecDeque<(Duration, u64)>,
}

impl Waiting {
    /// So many bytes enter.
    pub(super) fn enter(&mut self, bytes: usize, now: Duration) {
        self.entered += bytes as u64;
        match self.grains.back_mut() {
            Some((at, end)) if now.saturating_sub(*at) < GRAIN => *end = self.entered,
            _ => {
                if self.grains.len() == GRAINS_MAX {
                    self.grains.pop_front();
                }
                self.grains.push_back((now, self.entered));
            }
        }
    }

    /// How long the first of the `level` bytes that are left has been there.
    pub(super) fn longest(&mut self, level: u64, now: Duration) -> Duration {
        let left = self.entered.saturating_sub(level);
        while self.grains.front().is_some_and(|(_, end)| *end <= left) {
            self.grains.pop_front();
        }
        let first = self.grains.front();
        first.map_or(Duration::ZERO, |(at, _)| now.saturating_sub(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn what_is_first_has_waited_since_it_entered() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.longest(0, MS(5)), MS(0));
        for second in 0..5 {
            waiting.enter(100, MS(second * 1000));
            waiting.enter(100, MS(second * 1000 + 50));
        }
        assert_eq!(waiting.longest(1000, MS(5000)), MS(5000));
        assert_eq!(
            waiting.longest(801, MS(5000)),
            MS(5000),
            "some of it is there"
        );
        assert_eq!(waiting.longest(800, MS(5000)), MS(4000));
        assert_eq!(waiting.longest(1, MS(5500)), MS(1500));
        assert_eq!(waiting.longest(0, MS(6000)), MS(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut waiting = Waiting::default();
        for second in 0..10_000 {
            waiting.enter(1, MS(second * 1000));
        }
        assert_eq!(waiting.grains.len(), GRAINS_MAX);
        let first = MS((10_000 - GRAINS_MAX as u64) * 1000);
        assert_eq!(
            waiting.longest(10_000, MS(10_000_000)),
            MS(10_000_000) - first
        );
    }
}
