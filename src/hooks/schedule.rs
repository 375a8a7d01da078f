//! When a delivery that failed is tried again: a pure function of how often it was tried.

use std::time::{Duration, SystemTime};

use storage::webhooks::Outcome;

/// Pauses between attempts. Behind the last one a delivery is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) pauses: &'static [Duration],
}

impl Schedule {
    /// Seven attempts in seven and a quarter hours: a receiver that is started anew loses nothing,
    /// nor one whose operator sleeps.
    pub(super) const STANDARD: Self = Self {
        pauses: &[
            Duration::from_secs(5),
            Duration::from_secs(30),
            Duration::from_secs(2 * 60),
            Duration::from_secs(10 * 60),
            Duration::from_secs(60 * 60),
            Duration::from_secs(6 * 60 * 60),
        ],
    };

    /// What follows from failed attempt number `attempt` (from 1) that ended at `now`.
    pub(super) fn after(self, attempt: u32, now: SystemTime) -> Outcome {
        let index = usize::try_from(attempt)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        match self.pauses.get(index) {
            Some(pause) => Outcome::Retry(now + *pause),
            None => Outcome::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_seventh_attempt_is_the_last() {
        let start = SystemTime::UNIX_EPOCH;
        let (mut now, mut attempt) = (start, 1);
        let mut at_s = vec![0];
        while let Outcome::Retry(next) = Schedule::STANDARD.after(attempt, now) {
            (now, attempt) = (next, attempt + 1);
            at_s.push(now.duration_since(start).expect("later").as_secs());
        }
        assert_eq!(at_s, [0, 5, 35, 155, 755, 4355, 25_955]);
        assert_eq!(Schedule::STANDARD.after(7, now), Outcome::Failed);
        assert_eq!(Schedule::STANDARD.after(u32::MAX, now), Outcome::Failed);
    }
}
