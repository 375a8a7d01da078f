//! Requests under `/vod/`: any method, target, range and condition gets one of the answers that
//! there are. What is known of a file (its validator and its bytes) holds in all of them.
//!
//! The first byte chooses the method, the second one of the title's files or none, the third what is
//! added that chance does not find. Then come lines: the rest of the target, and what `Range`,
//! `If-Range`, `If-None-Match` and `Accept-Encoding` say.
#![no_main]

mod shelf;

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use media_core::{FrameRate, InitKind, MediaTime, SampleRun, StoredRendition, StoredSegment};
use shelf::{Answer, Stage, TOKEN, Tape};

const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::GET,
    Method::OPTIONS,
    Method::POST,
    Method::DELETE,
];

/// Whether each may be asked for in ranges.
const FILES: [(&str, bool); 10] = [
    ("/vod/public/720p.mp4", true),
    ("/vod/public/audio.mp4", true),
    ("/vod/public/720p/download.mp4", true),
    ("/vod/public/audio/download.mp4", true),
    ("/vod/public/master.m3u8", false),
    ("/vod/public/720p/playlist.m3u8", false),
    ("/vod/public/720p/iframes.m3u8", false),
    ("/vod/public/subtitles/en.m3u8", false),
    ("/vod/public/subtitles/en.vtt", false),
    ("/vod/public/thumbnails/sprite.vtt", false),
];

const BYTES_UNIT: u8 = 1;
const SAME_RANGE: u8 = 1 << 1;
const SAME_TAG: u8 = 1 << 2;
const PRIVATE: u8 = 1 << 3;

fuzz_target!(|input: &[u8]| {
    thread_local!(static TITLE: Known = Known::new());
    let [method, file, extras, text @ ..] = input else {
        return;
    };
    TITLE.with(|title| {
        let file = title
            .files
            .get(usize::from(*file) % (title.files.len() + 1));
        let mut lines = text.splitn(5, |&byte| byte == b'\n');
        let mut line = || lines.next().unwrap_or_default().to_vec();
        let path = match file {
            Some(file) => file.path,
            None if extras & PRIVATE != 0 => "/vod/private/",
            None => "/vod/",
        };
        let mut target = [path.as_bytes(), &line()].concat();
        if extras & PRIVATE != 0 {
            target.extend_from_slice(format!("?token={TOKEN}").as_bytes());
        }
        let mut range = line();
        if extras & BYTES_UNIT != 0 {
            range.splice(..0, *b"bytes=");
        }
        let mut fields = [
            (RANGE, range),
            (IF_RANGE, line()),
            (IF_NONE_MATCH, line()),
            (ACCEPT_ENCODING, line()),
        ];
        if let Some(file) = file {
            for (bit, (_, value)) in [SAME_RANGE, SAME_TAG].iter().zip(&mut fields[1..]) {
                if extras & bit != 0 {
                    value.extend_from_slice(file.tag.as_bytes());
                }
            }
        }
        let method = &METHODS[usize::from(*method) % METHODS.len()];
        title.ask(method, &target, fields);
    });
});

/// A file of the title.
struct File {
    path: &'static str,
    is_ranged: bool,
    tag: HeaderValue,
    whole: Vec<u8>,
}

struct Known {
    stage: Stage,
    files: Vec<File>,
}

impl Known {
    fn new() -> Self {
        let stage = Stage::new(vec![video(), audio()]);
        let files = FILES.map(|(path, is_ranged)| {
            let request = Request::get(path).body(()).expect("a target");
            let Answer { head, body } = stage.ask(&request);
            assert_eq!(head.status, 200, "{path}");
            File {
                path,
                is_ranged,
                tag: head.headers["etag"].clone(),
                whole: body,
            }
        });
        Self {
            stage,
            files: files.into(),
        }
    }

    fn ask(&self, method: &Method, target: &[u8], fields: [(HeaderName, Vec<u8>); 4]) {
        let Ok(target) = Uri::try_from(target) else {
            return;
        };
        let path = target.path().to_owned();
        if !path.starts_with("/vod/") {
            return;
        }
        let mut request = Request::get(target).body(()).expect("a valid target");
        for (name, value) in fields {
            match HeaderValue::from_bytes(&value) {
                Ok(value) if !value.is_empty() => request.headers_mut().append(name, value),
                _ => continue,
            };
        }
        let file = self.files.iter().find(|file| file.path == path);
        let got = self.stage.ask(&request);
        match file {
            Some(file) => file.check(&request, &got),
            None => assert!(
                [200, 206, 304, 403, 404, 416].contains(&got.status()),
                "{got:?}"
            ),
        }
        if *method == Method::GET {
            return;
        }
        // A range is asked for by GET alone (RFC 9110 §14.2).
        let range = request.headers_mut().remove(RANGE);
        let got = self.stage.ask(&request);
        if let Some(range) = range {
            request.headers_mut().insert(RANGE, range);
        }
        *request.method_mut() = method.clone();
        let other = self.stage.ask(&request);
        assert!(other.body.is_empty() || other.status() == 405, "{other:?}");
        match other.status() {
            204 => assert_eq!(method, Method::OPTIONS),
            405 => assert!(field(&other, "allow").is_some()),
            status => {
                assert_eq!((method, status), (&Method::HEAD, got.status()));
                let promised = got.body.len().to_string();
                let has_length = status != 304;
                assert_eq!(
                    field(&other, "content-length"),
                    has_length.then_some(&promised[..])
                );
                let mut fields = other.head.headers;
                fields.remove("content-length");
                assert_eq!(fields, got.head.headers);
            }
        }
    }
}

impl File {
    /// Whether this is an answer to a GET of it.
    fn check(&self, request: &Request<()>, got: &Answer) {
        let asked = |name: HeaderName| request.headers().get(name);
        let status = got.status();
        assert_eq!(got.head.headers.get("etag"), Some(&self.tag), "{got:?}");
        let len = self.whole.len();
        let range = asked(RANGE).filter(|_| self.is_ranged);
        let range = range.filter(|_| asked(IF_RANGE).is_none_or(|tag| *tag == self.tag));
        match status {
            200 if field(got, "content-encoding").is_some() => {
                assert!(asked(ACCEPT_ENCODING).is_some() && got.body.starts_with(&[0x1f, 0x8b]));
            }
            200 => assert!(got.body == self.whole),
            206 => {
                assert!(range.is_some(), "{request:?}");
                let place = field(got, "content-range").and_then(|it| it.strip_prefix("bytes "));
                let (place, of) = place.and_then(|it| it.split_once('/')).expect("a range");
                let (first, last) = place.split_once('-').expect("a range");
                let [first, last] = [first, last].map(|it| it.parse::<usize>().expect("a number"));
                assert_eq!(of, len.to_string());
                assert!(got.body == self.whole[first..=last], "{request:?}");
            }
            304 => assert!(asked(IF_NONE_MATCH).is_some() && got.body.is_empty()),
            416 => {
                assert!(range.is_some() && got.body.is_empty(), "{request:?}");
                assert_eq!(
                    field(got, "content-range"),
                    Some(&format!("bytes */{len}")[..])
                );
            }
            _ => panic!("{got:?}"),
        }
        // What no server may refuse.
        let plain = range.and_then(|it| plain_range(it.as_bytes()));
        if let Some((first, last)) = plain.filter(|_| status != 304) {
            let expected = match first < len {
                true => 206,
                false => 416,
            };
            assert_eq!(status, expected, "{request:?}");
            assert!(status == 416 || got.body == self.whole[first..len.min(last + 1)]);
        }
        if asked(IF_NONE_MATCH).is_some_and(|tags| *tags == self.tag) {
            assert_eq!(status, 304, "{request:?}");
        }
    }
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let value = answer.head.headers.get(name)?;
    Some(value.to_str().expect("our own headers are ASCII"))
}

/// `bytes=FIRST-LAST` with small numbers in the right order.
fn plain_range(text: &[u8]) -> Option<(usize, usize)> {
    let (first, last) = str::from_utf8(text)
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let number = |digits: &str| {
        let is_small = (1..10).contains(&digits.len());
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
        digits
            .parse::<usize>()
            .ok()
            .filter(|_| is_small && is_number)
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// Longer than two reads of it.
fn video() -> Tape {
    let kind = InitKind::Video {
        width: 1280,
        height: 720,
        frame_rate: FrameRate::new(30, 1).expect("a rate"),
    };
    tape(0, "720p", kind, 60, 1500)
}

fn audio() -> Tape {
    let kind = InitKind::Audio {
        sample_rate: 48_000,
        channels: 2,
    };
    tape(1, "audio", kind, 94, 30)
}

/// Eight segments of two seconds, of chunks of ten samples.
fn tape(number: u64, name: &str, kind: InitKind, samples: u32, sample_bytes: u32) -> Tape {
    const CHUNK_HEAD_BYTES: u32 = 100;
    const LENGTH: Duration = Duration::from_secs(2);
    let init = shelf::init(name, kind);
    let mut offset = init.bytes.len() as u64;
    let (mut segments, mut runs) = (Vec::new(), Vec::new());
    for segment in 0..8 {
        let (mut of_segment, mut len_bytes) = (Vec::new(), 0);
        for first in (0..samples).step_by(10) {
            let numbers = first..samples.min(first + 10);
            let sizes: Vec<u32> = numbers.map(|it| sample_bytes + it % 7).collect();
            let run = SampleRun {
                offset: len_bytes + CHUNK_HEAD_BYTES,
                sizes,
            };
            len_bytes = run.offset + run.sizes.iter().sum::<u32>();
            of_segment.push(run);
        }
        segments.push(StoredSegment {
            start: MediaTime::from_millis(2000 * segment),
            duration: LENGTH,
            offset,
            len_bytes,
            keyframe_bytes: (number == 0).then_some(CHUNK_HEAD_BYTES + sample_bytes),
        });
        offset += u64::from(len_bytes);
        runs.push(of_segment);
    }
    Tape {
        rendition: StoredRendition { init, segments },
        runs,
        number,
    }
}
