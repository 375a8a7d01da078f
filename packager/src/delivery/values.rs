//! Values of header fields that answers have in common: content types, caching, CORS.

use http::header::HeaderValue;

pub(crate) static PLAYLIST_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.apple.mpegurl");
pub(crate) static VIDEO_TYPE: HeaderValue = HeaderValue::from_static("video/mp4");
pub(crate) static AUDIO_TYPE: HeaderValue = HeaderValue::from_static("audio/mp4");
pub(crate) static SUBTITLES_TYPE: HeaderValue = HeaderValue::from_static("text/vtt; charset=utf-8");
pub(crate) static PICTURE_TYPE: HeaderValue = HeaderValue::from_static("image/jpeg");
pub(crate) static PROBLEM_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Media URLs name their broadcast or stored title: what they lead to never changes.
pub(crate) static CACHE_MEDIA: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// The same where the URL carries one viewer's token: not for a cache that others share.
pub(crate) static CACHE_GRANTED_MEDIA: HeaderValue =
    HeaderValue::from_static("private, max-age=31536000, immutable");

/// A playlist without directives is whatever is latest.
pub(crate) static CACHE_PLAYLIST: HeaderValue = HeaderValue::from_static("no-cache");

/// The same where its URL carries one viewer's token.
pub(crate) static CACHE_GRANTED_PLAYLIST: HeaderValue =
    HeaderValue::from_static("private, no-cache");

/// A blocking answer satisfies its own query for ever; ten seconds let one cached copy serve
/// everyone who waits for the same part (draft-pantos-hls-rfc8216bis-18 appendix B.1).
pub(crate) static CACHE_AWAITED: HeaderValue = HeaderValue::from_static("public, max-age=10");

/// The same for one viewer.
pub(crate) static CACHE_GRANTED_AWAITED: HeaderValue =
    HeaderValue::from_static("private, max-age=10");

/// A new thumbnail comes each ten seconds: who asks that often sees each.
pub(crate) static CACHE_THUMBNAIL: HeaderValue = HeaderValue::from_static("public, max-age=5");

/// The same for one viewer.
pub(crate) static CACHE_GRANTED_THUMBNAIL: HeaderValue =
    HeaderValue::from_static("private, max-age=5");

/// A refusal may be wrong a moment later.
pub(crate) static CACHE_NOTHING: HeaderValue = HeaderValue::from_static("no-store");

pub(crate) static ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
pub(crate) static METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// `Range` is not always safelisted (Fetch §2.2.2).
pub(crate) static REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("Range");
/// Players read sizes and the server's date.
pub(crate) static SHOWN_HEADERS: HeaderValue =
    HeaderValue::from_static("Content-Length, Content-Range, Date");
/// A day, which browsers cut to their own limit.
pub(crate) static PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("86400");
pub(crate) static RETRY_SOON: HeaderValue = HeaderValue::from_static("1");
pub(crate) static BYTES: HeaderValue = HeaderValue::from_static("bytes");
pub(crate) static GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// Also of an uncompressed playlist: a cache must not give the other one for it (RFC 9110 §12.5.5).
pub(crate) static BY_CODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
