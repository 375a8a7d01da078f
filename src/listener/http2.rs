//! HTTP/2 (RFC 9113) by h2, without hyper: an answer that is ready is sent without a task of its
//! own, bytes are given to a stream only as its window allows, and a stream whose viewer does not
//! open its window is reset alone, since the others on the connection may be fine.
//!
//! Floods of frames that cost more than they bring (continuations, empty or tiny DATA, PING,
//! SETTINGS, streams reset before they are accepted) are h2's to bound.

mod cork;
mod stream;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, Stream as _};
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use cork::{Cork, Corked};

use super::Front;
use super::limits::{HANDSHAKE_MAX, HEAD_BYTES_MAX, STREAM_QUEUE_BYTES_MAX, STREAMS_MAX, TICK};
use super::pulse::{self, CutOff, Pulse, Verdict, Watch};
use super::service::Via;

/// A request until its answer is sent.
type Exchange = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves a connection to its end, which is an error where the peer had to be cut off.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    tls: Box<TlsStream<S>>,
    via: Via,
    front: Arc<Front>,
    pulse: Arc<Pulse>,
    mut closing: watch::Receiver<bool>,
) -> Result<(), CutOff> {
    let (socket, session) = tls.into_inner();
    let (corked, cork) = cork::cork(socket, session);
    let handshake = Builder::new()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_send_buffer_size(STREAM_QUEUE_BYTES_MAX)
        .handshake(corked);
    // Apart, since it is over soon.
    let Ok(Ok(connection)) = timeout(HANDSHAKE_MAX, Box::pin(handshake)).await else {
        front.counters.refused_handshake.add();
        return Ok(());
    };
    let mut driver = Driver {
        connection,
        cork,
        exchanges: FuturesUnordered::new(),
        via,
        front,
        pulse,
    };
    let mut watch = Watch::new(pulse::Bytes::Anything);
    let mut tick = pin!(sleep_until(Instant::now() + TICK));
    let mut is_closing = false;
    loop {
        tokio::select! {
            biased;
            () = std::future::poll_fn(|context| driver.poll(context)) => return Ok(()),
            () = tick.as_mut() => {
                match watch.tick(&driver.pulse) {
                    Verdict::Fine => {}
                    // GOAWAY was announced a tick ago, and the peer does not go.
                    Verdict::Idle if is_closing => return Ok(()),
                    Verdict::Idle => {
                        is_closing = true;
                        driver.connection.graceful_shutdown();
                    }
                    Verdict::CutOff(reason) => return Err(reason),
                }
                tick.as_mut().reset(Instant::now() + TICK);
            }
            _ = closing.wait_for(|closing| *closing), if !is_closing => {
                is_closing = true;
                driver.connection.graceful_shutdown();
            }
        }
    }
}

/// A connection and the requests under way on it.
struct Driver<S> {
    connection: Connection<Corked<S>, Bytes>,
    cork: Cork<S>,
    exchanges: FuturesUnordered<Exchange>,
    via: Via,
    front: Arc<Front>,
    pulse: Arc<Pulse>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Ready when the connection is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.poll_frames(context).is_ready() {
            return Poll::Ready(());
        }
        match self.cork.poll_release(context) {
            Poll::Ready(Err(error)) => {
                tracing::trace!(%error, "connection");
                Poll::Ready(())
            }
            // There is more to come, or to go.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Reads and writes frames until there are none.
    fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut has_sent = false;
            // Reads, and writes what was sent since.
            while let Poll::Ready(accepted) = self.connection.poll_accept(context) {
                let (request, respond) = match accepted {
                    Some(Ok(accepted)) => accepted,
                    Some(Err(error)) => {
                        tracing::trace!(%error, "connection");
                        return Poll::Ready(());
                    }
                    None => return Poll::Ready(()),
                };
                let exchange = stream::exchange(
                    Arc::clone(&self.front),
                    self.via,
                    Arc::clone(&self.pulse),
                    request,
                    respond,
                );
                let mut exchange: Exchange = Box::pin(exchange);
                match exchange.as_mut().poll(context) {
                    Poll::Ready(()) => has_sent = true,
                    Poll::Pending => self.exchanges.push(exchange),
                }
            }
            while let Poll::Ready(Some(())) = Pin::new(&mut self.exchanges).poll_next(context) {
                has_sent = true;
            }
            if !has_sent {
                return Poll::Pending;
            }
        }
    }
}
