//! Slow and hostile peers against both protocols, on a clock that the test moves. The pipe
//! between the two ends stands for the socket and its buffers.

mod http1;
mod http2;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use packager::{Delivery, Live};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::limits::{STALL_TICKS_MAX, TICK};
use super::pulse::{CutOff, Pulse};
use super::socket::Watched;
use super::{Front, Redirect, Service, Via};

/// What the pipe takes before its other end reads.
const PIPE_BYTES: usize = 64 * 1024;

/// A segment of 5 Mbit/s.
const BIG_BYTES: usize = 1_250_000;

/// Past every deadline: a stall's is the longest, and is exact to a tick.
const DEADLINE_MAX: Duration = TICK.saturating_mul(STALL_TICKS_MAX + 2);

const VIA: Via = Via {
    is_secure: true,
    is_local: true,
};

/// A server's end of a pipe.
struct Served {
    task: JoinHandle<Result<(), CutOff>>,
    closing: watch::Sender<bool>,
    front: Arc<Front>,
    since: Instant,
}

impl Served {
    fn http1() -> (Self, DuplexStream) {
        Self::http1_via(VIA)
    }

    fn http1_via(via: Via) -> (Self, DuplexStream) {
        Self::start(|io, front, pulse, closes| {
            let service = Arc::clone(&front.service);
            tokio::spawn(super::http1::serve(io, via, service, pulse, closes))
        })
    }

    fn http2() -> (Self, DuplexStream) {
        Self::start(|io, front, pulse, closes| {
            tokio::spawn(super::http2::serve(io, VIA, front, pulse, closes))
        })
    }

    fn start(
        serve: impl FnOnce(
            Watched<DuplexStream>,
            Arc<Front>,
            Arc<Pulse>,
            watch::Receiver<bool>,
        ) -> JoinHandle<Result<(), CutOff>>,
    ) -> (Self, DuplexStream) {
        let api = Router::new()
            .route("/big", get(|| async { vec![7; BIG_BYTES] }))
            .route("/small", get(|| async { "small" }))
            .route("/never", any(std::future::pending::<()>))
            .route("/echo", any(|body: String| async { body }));
        let service = Service::new(Delivery::new(Live::new()), api)
            .redirecting(Some(Redirect::new(None, 8443)))
            .with_hsts(300);
        let front = Front::new(service, 1);
        let (client, server) = duplex(PIPE_BYTES);
        let pulse = Arc::new(Pulse::default());
        let (closing, closes) = watch::channel(false);
        let io = Watched::new(server, Arc::clone(&pulse));
        let served = Self {
            task: serve(io, Arc::clone(&front), pulse, closes),
            closing,
            front,
            since: Instant::now(),
        };
        (served, client)
    }

    /// How the connection ended, and after how long.
    async fn end(self) -> (Result<(), CutOff>, Duration) {
        let end = tokio::time::timeout(DEADLINE_MAX, self.task).await;
        let end = end.expect("it ends").expect("no panic");
        (end, self.since.elapsed())
    }
}
