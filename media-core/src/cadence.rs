//! The cadence: how many frames make a part and a segment.
//!
//! Cuts are counted on the frame grid and never taken from a muxer's clock, whose rounding has been
//! seen to move a boundary by a frame. The ladder forces its keyframes by this count and the
//! packager cuts by it, so that both mean the same frame.

use std::time::Duration;

use crate::time::{FrameRate, MediaTime};
use crate::timeline::sample_time;

/// Samples in an AAC frame (ISO/IEC 14496-3 §4.5.1.1): sound is cut nowhere else.
pub const AAC_FRAME_SAMPLES: u64 = 1024;

/// Two times that mean the same instant, one of the pictures and one of the sound, may differ by
/// this: each is rounded to a nanosecond.
const ROUNDING: Duration = Duration::from_nanos(1);

/// By how much a segment may be longer than the target duration: it is rounded to the nearest second.
const OVER_TARGET: Duration = Duration::from_millis(500);

/// The shortest part, in percent of the part target (draft-pantos-hls-rfc8216bis §4.4.3.7).
const PART_MIN_PERCENT: u128 = 85;

/// Where segments and parts begin on a grid of whole frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    rate: FrameRate,
    frames_per_segment: u32,
    parts_per_segment: u32,
}

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment, counted from the broadcast's start.
    pub segment: u64,
    /// The part, counted from the segment's start.
    pub part: u64,
}

impl Cadence {
    /// Rounds `segment` to whole frames of `rate` and divides it into equal parts, to a frame, whose
    /// number brings them nearest to `part`.
    ///
    /// Equal, because a short rest at a segment's end is not loaded by every player: hls.js 1.7.4
    /// takes a segment that lacks less than 0.2 s for complete, and stalls there (design/0009).
    pub fn new(rate: FrameRate, segment: Duration, part: Duration) -> Self {
        let frames_per_segment = rate.frames_in(segment);
        let frames_per_part = rate.frames_in(part).min(frames_per_segment);
        let nearest = (frames_per_segment + frames_per_part / 2) / frames_per_part;
        let divided = |parts_per_segment| Self {
            rate,
            frames_per_segment,
            parts_per_segment,
        };
        // Where parts have few frames, one more or less may be over 15 %: the next number is tried.
        (0..frames_per_segment)
            .flat_map(|step| [nearest.saturating_sub(step), nearest + step])
            .filter(|parts| (1..=frames_per_segment).contains(parts))
            .map(divided)
            .find(|cadence| cadence.parts_are_long_enough())
            .unwrap_or(divided(1))
    }

    /// The grid's frame rate.
    pub const fn rate(self) -> FrameRate {
        self.rate
    }

    /// Frames in a segment.
    pub const fn frames_per_segment(self) -> u32 {
        self.frames_per_segment
    }

    /// The length of a segment.
    pub fn segment(self) -> Duration {
        self.span(self.frames_per_segment)
    }

    /// What no part is longer than, of pictures or of sound: `PART-TARGET` before it is rounded up
    /// for the playlist.
    pub fn part_target(self) -> Duration {
        let pictures = self.span(self.frames_per_segment.div_ceil(self.parts_per_segment));
        let (_, most) = frames_of_sound(pictures);
        pictures.max(sound(most))
    }

    /// Whether a segment begins with frame `index`.
    pub fn starts_segment(self, index: u64) -> bool {
        index.is_multiple_of(u64::from(self.frames_per_segment))
    }

    /// Where frame `index` belongs.
    pub fn place_of(self, index: u64) -> Place {
        let frames = u64::from(self.frames_per_segment);
        Place {
            segment: index / frames,
            part: self.part_of(index % frames),
        }
    }

    /// The part, counted from the segment's start, to which the frame belongs that is so many behind
    /// that start. A segment that is longer than usual has further parts of the same lengths.
    pub fn part_of(self, frames_behind_start: u64) -> u64 {
        let (frames, parts) = (
            u64::from(self.frames_per_segment),
            u64::from(self.parts_per_segment),
        );
        // Part k begins with frame ⌊k · frames ∕ parts⌋.
        ((frames_behind_start + 1) * parts - 1) / frames
    }

    /// What a segment may be as long as, in seconds, rounded as players compare it: its length to
    /// the nearest second (draft-pantos-hls-rfc8216bis §4.4.3.1). An audio segment may be longer than
    /// the pictures' by one of its frames.
    pub fn target_duration_s(self) -> u32 {
        let rounded = (self.segment() + sound(1) + OVER_TARGET).as_secs();
        u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
    }

    /// The most frames of a segment that is within the target duration.
    pub fn frames_max(self) -> u32 {
        let target = Duration::from_secs(u64::from(self.target_duration_s()));
        // Strictly below: half a second more is rounded up.
        let longest = (target + OVER_TARGET).saturating_sub(sound(2));
        let frames = longest.as_secs_f64() * self.rate.as_f64();
        (frames as u32).max(self.frames_per_segment)
    }

    /// Where a sample at `time` belongs. Sound is cut by it: its frames do not lie on the pictures'
    /// grid.
    pub fn place_at(self, time: MediaTime) -> Place {
        self.place_of(self.frame_at(time))
    }

    /// The frame that is shown at `time`.
    pub fn frame_at(self, time: MediaTime) -> u64 {
        let nearest = u64::try_from(self.rate.nearest_frame(time)).unwrap_or(0);
        if self.rate.frame_time(nearest) > time + ROUNDING {
            nearest.saturating_sub(1)
        } else {
            nearest
        }
    }

    fn parts_are_long_enough(self) -> bool {
        let shortest = self.span(self.frames_per_segment / self.parts_per_segment);
        let (fewest, _) = frames_of_sound(shortest);
        let shortest = shortest.min(sound(fewest));
        shortest.as_nanos() * 100 >= self.part_target().as_nanos() * PART_MIN_PERCENT
    }

    fn span(self, frames: u32) -> Duration {
        self.rate
            .frame_time(u64::from(frames))
            .saturating_since(MediaTime::ZERO)
    }
}

/// The fewest and the most AAC frames that begin within `span`.
fn frames_of_sound(span: Duration) -> (u64, u64) {
    const SLACK_NANOS: u128 = 1000;
    let (nanos, frame) = (span.as_nanos(), sound(1).as_nanos());
    // Both are rounded: a part that is whole frames long must not seem to be a frame longer.
    let fewest = (nanos + SLACK_NANOS) / frame;
    let most = nanos.saturating_sub(SLACK_NANOS) / frame + 1;
    (fewest as u64, most as u64)
}

/// The length of so many AAC frames.
fn sound(frames: u64) -> Duration {
    sample_time(frames * AAC_FRAME_SAMPLES).saturating_since(MediaTime::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cadence(numerator: u32, denominator: u32, part_ms: u64) -> Cadence {
        let rate = FrameRate::new(numerator, denominator).expect("a rate");
        Cadence::new(rate, Duration::from_secs(2), Duration::from_millis(part_ms))
    }

    fn part_starts(cadence: Cadence) -> Vec<u64> {
        let frames = 1..u64::from(cadence.frames_per_segment());
        frames
            .filter(|&index| cadence.place_of(index).part != cadence.place_of(index - 1).part)
            .collect()
    }

    #[test]
    fn the_default_part_is_a_sixth_of_a_segment_at_every_rate() {
        for (numerator, denominator, segment, starts) in [
            (24_000, 1001, 48, [8, 16, 24, 32, 40]),
            (24, 1, 48, [8, 16, 24, 32, 40]),
            (25, 1, 50, [8, 16, 25, 33, 41]),
            (30_000, 1001, 60, [10, 20, 30, 40, 50]),
            (30, 1, 60, [10, 20, 30, 40, 50]),
            (50, 1, 100, [16, 33, 50, 66, 83]),
            (60_000, 1001, 120, [20, 40, 60, 80, 100]),
            (60, 1, 120, [20, 40, 60, 80, 100]),
            (48_000, 1024, 94, [15, 31, 47, 62, 78]),
        ] {
            let cadence = cadence(numerator, denominator, 333);
            assert_eq!(cadence.frames_per_segment(), segment, "{}", cadence.rate());
            assert_eq!(part_starts(cadence), starts, "{}", cadence.rate());
        }
    }

    #[test]
    fn parts_too_short_for_whole_frames_of_sound_become_longer() {
        let starts = part_starts(cadence(30, 1, 100));
        assert_eq!(starts[..3], [4, 8, 12]);
    }

    #[test]
    fn no_part_is_longer_than_the_target_or_shorter_than_85_percent_of_it() {
        for (numerator, denominator) in
            [(24_000, 1001), (25, 1), (30, 1), (50, 1), (60, 1), (15, 1)]
        {
            for part_ms in (100..=1000).step_by(10) {
                let cadence = cadence(numerator, denominator, part_ms);
                let target = cadence.part_target().as_secs_f64();
                let rate = cadence.rate();
                let frames = rate.as_f64();
                let aac = sound(1).as_secs_f64();
                let mut starts = part_starts(cadence);
                starts.insert(0, 0);
                starts.push(u64::from(cadence.frames_per_segment()));
                for pair in starts.windows(2) {
                    let pictures = (pair[1] - pair[0]) as f64 / frames;
                    let sounds = [
                        (pictures / aac + 1e-6).floor() * aac,
                        (pictures / aac - 1e-6).ceil() * aac,
                    ];
                    for length in [pictures, sounds[0], sounds[1]] {
                        let share = length / target;
                        assert!(
                            (0.85..=1.0 + 1e-6).contains(&share),
                            "{rate}, {part_ms} ms: {length} of {target}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_longest_segment_is_rounded_to_the_target_duration() {
        for (numerator, denominator) in [(24_000, 1001), (25, 1), (30, 1), (60, 1), (15, 1)] {
            for segment_ms in (1000..=10_000).step_by(50) {
                let rate = FrameRate::new(numerator, denominator).expect("a rate");
                let segment = Duration::from_millis(segment_ms);
                let cadence = Cadence::new(rate, segment, Duration::from_millis(333));
                let target = f64::from(cadence.target_duration_s());
                let longest = f64::from(cadence.frames_max()) / rate.as_f64();
                let heard = longest + sound(1).as_secs_f64();
                assert!(heard.round() <= target, "{rate}, {segment_ms} ms: {heard}");
                assert!(cadence.frames_max() >= cadence.frames_per_segment());
            }
        }
    }

    #[test]
    fn a_sample_just_before_the_boundary_belongs_to_the_segment_before_it() {
        let cadence = cadence(30_000, 1001, 333);
        let boundary = cadence.rate().frame_time(60);
        let next = Place {
            segment: 1,
            part: 0,
        };
        assert_eq!(cadence.place_at(boundary), next);
        assert_eq!(cadence.place_at(boundary - ROUNDING), next);
        let last = Place {
            segment: 0,
            part: 5,
        };
        assert_eq!(cadence.place_at(boundary - 2 * ROUNDING), last);
    }
}
