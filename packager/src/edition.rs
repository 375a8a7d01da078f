//! One state of a rendition as viewers see it: its playlists and the media that can be asked for.
//! Immutable; each chunk brings a new one that shares the old one's segments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media_core::MediaTime;

use crate::plan::Plan;
use crate::playlist::links::Links;
use crate::playlist::media::{self, Content, Form, Report, Snapshot};
use crate::segment::{Entry, Part, Segment};
use crate::sequence::{DiscontinuitySequence, MediaSequence, PartIndex};
use crate::text::{Coding, Text, code};

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
    /// The broadcast's plan.
    pub(crate) plan: Arc<Plan>,
    /// What the media is.
    pub(crate) kind: Kind,
    /// The initialization segment.
    pub(crate) init: Bytes,
    /// Complete segments whose media is in the archive, oldest first.
    pub(crate) history: Arc<VecDeque<Entry>>,
    /// Complete segments after them, oldest first, without a hole in their numbers.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The segment that is growing.
    pub(crate) open: Option<Arc<Segment>>,
    /// The number of the segment that is open or, where none is, of the next.
    pub(crate) open_sequence: MediaSequence,
    /// The latest segment's discontinuity sequence number.
    pub(crate) discontinuity_sequence: DiscontinuitySequence,
    /// The part that comes next.
    pub(crate) hint: Option<(MediaSequence, PartIndex)>,
    /// How far the other renditions are.
    pub(crate) reports: Vec<Report>,
    /// Whether the broadcast has ended: this is the last edition.
    pub(crate) ended: bool,
    /// Its playlists, by [`Shape::index`].
    pub(crate) texts: [Text; Shape::COUNT],
}

/// Which of an edition's playlists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Media or I-frames.
    pub(crate) content: Content,
    /// Whether it reaches back as far as viewers may rewind.
    pub(crate) dvr: bool,
    /// Whether it is a delta update.
    pub(crate) delta: bool,
}

impl Shape {
    const COUNT: usize = 8;

    fn index(self) -> usize {
        let iframes = self.content == Content::IFrames;
        usize::from(iframes) << 2 | usize::from(self.dvr) << 1 | usize::from(self.delta)
    }
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
    /// A playlist; with a token one viewer's own.
    pub(crate) fn text(&self, shape: Shape, token: Option<&str>, coding: Coding) -> Bytes {
        let render = || self.render(shape, token);
        match token {
            Some(_) => code(render(), coding),
            None => self.texts[shape.index()].coded(coding, render),
        }
    }

    /// The length of the latest part: the pace of reloads in low latency.
    pub(crate) fn part_duration(&self) -> Duration {
        let latest = self.open.as_ref().or(self.segments.last());
        let part = latest.and_then(|segment| segment.parts.last());
        part.map_or(self.plan.part_target, |part| {
            part.end.saturating_since(part.start)
        })
    }

    fn render(&self, shape: Shape, token: Option<&str>) -> String {
        let plan = &self.plan;
        let snapshot = Snapshot {
            broadcast: &plan.broadcast,
            began: plan.began,
            target_duration_s: plan.target_duration_s,
            part_target: plan.part_target,
            history: &self.history,
            segments: &self.segments,
            open: self.open.as_deref(),
            start: (self.open_sequence, self.discontinuity_sequence),
            hint: self.hint,
            reports: &self.reports,
            ended: self.ended,
        };
        let form = Form {
            content: shape.content,
            listed_max: self.listed_max(shape.dvr),
            delta: shape.delta,
            links: Links {
                dvr: shape.dvr,
                token,
            },
        };
        media::render(&snapshot, form)
    }

    /// How many complete segments a playlist lists.
    fn listed_max(&self, dvr: bool) -> usize {
        let listed = self.plan.listed_segments();
        let Some(reach) = self.plan.dvr.filter(|_| dvr) else {
            return listed;
        };
        let latest = self.open.as_ref().or(self.segments.last());
        let archived_end = || self.history.back().map(|entry| entry.end);
        let end = latest.map(|segment| segment.end()).or_else(archived_end);
        let end = end.unwrap_or(MediaTime::ZERO);
        let too_old = |start: MediaTime| end.saturating_since(start) > reach;
        let archived = self.history.partition_point(|entry| too_old(entry.start));
        let held = self
            .segments
            .partition_point(|segment| too_old(segment.start));
        (self.history.len() - archived + self.segments.len() - held).max(listed)
    }

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
        let part_target_ms = self.plan.part_target.as_millis().clamp(1, 1000) as usize;
        (ADVANCE_PARTS_S as usize * 1000).div_ceil(part_target_ms)
    }
}

#[cfg(test)]
mod tests;
