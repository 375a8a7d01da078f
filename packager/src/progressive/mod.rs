//! One ordinary MP4 of stored renditions, made on its way out (ISO/IEC 14496-12): `ftyp`, `moov`,
//! then `mdat`, so that it plays while it loads. What it holds lies in the renditions' files; only
//! the head is in memory, with the place of each run of samples.
//!
//! Of two hours of 30 frames a second with sound the head takes 2.2 MB and the places 1 MB. Nothing
//! here reads: [`Progressive::piece`] says what has to be read for which bytes.

mod head;
mod source;
mod track;

use std::ops::Range;

use bytes::Bytes;
use media_core::{SampleRun, StoredRendition};

use track::Track;

/// Most samples of all tracks together: two days of 60 pictures a second with sound. Each takes
/// four bytes of the head.
pub const SAMPLES_MAX: usize = 20_000_000;

/// A rendition to be one track, and where its samples lie.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The rendition.
    pub rendition: &'a StoredRendition,
    /// The samples of each of its segments.
    pub runs: &'a [Vec<SampleRun>],
}

/// Why renditions cannot be made one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The initialization segment lacks a box.
    #[error("rendition {rendition}: its initialization segment has no {missing}")]
    NoBox {
        /// The rendition.
        rendition: String,
        /// The box's type.
        missing: &'static str,
    },
    /// The samples are of other segments than the rendition has.
    #[error("rendition {rendition}: samples of {found} segments, where there are {expected}")]
    OtherSegments {
        /// The rendition.
        rendition: String,
        /// Segments that it has.
        expected: usize,
        /// Segments whose samples were given.
        found: usize,
    },
    /// Samples lie outside of their segment.
    #[error("rendition {rendition}: samples of segment {segment} lie outside of it")]
    OutsideSegment {
        /// The rendition.
        rendition: String,
        /// The segment, counted from zero.
        segment: usize,
    },
    /// A segment begins before the one before it ended, or its samples last no time.
    #[error("rendition {rendition}: segment {segment} is not after the one before it")]
    Disordered {
        /// The rendition.
        rendition: String,
        /// The segment, counted from zero.
        segment: usize,
    },
    /// There is not a single sample.
    #[error("there are no samples")]
    Empty,
    /// There are more than [`SAMPLES_MAX`] samples.
    #[error("{samples} samples, at most {SAMPLES_MAX} expected")]
    TooLong {
        /// The samples.
        samples: usize,
    },
}

/// A file that is made on its way out.
#[derive(Debug)]
pub struct Progressive {
    head: Bytes,
    /// In the order of the file, which they fill from the head on.
    extents: Box<[Extent]>,
    len_bytes: u64,
}

/// A run of samples.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Its first byte in the file that is made.
    at: u64,
    /// Its first byte in the rendition's file.
    offset: u64,
    len_bytes: u32,
    /// The source's index.
    source: u32,
}

/// The next bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// They are here.
    Head(Bytes),
    /// They are to be read.
    Read(Read),
}

/// What is to be read of a rendition's file: the heads of chunks lie between its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The source's index.
    pub source: usize,
    /// The bytes of the rendition's file.
    pub span: Range<u64>,
    /// Which of those bytes belong to the file, counted from the span's first.
    pub cuts: Vec<Range<usize>>,
}

impl Progressive {
    /// Plans the file whose tracks are `sources`, in that order.
    ///
    /// Samples are as long as the first segment says. Where a segment begins later than the one
    /// before it ended, the last sample before it lasts until then. Tracks that begin later than
    /// the first begin with an empty edit.
    ///
    /// # Errors
    /// The sources contradict themselves, or are nothing.
    pub fn new(sources: &[Source<'_>]) -> Result<Self, Invalid> {
        let samples = sources.iter().map(|source| source.samples()).sum();
        if samples == 0 {
            return Err(Invalid::Empty);
        }
        if samples > SAMPLES_MAX {
            return Err(Invalid::TooLong { samples });
        }
        let mut tracks = sources
            .iter()
            .map(Track::new)
            .collect::<Result<Vec<_>, _>>()?;

        let (mut extents, media_bytes) = lay_out(&mut tracks, sources);
        let head = head::write(&tracks, media_bytes);
        let head_bytes = head.len() as u64;
        for extent in &mut extents {
            extent.at += head_bytes;
        }
        Ok(Self {
            head: head.into(),
            extents: extents.into(),
            len_bytes: head_bytes + media_bytes,
        })
    }

    /// The length of the whole file.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// All before the first sample: `ftyp`, `moov` and the head of `mdat`.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// What this holds in memory.
    pub fn memory_bytes(&self) -> usize {
        self.head.len() + self.extents.len() * size_of::<Extent>()
    }

    /// The next bytes of `range`, from its first on, of which at most `read_max` have to be read;
    /// `None` where the range is empty or past the end.
    pub fn piece(&self, range: Range<u64>, read_max: u64) -> Option<Piece> {
        let range = range.start..range.end.min(self.len_bytes);
        if range.is_empty() {
            return None;
        }
        let head_bytes = self.head.len() as u64;
        if range.start < head_bytes {
            let end = range.end.min(head_bytes);
            let bytes = self.head.slice(range.start as usize..end as usize);
            return Some(Piece::Head(bytes));
        }
        let after = |extent: &Extent| extent.at <= range.start;
        let index = self.extents.partition_point(after).checked_sub(1)?;
        let first = self.extents.get(index)?;
        let start = first.offset + (range.start - first.at);
        let mut read = Read {
            source: first.source as usize,
            span: start..start,
            cuts: Vec::new(),
        };
        for extent in &self.extents[index..] {
            let wanted = range.end.saturating_sub(extent.at);
            let from = extent.offset.max(start);
            let until = (extent.offset + wanted.min(u64::from(extent.len_bytes)))
                .min(start.saturating_add(read_max.max(1)));
            // What comes next lies elsewhere, or is too far away for one read.
            if extent.source != first.source || from < read.span.end || from >= until {
                break;
            }
            read.span.end = until;
            read.cuts
                .push((from - start) as usize..(until - start) as usize);
            if until < extent.offset + u64::from(extent.len_bytes) {
                break;
            }
        }
        Some(Piece::Read(read))
    }
}

impl Source<'_> {
    fn samples(&self) -> usize {
        let runs = self.runs.iter().flatten();
        runs.map(|run| run.sizes.len()).sum()
    }
}

/// Where samples come to lie, counted from the first, and how long they are together: a segment of
/// one source after a segment of the other as they play, so that a player has both at hand. A
/// segment's samples are one chunk of their track.
fn lay_out(tracks: &mut [Track<'_>], sources: &[Source<'_>]) -> (Vec<Extent>, u64) {
    let mut segments: Vec<_> = (0..)
        .zip(sources)
        .flat_map(|(source, it)| {
            let segments = it.rendition.segments.iter().zip(it.runs);
            segments.map(move |(segment, runs)| (source, segment, runs))
        })
        .collect();
    segments.sort_by_key(|&(source, segment, _)| (segment.start, source));

    let mut extents = Vec::new();
    let mut at = 0;
    for (source, segment, runs) in segments {
        tracks[source as usize].place_chunk(at, runs);
        for run in runs {
            let len_bytes = run.sizes.iter().sum();
            extents.push(Extent {
                at,
                offset: segment.offset + u64::from(run.offset),
                len_bytes,
                source,
            });
            at += u64::from(len_bytes);
        }
    }
    extents.retain(|extent| extent.len_bytes > 0);
    (extents, at)
}

#[cfg(test)]
mod tests;
