//! Packs one rendition's samples into chunks.

use bytes::Bytes;
use media_core::{Cadence, Chunk, Init, InitKind, MediaTime, Place, RenditionName, Sample, Track};

use super::boxes::{put_u32, put_u64, write_box, write_full_box};
use super::init::{self, InvalidTrack, NON_SYNC_SAMPLE, SYNC_SAMPLE, TRACK_ID};

/// One rendition's muxer.
#[derive(Debug)]
pub struct Muxer {
    rendition: RenditionName,
    kind: InitKind,
    cadence: Cadence,
    /// Samples of the chunk that is being filled.
    open: Vec<Sample>,
    /// Chunks so far; `mfhd`'s sequence number counts from one.
    chunks: u32,
    /// The last segment that a chunk began in.
    segment: Option<u64>,
    /// Frames of the last whole segment: of those that follow a source, the next one is likely to be
    /// as long.
    usual_frames: u64,
}

impl Muxer {
    /// A muxer for `track` that cuts by `cadence`, and the track's initialization segment.
    ///
    /// # Errors
    /// The track's decoder configuration is damaged.
    pub fn new(track: &Track, cadence: Cadence) -> Result<(Self, Init), InvalidTrack> {
        let init = init::describe(track)?;
        let muxer = Self {
            rendition: track.rendition.clone(),
            kind: track.kind,
            cadence,
            open: Vec::new(),
            chunks: 0,
            segment: None,
            usual_frames: u64::from(cadence.frames_per_segment()),
        };
        Ok((muxer, init))
    }

    /// The open chunk, where `sample`, which is to be pushed next, begins another segment: of those
    /// that follow a source that is known no earlier.
    pub fn cut_before(&mut self, sample: &Sample) -> Option<Chunk> {
        let first = self.open.first()?;
        if first.segment == sample.segment {
            return None;
        }
        let chunk = self.close();
        chunk.map(|chunk| Chunk {
            ends_segment: true,
            ..chunk
        })
    }

    /// Takes the next sample; gives the chunk that is complete with it.
    pub fn push(&mut self, sample: Sample) -> Option<Chunk> {
        let next = sample.time + sample.duration;
        self.open.push(sample);
        self.ends_before(next).then(|| self.close()).flatten()
    }

    /// The last, unfilled chunk at the end of a broadcast.
    pub fn finish(&mut self) -> Option<Chunk> {
        self.close()
    }

    /// Whether a sample at `next` would belong to another part.
    fn ends_before(&self, next: MediaTime) -> bool {
        let first = self.open.first();
        first.is_some_and(|first| {
            self.place(next, first.segment) != self.place(first.time, first.segment)
        })
    }

    fn close(&mut self) -> Option<Chunk> {
        let samples = std::mem::take(&mut self.open);
        let (first, last) = (samples.first()?, samples.last()?);
        let dts = first.time;
        let independent = first.sync;
        let keyframe = matches!(self.kind, InitKind::Video { .. }) && first.sync;
        let duration = (last.time + last.duration).saturating_since(dts);
        let segment = self.place(dts, first.segment).segment;
        let starts_segment = self.segment != Some(segment);
        let ends_segment = match first.segment {
            None => self.place(dts + duration, None).segment != segment,
            Some(_) => self.frame_at(dts + duration) >= segment + self.usual_frames,
        };
        if let (Some(_), Some(last), true) = (first.segment, self.segment, starts_segment) {
            self.usual_frames = segment.saturating_sub(last);
        }
        self.segment = Some(segment);
        self.chunks = self.chunks.wrapping_add(1);
        let mut bytes = Vec::with_capacity(samples.len() + 1);
        let header = self.header(&samples);
        let keyframe_bytes = keyframe.then(|| header.len() + first.data.len());
        bytes.push(header);
        bytes.extend(samples.into_iter().map(|sample| sample.data));
        let rendition = self.rendition.clone();
        Some(Chunk {
            rendition,
            dts,
            duration,
            starts_segment,
            ends_segment,
            independent,
            keyframe_bytes,
            bytes,
        })
    }

    /// Where a sample at `time` belongs, of a segment that begins at a frame of its own, or by the
    /// cadence.
    fn place(&self, time: MediaTime, segment: Option<u64>) -> Place {
        let index = self.frame_at(time);
        match segment {
            None => self.cadence.place_of(index),
            Some(segment) => Place {
                segment,
                part: self.cadence.part_of(index.saturating_sub(segment)),
            },
        }
    }

    /// The grid point at which a sample at `time` lies.
    fn frame_at(&self, time: MediaTime) -> u64 {
        match self.kind {
            InitKind::Video { frame_rate, .. } => {
                u64::try_from(frame_rate.nearest_frame(time)).unwrap_or(0)
            }
            InitKind::Audio { .. } => self.cadence.frame_at(time),
        }
    }

    /// `moof` and the head of `mdat` (ISO/IEC 14496-12 §8.8.4, §8.1.1).
    fn header(&self, samples: &[Sample]) -> Bytes {
        const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
        const DEFAULT_DURATION: u32 = 0x08;
        const DATA_OFFSET: u32 = 0x01;
        const SAMPLE_SIZE: u32 = 0x200;
        const SAMPLE_FLAGS: u32 = 0x400;
        const MDAT_HEADER_BYTES: usize = 8;

        let first = samples
            .first()
            .map_or(MediaTime::ZERO, |sample| sample.time);
        let mut out = Vec::with_capacity(128 + samples.len() * 8);
        let mut data_offset_at = 0;
        write_box(&mut out, b"moof", |out| {
            write_full_box(out, b"mfhd", 0, 0, |out| put_u32(out, self.chunks));
            write_box(out, b"traf", |out| {
                let flags = DEFAULT_BASE_IS_MOOF | DEFAULT_DURATION;
                write_full_box(out, b"tfhd", 0, flags, |out| {
                    put_u32(out, TRACK_ID);
                    put_u32(out, self.sample_duration(samples));
                });
                write_full_box(out, b"tfdt", 1, 0, |out| put_u64(out, self.units(first)));
                let flags = DATA_OFFSET | SAMPLE_SIZE | SAMPLE_FLAGS;
                write_full_box(out, b"trun", 0, flags, |out| {
                    put_u32(out, samples.len() as u32);
                    data_offset_at = out.len();
                    put_u32(out, 0);
                    for sample in samples {
                        put_u32(out, sample.data.len() as u32);
                        put_u32(
                            out,
                            if sample.sync {
                                SYNC_SAMPLE
                            } else {
                                NON_SYNC_SAMPLE
                            },
                        );
                    }
                });
            });
        });
        let data_offset = (out.len() + MDAT_HEADER_BYTES) as u32;
        out[data_offset_at..data_offset_at + 4].copy_from_slice(&data_offset.to_be_bytes());
        let media_bytes: usize = samples.iter().map(|sample| sample.data.len()).sum();
        put_u32(&mut out, (media_bytes + MDAT_HEADER_BYTES) as u32);
        out.extend_from_slice(b"mdat");
        Bytes::from(out)
    }

    /// One sample's length in the track's units; all of a track are equally long.
    fn sample_duration(&self, samples: &[Sample]) -> u32 {
        match self.kind {
            InitKind::Video { frame_rate, .. } => {
                frame_rate.denominator() * init::clock_factor(frame_rate.numerator())
            }
            InitKind::Audio { sample_rate, .. } => {
                let nanos = samples
                    .first()
                    .map_or(0, |sample| sample.duration.as_nanos());
                let units = (nanos * u128::from(sample_rate) + 500_000_000) / 1_000_000_000;
                u32::try_from(units).unwrap_or(u32::MAX)
            }
        }
    }

    /// A time in the track's units: exact on the frame grid.
    fn units(&self, time: MediaTime) -> u64 {
        match self.kind {
            InitKind::Video { frame_rate, .. } => {
                let index = self.frame_at(time);
                let factor = init::clock_factor(frame_rate.numerator());
                index * u64::from(frame_rate.denominator() * factor)
            }
            InitKind::Audio { sample_rate, .. } => {
                let nanos = i128::from(time.as_nanos());
                let units = (nanos * i128::from(sample_rate) + 500_000_000) / 1_000_000_000;
                u64::try_from(units).unwrap_or(0)
            }
        }
    }
}
