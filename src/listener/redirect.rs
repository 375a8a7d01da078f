//! From HTTP to HTTPS.
//!
//! Everything is redirected but what must go on to work: requests from this machine, so that a
//! reverse proxy beside the server can speak plain HTTP with it, and `/health`, since whatever
//! checks it seldom follows a redirection and does not know the certificate's name.

use bytes::Bytes;
use control_api::urls::{self, HttpBase};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};

use super::service::Via;

/// Answered without TLS too.
const HEALTH_PATH: &str = "/health";

/// The port that an `https` URL need not name.
const HTTPS_PORT: u16 = 443;

/// Where requests without TLS are sent.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    /// The configured public address, where it is an HTTPS one.
    base: Option<HttpBase>,
    /// The HTTPS port, on the host of the request where there is no base.
    port: u16,
}

impl Redirect {
    /// To `public`, if that is an HTTPS address, and otherwise to `port` on the request's host.
    pub(crate) fn new(public: Option<&HttpBase>, port: u16) -> Self {
        Self {
            base: public.filter(|base| base.is_https()).cloned(),
            port,
        }
    }

    /// Whether a connection is one whose requests are redirected.
    pub(super) fn concerns(via: Via) -> bool {
        !via.is_secure && !via.is_local()
    }

    /// Whether a request is.
    pub(super) fn applies<B>(&self, via: Via, request: &Request<B>) -> bool {
        Self::concerns(via) && request.uri().path() != HEALTH_PATH
    }

    /// The redirection; 400 where the request names no host that could stand in a URL.
    pub(super) fn respond<B>(&self, request: &Request<B>) -> Response<Bytes> {
        let (status, mut response) = match self.location(request) {
            Some(location) => {
                let mut response = Response::default();
                response.headers_mut().insert(LOCATION, location);
                // It keeps method and body (RFC 9110 §15.4.9).
                (StatusCode::PERMANENT_REDIRECT, response)
            }
            None => (StatusCode::BAD_REQUEST, no_host()),
        };
        *response.status_mut() = status;
        // Browsers keep a 308 for ever; the operator may change the setting.
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        response
    }

    fn location<B>(&self, request: &Request<B>) -> Option<HeaderValue> {
        let path = request.uri().path_and_query()?.as_str();
        let location = match &self.base {
            Some(base) => format!("{}{path}", base.as_str()),
            None => {
                let requested = urls::in_host_header(request.headers())?;
                let host = requested.host();
                match self.port {
                    HTTPS_PORT => format!("https://{host}{path}"),
                    port => format!("https://{host}:{port}{path}"),
                }
            }
        };
        HeaderValue::try_from(location).ok()
    }
}

/// A problem (RFC 9457) of a kind that the control API explains.
fn no_host() -> Response<Bytes> {
    let text = r#"{"type":"/api/v1/problems/invalid_request","status":400,"title":"the header Host is missing or not usable","code":"invalid_request"}"#;
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    let problem = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, problem);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Option<HttpBase> {
        Some(HttpBase::new(text).expect("a base"))
    }

    fn request(path: &str, host: &str) -> Request<()> {
        let builder = Request::builder().uri(path).header("host", host);
        builder.body(()).expect("a request")
    }

    fn location(redirect: &Redirect, path: &str, host: &str) -> Option<String> {
        let response = redirect.respond(&request(path, host));
        let location = response.headers().get(LOCATION)?;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(response.headers().get(CONTENT_TYPE), None, "it is no error");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        Some(location.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_request_goes_to_the_public_address_or_to_the_port_on_its_host() {
        let path = "/live/a/master.m3u8?_HLS_msn=3";
        for (public, port, host, expected) in [
            (None, 8443, "a.example:8080", "https://a.example:8443"),
            (None, 443, "a.example", "https://a.example"),
            (None, 8443, "[::1]:8080", "https://[::1]:8443"),
            (
                base("http://b.example"),
                443,
                "a.example",
                "https://a.example",
            ),
            (
                base("https://b.example/tv/"),
                8443,
                "a.example",
                "https://b.example/tv",
            ),
        ] {
            let redirect = Redirect::new(public.as_ref(), port);
            let expected = format!("{expected}{path}");
            assert_eq!(location(&redirect, path, host), Some(expected));
        }
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        let redirect = Redirect::new(None, 8443);
        for host in [
            "",
            "a.example/evil",
            "user@a.example",
            "a.example\"><script>",
        ] {
            let response = redirect.respond(&request("/", host));
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{host}");
            let kind = br#"{"type":"/api/v1/problems/invalid_request","status":400,"#;
            assert!(response.body().starts_with(kind), "{response:?}");
            assert_eq!(location(&redirect, "/", host), None, "{host}");
        }
        // The path cannot lead elsewhere either.
        let found = location(&redirect, "//evil.example/", "a.example");
        assert_eq!(
            found.as_deref(),
            Some("https://a.example:8443//evil.example/")
        );
    }

    #[test]
    fn this_machine_and_health_checks_are_answered_in_plain() {
        let redirect = Redirect::new(None, 8443);
        let from = |peer: &str| Via::new(false, peer.parse().expect("an address"));
        let (here, elsewhere) = ("127.0.0.1:40000", "192.0.2.7:40000");
        assert!(redirect.applies(from(elsewhere), &request("/live/a/master.m3u8", "a")));
        assert!(!redirect.applies(from(here), &request("/live/a/master.m3u8", "a")));
        assert!(!redirect.applies(from(elsewhere), &request("/health?x", "a")));
    }
}
