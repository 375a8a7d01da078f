//! Our media playlists, read back by a parser that we did not write.

use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::KnownTag;
use quick_m3u8::tag::hls::Tag;
use quick_m3u8::{HlsLine, Reader};

#[derive(Debug, Default)]
pub(crate) struct Playlist {
    pub(crate) target_duration_s: u64,
    pub(crate) part_target_s: f64,
    pub(crate) hold_back_s: f64,
    pub(crate) part_hold_back_s: f64,
    pub(crate) sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) map: String,
    /// Length and offset.
    pub(crate) map_range: Option<(u64, u64)>,
    pub(crate) segments: Vec<Segment>,
    /// Parts after the last complete segment.
    pub(crate) open_parts: Vec<Part>,
    pub(crate) hint: Option<String>,
    /// URI, LAST-MSN, LAST-PART.
    pub(crate) reports: Vec<(String, u64, u64)>,
    pub(crate) ended: bool,
    pub(crate) skip_until_s: f64,
    /// `SKIPPED-SEGMENTS`.
    pub(crate) skipped: u64,
    pub(crate) iframes_only: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) uri: String,
    /// Length and offset.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) duration_s: f64,
    pub(crate) dated: bool,
    pub(crate) discontinuity: bool,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) uri: String,
    pub(crate) duration_s: f64,
    pub(crate) independent: bool,
}

impl Playlist {
    /// The last complete segment's number.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.sequence + self.skipped + self.segments.len() as u64 - 1
    }

    /// The playlist that a client with `older` has after this delta update
    /// (draft-pantos-hls-rfc8216bis-18 §6.3.7).
    pub(crate) fn merged_into(mut self, older: &Self) -> Self {
        let from = usize::try_from(self.sequence - older.sequence).unwrap();
        let count = usize::try_from(self.skipped).unwrap();
        let mut segments = older.segments[from..from + count].to_vec();
        segments.append(&mut self.segments);
        self.segments = segments;
        self.skipped = 0;
        self
    }
}

pub(crate) fn media(text: &str) -> Playlist {
    let options = ParsingOptionsBuilder::new()
        .with_parsing_for_all_tags()
        .build();
    let mut reader = Reader::from_str(text, options);
    let mut playlist = Playlist::default();
    let (mut duration_s, mut dated, mut discontinuity, mut range) = (None, false, false, None);
    while let Some(line) = reader.read_line().expect("a valid line") {
        match line {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => match tag {
                Tag::Targetduration(tag) => playlist.target_duration_s = tag.target_duration(),
                Tag::PartInf(tag) => playlist.part_target_s = tag.part_target(),
                Tag::ServerControl(tag) => {
                    assert!(tag.can_block_reload());
                    playlist.hold_back_s = tag.hold_back().unwrap();
                    playlist.part_hold_back_s = tag.part_hold_back().unwrap_or(0.0);
                    playlist.skip_until_s = tag.can_skip_until().unwrap();
                }
                Tag::MediaSequence(tag) => playlist.sequence = tag.media_sequence(),
                Tag::DiscontinuitySequence(tag) => {
                    playlist.discontinuity_sequence = tag.discontinuity_sequence();
                }
                Tag::Map(tag) => {
                    playlist.map = tag.uri().to_owned();
                    let range = tag.byterange();
                    playlist.map_range = range.map(|range| (range.length, range.offset));
                }
                Tag::PlaylistType(_) => assert!(playlist.segments.is_empty()),
                Tag::ProgramDateTime(_) => dated = true,
                Tag::Discontinuity(_) => discontinuity = true,
                Tag::Part(tag) => playlist.open_parts.push(Part {
                    uri: tag.uri().to_owned(),
                    duration_s: tag.duration(),
                    independent: tag.independent(),
                }),
                Tag::Inf(tag) => duration_s = Some(tag.duration()),
                Tag::PreloadHint(tag) => playlist.hint = Some(tag.uri().to_owned()),
                Tag::RenditionReport(tag) => playlist.reports.push((
                    tag.uri().to_owned(),
                    tag.last_msn(),
                    tag.last_part().unwrap(),
                )),
                Tag::Skip(tag) => playlist.skipped = tag.skipped_segments(),
                Tag::IFramesOnly(_) => playlist.iframes_only = true,
                Tag::Byterange(tag) => range = Some((tag.length(), tag.offset().unwrap())),
                Tag::Endlist(_) => playlist.ended = true,
                Tag::M3u(_) | Tag::Version(_) | Tag::IndependentSegments(_) => {}
                other => panic!("unexpected {other:?}"),
            },
            HlsLine::Uri(uri) => playlist.segments.push(Segment {
                uri: uri.into_owned(),
                range: range.take(),
                duration_s: duration_s.take().expect("EXTINF before a URI"),
                dated: std::mem::take(&mut dated),
                discontinuity: std::mem::take(&mut discontinuity),
                parts: std::mem::take(&mut playlist.open_parts),
            }),
            other => panic!("unexpected {other:?}"),
        }
    }
    playlist
}
