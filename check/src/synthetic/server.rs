//! The made-up server: what each URL leads to at which position.

use std::fmt::Write;

use bytes::Bytes;

use super::media::{Coded, Fragment, TIMESCALE, init};
use super::{Break, NAMES};
use crate::session::{Position, Purpose};

/// The segment that is open when the look begins, and the last one of all.
pub(super) const FIRST_OPEN: u64 = 12;
pub(super) const LAST_SEGMENT: u64 = 19;

/// Parts of a segment, each of half a second.
pub(super) const PARTS: u64 = 4;

/// Whole segments in a playlist.
const WINDOW: u64 = 9;

/// The segment before which the timestamps jump. It leaves the playlist while it is watched.
const DISCONTINUITY: u64 = 8;

/// A playlist that a test may change.
pub(crate) struct Page<'a> {
    /// The rendition's name; `master` and `iframes` are those.
    pub(crate) name: &'a str,
    pub(crate) purpose: Purpose,
    /// Its newest part.
    pub(crate) at: Position,
}

pub(super) struct Server {
    pub(super) broken: Break,
}

impl Server {
    pub(super) fn multivariant(&self) -> String {
        let text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,URI=\"sound/playlist.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=500000,AVERAGE-BANDWIDTH=400000,CODECS=\"avc1.42c00d,mp4a.40.2\",RESOLUTION=320x180,FRAME-RATE=30.000,AUDIO=\"a\",CLOSED-CAPTIONS=NONE\n\
            big/playlist.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=300000,AVERAGE-BANDWIDTH=200000,CODECS=\"avc1.42c00b,mp4a.40.2\",RESOLUTION=160x90,FRAME-RATE=30.000,AUDIO=\"a\",CLOSED-CAPTIONS=NONE\n\
            small/playlist.m3u8\n\
            #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=50000,CODECS=\"avc1.42c00d\",RESOLUTION=320x180,URI=\"big/iframes.m3u8\"\n";
        let at = Position { msn: 0, part: None };
        self.page("master", Purpose::Entry, at, text.to_owned())
    }

    /// A media playlist whose newest part is `at`; past the last segment, the one that has ended.
    pub(super) fn playlist(&self, rendition: usize, purpose: Purpose, at: Position) -> String {
        let ended = at.msn > LAST_SEGMENT;
        let open = at.msn.min(LAST_SEGMENT + 1);
        let first = open - WINDOW;
        let delta = matches!(purpose, Purpose::Delta(_));
        // What is left has to be twelve seconds long.
        let skipped = if delta { 3 } else { 0 };
        let mut text = String::from(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.600,HOLD-BACK=6.000,CAN-SKIP-UNTIL=12.000\n\
             #EXT-X-PART-INF:PART-TARGET=0.500\n",
        );
        let left = u64::from(first > DISCONTINUITY);
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}").unwrap();
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{left}").unwrap();
        match delta {
            true => writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}").unwrap(),
            false => text.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n"),
        }
        for msn in first + skipped..=open {
            let parts = match msn == open {
                true if ended => 0,
                true => at.part.unwrap_or(0) + 1,
                false => PARTS,
            };
            if parts == 0 {
                continue;
            }
            if msn == DISCONTINUITY {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if msn == first || msn == DISCONTINUITY {
                let seconds = msn * 2;
                writeln!(
                    text,
                    "#EXT-X-PROGRAM-DATE-TIME:2020-09-13T12:{:02}:{:02}.000Z",
                    seconds / 60,
                    seconds % 60
                )
                .unwrap();
            }
            if open - msn < 4 {
                for part in 0..parts {
                    let independent = match part == 0 && rendition < 2 {
                        true => ",INDEPENDENT=YES",
                        false => "",
                    };
                    writeln!(
                        text,
                        "#EXT-X-PART:DURATION=0.500,URI=\"{msn}.{part}.m4s\"{independent}"
                    )
                    .unwrap();
                }
            }
            if parts == PARTS && msn < open {
                writeln!(text, "#EXTINF:2.000,\n{msn}.m4s").unwrap();
            }
        }
        if ended {
            text.push_str("#EXT-X-ENDLIST\n");
            return self.page(NAMES[rendition], purpose, at, text);
        }
        self.announcements(rendition, at, &mut text);
        self.page(NAMES[rendition], purpose, at, text)
    }

    fn announcements(&self, rendition: usize, at: Position, text: &mut String) {
        let part = at.part.unwrap_or(0);
        let (msn, next) = match part + 1 < PARTS {
            true => (at.msn, part + 1),
            false => (at.msn + 1, 0),
        };
        writeln!(
            text,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{msn}.{next}.m4s\""
        )
        .unwrap();
        for (index, name) in NAMES.iter().enumerate() {
            if index != rendition {
                writeln!(
                    text,
                    "#EXT-X-RENDITION-REPORT:URI=\"../{name}/playlist.m3u8\",LAST-MSN={},LAST-PART={part}",
                    at.msn
                )
                .unwrap();
            }
        }
    }

    pub(super) fn iframes(&self) -> String {
        let first = FIRST_OPEN - 3;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:2\n#EXT-X-I-FRAMES-ONLY\n\
             #EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"init.mp4\"\n"
        );
        for msn in first..FIRST_OPEN {
            let len = self.iframe_len(msn);
            writeln!(text, "#EXTINF:2.000,\n#EXT-X-BYTERANGE:{len}@0\n{msn}.m4s").unwrap();
        }
        text.push_str("#EXT-X-ENDLIST\n");
        let at = Position { msn: 0, part: None };
        self.page("iframes", Purpose::Latest, at, text)
    }

    fn page(&self, name: &str, purpose: Purpose, at: Position, text: String) -> String {
        let page = Page { name, purpose, at };
        match self.broken {
            Break::Text(change) => change(&page, text),
            _ => text,
        }
    }

    pub(super) fn init(&self, rendition: usize) -> Bytes {
        init(rendition)
    }

    pub(super) fn part_url(&self, rendition: usize, msn: u64, part: u64) -> String {
        format!("https://host/live/{}/{msn}.{part}.m4s", NAMES[rendition])
    }

    pub(super) fn segment_url(&self, rendition: usize, msn: u64) -> String {
        format!("https://host/live/{}/{msn}.m4s", NAMES[rendition])
    }

    pub(super) fn part(&self, rendition: usize, msn: u64, part: u64) -> Bytes {
        self.fragment(rendition, msn, Some(part)).write()
    }

    pub(super) fn segment(&self, rendition: usize, msn: u64) -> Bytes {
        self.fragment(rendition, msn, None).write()
    }

    /// Up to the end of the first sample, which has ten bytes.
    pub(super) fn iframe_len(&self, msn: u64) -> usize {
        let fragment = self.fragment(0, msn, None);
        fragment.write().len() - (fragment.samples.len() - 1) * 10
    }

    fn fragment(&self, rendition: usize, msn: u64, part: Option<u64>) -> Fragment {
        let frames: u64 = if rendition == 2 { 100 } else { 60 };
        let duration = u64::from(TIMESCALE) * 2 / frames;
        let (first, count) = match part {
            Some(part) => (part * frames / PARTS, frames / PARTS),
            None => (0, frames),
        };
        let jump = if msn >= DISCONTINUITY { 500 } else { 0 };
        let start = (msn * 2 + jump) * u64::from(TIMESCALE);
        let mut fragment = Fragment {
            rendition,
            msn,
            part,
            dts: start + first * duration,
            samples: (first..first + count)
                .map(|index| Coded {
                    duration: duration as u32,
                    idr: index == 0,
                    number: (msn * frames + index) as u32,
                })
                .collect(),
        };
        if let Break::Media(change) = self.broken {
            change(&mut fragment);
        }
        fragment
    }
}
