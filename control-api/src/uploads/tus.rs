//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): what the headers of requests say, and
//! what is wrong with them. The core, with creation, creation-with-upload, expiration, termination
//! and checksum; lengths that are told later and concatenation are not offered. No socket and no
//! file here.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::checksum::Checksum;
use super::fault::Fault;
use super::metadata::Metadata;

/// The version that is spoken.
pub(crate) const VERSION: &str = "1.0.0";

/// The extensions that are.
pub(crate) const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination,checksum";

/// The type of a piece.
pub(crate) const PIECE_TYPE: &str = "application/offset+octet-stream";

pub(crate) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(crate) const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
pub(crate) const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(crate) const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(crate) const ALGORITHMS: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub(crate) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(crate) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(crate) const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(crate) const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// Our own: the id of the video that an upload becomes.
pub(crate) const VIDEO: HeaderName = HeaderName::from_static("millrace-video");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// What pages of other origins may send.
pub(crate) const SENT: [HeaderName; 6] = [
    RESUMABLE,
    OFFSET,
    LENGTH,
    METADATA,
    CHECKSUM,
    METHOD_OVERRIDE,
];

/// What they may read.
pub(crate) const ANSWERED: [HeaderName; 9] = [
    RESUMABLE, VERSIONS, EXTENSION, MAX_SIZE, ALGORITHMS, OFFSET, LENGTH, EXPIRES, VIDEO,
];

/// `460 Checksum Mismatch`, which is the protocol's own.
pub(crate) fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).expect("three digits")
}

/// Whether the client speaks this version.
pub(crate) fn check_version(headers: &HeaderMap) -> Result<(), Fault> {
    match headers.get(RESUMABLE).map(HeaderValue::as_bytes) {
        Some(version) if version == VERSION.as_bytes() => Ok(()),
        _ => Err(Fault::Version),
    }
}

/// The method that counts: clients behind some proxies can send only GET and POST.
pub(crate) fn method(sent: &Method, headers: &HeaderMap) -> Result<Method, Fault> {
    match headers.get(METHOD_OVERRIDE) {
        None => Ok(sent.clone()),
        Some(method) => Method::from_bytes(method.as_bytes())
            .map_err(|_| fault("X-HTTP-Method-Override", "is no method")),
    }
}

/// Whether a request gives an upload up by a method that is not its own.
pub(crate) fn terminates(sent: &Method, headers: &HeaderMap) -> bool {
    sent == Method::POST && matches!(method(sent, headers), Ok(Method::DELETE))
}

/// An upload that is to be made.
#[derive(Debug)]
pub(crate) struct Creation {
    /// Bytes that are to come; not 0.
    pub(crate) length: u64,
    pub(crate) metadata: Metadata,
    /// Whether the request's body is the first piece.
    pub(crate) first: Option<Piece>,
}

/// A piece that comes with a request.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    pub(crate) checksum: Option<Checksum>,
}

/// What a request for a new upload says, of at most `length_max` bytes.
pub(crate) fn creation(headers: &HeaderMap, length_max: u64) -> Result<Creation, Fault> {
    if headers.contains_key(CONCAT) {
        return Err(fault("Upload-Concat", "is not offered (see Tus-Extension)"));
    }
    if headers.contains_key(DEFER_LENGTH) {
        return Err(fault(
            "Upload-Defer-Length",
            "is not offered (see Tus-Extension)",
        ));
    }
    let length = number(headers, LENGTH, "Upload-Length")?;
    check_length(length, length_max)?;
    let has_body = headers
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| length != "0");
    let first = match has_piece_type(headers) {
        true => Some(Piece {
            offset: 0,
            checksum: checksum(headers)?,
        }),
        false if has_body => return Err(Fault::PieceType),
        false => None,
    };
    Ok(Creation {
        length,
        metadata: Metadata::of(headers.get(METADATA))?,
        first,
    })
}

/// Whether a file may be so long.
pub(crate) fn check_length(length: u64, max: u64) -> Result<(), Fault> {
    match length {
        0 => Err(fault("Upload-Length", "an empty file is no video")),
        length if length > max => Err(Fault::FileTooLarge { length, max }),
        _ => Ok(()),
    }
}

/// What a request with a piece says.
pub(crate) fn piece(headers: &HeaderMap) -> Result<Piece, Fault> {
    if !has_piece_type(headers) {
        return Err(Fault::PieceType);
    }
    Ok(Piece {
        offset: number(headers, OFFSET, "Upload-Offset")?,
        checksum: checksum(headers)?,
    })
}

fn has_piece_type(headers: &HeaderMap) -> bool {
    let found = headers.get(header::CONTENT_TYPE);
    found.is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(PIECE_TYPE.as_bytes()))
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Fault> {
    headers.get(CHECKSUM).map(Checksum::parse).transpose()
}

/// A header's whole number: digits and nothing else.
fn number(headers: &HeaderMap, header: HeaderName, name: &'static str) -> Result<u64, Fault> {
    let value = headers.get(header).ok_or(fault(name, "is missing"))?;
    whole(value.as_bytes()).ok_or(fault(name, "is no whole number"))
}

/// Digits and nothing else.
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok()
}

pub(crate) const fn fault(name: &'static str, what: &'static str) -> Fault {
    Fault::Header { name, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn another_version_is_refused() {
        assert!(check_version(&headers(&[("tus-resumable", "1.0.0")])).is_ok());
        for lines in [
            &[][..],
            &[("tus-resumable", "0.2.2")],
            &[("tus-resumable", "1.0")],
        ] {
            let refused = check_version(&headers(lines));
            assert!(matches!(refused, Err(Fault::Version)), "{lines:?}");
        }
    }

    #[test]
    fn a_creation_says_how_long_the_file_is() {
        let of = |lines: &[(&str, &str)]| creation(&headers(lines), 100);
        assert_eq!(of(&[("upload-length", "100")]).expect("valid").length, 100);
        let too_large = of(&[("upload-length", "101")]).expect_err("too large");
        assert_eq!(too_large.class().0, StatusCode::PAYLOAD_TOO_LARGE);
        for lines in [
            &[][..],
            &[("upload-length", "0")],
            &[("upload-length", "-1")],
            &[("upload-length", "+1")],
            &[("upload-length", "1.5")],
            &[("upload-length", "")],
            &[("upload-length", "18446744073709551616")],
            &[("upload-defer-length", "1")],
            &[("upload-length", "5"), ("upload-concat", "partial")],
        ] {
            let refused = of(lines).expect_err("refused");
            assert_eq!(refused.class().0, StatusCode::BAD_REQUEST, "{lines:?}");
        }
    }

    #[test]
    fn a_creation_may_bring_the_first_piece() {
        let length = ("upload-length", "5");
        let of = |lines: &[(&str, &str)]| creation(&headers(lines), 100);
        assert!(
            of(&[length, ("content-length", "0")])
                .expect("valid")
                .first
                .is_none()
        );
        let with = of(&[
            length,
            ("content-type", PIECE_TYPE),
            ("content-length", "5"),
        ]);
        assert_eq!(with.expect("valid").first.expect("a piece").offset, 0);
        let typed = of(&[
            length,
            ("content-type", "video/mp4"),
            ("content-length", "5"),
        ]);
        assert!(matches!(typed, Err(Fault::PieceType)));
    }

    #[test]
    fn a_piece_says_where_it_belongs() {
        let found = piece(&headers(&[
            ("content-type", PIECE_TYPE),
            ("upload-offset", "7"),
        ]));
        assert_eq!(found.expect("valid").offset, 7);
        let untyped = piece(&headers(&[("upload-offset", "7")]));
        assert!(matches!(untyped, Err(Fault::PieceType)));
        let nowhere = piece(&headers(&[("content-type", PIECE_TYPE)]));
        assert!(matches!(nowhere, Err(Fault::Header { .. })));
    }

    #[test]
    fn a_method_can_be_said_in_a_header() {
        let said = headers(&[("x-http-method-override", "PATCH")]);
        assert_eq!(method(&Method::POST, &said).expect("valid"), Method::PATCH);
        let unsaid = method(&Method::HEAD, &HeaderMap::new());
        assert_eq!(unsaid.expect("valid"), Method::HEAD);
    }
}
