//! Media time: points on a media clock, and the frame rates that divide it.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A point on a media clock, in nanoseconds; may be negative (a decode time before the first
/// presentation). Which clock it is belongs to the place that names it: the publisher's own, or
/// the broadcast's one monotonic clock that begins at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// A point given in nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A point given in milliseconds (RTMP's unit).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    /// A point given in units of a 90 kHz clock (MPEG-TS).
    pub const fn from_90k(units_90k: i64) -> Self {
        Self((units_90k as i128 * NANOS_PER_SECOND / 90_000) as i64)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the origin, for display and playlists.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span from `earlier` to this point; zero where `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The signed distance `self - other`, in nanoseconds.
    pub const fn nanos_from(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for MediaTime {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.as_secs_f64())
    }
}

/// A constant frame rate as a fraction of frames a second (30000/1001 is NTSC's 29.97).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

impl FrameRate {
    /// `numerator / denominator` frames a second; `None` where either is zero.
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        Some(Self {
            numerator,
            denominator,
        })
    }

    /// Frames in `denominator` seconds.
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// Seconds in which `numerator` frames pass.
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// Frames a second.
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// When frame `index` of a grid that begins at zero is shown: the exact fraction, rounded to
    /// the nearest nanosecond, so that the error never adds up.
    pub fn frame_time(self, index: u64) -> MediaTime {
        let scaled = i128::from(index) * i128::from(self.denominator) * NANOS_PER_SECOND;
        let numerator = i128::from(self.numerator);
        MediaTime((scaled + numerator / 2).div_euclid(numerator) as i64)
    }

    /// The grid index whose frame time is nearest to `time`; negative before the origin.
    pub fn nearest_frame(self, time: MediaTime) -> i64 {
        let scaled = i128::from(time.0) * i128::from(self.numerator);
        let unit = i128::from(self.denominator) * NANOS_PER_SECOND;
        (scaled + unit / 2).div_euclid(unit) as i64
    }

    /// How long one frame is shown, rounded to the nanosecond.
    pub fn frame_duration(self) -> Duration {
        self.frame_time(1).saturating_since(MediaTime::ZERO)
    }

    /// The whole number of frames nearest to `span`, at least one.
    pub fn frames_in(self, span: Duration) -> u32 {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        u32::try_from(self.nearest_frame(MediaTime(nanos)))
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_times_do_not_drift_over_a_day() {
        let ntsc = FrameRate::new(30_000, 1001).expect("a rate");
        let day_of_frames = 24 * 3600 * 30_000 / 1001;
        let exact = day_of_frames as f64 * 1001.0 / 30_000.0;
        assert!((ntsc.frame_time(day_of_frames).as_secs_f64() - exact).abs() < 1e-6);
        assert_eq!(
            ntsc.nearest_frame(ntsc.frame_time(day_of_frames)),
            day_of_frames as i64
        );
    }

    #[test]
    fn a_segment_of_two_seconds_is_sixty_ntsc_frames() {
        let ntsc = FrameRate::new(30_000, 1001).expect("a rate");
        assert_eq!(ntsc.frames_in(Duration::from_secs(2)), 60);
        assert_eq!(ntsc.frame_time(60), MediaTime::from_nanos(2_002_000_000));
    }

    #[test]
    fn ninety_kilohertz_is_exact_at_the_33_bit_wrap() {
        assert_eq!(MediaTime::from_90k(1 << 33).as_nanos(), 95_443_717_688_888);
    }
}
