//! What comes out of the ladder: initialization segments and CMAF chunks.

use std::time::Duration;

use bytes::Bytes;

use crate::id::RenditionName;
use crate::ladder::Bitrate;
use crate::time::{FrameRate, MediaTime};

/// The initialization segment (`ftyp` + `moov`, ISO/IEC 23000-19 §7.3.1) of a rendition and what
/// a multivariant playlist says of it. Comes once, before the rendition's first chunk.
#[derive(Clone, Debug)]
pub struct Init {
    /// The rendition.
    pub rendition: RenditionName,
    /// The codec as RFC 6381 writes it, from the bitstream itself: `avc1.64001f`, `mp4a.40.2`.
    pub codec: String,
    /// What kind of media it is.
    pub kind: InitKind,
    /// The configured average bitrate.
    pub bitrate: Bitrate,
    /// The initialization segment.
    pub bytes: Bytes,
}

/// Video or audio parameters of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitKind {
    /// A video rendition.
    Video {
        /// Width in square pixels.
        width: u32,
        /// Height in square pixels.
        height: u32,
        /// The broadcast's constant frame rate.
        frame_rate: FrameRate,
    },
    /// The audio rendition.
    Audio {
        /// Samples a second.
        sample_rate: u32,
        /// Number of channels.
        channels: u32,
    },
}

/// One CMAF chunk (`moof` + `mdat`, ISO/IEC 23000-19 §7.3.2.3): an HLS part.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The rendition it belongs to.
    pub rendition: RenditionName,
    /// Decode time of its first sample on the broadcast's clock; equals its presentation time,
    /// since the ladder encodes without B-frames.
    pub dts: MediaTime,
    /// From its first sample to the end of its last.
    pub duration: Duration,
    /// Whether a segment begins with it.
    pub starts_segment: bool,
    /// Whether a segment ends with it, which is known before the next one begins.
    pub ends_segment: bool,
    /// Whether decoding can begin with it (video: its first sample is an IDR frame).
    pub independent: bool,
    /// Of video that begins with an IDR frame: the bytes from the chunk's first to that frame's
    /// last, which is what a player needs to show it alone.
    pub keyframe_bytes: Option<usize>,
    /// The box bytes in order, as the muxer left them: joining them would be a copy.
    pub bytes: Vec<Bytes>,
}

impl Chunk {
    /// Total size in bytes.
    pub fn len_bytes(&self) -> usize {
        self.bytes.iter().map(Bytes::len).sum()
    }
}
