//! Answers and their headers: content types, caching, CORS.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::Body;
use super::range::{Wanted, wanted};
use super::values;
use crate::edition::Kind;
use crate::text::Coding;
use crate::thumbnail::EntityTag;

/// Most headers that a reply has, with those that the HTTP server adds, so that its map is
/// allocated once.
const HEADERS_MAX: usize = 12;

/// Why there is no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing has this URL.
    NotFound,
    /// The stream is private and the request has no valid token.
    NoToken,
    /// The stream has no broadcast, or one that cannot be played yet.
    NotLiveYet,
    /// The stream's broadcast has no thumbnail yet, or it has no picture, or it is over.
    NoThumbnail,
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

/// A refusal's status and its problem: a kind of those that the control API explains, and its title.
/// The text lies in the binary, so that refusing allocates nothing.
macro_rules! problem {
    ($status:expr, $code:literal, $number:literal, $title:literal) => {{
        const { assert!($status.as_u16() == $number) };
        let text = concat!(
            r#"{"type":"/api/v1/problems/"#,
            $code,
            r#"","status":"#,
            $number,
            r#","title":""#,
            $title,
            r#"","code":""#,
            $code,
            r#""}"#
        );
        ($status, text)
    }};
}

impl Refused {
    /// The one place where a refusal becomes a status and a problem (RFC 9457).
    fn problem(self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => {
                problem!(StatusCode::NOT_FOUND, "no_such_route", 404, "not found")
            }
            Self::NoToken => problem!(
                StatusCode::FORBIDDEN,
                "playback_token_required",
                403,
                "a valid playback token is needed"
            ),
            Self::NotLiveYet => {
                problem!(StatusCode::NOT_FOUND, "not_live", 404, "not live yet")
            }
            Self::NoThumbnail => problem!(
                StatusCode::NOT_FOUND,
                "no_thumbnail",
                404,
                "no thumbnail now"
            ),
            Self::BadDirectives => problem!(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                400,
                "_HLS_msn or _HLS_part makes no sense"
            ),
            Self::TooFarAhead => problem!(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                400,
                "_HLS_msn or _HLS_part lies too far ahead"
            ),
            Self::Method => problem!(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                405,
                "only GET, HEAD and OPTIONS are answered"
            ),
            Self::Stalled => problem!(
                StatusCode::SERVICE_UNAVAILABLE,
                "stream_stalled",
                503,
                "the stream has stalled"
            ),
            Self::Busy => problem!(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_waiting",
                503,
                "too many requests are waiting"
            ),
        }
    }
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
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

/// The answer to a request, from which any HTTP server makes its own response. Its headers are
/// not a map but what follows from it.
#[derive(Debug)]
pub struct Reply {
    content: Content,
    /// `Content-Length`, which the answer to a HEAD has without content.
    len_bytes: usize,
    body: Body,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Playlist(Coding, Asked),
    Media(Kind, Audience, Extent),
    Thumbnail(EntityTag, Audience),
    /// The thumbnail that the viewer has already.
    Unmodified(EntityTag, Audience),
    Refusal(Refused),
    Preflight,
}

/// How much of a resource is answered, whose length is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    Slice { first: usize, end: usize, of: usize },
    Nothing { of: usize },
}

impl Reply {
    /// A playlist.
    pub(super) fn playlist(text: Bytes, coding: Coding, asked: Asked) -> Self {
        Self::new(Content::Playlist(coding, asked), Body::whole(text))
    }

    /// Media, or as much of it as the value of `Range` asks for.
    pub(super) fn media(body: Body, kind: Kind, audience: Audience, range: Option<&[u8]>) -> Self {
        let of = body.len_bytes();
        let (extent, body) = match wanted(range, of as u64) {
            Wanted::Whole => (Extent::Whole, body),
            Wanted::Slice { first, end } => {
                let (first, end) = (first as usize, end as usize);
                (Extent::Slice { first, end, of }, body.slice(first, end))
            }
            Wanted::Unsatisfiable => (Extent::Nothing { of }, Body::empty()),
        };
        Self::new(Content::Media(kind, audience, extent), body)
    }

    /// A thumbnail.
    pub(super) fn thumbnail(jpeg: Bytes, tag: EntityTag, audience: Audience) -> Self {
        Self::new(Content::Thumbnail(tag, audience), Body::whole(jpeg))
    }

    /// The viewer has it already (RFC 9110 §15.4.5).
    pub(super) fn unmodified(tag: EntityTag, audience: Audience) -> Self {
        Self::new(Content::Unmodified(tag, audience), Body::empty())
    }

    /// No content, and why.
    pub(super) fn refusal(refused: Refused) -> Self {
        let (_, problem) = refused.problem();
        let body = Body::whole(Bytes::from_static(problem.as_bytes()));
        Self::new(Content::Refusal(refused), body)
    }

    /// What a browser asks before a request with headers of its own (Fetch §3.2.2).
    pub(super) fn preflight() -> Self {
        Self::new(Content::Preflight, Body::empty())
    }

    fn new(content: Content, body: Body) -> Self {
        Self {
            content,
            len_bytes: body.len_bytes(),
            body,
        }
    }

    /// The same without its content (RFC 9110 §9.3.2).
    #[must_use]
    pub(super) fn without_content(self) -> Self {
        Self {
            body: Body::empty(),
            ..self
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        match self.content {
            Content::Playlist(..)
            | Content::Media(_, _, Extent::Whole)
            | Content::Thumbnail(..) => StatusCode::OK,
            Content::Unmodified(..) => StatusCode::NOT_MODIFIED,
            Content::Media(_, _, Extent::Slice { .. }) => StatusCode::PARTIAL_CONTENT,
            Content::Media(_, _, Extent::Nothing { .. }) => StatusCode::RANGE_NOT_SATISFIABLE,
            Content::Refusal(refused) => refused.problem().0,
            Content::Preflight => StatusCode::NO_CONTENT,
        }
    }

    /// `Content-Length`; `None`: the answer has none (RFC 9110 §8.6).
    pub fn content_length(&self) -> Option<usize> {
        let has_none = matches!(self.content, Content::Preflight | Content::Unmodified(..));
        (!has_none).then_some(self.len_bytes)
    }

    /// The content's length, had it not been left out.
    pub(super) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Calls `each` with every header but those that only the HTTP server knows and
    /// `Content-Length`.
    pub fn each_header(&self, mut each: impl FnMut(HeaderName, &HeaderValue)) {
        each(header::ACCESS_CONTROL_ALLOW_ORIGIN, &values::ANY_ORIGIN);
        let (content_type, cache) = match self.content {
            Content::Preflight => {
                each(header::ALLOW, &values::METHODS);
                each(header::ACCESS_CONTROL_ALLOW_METHODS, &values::METHODS);
                each(
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    &values::REQUEST_HEADERS,
                );
                each(header::ACCESS_CONTROL_MAX_AGE, &values::PREFLIGHT_AGE);
                return;
            }
            Content::Playlist(coding, asked) => {
                each(header::VARY, &values::BY_CODING);
                if coding == Coding::Gzip {
                    each(header::CONTENT_ENCODING, &values::GZIP);
                }
                (&values::PLAYLIST_TYPE, asked.cache())
            }
            Content::Media(kind, audience, extent) => {
                each(header::ACCEPT_RANGES, &values::BYTES);
                if let Some(range) = extent.content_range() {
                    let range = HeaderValue::try_from(range);
                    let range = range.expect("digits and ASCII words");
                    each(header::CONTENT_RANGE, &range);
                }
                let cache = match (extent, audience) {
                    (Extent::Nothing { .. }, _) => &values::CACHE_NOTHING,
                    (_, Audience::Everyone) => &values::CACHE_MEDIA,
                    (_, Audience::Granted) => &values::CACHE_GRANTED_MEDIA,
                };
                let content_type = match kind {
                    Kind::Video => &values::VIDEO_TYPE,
                    Kind::Audio => &values::AUDIO_TYPE,
                };
                (content_type, cache)
            }
            Content::Thumbnail(tag, audience) | Content::Unmodified(tag, audience) => {
                each(header::ETAG, &tag.value());
                let cache = match audience {
                    Audience::Everyone => &values::CACHE_THUMBNAIL,
                    Audience::Granted => &values::CACHE_GRANTED_THUMBNAIL,
                };
                (&values::PICTURE_TYPE, cache)
            }
            Content::Refusal(refused) => {
                let (status, _) = refused.problem();
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    each(header::ALLOW, &values::METHODS);
                }
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    each(header::RETRY_AFTER, &values::RETRY_SOON);
                }
                (&values::PROBLEM_TYPE, &values::CACHE_NOTHING)
            }
        };
        each(header::CONTENT_TYPE, content_type);
        each(header::CACHE_CONTROL, cache);
        each(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &values::SHOWN_HEADERS,
        );
    }

    /// The content, which may be none.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// As the `http` crate has it. `Content-Length` is in it only where the body does not tell it.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut headers = HeaderMap::with_capacity(HEADERS_MAX);
        self.each_header(|name, value| {
            headers.insert(name, value.clone());
        });
        if let Some(len) = self
            .content_length()
            .filter(|&len| len != self.body.len_bytes())
        {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        }
        let status = self.status();
        let mut response = Response::new(self.body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl Asked {
    fn cache(self) -> &'static HeaderValue {
        match self {
            Self::Latest => &values::CACHE_PLAYLIST,
            Self::Awaited(Audience::Everyone) => &values::CACHE_AWAITED,
            Self::Awaited(Audience::Granted) => &values::CACHE_GRANTED_AWAITED,
        }
    }
}

impl Extent {
    /// RFC 9110 §14.4.
    fn content_range(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Slice { first, end, of } => Some(format!("bytes {first}-{}/{of}", end - 1)),
            Self::Nothing { of } => Some(format!("bytes */{of}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_its_kind() {
        for (refused, status, code, title) in [
            (Refused::NotFound, 404, "no_such_route", "not found"),
            (
                Refused::NoToken,
                403,
                "playback_token_required",
                "a valid playback token is needed",
            ),
            (Refused::NotLiveYet, 404, "not_live", "not live yet"),
            (
                Refused::NoThumbnail,
                404,
                "no_thumbnail",
                "no thumbnail now",
            ),
            (
                Refused::BadDirectives,
                400,
                "invalid_request",
                "_HLS_msn or _HLS_part makes no sense",
            ),
            (
                Refused::TooFarAhead,
                400,
                "invalid_request",
                "_HLS_msn or _HLS_part lies too far ahead",
            ),
            (
                Refused::Method,
                405,
                "method_not_allowed",
                "only GET, HEAD and OPTIONS are answered",
            ),
            (
                Refused::Stalled,
                503,
                "stream_stalled",
                "the stream has stalled",
            ),
            (
                Refused::Busy,
                503,
                "too_many_waiting",
                "too many requests are waiting",
            ),
        ] {
            let problem = format!(
                r#"{{"type":"/api/v1/problems/{code}","status":{status},"title":"{title}","code":"{code}"}}"#
            );
            let reply = Reply::refusal(refused);
            assert_eq!(reply.status().as_u16(), status, "{refused:?}");
            assert_eq!(reply.content_length(), Some(problem.len()), "{refused:?}");
            assert_eq!(refused.problem().1, problem);
        }
    }
}
