//! One rendition's window: chunks in, segments and parts out. Sans-IO; the only time it knows is
//! the chunks' own.
//!
//! It keeps the segments that the playlist lists and, behind them, those that a viewer with an
//! older playlist may still ask for; of those before them, where viewers may rewind, what a
//! playlist says of them. It does not render, wait, or know of other renditions or of disks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use media_core::cadence::AAC_FRAME_SAMPLES;
use media_core::{Chunk, InitKind, MediaTime};

use crate::fault::Fault;
use crate::plan::Plan;
use crate::rate::Meter;
use crate::segment::{Entry, Part, Segment};
use crate::sequence::{DiscontinuitySequence, MediaSequence, PartIndex};

/// Most parts in a segment: ten times what a 2 s segment of 100 ms parts can need.
pub const SEGMENT_PARTS_MAX: usize = 256;

/// Most bytes in a segment: 2 s at 128 Mbit/s, 25 times the highest rung.
pub const SEGMENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// By how much a segment may be longer than the target duration: `EXTINF`, rounded to the nearest
/// second, must not exceed it (draft-pantos-hls-rfc8216bis-18 §4.4.3.1).
const OVER_TARGET: Duration = Duration::from_millis(500);

/// With a DVR, what is older is read from the archive.
const MEMORY_HELD: Duration = Duration::from_secs(60);

/// Most segments in the history: a day of 1 s segments, twice over.
pub const HISTORY_MAX: usize = 2 * 24 * 3600;

/// What a chunk did to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The segment before the chunk is complete now.
    pub closed: bool,
    /// What was odd about a chunk that was taken all the same.
    pub oddity: Option<Fault>,
}

/// One rendition's segments, parts and counters.
#[derive(Debug)]
pub struct Window {
    video: bool,
    /// Duration of the smallest piece that the media can be cut into.
    grain: Duration,
    segment_max: Duration,
    part_target: Duration,
    held_max: usize,
    /// How long a segment stays in the history; zero without a DVR.
    remembered: Duration,
    history: Arc<VecDeque<Entry>>,
    closed: VecDeque<Arc<Segment>>,
    /// Grows; never empty while it is there. It stays open until the next segment begins, though
    /// it may have its last part before: a playlist that ends with a complete segment and no part
    /// after it makes hls.js stall (design/0009).
    open: Option<Segment>,
    /// Whether the open segment has its last part.
    open_has_all: bool,
    next_sequence: MediaSequence,
    discontinuity_sequence: DiscontinuitySequence,
    discontinuity_pending: bool,
    last_end: Option<MediaTime>,
    ended: bool,
    meter: Meter,
}

impl Window {
    /// An empty window for media of `kind`.
    pub fn new(plan: &Plan, kind: InitKind) -> Self {
        let (video, grain) = match kind {
            InitKind::Video { frame_rate, .. } => (true, frame_rate.frame_duration()),
            InitKind::Audio { sample_rate, .. } => {
                let frame_nanos = AAC_FRAME_SAMPLES * 1_000_000_000 / u64::from(sample_rate.max(1));
                (false, Duration::from_nanos(frame_nanos))
            }
        };
        Self {
            video,
            grain,
            segment_max: plan.target_duration() + OVER_TARGET,
            part_target: plan.part_target,
            held_max: held_max(plan),
            remembered: remembered(plan),
            history: Arc::default(),
            closed: VecDeque::new(),
            open: None,
            open_has_all: false,
            next_sequence: plan.first_sequence,
            discontinuity_sequence: plan.discontinuity_sequence,
            discontinuity_pending: false,
            last_end: None,
            ended: false,
            meter: Meter::new(plan.target_duration()),
        }
    }

    /// Takes a chunk. An error means that it was dropped.
    pub fn push(&mut self, chunk: Chunk) -> Result<Pushed, Fault> {
        let len_bytes = chunk.len_bytes();
        if self.ended {
            return Err(Fault::AfterEnd);
        }
        if len_bytes == 0 || chunk.duration.is_zero() {
            return Err(Fault::Empty);
        }
        let tolerance = self.grain / 2;
        let expected = self.last_end.unwrap_or(chunk.dts);
        if chunk.dts + tolerance < expected {
            // What follows it does not follow what is open: wait for the next segment.
            self.close();
            return Err(Fault::BackInTime);
        }
        let gap = expected + tolerance < chunk.dts;

        let mut closed = false;
        if chunk.starts_segment {
            closed = self.close();
            // §4.4.2.1: every segment can be decoded on its own.
            if self.video && !chunk.independent {
                return Err(Fault::NotIndependent);
            }
            self.open_at(if gap { chunk.dts } else { expected }, gap);
        }
        let Some(open) = &mut self.open else {
            return Err(Fault::OutsideSegment);
        };
        let end = chunk.dts + chunk.duration;
        if end.saturating_since(open.start) >= self.segment_max
            || open.parts.len() == SEGMENT_PARTS_MAX
            || open.len_bytes + len_bytes > SEGMENT_BYTES_MAX
        {
            // A hole up to the next keyframe is a pause. A playlist that breaks its own target
            // duration is one that a client may reject, and hls.js was seen to stall and drift.
            if open.parts.is_empty() {
                self.open = None;
            }
            self.close();
            return Err(Fault::SegmentTooLong);
        }

        // Each end is the chunk's own media time, so that rounding never adds up; each start is
        // the end before it, so that parts sum to their segment.
        let too_long = chunk.duration > self.part_target + tolerance;
        open.len_bytes += len_bytes;
        open.parts.push(Arc::new(Part {
            start: open.end(),
            end,
            independent: chunk.independent || !self.video,
            keyframe_bytes: chunk.keyframe_bytes,
            pieces: chunk.bytes,
            len_bytes,
        }));
        self.last_end = Some(end);
        self.open_has_all = chunk.ends_segment;
        let oddity = match (gap, too_long) {
            (true, _) => Some(Fault::Gap),
            (false, true) => Some(Fault::PartTooLong),
            (false, false) => None,
        };
        Ok(Pushed { closed, oddity })
    }

    /// Closes the segment that is open; nothing is taken from then on.
    pub fn end(&mut self) {
        self.close();
        self.ended = true;
    }

    /// Lets the next segment begin with a discontinuity (§4.4.4.3).
    pub fn discontinuity(&mut self) {
        // Before the first segment there is nothing to be discontinuous with.
        self.discontinuity_pending = self.last_end.is_some();
    }

    /// All complete segments still held, oldest first.
    pub fn held(&self) -> &VecDeque<Arc<Segment>> {
        &self.closed
    }

    /// The segments before those held, oldest first: their media is in the archive.
    pub fn history(&self) -> &Arc<VecDeque<Entry>> {
        &self.history
    }

    /// After the end: leaves the segments that are `stored` elsewhere to the history.
    pub fn settle(&mut self, stored: impl Fn(MediaSequence) -> bool) {
        while self
            .closed
            .front()
            .is_some_and(|front| stored(front.sequence))
        {
            if let Some(segment) = self.closed.pop_front() {
                Arc::make_mut(&mut self.history).push_back(segment.entry());
            }
        }
    }

    /// Forgets the history before `oldest`, or all of it: the archive has lost it.
    pub fn forget_before(&mut self, oldest: Option<MediaSequence>) {
        let lost = |entry: &Entry| oldest.is_none_or(|oldest| entry.sequence < oldest);
        let count = self.history.partition_point(lost);
        if count > 0 {
            Arc::make_mut(&mut self.history).drain(..count);
        }
    }

    /// The segment that is growing.
    pub fn open(&self) -> Option<&Segment> {
        self.open.as_ref()
    }

    /// Whether [`end`](Self::end) was called.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The number of the segment that is open or, where none is, of the next.
    pub fn open_sequence(&self) -> MediaSequence {
        self.next_sequence
    }

    /// The latest segment's discontinuity sequence number.
    pub fn discontinuity_sequence(&self) -> DiscontinuitySequence {
        self.discontinuity_sequence
    }

    /// The latest part, for `EXT-X-RENDITION-REPORT`.
    pub fn last_part(&self) -> Option<(MediaSequence, PartIndex)> {
        let segment = self.open().or(self.closed.back().map(AsRef::as_ref))?;
        let last = segment.parts.len().checked_sub(1)?;
        Some((segment.sequence, PartIndex::after(last)))
    }

    /// The part that comes next, for `EXT-X-PRELOAD-HINT`; `None` after the end.
    pub fn hint(&self) -> Option<(MediaSequence, PartIndex)> {
        let hint = match self.open() {
            None => (self.next_sequence, PartIndex::FIRST),
            Some(_) if self.open_has_all => (self.next_sequence.next(), PartIndex::FIRST),
            Some(open) => (self.next_sequence, open.next_part()),
        };
        (!self.ended).then_some(hint)
    }

    /// The largest measured rate of a segment, in bits a second.
    pub fn peak_bps(&self) -> u64 {
        self.meter.peak_bps()
    }

    /// The largest measured rate of a segment's first frame, in bits a second; 0 of audio.
    pub fn iframe_peak_bps(&self) -> u64 {
        self.meter.iframe_peak_bps()
    }

    /// The measured rate of all segments so far, in bits a second.
    pub fn average_bps(&self) -> u64 {
        self.meter.average_bps()
    }

    fn open_at(&mut self, start: MediaTime, after_gap: bool) {
        let discontinuity = std::mem::take(&mut self.discontinuity_pending);
        if discontinuity {
            self.discontinuity_sequence = self.discontinuity_sequence.next();
        }
        self.open = Some(Segment {
            sequence: self.next_sequence,
            discontinuity,
            discontinuity_sequence: self.discontinuity_sequence,
            after_gap,
            start,
            parts: Vec::new(),
            len_bytes: 0,
        });
    }

    fn close(&mut self) -> bool {
        let Some(segment) = self.open.take() else {
            return false;
        };
        self.next_sequence = self.next_sequence.next();
        let keyframe_bytes = segment.entry().keyframe_bytes.unwrap_or(0);
        self.meter.add(
            segment.len_bytes as u64,
            segment.duration(),
            keyframe_bytes as u64,
        );
        let end = segment.end();
        self.closed.push_back(Arc::new(segment));
        while self.closed.len() > self.held_max {
            let Some(oldest) = self.closed.pop_front() else {
                break;
            };
            if !self.remembered.is_zero() {
                Arc::make_mut(&mut self.history).push_back(oldest.entry());
            }
        }
        let forgotten = |entry: &Entry| end.saturating_since(entry.end) > self.remembered;
        let count = self
            .history
            .partition_point(forgotten)
            .max(self.history.len().saturating_sub(HISTORY_MAX));
        if count > 0 {
            Arc::make_mut(&mut self.history).drain(..count);
        }
        true
    }
}

/// §6.2.2: a segment stays available for its own duration and the longest playlist that listed it
/// after it has left the playlist.
fn held_max(plan: &Plan) -> usize {
    let listed = plan.listed_segments();
    let in_memory = match plan.dvr {
        Some(_) => MEMORY_HELD
            .as_secs()
            .div_ceil(u64::from(plan.target_duration_s.max(1))),
        None => 0,
    };
    (listed + listed + 1).max(in_memory as usize)
}

/// The same of the playlist that reaches back as far as viewers may rewind.
fn remembered(plan: &Plan) -> Duration {
    plan.dvr
        .map_or(Duration::ZERO, |dvr| dvr * 2 + plan.target_duration())
}

#[cfg(test)]
mod tests;
