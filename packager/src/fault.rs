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

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::UnknownRendition,
        Self::SecondInit,
        Self::BeforeInit,
        Self::AfterEnd,
        Self::Empty,
        Self::BackInTime,
        Self::OutsideSegment,
        Self::NotIndependent,
        Self::SegmentTooLong,
        Self::Gap,
        Self::PartTooLong,
    ];

    /// Its name in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownRendition => "unknown_rendition",
            Self::SecondInit => "second_init",
            Self::BeforeInit => "before_init",
            Self::AfterEnd => "after_end",
            Self::Empty => "empty",
            Self::BackInTime => "back_in_time",
            Self::OutsideSegment => "outside_segment",
            Self::NotIndependent => "not_independent",
            Self::SegmentTooLong => "segment_too_long",
            Self::Gap => "gap",
            Self::PartTooLong => "part_too_long",
        }
    }
}

/// How often each fault was seen in a broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    counts: [u64; Fault::ALL.len()],
}

impl Faults {
    /// How often `fault` was seen.
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// All faults seen, with their counts.
    pub fn seen(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        let counted = Fault::ALL.map(|fault| (fault, self.count(fault)));
        counted.into_iter().filter(|&(_, count)| count > 0)
    }

    /// Counts `fault` and returns its new count.
    pub(crate) fn note(&mut self, fault: Fault) -> u64 {
        let count = &mut self.counts[fault as usize];
        *count = count.saturating_add(1);
        *count
    }
}
