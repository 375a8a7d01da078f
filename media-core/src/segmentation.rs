//! Where a broadcast's segments begin: by the cadence, or where a source that is passed through has
//! its keyframes.
//!
//! What is passed through cannot be cut elsewhere, so that all renditions follow it. A segment is never
//! longer than the target duration allows, whatever the source does. Pure: who places pictures says
//! which are the source's keyframes.

use std::collections::VecDeque;

use crate::cadence::Cadence;
use crate::time::MediaTime;

/// Starts that are remembered: encoders hand out pictures some frames later, sound waits for its
/// picture.
const STARTS_MAX: usize = 32;

/// Distances of keyframes by which the next one is awaited.
const DISTANCES_MAX: usize = 4;

/// The shortest rest behind a segment's last whole part: hls.js 1.7.4 takes a segment that lacks less
/// than 0.2 s for complete, and stalls there (design/0009). A frame of sound more, which is cut beside
/// the pictures.
const REST_MIN_S: f64 = 0.222;

/// See the module.
#[derive(Clone, Debug)]
pub struct Segmentation {
    cadence: Cadence,
    follows: bool,
    /// The most frames of a segment.
    longest: u64,
    /// The latest ones, oldest first.
    starts: VecDeque<u64>,
    /// The next grid point.
    next: u64,
    last_keyframe: Option<u64>,
    /// Between keyframes, in frames: the latest ones.
    distances: VecDeque<u64>,
}

impl Segmentation {
    /// By `cadence`; where it `follows`, also where a source that is passed through has a keyframe.
    pub fn new(cadence: Cadence, follows: bool) -> Self {
        let usual = u64::from(cadence.frames_per_segment());
        let most = match follows {
            true => u64::from(cadence.frames_max()),
            false => usual,
        };
        // With the shortest rest that may be: where keyframes come at a place that would leave too
        // short a one, each segment of this length moves that place.
        let is_short = |frames| leaves_short_rest(cadence, frames);
        let longest = (usual + 1..=most)
            .rev()
            .find(|frames| !is_short(*frames) && is_short(frames - 1));
        Self {
            cadence,
            follows,
            longest: longest.unwrap_or(usual),
            starts: VecDeque::new(),
            next: 0,
            last_keyframe: None,
            distances: VecDeque::new(),
        }
    }

    /// Places the picture of grid point `index`, which follows the last one's, and says whether a
    /// segment begins with it. `is_keyframe`: of a source that can be passed through from here on;
    /// `passes`: it is, so far.
    pub fn place(&mut self, index: u64, is_keyframe: bool, passes: bool) -> bool {
        self.next = index + 1;
        if !self.follows {
            return self.cadence.starts_segment(index);
        }
        if is_keyframe {
            self.note_keyframe(index, passes);
        }
        let starts = self.starts.back().is_none_or(|start| {
            let frames = index.saturating_sub(*start);
            let usual = u64::from(self.cadence.frames_per_segment());
            if is_keyframe {
                self.is_end(frames)
            } else if passes {
                frames >= self.longest
            } else {
                frames >= usual
            }
        });
        if starts {
            if self.starts.len() == STARTS_MAX {
                self.starts.pop_front();
            }
            self.starts.push_back(index);
        }
        starts
    }

    /// Where the segment begins that the picture of `index`, which was placed, belongs to; `None`: the
    /// cadence says it.
    pub fn segment_of(&self, index: u64) -> Option<u64> {
        let before = self.starts.iter().rev();
        let mut before = before.skip_while(|start| **start > index);
        before.next().or(self.starts.front()).copied()
    }

    /// Whether it is known which segment sound at `time` belongs to.
    pub fn reaches(&self, time: MediaTime) -> bool {
        !self.follows || self.cadence.frame_at(time) < self.next
    }

    /// The grid point that `time` lies in.
    pub fn frame_at(&self, time: MediaTime) -> u64 {
        self.cadence.frame_at(time)
    }

    /// The most frames of a segment.
    pub const fn longest(&self) -> u64 {
        self.longest
    }

    fn note_keyframe(&mut self, index: u64, passes: bool) {
        let last = self.last_keyframe.replace(index);
        // Behind a break nothing is known of what comes.
        if !passes {
            self.distances.clear();
        } else if let Some(last) = last {
            if self.distances.len() == DISTANCES_MAX {
                self.distances.pop_front();
            }
            self.distances.push_back(index.saturating_sub(last));
        }
    }

    /// Whether a segment may end, and should, before a keyframe that comes so many frames after its
    /// beginning.
    fn is_end(&self, frames: u64) -> bool {
        let usual = u64::from(self.cadence.frames_per_segment());
        // Whoever sends a keyframe at least each usual segment's length always finds an end.
        if frames < self.longest - usual || leaves_short_rest(self.cadence, frames) {
            return false;
        }
        let distance = self.distances.iter().copied().max().unwrap_or(usual);
        let is_last_chance = frames + distance > self.longest;
        let is_near = frames + distance / 2 >= usual;
        is_last_chance || is_near
    }
}

fn leaves_short_rest(cadence: Cadence, frames: u64) -> bool {
    let last = frames.saturating_sub(1);
    let part = cadence.part_of(last);
    let in_part = (0..=last).rev();
    let rest = in_part.take_while(|it| cadence.part_of(*it) == part);
    let is_whole = cadence.part_of(frames) != part;
    !is_whole && (rest.count() as f64) < REST_MIN_S * cadence.rate().as_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::FrameRate;

    fn cadence() -> Cadence {
        let rate = FrameRate::new(30, 1).expect("a rate");
        Cadence::new(rate, Duration::from_secs(2), Duration::from_millis(333))
    }

    /// Lengths of the segments of a source with keyframes at these points, and which of them begin
    /// with one. It is passed through from each keyframe on, until a segment has to begin without.
    fn follow(keyframes: &[u64], frames: u64) -> (Vec<u64>, usize) {
        let mut segmentation = Segmentation::new(cadence(), true);
        let (mut starts, mut with_keyframe, mut passes) = (Vec::new(), 0, false);
        for index in 0..frames {
            let is_keyframe = keyframes.contains(&index);
            let begins = segmentation.place(index, is_keyframe, passes);
            passes = is_keyframe || (passes && !begins);
            if begins {
                starts.push(index);
                with_keyframe += usize::from(is_keyframe);
            }
            let segment = segmentation.segment_of(index);
            assert_eq!(segment, starts.last().copied(), "at {index}");
        }
        let lengths = starts.windows(2).map(|pair| pair[1] - pair[0]);
        (lengths.collect(), with_keyframe)
    }

    fn every(distance: u64) -> Vec<u64> {
        (0..600).step_by(distance as usize).collect()
    }

    #[test]
    fn segments_follow_regular_keyframes_near_their_usual_length() {
        for (distance, length) in [
            (60, 60),
            (30, 60),
            (20, 60),
            (15, 60),
            (1, 60),
            (50, 50),
            (57, 57),
        ] {
            let (lengths, with_keyframe) = follow(&every(distance), 600);
            assert!(
                lengths.iter().all(|it| *it == length),
                "{distance}: {lengths:?}"
            );
            assert_eq!(with_keyframe, lengths.len() + 1, "{distance}");
        }
    }

    #[test]
    fn keyframes_that_are_too_rare_are_not_waited_for() {
        let (lengths, _) = follow(&every(250), 600);
        assert_eq!(lengths[..4], [67, 60, 60, 60]);
        assert!(follow(&[0], 600).0[1..].iter().all(|it| *it == 60));
    }

    #[test]
    fn keyframes_out_of_step_are_followed_again_within_a_few_segments() {
        // As of a publisher that returns: a keyframe each two seconds, from any point on.
        for first in 0..60 {
            let keyframes: Vec<u64> = (0..40).map(|number| first + number * 60).collect();
            let mut segmentation = Segmentation::new(cadence(), true);
            segmentation.place(0, false, false);
            let mut passes = false;
            let mut missed = Vec::new();
            for index in 1..2400 {
                let is_keyframe = keyframes.contains(&index);
                let begins = segmentation.place(index, is_keyframe, passes);
                passes = is_keyframe || (passes && !begins);
                if is_keyframe && !begins {
                    missed.push(index);
                }
            }
            let last = missed.last().copied().unwrap_or_default();
            assert!(last < first + 5 * 60, "{first}: {missed:?}");
        }
    }

    #[test]
    fn no_segment_is_too_long_or_ends_with_too_short_a_rest_whatever_the_source_does() {
        // A keyframe each two seconds, and one at each change of scene.
        let mut state = 7u64;
        let mut keyframes = vec![0];
        while keyframes[keyframes.len() - 1] < 6000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005);
            state = state.wrapping_add(1_442_695_040_888_963_407);
            let step = match (state >> 33) % 6 {
                0 => 1 + (state >> 40) % 60,
                _ => 60,
            };
            keyframes.push(keyframes[keyframes.len() - 1] + step);
        }
        let (lengths, with_keyframe) = follow(&keyframes, 6000);
        assert!(
            lengths.iter().all(|it| (7..=67).contains(it)),
            "{lengths:?}"
        );
        let mut rests = lengths.iter().map(|it| it % 10);
        assert!(rests.all(|rest| rest == 0 || rest > 6), "{lengths:?}");
        assert!(
            with_keyframe * 10 > lengths.len() * 6,
            "{with_keyframe} of {}",
            lengths.len()
        );
    }

    #[test]
    fn by_the_cadence_nothing_changes_a_segment() {
        let mut segmentation = Segmentation::new(cadence(), false);
        for index in 0..300 {
            let begins = segmentation.place(index, index.is_multiple_of(7), true);
            assert_eq!(begins, index.is_multiple_of(60));
            assert_eq!(segmentation.segment_of(index), None);
        }
        assert!(segmentation.reaches(MediaTime::from_millis(1_000_000)));
    }

    #[test]
    fn sound_waits_for_the_picture_it_belongs_to() {
        let mut segmentation = Segmentation::new(cadence(), true);
        assert!(!segmentation.reaches(MediaTime::ZERO));
        segmentation.place(0, true, false);
        assert!(segmentation.reaches(MediaTime::from_millis(33)));
        assert!(!segmentation.reaches(MediaTime::from_millis(34)));
    }
}
