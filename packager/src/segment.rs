//! Segments and the parts that they are made of: media times and the muxer's own bytes, shared
//! by reference between the window, its snapshots and every response body.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media_core::MediaTime;

use crate::sequence::{DiscontinuitySequence, MediaSequence, PartIndex};

/// One partial segment (draft-pantos-hls-rfc8216bis §4.4.4.9): one CMAF chunk.
#[derive(Debug)]
pub struct Part {
    /// Where it begins on the broadcast's clock; the end of the part before it.
    pub start: MediaTime,
    /// Where its last sample ends.
    pub end: MediaTime,
    /// Whether decoding can begin with it.
    pub independent: bool,
    /// The bytes up to the end of the IDR frame that it begins with, where it does.
    pub keyframe_bytes: Option<usize>,
    /// The chunk's boxes in order, as the muxer left them.
    pub pieces: Vec<Bytes>,
    /// Sum of the pieces.
    pub len_bytes: usize,
}

impl Part {
    /// Its duration as playlists show it.
    pub fn listed_duration(&self) -> ListedDuration {
        ListedDuration::between(self.start, self.end)
    }
}

/// A segment: complete, or open and still growing.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: MediaSequence,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Its own discontinuity sequence number: one that begins with a discontinuity counts it.
    pub discontinuity_sequence: DiscontinuitySequence,
    /// Whether media time is missing between the segment before it and this one, so that its
    /// date does not follow from the durations before it.
    pub after_gap: bool,
    /// Where its first sample begins on the broadcast's clock.
    pub start: MediaTime,
    /// Its parts in order.
    pub parts: Vec<Arc<Part>>,
    /// Sum of the parts.
    pub len_bytes: usize,
}

/// All that playlists say of a complete segment: what is left of it once its media has gone to
/// the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// See [`Segment`].
    pub sequence: MediaSequence,
    /// See [`Segment`].
    pub discontinuity: bool,
    /// See [`Segment`].
    pub discontinuity_sequence: DiscontinuitySequence,
    /// See [`Segment`].
    pub after_gap: bool,
    /// Where its first sample begins.
    pub start: MediaTime,
    /// Where its last sample ends.
    pub end: MediaTime,
    /// The bytes up to the end of its first frame, for playlists of I-frames; video only.
    pub keyframe_bytes: Option<usize>,
}

impl Entry {
    /// Its duration as playlists show it.
    pub fn listed_duration(&self) -> ListedDuration {
        ListedDuration::between(self.start, self.end)
    }
}

impl Segment {
    /// What playlists say of it.
    pub fn entry(&self) -> Entry {
        Entry {
            sequence: self.sequence,
            discontinuity: self.discontinuity,
            discontinuity_sequence: self.discontinuity_sequence,
            after_gap: self.after_gap,
            start: self.start,
            end: self.end(),
            keyframe_bytes: self.parts.first().and_then(|part| part.keyframe_bytes),
        }
    }

    /// Where its last part ends.
    pub fn end(&self) -> MediaTime {
        self.parts.last().map_or(self.start, |part| part.end)
    }

    /// From its first sample to the end of its last.
    pub fn duration(&self) -> Duration {
        self.end().saturating_since(self.start)
    }

    /// Its bytes in order, as the muxer left them.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter().flat_map(|part| &part.pieces)
    }

    /// The part at `index`.
    pub fn part(&self, index: PartIndex) -> Option<&Arc<Part>> {
        self.parts.get(index.as_usize())
    }

    /// The place that its next part would take.
    pub fn next_part(&self) -> PartIndex {
        PartIndex::after(self.parts.len())
    }
}

/// A duration in whole microseconds, for `EXTINF` and `EXT-X-PART`. Both ends are rounded on the
/// broadcast's clock and not the span between them, so that the parts of a segment add up exactly
/// to it and the segments of a day to that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedDuration {
    micros: u64,
}

impl ListedDuration {
    pub(crate) fn between(start: MediaTime, end: MediaTime) -> Self {
        let micros = |time: MediaTime| time.as_nanos().saturating_add(500).div_euclid(1000);
        Self {
            micros: u64::try_from(micros(end) - micros(start)).unwrap_or(0),
        }
    }

    /// Whole microseconds.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }
}

impl std::fmt::Display for ListedDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, micros) = (self.micros / 1_000_000, self.micros % 1_000_000);
        write!(f, "{seconds}.{micros:06}")
    }
}
