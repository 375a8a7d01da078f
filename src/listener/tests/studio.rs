//! A broadcast to send requests to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use media_core::{
    Bitrate, BroadcastId, Chunk, FrameRate, Init, InitKind, MediaTime, RenditionName, StreamId,
};
use packager::{Broadcast, DiscontinuitySequence, Live, MediaSequence, Plan};

use super::BIG_BYTES;

const PARTS_PER_SEGMENT: i64 = 4;
const PART_MS: i64 = 500;

/// Pieces of a part, as a muxer makes them: more than a write takes.
const PIECES: usize = 40;

/// Stream `s` with the rendition `720p` in broadcast `b7`: segments 0 and 1 are there, and part 0
/// of segment 2. A segment has [`BIG_BYTES`].
pub(super) struct Studio {
    broadcast: Arc<Broadcast>,
    parts: i64,
}

impl Studio {
    pub(super) fn new(live: &Live) -> Self {
        let rendition = rendition();
        let plan = Plan {
            broadcast: BroadcastId::new("b7").expect("valid"),
            target_duration_s: 2,
            part_target: Duration::from_millis(PART_MS.unsigned_abs()),
            window_segments: 6,
            dvr: None,
            began: SystemTime::UNIX_EPOCH,
            renditions: vec![rendition.clone()],
            first_sequence: MediaSequence::new(0),
            discontinuity_sequence: DiscontinuitySequence::new(0),
        };
        let broadcast = live.start(StreamId::new("s").expect("valid"), plan, None);
        broadcast.init(Init {
            rendition,
            codec: "avc1.64001f".into(),
            kind: InitKind::Video {
                width: 1280,
                height: 720,
                frame_rate: FrameRate::new(30, 1).expect("a rate"),
            },
            bitrate: Bitrate::from_kbps(5000),
            bytes: Bytes::from_static(b"init"),
        });
        let mut studio = Self {
            broadcast,
            parts: 0,
        };
        for _ in 0..=2 * PARTS_PER_SEGMENT {
            studio.push();
        }
        studio
    }

    /// Publishes the next part.
    pub(super) fn push(&mut self) {
        let index = self.parts;
        self.parts += 1;
        let place = index % PARTS_PER_SEGMENT;
        self.broadcast.push(Chunk {
            rendition: rendition(),
            dts: MediaTime::from_millis(index * PART_MS),
            duration: Duration::from_millis(PART_MS.unsigned_abs()),
            starts_segment: place == 0,
            ends_segment: place == PARTS_PER_SEGMENT - 1,
            independent: place == 0,
            keyframe_bytes: None,
            bytes: part(index),
        });
    }
}

fn rendition() -> RenditionName {
    RenditionName::new("720p").expect("valid")
}

/// Bytes that tell where they belong.
fn part(index: i64) -> Vec<Bytes> {
    let length = BIG_BYTES / 4;
    let bytes: Bytes = (0..length)
        .map(|at| (at / 251) as u8 ^ at as u8 ^ index as u8)
        .collect();
    let piece = length.div_ceil(PIECES);
    (0..PIECES)
        .map(|at| bytes.slice((at * piece).min(length)..((at + 1) * piece).min(length)))
        .collect()
}

/// A whole segment.
pub(super) fn segment(sequence: i64) -> Vec<u8> {
    let first = sequence * PARTS_PER_SEGMENT;
    let parts = (first..first + PARTS_PER_SEGMENT).flat_map(part);
    parts.flat_map(|piece| piece.to_vec()).collect()
}
