//! A made-up look at a made-up server that keeps every rule: two sizes and a sound in parts of half
//! a second, a discontinuity, an I-frame playlist, an end. The tests of the rules break it in one
//! place each.

mod media;
mod server;

pub(crate) use media::Fragment;
pub(crate) use server::Page;

use std::time::Duration;

use bytes::Bytes;

use crate::session::{Answer, ByteRange, Exchange, HttpVersion, Position, Purpose, Session};
use server::{FIRST_OPEN, LAST_SEGMENT, PARTS, Server};

/// Where the multivariant playlist is.
pub(crate) const ENTRY: &str = "https://host/live/master.m3u8";

/// Names of the renditions, which are their folders.
pub(crate) const NAMES: [&str; 3] = ["big", "small", "sound"];

/// How a test breaks what is right.
#[derive(Clone, Copy)]
pub(crate) enum Break {
    /// Nothing.
    Nowhere,
    /// In media, before it is written.
    Media(fn(&mut Fragment)),
    /// In a playlist's text.
    Text(fn(&Page<'_>, String) -> String),
    /// In what was asked and answered.
    Exchanges(fn(&mut Session)),
}

/// The look, broken in this place.
pub(crate) fn session(broken: Break) -> Session {
    let mut builder = Builder {
        server: Server { broken },
        exchanges: Vec::new(),
    };
    builder.entry();
    for rendition in 0..NAMES.len() {
        builder.follow(rendition);
    }
    builder.probes();
    builder.iframes();
    let mut exchanges = builder.exchanges;
    exchanges.sort_by_key(|exchange| exchange.end);
    let mut session = Session {
        entry: ENTRY.to_owned(),
        exchanges,
        watched: Duration::from_secs(17),
        cut_short: None,
    };
    if let Break::Exchanges(change) = broken {
        change(&mut session);
    }
    session
}

struct Builder {
    server: Server,
    exchanges: Vec<Exchange>,
}

/// How an answer may be kept.
const FOREVER: &str = "public, max-age=31536000, immutable";
const AWHILE: &str = "public, max-age=6";
const NEVER: &str = "no-store";

/// The time at which a part is there; those of the second and third rendition a little later.
fn available(rendition: usize, position: Position) -> Duration {
    let parts = (position.msn - FIRST_OPEN) * PARTS + position.part.unwrap_or(0);
    // The look begins when the first two parts of the open segment are there.
    Duration::from_millis((parts * 500).saturating_sub(500))
        + Duration::from_millis(rendition as u64)
}

impl Builder {
    fn entry(&mut self) {
        let body = self.server.multivariant();
        self.playlist(ENTRY, Purpose::Entry, Duration::ZERO, Duration::ZERO, body);
    }

    fn follow(&mut self, rendition: usize) {
        let url = format!("https://host/live/{}/playlist.m3u8", NAMES[rendition]);
        let mut position = Position {
            msn: FIRST_OPEN,
            part: Some(1),
        };
        let begin = Duration::from_millis(5);
        let text = self.server.playlist(rendition, Purpose::Latest, position);
        self.playlist(&url, Purpose::Latest, begin, begin, text);
        let init = self.server.init(rendition);
        let folder = format!("https://host/live/{}", NAMES[rendition]);
        self.media(
            &format!("{folder}/init.mp4"),
            Purpose::Init,
            begin,
            begin,
            init,
        );
        for msn in FIRST_OPEN - 3..FIRST_OPEN {
            for part in 0..PARTS {
                self.part(rendition, msn, part, Purpose::Part, begin, begin);
            }
            self.segment(rendition, msn, begin);
        }
        for part in 0..2 {
            self.part(rendition, FIRST_OPEN, part, Purpose::Part, begin, begin);
        }
        let mut sent = begin;
        while position.msn <= LAST_SEGMENT {
            position = match position.part {
                Some(part) if part + 1 < PARTS => Position {
                    part: Some(part + 1),
                    ..position
                },
                _ => Position {
                    msn: position.msn + 1,
                    part: Some(0),
                },
            };
            let end = available(rendition, position);
            let purpose = Purpose::Reload(position);
            let part = position.part.unwrap_or(0);
            let query = format!("{url}?_HLS_msn={}&_HLS_part={part}", position.msn);
            let text = self.server.playlist(rendition, purpose, position);
            self.playlist(&query, purpose, sent, end, text);
            let hinted = self.server.part_url(rendition, position.msn, part);
            if position.msn > LAST_SEGMENT {
                // Nothing comes any more: one way to say it, and another.
                let status = if rendition == 0 { 404 } else { 503 };
                self.refuse(&hinted, Purpose::Hinted, end, status);
            } else {
                self.part(rendition, position.msn, part, Purpose::Hinted, sent, end);
            }
            if part == 0 && position.msn > FIRST_OPEN {
                self.segment(rendition, position.msn - 1, end);
            }
            sent = end + Duration::from_millis(1);
        }
        let text = self.server.playlist(rendition, Purpose::Latest, position);
        self.playlist(&url, Purpose::Latest, sent, sent, text);
    }

    fn probes(&mut self) {
        let at = Duration::from_millis(20);
        let url = format!("https://host/live/{}/playlist.m3u8", NAMES[0]);
        let position = Position {
            msn: FIRST_OPEN,
            part: Some(1),
        };
        let query = format!("{url}?_HLS_msn={FIRST_OPEN}&_HLS_part=1");
        for purpose in [Purpose::Existing(position), Purpose::Full(position)] {
            let text = self.server.playlist(0, purpose, position);
            self.playlist(&query, purpose, at, at, text);
        }
        let text = self.server.playlist(0, Purpose::Delta(position), position);
        let delta = format!("{query}&_HLS_skip=YES");
        self.playlist(&delta, Purpose::Delta(position), at, at, text);
        let past = format!("{url}?_HLS_msn={}&_HLS_part={PARTS}", FIRST_OPEN - 1);
        let purpose = Purpose::PartPastEnd(FIRST_OPEN - 1);
        let text = self.server.playlist(0, purpose, position);
        self.playlist(&past, purpose, at, at, text);
        let far = format!("{url}?_HLS_msn=99");
        self.refuse(&far, Purpose::FarAhead, at, 400);
        let alone = format!("{url}?_HLS_part=0");
        self.refuse(&alone, Purpose::PartAlone, at, 400);
        let nowhere = "https://host/live/big/absent.m4s";
        self.refuse(nowhere, Purpose::Absent, at, 404);
        let text = self.server.playlist(0, Purpose::Identity, position);
        self.playlist(&url, Purpose::Identity, at, at, text);
        let identity = self.exchanges.last_mut().unwrap().result.as_mut().unwrap();
        identity
            .headers
            .retain(|(name, _)| name != "content-encoding");

        let segment = self.server.segment_url(0, FIRST_OPEN - 1);
        let bytes = self.server.segment(0, FIRST_OPEN - 1);
        let middle = bytes.slice(100..300);
        self.media(&segment, Purpose::Again, at, at, bytes);
        self.media(&segment, Purpose::Middle, at, at, middle);
        self.ranged(100, 200);
    }

    fn iframes(&mut self) {
        let at = Duration::from_millis(10);
        let url = "https://host/live/big/iframes.m3u8";
        let body = self.server.iframes();
        self.playlist(url, Purpose::Latest, at, at, body);
        for msn in FIRST_OPEN - 3..FIRST_OPEN {
            let len = self.server.iframe_len(msn);
            let segment = self.server.segment_url(0, msn);
            let bytes = self.server.segment(0, msn).slice(..len);
            self.media(&segment, Purpose::Segment, at, at, bytes);
            self.ranged(0, len as u64);
        }
    }

    /// Makes the newest exchange one of a range.
    fn ranged(&mut self, first: u64, len: u64) {
        let newest = self.exchanges.last_mut().unwrap();
        let len = Some(len);
        newest.range = Some(ByteRange { first, len });
        newest.result.as_mut().unwrap().status = 206;
    }

    fn part(
        &mut self,
        rendition: usize,
        msn: u64,
        part: u64,
        purpose: Purpose,
        sent: Duration,
        end: Duration,
    ) {
        let url = self.server.part_url(rendition, msn, part);
        let bytes = self.server.part(rendition, msn, part);
        self.media(&url, purpose, sent, end, bytes);
    }

    fn segment(&mut self, rendition: usize, msn: u64, at: Duration) {
        let url = self.server.segment_url(rendition, msn);
        let bytes = self.server.segment(rendition, msn);
        self.media(&url, Purpose::Segment, at, at, bytes);
    }

    fn playlist(
        &mut self,
        url: &str,
        purpose: Purpose,
        sent: Duration,
        end: Duration,
        text: String,
    ) {
        let cache = match url.contains("_HLS_") {
            true => AWHILE,
            false => "no-cache",
        };
        let headers = [
            ("content-type", "application/vnd.apple.mpegurl"),
            ("content-encoding", "gzip"),
            ("cache-control", cache),
        ];
        self.answer(url, purpose, (sent, end), 200, &headers, Bytes::from(text));
    }

    fn media(&mut self, url: &str, purpose: Purpose, sent: Duration, end: Duration, body: Bytes) {
        let headers = [("content-type", "video/mp4"), ("cache-control", FOREVER)];
        self.answer(url, purpose, (sent, end), 200, &headers, body);
    }

    fn refuse(&mut self, url: &str, purpose: Purpose, at: Duration, status: u16) {
        let headers = [("cache-control", NEVER), ("retry-after", "1")];
        self.answer(url, purpose, (at, at), status, &headers, Bytes::new());
    }

    fn answer(
        &mut self,
        url: &str,
        purpose: Purpose,
        (sent, end): (Duration, Duration),
        status: u16,
        headers: &[(&str, &str)],
        body: Bytes,
    ) {
        let open = [("access-control-allow-origin", "*")];
        let headers = headers.iter().chain(&open);
        self.exchanges.push(Exchange {
            url: url.to_owned(),
            redirected: None,
            purpose,
            range: None,
            sent,
            first_byte: end,
            end,
            result: Ok(Answer {
                status,
                http: HttpVersion::Http2,
                headers: headers
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                wire_bytes: body.len(),
                body,
                cut: false,
            }),
        });
    }
}
