//! How fast this machine encodes: what a pixel costs, kept current by what running broadcasts cost.
//! Pure: what is measured is an argument.

use std::time::Duration;

use media_core::Rung;
use media_core::graph::Preset;

/// The rate by which a broadcast is judged whose media is not known yet.
const RATE_EXPECTED: f64 = 30.0;

/// What a source that is passed through costs, beside its encoding by `veryfast`: it is decoded all the
/// same. Measured of 1080p30 with 6 Mbit/s: 0.17 cores of 0.9.
const PASSED_COST: f64 = 0.19;

/// Work a second below which nothing is learnt: a little less than one 720p30 rendition by
/// `ultrafast`. What little is encoded costs more by the pixel, since all that a broadcast needs besides
/// is in it.
const LEARNT_FROM: f64 = 10e6;

/// The shortest time from which is learnt: the kernel counts in hundredths of a second.
const LEARNT_OVER: Duration = Duration::from_millis(500);

/// Over how much time what is measured is smoothed.
const SMOOTHED_OVER: Duration = Duration::from_secs(20);

/// Work that was measured before it is said how fast the machine is: the first pictures wait for
/// caches, threads and memory.
const KNOWN_AFTER: Duration = Duration::from_secs(3);

/// An amount of encoding: pixels, as `veryfast` encodes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Work(f64);

impl Work {
    /// So many pictures of a rung, by a preset.
    pub(crate) fn of(rung: &Rung, preset: Preset, pictures: f64) -> Self {
        let pixels = f64::from(rung.width) * f64::from(rung.height);
        Self(pixels * preset.cost() * pictures)
    }

    /// So many pictures of a ladder whose highest rung is the source as it comes, where it `passes`.
    pub(crate) fn of_ladder(rungs: &[Rung], passes: bool, preset: Preset, pictures: f64) -> Self {
        let (passed, encoded) = rungs.split_at(usize::from(passes).min(rungs.len()));
        let of = |rung: &Rung| Self::of(rung, preset, pictures);
        let decoded = |rung: &Rung| Self::of(rung, Preset::Veryfast, pictures * PASSED_COST);
        encoded
            .iter()
            .map(of)
            .chain(passed.iter().map(decoded))
            .sum()
    }

    /// What each second of a ladder takes; the rate is `None` where it is not known yet.
    pub(crate) fn a_second(
        rungs: &[Rung],
        passes: bool,
        preset: Preset,
        rate: Option<f64>,
    ) -> Self {
        Self::of_ladder(rungs, passes, preset, rate.unwrap_or(RATE_EXPECTED))
    }
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum + one)
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    /// Processor seconds a unit of work.
    cost: Option<f64>,
    learnt_over: Duration,
}

impl Speed {
    /// Within `span` all broadcasts together took `processor` for this work.
    pub(crate) fn learn(&mut self, work: Work, processor: Duration, span: Duration) {
        if span < LEARNT_OVER || work.0 < LEARNT_FROM * span.as_secs_f64() || processor.is_zero() {
            return;
        }
        let measured = processor.as_secs_f64() / work.0;
        let before = self.cost.unwrap_or(measured);
        // As much as the span is of all that is remembered.
        let remembered = self.learnt_over.min(SMOOTHED_OVER) + span;
        let share = span.as_secs_f64() / remembered.as_secs_f64();
        self.cost = Some(before + (measured - before) * share);
        self.learnt_over += span;
    }

    /// How many cores this work takes each second; `None`: not known yet.
    pub(crate) fn cores(&self, a_second: Work) -> Option<f64> {
        Some(self.known()? * a_second.0)
    }

    /// Pixels a second that one core encodes by `veryfast`, with all that belongs to it.
    pub(crate) fn pixels_a_second(&self) -> Option<f64> {
        Some(1.0 / self.known()?)
    }

    fn known(&self) -> Option<f64> {
        self.cost.filter(|_| self.learnt_over >= KNOWN_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use media_core::{Bitrate, Ladder, RenditionName};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A second of a ladder that takes a core and a half.
    fn a_second(rate: f64) -> Work {
        Work::a_second(
            &Ladder::standard().rungs,
            false,
            Preset::Veryfast,
            Some(rate),
        )
    }

    fn learnt(cores: f64, seconds: u32) -> Speed {
        let mut speed = Speed::default();
        for _ in 0..seconds {
            speed.learn(a_second(30.0), SECOND.mul_f64(cores), SECOND);
        }
        speed
    }

    #[test]
    fn a_ladder_costs_what_it_cost_before() {
        let speed = learnt(1.5, 10);
        let cores = |rate, preset| {
            let rungs = &Ladder::standard().rungs;
            speed
                .cores(Work::a_second(rungs, false, preset, rate))
                .expect("known")
        };
        assert!((cores(Some(30.0), Preset::Veryfast) - 1.5).abs() < 1e-9);
        assert!((cores(None, Preset::Veryfast) - 1.5).abs() < 1e-9);
        assert!((cores(Some(60.0), Preset::Veryfast) - 3.0).abs() < 1e-9);
        assert!(cores(Some(30.0), Preset::Ultrafast) < 1.0);
        assert!(cores(Some(30.0), Preset::Medium) > 3.0);
        let pixels = speed.pixels_a_second().expect("known");
        assert!((pixels - a_second(30.0).0 / 1.5).abs() < 1.0);
    }

    #[test]
    fn nothing_is_said_before_enough_was_measured() {
        assert_eq!(Speed::default().cores(a_second(30.0)), None);
        assert_eq!(learnt(1.5, 2).pixels_a_second(), None);
        assert!(learnt(1.5, 3).pixels_a_second().is_some());
    }

    #[test]
    fn nothing_is_learnt_from_next_to_nothing() {
        let mut speed = Speed::default();
        let small = Rung {
            name: RenditionName::new("180p").expect("a name"),
            width: 320,
            height: 180,
            bitrate: Bitrate::from_kbps(400),
        };
        for _ in 0..100 {
            speed.learn(
                Work::of(&small, Preset::Ultrafast, 30.0),
                SECOND / 10,
                SECOND,
            );
            speed.learn(Work::default(), SECOND, SECOND);
            speed.learn(a_second(3.0), SECOND / 10, SECOND / 10);
        }
        assert_eq!(speed.pixels_a_second(), None);
    }

    #[test]
    fn one_odd_second_changes_little_and_a_lasting_change_is_followed() {
        let mut speed = learnt(1.0, 60);
        let cores = |speed: &Speed| speed.cores(a_second(30.0)).expect("known");
        speed.learn(a_second(30.0), 3 * SECOND, SECOND);
        assert!(cores(&speed) < 1.1, "{}", cores(&speed));
        for _ in 0..80 {
            speed.learn(a_second(30.0), 2 * SECOND, SECOND);
        }
        assert!((cores(&speed) - 2.0).abs() < 0.05, "{}", cores(&speed));
    }
}
