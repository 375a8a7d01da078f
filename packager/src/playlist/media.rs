//! The live media playlist of one rendition, rendered from a plain snapshot of its window: in
//! full or as a delta update, of all its media or of its I-frames.
//! Section numbers are draft-pantos-hls-rfc8216bis-18's.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use media_core::{BroadcastId, MediaTime, RenditionName};

use super::links::Links;
use crate::segment::{Entry, Part, Segment};
use crate::sequence::{DiscontinuitySequence, MediaSequence, PartIndex};

/// `HOLD-BACK` in target durations: the least that §4.4.3.8 allows.
const HOLD_BACK_TARGETS: u32 = 3;

/// `PART-HOLD-BACK` in tenths of a part target. §4.4.3.8 recommends at least three whole ones;
/// players have been seen to stall at exactly that.
const PART_HOLD_BACK_TENTHS: u64 = 32;

/// `CAN-SKIP-UNTIL` in target durations: the least that §4.4.3.8 allows.
const SKIP_UNTIL_TARGETS: u32 = 6;

/// For how many target durations from the end of the playlist parts are listed (§4.4.4.9).
const PARTS_LISTED_TARGETS: u32 = 3;

/// All that a media playlist says.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// The broadcast, first element of every media URI.
    pub broadcast: &'a BroadcastId,
    /// The wall clock at media time zero.
    pub began: SystemTime,
    /// `EXT-X-TARGETDURATION`.
    pub target_duration_s: u32,
    /// `PART-TARGET`.
    pub part_target: Duration,
    /// The complete segments whose media is in the archive, oldest first.
    pub history: &'a VecDeque<Entry>,
    /// The complete segments after them.
    pub segments: &'a [Arc<Segment>],
    /// The segment that is growing.
    pub open: Option<&'a Segment>,
    /// Number and discontinuity sequence of the first segment, where there is none to list yet.
    pub start: (MediaSequence, DiscontinuitySequence),
    /// The part that comes next.
    pub hint: Option<(MediaSequence, PartIndex)>,
    /// The latest part of every other rendition.
    pub reports: &'a [Report],
    /// Whether the broadcast has ended.
    pub ended: bool,
}

/// How far another rendition is (§4.4.5.4).
#[derive(Clone, Debug)]
pub struct Report {
    /// The other rendition.
    pub rendition: RenditionName,
    /// Its latest part.
    pub last: (MediaSequence, PartIndex),
}

/// What of the snapshot a playlist shows.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// All media with its parts, or each segment's first frame alone (§4.4.3.6).
    pub content: Content,
    /// Complete segments to list, counted from the latest.
    pub listed_max: usize,
    /// Whether older segments may be replaced by `EXT-X-SKIP` (§6.2.5.1).
    pub delta: bool,
    /// What every URI carries.
    pub links: Links<'a>,
}

/// See [`Form::content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Segments and parts.
    Media,
    /// Byte ranges of I-frames.
    IFrames,
}

/// Renders the playlist. Its URIs are relative to `/live/{stream}/{rendition}/`.
pub fn render(snapshot: &Snapshot<'_>, form: Form<'_>) -> String {
    let mut text = String::with_capacity(TEXT_CAPACITY + form.listed_max * LINES_CAPACITY);
    let renderer = Renderer { snapshot, form };
    renderer
        .write(&mut text)
        .expect("writing to a String cannot fail");
    text
}

/// `PART-HOLD-BACK`: how far behind the end of a playlist a player in low latency stays.
pub fn part_hold_back(part_target: Duration) -> Duration {
    Duration::from_millis((part_target_ms(part_target) * PART_HOLD_BACK_TENTHS).div_ceil(10))
}

/// `PART-TARGET`: rounded up, since no part may exceed it (§4.4.3.7).
fn part_target_ms(part_target: Duration) -> u64 {
    part_target.as_nanos().div_ceil(1_000_000) as u64
}

/// The head and the parts, and a segment's lines: so that rendering allocates once.
const TEXT_CAPACITY: usize = 3072;
const LINES_CAPACITY: usize = 64;

struct Renderer<'a> {
    snapshot: &'a Snapshot<'a>,
    form: Form<'a>,
}

/// A segment that the playlist lists.
struct Listed<'a> {
    entry: Entry,
    /// Those that are in memory.
    parts: &'a [Arc<Part>],
    complete: bool,
}

impl<'a> Renderer<'a> {
    fn write(&self, out: &mut String) -> fmt::Result {
        let Snapshot { broadcast, .. } = *self.snapshot;
        let media_query = self.form.links.media_query();
        let end = self.listed(0).last().map(|last| last.entry.end);
        let end = end.unwrap_or(MediaTime::ZERO);
        let skipped = match self.form.delta {
            true => self.skipped(end),
            false => 0,
        };

        self.write_head(out)?;
        // A skipped segment's too: players were seen to take it from the playlist at hand.
        writeln!(out, "#EXT-X-MAP:URI=\"{broadcast}/init.mp4{media_query}\"")?;
        if skipped > 0 {
            writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        for (index, listed) in self.listed(skipped).enumerate() {
            self.write_segment(out, &listed, skipped + index == 0, end)?;
        }
        self.write_tail(out)
    }

    fn is_media(&self) -> bool {
        self.form.content == Content::Media
    }

    /// Complete segments that are in the snapshot but not in the playlist.
    fn left_out(&self) -> usize {
        let all = self.snapshot.history.len() + self.snapshot.segments.len();
        all.saturating_sub(self.form.listed_max)
    }

    /// What is listed, without the first `skipped` segments.
    fn listed(&self, skipped: usize) -> impl Iterator<Item = Listed<'a>> {
        let first = self.left_out() + skipped;
        let (history, segments) = (self.snapshot.history, self.snapshot.segments);
        let archived = history.range(first.min(history.len())..);
        let archived = archived.map(|&entry| Listed {
            entry,
            parts: &[],
            complete: true,
        });
        let held = segments.iter().skip(first.saturating_sub(history.len()));
        let held = held.map(|segment| Listed {
            entry: segment.entry(),
            parts: &segment.parts,
            complete: true,
        });
        // An I-frame's segment is complete.
        let open = self.snapshot.open.filter(|_| self.is_media());
        let open = open.map(|segment| Listed {
            entry: segment.entry(),
            parts: &segment.parts,
            complete: false,
        });
        archived.chain(held).chain(open)
    }

    /// §6.2.5.1: how many segments lie before the skip boundary.
    fn skipped(&self, end: MediaTime) -> usize {
        let boundary = seconds(self.snapshot.target_duration_s * SKIP_UNTIL_TARGETS);
        self.listed(0)
            .take_while(|listed| end.saturating_since(listed.entry.end) >= boundary)
            .count()
    }

    fn write_head(&self, out: &mut String) -> fmt::Result {
        let snapshot = self.snapshot;
        // §8: EXT-X-SKIP needs 9.
        out.push_str("#EXTM3U\n#EXT-X-VERSION:9\n");
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        if !self.is_media() {
            out.push_str("#EXT-X-I-FRAMES-ONLY\n");
        }
        writeln!(out, "#EXT-X-TARGETDURATION:{}", snapshot.target_duration_s)?;
        self.write_control(out)?;
        let (sequence, discontinuities) = match self.listed(0).next().map(|first| first.entry) {
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
        Ok(())
    }

    /// §4.4.3.8 and, where there are parts, §4.4.3.7.
    fn write_control(&self, out: &mut String) -> fmt::Result {
        let hold_back = self.snapshot.target_duration_s * HOLD_BACK_TARGETS;
        let skip_until = self.snapshot.target_duration_s * SKIP_UNTIL_TARGETS;
        out.push_str("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,");
        if self.is_media() {
            let hold_back = part_hold_back(self.snapshot.part_target);
            write!(
                out,
                "PART-HOLD-BACK={},",
                Millis(hold_back.as_millis() as u64)
            )?;
        }
        writeln!(
            out,
            "HOLD-BACK={hold_back}.000,CAN-SKIP-UNTIL={skip_until}.000"
        )?;
        if self.is_media() {
            let target = Millis(part_target_ms(self.snapshot.part_target));
            writeln!(out, "#EXT-X-PART-INF:PART-TARGET={target}")?;
        }
        Ok(())
    }

    fn write_segment(
        &self,
        out: &mut String,
        listed: &Listed<'_>,
        first: bool,
        end: MediaTime,
    ) -> fmt::Result {
        let Entry {
            sequence,
            discontinuity,
            after_gap,
            start,
            ..
        } = listed.entry;
        if discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if first || discontinuity || after_gap {
            write_date(out, self.snapshot.began, start)?;
        }
        let parts_span = seconds(self.snapshot.target_duration_s * PARTS_LISTED_TARGETS);
        // Whole segments: a player counts parts from the segment's first.
        if self.is_media() && end.saturating_since(listed.entry.end) < parts_span {
            self.write_parts(out, sequence, listed.parts)?;
        }
        if !listed.complete {
            return Ok(());
        }
        writeln!(out, "#EXTINF:{},", listed.entry.listed_duration())?;
        if let Some(len) = listed.entry.keyframe_bytes.filter(|_| !self.is_media()) {
            // §4.4.4.2: with its moof, so that the sample can be found.
            writeln!(out, "#EXT-X-BYTERANGE:{len}@0")?;
        }
        let query = self.form.links.media_query();
        writeln!(out, "{}/{sequence}.m4s{query}", self.snapshot.broadcast)
    }

    fn write_parts(
        &self,
        out: &mut String,
        sequence: MediaSequence,
        parts: &[Arc<Part>],
    ) -> fmt::Result {
        let (broadcast, query) = (self.snapshot.broadcast, self.form.links.media_query());
        for (index, part) in parts.iter().enumerate() {
            let duration = part.listed_duration();
            let independent = if part.independent {
                ",INDEPENDENT=YES"
            } else {
                ""
            };
            writeln!(
                out,
                "#EXT-X-PART:DURATION={duration},URI=\"{broadcast}/{sequence}.{index}.m4s{query}\"{independent}"
            )?;
        }
        Ok(())
    }

    fn write_tail(&self, out: &mut String) -> fmt::Result {
        if self.snapshot.ended {
            // §4.4.3.4. Nothing comes any more: neither a hint nor a report has a use.
            out.push_str("#EXT-X-ENDLIST\n");
            return Ok(());
        }
        if !self.is_media() {
            return Ok(());
        }
        if let Some((sequence, part)) = self.snapshot.hint {
            let (broadcast, query) = (self.snapshot.broadcast, self.form.links.media_query());
            writeln!(
                out,
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{broadcast}/{sequence}.{part}.m4s{query}\""
            )?;
        }
        let query = self.form.links.playlist_query();
        for report in self.snapshot.reports {
            let (sequence, part) = report.last;
            writeln!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"../{}/playlist.m3u8{query}\",LAST-MSN={sequence},LAST-PART={part}",
                report.rendition
            )?;
        }
        Ok(())
    }
}

const fn seconds(whole: u32) -> Duration {
    Duration::from_secs(whole as u64)
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
