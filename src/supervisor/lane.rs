//! One rendition's way from samples to parts.

use std::sync::Arc;
use std::time::Instant;

use media_core::{Cadence, Chunk, Init, Sample, Track};
use packager::Broadcast;
use packager::cmaf::{InvalidTrack, Muxer};

use super::figures::RenditionFigures;

/// See the module.
pub(super) struct Lane {
    muxer: Muxer,
    figures: Arc<RenditionFigures>,
    /// When the open part's first sample left the encoder.
    part_began: Option<Instant>,
}

impl Lane {
    pub(super) fn new(
        track: &Track,
        cadence: Cadence,
        figures: Arc<RenditionFigures>,
    ) -> Result<(Self, Init), InvalidTrack> {
        let (muxer, init) = Muxer::new(track, cadence)?;
        let lane = Self {
            muxer,
            figures,
            part_began: None,
        };
        Ok((lane, init))
    }

    /// Takes the next sample; the part that is complete with it goes to `window`.
    pub(super) fn push(&mut self, sample: Sample, window: &Broadcast) {
        if let Some(chunk) = self.muxer.cut_before(&sample) {
            self.publish(chunk, window);
        }
        self.part_began.get_or_insert_with(Instant::now);
        self.figures.sample(&sample);
        if let Some(chunk) = self.muxer.push(sample) {
            self.publish(chunk, window);
        }
    }

    /// Publishes the last, unfilled part.
    pub(super) fn finish(&mut self, window: &Broadcast) {
        if let Some(chunk) = self.muxer.finish() {
            self.publish(chunk, window);
        }
    }

    fn publish(&mut self, chunk: Chunk, window: &Broadcast) {
        let starts_segment = chunk.starts_segment;
        window.push(chunk);
        let took = self.part_began.take().map(|began| began.elapsed());
        self.figures.part(starts_segment, took.unwrap_or_default());
    }
}
