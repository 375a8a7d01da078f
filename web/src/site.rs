//! Which file answers which path, and with what headers (RFC 9110, RFC 9111, CSP Level 3).

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};

/// What the pages may load. No inline script or style; `blob:` is how Media Source Extensions
/// reach the video element; hls.js's transmuxer is a worker file of our own. Media, playlists
/// and the API come from the page's own origin.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; \
     base-uri 'none'; form-action 'none'";

/// For files that are no page: should one be opened by itself, it may do nothing.
const FILE_POLICY: &str = "default-src 'none'";

/// The page that stands in for missing ones is one file with its style inside.
const NOT_BUILT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A hashed name never changes its content: a year, the longest that RFC 9111 §1.2.2's audience
/// honours.
const CACHE_HASHED: &str = "public, max-age=31536000, immutable";
/// Pages name the hashed files, so they are asked for anew each time (and answered with a 304).
const CACHE_PAGE: &str = "no-cache";
/// The icon keeps its name: a day.
const CACHE_ICON: &str = "public, max-age=86400";
const CACHE_NEVER: &str = "no-store";

/// The longest path segment taken for a stream id; what exists is the API's to say.
const ID_BYTES_MAX: usize = 192;

const NOT_BUILT: &[u8] = include_bytes!("not_built.html");
const ICON: &[u8] = include_bytes!("../client/logo.svg");

/// One embedded file in up to three encodings.
pub(crate) struct File {
    /// Its path below `dist/`, with slashes.
    pub(crate) name: &'static str,
    /// A hash of its content, in hexadecimal.
    pub(crate) tag: &'static str,
    /// As it is.
    pub(crate) plain: &'static [u8],
    /// Compressed at build time by gzip.
    pub(crate) gzip: Option<&'static [u8]>,
    /// Compressed at build time by Brotli (RFC 7932).
    pub(crate) brotli: Option<&'static [u8]>,
}

/// The embedded files; none where the pages were not built.
pub(crate) struct Site {
    pub(crate) files: &'static [File],
}

impl Site {
    pub(crate) fn is_built(&self) -> bool {
        ["index.html", "watch.html", "api.html"]
            .iter()
            .all(|name| self.find(name).is_some())
    }

    pub(crate) fn respond(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        let target = Target::of(path)?;
        if method != Method::GET && method != Method::HEAD {
            let mut refusal = plain_text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
            refusal
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(refusal);
        }
        let mut response = self.get(target, headers);
        // The listener counts the body for GET; a HEAD must say the length that GET would have
        // (RFC 9110 §9.3.2), and a 304 has none.
        if response.status() != StatusCode::NOT_MODIFIED {
            let length = HeaderValue::from(response.body().len());
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
        }
        if method == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        Some(response)
    }

    fn get(&self, target: Target<'_>, headers: &HeaderMap) -> Response<Bytes> {
        let (name, cache, policy) = match target {
            Target::Icon => return icon(headers),
            Target::Page(name) if self.is_built() => (name, CACHE_PAGE, PAGE_POLICY),
            Target::Page(_) => return not_built(),
            Target::Asset(name) => (name, CACHE_HASHED, FILE_POLICY),
        };
        match self.find(name) {
            Some(file) => file.respond(cache, policy, headers),
            None => plain_text(StatusCode::NOT_FOUND, "no such file\n"),
        }
    }

    fn find(&self, name: &str) -> Option<&'static File> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// What a path of ours asks for.
enum Target<'a> {
    Page(&'static str),
    Asset(&'a str),
    Icon,
}

impl<'a> Target<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/" => return Some(Self::Page("index.html")),
            "/api/docs" => return Some(Self::Page("api.html")),
            "/favicon.ico" | "/favicon.svg" => return Some(Self::Icon),
            _ => {}
        }
        let path = path.strip_prefix('/')?;
        if path.starts_with("assets/") {
            return Some(Self::Asset(path));
        }
        let id = path.strip_prefix("watch/")?;
        let one_segment = !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.contains('/');
        one_segment.then_some(Self::Page("watch.html"))
    }
}

impl File {
    fn respond(&self, cache: &'static str, policy: &str, headers: &HeaderMap) -> Response<Bytes> {
        let (encoding, body) = match (self.brotli, self.gzip) {
            (Some(brotli), _) if accepts(headers, "br") => (Some("br"), brotli),
            (_, Some(gzip)) if accepts(headers, "gzip") => (Some("gzip"), gzip),
            _ => (None, self.plain),
        };
        // Strong validators differ by encoding (RFC 9110 §8.8.3.3).
        let tag = format!("\"{}-{}\"", self.tag, encoding.unwrap_or("plain"));
        let mut response = tagged(body, &tag, headers);
        let fields = response.headers_mut();
        set(fields, header::CONTENT_TYPE, content_type(self.name));
        set(fields, header::CACHE_CONTROL, cache);
        set(fields, header::CONTENT_SECURITY_POLICY, policy);
        set(fields, header::VARY, "accept-encoding");
        if let Some(encoding) = encoding {
            set(fields, header::CONTENT_ENCODING, encoding);
        }
        response
    }
}

/// A 200 with its body, or a 304 where the client has it already.
fn tagged(body: &'static [u8], tag: &str, headers: &HeaderMap) -> Response<Bytes> {
    let fresh = matches_tag(headers, tag);
    let mut response = Response::new(if fresh {
        Bytes::new()
    } else {
        Bytes::from_static(body)
    });
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    set(response.headers_mut(), header::ETAG, tag);
    harden(response.headers_mut());
    response
}

fn icon(headers: &HeaderMap) -> Response<Bytes> {
    // The package's version is validator enough: the icon changes with a release.
    let tag = concat!("\"icon-", env!("CARGO_PKG_VERSION"), "\"");
    let mut response = tagged(ICON, tag, headers);
    let fields = response.headers_mut();
    set(fields, header::CONTENT_TYPE, content_type("logo.svg"));
    set(fields, header::CACHE_CONTROL, CACHE_ICON);
    set(fields, header::CONTENT_SECURITY_POLICY, FILE_POLICY);
    response
}

fn not_built() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(NOT_BUILT));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let fields = response.headers_mut();
    set(fields, header::CONTENT_TYPE, content_type("page.html"));
    set(fields, header::CACHE_CONTROL, CACHE_NEVER);
    set(fields, header::CONTENT_SECURITY_POLICY, NOT_BUILT_POLICY);
    harden(fields);
    response
}

fn plain_text(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    set(fields, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    set(fields, header::CACHE_CONTROL, CACHE_NEVER);
    harden(fields);
    response
}

fn harden(fields: &mut HeaderMap) {
    set(fields, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(fields, header::REFERRER_POLICY, "same-origin");
}

fn set(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("our own values are visible ASCII");
    fields.insert(name, value);
}

/// Whether `If-None-Match` names `tag` or is `*`; compared weakly (RFC 9110 §13.1.2).
fn matches_tag(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|entry| entry.trim())
        .any(|entry| entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == tag)
}

/// Whether `Accept-Encoding` names `coding` and does not refuse it with `q=0`. A wildcard is not
/// taken as an invitation: the plain form is always acceptable.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|entry| {
            let mut fields = entry.split(';').map(str::trim);
            fields
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(coding))
                && !fields.any(is_zero_quality)
        })
}

/// `q=0`, `q=0.0`, `q=0.00` or `q=0.000` (RFC 9110 §12.4.2).
fn is_zero_quality(field: &str) -> bool {
    field
        .strip_prefix("q=")
        .or_else(|| field.strip_prefix("Q="))
        .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
