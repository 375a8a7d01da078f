//! What a broadcast will look like, fixed before its first byte.

use std::time::{Duration, SystemTime};

use media_core::{BroadcastId, RenditionName};

use crate::sequence::{DiscontinuitySequence, MediaSequence};

/// Fewest complete segments in a live playlist. Apple's HLS Authoring Specification asks for six.
pub const WINDOW_SEGMENTS_MIN: usize = 6;

/// Most complete segments in a live playlist: an hour of 2 s segments. Every one of them stays in
/// memory, in every rendition.
pub const WINDOW_SEGMENTS_MAX: usize = 1800;

/// The shape of a broadcast's playlists.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The broadcast; part of every media URL, so that those never mean other bytes.
    pub broadcast: BroadcastId,
    /// `EXT-X-TARGETDURATION` of every rendition, in seconds: no segment, rounded to the nearest
    /// second, may exceed it (draft-pantos-hls-rfc8216bis §4.4.3.1).
    pub target_duration_s: u32,
    /// `PART-TARGET` of every rendition: no part may exceed it, and all but a segment's last reach
    /// 85 % of it (§4.4.3.7).
    pub part_target: Duration,
    /// Complete segments in a playlist, held between [`WINDOW_SEGMENTS_MIN`] and
    /// [`WINDOW_SEGMENTS_MAX`].
    pub window_segments: usize,
    /// How far viewers may rewind; `None`: no further than a playlist without a DVR reaches.
    pub dvr: Option<Duration>,
    /// The wall clock at media time zero: the anchor of every `EXT-X-PROGRAM-DATE-TIME`.
    pub began: SystemTime,
    /// The renditions that will come, video from high to low, then the audio. Nothing is playable
    /// before each has a segment.
    pub renditions: Vec<RenditionName>,
    /// The first segment's number. A running viewer's stream continues after its last broadcast
    /// where that is later.
    pub first_sequence: MediaSequence,
    /// The first segment's discontinuity sequence number, likewise.
    pub discontinuity_sequence: DiscontinuitySequence,
}

impl Plan {
    /// The target duration as a span.
    pub fn target_duration(&self) -> Duration {
        Duration::from_secs(u64::from(self.target_duration_s))
    }

    /// `window_segments` within its bounds.
    pub(crate) fn listed_segments(&self) -> usize {
        self.window_segments
            .clamp(WINDOW_SEGMENTS_MIN, WINDOW_SEGMENTS_MAX)
    }
}
