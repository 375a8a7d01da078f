//! One publisher's connection: from acceptance until it ends, whoever ends it.
//!
//! How a session ended matters: a broadcast ends with its publisher's goodbye, and waits for a
//! publisher that was lost. libsrt shows both as a broken connection and does not say which
//! (`srt_recvmsg` fails with `SRT_ECONNLOST` either way; its two flags differ only inside). But a
//! connection that timed out has been silent for all of [`PEER_IDLE_MAX`], and a goodbye comes
//! within milliseconds of the last media. So: the connection broke while packets were still
//! coming in, less than half of that time ago, and the peer has said goodbye. A publisher that
//! sends nothing for longer and then says goodbye counts as lost; that errs on the side of
//! waiting for it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use media_core::{Media, StreamId};
use tracing::Span;

use super::PEER_IDLE_MAX;
use super::sys::{MESSAGE_BYTES_MAX, Received, Socket, SocketId, Statistics};
use super::transport::{NotTransportStream, Probe};
use crate::LINK_NOTED_EVERY;
use crate::gate::{Closed, MediaSink, Protocol, Unpublish};
use crate::link::{Link, Packets};

/// Messages read before the other sessions have their turn: a second of 5 Mbit/s.
const MESSAGES_PER_TURN: usize = 512;
/// How long after its break a connection may still give up media that was not yet due. That is
/// the agreed latency, which the caller can raise to a minute.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// Added to the latency while draining: libsrt's clocks are microseconds apart, ours is read
/// every few milliseconds.
const DRAIN_MARGIN: Duration = Duration::from_millis(50);

/// Room for the messages of one turn that go to the sink as one piece.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024;

pub(super) struct Session {
    socket: Socket,
    sink: Box<dyn MediaSink>,
    peer: SocketAddr,
    span: Span,
    stage: Stage,
    /// Agreed with the peer for as long as the connection lasts.
    latency: Duration,
    probe: Probe,
    began: Duration,
    bytes: u64,
    statistics: Statistics,
    /// When the counters last showed a packet that they had not shown before.
    last_packet: Duration,
    /// When the sink was last told of them.
    link_noted: Option<Duration>,
}

enum Stage {
    Live,
    /// Broken; media that was received before becomes due until then.
    Draining {
        until: Duration,
        how: Unpublish,
    },
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The connection ended.
    Peer(Unpublish),
    /// The sink takes no more.
    Sink(Closed),
    Payload(NotTransportStream),
    /// The listener is shutting down.
    ShuttingDown,
    /// A fault of ours, caught so that the other sessions go on.
    Panicked,
}

impl From<Closed> for Ending {
    fn from(closed: Closed) -> Self {
        Self::Sink(closed)
    }
}

impl From<NotTransportStream> for Ending {
    fn from(found: NotTransportStream) -> Self {
        Self::Payload(found)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(Unpublish::Finished) => f.write_str("the publisher closed the connection"),
            Self::Peer(Unpublish::Lost) => f.write_str("the connection was lost"),
            Self::Sink(closed) => closed.fmt(f),
            Self::Payload(found) => found.fmt(f),
            Self::ShuttingDown => f.write_str("the listener is shutting down"),
            Self::Panicked => f.write_str("the session panicked"),
        }
    }
}

impl Session {
    /// Begins at `now`; every later `now` is on the same clock.
    pub(super) fn begin(
        socket: Socket,
        sink: Box<dyn MediaSink>,
        stream: &StreamId,
        peer: SocketAddr,
        now: Duration,
    ) -> Self {
        let span = tracing::info_span!("publisher", %stream, %peer, protocol = %Protocol::Srt);
        let latency = socket.receive_latency().unwrap_or_default();
        tracing::info!(parent: &span, latency_ms = latency.as_millis() as u64, "publishing");
        Self {
            socket,
            sink,
            peer,
            span,
            stage: Stage::Live,
            latency,
            probe: Probe::new(),
            began: now,
            bytes: 0,
            statistics: Statistics::default(),
            last_packet: now,
            link_noted: None,
        }
    }

    pub(super) fn id(&self) -> SocketId {
        self.socket.id()
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.stage, Stage::Draining { .. })
    }

    /// Passes on what is due, as much as one turn allows.
    pub(super) fn read(&mut self, scratch: &mut [u8], now: Duration) -> Result<(), Ending> {
        let span = self.span.clone();
        let _entered = span.enter();
        let mut filled = 0;
        for _ in 0..MESSAGES_PER_TURN {
            match self.socket.receive(&mut scratch[filled..]) {
                Received::Message(bytes) => filled += bytes,
                Received::Nothing => break,
                Received::Broken => {
                    self.broke(now);
                    break;
                }
            }
            if scratch.len() - filled < MESSAGE_BYTES_MAX {
                self.pass(&scratch[..filled])?;
                filled = 0;
            }
        }
        self.pass(&scratch[..filled])
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        if let Some(bytes) = self.probe.pass(bytes)? {
            self.sink.push(Media::TransportStream(Bytes::from(bytes)))?;
        }
        Ok(())
    }

    /// The connection is broken, as libsrt says.
    pub(super) fn broke(&mut self, now: Duration) {
        if self.is_draining() {
            return;
        }
        let how = if now.saturating_sub(self.last_packet) < PEER_IDLE_MAX / 2 {
            Unpublish::Finished
        } else {
            Unpublish::Lost
        };
        self.stage = Stage::Draining {
            until: now + (self.latency + DRAIN_MARGIN).min(DRAIN_MAX),
            how,
        };
    }

    /// Looks after the session where nothing arrives: counters, the sink's wishes, its end.
    pub(super) fn tick(&mut self, now: Duration) -> Result<(), Ending> {
        let span = self.span.clone();
        let _entered = span.enter();
        match self.stage {
            Stage::Live => {
                if let Some(statistics) = self.socket.statistics() {
                    if statistics.received != self.statistics.received {
                        self.last_packet = now;
                    }
                    self.statistics = statistics;
                    self.note_link(now);
                } else if self.socket.is_broken() {
                    self.broke(now);
                }
            }
            Stage::Draining { until, how } if now >= until => return Err(Ending::Peer(how)),
            Stage::Draining { .. } => {}
        }
        Ok(self.sink.check()?)
    }

    /// Tells the sink what the connection is like, where it is time for that.
    fn note_link(&mut self, now: Duration) {
        let is_due = |noted| now.saturating_sub(noted) >= LINK_NOTED_EVERY;
        if self.link_noted.is_none_or(is_due) {
            self.link_noted = Some(now);
            self.sink.note_link(&link(&self.statistics, self.latency));
        }
    }

    /// Ends it and says so. Closing the socket tells the peer.
    pub(super) fn end(self, ending: &Ending, now: Duration) {
        let _entered = self.span.enter();
        let statistics = self.socket.statistics().unwrap_or(self.statistics);
        let duration_ms = now.saturating_sub(self.began).as_millis() as u64;
        tracing::info!(
            reason = %ending,
            bytes = self.bytes,
            duration_ms,
            packets_received = statistics.received,
            packets_lost = statistics.lost,
            packets_retransmitted = statistics.retransmitted,
            packets_dropped = statistics.dropped,
            packets_undecryptable = statistics.undecryptable,
            "unpublished"
        );
        match ending {
            Ending::Payload(found) => tracing::warn!("refused: {found}"),
            Ending::Sink(Closed::Refused(refusal)) => tracing::warn!(reason = %refusal, "refused"),
            Ending::Panicked => tracing::error!("a session's thread panicked; it was ended"),
            Ending::Peer(_) | Ending::Sink(_) | Ending::ShuttingDown => {}
        }
        self.sink.close(match ending {
            Ending::Peer(how) => *how,
            _ => Unpublish::Lost,
        });
    }
}

/// In the words of all protocols. How much the round trip varies libsrt does not say.
fn link(statistics: &Statistics, latency: Duration) -> Link {
    Link {
        rtt: Some(statistics.rtt),
        rtt_variation: None,
        latency: Some(latency),
        packets: Packets {
            received: Some(statistics.received),
            lost: Some(statistics.lost),
            retransmitted: Some(statistics.retransmitted),
            dropped: Some(statistics.dropped),
            undecryptable: Some(statistics.undecryptable),
        },
    }
}
