//! Responses and their headers: content types, caching, CORS.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::Body;
use super::range::{Wanted, wanted};
use crate::edition::Kind;
use crate::text::Coding;

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const VIDEO_TYPE: HeaderValue = HeaderValue::from_static("video/mp4");
const AUDIO_TYPE: HeaderValue = HeaderValue::from_static("audio/mp4");
const PROBLEM_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Media URLs name their broadcast: what they lead to never changes.
const CACHE_MEDIA: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The same where the URL carries one viewer's token: not for a cache that others share.
const CACHE_GRANTED_MEDIA: HeaderValue =
    HeaderValue::from_static("private, max-age=31536000, immutable");

/// A playlist without directives is whatever is latest.
const CACHE_PLAYLIST: HeaderValue = HeaderValue::from_static("no-cache");

/// A blocking answer satisfies its own query for ever; ten seconds let one cached copy serve
/// everyone who waits for the same part (draft-pantos-hls-rfc8216bis-18 appendix B.1).
const CACHE_AWAITED: HeaderValue = HeaderValue::from_static("public, max-age=10");

/// The same for one viewer.
const CACHE_GRANTED_AWAITED: HeaderValue = HeaderValue::from_static("private, max-age=10");

/// A refusal may be wrong a moment later.
const CACHE_NOTHING: HeaderValue = HeaderValue::from_static("no-store");

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// `Range` is not always safelisted (Fetch §2.2.2).
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("Range");
/// Players read sizes and the server's date.
const SHOWN_HEADERS: HeaderValue = HeaderValue::from_static("Content-Length, Content-Range, Date");
/// A day, which browsers cut to their own limit.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("86400");
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// Also of an uncompressed playlist: a cache must not give the other one for it (RFC 9110 §12.5.5).
const BY_CODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// Most headers that a reply has, so that its map is allocated once.
const HEADERS_MAX: usize = 8;

/// Why there is no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing has this URL.
    NotFound,
    /// The stream is private and the request has no valid token.
    NoToken,
    /// The stream has no broadcast, or one that cannot be played yet.
    NotLiveYet,
    /// The directives make no sense.
    BadDirectives,
    /// The directives name what lies too far ahead.
    TooFarAhead,
    /// Only GET, HEAD and OPTIONS are answered.
    Method,
    /// What was waited for did not come in time.
    Stalled,
    /// Too many wait already.
    Busy,
}

impl Refused {
    /// The one place where a refusal becomes a status and a problem (RFC 9457).
    fn problem(self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                r#"{"status":404,"title":"not found"}"#,
            ),
            Self::NoToken => (
                StatusCode::FORBIDDEN,
                r#"{"status":403,"title":"a valid playback token is needed"}"#,
            ),
            Self::NotLiveYet => (
                StatusCode::NOT_FOUND,
                r#"{"status":404,"title":"not live yet"}"#,
            ),
            Self::BadDirectives => (
                StatusCode::BAD_REQUEST,
                r#"{"status":400,"title":"_HLS_msn or _HLS_part makes no sense"}"#,
            ),
            Self::TooFarAhead => (
                StatusCode::BAD_REQUEST,
                r#"{"status":400,"title":"_HLS_msn or _HLS_part lies too far ahead"}"#,
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                r#"{"status":405,"title":"only GET, HEAD and OPTIONS are answered"}"#,
            ),
            Self::Stalled => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":503,"title":"the stream has stalled"}"#,
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":503,"title":"too many requests are waiting"}"#,
            ),
        }
    }
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everyone who has the URL.
    Everyone,
    /// Those whose token is in the URL.
    Granted,
}

/// How a playlist may be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Without directives.
    Latest,
    /// With directives, which are part of the URL.
    Awaited(Audience),
}

/// A playlist.
pub(super) fn playlist(text: Bytes, coding: Coding, asked: Asked) -> Response<Body> {
    let cache = match asked {
        Asked::Latest => CACHE_PLAYLIST,
        Asked::Awaited(Audience::Everyone) => CACHE_AWAITED,
        Asked::Awaited(Audience::Granted) => CACHE_GRANTED_AWAITED,
    };
    let mut response = content(StatusCode::OK, Body::whole(text), PLAYLIST_TYPE, cache);
    let headers = response.headers_mut();
    headers.insert(header::VARY, BY_CODING);
    if coding == Coding::Gzip {
        headers.insert(header::CONTENT_ENCODING, GZIP);
    }
    response
}

/// Media, or as much of it as `headers` ask for.
pub(super) fn media(
    body: Body,
    kind: Kind,
    audience: Audience,
    headers: &HeaderMap,
) -> Response<Body> {
    let content_type = match kind {
        Kind::Video => VIDEO_TYPE,
        Kind::Audio => AUDIO_TYPE,
    };
    let cache = match audience {
        Audience::Everyone => CACHE_MEDIA,
        Audience::Granted => CACHE_GRANTED_MEDIA,
    };
    let len = body.len_bytes();
    let mut response = match wanted(headers, len) {
        Wanted::Whole => content(StatusCode::OK, body, content_type, cache),
        Wanted::Slice { first, end } => {
            let slice = body.slice(first, end);
            let mut response = content(StatusCode::PARTIAL_CONTENT, slice, content_type, cache);
            let range = format!("bytes {first}-{}/{len}", end - 1);
            insert_text(&mut response, header::CONTENT_RANGE, &range);
            response
        }
        Wanted::Unsatisfiable => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let mut response = content(status, Body::empty(), content_type, CACHE_NOTHING);
            insert_text(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{len}"),
            );
            response
        }
    };
    response.headers_mut().insert(header::ACCEPT_RANGES, BYTES);
    response
}

/// No content, and why.
pub(super) fn refusal(refused: Refused) -> Response<Body> {
    let (status, problem) = refused.problem();
    let body = Body::whole(Bytes::from_static(problem.as_bytes()));
    let mut response = content(status, body, PROBLEM_TYPE, CACHE_NOTHING);
    if refused == Refused::Method {
        response.headers_mut().insert(header::ALLOW, METHODS);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_SOON);
    }
    response
}

/// What a browser asks before a request with headers of its own (Fetch §3.2.2).
pub(super) fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    response
}

/// The same response without its body (RFC 9110 §9.3.2).
pub(super) fn head_of(mut response: Response<Body>) -> Response<Body> {
    let len = response.body().len_bytes();
    *response.body_mut() = Body::empty();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    response
}

fn content(
    status: StatusCode,
    body: Body,
    content_type: HeaderValue,
    cache: HeaderValue,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS_MAX);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN_HEADERS);
    response
}

fn insert_text(response: &mut Response<Body>, name: header::HeaderName, text: &str) {
    let value = HeaderValue::from_str(text).expect("digits and ASCII words");
    response.headers_mut().insert(name, value);
}
