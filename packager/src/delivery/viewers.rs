//! How many people watch a broadcast, told from requests alone: no viewer has a URL or a name of its
//! own, and any cache may stand in front of those that it serves.
//!
//! A player asks for the playlist of its picture again and again: in low latency once a part,
//! otherwise about once a target duration. Each request stands for a viewer from then until the
//! player's next one; their sum over the last whole seconds, divided by those, is how many watch.
//! A page that says every few seconds that it plays is counted in the same way.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest time over which is counted: three of the longest target duration, 11 s.
const SPAN_MAX_S: u32 = 33;

/// The longest time that a request stands for: the longest target duration.
const SIGN_MAX: Duration = Duration::from_secs(11);

/// Seconds that are kept: those that are counted, the one that runs, and what requests stand for.
const SECONDS_KEPT: usize = 48;

/// A broadcast's viewers, counted without a lock.
#[derive(Debug)]
pub(crate) struct Viewers {
    began: Instant,
    span_s: u32,
    /// By the second modulo their number: the second above, milliseconds of viewers below.
    seconds: [AtomicU64; SECONDS_KEPT],
    /// The second in which was last counted.
    counted: AtomicU32,
    peak: AtomicU32,
}

/// What a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A request after which the same viewer will ask again in so long.
    Reload(Duration),
    /// The first playlist of a player that is about to ask for that of its picture. Both requests
    /// together stand for no time yet: a player in low latency asks that way only once.
    Joining(Duration),
}

impl Viewers {
    /// Nobody, from now on. It is counted over `span`: long enough that a viewer's uneven requests
    /// do not make the figure jump, short enough that it follows.
    pub(crate) fn new(span: Duration) -> Self {
        Self::since(span, Instant::now())
    }

    fn since(span: Duration, began: Instant) -> Self {
        let span_s = u32::try_from(span.as_secs()).unwrap_or(SPAN_MAX_S);
        Self {
            began,
            span_s: span_s.clamp(1, SPAN_MAX_S),
            seconds: [const { AtomicU64::new(0) }; SECONDS_KEPT],
            counted: AtomicU32::new(0),
            peak: AtomicU32::new(0),
        }
    }

    /// Notes a request that came now.
    pub(crate) fn note(&self, sign: Sign) {
        self.note_at(sign, Instant::now());
    }

    /// How many watch now.
    pub(crate) fn count(&self) -> u32 {
        self.count_at(Instant::now())
    }

    fn note_at(&self, sign: Sign, now: Instant) {
        let (span, factor) = match sign {
            Sign::Reload(span) => (span, 1),
            Sign::Joining(span) => (span, -1),
        };
        let current = self.second(now);
        // Over the seconds that it stands for, so that a crowd that asks in step is no wave.
        let mut left_ms = span.min(SIGN_MAX).as_millis() as u32;
        let mut room_ms = 1000 - now.saturating_duration_since(self.began).subsec_millis();
        let mut second = current;
        while left_ms > 0 {
            let millis = left_ms.min(room_ms);
            self.add(second, millis as i32 * factor);
            (left_ms, room_ms, second) = (left_ms - millis, 1000, second.saturating_add(1));
        }
        // Once a second, so that a peak that nobody looked at is not missed.
        if self.counted.swap(current, Ordering::Relaxed) != current {
            self.count_at(now);
        }
    }

    fn add(&self, second: u32, millis: i32) {
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
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    fn count_at(&self, now: Instant) -> u32 {
        // Whole seconds: the one that runs is not over.
        let until = self.second(now);
        let first = until.saturating_sub(self.span_s).max(1);
        let millis: i64 = self
            .seconds
            .iter()
            .map(|place| Second::of(place.load(Ordering::Relaxed)))
            .filter(|kept| (first..until).contains(&kept.second))
            .map(|kept| i64::from(kept.millis))
            .sum();
        let span_ms = u64::from(until - first).max(1) * 1000;
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
        let viewers = Viewers::since(TARGET * 3, began);
        let mut counts = Vec::new();
        for ms in 0..=at_s.iter().max().unwrap() * 1000 {
            let now = began + Duration::from_millis(ms);
            for crowd in crowds {
                let here = (crowd.from_ms..crowd.until_ms).contains(&ms);
                for index in 0..crowd.size {
                    let own_ms = ms.wrapping_sub(crowd.from_ms + u64::from(index) * 7);
                    if here && own_ms == 0 {
                        viewers.note_at(Sign::Joining(TARGET), now);
                        viewers.note_at(Sign::Reload(TARGET), now);
                    } else if here && own_ms < u64::MAX / 2 && own_ms % crowd.every_ms == 0 {
                        viewers.note_at(Sign::Reload(crowd.span), now);
                    }
                }
            }
            if at_s.contains(&(ms / 1000)) && ms.is_multiple_of(1000) {
                counts.push(viewers.count_at(now));
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
    fn pages_that_ask_in_step_and_unevenly_are_each_one() {
        const PAGE: Duration = Duration::from_secs(5);
        let began = Instant::now();
        for crowd in [1, 60] {
            let viewers = Viewers::since(PAGE * 2, began);
            // All at once when a broadcast begins, then with the pages' own spread, in random order.
            let mut due_ms = vec![500; crowd];
            let mut draw = 7;
            for ms in 0..120_000 {
                let now = began + Duration::from_millis(ms);
                for due_ms in due_ms.iter_mut().filter(|due_ms| **due_ms == ms) {
                    viewers.note_at(Sign::Reload(PAGE), now);
                    draw = draw * 75 % 65_537;
                    *due_ms += 4375 + draw * 1250 / 65_537;
                }
                if ms > 15_000 && ms.is_multiple_of(70) {
                    let count = f64::from(viewers.count_at(now));
                    assert!(
                        (0.9..=1.1).contains(&(count / crowd as f64)),
                        "{count} at {ms}"
                    );
                }
            }
            let peak = f64::from(viewers.peak());
            assert!((1.0..=1.1).contains(&(peak / crowd as f64)), "{peak}");
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
        let viewers = Viewers::since(TARGET * 3, began);
        for _ in 0..1000 {
            viewers.note_at(Sign::Joining(TARGET), began);
            viewers.note_at(Sign::Reload(TARGET), began);
        }
        assert_eq!(viewers.count_at(began + Duration::from_secs(1)), 0);
        // A second is forgotten, however long nobody asked.
        viewers.note_at(Sign::Reload(TARGET * 100), began);
        assert!(viewers.count_at(began + Duration::from_secs(2)) > 0);
        assert_eq!(viewers.count_at(began + Duration::from_secs(100_000)), 0);
    }
}
