//! One request and its answer on an HTTP/2 stream.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::super::Front;
use super::super::body::{Body, RequestBody};
use super::super::date;
use super::super::limits::{STREAM_PROGRESS_BYTES_MIN, STREAM_STALL_MAX};
use super::super::pulse::Pulse;
use super::super::service::Via;

/// Why an answer was not sent to its end.
enum Ended {
    /// The peer cancelled it, or the connection broke.
    Gone,
    /// Its window stayed shut.
    Stalled,
    /// What gives the body failed.
    Failed,
}

/// Answers a request.
pub(super) async fn exchange(
    front: Arc<Front>,
    via: Via,
    pulse: Arc<Pulse>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let _open = pulse.request();
    let request = request.map(RequestBody::Http2);
    let response = {
        let response = pin!(front.service.respond(via, request));
        unless_reset(response, &mut respond).await
    };
    let Some(response) = response else {
        return pulse.reset();
    };
    match send(response, respond).await {
        Ok(()) | Err(Ended::Failed) => {}
        Err(Ended::Gone) => pulse.reset(),
        Err(Ended::Stalled) => front.counters.cut_streams.add(),
    }
}

/// The response, unless the peer cancels the request before it is there.
async fn unless_reset(
    mut response: Pin<&mut impl Future<Output = Response<Body>>>,
    respond: &mut SendResponse<Bytes>,
) -> Option<Response<Body>> {
    poll_fn(|context| {
        if let Poll::Ready(response) = response.as_mut().poll(context) {
            return Poll::Ready(Some(response));
        }
        respond.poll_reset(context).map(|_| None)
    })
    .await
}

async fn send(response: Response<Body>, mut respond: SendResponse<Bytes>) -> Result<(), Ended> {
    let (mut head, mut body) = response.into_parts();
    let has_content = !head.status.is_informational()
        && head.status != StatusCode::NO_CONTENT
        && head.status != StatusCode::NOT_MODIFIED;
    let length = body.size_hint().exact().filter(|_| has_content);
    // Of a HEAD's answer it is there already (RFC 9110 §9.3.2).
    if let Some(length) = length.filter(|_| !head.headers.contains_key(CONTENT_LENGTH)) {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    head.headers.insert(DATE, date::with(HeaderValue::clone));
    let is_end = body.is_end_stream();
    let mut stream = respond
        .send_response(Response::from_parts(head, ()), is_end)
        .map_err(|_| Ended::Gone)?;
    if is_end {
        return Ok(());
    }
    let sent = send_body(&mut body, &mut stream).await;
    match &sent {
        Ok(()) | Err(Ended::Gone) => {}
        Err(Ended::Stalled) => stream.send_reset(Reason::CANCEL),
        Err(Ended::Failed) => stream.send_reset(Reason::INTERNAL_ERROR),
    }
    sent
}

async fn send_body(body: &mut Body, stream: &mut SendStream<Bytes>) -> Result<(), Ended> {
    let mut patience = Patience::default();
    loop {
        let frame = poll_fn(|context| next_frame(body, stream, context)).await?;
        let Some(mut data) = frame else {
            // An end that nobody foresaw.
            return stream
                .send_data(Bytes::new(), true)
                .map_err(|_| Ended::Gone);
        };
        let is_last = body.is_end_stream();
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let capacity = match stream.capacity() {
                0 => patience.wait(stream).await?,
                capacity => capacity,
            };
            let piece = data.split_to(capacity.min(data.len()));
            patience.sent(piece.len());
            stream
                .send_data(piece, is_last && data.is_empty())
                .map_err(|_| Ended::Gone)?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The next bytes that are not none, and `None` at the end.
fn next_frame(
    body: &mut Body,
    stream: &mut SendStream<Bytes>,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, Ended>> {
    loop {
        match Pin::new(&mut *body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Poll::Ready(Ok(Some(data))),
                // Nobody here sends trailers.
                _ => {}
            },
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Ended::Failed)),
            Poll::Ready(None) => return Poll::Ready(Ok(None)),
            Poll::Pending => return stream.poll_reset(context).map(|_| Err(Ended::Gone)),
        }
    }
}

/// How long a stream's window may stay shut: until a deadline that is set when it is first found
/// shut, and anew after so many bytes. A window that is opened a byte at a time buys nothing.
#[derive(Default)]
struct Patience {
    until: Option<Instant>,
    sent_bytes: usize,
}

impl Patience {
    fn sent(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
        if self.sent_bytes >= STREAM_PROGRESS_BYTES_MIN {
            *self = Self::default();
        }
    }

    /// Waits for the window; at least 1 byte.
    async fn wait(&mut self, stream: &mut SendStream<Bytes>) -> Result<usize, Ended> {
        let until = *self.until.get_or_insert_with(|| {
            self.sent_bytes = 0;
            Instant::now() + STREAM_STALL_MAX
        });
        let capacity = timeout_at(until, poll_fn(|context| stream.poll_capacity(context)))
            .await
            .map_err(|_| Ended::Stalled)?;
        match capacity {
            Some(Ok(capacity)) => Ok(capacity),
            Some(Err(_)) | None => Err(Ended::Gone),
        }
    }
}
