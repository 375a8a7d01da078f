//! Pages, the API, and whatever else is not delivery's: hyper, watched.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::body::{Ending, RequestBody};
use super::super::limits::{HEAD_BYTES_MAX, TICK};
use super::super::pulse::{CutOff, Exchange, Verdict, Watch};
use super::super::service::{Service, Via};
use super::connection::Parts;
use super::replayed::Replayed;

/// Serves a connection from what was read of it to its end, which is an error where the peer had to
/// be cut off.
pub(super) async fn serve(
    parts: Parts<impl AsyncRead + AsyncWrite + Unpin>,
    mut watch: Watch,
    mut closing: watch::Receiver<bool>,
) -> Result<(), CutOff> {
    let Parts {
        io,
        via,
        service,
        pulse,
        unread,
    } = parts;
    let answer = service_fn(|request| answer(Arc::clone(&service), via, pulse.request(), request));
    let mut connection = pin!(
        http1::Builder::new()
            // Its timer would be made anew for each request; the pulse is watched instead.
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            // Media goes to the socket, or to TLS, from where it lies.
            .writev(true)
            .serve_connection(TokioIo::new(Replayed::new(unread, io)), answer)
    );
    let mut tick = pin!(sleep_until(Instant::now() + TICK));
    let mut is_closing = false;
    loop {
        tokio::select! {
            biased;
            end = connection.as_mut() => {
                // A peer that hangs up or breaks HTTP ends its own connection only.
                if let Err(error) = end {
                    tracing::trace!(%error, "connection");
                }
                return Ok(());
            }
            () = tick.as_mut() => match watch.tick(&pulse) {
                Verdict::Fine => tick.as_mut().reset(Instant::now() + TICK),
                Verdict::Idle => return Ok(()),
                Verdict::CutOff(reason) => return Err(reason),
            },
            _ = closing.wait_for(|closing| *closing), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[expect(
    clippy::manual_async_fn,
    reason = "its arguments would be in its future twice, and each connection has room for one"
)]
fn answer(
    service: Arc<Service>,
    via: Via,
    exchange: Exchange,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Ending>, Infallible>> + Send {
    async move {
        let request = request.map(RequestBody::Http1);
        let response = service.respond(via, request).await;
        Ok(response.map(|body| Ending {
            body,
            _exchange: exchange,
        }))
    }
}
