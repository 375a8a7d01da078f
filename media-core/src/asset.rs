//! What is stored of encoded media: one file a rendition, with the places of its segments.
//!
//! A rendition's file is its initialization segment and behind it its segments, one behind the
//! other, each a row of CMAF chunks as viewers of the broadcast were given them. `storage` writes
//! and reads this; `packager` makes playlists and progressive files of it.

use std::time::Duration;

use bytes::Bytes;

use crate::chunk::Init;
use crate::time::MediaTime;

/// One rendition of an asset.
#[derive(Clone, Debug)]
pub struct StoredRendition {
    /// Its initialization segment, with which its file begins, and what playlists say of it.
    pub init: Init,
    /// Its segments in order of time.
    pub segments: Vec<StoredSegment>,
}

/// Where a complete segment lies in its rendition's file, and what playlists say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSegment {
    /// Decode time of its first sample on the asset's clock, which begins at zero.
    pub start: MediaTime,
    /// From its first sample to the end of its last.
    pub duration: Duration,
    /// Its first byte in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub len_bytes: u32,
    /// Of video: the bytes from its first to the end of the IDR frame that it begins with.
    pub keyframe_bytes: Option<u32>,
}

impl StoredSegment {
    /// Where its last sample ends.
    pub fn end(&self) -> MediaTime {
        self.start + self.duration
    }
}

/// The samples of one chunk of a stored segment: they lie one behind the other, all equally long
/// in time, and of video only the first of a segment is a sync sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleRun {
    /// The first sample's first byte, counted from the segment's.
    pub offset: u32,
    /// Each sample's length in bytes.
    pub sizes: Vec<u32>,
}

impl SampleRun {
    /// The samples of a chunk of these [`bytes`](crate::Chunk::bytes), which begins `before` bytes
    /// into its segment: the muxer leaves a chunk's head as one piece and each sample as one.
    pub fn of(pieces: &[Bytes], before: u32) -> Self {
        let mut pieces = pieces.iter().map(|piece| piece.len() as u32);
        let head = pieces.next().unwrap_or(0);
        Self {
            offset: before + head,
            sizes: pieces.collect(),
        }
    }
}
