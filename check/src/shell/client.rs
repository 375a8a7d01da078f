//! The HTTP client: one request, its times, its answer. It keeps connections and chooses HTTP/2 by
//! ALPN. It takes gzip apart itself, so that it is seen whether a server used it.

use std::io::Read;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, LOCATION, ORIGIN, RANGE, USER_AGENT,
};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Trust;
use super::tls::{self, TlsError};
use crate::session::{Answer, ByteRange, HttpVersion};

/// No segment of a sane ladder is larger, and no playlist.
pub(super) const BODY_MAX: usize = 64 << 20;

/// Most redirections of one request (RFC 9110 §15.4 leaves the number to clients).
const REDIRECTIONS_MAX: usize = 5;

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// An origin that no server knows: CORS has to be open to any.
const SOME_ORIGIN: &str = "http://check.invalid";

type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client.
pub(super) struct Client {
    http: Http,
}

/// What came of a request.
pub(super) struct Received {
    pub(super) first_byte: Instant,
    pub(super) end: Instant,
    pub(super) redirected: Option<String>,
    pub(super) result: Result<Answer, String>,
}

impl Client {
    pub(super) fn new(trust: &Trust, http1: bool) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(trust)?)
            .https_or_http();
        let connector = match http1 {
            true => builder.enable_http1().wrap_connector(tcp),
            false => builder.enable_all_versions().wrap_connector(tcp),
        };
        let http =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http })
    }

    /// Sends a request and reads its answer to the end.
    pub(super) async fn get(&self, url: &str, range: Option<ByteRange>, gzip: bool) -> Received {
        let mut at = url.to_owned();
        let mut redirected = None;
        for _ in 0..=REDIRECTIONS_MAX {
            let mut response = self.send(&at, range, gzip).await;
            // A kept connection that the server closes at this moment is nobody's fault: what changes
            // nothing is sent again (RFC 9110 §9.2.2).
            if response.is_err() {
                response = self.send(&at, range, gzip).await;
            }
            let response = match response {
                Ok(response) => response,
                Err(error) => return Received::failed(redirected, error),
            };
            let first_byte = Instant::now();
            if let Some(next) = redirection(&at, &response) {
                at.clone_from(&next);
                redirected = Some(next);
                continue;
            }
            let result = read(response).await;
            let end = Instant::now();
            return Received {
                first_byte,
                end,
                redirected,
                result,
            };
        }
        let error = format!("more than {REDIRECTIONS_MAX} redirections");
        Received::failed(redirected, error)
    }

    async fn send(
        &self,
        url: &str,
        range: Option<ByteRange>,
        gzip: bool,
    ) -> Result<Response<Incoming>, String> {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(url)
            .header(
                USER_AGENT,
                concat!("millrace-check/", env!("CARGO_PKG_VERSION")),
            )
            .header(ORIGIN, SOME_ORIGIN);
        if gzip {
            request = request.header(ACCEPT_ENCODING, "gzip");
        }
        if let Some(range) = range {
            let last = match range.len {
                Some(len) => (range.first.saturating_add(len).saturating_sub(1)).to_string(),
                None => String::new(),
            };
            request = request.header(RANGE, format!("bytes={}-{last}", range.first));
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        self.http
            .request(request)
            .await
            .map_err(|error| chain(&error))
    }
}

impl Received {
    fn failed(redirected: Option<String>, error: String) -> Self {
        let now = Instant::now();
        Self {
            first_byte: now,
            end: now,
            redirected,
            result: Err(error),
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn redirection(url: &str, response: &Response<Incoming>) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let next = url::Url::parse(url).ok()?.join(location).ok()?;
    matches!(next.scheme(), "http" | "https").then(|| next.to_string())
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, mut body) = response.into_parts();
    let mut wire = BytesMut::new();
    let mut cut = false;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the body ends early: {}", chain(&error)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if wire.len() + data.len() > BODY_MAX {
            cut = true;
            break;
        }
        wire.extend_from_slice(&data);
    }
    let wire_bytes = wire.len();
    let coding = head.headers.get(CONTENT_ENCODING);
    let body = match coding.map(|coding| coding.as_bytes()) {
        Some(b"gzip" | b"x-gzip") => {
            let (body, too_long) = gunzip(&wire)?;
            cut |= too_long;
            body
        }
        _ => wire.freeze(),
    };
    Ok(Answer {
        status: head.status.as_u16(),
        http: version(head.version),
        headers: fields(&head.headers),
        body,
        wire_bytes,
        cut,
    })
}

fn gunzip(wire: &[u8]) -> Result<(Bytes, bool), String> {
    let mut body = Vec::new();
    MultiGzDecoder::new(wire)
        .take(BODY_MAX as u64 + 1)
        .read_to_end(&mut body)
        .map_err(|error| format!("the body is no gzip: {error}"))?;
    let cut = body.len() > BODY_MAX;
    body.truncate(BODY_MAX);
    Ok((Bytes::from(body), cut))
}

fn version(version: Version) -> HttpVersion {
    match version {
        Version::HTTP_10 => HttpVersion::Http10,
        Version::HTTP_11 => HttpVersion::Http11,
        Version::HTTP_2 => HttpVersion::Http2,
        _ => HttpVersion::Other,
    }
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        })
        .collect()
}
