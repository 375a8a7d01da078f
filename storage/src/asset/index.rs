//! A rendition's index: one record a segment, appended when the segment's media is on the disk.
//!
//! A record's fields: start and duration in nanoseconds, offset and length in bytes, the media's
//! CRC-32, the bytes to the keyframe's end plus one (0: none), how many sample runs; of each run
//! its offset in the segment, how many samples, and their sizes. All are varints.

use std::io::Read;
use std::time::Duration;

use media_core::{MediaTime, SampleRun, StoredSegment};

use super::record::{Fields, HeaderError, Kind, Records, put_varint};

/// How far a segment may begin before the one before it ends. Both are rounded from units of the
/// track's own clock; one that came twice or too late overlaps by far more.
const OVERLAP_MAX: Duration = Duration::from_millis(1);

/// One segment as an index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) segment: StoredSegment,
    /// CRC-32 of its bytes in the media file.
    pub(super) media_crc: u32,
    /// Where its record ends in the index.
    pub(super) index_end: u64,
}

impl Entry {
    /// Where its media ends in the rendition's file.
    pub(super) fn media_end(&self) -> u64 {
        self.segment
            .offset
            .saturating_add(self.segment.len_bytes.into())
    }
}

/// Whether a segment that begins at `start` may stand behind one that ends at `end`.
pub(super) fn follows(end: Option<MediaTime>, start: MediaTime) -> bool {
    end.is_none_or(|end| start + OVERLAP_MAX >= end)
}

/// A record's payload.
pub(super) fn encode(segment: &StoredSegment, media_crc: u32, runs: &[SampleRun]) -> Vec<u8> {
    let nanos = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    let samples: usize = runs.iter().map(|run| run.sizes.len()).sum();
    // Sizes of samples mostly take two or three bytes.
    let mut out = Vec::with_capacity(40 + 6 * runs.len() + 3 * samples);
    put_varint(
        &mut out,
        u64::try_from(segment.start.as_nanos()).unwrap_or(0),
    );
    put_varint(&mut out, nanos(segment.duration.as_nanos()));
    put_varint(&mut out, segment.offset);
    put_varint(&mut out, segment.len_bytes.into());
    put_varint(&mut out, media_crc.into());
    put_varint(
        &mut out,
        segment
            .keyframe_bytes
            .map_or(0, |bytes| u64::from(bytes) + 1),
    );
    put_varint(&mut out, runs.len() as u64);
    for run in runs {
        put_varint(&mut out, run.offset.into());
        put_varint(&mut out, run.sizes.len() as u64);
        for &size in &run.sizes {
            put_varint(&mut out, size.into());
        }
    }
    out
}

/// A record's segment and its media's checksum, and the fields that its runs follow in.
fn decode(payload: &[u8]) -> Option<(StoredSegment, u32, Fields<'_>)> {
    let mut fields = Fields(payload);
    let segment = StoredSegment {
        start: MediaTime::from_nanos(i64::try_from(fields.varint()?).ok()?),
        duration: Duration::from_nanos(fields.varint()?),
        offset: fields.varint()?,
        len_bytes: fields.varint_u32()?,
        keyframe_bytes: None,
    };
    let media_crc = fields.varint_u32()?;
    let keyframe_bytes = match fields.varint()? {
        0 => None,
        bytes => Some(u32::try_from(bytes - 1).ok()?),
    };
    let segment = StoredSegment {
        keyframe_bytes,
        ..segment
    };
    Some((segment, media_crc, fields))
}

fn decode_runs(mut fields: Fields<'_>) -> Option<Vec<SampleRun>> {
    let runs = (0..fields.count()?)
        .map(|_| {
            Some(SampleRun {
                offset: fields.varint_u32()?,
                sizes: (0..fields.count()?)
                    .map(|_| fields.varint_u32())
                    .collect::<Option<_>>()?,
            })
        })
        .collect::<Option<_>>()?;
    fields.is_at_end().then_some(runs)
}

/// What an index promises.
#[derive(Debug)]
pub(super) struct Scan {
    /// Its segments, each behind the one before it, in time and in the file.
    pub(super) entries: Vec<Entry>,
    /// Whether the file goes on with something that is no record or does not follow.
    pub(super) is_torn: bool,
}

/// Reads an index whose media begins with `init_bytes` of initialization segment.
pub(super) fn scan(index: impl Read, init_bytes: u64) -> Result<Scan, HeaderError> {
    let mut records = Records::open(index, Kind::Index)?;
    let mut entries: Vec<Entry> = Vec::new();
    while let Some((payload, index_end)) = records.next().map_err(HeaderError::Io)? {
        let last = entries.last();
        let offset = last.map_or(init_bytes, Entry::media_end);
        match decode(payload) {
            Some((segment, media_crc, _))
                if segment.offset == offset
                    && segment.len_bytes > 0
                    && segment.keyframe_bytes.unwrap_or(0) <= segment.len_bytes
                    && follows(last.map(|last| last.segment.end()), segment.start) =>
            {
                entries.push(Entry {
                    segment,
                    media_crc,
                    index_end,
                });
            }
            _ => {
                return Ok(Scan {
                    entries,
                    is_torn: true,
                });
            }
        }
    }
    Ok(Scan {
        entries,
        is_torn: records.is_torn(),
    })
}

/// The sample runs of an index's first `count` segments; `None`: it has not that many.
pub(super) fn sample_runs(
    index: impl Read,
    count: usize,
) -> Result<Option<Vec<Vec<SampleRun>>>, HeaderError> {
    let mut records = Records::open(index, Kind::Index)?;
    let mut runs = Vec::with_capacity(count);
    while runs.len() < count {
        let Some((payload, _)) = records.next().map_err(HeaderError::Io)? else {
            return Ok(None);
        };
        match decode(payload).and_then(|(_, _, fields)| decode_runs(fields)) {
            Some(of_segment) => runs.push(of_segment),
            None => return Ok(None),
        }
    }
    Ok(Some(runs))
}
