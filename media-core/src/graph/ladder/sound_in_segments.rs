//! Coded sound, cut where the pictures are: where segments follow a source's keyframes it waits for the
//! picture beside it, by which it is known whether a segment begins.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::locked;
use crate::sample::Sample;
use crate::segmentation::Segmentation;

/// AAC frames that wait for their picture: three seconds, which is how far sound and picture are apart
/// at most.
const WAITING_MAX: usize = 3 * 47;

/// See the module.
pub(super) struct SoundInSegments {
    /// `None`: there are no pictures.
    segmentation: Option<Arc<Mutex<Segmentation>>>,
    waiting: VecDeque<Sample>,
}

impl SoundInSegments {
    pub(super) fn new(segmentation: Option<Arc<Mutex<Segmentation>>>) -> Self {
        Self {
            segmentation,
            waiting: VecDeque::new(),
        }
    }

    /// Takes the next frame and gives those whose segment is known.
    pub(super) fn push(&mut self, frame: Sample) -> Vec<Sample> {
        self.waiting.push_back(frame);
        let Some(segmentation) = &self.segmentation else {
            return self.waiting.drain(..).collect();
        };
        let segmentation = locked(segmentation);
        let reached = |frame: &&Sample| segmentation.reaches(frame.time);
        let known = self.waiting.iter().take_while(reached).count();
        let ready = known.max(self.waiting.len().saturating_sub(WAITING_MAX));
        let ready = self.waiting.drain(..ready);
        ready
            .map(|frame| in_segment(frame, &segmentation))
            .collect()
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Vec<Sample> {
        let rest = self.waiting.drain(..);
        let Some(segmentation) = &self.segmentation else {
            return rest.collect();
        };
        let segmentation = locked(segmentation);
        rest.map(|frame| in_segment(frame, &segmentation)).collect()
    }
}

fn in_segment(frame: Sample, segmentation: &Segmentation) -> Sample {
    let index = segmentation.frame_at(frame.time);
    Sample {
        segment: segmentation.segment_of(index),
        ..frame
    }
}
