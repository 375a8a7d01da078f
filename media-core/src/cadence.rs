//! The cadence: how many frames make a part and a segment.
//!
//! Cuts are counted on the frame grid and never taken from a muxer's clock, whose rounding has been
//! seen to move a boundary by a frame. The ladder forces its keyframes by this count and the
//! packager cuts by it, so that both mean the same frame.

use std::time::Duration;

use crate::time::{FrameRate, MediaTime};

/// Two times that mean the same instant, one of the pictures and one of the sound, may differ by
/// this: each is rounded to a nanosecond.
const ROUNDING: Duration = Duration::from_nanos(1);

/// Where segments and parts begin on a grid of whole frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    rate: FrameRate,
    frames_per_segment: u32,
    frames_per_part: u32,
}

impl Cadence {
    /// Rounds `segment` and `part` to whole frames of `rate`; a part is at least one frame and at
    /// most a segment.
    pub fn new(rate: FrameRate, segment: Duration, part: Duration) -> Self {
        let frames_per_segment = rate.frames_in(segment);
        let frames_per_part = rate.frames_in(part).min(frames_per_segment);
        Self {
            rate,
            frames_per_segment,
            frames_per_part,
        }
    }

    /// The grid's frame rate.
    pub const fn rate(self) -> FrameRate {
        self.rate
    }

    /// Frames in a segment.
    pub const fn frames_per_segment(self) -> u32 {
        self.frames_per_segment
    }

    /// Frames in every part but a segment's last.
    pub const fn frames_per_part(self) -> u32 {
        self.frames_per_part
    }

    /// The length of a segment.
    pub fn segment(self) -> Duration {
        self.span(self.frames_per_segment)
    }

    /// The length of a full part: `PART-TARGET` before it is rounded up for the playlist.
    pub fn part(self) -> Duration {
        self.span(self.frames_per_part)
    }

    /// Whether a segment begins with frame `index`.
    pub fn starts_segment(self, index: u64) -> bool {
        index.is_multiple_of(u64::from(self.frames_per_segment))
    }

    /// Whether a part begins with frame `index`; true at every segment's start.
    pub fn starts_part(self, index: u64) -> bool {
        let in_segment = index % u64::from(self.frames_per_segment);
        in_segment.is_multiple_of(u64::from(self.frames_per_part))
    }

    /// The segment, counted from the broadcast's start, that frame `index` belongs to.
    pub fn segment_of(self, index: u64) -> u64 {
        index / u64::from(self.frames_per_segment)
    }

    /// The segment, counted from the broadcast's start, that a sample at `time` falls into. Audio
    /// frames are cut by it: they do not lie on the video's grid.
    pub fn segment_at(self, time: MediaTime) -> u64 {
        // The grid index at or before `time`: the nearest one, less one where that is later.
        let nearest = u64::try_from(self.rate.nearest_frame(time)).unwrap_or(0);
        let at_or_before = if self.rate.frame_time(nearest) > time + ROUNDING {
            nearest.saturating_sub(1)
        } else {
            nearest
        };
        self.segment_of(at_or_before)
    }

    fn span(self, frames: u32) -> Duration {
        self.rate
            .frame_time(u64::from(frames))
            .saturating_since(MediaTime::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cadence(numerator: u32, denominator: u32, part_ms: u64) -> Cadence {
        let rate = FrameRate::new(numerator, denominator).expect("a rate");
        Cadence::new(rate, Duration::from_secs(2), Duration::from_millis(part_ms))
    }

    #[test]
    fn the_default_part_is_a_whole_number_of_frames_at_every_rate() {
        for (numerator, denominator, segment, part) in [
            (24_000, 1001, 48, 8),
            (24, 1, 48, 8),
            (25, 1, 50, 8),
            (30_000, 1001, 60, 10),
            (30, 1, 60, 10),
            (50, 1, 100, 17),
            (60_000, 1001, 120, 20),
            (60, 1, 120, 20),
        ] {
            let cadence = cadence(numerator, denominator, 333);
            assert_eq!(cadence.frames_per_segment(), segment, "{}", cadence.rate());
            assert_eq!(cadence.frames_per_part(), part, "{}", cadence.rate());
        }
    }

    #[test]
    fn a_sample_just_before_the_boundary_belongs_to_the_segment_before_it() {
        let cadence = cadence(30_000, 1001, 333);
        let boundary = cadence.rate().frame_time(60);
        assert_eq!(cadence.segment_at(boundary), 1);
        assert_eq!(cadence.segment_at(boundary - ROUNDING), 1);
        assert_eq!(cadence.segment_at(boundary - 2 * ROUNDING), 0);
        assert_eq!(cadence.segment_at(MediaTime::ZERO), 0);
    }

    #[test]
    fn parts_begin_anew_with_every_segment() {
        let cadence = cadence(25, 1, 333);
        let starts: Vec<u64> = (0..101)
            .filter(|&index| cadence.starts_part(index))
            .collect();
        assert_eq!(
            starts,
            [0, 8, 16, 24, 32, 40, 48, 50, 58, 66, 74, 82, 90, 98, 100]
        );
    }
}
