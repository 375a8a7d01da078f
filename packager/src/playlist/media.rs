//! The live media playlist of one rendition, rendered from a plain snapshot of its window.
//! Section numbers are draft-pantos-hls-rfc8216bis-18's.
//!
//! Full playlists only: no delta updates, so no `CAN-SKIP-UNTIL`.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use media_core::{BroadcastId, MediaTime, RenditionName};

use crate::segment::Segment;
use crate::sequence::{DiscontinuitySequence, MediaSequence, PartIndex};

/// `HOLD-BACK` in target durations: the least that §4.4.3.8 allows.
const HOLD_BACK_TARGETS: u32 = 3;

/// `PART-HOLD-BACK` in tenths of a part target. §4.4.3.8 recommends at least three whole ones;
/// players have been seen to stall at exactly that.
const PART_HOLD_BACK_TENTHS: u64 = 32;

/// For how many target durations from the end of the playlist parts are listed (§4.4.4.9).
const PARTS_LISTED_TARGETS: u32 = 3;

/// All that a media playlist says.
#[derive(Clone, Debug)]
pub struct Snapshot<'a, S> {
    /// The broadcast, first element of every media URI.
    pub broadcast: &'a BroadcastId,
    /// The wall clock at media time zero.
    pub began: SystemTime,
    /// `EXT-X-TARGETDURATION`.
    pub target_duration_s: u32,
    /// `PART-TARGET`.
    pub part_target: Duration,
    /// The complete segments to list, oldest first.
    pub segments: S,
    /// The segment that is growing.
    pub open: Option<&'a Segment>,
    /// Number and discontinuity sequence of the first segment, where there is none to list yet.
    pub start: (MediaSequence, DiscontinuitySequence),
    /// The part that comes next.
    pub hint: Option<(MediaSequence, PartIndex)>,
    /// The latest part of every other rendition.
    pub reports: &'a [Report<'a>],
    /// Whether the broadcast has ended.
    pub ended: bool,
}

/// How far another rendition is (§4.4.5.4).
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The other rendition.
    pub rendition: &'a RenditionName,
    /// Its latest part.
    pub last: (MediaSequence, PartIndex),
}

/// Renders the playlist. Its URIs are relative to `/live/{stream}/{rendition}/`.
pub fn render<'a, S>(snapshot: &Snapshot<'a, S>) -> String
where
    S: Iterator<Item = &'a Arc<Segment>> + Clone,
{
    let mut text = String::with_capacity(TEXT_CAPACITY);
    write(snapshot, &mut text).expect("writing to a String cannot fail");
    text
}

/// A six-segment window with its parts, so that rendering allocates once.
const TEXT_CAPACITY: usize = 4096;

fn write<'a, S>(snapshot: &Snapshot<'a, S>, out: &mut String) -> fmt::Result
where
    S: Iterator<Item = &'a Arc<Segment>> + Clone,
{
    let broadcast = snapshot.broadcast;
    let all = || {
        let complete = snapshot.segments.clone().map(AsRef::as_ref);
        complete.chain(snapshot.open)
    };
    let end = all().last().map_or(MediaTime::ZERO, Segment::end);

    // §8: parts and EXT-X-MAP need 6; 9 is what delta updates of this playlist will need.
    out.push_str("#EXTM3U\n#EXT-X-VERSION:9\n");
    out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    writeln!(out, "#EXT-X-TARGETDURATION:{}", snapshot.target_duration_s)?;
    // Rounded up, since no part may exceed it (§4.4.3.7).
    let part_target_ms = snapshot.part_target.as_nanos().div_ceil(1_000_000) as u64;
    let part_hold_back_ms = (part_target_ms * PART_HOLD_BACK_TENTHS).div_ceil(10);
    let hold_back = snapshot.target_duration_s * HOLD_BACK_TARGETS;
    writeln!(
        out,
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},HOLD-BACK={hold_back}.000",
        Millis(part_hold_back_ms)
    )?;
    writeln!(
        out,
        "#EXT-X-PART-INF:PART-TARGET={}",
        Millis(part_target_ms)
    )?;
    let (sequence, discontinuities) = match all().next() {
        // §6.2.2: the count goes up when a discontinuity's tag leaves, not when it comes first.
        Some(first) if first.discontinuity => {
            (first.sequence, first.discontinuity_sequence.previous())
        }
        Some(first) => (first.sequence, first.discontinuity_sequence),
        None => snapshot.start,
    };
    writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{sequence}")?;
    if discontinuities.as_u64() > 0 {
        // §4.4.3.3: zero is what its absence means.
        writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}")?;
    }
    writeln!(out, "#EXT-X-MAP:URI=\"{broadcast}/init.mp4\"")?;

    let parts_span =
        Duration::from_secs(u64::from(snapshot.target_duration_s * PARTS_LISTED_TARGETS));
    for (index, segment) in all().enumerate() {
        let complete = snapshot
            .open
            .is_none_or(|open| open.sequence != segment.sequence);
        if segment.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if index == 0 || segment.discontinuity || segment.after_gap {
            write_date(out, snapshot.began, segment.start)?;
        }
        // Whole segments: a player counts parts from the segment's first.
        if end.saturating_since(segment.end()) < parts_span {
            write_parts(out, broadcast, segment)?;
        }
        if complete {
            let duration = segment.listed_duration();
            let sequence = segment.sequence;
            writeln!(out, "#EXTINF:{duration},\n{broadcast}/{sequence}.m4s")?;
        }
    }

    if snapshot.ended {
        // §4.4.3.4. Nothing comes any more: neither a hint nor a report has a use.
        out.push_str("#EXT-X-ENDLIST\n");
        return Ok(());
    }
    if let Some((sequence, part)) = snapshot.hint {
        writeln!(
            out,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{broadcast}/{sequence}.{part}.m4s\""
        )?;
    }
    for report in snapshot.reports {
        let (sequence, part) = report.last;
        writeln!(
            out,
            "#EXT-X-RENDITION-REPORT:URI=\"../{}/playlist.m3u8\",LAST-MSN={sequence},LAST-PART={part}",
            report.rendition
        )?;
    }
    Ok(())
}

fn write_parts(out: &mut String, broadcast: &BroadcastId, segment: &Segment) -> fmt::Result {
    let sequence = segment.sequence;
    for (index, part) in segment.parts.iter().enumerate() {
        let duration = part.listed_duration();
        let independent = if part.independent {
            ",INDEPENDENT=YES"
        } else {
            ""
        };
        writeln!(
            out,
            "#EXT-X-PART:DURATION={duration},URI=\"{broadcast}/{sequence}.{index}.m4s\"{independent}"
        )?;
    }
    Ok(())
}

/// §4.4.4.6: the date of the segment's first sample, by the media clock's one anchor.
fn write_date(out: &mut String, began: SystemTime, start: MediaTime) -> fmt::Result {
    let date = DateTime::<Utc>::from(began)
        .checked_add_signed(chrono::TimeDelta::nanoseconds(start.as_nanos()))
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    let text = date.to_rfc3339_opts(SecondsFormat::Millis, true);
    writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{text}")
}

/// Milliseconds, shown as decimal seconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests;
