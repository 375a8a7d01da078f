//! How many people watch a broadcast, told from their playlist requests alone: no viewer has a URL
//! or a name of its own, and any cache may stand in front of those that it serves.
//!
//! A player asks for the playlist of its picture again and again: in low latency once a part,
//! otherwise about once a target duration. Each request stands for as many viewer-seconds as pass
//! until the player's next one; their sum over a span, divided by the span, is how many watch.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Over how many target durations is counted: long enough that a player's uneven reloads do not
/// make the figure jump, short enough that it follows.
const SPAN_TARGETS: u32 = 3;

/// Seconds that are kept: the span at the longest target duration (11 s), and the one that runs.
const SECONDS_KEPT: usize = 36;

/// A broadcast's viewers, counted without a lock.
#[derive(Debug)]
pub(crate) struct Viewers {
    began: Instant,
    span_s: u32,
    /// By the second modulo their number: the second above, [`Millis`] of viewers below.
    seconds: [AtomicU64; SECONDS_KEPT],
    peak: AtomicU32,
}

/// What a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A playlist after which the player will ask again in so long.
    Reload(Duration),
    /// The first playlist of a player that is about to ask for that of its picture. Both requests
    /// together stand for no time yet: a player in low latency asks that way only once.
    Joining(Duration),
}

impl Viewers {
    /// Counts from now on.
    pub(crate) fn begin(target_duration: Duration) -> Self {
        Self::new(target_duration, Instant::now())
    }

    fn new(target_duration: Duration, now: Instant) -> Self {
        let span = target_duration.as_secs().max(1) as u32 * SPAN_TARGETS;
        Self {
            began: now,
            span_s: span.min(SECONDS_KEPT as u32 - 1),
            seconds: [const { AtomicU64::new(0) }; SECONDS_KEPT],
            peak: AtomicU32::new(0),
        }
    }

    /// Notes a request.
    pub(crate) fn note(&self, sign: Sign, now: Instant) {
        let millis = |span: Duration| i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        let millis = match sign {
            Sign::Reload(span) => millis(span),
            Sign::Joining(span) => -millis(span),
        };
        let second = self.second(now);
        let place = &self.seconds[second as usize % SECONDS_KEPT];
        let mut seen = place.load(Ordering::Relaxed);
        loop {
            let before = Second::of(seen);
            let sum = match before.second == second {
                true => before.millis,
                false => 0,
            };
            let after = Second {
                second,
                millis: sum.saturating_add(millis),
            };
            let swapped = place.compare_exchange_weak(
                seen,
                after.bits(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) if before.second != second => {
                    // Once a second, so that a peak that nobody looked at is not missed.
                    self.count(now);
                    return;
                }
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// How many watch.
    pub(crate) fn count_now(&self) -> u32 {
        self.count(Instant::now())
    }

    /// How many watch, over the last three target durations.
    fn count(&self, now: Instant) -> u32 {
        let second = self.second(now);
        let first = (second + 1).saturating_sub(self.span_s);
        let millis: i64 = self
            .seconds
            .iter()
            .map(|place| Second::of(place.load(Ordering::Relaxed)))
            .filter(|kept| (first..=second).contains(&kept.second))
            .map(|kept| i64::from(kept.millis))
            .sum();
        // The second that runs is not over.
        let whole_s = u64::from(self.span_s.min(second + 1) - 1);
        let running_ms = u64::from(now.duration_since(self.began).subsec_millis());
        let span_ms = (whole_s * 1000 + running_ms).max(1000);
        let millis = u64::try_from(millis).unwrap_or(0);
        let count = u32::try_from((millis + span_ms / 2) / span_ms).unwrap_or(u32::MAX);
        self.peak.fetch_max(count, Ordering::Relaxed);
        count
    }

    /// The most that ever watched at a time.
    pub(crate) fn peak(&self) -> u32 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Whole seconds since the beginning, from 1 on: 0 is what was never written.
    fn second(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.began).as_secs();
        u32::try_from(passed).unwrap_or(u32::MAX - 1) + 1
    }
}

/// What was noted in one second.
#[derive(Clone, Copy)]
struct Second {
    second: u32,
    /// Milliseconds of viewers.
    millis: i32,
}

impl Second {
    fn of(bits: u64) -> Self {
        Self {
            second: (bits >> 32) as u32,
            millis: bits as u32 as i32,
        }
    }

    fn bits(self) -> u64 {
        u64::from(self.second) << 32 | u64::from(self.millis as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_secs(2);
    const PART: Duration = Duration::from_millis(333);

    /// Viewers who came at some time and ask again every so often.
    struct Crowd {
        size: u32,
        from_ms: u64,
        until_ms: u64,
        every_ms: u64,
        span: Duration,
    }

    /// The counts at these seconds, and the peak.
    fn watch(crowds: &[Crowd], at_s: &[u64]) -> (Vec<u32>, u32) {
        let began = Instant::now();
        let viewers = Viewers::new(TARGET, began);
        let mut counts = Vec::new();
        for ms in 0..=at_s.iter().max().unwrap() * 1000 {
            let now = began + Duration::from_millis(ms);
            for crowd in crowds {
                let here = (crowd.from_ms..crowd.until_ms).contains(&ms);
                for index in 0..crowd.size {
                    let own_ms = ms.wrapping_sub(crowd.from_ms + u64::from(index) * 7);
                    if here && own_ms == 0 {
                        viewers.note(Sign::Joining(TARGET), now);
                        viewers.note(Sign::Reload(TARGET), now);
                    } else if here && own_ms < u64::MAX / 2 && own_ms % crowd.every_ms == 0 {
                        viewers.note(Sign::Reload(crowd.span), now);
                    }
                }
            }
            if at_s.contains(&(ms / 1000)) && ms.is_multiple_of(1000) {
                counts.push(viewers.count(now));
            }
        }
        (counts, viewers.peak())
    }

    fn low_latency(size: u32, from_s: u64, until_s: u64) -> Crowd {
        Crowd {
            size,
            from_ms: from_s * 1000,
            until_ms: until_s * 1000,
            every_ms: 333,
            span: PART,
        }
    }

    #[test]
    fn viewers_in_low_latency_are_counted_exactly() {
        let (counts, peak) = watch(&[low_latency(100, 1, 30)], &[0, 12, 20, 29, 40]);
        assert_eq!((counts[0], counts[4]), (0, 0));
        for count in &counts[1..4] {
            assert!((97..=103).contains(count), "{counts:?}");
        }
        assert!((97..=106).contains(&peak), "{peak}");
    }

    #[test]
    fn one_viewer_is_one_whatever_it_plays_with() {
        let slow = Crowd {
            size: 1,
            from_ms: 1000,
            until_ms: 60_000,
            every_ms: 2000,
            span: TARGET,
        };
        let seconds: Vec<_> = (10..60).collect();
        for crowd in [low_latency(1, 1, 60), slow] {
            let (counts, peak) = watch(&[crowd], &seconds);
            assert!(counts.iter().all(|&count| count == 1), "{counts:?}");
            assert_eq!(peak, 1);
        }
    }

    #[test]
    fn those_who_come_and_go_are_seen() {
        let (counts, peak) = watch(
            &[low_latency(10, 1, 100), low_latency(40, 30, 60)],
            &[25, 55, 90],
        );
        assert!((9..=11).contains(&counts[0]), "{counts:?}");
        assert!((48..=52).contains(&counts[1]), "{counts:?}");
        assert!((9..=11).contains(&counts[2]), "{counts:?}");
        assert!((48..=53).contains(&peak), "{peak}");
    }

    #[test]
    fn players_that_only_look_are_not_viewers() {
        let began = Instant::now();
        let viewers = Viewers::new(TARGET, began);
        for _ in 0..1000 {
            viewers.note(Sign::Joining(TARGET), began);
            viewers.note(Sign::Reload(TARGET), began);
        }
        assert_eq!(viewers.count(began + Duration::from_secs(1)), 0);
        // A second is forgotten, however long nobody asked.
        viewers.note(Sign::Reload(TARGET * 100), began);
        assert!(viewers.count(began + Duration::from_secs(2)) > 0);
        assert_eq!(viewers.count(began + Duration::from_secs(100_000)), 0);
    }
}
