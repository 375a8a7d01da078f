//! One track of the file: when its samples play, which of them are sync samples, and the chunks
//! that they lie in.

use media_core::{InitKind, MediaTime, SampleRun, StoredSegment};

use super::source::Description;
use super::{Invalid, Source};
use crate::cmaf::init;

/// A track, with its samples where they were given.
#[derive(Debug)]
pub(super) struct Track<'a> {
    pub(super) kind: InitKind,
    pub(super) description: Description<'a>,
    /// Units of its clock a second.
    pub(super) timescale: u32,
    /// When its first sample plays.
    pub(super) start: MediaTime,
    /// How many samples in a row last so many units.
    pub(super) durations: Vec<(u32, u32)>,
    /// Of video: which samples are IDR frames, counted from one.
    pub(super) sync: Option<Vec<u32>>,
    /// In the order of the file.
    pub(super) chunks: Vec<Chunk>,
    runs: &'a [Vec<SampleRun>],
}

/// Samples that lie in the file one behind the other: those of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// The first byte, counted from the first sample of the file.
    pub(super) at: u64,
    pub(super) samples: u32,
}

impl<'a> Track<'a> {
    pub(super) fn new(source: &Source<'a>) -> Result<Self, Invalid> {
        let Source { rendition, runs } = *source;
        let init = &rendition.init;
        if runs.len() != rendition.segments.len() {
            return Err(Invalid::OtherSegments {
                rendition: init.rendition.to_string(),
                expected: rendition.segments.len(),
                found: runs.len(),
            });
        }
        let is_video = matches!(init.kind, InitKind::Video { .. });
        let mut track = Self {
            kind: init.kind,
            description: Description::of(init)?,
            timescale: init::timescale(init.kind),
            start: rendition
                .segments
                .first()
                .map_or(MediaTime::ZERO, |it| it.start),
            durations: Vec::new(),
            sync: is_video.then(Vec::new),
            chunks: Vec::with_capacity(runs.len()),
            runs,
        };
        track.take_segments(source)?;
        Ok(track)
    }

    /// Lays the segments out in time.
    fn take_segments(&mut self, source: &Source<'_>) -> Result<(), Invalid> {
        let name = &source.rendition.init.rendition;
        let disordered = |segment| Invalid::Disordered {
            rendition: name.to_string(),
            segment,
        };
        let mut sample_units = None;
        let (mut samples, mut end_units) = (0_u32, 0);
        for (index, (segment, runs)) in source.rendition.segments.iter().zip(self.runs).enumerate()
        {
            let count = samples_within(segment, runs).ok_or_else(|| Invalid::OutsideSegment {
                rendition: name.to_string(),
                segment: index,
            })?;
            if count == 0 {
                continue;
            }
            let each = match sample_units {
                Some(each) => each,
                None => *sample_units.insert(self.sample_units(segment, count)),
            };
            // A start is exact to a unit, and samples are not moved for less than half of one.
            let start_units = self.units(segment.start.nanos_from(self.start));
            let behind = start_units - end_units;
            if each == 0 || behind < -i64::from(each / 2) {
                return Err(disordered(index));
            }
            if behind > i64::from(each / 2) {
                self.lengthen_last(behind)
                    .ok_or_else(|| disordered(index))?;
                end_units += behind;
            }
            if segment.keyframe_bytes.is_some()
                && let Some(sync) = &mut self.sync
            {
                sync.push(samples + 1);
            }
            self.add_durations(count, each);
            samples += count;
            end_units += i64::from(count) * i64::from(each);
        }
        Ok(())
    }

    /// Notes that the samples of a segment, which are `runs`, lie from `at` on.
    pub(super) fn place_chunk(&mut self, at: u64, runs: &[SampleRun]) {
        let samples = runs.iter().map(|run| run.sizes.len() as u32).sum();
        if samples > 0 {
            self.chunks.push(Chunk { at, samples });
        }
    }

    /// How long each sample is, in bytes.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u32> {
        let runs = self.runs.iter().flatten();
        runs.flat_map(|run| run.sizes.iter().copied())
    }

    /// How long all samples last, in units.
    pub(super) fn duration_units(&self) -> u64 {
        let spans = self.durations.iter();
        spans
            .map(|&(count, units)| u64::from(count) * u64::from(units))
            .sum()
    }

    /// One sample's length where `count` of them fill a segment.
    fn sample_units(&self, segment: &StoredSegment, count: u32) -> u32 {
        let nanos = i64::try_from(segment.duration.as_nanos()).unwrap_or(i64::MAX);
        let count = i64::from(count);
        u32::try_from(self.units(nanos).saturating_add(count / 2) / count).unwrap_or(0)
    }

    /// A span in units, to the nearest.
    fn units(&self, nanos: i64) -> i64 {
        let scaled = i128::from(nanos) * i128::from(self.timescale) + 500_000_000;
        i64::try_from(scaled.div_euclid(1_000_000_000)).unwrap_or(i64::MAX)
    }

    fn add_durations(&mut self, count: u32, units: u32) {
        match self.durations.last_mut() {
            Some((counted, each)) if *each == units => *counted += count,
            _ => self.durations.push((count, units)),
        }
    }

    /// The last sample lasts so much longer; `None` where there is none, or time has no room for
    /// that.
    fn lengthen_last(&mut self, units: i64) -> Option<()> {
        let (count, each) = self.durations.last_mut()?;
        let longer = u32::try_from(i64::from(*each) + units).ok()?;
        *count -= 1;
        if *count == 0 {
            self.durations.pop();
        }
        self.add_durations(1, longer);
        Some(())
    }
}

/// How many samples there are in `runs`; `None` where they do not lie in the segment.
fn samples_within(segment: &StoredSegment, runs: &[SampleRun]) -> Option<u32> {
    let mut samples = 0;
    for run in runs {
        let len_bytes: u64 = run.sizes.iter().map(|&size| u64::from(size)).sum();
        if u64::from(run.offset) + len_bytes > u64::from(segment.len_bytes) {
            return None;
        }
        samples += u32::try_from(run.sizes.len()).ok()?;
    }
    Some(samples)
}
