//! One state of a rendition as viewers see it: the rendered playlist and the media that can be
//! asked for. Immutable; each chunk brings a new one that shares the old one's segments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::segment::{Part, Segment};
use crate::sequence::{MediaSequence, PartIndex};

/// How many segments past the last complete one a blocking reload may name
/// (draft-pantos-hls-rfc8216bis-18 §6.2.5.2).
const ADVANCE_SEGMENTS_MAX: u64 = 2;

/// How far past the last part a blocking reload may reach, in seconds of parts (§6.2.5.2,
/// "Advance Part Limit"); at least as many parts.
const ADVANCE_PARTS_S: u32 = 3;

/// Which content type a rendition's media has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Video, with or without audio in it.
    Video,
    /// Audio alone.
    Audio,
}

/// A rendition's state.
#[derive(Clone, Debug)]
pub(crate) struct Edition {
    /// What the media is.
    pub(crate) kind: Kind,
    /// The initialization segment.
    pub(crate) init: Bytes,
    /// The media playlist.
    pub(crate) playlist: Bytes,
    /// Complete segments, oldest first, without a hole in their numbers.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The segment that is growing.
    pub(crate) open: Option<Arc<Segment>>,
    /// The number of the segment that is open or, where none is, of the next.
    pub(crate) open_sequence: MediaSequence,
    /// `PART-TARGET`.
    pub(crate) part_target: Duration,
    /// Whether the broadcast has ended: this is the last edition.
    pub(crate) ended: bool,
}

/// What a blocking reload asks for: the delivery directives of §6.2.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// `_HLS_msn`.
    pub(crate) sequence: MediaSequence,
    /// `_HLS_part`; without it the complete segment is meant.
    pub(crate) part: Option<PartIndex>,
}

/// Whether a playlist can be answered with now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// It contains what was asked for.
    Ready,
    /// It does not yet.
    Wait,
    /// What was asked for lies too far ahead.
    TooFarAhead,
}

/// Where a piece of media is.
#[derive(Clone, Debug)]
pub(crate) enum Found<T> {
    /// Here.
    Here(T),
    /// It is the next to come.
    Coming,
    /// Gone, never there, or too far ahead.
    Nowhere,
}

impl Edition {
    /// Decides on a blocking reload (§6.2.5.2).
    pub(crate) fn reload(&self, awaited: Awaited) -> Reload {
        if self.ended {
            // Nothing will come: the playlist with its EXT-X-ENDLIST is the answer.
            return Reload::Ready;
        }
        let open_parts = self.open.as_ref().map_or(0, |open| open.parts.len());
        let Some(ahead) = awaited.sequence.since(self.open_sequence) else {
            // A complete segment. A part past its end means the next segment's first part.
            let waits = awaited.part.is_some_and(|part| {
                awaited.sequence.next() == self.open_sequence
                    && open_parts == 0
                    && self.complete_has(awaited.sequence, part) == Some(false)
            });
            return if waits { Reload::Wait } else { Reload::Ready };
        };
        // The open segment is one past the last complete one.
        if ahead + 1 > ADVANCE_SEGMENTS_MAX {
            return Reload::TooFarAhead;
        }
        let Some(part) = awaited.part else {
            return Reload::Wait;
        };
        if ahead == 0 && part.as_usize() < open_parts {
            return Reload::Ready;
        }
        let last_part = if ahead == 0 { open_parts } else { 0 };
        if part.as_usize() > last_part + self.advance_parts_max() {
            return Reload::TooFarAhead;
        }
        Reload::Wait
    }

    /// The complete segment with this number.
    pub(crate) fn segment(&self, sequence: MediaSequence) -> Option<&Arc<Segment>> {
        let first = self.segments.first()?.sequence;
        self.segments
            .get(usize::try_from(sequence.since(first)?).ok()?)
    }

    /// The part at this place. `Coming` is said of a segment's next part and of the next
    /// segment's first: those that a playlist may have hinted at (§4.4.5.3).
    pub(crate) fn part(&self, sequence: MediaSequence, index: PartIndex) -> Found<Arc<Part>> {
        let open = self.open.as_ref();
        let segment = match open {
            Some(open) if open.sequence == sequence => Some(open),
            _ => self.segment(sequence),
        };
        if let Some(part) = segment.and_then(|segment| segment.part(index)) {
            return Found::Here(part.clone());
        }
        let next_in_open = open.map_or(PartIndex::FIRST, |open| open.next_part());
        let next = [
            (self.open_sequence, next_in_open),
            (self.open_sequence.next(), PartIndex::FIRST),
        ];
        if !self.ended && next.contains(&(sequence, index)) {
            return Found::Coming;
        }
        Found::Nowhere
    }

    fn complete_has(&self, sequence: MediaSequence, part: PartIndex) -> Option<bool> {
        let segment = self.segment(sequence)?;
        Some(segment.part(part).is_some())
    }

    fn advance_parts_max(&self) -> usize {
        let part_target_ms = self.part_target.as_millis().clamp(1, 1000) as usize;
        (ADVANCE_PARTS_S as usize * 1000).div_ceil(part_target_ms)
    }
}

#[cfg(test)]
mod tests;
