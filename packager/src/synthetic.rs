//! Made-up media for the tests: exact frame grids, bytes that tell where they belong.

pub(crate) mod encoded;
pub(crate) mod server;
pub(crate) mod stored;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use media_core::{
    Bitrate, BroadcastId, Chunk, FrameRate, Init, InitKind, MediaTime, RenditionName,
};

use crate::plan::Plan;
use crate::sequence::{DiscontinuitySequence, MediaSequence};

pub(crate) fn name(text: &str) -> RenditionName {
    RenditionName::new(text).unwrap()
}

/// 2020-09-13T12:26:40Z.
pub(crate) fn began() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)
}

pub(crate) fn plan(renditions: &[&str], part_target: Duration) -> Plan {
    Plan {
        broadcast: BroadcastId::new("b7").unwrap(),
        target_duration_s: 2,
        part_target,
        window_segments: 6,
        dvr: None,
        began: began(),
        renditions: renditions.iter().map(|text| name(text)).collect(),
        first_sequence: MediaSequence::new(0),
        discontinuity_sequence: DiscontinuitySequence::new(0),
    }
}

/// Of each 1000-byte chunk that a segment of video begins with.
pub(crate) const KEYFRAME_BYTES: usize = 300;

/// A rendition's source of chunks: a grid of frames cut into parts and segments.
pub(crate) struct Source {
    pub(crate) rendition: RenditionName,
    pub(crate) kind: InitKind,
    pub(crate) part_frames: u64,
    frame_index: u64,
    segment_index: u64,
    /// Frame at which the segment that is being made ends.
    segment_end: u64,
    part_bytes: usize,
}

impl Source {
    pub(crate) fn video(text: &str, rate: FrameRate, part_frames: u64) -> Self {
        let (width, height) = match text {
            "1080p" => (1920, 1080),
            "720p" => (1280, 720),
            "480p" => (854, 480),
            _ => (640, 360),
        };
        let kind = InitKind::Video {
            width,
            height,
            frame_rate: rate,
        };
        Self::new(text, kind, part_frames)
    }

    pub(crate) fn audio() -> Self {
        let kind = InitKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        };
        Self::new("audio", kind, 9)
    }

    fn new(text: &str, kind: InitKind, part_frames: u64) -> Self {
        Self {
            rendition: name(text),
            kind,
            part_frames,
            frame_index: 0,
            segment_index: 0,
            segment_end: 0,
            part_bytes: 1000,
        }
    }

    pub(crate) fn with_part_bytes(mut self, part_bytes: usize) -> Self {
        self.part_bytes = part_bytes;
        self
    }

    /// Frames a second: of AAC, 48,000 samples in frames of 1024.
    pub(crate) fn rate(&self) -> FrameRate {
        match self.kind {
            InitKind::Video { frame_rate, .. } => frame_rate,
            InitKind::Audio { sample_rate, .. } => FrameRate::new(sample_rate, 1024).unwrap(),
        }
    }

    pub(crate) fn init(&self) -> Init {
        let (codec, bitrate) = match self.kind {
            InitKind::Video { height: 1080, .. } => ("avc1.640028", Bitrate::from_kbps(5000)),
            InitKind::Video { height: 720, .. } => ("avc1.64001f", Bitrate::from_kbps(2500)),
            InitKind::Video { height: 480, .. } => ("avc1.64001e", Bitrate::from_kbps(1200)),
            InitKind::Video { .. } => ("avc1.64001e", Bitrate::from_kbps(800)),
            InitKind::Audio { .. } => ("mp4a.40.2", Bitrate::from_kbps(128)),
        };
        Init {
            rendition: self.rendition.clone(),
            codec: codec.to_owned(),
            kind: self.kind,
            bitrate,
            bytes: Bytes::from(format!("init of {}", self.rendition)),
        }
    }

    /// Where the next chunk begins.
    pub(crate) fn now(&self) -> MediaTime {
        self.rate().frame_time(self.frame_index)
    }

    pub(crate) fn chunk(&mut self) -> Chunk {
        let rate = self.rate();
        let starts_segment = self.frame_index == self.segment_end;
        if starts_segment {
            self.segment_index += 1;
            // Video: whole frames nearest to 2 s. Audio: the first frame at or after 2 s, 4 s, …
            self.segment_end = match self.kind {
                InitKind::Video { .. } => {
                    self.segment_index * u64::from(rate.frames_in(Duration::from_secs(2)))
                }
                InitKind::Audio { .. } => (self.segment_index * 2 * 48_000).div_ceil(1024),
            };
        }
        let is_video = matches!(self.kind, InitKind::Video { .. });
        let first = self.frame_index;
        self.frame_index = (first + self.part_frames).min(self.segment_end);
        let dts = rate.frame_time(first);
        let text = format!("{}/{}/{first};", self.rendition, self.segment_index - 1);
        let mut tail = text.into_bytes();
        tail.resize(self.part_bytes - 4, b'.');
        Chunk {
            rendition: self.rendition.clone(),
            dts,
            duration: rate.frame_time(self.frame_index).saturating_since(dts),
            starts_segment,
            ends_segment: self.frame_index == self.segment_end,
            independent: starts_segment,
            keyframe_bytes: (is_video && starts_segment).then_some(KEYFRAME_BYTES),
            bytes: vec![Bytes::from_static(b"moof"), Bytes::from(tail)],
        }
    }

    /// Chunks up to media time `end`.
    pub(crate) fn until(&mut self, end: MediaTime) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while self.now() < end {
            chunks.push(self.chunk());
        }
        chunks
    }
}

pub(crate) fn rate(numerator: u32, denominator: u32) -> FrameRate {
    FrameRate::new(numerator, denominator).unwrap()
}

pub(crate) fn seconds(seconds: i64) -> MediaTime {
    MediaTime::from_millis(seconds * 1000)
}
