//! When each of the latest pictures passed one place of a pipeline, so that another place, on
//! another thread, can tell how long it took. Bounded and without a lock: what nobody asked for is
//! overwritten.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

/// No picture has this key: GStreamer's "no time", and a grid point after all time.
const VACANT: u64 = u64::MAX;

/// See the module. One thread at a time writes, any number reads.
pub(super) struct Stamps {
    began: Instant,
    /// How many were written so far.
    written: AtomicUsize,
    slots: Box<[Slot]>,
}

struct Slot {
    key: AtomicU64,
    /// Microseconds from `began`: half a million years.
    micros: AtomicU64,
}

impl Stamps {
    /// Room for the latest `capacity` pictures.
    pub(super) fn new(capacity: usize, now: Instant) -> Self {
        let vacant = || Slot {
            key: AtomicU64::new(VACANT),
            micros: AtomicU64::new(0),
        };
        Self {
            began: now,
            written: AtomicUsize::new(0),
            slots: (0..capacity).map(|_| vacant()).collect(),
        }
    }

    /// The picture `key` passes now.
    pub(super) fn note(&self, key: u64, now: Instant) {
        let written = self.written.load(Ordering::Relaxed);
        let slot = &self.slots[written % self.slots.len()];
        // A reader that sees the new time beside the old key sees that key gone when it looks
        // again: the fences pair.
        slot.key.store(VACANT, Ordering::Relaxed);
        fence(Ordering::Release);
        slot.micros.store(self.micros(now), Ordering::Relaxed);
        slot.key.store(key, Ordering::Release);
        self.written
            .store(written.wrapping_add(1), Ordering::Release);
    }

    /// How long ago the picture `key` passed; `None` where it never did or is forgotten.
    pub(super) fn since(&self, key: u64, now: Instant) -> Option<Duration> {
        let written = self.written.load(Ordering::Acquire);
        // The latest first: it nearly always is one of the last few.
        for back in 1..=written.min(self.slots.len()) {
            let slot = &self.slots[(written - back) % self.slots.len()];
            if slot.key.load(Ordering::Acquire) != key {
                continue;
            }
            let micros = slot.micros.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if slot.key.load(Ordering::Relaxed) == key {
                let passed = self.micros(now).saturating_sub(micros);
                return Some(Duration::from_micros(passed));
            }
        }
        None
    }

    fn micros(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.began).as_micros();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_picture_has_its_own_time_whatever_the_order() {
        let start = Instant::now();
        let stamps = Stamps::new(4, start);
        // Decode order.
        for (passed, key) in [0, 3, 1, 2].into_iter().enumerate() {
            stamps.note(key, start + MS * passed as u32);
        }
        let now = start + MS * 10;
        let ages: Vec<_> = (0..5).map(|key| stamps.since(key, now)).collect();
        let expected = [Some(10), Some(8), Some(7), Some(9), None];
        assert_eq!(ages, expected.map(|ms| ms.map(Duration::from_millis)));
    }

    #[test]
    fn the_oldest_is_forgotten_for_the_newest() {
        let start = Instant::now();
        let stamps = Stamps::new(3, start);
        assert_eq!(stamps.since(0, start), None);
        for key in 0..1000 {
            stamps.note(key, start);
            let known: Vec<_> = (0..=key)
                .filter(|key| stamps.since(*key, start).is_some())
                .collect();
            let latest: Vec<_> = (key.saturating_sub(2)..=key).collect();
            assert_eq!(known, latest);
        }
    }

    #[test]
    fn a_publisher_whose_clock_jumps_back_is_timed_by_its_latest() {
        let start = Instant::now();
        let stamps = Stamps::new(8, start);
        stamps.note(5, start);
        stamps.note(5, start + MS);
        assert_eq!(stamps.since(5, start + MS * 3), Some(MS * 2));
    }

    #[test]
    fn readers_on_other_threads_never_see_another_pictures_time() {
        let start = Instant::now();
        let stamps = Stamps::new(2, start);
        // Picture n passes n ms after the start.
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for key in 0..50_000 {
                    stamps.note(key, start + MS * key as u32);
                }
            });
            while !writer.is_finished() {
                let key = stamps.written.load(Ordering::Acquire).saturating_sub(1) as u64;
                let now = start + MS * key as u32;
                if let Some(age) = stamps.since(key, now) {
                    assert_eq!(age, Duration::ZERO, "{key}");
                }
            }
        });
    }
}
