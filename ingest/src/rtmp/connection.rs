//! One connection: reads for its session, asks the gate, feeds the sink, writes the replies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{Span, debug, info, warn};

use super::error::Error;
use super::limits::{
    LINGER_BYTES_MAX, LINGER_MAX, READ_BUFFER_BYTES, SINK_CHECK_INTERVAL, TAKEOVER_RETRY,
    TAKEOVER_WAIT_MAX, VERDICT_POLL, WRITE_MAX,
};
use super::listener::told_to_stop;
use super::name::Name;
use super::places::Place;
use super::refusals::Refusals;
use super::session::{Event, Session};
use super::wire::Wire;
use crate::gate::{
    Admission, Claims, Closed, Gate, MediaSink, Protocol, Publisher, Refusal, Unpublish,
};

/// A connection before its first byte.
pub(crate) struct Connection {
    peer: SocketAddr,
    protocol: Protocol,
    gate: Arc<dyn Gate>,
    refusals: Arc<Refusals>,
    shutdown: watch::Receiver<bool>,
    accepted_at: Instant,
}

impl Connection {
    pub(crate) fn new(
        peer: SocketAddr,
        protocol: Protocol,
        gate: Arc<dyn Gate>,
        refusals: Arc<Refusals>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        Self {
            peer,
            protocol,
            gate,
            refusals,
            shutdown,
            accepted_at: Instant::now(),
        }
    }

    /// Runs the connection to its end.
    pub(crate) async fn run(self, stream: impl Wire, place: Place) {
        let driver = Driver {
            stream,
            place,
            // The session's time begins with the connection, so that TLS counts as handshake.
            session: Session::new(Duration::ZERO, rand::random()),
            publication: None,
            connection: self,
        };
        driver.run().await;
    }

    /// Asks the gate, and asks again for a while where another publisher holds the stream.
    async fn admit(&self, name: &Name) -> Result<(Admission, Box<dyn MediaSink>), Refusal> {
        let give_up_at = Instant::now() + TAKEOVER_WAIT_MAX;
        loop {
            match self.admit_once(name).await {
                Err(Refusal::AlreadyLive) if Instant::now() < give_up_at => {
                    sleep(TAKEOVER_RETRY).await;
                }
                decided => return decided,
            }
        }
    }

    /// Asks the gate, and waits where it has to ask somebody else.
    async fn admit_once(&self, name: &Name) -> Result<(Admission, Box<dyn MediaSink>), Refusal> {
        let admission = self.gate.check(&name.key, self.peer.ip())?;
        let publisher = Publisher {
            peer: self.peer,
            protocol: self.protocol,
            claims: Claims {
                query: name.query().to_owned(),
                ..Claims::default()
            },
        };
        let sink = self.gate.publish(&admission.stream, publisher)?;
        while sink.is_pending() {
            if *self.shutdown.borrow() {
                return Err(Refusal::ShuttingDown);
            }
            sleep(VERDICT_POLL).await;
        }
        match sink.check() {
            Err(Closed::Refused(refusal)) => Err(refusal),
            // Whatever else is wrong with it ends the session as it would later on.
            _ => Ok((admission, sink)),
        }
    }
}

/// A publication under way.
struct Publication {
    sink: Box<dyn MediaSink>,
    began_at: Instant,
    /// The connection's count of bytes when it began.
    bytes_before: u64,
}

/// Why a session is over.
enum Ending {
    /// The peer left.
    Left(String),
    /// This side ended it, mostly by the peer's fault.
    Ended(String),
    /// This side turned it away for what the log was told before.
    Known(Refusal),
}

impl Ending {
    fn reason(&self) -> &str {
        match self {
            Self::Left(reason) | Self::Ended(reason) => reason,
            Self::Known(_) => "refused",
        }
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Ended(error.to_string())
    }
}

enum Wake {
    Read(std::io::Result<usize>),
    Timer,
    Shutdown,
}

struct Driver<S> {
    stream: S,
    place: Place,
    session: Session,
    publication: Option<Publication>,
    connection: Connection,
}

impl<S: Wire> Driver<S> {
    async fn run(mut self) {
        let mut shutdown = self.connection.shutdown.clone();
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        // Reset when it fires and never at a read, which would cost more than the read.
        let timer = sleep_until(self.next_wake());
        tokio::pin!(timer);
        while !self.session.is_closed() {
            let wake = tokio::select! {
                read = self.stream.read(&mut buffer) => Wake::Read(read),
                () = &mut timer => Wake::Timer,
                () = told_to_stop(&mut shutdown) => Wake::Shutdown,
            };
            if let Wake::Timer = wake {
                timer.as_mut().reset(self.next_wake());
            }
            let ending = self.step(wake, &buffer);
            let mut ending = self.handle_events(ending).await;
            if let Err(reason) = self.write().await {
                self.session.end_of_input();
                ending = self
                    .handle_events(ending.or(Some(Ending::Left(reason))))
                    .await;
            }
            if let Some(ending) = ending
                && !self.place.has_published()
            {
                match ending {
                    Ending::Left(reason) => debug!(reason, "left before it published"),
                    Ending::Ended(reason) => match self.connection.refusals.line(Instant::now()) {
                        Some(0) => warn!(reason, "refused"),
                        Some(left_out) => warn!(reason, left_out, "refused"),
                        None => debug!(reason, "refused"),
                    },
                    Ending::Known(reason) => debug!(%reason, "refused"),
                }
            }
        }
        self.linger(&mut buffer).await;
        debug!("disconnected");
    }

    /// Feeds the session what has happened; says why where that ends it.
    fn step(&mut self, wake: Wake, buffer: &[u8]) -> Option<Ending> {
        let now = self.now();
        match wake {
            Wake::Read(Ok(0)) => {
                self.session.end_of_input();
                Some(Ending::Left("the connection was closed".to_owned()))
            }
            Wake::Read(Ok(count)) => {
                let received = self.session.receive(&buffer[..count], now);
                received.err().map(Ending::from)
            }
            Wake::Read(Err(error)) => {
                self.session.end_of_input();
                Some(Ending::Left(error.to_string()))
            }
            Wake::Timer => match self.session.handle_timeout(now) {
                Ok(()) => self.look_after_sink(),
                Err(error) => Some(error.into()),
            },
            Wake::Shutdown => {
                self.session.end(&Closed::Ended);
                Some(Ending::Ended(Refusal::ShuttingDown.to_string()))
            }
        }
    }

    /// Acts on the session's events; `ending` is why it is over, where it is.
    async fn handle_events(&mut self, mut ending: Option<Ending>) -> Option<Ending> {
        while let Some(event) = self.session.poll_event() {
            let ended = match event {
                Event::PublishRequest(name) => self.begin(name).await,
                Event::Media(media) => match &mut self.publication {
                    Some(publication) => match publication.sink.push(media) {
                        Ok(()) => None,
                        Err(closed) => Some(self.end_by_sink(&closed)),
                    },
                    None => None,
                },
                Event::Unpublish { clean: true } => {
                    self.unpublish(Unpublish::Finished, "finished by the publisher");
                    None
                }
                Event::Unpublish { clean: false } => {
                    let reason = ending.as_ref().map_or("connection lost", Ending::reason);
                    self.unpublish(Unpublish::Lost, reason);
                    None
                }
            };
            ending = ending.or(ended);
        }
        ending
    }

    /// Answers a request to publish.
    async fn begin(&mut self, name: Name) -> Option<Ending> {
        match self.connection.admit(&name).await {
            Ok((admission, sink)) => {
                Span::current().record("stream", admission.stream.as_str());
                self.place.published();
                self.publication = Some(Publication {
                    sink,
                    began_at: Instant::now(),
                    bytes_before: self.session.received_bytes(),
                });
                info!("publishing");
                let now = self.now();
                self.session.accept_publish(now).err().map(Ending::from)
            }
            Err(refusal) => {
                self.session.refuse_publish(refusal);
                Some(match refusal.is_known() {
                    true => Ending::Known(refusal),
                    false => Ending::Ended(refusal.to_string()),
                })
            }
        }
    }

    /// Tells the sink what the connection is like, and asks whether it goes on.
    fn look_after_sink(&mut self) -> Option<Ending> {
        let sink = &self.publication.as_ref()?.sink;
        sink.note_link(&self.stream.link());
        let closed = sink.check().err()?;
        Some(self.end_by_sink(&closed))
    }

    /// The sink takes no more: it is dropped, and the publisher told why.
    fn end_by_sink(&mut self, closed: &Closed) -> Ending {
        let reason = closed.to_string();
        if let Some(publication) = self.publication.take() {
            self.log_unpublished(&publication, &reason);
        }
        self.session.end(closed);
        Ending::Ended(reason)
    }

    fn unpublish(&mut self, how: Unpublish, reason: &str) {
        if let Some(publication) = self.publication.take() {
            self.log_unpublished(&publication, reason);
            publication.sink.close(how);
        }
    }

    fn log_unpublished(&self, publication: &Publication, reason: &str) {
        info!(
            reason,
            bytes = self.session.received_bytes() - publication.bytes_before,
            seconds = publication.began_at.elapsed().as_secs_f64(),
            undecodable_frames = self.session.undecodable_frames(),
            "unpublished"
        );
    }

    async fn write(&mut self) -> Result<(), String> {
        while let Some(bytes) = self.session.poll_output() {
            let written = timeout(WRITE_MAX, async {
                self.stream.write_all(&bytes).await?;
                self.stream.flush().await
            });
            match written.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => return Err("the peer has stopped reading".to_owned()),
            }
        }
        Ok(())
    }

    /// Says goodbye and lets the peer read its last reply before the socket goes.
    async fn linger(&mut self, buffer: &mut [u8]) {
        let farewell = async {
            self.stream.shutdown().await?;
            let mut drained_bytes = 0;
            while drained_bytes < LINGER_BYTES_MAX {
                match self.stream.read(buffer).await? {
                    0 => break,
                    count => drained_bytes += count,
                }
            }
            Ok::<(), std::io::Error>(())
        };
        match timeout(LINGER_MAX, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "the connection broke while it was closed"),
            Err(_) => debug!("the peer did not close its side"),
        }
    }

    fn now(&self) -> Duration {
        self.connection.accepted_at.elapsed()
    }

    /// The session's deadline, or the next look at the sink where that is sooner.
    fn next_wake(&self) -> tokio::time::Instant {
        let check = self.now() + SINK_CHECK_INTERVAL;
        let wake = self.session.deadline().map_or(check, |at| at.min(check));
        (self.connection.accepted_at + wake).into()
    }
}

#[cfg(test)]
mod tests {
    use media_core::StreamId;
    use tokio::io::duplex;

    use super::*;
    use crate::gate::StreamKey;
    use crate::rtmp::places::Places;

    struct Nobody;

    impl Gate for Nobody {
        fn check(&self, _key: &StreamKey, _: std::net::IpAddr) -> Result<Admission, Refusal> {
            Err(Refusal::UnknownKey)
        }

        fn publish(
            &self,
            _stream: &StreamId,
            _publisher: Publisher,
        ) -> Result<Box<dyn MediaSink>, Refusal> {
            Err(Refusal::UnknownKey)
        }
    }

    #[tokio::test]
    async fn a_peer_that_reads_no_reply_is_dropped() {
        let peer = "127.0.0.1:1".parse().expect("an address");
        let place = Places::new(1, 1).take(peer).expect("a place");
        let (_stop, stopped) = watch::channel(false);
        // The replies to the handshake do not fit in the pipe.
        let (mut theirs, ours) = duplex(2000);
        let connection = Connection::new(
            peer,
            Protocol::Rtmp,
            Arc::new(Nobody),
            Arc::default(),
            stopped,
        );
        let running = tokio::spawn(connection.run(ours, place));
        theirs.write_all(&[3; 1537]).await.expect("taken");
        let ended = timeout(4 * WRITE_MAX, running).await;
        assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
    }
}
