//! The pages that a browser sees: a landing page at `/`, the watch page at `/watch/{id}` and the
//! API's page at `/api/docs`, with their scripts and styles under `/assets/`.
//!
//! They are built from `client/` by npm (`make web`) and embedded in the binary; a server built
//! without them answers with a page that says how to make them. Nothing here knows a stream: the
//! watch page asks `/api/v1/watch/{id}` itself and plays `/live/{id}/master.m3u8`; the API's page
//! reads `/api/v1/openapi.json`.
//!
//! Pure functions over memory: no I/O, no clock, no async, so it can stand in front of any router.

mod site;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};

use crate::site::Site;

static SITE: Site = Site {
    files: include!(concat!(env!("OUT_DIR"), "/embedded.rs")),
};

/// Answers a request for one of the pages or their files; `None` where `path` is not the web's,
/// so that the caller can go on to its other routes.
///
/// `path` is the request's path without its query, still percent-encoded. Of `headers` it reads
/// `Accept-Encoding` and `If-None-Match` (RFC 9110 §12.5.3, §13.1.2). Ours are `/`,
/// `/watch/{one segment}`, `/api/docs`, `/favicon.ico`, `/favicon.svg` and everything below
/// `/assets/`; what is missing there is a 404, and any method but GET and HEAD a 405. Where the
/// pages were not embedded, they are a 503 that says so.
pub fn respond(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    SITE.respond(method, path, headers)
}

/// Whether this binary carries the pages, for a line in the log at start.
pub fn is_embedded() -> bool {
    SITE.is_built()
}
