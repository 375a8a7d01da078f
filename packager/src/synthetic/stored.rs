//! Made-up stored media: what a recorder leaves of samples that the muxer packed.

use std::time::Duration;

use bytes::Bytes;
use media_core::timeline::sample_time;
use media_core::{
    Bitrate, Cadence, Chunk, FrameRate, InitKind, MediaTime, Sample, SampleRun, StoredRendition,
    StoredSegment, Track,
};

use super::name;
use crate::cmaf::Muxer;

const AVCC: &[u8] = &[
    1, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 2, 0x68, 0xee,
];
const AAC_LC_48K_STEREO: &[u8] = &[0x11, 0x90];

/// A rendition's file, its index, and where its samples lie.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    pub(crate) rendition: StoredRendition,
    pub(crate) runs: Vec<Vec<SampleRun>>,
    pub(crate) file: Vec<u8>,
}

impl Tape {
    /// What is stored of `samples`.
    pub(crate) fn record(
        track: &Track,
        cadence: Cadence,
        samples: impl IntoIterator<Item = Sample>,
    ) -> Self {
        let (mut muxer, init) = Muxer::new(track, cadence).unwrap();
        let file = init.bytes.to_vec();
        let rendition = StoredRendition {
            init,
            segments: Vec::new(),
        };
        let mut tape = Self {
            rendition,
            runs: Vec::new(),
            file,
        };
        for sample in samples {
            if let Some(chunk) = muxer.push(sample) {
                tape.append(&chunk);
            }
        }
        if let Some(chunk) = muxer.finish() {
            tape.append(&chunk);
        }
        tape
    }

    fn append(&mut self, chunk: &Chunk) {
        if chunk.starts_segment {
            self.runs.push(Vec::new());
            self.rendition.segments.push(StoredSegment {
                start: chunk.dts,
                duration: Duration::ZERO,
                offset: self.file.len() as u64,
                len_bytes: 0,
                keyframe_bytes: chunk.keyframe_bytes.map(|bytes| bytes as u32),
            });
        }
        let segment = self.rendition.segments.last_mut().unwrap();
        let run = SampleRun::of(&chunk.bytes, segment.len_bytes);
        self.runs.last_mut().unwrap().push(run);
        segment.duration = (chunk.dts + chunk.duration).saturating_since(segment.start);
        segment.len_bytes += chunk.len_bytes() as u32;
        chunk.bytes.iter().for_each(|it| self.file.extend(&it[..]));
    }

    /// Made-up pictures of 30 frames a second, from `start` on.
    pub(crate) fn video(text: &str, start: Duration, duration: Duration) -> Self {
        let rate = FrameRate::new(30, 1).unwrap();
        let kind = super::Source::video(text, rate, 10).kind;
        let cadence = cadence(rate);
        let samples = frames(rate, start, duration).map(|index| {
            let time = rate.frame_time(index);
            Sample {
                time,
                duration: rate.frame_time(index + 1).saturating_since(time),
                sync: cadence.starts_segment(index),
                segment: None,
                data: telling(text, index, 20 + index as usize % 7),
            }
        });
        Self::record(&track(text, kind, AVCC), cadence, samples)
    }

    /// Made-up AAC from `start` on.
    pub(crate) fn audio(start: Duration, duration: Duration) -> Self {
        let kind = super::Source::audio().kind;
        let rate = FrameRate::new(48_000, 1024).unwrap();
        let samples = frames(rate, start, duration).map(|index| {
            let time = sample_time(index * 1024);
            Sample {
                time,
                duration: sample_time((index + 1) * 1024).saturating_since(time),
                sync: true,
                segment: None,
                data: telling("audio", index, 12),
            }
        });
        let cadence = cadence(FrameRate::new(30, 1).unwrap());
        Self::record(&track("audio", kind, AAC_LC_48K_STEREO), cadence, samples)
    }
}

pub(crate) fn cadence(rate: FrameRate) -> Cadence {
    Cadence::new(rate, Duration::from_secs(2), Duration::from_millis(333))
}

fn track(text: &str, kind: InitKind, config: &'static [u8]) -> Track {
    Track {
        rendition: name(text),
        kind,
        bitrate: Bitrate::from_kbps(2500),
        decoder_config: Bytes::from_static(config),
    }
}

/// Frames that begin from `start` on and before it and `duration`.
fn frames(rate: FrameRate, start: Duration, duration: Duration) -> std::ops::Range<u64> {
    let index = |time: Duration| {
        let nearest = rate.nearest_frame(MediaTime::ZERO + time);
        u64::try_from(nearest).unwrap()
    };
    index(start)..index(start + duration)
}

/// A sample that tells which it is.
fn telling(text: &str, index: u64, len: usize) -> Bytes {
    let mut bytes = format!("{text}/{index};").into_bytes();
    bytes.resize(len.max(bytes.len()), b'.');
    bytes.into()
}
