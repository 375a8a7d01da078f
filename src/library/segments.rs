//! Of a rendition's chunks, segments as an asset takes them.

use media_core::{Chunk, MediaTime, SampleRun};
use storage::asset::Segment;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    segment: Segment,
    len_bytes: u32,
}

impl Assembler {
    /// Takes the next chunk; gives the segment that is complete before it.
    pub(super) fn push(&mut self, chunk: Chunk) -> Option<Segment> {
        let complete = match chunk.starts_segment {
            true => self.finish(),
            false => None,
        };
        let open = self.open.get_or_insert_with(|| Open::at(&chunk));
        open.append(chunk);
        complete
    }

    /// The last segment.
    pub(super) fn finish(&mut self) -> Option<Segment> {
        self.open.take().map(|open| open.segment)
    }
}

impl Open {
    fn at(first: &Chunk) -> Self {
        let segment = Segment {
            start: first.dts.max(MediaTime::ZERO),
            duration: std::time::Duration::ZERO,
            keyframe_bytes: first.keyframe_bytes.map(|bytes| bytes as u32),
            pieces: Vec::new(),
            runs: Vec::new(),
        };
        Self {
            segment,
            len_bytes: 0,
        }
    }

    fn append(&mut self, chunk: Chunk) {
        let segment = &mut self.segment;
        let end = chunk.dts + chunk.duration;
        segment.duration = end.saturating_since(segment.start);
        let run = SampleRun::of(&chunk.bytes, self.len_bytes);
        segment.runs.push(run);
        // A segment is some seconds: the asset's writer refuses one of 4 GiB.
        self.len_bytes = self.len_bytes.wrapping_add(chunk.len_bytes() as u32);
        segment.pieces.extend(chunk.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use media_core::RenditionName;

    use super::*;

    fn chunk(number: i64, starts_segment: bool) -> Chunk {
        Chunk {
            rendition: RenditionName::new("360p").expect("a name"),
            dts: MediaTime::from_nanos(number * 500_000_000),
            duration: Duration::from_millis(500),
            starts_segment,
            ends_segment: false,
            independent: starts_segment,
            keyframe_bytes: starts_segment.then_some(12),
            bytes: vec![Bytes::from_static(b"head"), Bytes::from_static(b"sample")],
        }
    }

    #[test]
    fn a_segment_has_all_chunks_up_to_the_next_ones_first() {
        let mut assembler = Assembler::default();
        assert!(assembler.push(chunk(0, true)).is_none());
        assert!(assembler.push(chunk(1, false)).is_none());
        let first = assembler.push(chunk(2, true)).expect("complete");
        assert_eq!(first.start, MediaTime::ZERO);
        assert_eq!(first.duration, Duration::from_secs(1));
        assert_eq!(first.keyframe_bytes, Some(12));
        assert_eq!(first.pieces.concat(), b"headsampleheadsample");
        let places: Vec<_> = first
            .runs
            .iter()
            .map(|run| (run.offset, &run.sizes[..]))
            .collect();
        assert_eq!(places, [(4, &[6][..]), (14, &[6][..])]);
        let last = assembler.finish().expect("begun");
        assert_eq!(last.start, MediaTime::from_nanos(1_000_000_000));
        assert_eq!(last.duration, Duration::from_millis(500));
        assert!(assembler.finish().is_none());
    }
}
