//! Answers and their headers: content types, validators, caching, CORS.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::body::Cause;
use super::conditions::Conditions;
use super::library::{Closed, Lost};
use super::{Body, Title};
use crate::delivery::range::Wanted;
use crate::delivery::{Audience, values};
use crate::text::Coding;

/// Why there is no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing has this URL.
    NotFound,
    /// The title is private and the request has no valid token.
    NoToken,
    /// Only GET, HEAD and OPTIONS are answered.
    Method,
    /// The library or the store does not answer.
    Unavailable,
    /// What is stored contradicts itself.
    Damaged,
    /// There is more of it than one file is made of.
    TooLong,
}

impl Refused {
    /// What a read that failed means for the request; logged where it is not the request's fault.
    pub(super) fn of(title: &Title, lost: &Lost) -> Self {
        match lost {
            Lost::Missing => Self::NotFound,
            Lost::Unavailable(_) => {
                let asset = &title.contents().asset;
                tracing::warn!(%asset, error = %Cause(lost), "a title's files do not answer");
                Self::Unavailable
            }
        }
    }

    /// The one place where a refusal becomes a status and a problem (RFC 9457): a kind of those that
    /// the control API explains, and its title.
    fn problem(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "no_such_route", "not found"),
            Self::NoToken => (
                StatusCode::FORBIDDEN,
                "playback_token_required",
                "a valid playback token is needed",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "only GET, HEAD and OPTIONS are answered",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_unavailable",
                "the storage does not answer",
            ),
            Self::Damaged => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "what is stored is damaged",
            ),
            Self::TooLong => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_long_to_download",
                "it is too long for one file: it plays as HLS",
            ),
        }
    }
}

impl From<Closed> for Refused {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::NotFound => Self::NotFound,
            Closed::NoToken => Self::NoToken,
            Closed::Unavailable => Self::Unavailable,
            Closed::Damaged => Self::Damaged,
        }
    }
}

/// Something that is there, whole.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) audience: Audience,
    /// Its validator.
    pub(super) tag: String,
    pub(super) body: Body,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A playlist, coded like this.
    Playlist(Coding),
    /// A file that may be asked for in ranges, and what a browser that saves it calls it.
    File {
        content_type: &'static HeaderValue,
        disposition: Option<HeaderValue>,
    },
    /// A small file that may change: subtitles can be written anew.
    Changing { content_type: &'static HeaderValue },
}

impl Found {
    /// As much of it as the request asks for.
    pub(super) fn answer(self, conditions: Conditions<'_>) -> Response<Body> {
        let len = self.body.len_bytes();
        let tag = HeaderValue::try_from(&self.tag).expect("an identifier and digits in quotes");
        let mut response = Response::default();
        let cache = self.cache();
        let wanted = match &self.kind {
            Kind::File { .. } => conditions.wanted(&self.tag, len),
            Kind::Playlist(_) | Kind::Changing { .. } => Wanted::Whole,
        };
        let is_known = conditions.has(&self.tag);
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag);
        headers.insert(header::CACHE_CONTROL, cache);
        let content_type = match self.kind {
            Kind::Playlist(coding) => {
                headers.insert(header::VARY, values::BY_CODING.clone());
                if coding == Coding::Gzip && !is_known {
                    headers.insert(header::CONTENT_ENCODING, values::GZIP.clone());
                }
                &values::PLAYLIST_TYPE
            }
            Kind::File {
                content_type,
                disposition,
            } => {
                headers.insert(header::ACCEPT_RANGES, values::BYTES.clone());
                if let Some(disposition) = disposition {
                    headers.insert(header::CONTENT_DISPOSITION, disposition);
                }
                content_type
            }
            Kind::Changing { content_type } => content_type,
        };
        if is_known {
            // RFC 9110 §15.4.5.
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return finished(response);
        }
        headers.insert(header::CONTENT_TYPE, content_type.clone());
        let (status, range, body) = match wanted {
            Wanted::Whole => (StatusCode::OK, None, self.body),
            Wanted::Slice { first, end } => (
                StatusCode::PARTIAL_CONTENT,
                Some(format!("bytes {first}-{}/{len}", end - 1)),
                self.body.slice(first, end),
            ),
            Wanted::Unsatisfiable => {
                headers.insert(header::CACHE_CONTROL, values::CACHE_NOTHING.clone());
                let range = Some(format!("bytes */{len}"));
                (StatusCode::RANGE_NOT_SATISFIABLE, range, Body::empty())
            }
        };
        if let Some(range) = range {
            let range = HeaderValue::try_from(range).expect("digits and ASCII words");
            headers.insert(header::CONTENT_RANGE, range);
        }
        *response.status_mut() = status;
        *response.body_mut() = body;
        finished(response)
    }

    fn cache(&self) -> HeaderValue {
        let is_granted = self.audience == Audience::Granted;
        let value = match (&self.kind, is_granted) {
            (Kind::File { .. }, false) => &values::CACHE_MEDIA,
            (Kind::File { .. }, true) => &values::CACHE_GRANTED_MEDIA,
            (_, false) => &values::CACHE_PLAYLIST,
            (_, true) => &values::CACHE_GRANTED_PLAYLIST,
        };
        value.clone()
    }
}

/// No content, and why.
pub(super) fn refusal(refused: Refused) -> Response<Body> {
    let (status, code, title) = refused.problem();
    let number = status.as_u16();
    let problem = format!(
        r#"{{"type":"/api/v1/problems/{code}","status":{number},"title":"{title}","code":"{code}"}}"#
    );
    let body = Body::whole(Bytes::from(problem));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, values::PROBLEM_TYPE.clone());
    headers.insert(header::CACHE_CONTROL, values::CACHE_NOTHING.clone());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, values::METHODS.clone());
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, values::RETRY_SOON.clone());
    }
    finished(response)
}

/// What is asked for lies elsewhere. Whoever gets the same method there gets it.
pub(super) fn redirect(location: HeaderValue) -> Response<Body> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    // A signed URL expires.
    headers.insert(header::CACHE_CONTROL, values::CACHE_NOTHING.clone());
    finished(response)
}

/// What a browser asks before a request with headers of its own (Fetch §3.2.2).
pub(super) fn preflight() -> Response<Body> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ALLOW, &values::METHODS),
        (header::ACCESS_CONTROL_ALLOW_METHODS, &values::METHODS),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &values::REQUEST_HEADERS,
        ),
        (header::ACCESS_CONTROL_MAX_AGE, &values::PREFLIGHT_AGE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, &values::ANY_ORIGIN),
    ] {
        headers.insert(name, value.clone());
    }
    response
}

/// The same without content (RFC 9110 §9.3.2).
pub(super) fn without_content(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let has_length = !matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if has_length {
        let len = HeaderValue::from(body.len_bytes());
        head.headers.insert(header::CONTENT_LENGTH, len);
    }
    Response::from_parts(head, Body::empty())
}

fn finished(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, &values::ANY_ORIGIN),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &values::SHOWN_HEADERS,
        ),
    ] {
        headers.insert(name, value.clone());
    }
    response
}
