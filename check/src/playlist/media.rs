//! Media playlists (RFC 8216 §4.3.2, §4.3.3; draft-pantos-hls-rfc8216bis §4.4.3 to §4.4.5).

use super::{At, Attributes, Fault, Resource, Text, byte_range, date, resolve, seconds};
use crate::session::{ByteRange, Position};

/// Most segments, and most parts of one, that are read of a playlist.
const SEGMENTS_MAX: usize = 100_000;
const PARTS_MAX: usize = 1000;

/// Most hints and reports that are read of a playlist.
const ENTRIES_MAX: usize = 200;

/// A media playlist.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaPlaylist {
    pub(crate) text: Text,
    pub(crate) version: Option<At<u64>>,
    pub(crate) target_duration: Option<At<u64>>,
    pub(crate) media_sequence: Option<At<u64>>,
    pub(crate) discontinuity_sequence: Option<At<u64>>,
    pub(crate) independent_segments: bool,
    pub(crate) iframes_only: bool,
    /// `EXT-X-PLAYLIST-TYPE`.
    pub(crate) kind: Option<At<String>>,
    pub(crate) end: Option<usize>,
    pub(crate) server_control: Option<Attributes>,
    pub(crate) part_inf: Option<Attributes>,
    pub(crate) skip: Option<Attributes>,
    /// Listed segments, and last the parts of the one that is not whole yet.
    pub(crate) segments: Vec<Segment>,
    pub(crate) hints: Vec<Hint>,
    pub(crate) reports: Vec<Report>,
    /// The line of the first byte range, which needs version 4.
    pub(crate) byte_range: Option<usize>,
    /// The line of the first `EXT-X-MAP`.
    pub(crate) map: Option<usize>,
    pub(crate) faults: Vec<Fault>,
}

/// A segment, or, without a URI, the parts of one that is still being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) msn: u64,
    pub(crate) discontinuity_sequence: u64,
    /// The line of `EXT-X-DISCONTINUITY` before it.
    pub(crate) discontinuity: Option<usize>,
    /// The first of its lines.
    pub(crate) line: usize,
    pub(crate) extinf: Option<At<f64>>,
    pub(crate) resource: Option<At<Resource>>,
    /// `EXT-X-PROGRAM-DATE-TIME`, in seconds since 1970.
    pub(crate) date: Option<At<f64>>,
    pub(crate) map: Option<Resource>,
    pub(crate) gap: bool,
    pub(crate) encrypted: bool,
    pub(crate) parts: Vec<Part>,
}

/// `EXT-X-PART`.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) line: usize,
    pub(crate) resource: Resource,
    pub(crate) duration: f64,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
}

/// `EXT-X-PRELOAD-HINT`.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    pub(crate) line: usize,
    pub(crate) is_part: bool,
    pub(crate) resource: Resource,
}

/// `EXT-X-RENDITION-REPORT`.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) line: usize,
    /// The absolute URL of the rendition's playlist.
    pub(crate) url: String,
    pub(crate) msn: Option<u64>,
    pub(crate) part: Option<u64>,
}

impl MediaPlaylist {
    /// Reads a playlist that came from `url`.
    pub(crate) fn parse(url: &str, body: &[u8]) -> Self {
        let text = Text::new(body);
        let mut reader = Reader::new(url);
        if text.line(1).map(str::trim_end) != Some("#EXTM3U") {
            reader.fault(1, "the first line is not #EXTM3U");
        }
        for (line, content) in text.numbered() {
            reader.line(line, content);
        }
        let mut playlist = reader.finish();
        playlist.text = text;
        playlist
    }

    /// The target duration in seconds; zero where none is told.
    pub(crate) fn target(&self) -> f64 {
        self.target_duration
            .map_or(0.0, |target| target.value as f64)
    }

    /// `PART-TARGET`, in seconds.
    pub(crate) fn part_target(&self) -> Option<f64> {
        self.part_inf.as_ref()?.decimal("PART-TARGET")
    }

    /// `CAN-BLOCK-RELOAD`.
    pub(crate) fn can_block(&self) -> bool {
        let control = self.server_control.as_ref();
        control.is_some_and(|control| control.yes("CAN-BLOCK-RELOAD"))
    }

    /// `CAN-SKIP-UNTIL`, in seconds.
    pub(crate) fn can_skip_until(&self) -> Option<f64> {
        self.server_control.as_ref()?.decimal("CAN-SKIP-UNTIL")
    }

    /// Whether it has parts or says that it will.
    pub(crate) fn is_low_latency(&self) -> bool {
        self.part_inf.is_some()
            || self
                .segments
                .iter()
                .any(|segment| !segment.parts.is_empty())
    }

    /// The segments that are whole.
    pub(crate) fn whole(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.is_whole())
    }

    /// The newest of what is listed.
    pub(crate) fn last(&self) -> Option<Position> {
        let segment = self.segments.last()?;
        let part = (segment.parts.len() as u64).checked_sub(1);
        Some(Position {
            msn: segment.msn,
            part,
        })
    }

    /// What a blocking reload asks for next: the part after the newest, or the segment.
    pub(crate) fn next(&self) -> Option<Position> {
        let segment = self.segments.last()?;
        let low_latency = self.is_low_latency();
        Some(match segment.is_whole() {
            true => Position {
                msn: segment.msn.saturating_add(1),
                part: low_latency.then_some(0),
            },
            false => Position {
                msn: segment.msn,
                part: Some(segment.parts.len() as u64),
            },
        })
    }

    /// Whether it has what a blocking reload asked for. A part past its segment's end is the next
    /// segment's first (draft-pantos-hls-rfc8216bis §6.2.5.2).
    pub(crate) fn has(&self, asked: Position) -> bool {
        let Some(last) = self.segments.last() else {
            return false;
        };
        match (asked.part, last.msn.cmp(&asked.msn)) {
            (_, std::cmp::Ordering::Greater) => true,
            (_, std::cmp::Ordering::Less) => false,
            (None, _) => last.is_whole(),
            (Some(part), _) => last.is_whole() || (last.parts.len() as u64) > part,
        }
    }

    /// The hint of the next part.
    pub(crate) fn part_hint(&self) -> Option<&Hint> {
        self.hints.iter().find(|hint| hint.is_part)
    }
}

impl Segment {
    /// Whether it has a URI of its own.
    pub(crate) fn is_whole(&self) -> bool {
        self.resource.is_some()
    }

    /// Its duration, by `EXTINF` or else by its parts.
    pub(crate) fn duration(&self) -> f64 {
        let parts = || self.parts.iter().map(|part| part.duration).sum();
        self.extinf.map_or_else(parts, |extinf| extinf.value)
    }

    fn has_begun(&self) -> bool {
        self.extinf.is_some() || !self.parts.is_empty()
    }
}

/// The state between two lines.
struct Reader<'a> {
    url: &'a str,
    playlist: MediaPlaylist,
    segment: Segment,
    next_msn: u64,
    next_discontinuity: u64,
    current_map: Option<Resource>,
    encrypted: bool,
    /// Of the segment that is being read.
    range: Option<(u64, Option<u64>)>,
    /// Where byte ranges without an offset go on: of segments and of parts.
    segment_end: Option<(String, u64)>,
    part_end: Option<(String, u64)>,
}

impl<'a> Reader<'a> {
    fn new(url: &'a str) -> Self {
        Self {
            url,
            playlist: MediaPlaylist::default(),
            segment: Segment::default(),
            next_msn: 0,
            next_discontinuity: 0,
            current_map: None,
            encrypted: false,
            range: None,
            segment_end: None,
            part_end: None,
        }
    }

    fn fault(&mut self, line: usize, what: &str) {
        let what = what.to_owned();
        self.playlist.faults.push(Fault { line, what });
    }

    fn line(&mut self, line: usize, content: &str) {
        if !content.starts_with('#') {
            return self.uri(line, content);
        }
        let (tag, rest) = content.split_once(':').unwrap_or((content, ""));
        match tag {
            "#EXT-X-VERSION" => {
                if self.playlist.version.is_some() {
                    self.fault(line, "EXT-X-VERSION stands twice");
                }
                self.playlist.version = self.number(line, rest);
            }
            "#EXT-X-TARGETDURATION" => self.playlist.target_duration = self.number(line, rest),
            "#EXT-X-MEDIA-SEQUENCE" => {
                if self.next_msn > 0 || self.segment.has_begun() {
                    self.fault(line, "EXT-X-MEDIA-SEQUENCE after the first segment");
                }
                let number = self.number(line, rest);
                self.next_msn = number.map_or(0, |number| number.value);
                self.playlist.media_sequence = number;
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                if !self.playlist.segments.is_empty() || self.segment.discontinuity.is_some() {
                    self.fault(line, "EXT-X-DISCONTINUITY-SEQUENCE after the first segment");
                }
                let number = self.number(line, rest);
                self.next_discontinuity = number.map_or(0, |number| number.value);
                self.playlist.discontinuity_sequence = number;
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.playlist.independent_segments = true,
            "#EXT-X-I-FRAMES-ONLY" => self.playlist.iframes_only = true,
            "#EXT-X-PLAYLIST-TYPE" => {
                let value = rest.to_owned();
                self.playlist.kind = Some(At { line, value });
            }
            "#EXT-X-ENDLIST" => self.playlist.end = Some(line),
            "#EXT-X-SERVER-CONTROL" => {
                self.playlist.server_control = Some(self.attributes(line, rest));
            }
            "#EXT-X-PART-INF" => self.playlist.part_inf = Some(self.attributes(line, rest)),
            "#EXT-X-SKIP" => self.skip(line, rest),
            "#EXT-X-PRELOAD-HINT" => self.hint(line, rest),
            "#EXT-X-RENDITION-REPORT" => self.report(line, rest),
            "#EXT-X-STREAM-INF" | "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" => {
                self.fault(line, "a tag of multivariant playlists in a media playlist");
            }
            _ => self.segment_tag(line, tag, rest),
        }
    }

    /// Tags that belong to a segment.
    fn segment_tag(&mut self, line: usize, tag: &str, rest: &str) {
        match tag {
            "#EXTINF" => {
                let number = rest.split(',').next().unwrap_or_default();
                match seconds(number.trim()) {
                    Some(value) => self.segment.extinf = Some(At { line, value }),
                    None => self.fault(line, "EXTINF without a duration"),
                }
            }
            "#EXT-X-BYTERANGE" => {
                self.playlist.byte_range.get_or_insert(line);
                self.range = byte_range(rest);
                if self.range.is_none() {
                    self.fault(line, "EXT-X-BYTERANGE cannot be read");
                }
            }
            "#EXT-X-DISCONTINUITY" => {
                self.segment.discontinuity = Some(line);
                self.next_discontinuity = self.next_discontinuity.saturating_add(1);
            }
            "#EXT-X-GAP" => self.segment.gap = true,
            "#EXT-X-PROGRAM-DATE-TIME" => {
                if !self.segment.parts.is_empty() {
                    self.fault(
                        line,
                        "EXT-X-PROGRAM-DATE-TIME after the segment's first part",
                    );
                }
                match date::parse(rest) {
                    Some(value) => self.segment.date = Some(At { line, value }),
                    None => self.fault(line, "EXT-X-PROGRAM-DATE-TIME is no date"),
                }
            }
            "#EXT-X-KEY" => {
                let attributes = self.attributes(line, rest);
                self.encrypted = attributes.text("METHOD") != Some("NONE");
            }
            "#EXT-X-MAP" => self.map(line, rest),
            "#EXT-X-PART" => self.part(line, rest),
            _ => return,
        }
        if self.segment.line == 0 {
            self.segment.line = line;
        }
    }

    fn number(&mut self, line: usize, text: &str) -> Option<At<u64>> {
        match text.trim().parse() {
            Ok(value) => Some(At { line, value }),
            Err(_) => {
                self.fault(line, "a decimal integer is expected");
                None
            }
        }
    }

    fn attributes(&mut self, line: usize, text: &str) -> Attributes {
        Attributes::parse(line, text, &mut self.playlist.faults)
    }

    fn map(&mut self, line: usize, text: &str) {
        self.playlist.map.get_or_insert(line);
        let attributes = self.attributes(line, text);
        let Some(uri) = attributes.quoted("URI") else {
            return self.fault(line, "EXT-X-MAP without a quoted URI");
        };
        let range = attributes.quoted("BYTERANGE").map(byte_range);
        let range = match range {
            Some(None) => return self.fault(line, "EXT-X-MAP has a BYTERANGE that cannot be read"),
            Some(Some((len, first))) => Some(ByteRange {
                first: first.unwrap_or(0),
                len: Some(len),
            }),
            None => None,
        };
        let url = resolve(self.url, uri);
        self.current_map = Some(Resource { url, range });
    }

    fn skip(&mut self, line: usize, text: &str) {
        if self.playlist.skip.is_some() {
            self.fault(line, "EXT-X-SKIP stands twice");
        }
        let attributes = self.attributes(line, text);
        match attributes.integer("SKIPPED-SEGMENTS") {
            Some(count) => self.next_msn = self.next_msn.saturating_add(count),
            None => self.fault(line, "EXT-X-SKIP without SKIPPED-SEGMENTS"),
        }
        self.playlist.skip = Some(attributes);
    }

    fn part(&mut self, line: usize, text: &str) {
        let attributes = self.attributes(line, text);
        let (Some(uri), Some(duration)) =
            (attributes.quoted("URI"), attributes.decimal("DURATION"))
        else {
            return self.fault(line, "EXT-X-PART without a quoted URI and a DURATION");
        };
        if self.segment.parts.len() >= PARTS_MAX {
            return;
        }
        let url = resolve(self.url, uri);
        let range = match attributes.quoted("BYTERANGE").map(byte_range) {
            Some(None) => {
                return self.fault(line, "EXT-X-PART has a BYTERANGE that cannot be read");
            }
            Some(Some((len, first))) => {
                let first = first.or_else(|| follows(self.part_end.as_ref(), &url));
                let first = first.unwrap_or(0);
                self.part_end = Some((url.clone(), first.saturating_add(len)));
                Some(ByteRange {
                    first,
                    len: Some(len),
                })
            }
            None => None,
        };
        self.segment.parts.push(Part {
            line,
            resource: Resource { url, range },
            duration,
            independent: attributes.yes("INDEPENDENT"),
            gap: attributes.yes("GAP"),
        });
    }

    fn hint(&mut self, line: usize, text: &str) {
        let attributes = self.attributes(line, text);
        let (Some(kind), Some(uri)) = (attributes.text("TYPE"), attributes.quoted("URI")) else {
            return self.fault(line, "EXT-X-PRELOAD-HINT without TYPE and a quoted URI");
        };
        let first = attributes.integer("BYTERANGE-START");
        let len = attributes.integer("BYTERANGE-LENGTH");
        let range = (first.is_some() || len.is_some()).then_some(ByteRange {
            first: first.unwrap_or(0),
            len,
        });
        if self.playlist.hints.len() < ENTRIES_MAX {
            self.playlist.hints.push(Hint {
                line,
                is_part: kind == "PART",
                resource: Resource {
                    url: resolve(self.url, uri),
                    range,
                },
            });
        }
    }

    fn report(&mut self, line: usize, text: &str) {
        let attributes = self.attributes(line, text);
        let Some(uri) = attributes.quoted("URI") else {
            return self.fault(line, "EXT-X-RENDITION-REPORT without a quoted URI");
        };
        if self.playlist.reports.len() < ENTRIES_MAX {
            self.playlist.reports.push(Report {
                line,
                url: resolve(self.url, uri),
                msn: attributes.integer("LAST-MSN"),
                part: attributes.integer("LAST-PART"),
            });
        }
    }

    fn uri(&mut self, line: usize, uri: &str) {
        if self.segment.extinf.is_none() {
            self.fault(line, "a segment's URI without EXTINF before it");
        }
        let url = resolve(self.url, uri);
        let range = self.range.take().map(|(len, first)| {
            let first = first.or_else(|| follows(self.segment_end.as_ref(), &url));
            if first.is_none() {
                let what = "EXT-X-BYTERANGE without an offset, and nothing before it";
                self.fault(line, what);
            }
            let first = first.unwrap_or(0);
            self.segment_end = Some((url.clone(), first.saturating_add(len)));
            ByteRange {
                first,
                len: Some(len),
            }
        });
        let value = Resource { url, range };
        self.segment.resource = Some(At { line, value });
        self.close();
    }

    /// Ends the segment that is being read.
    fn close(&mut self) {
        let mut segment = std::mem::take(&mut self.segment);
        segment.msn = self.next_msn;
        segment.discontinuity_sequence = self.next_discontinuity;
        segment.map = self.current_map.clone();
        segment.encrypted = self.encrypted;
        self.next_msn = self.next_msn.saturating_add(1);
        self.part_end = None;
        if self.playlist.segments.len() < SEGMENTS_MAX {
            self.playlist.segments.push(segment);
        }
    }

    fn finish(mut self) -> MediaPlaylist {
        if let Some(extinf) = self.segment.extinf {
            self.fault(extinf.line, "EXTINF without a URI after it");
        }
        if !self.segment.parts.is_empty() {
            self.segment.extinf = None;
            self.close();
        }
        self.playlist
    }
}

/// Where a range without an offset begins: behind the one before, of the same resource.
fn follows(before: Option<&(String, u64)>, url: &str) -> Option<u64> {
    before
        .filter(|(known, _)| known == url)
        .map(|(_, end)| *end)
}
