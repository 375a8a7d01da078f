//! A receiver of hooks on a port of its own: answers as it is told and keeps what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, Infallible>;

/// What goes on behind its data without an end.
struct Endless(Full<Bytes>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match Pin::new(&mut self.0).poll_frame(context) {
            Poll::Ready(None) => Poll::Pending,
            data => data,
        }
    }
}

/// How requests are answered: the first by the first reply, all behind the last one by that.
#[derive(Clone)]
pub(super) struct Reply(Vec<One>);

#[derive(Clone)]
enum One {
    Never,
    Answer {
        status: u16,
        location: Option<String>,
        text: String,
        /// The text is how the body begins, and its end never comes.
        endless: bool,
    },
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self(vec![One::Answer {
            status,
            location: None,
            text: String::new(),
            endless: false,
        }])
    }

    pub(super) fn text(text: String) -> Self {
        Self(vec![One::Answer {
            status: 200,
            location: None,
            text,
            endless: false,
        }])
    }

    pub(super) fn endless(text: &str) -> Self {
        Self(vec![One::Answer {
            status: 200,
            location: None,
            text: text.to_owned(),
            endless: true,
        }])
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self(vec![One::Answer {
            status: 307,
            location: Some(to.to_owned()),
            text: String::new(),
            endless: false,
        }])
    }

    pub(super) fn never() -> Self {
        Self(vec![One::Never])
    }

    pub(super) fn then(mut self, next: Self) -> Self {
        self.0.extend(next.0);
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().expect("text")
    }
}

/// A running receiver; ends with its test.
pub(super) struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    pub(super) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = Self {
            address: listener.local_addr().expect("bound"),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (seen, connections) = (
            Arc::clone(&receiver.seen),
            Arc::clone(&receiver.connections),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (reply, seen) = (reply.clone(), Arc::clone(&seen));
                let service = service_fn(move |request| {
                    let (reply, seen) = (reply.clone(), Arc::clone(&seen));
                    async move { Ok::<_, Infallible>(answer(request, &reply, &seen).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        receiver
    }

    pub(super) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// What has come, in order.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn answer(
    request: Request<Incoming>,
    reply: &Reply,
    seen: &Mutex<Vec<Seen>>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let number = {
        let mut seen = seen.lock().expect("lock");
        seen.push(Seen {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("UTF-8"),
        });
        seen.len() - 1
    };
    match &reply.0[number.min(reply.0.len() - 1)] {
        One::Never => std::future::pending().await,
        One::Answer {
            status,
            location,
            text,
            endless,
        } => {
            let text = Full::from(text.clone());
            let body = match endless {
                true => Endless(text).boxed(),
                false => text.boxed(),
            };
            let mut response = Response::new(body);
            *response.status_mut() = StatusCode::from_u16(*status).expect("a status");
            if let Some(location) = location {
                let location = location.parse().expect("a header");
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
    }
}
