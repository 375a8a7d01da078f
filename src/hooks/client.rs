//! The HTTP client: one POST, and how its answer begins. It follows no redirection, keeps
//! connections for the next request, and takes its time limit from whoever asks.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use storage::webhooks::HookUrl;
use tokio::time::Instant;

use super::addresses::{OutOfReach, Reach, Resolver, Within};
use crate::tls;

/// How much of an answer is read: what a log needs.
pub(super) const ANSWER_BYTES_MAX: usize = 1024;

/// How long a connection is kept for the next request.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Connections kept to one host.
const IDLE_CONNECTIONS_MAX: usize = 4;

const USER_AGENT: &str = concat!("millrace/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("{0}")]
    Request(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How its body begins, as a text without control characters.
    pub(super) text: String,
}

type Connector = HttpsConnector<Within<HttpConnector<Resolver>>>;

/// A client. Clones share its connections.
#[derive(Clone)]
pub(super) struct Client {
    http: hyper_util::client::legacy::Client<Connector, Full<Bytes>>,
    reach: Reach,
}

impl Client {
    pub(super) fn new(tls: tls::client::Config, reach: Reach) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(reach));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Within::new(tcp, reach));
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self { http, reach }
    }

    /// Posts JSON with these headers besides the usual ones. All of it, from the look-up of the name
    /// to the end of the answer, has `within`: by then its status has to be there, and its text is
    /// what has come.
    pub(super) async fn post(
        &self,
        url: &HookUrl,
        headers: HeaderMap,
        json: String,
        within: Duration,
    ) -> Result<Answer, Error> {
        let literal = match url.host() {
            url::Host::Ipv4(address) => Some(IpAddr::V4(address)),
            url::Host::Ipv6(address) => Some(IpAddr::V6(address)),
            url::Host::Domain(_) => None,
        };
        if literal.is_some_and(|address| !self.reach.permits(address)) {
            return Err(OutOfReach.into());
        }
        let mut request = Request::post(url.as_str())
            .body(Full::from(json))
            .map_err(|error| Error::Request(error.to_string()))?;
        let json = HeaderValue::from_static("application/json");
        let agent = HeaderValue::from_static(USER_AGENT);
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        request.headers_mut().insert(header::USER_AGENT, agent);
        let until = Instant::now() + within;
        let response = tokio::time::timeout_at(until, self.http.request(request))
            .await
            .map_err(|_| Error::Timeout(within))?
            .map_err(|error| Error::Request(chain(&error)))?;
        let status = response.status();
        let text = beginning(response.into_body(), until).await;
        Ok(Answer { status, text })
    }
}

/// The body's first [`ANSWER_BYTES_MAX`]. One that breaks off, or goes on past `until`, is as good as
/// one that ends: the status has been said.
async fn beginning(mut body: Incoming, until: Instant) -> String {
    let mut bytes = BytesMut::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        let Ok(Some(Ok(frame))) = tokio::time::timeout_at(until, body.frame()).await else {
            break;
        };
        if let Ok(data) = frame.into_data() {
            let room = ANSWER_BYTES_MAX - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    let printable = |character: char| match character {
        '\n' | '\t' => character,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    String::from_utf8_lossy(&bytes)
        .chars()
        .map(printable)
        .collect()
}

/// An error with its causes.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
