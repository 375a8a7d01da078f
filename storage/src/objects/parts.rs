//! How a file is cut into the parts of a multipart upload, whose length is not known at its
//! beginning.
//!
//! S3 wants 5 MiB a part at least, but for the last, and 10,000 parts at most. Parts of one size are
//! what all servers take; the size grows late, for files that no ordinary broadcast reaches. Where a
//! part begins depends on its number alone, so that an upload can go on in another process.

use std::ops::Range;

/// A part of the first [`SMALL_PARTS`]: thirteen seconds of 1080p, so that little of a recording is
/// on this machine alone.
pub(super) const SMALL_PART_BYTES: u64 = 8 << 20;

/// How many of those: 31 GiB, fifteen hours at 5 Mbit/s.
const SMALL_PARTS: u64 = 4_000;

/// A part of the others. Parts are in memory while they are on their way.
pub(super) const LARGE_PART_BYTES: u64 = 32 << 20;

/// S3's limit.
const PARTS_MAX: u64 = 10_000;

/// The longest file that can be uploaded: 219 GiB, four days at 5 Mbit/s.
pub const FILE_BYTES_MAX: u64 =
    SMALL_PARTS * SMALL_PART_BYTES + (PARTS_MAX - SMALL_PARTS) * LARGE_PART_BYTES;

/// Where the part of this number, counted from 0, begins and ends when it is full.
pub(super) fn full(index: u64) -> Range<u64> {
    let start = |index: u64| {
        let small = index.min(SMALL_PARTS);
        small * SMALL_PART_BYTES + (index - small) * LARGE_PART_BYTES
    };
    start(index)..start(index + 1)
}

/// The part of this number in a file of which `len_bytes` are there: `None` while it is not full,
/// unless the file has its final length.
pub(super) fn ready(index: u64, len_bytes: u64, is_final: bool) -> Option<Range<u64>> {
    let full = full(index);
    if full.end <= len_bytes {
        return Some(full);
    }
    (is_final && full.start < len_bytes).then_some(full.start..len_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_without_gaps_to_the_longest_file() {
        let mut end = 0;
        for index in 0..PARTS_MAX {
            let part = full(index);
            assert_eq!(part.start, end);
            assert!(part.end - part.start >= 5 << 20);
            end = part.end;
        }
        assert_eq!(end, FILE_BYTES_MAX);
    }

    #[test]
    fn a_part_waits_until_it_is_full_or_the_last() {
        let len = SMALL_PART_BYTES;
        assert_eq!(ready(0, len - 1, false), None);
        assert_eq!(ready(0, len, false), Some(0..len));
        assert_eq!(ready(1, len, false), None);
        assert_eq!(ready(1, len, true), None);
        assert_eq!(ready(1, len + 1, true), Some(len..len + 1));
        assert_eq!(ready(0, 0, true), None);
    }
}
