//! The HTTP client below `object_store`: hyper and rustls with ring, as everywhere here.
//!
//! It bounds waits, not transfers: a part may take as long as its line needs, as long as it moves.
//! An answer that is no success becomes an [`Answer`] here, so that it can be told apart above.
//! No proxies: the variables for them have no effect.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Sleep;

use super::error::innermost;

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How much of a refusal is read: S3's are a few hundred bytes of XML.
const REFUSAL_MAX: usize = 16 << 10;

/// How long a kept connection may be idle. Servers close theirs after a minute or more.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long nothing may happen before a request is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until an answer begins, and between two pieces of it.
    pub answer: Duration,
    /// While a request's body is on its way: what the kernel holds takes its time on a slow line
    /// without being seen to move.
    pub upload: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            upload: Duration::from_secs(60),
        }
    }
}

/// An answer that is no success.
#[derive(Debug, thiserror::Error)]
#[error("{status}{}{code}{}{message}", gap(code), gap(message))]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// S3's name for it; empty where it gave none.
    pub(super) code: String,
    /// S3's words; empty where it gave none.
    pub(super) message: String,
}

impl Answer {
    /// Whether the same request may succeed a little later, without anybody's doing.
    pub(super) fn is_of_the_moment(&self) -> bool {
        self.status.is_server_error()
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status == StatusCode::REQUEST_TIMEOUT
    }

    async fn read(status: StatusCode, mut body: Incoming) -> Self {
        let mut text = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                let room = REFUSAL_MAX - text.len();
                text.extend_from_slice(&data[..data.len().min(room)]);
            }
            if text.len() == REFUSAL_MAX {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text);
        Self {
            status,
            code: element(&text, "Code"),
            message: element(&text, "Message"),
        }
    }
}

fn gap(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ": " }
}

/// What stands in the first element of this name; S3's have neither attributes nor children.
fn element(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("<{name}>")).map(|(_, after)| after);
    let within = after.and_then(|after| after.split_once("</"));
    within.map_or_else(String::new, |(text, _)| text.to_owned())
}

#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) patience: Patience,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls()?);
        let connector = match plain.as_deref() {
            Some("true") => builder.https_or_http(),
            _ => builder.https_only(),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector.enable_http1().wrap_connector(tcp));
        Ok(HttpClient::new(Service {
            client,
            patience: self.patience,
        }))
    }
}

/// What cannot be used of the system's list is left out; without any, every handshake fails and
/// says why.
fn tls() -> object_store::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| object_store::Error::Generic {
            store: "TLS",
            source: error.into(),
        })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

struct Service {
    client: Client<HttpsConnector<TcpConnector>, Moving>,
    patience: Patience,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.send(request).await
    }
}

impl Service {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let patience = match request.body().content_length() {
            0 => self.patience.answer,
            _ => self.patience.upload,
        };
        let taken = Arc::new(AtomicUsize::new(0));
        let request = request.map(|body| Moving {
            body,
            taken: Arc::clone(&taken),
        });
        let mut answer = std::pin::pin!(self.client.request(request));
        let response = loop {
            let before = taken.load(Ordering::Relaxed);
            match tokio::time::timeout(patience, &mut answer).await {
                Ok(response) => break response.map_err(failure)?,
                Err(_) if taken.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(timed_out(patience)),
            }
        };
        let (head, body) = response.into_parts();
        if head.status.is_success() || head.status == StatusCode::NOT_MODIFIED {
            let body = HttpResponseBody::new(Patient::new(body, self.patience.answer));
            return Ok(HttpResponse::from_parts(head, body));
        }
        let reading = Answer::read(head.status, body);
        let answer = tokio::time::timeout(self.patience.answer, reading)
            .await
            .map_err(|_| timed_out(self.patience.answer))?;
        Err(HttpError::new(
            // Which of these kinds are tried again is the library's: the first, a few times.
            match answer.is_of_the_moment() {
                true => HttpErrorKind::Connect,
                false => HttpErrorKind::Unknown,
            },
            answer,
        ))
    }
}

/// Nothing moved for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} s", .0.as_secs_f32())]
struct TimedOut(Duration);

fn timed_out(after: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, TimedOut(after))
}

/// A transfer that failed, with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Transfer(String);

fn failure(error: hyper_util::client::legacy::Error) -> HttpError {
    let kind = match error.is_connect() {
        true => HttpErrorKind::Connect,
        false => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, Transfer(innermost(&error)))
}

/// A request's body that is seen to move.
struct Moving {
    body: HttpRequestBody,
    taken: Arc<AtomicUsize>,
}

impl Body for Moving {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that fails where nothing comes for too long.
struct Patient {
    body: Incoming,
    patience: Duration,
    /// Runs while somebody waits: a viewer that takes its time costs the store no patience.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(body: Incoming, patience: Duration) -> Self {
        Self {
            body,
            patience,
            deadline: None,
        }
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.deadline = None;
            return Poll::Ready(frame.map(|frame| {
                frame.map_err(|error| {
                    HttpError::new(HttpErrorKind::Interrupted, Transfer(innermost(&error)))
                })
            }));
        }
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        deadline
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(timed_out(patience))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_refusal_are_found() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\
                   <Message>Access Denied.</Message><Key>k</Key></Error>";
        assert_eq!(element(xml, "Code"), "AccessDenied");
        assert_eq!(element(xml, "Message"), "Access Denied.");
        assert_eq!(element("<html>no</html>", "Code"), "");
        assert_eq!(element("<Code>cut", "Code"), "");
    }
}
