//! Which pictures thumbnails are made of.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::MediaTime;

/// From thumbnail to thumbnail.
pub const EVERY: Duration = Duration::from_secs(10);

/// When the first one is taken: many a broadcast begins with a black picture, or half a fade.
pub const FIRST_AT: Duration = Duration::from_secs(1);

/// After which time another picture is taken for one that was dark.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// When the next picture is due. The thread that encodes asks at every picture and never waits; the
/// one that makes thumbnails may ask for an earlier one.
#[derive(Debug)]
pub(crate) struct Schedule {
    due_ns: AtomicI64,
}

impl Schedule {
    pub(crate) fn new() -> Self {
        let first = MediaTime::ZERO + FIRST_AT;
        Self {
            due_ns: AtomicI64::new(first.as_nanos()),
        }
    }

    /// Whether the picture at `time` is to be taken.
    pub(crate) fn is_due(&self, time: MediaTime) -> bool {
        time.as_nanos() >= self.due_ns.load(Ordering::Relaxed)
    }

    /// The picture at `time` has been taken: the next one is due at the next whole [`EVERY`].
    pub(crate) fn taken(&self, time: MediaTime) {
        let every = MediaTime::ZERO + EVERY;
        let next = (time.as_nanos() / every.as_nanos() + 1) * every.as_nanos();
        self.due_ns.store(next, Ordering::Relaxed);
    }

    /// The picture at `time` was of no use: another one is due soon.
    pub(crate) fn again_after(&self, time: MediaTime) {
        let again = time + AGAIN_AFTER;
        self.due_ns.fetch_min(again.as_nanos(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(schedule: &Schedule, frames: std::ops::Range<i64>) -> Vec<i64> {
        let times = frames.map(|frame| frame * 40);
        let due = times.filter(|ms| {
            let time = MediaTime::from_millis(*ms);
            let due = schedule.is_due(time);
            if due {
                schedule.taken(time);
            }
            due
        });
        due.collect()
    }

    #[test]
    fn one_after_a_second_and_one_every_ten_from_zero_on() {
        let schedule = Schedule::new();
        assert_eq!(taken(&schedule, 0..800), [1000, 10_000, 20_000, 30_000]);
        // Nothing came for a while.
        assert_eq!(taken(&schedule, 1337..1800), [53_480, 60_000, 70_000]);
    }

    #[test]
    fn after_a_dark_one_another_is_taken_and_the_rest_stay_where_they_are() {
        let schedule = Schedule::new();
        assert_eq!(taken(&schedule, 0..40), [1000]);
        schedule.again_after(MediaTime::from_millis(1000));
        assert_eq!(taken(&schedule, 40..100), [2000]);
        schedule.again_after(MediaTime::from_millis(2000));
        assert_eq!(taken(&schedule, 100..300), [4000, 10_000]);
    }
}
