//! HTTP/1.1 (RFC 9112): requests for what viewers play are answered here, everything else by hyper.
//!
//! Viewers make nearly all requests, and each of them needs little: no body comes in, a dozen
//! headers go out, media goes out from where it lies. [`Connection`] does that without a buffer or
//! a map while it waits. The first request that is for anything else, or in any way unusual, hands
//! the connection over to hyper, with the bytes read so far, for good ([`by_hyper`]).

mod by_hyper;
mod connection;
mod head;
mod replayed;
mod reply;
mod sending;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::limits::TICK;
use super::pulse::{Bytes, CutOff, Pulse, Verdict, Watch};
use super::service::{Service, Via};
use connection::{Connection, End};

/// Serves a connection to its end, which is an error where the peer had to be cut off.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin,
    via: Via,
    service: Arc<Service>,
    pulse: Arc<Pulse>,
    mut closing: watch::Receiver<bool>,
) -> Result<(), CutOff> {
    let mut connection = Connection::new(io, via, service, pulse);
    let mut watch = Watch::new(Bytes::Heads);
    let end = {
        let mut tick = pin!(sleep_until(Instant::now() + TICK));
        let mut closes = pin!(closing.wait_for(|closing| *closing));
        let mut is_closing = false;
        loop {
            tokio::select! {
                biased;
                end = poll_fn(|context| connection.poll(context)) => break end,
                () = tick.as_mut() => match watch.tick(connection.pulse()) {
                    Verdict::Fine => tick.as_mut().reset(Instant::now() + TICK),
                    Verdict::Idle => return Ok(()),
                    Verdict::CutOff(reason) => return Err(reason),
                },
                _ = closes.as_mut(), if !is_closing => {
                    is_closing = true;
                    connection.close();
                }
            }
        }
    };
    match end {
        End::Closed => Ok(()),
        // Apart on the heap: most connections never come here.
        End::HandOver => Box::pin(by_hyper::serve(connection.into_parts(), watch, closing)).await,
    }
}
