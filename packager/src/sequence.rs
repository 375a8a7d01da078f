//! The numbers that count along a rendition's playlist (draft-pantos-hls-rfc8216bis §3, §4.4.3).

use std::fmt;

/// A segment's media sequence number (§4.4.3.2): counts up by one a segment and never goes back,
/// also from one broadcast of a stream to its next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaSequence(u64);

impl MediaSequence {
    /// The number as it stands in playlists and URLs.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The following segment's number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many segments this one comes after `earlier`; `None` where it comes before it.
    pub fn since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for MediaSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A segment's discontinuity sequence number (§4.4.3.3): how many discontinuities lie before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiscontinuitySequence(u64);

impl DiscontinuitySequence {
    /// The number as it stands in playlists.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number after one discontinuity more.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number before the latest discontinuity.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for DiscontinuitySequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part's place in its segment, from 0 (§3, "Part Index").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartIndex(u32);

impl PartIndex {
    /// A segment's first part.
    pub const FIRST: Self = Self(0);

    /// The place as it stands in URLs.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The place as an index into a list of parts.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }

    /// The place that the next part of a segment with `count` parts takes. Segments hold at most
    /// [`SEGMENT_PARTS_MAX`](crate::window::SEGMENT_PARTS_MAX) parts, far below the type's end.
    pub fn after(count: usize) -> Self {
        Self(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for PartIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
