//! What can be wrong with what the ladder hands over, and how often it was.

/// A fault of the encoding side: ours, since the publisher's ends at the Timeline. Never shown to
/// a viewer; counted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The plan names no such rendition. Dropped.
    #[error("the broadcast's plan has no such rendition")]
    UnknownRendition,
    /// A second initialization segment. Dropped: the first is cached by viewers as immutable.
    #[error("a second initialization segment for the rendition")]
    SecondInit,
    /// A chunk before its rendition's initialization segment. Dropped.
    #[error("a chunk before the rendition's initialization segment")]
    BeforeInit,
    /// A chunk after the broadcast's end. Dropped.
    #[error("a chunk after the broadcast's end")]
    AfterEnd,
    /// A chunk without bytes or without duration. Dropped.
    #[error("a chunk without bytes or duration")]
    Empty,
    /// A chunk that begins before the previous one ended. Dropped.
    #[error("a chunk that goes back in media time")]
    BackInTime,
    /// A chunk while no segment is open: it follows one that was dropped. Dropped.
    #[error("a chunk outside of any segment")]
    OutsideSegment,
    /// A video segment that would not begin with an IDR frame, against what
    /// `EXT-X-INDEPENDENT-SEGMENTS` promises. Dropped up to the next good start.
    #[error("a segment that does not begin with an IDR frame")]
    NotIndependent,
    /// A segment that outgrew its bounds. Closed there; the rest of it is dropped.
    #[error("a segment past its bounds in duration, bytes or parts")]
    SegmentTooLong,
    /// Media time is missing before the chunk. Taken.
    #[error("media time is missing before a chunk")]
    Gap,
    /// A part longer than `PART-TARGET`. Taken.
    #[error("a part longer than the part target")]
    PartTooLong,
}

const KINDS: [Fault; 11] = [
    Fault::UnknownRendition,
    Fault::SecondInit,
    Fault::BeforeInit,
    Fault::AfterEnd,
    Fault::Empty,
    Fault::BackInTime,
    Fault::OutsideSegment,
    Fault::NotIndependent,
    Fault::SegmentTooLong,
    Fault::Gap,
    Fault::PartTooLong,
];

/// How often each fault was seen in a broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    counts: [u64; KINDS.len()],
}

impl Faults {
    /// How often `fault` was seen.
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// All faults seen, with their counts.
    pub fn seen(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        let counted = KINDS.iter().map(|&fault| (fault, self.count(fault)));
        counted.filter(|&(_, count)| count > 0)
    }

    /// Counts `fault` and returns its new count.
    pub(crate) fn note(&mut self, fault: Fault) -> u64 {
        let count = &mut self.counts[fault as usize];
        *count = count.saturating_add(1);
        *count
    }
}
