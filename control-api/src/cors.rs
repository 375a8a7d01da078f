//! Pages of other origins: which of them may call the API (CORS, Fetch standard §3.2), and whether
//! a request that a browser's cookies authenticate comes from a page that may.
//!
//! A page elsewhere can make a browser send a request with its cookies (CSRF). So such a request
//! counts only where the browser itself says that it came from this server's own page or from one
//! in the list.

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::uri::Scheme;
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::Api;
use crate::uploads::tus;

/// What browsers say of where a request comes from (Fetch Metadata, W3C).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An origin as browsers write it (RFC 6454 §6.2): `https://app.example.org`, with a port where it
/// is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(HeaderValue);

/// A text that is no origin of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin: http:// or https://, a host in lowercase and at most a port that is not \
     the scheme's own, without a slash at the end, are"
)]
pub struct InvalidOrigin(String);

impl WebOrigin {
    /// Checks a configured text. `*` is none: it would open the API to every page there is.
    pub fn new(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let written = written(&uri).filter(|written| written == text);
        let value = HeaderValue::try_from(written.ok_or_else(invalid)?);
        value.map(Self).map_err(|_| invalid())
    }
}

/// The origin of `uri` as browsers write it.
fn written(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme()?;
    let own_port = match scheme {
        _ if *scheme == Scheme::HTTP => 80,
        _ if *scheme == Scheme::HTTPS => 443,
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    Some(
        match authority.port_u16().filter(|port| *port != own_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        },
    )
}

/// Lets pages of these origins call the API, with the cookies of this server; `None` where there is
/// no such origin.
pub(crate) fn layer(origins: &[WebOrigin]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().map(|origin| origin.0.clone()).collect();
    if origins.is_empty() {
        return None;
    }
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods(methods)
        .allow_headers(Vec::from_iter(
            [
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::CONTENT_RANGE,
            ]
            .into_iter()
            .chain(tus::SENT),
        ))
        .expose_headers(Vec::from_iter(
            [header::LOCATION, header::RANGE, header::RETRY_AFTER]
                .into_iter()
                .chain(tus::ANSWERED),
        ));
    Some(layer)
}

/// The method of a request that the layer must not take for a preflight.
#[derive(Clone)]
struct Hidden(Method);

/// Before the layer: it answers every `OPTIONS` itself, though only one that asks for a method is a
/// preflight (Fetch standard §3.2.2). Any other is an ordinary request, such as that for what tus
/// offers here, whose answer a page may read by the same headers. Its route is chosen already.
pub(crate) async fn hide_options(mut request: Request) -> Request {
    let headers = request.headers();
    let is_preflight = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && !is_preflight {
        let method = std::mem::take(request.method_mut());
        request.extensions_mut().insert(Hidden(method));
    }
    request
}

/// Behind the layer: the method is what it was.
pub(crate) async fn show_options(mut request: Request) -> Request {
    if let Some(Hidden(method)) = request.extensions_mut().remove() {
        *request.method_mut() = method;
    }
    request
}

/// Whether a page that may has sent this request, as far as a browser says so.
pub(crate) fn is_from_own_page(api: &Api, parts: &Parts) -> bool {
    let site = parts.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if matches!(site, Some(b"same-origin" | b"none")) {
        return true;
    }
    let Some(origin) = parts.headers.get(header::ORIGIN) else {
        return false;
    };
    if api.cors_origins.iter().any(|allowed| allowed.0 == origin) {
        return true;
    }
    let bases = api.urls.http_bases(parts);
    let mut own = bases.iter().filter_map(|base| written(&base.parse().ok()?));
    own.any(|own| own.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_would_write_is_an_origin() {
        for text in [
            "https://app.example.org",
            "http://localhost:3000",
            "http://[::1]:8080",
        ] {
            assert!(WebOrigin::new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "null",
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://App.example.org",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "ftp://app.example.org",
            "https://user@app.example.org",
            "https://*.example.org",
        ] {
            let valid = WebOrigin::new(text).is_ok();
            // A star inside of a host is a name that no browser ever sends.
            assert_eq!(valid, text.contains("*."), "{text}");
        }
    }
}
