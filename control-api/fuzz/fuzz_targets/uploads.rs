//! What the headers of an upload's requests say: tus, `Content-Range`, metadata, checksums. What is
//! taken has the bounds that it claims and could be written in the same words again.
//!
//! The input is lines: a header's number in one byte, and its value.
#![no_main]
#![allow(
    dead_code,
    reason = "modules of the API, of which not all is needed here"
)]

// They are private: the parsers alone are compiled in.
#[path = "../../src/uploads/checksum.rs"]
mod checksum;
#[path = "../../src/uploads/content_range.rs"]
mod content_range;
#[path = "../../src/uploads/fault.rs"]
mod fault;
#[path = "../../src/uploads/metadata.rs"]
mod metadata;
#[path = "../../src/uploads/tus.rs"]
mod tus;

/// What `fault` says of the one module that is not compiled in.
mod receive {
    pub(crate) const PROGRESS_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);
    pub(crate) const PROGRESS_BYTES_MIN: u64 = 64 * 1024;
}

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use checksum::Checksum;
use content_range::Put;
use libfuzzer_sys::fuzz_target;
use metadata::Metadata;
use sha1::Sha1;
use sha2::{Digest, Sha256};

const LENGTH_MAX: u64 = 1 << 40;

const NAMES: [HeaderName; 12] = [
    tus::RESUMABLE,
    tus::OFFSET,
    tus::LENGTH,
    tus::METADATA,
    HeaderName::from_static("upload-checksum"),
    HeaderName::from_static("upload-defer-length"),
    HeaderName::from_static("upload-concat"),
    HeaderName::from_static("x-http-method-override"),
    header::CONTENT_TYPE,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
];

fuzz_target!(|input: &[u8]| {
    let headers = headers(input);
    check_requests(&headers);
    check_ranges(&headers);
    if let Ok(value) = HeaderValue::from_bytes(input) {
        let _refused = Checksum::parse(&value);
        if let Ok(metadata) = Metadata::of(Some(&value)) {
            check_metadata(&metadata, input);
        }
    }
    check_text(input);
    check_sums(input);
});

fn headers(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n') {
        let [number, value @ ..] = line else {
            continue;
        };
        let number = usize::from(*number) % NAMES.len();
        // One of the two stands for what chance does not find.
        let value = match number {
            9 => tus::PIECE_TYPE.as_bytes(),
            _ => value,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(&NAMES[number], value);
        }
    }
    headers
}

fn check_requests(headers: &HeaderMap) {
    let is_ours = headers
        .get(tus::RESUMABLE)
        .is_some_and(|it| it == tus::VERSION);
    assert_eq!(tus::check_version(headers).is_ok(), is_ours);
    let _refused = tus::method(&Method::POST, headers);
    match tus::creation(headers, LENGTH_MAX) {
        Ok(creation) => {
            assert!((1..=LENGTH_MAX).contains(&creation.length));
            assert_eq!(
                headers[tus::LENGTH].as_bytes(),
                zeros(headers, creation.length)
            );
            assert!(creation.first.is_none_or(|piece| piece.offset == 0));
            if let Some(sent) = headers.get(tus::METADATA) {
                check_metadata(&creation.metadata, sent.as_bytes());
            }
        }
        Err(fault) => assert!(fault.class().0.is_client_error(), "{}", fault.detail()),
    }
    match tus::piece(headers) {
        Ok(piece) => {
            let text = headers[tus::OFFSET].to_str().expect("digits");
            assert_eq!(text.parse(), Ok(piece.offset));
        }
        Err(fault) => assert!(fault.class().0.is_client_error(), "{}", fault.detail()),
    }
}

/// The number as it stands in the header, however many zeros are before it.
fn zeros(headers: &HeaderMap, number: u64) -> Vec<u8> {
    let len = headers[tus::LENGTH].len();
    format!("{number:0len$}").into_bytes()
}

fn check_ranges(headers: &HeaderMap) {
    let (first, end, length) = match content_range::put(headers) {
        Ok(Put::Piece { first, end, length }) => (first, end, length),
        Ok(Put::Whole { length }) => {
            assert!(!headers.contains_key(header::CONTENT_RANGE));
            let said = headers[header::CONTENT_LENGTH].to_str().expect("digits");
            assert_eq!(said.parse(), Ok(length));
            return;
        }
        Ok(Put::Question) | Err(_) => return,
    };
    assert!(first < end && end <= length);
    let mut same = HeaderMap::new();
    let text = format!("bytes {first}-{}/{length}", end - 1);
    same.insert(header::CONTENT_RANGE, text.try_into().expect("ASCII"));
    let again = content_range::put(&same).map_err(|fault| fault.detail());
    assert_eq!(again, Ok(Put::Piece { first, end, length }));
}

fn check_metadata(metadata: &Metadata, sent: &[u8]) {
    assert_eq!(metadata.sent.as_bytes(), sent);
    let texts = [&metadata.file_name, &metadata.title, &metadata.video];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty());
        // PostgreSQL's texts have no U+0000, and a log no line's end in one.
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    // Of a file's name something can always be made.
    let has_name_alone = metadata.file_name.is_some() && metadata.title.is_none();
    assert!(metadata.title().is_ok() || !has_name_alone, "{metadata:?}");
}

/// Any text in one line can be a file's name.
fn check_text(input: &[u8]) {
    let text = STANDARD.encode(input);
    let header = HeaderValue::try_from(format!("filename {text},title {text}")).expect("ASCII");
    let is_short = header.len() <= storage::videos::uploads::METADATA_BYTES_MAX;
    let text = str::from_utf8(input).ok();
    let text = text.filter(|text| is_short && !text.contains(char::is_control));
    match (Metadata::of(Some(&header)), text) {
        (Ok(metadata), Some(text)) => {
            let expected = Some(text).filter(|text| !text.is_empty());
            assert_eq!(metadata.file_name.as_deref(), expected);
            if let Ok(title) = metadata.title() {
                assert_eq!(Some(title.as_str()), expected);
            }
            check_metadata(&metadata, header.as_bytes());
        }
        (Err(_), None) => {}
        (found, _) => panic!("{text:?}: {:?}", found.map_err(|fault| fault.detail())),
    }
}

/// The checksum of the input is met by it in whatever pieces, and by nothing else.
fn check_sums(input: &[u8]) {
    let sums = [
        format!("sha1 {}", STANDARD.encode(Sha1::digest(input))),
        format!("sha256 {}", STANDARD.encode(Sha256::digest(input))),
    ];
    for sum in sums {
        let value = HeaderValue::try_from(sum).expect("ASCII");
        let parsed = Checksum::parse(&value).map_err(|fault| fault.detail());
        let mut checksum = parsed.expect("a checksum");
        let mut other = checksum.clone();
        let (head, tail) = input.split_at(input.len() / 3);
        checksum.update(head);
        checksum.update(tail);
        assert!(checksum.holds());
        other.update(input);
        other.update(b"x");
        assert!(!other.holds());
    }
}
