//! A viewer who follows every rendition of a broadcast while it is live and keeps all segments.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::http;

/// How often playlists are read again: several times a segment.
const RELOAD_EVERY: Duration = Duration::from_millis(200);

/// Longer than any broadcast of these tests.
const FOLLOW_MAX: Duration = Duration::from_secs(120);

/// One segment as it was delivered.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) duration_s: f64,
    pub(crate) bytes: Vec<u8>,
}

/// One rendition as it was delivered.
#[derive(Clone, Debug)]
pub(crate) struct Rendition {
    pub(crate) name: String,
    /// Of the picture; (0, 0) for sound.
    pub(crate) size: (usize, usize),
    /// The URI of its initialization segment, which names the broadcast.
    pub(crate) init_uri: String,
    pub(crate) init: Vec<u8>,
    pub(crate) segments: Vec<Segment>,
    ended: bool,
    playlist_path: String,
    newest_first: u64,
}

/// All that a viewer got.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) master: String,
    pub(crate) renditions: Vec<Rendition>,
}

impl Watched {
    /// The rendition of this name.
    pub(crate) fn rendition(&self, name: &str) -> &Rendition {
        let found = self.renditions.iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.master))
    }

    /// Renditions with a picture.
    pub(crate) fn videos(&self) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().filter(|it| it.size != (0, 0))
    }

    /// Names of the renditions, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.renditions.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

impl Rendition {
    /// Initialization segment and all segments.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let segments = self.segments.iter().map(|segment| &segment.bytes[..]);
        let all: Vec<&[u8]> = std::iter::once(&self.init[..]).chain(segments).collect();
        all.concat()
    }
}

/// Follows in a thread of its own.
pub(crate) struct Viewer {
    thread: JoinHandle<Watched>,
}

impl Viewer {
    /// Begins to ask for `stream`; it may not be live yet.
    pub(crate) fn follow(server: SocketAddr, stream: &str) -> Self {
        let stream = stream.to_owned();
        let thread = thread::spawn(move || follow(server, &stream));
        Self { thread }
    }

    /// What it got until the broadcast's end.
    pub(crate) fn until_end(self) -> Watched {
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn follow(server: SocketAddr, stream: &str) -> Watched {
    let start = Instant::now();
    let master = loop {
        let answer = http::get(server, &format!("/live/{stream}/master.m3u8"));
        match answer {
            Ok(answer) if answer.status == 200 => break answer.text(),
            Ok(answer) => assert_eq!(answer.status, 404, "{}", answer.text()),
            Err(error) => panic!("the multivariant playlist: {error}"),
        }
        assert!(start.elapsed() < FOLLOW_MAX, "{stream} does not go live");
        thread::sleep(RELOAD_EVERY / 4);
    };
    let renditions = renditions(&master, stream);
    assert!(!renditions.is_empty(), "{master}");
    let mut watched = Watched { master, renditions };
    loop {
        for rendition in &mut watched.renditions {
            if !rendition.ended {
                rendition.reload(server);
            }
        }
        if watched.renditions.iter().all(|it| it.ended) {
            return watched;
        }
        assert!(start.elapsed() < FOLLOW_MAX, "{stream} does not end");
        thread::sleep(RELOAD_EVERY);
    }
}

/// The renditions that a multivariant playlist lists.
fn renditions(master: &str, stream: &str) -> Vec<Rendition> {
    let mut found: Vec<Rendition> = Vec::new();
    let mut add = |uri: &str, size| {
        let name = uri.split('/').next().unwrap_or(uri).to_owned();
        if found.iter().all(|it| it.name != name) {
            found.push(Rendition {
                name,
                size,
                init_uri: String::new(),
                init: Vec::new(),
                segments: Vec::new(),
                ended: false,
                playlist_path: format!("/live/{stream}/{uri}"),
                newest_first: 0,
            });
        }
    };
    let mut lines = master.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#EXT-X-MEDIA:") {
            add(attribute(line, "URI=").expect("a rendition's URI"), (0, 0));
        } else if line.starts_with("#EXT-X-STREAM-INF:") {
            let size = attribute(line, "RESOLUTION=").map_or((0, 0), |size| {
                let (width, height) = size.split_once('x').expect("two sides");
                (
                    width.parse().expect("a width"),
                    height.parse().expect("a height"),
                )
            });
            add(lines.next().expect("a variant's URI"), size);
        }
    }
    found
}

/// An attribute's value, quoted or not; `name` ends in `=`.
pub(crate) fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let at = line
        .match_indices(name)
        .find(|(at, _)| line[..*at].ends_with([':', ',']))?
        .0;
    let value = &line[at + name.len()..];
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(',').next(),
    }
}

impl Rendition {
    /// Reads the playlist and gets what is new.
    fn reload(&mut self, server: SocketAddr) {
        let answer = http::get(server, &self.playlist_path).expect("a playlist");
        // A rendition's first segment may be a moment later than the first rendition's.
        if answer.status == 404 && self.segments.is_empty() {
            return;
        }
        assert_eq!(answer.status, 200, "{}: {}", self.name, answer.text());
        let text = answer.text();
        let mut sequence = None;
        let mut duration_s = 0.0;
        for line in text.lines() {
            if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                let first = number.parse().expect("a number");
                assert!(first >= self.newest_first, "the media sequence went back");
                self.newest_first = first;
                sequence = Some(first);
            } else if line.starts_with("#EXT-X-MAP:") {
                self.take_init(server, attribute(line, "URI=").expect("a URI"));
            } else if let Some(length) = line.strip_prefix("#EXTINF:") {
                duration_s = length.trim_end_matches(',').parse().expect("a duration");
            } else if line == "#EXT-X-ENDLIST" {
                self.ended = true;
            } else if !line.starts_with('#') && !line.is_empty() {
                let number = sequence.expect("it comes before the first segment");
                sequence = Some(number + 1);
                self.take_segment(server, number, duration_s, line);
            }
        }
    }

    fn take_init(&mut self, server: SocketAddr, uri: &str) {
        if self.init_uri.is_empty() {
            self.init = self.media(server, uri);
            uri.clone_into(&mut self.init_uri);
        }
        assert_eq!(self.init_uri, uri, "the initialization segment changed");
    }

    fn take_segment(&mut self, server: SocketAddr, sequence: u64, duration_s: f64, uri: &str) {
        match self.segments.last().map(|last| last.sequence + 1) {
            Some(next) if sequence < next => return,
            Some(next) => assert_eq!(sequence, next, "{}: a segment is missing", self.name),
            None => {}
        }
        let bytes = self.media(server, uri);
        self.segments.push(Segment {
            sequence,
            duration_s,
            bytes,
        });
    }

    fn media(&self, server: SocketAddr, uri: &str) -> Vec<u8> {
        let folder = self.playlist_path.trim_end_matches("playlist.m3u8");
        let answer = http::get(server, &format!("{folder}{uri}")).expect("media");
        assert_eq!(answer.status, 200, "{uri}: {}", answer.text());
        answer.body
    }
}
