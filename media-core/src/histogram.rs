//! A histogram of durations, written by any number of threads without a lock.
//!
//! Its buckets are the same wherever durations are measured, so that they can be added up. It
//! knows no clock and no format: whoever measures brings the span, whoever exports reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, inclusive: from what answers a viewer (below a millisecond) to an
/// encoder that is far behind; close where parts (a third of a second) and frames lie. What took
/// longer is in one more bucket.
pub const BOUNDS: [Duration; 18] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(35),
    Duration::from_millis(50),
    Duration::from_millis(75),
    Duration::from_millis(100),
    Duration::from_millis(150),
    Duration::from_millis(250),
    Duration::from_millis(350),
    Duration::from_millis(500),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
];

/// See the module. Monotonic.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By [`BOUNDS`]; the last is what lies above them all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_nanos: AtomicU64,
}

/// What a [`Histogram`] held when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How many spans fell into each bucket and not into one before it: by [`BOUNDS`], and above.
    pub counts: [u64; BOUNDS.len() + 1],
    /// The sum of all spans.
    pub sum: Duration,
}

impl Histogram {
    /// Counts a span: two additions, whoever else counts or reads.
    pub fn observe(&self, span: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < span);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        // 584 years.
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What it holds. A span that is being counted may be in the counts and not in the sum yet, or
    /// the other way round.
    pub fn read(&self) -> Reading {
        Reading {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
        }
    }
}

impl Reading {
    /// How many spans there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket_and_what_is_above_all_to_the_last() {
        let histogram = Histogram::default();
        for bound in BOUNDS {
            histogram.observe(bound);
        }
        histogram.observe(Duration::ZERO);
        histogram.observe(BOUNDS[17] + Duration::from_nanos(1));
        let reading = histogram.read();
        let mut expected = [1; BOUNDS.len() + 1];
        expected[0] = 2;
        assert_eq!(reading.counts, expected);
        assert_eq!(reading.count(), 20);
        let sum = BOUNDS.iter().sum::<Duration>() + BOUNDS[17] + Duration::from_nanos(1);
        assert_eq!(reading.sum, sum);
    }

    #[test]
    fn no_span_is_lost_between_threads() {
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for micros in 0..10_000 {
                        histogram.observe(Duration::from_micros(micros));
                    }
                });
            }
        });
        let reading = histogram.read();
        assert_eq!(reading.count(), 40_000);
        assert_eq!(reading.sum, Duration::from_micros(4 * 9999 * 5000));
    }
}
