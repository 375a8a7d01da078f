//! The thread of a port: it waits for libsrt, reads whatever is due and hands it on. It never
//! waits for a consumer.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::door::{Door, Reason};
use super::filter::Instruction;
use super::session::{Ending, SCRATCH_BYTES, Session};
use super::sys::{self, Epoll, Event, ListeningSocket, Socket, SocketId, UdpPort};
use super::{
    Config, Error, LATENCY_DEFAULT, LATENCY_MAX, PEER_IDLE_MAX, RECEIVE_BUFFER_BYTES_MAX,
    UDP_RECEIVE_BUFFER_BYTES_MAX,
};
use crate::gate::{Gate, Protocol, Publisher};

/// How often sessions are looked after, and how long a shutdown may go unnoticed.
const TICK: Duration = Duration::from_millis(100);
/// How often a broken connection is asked for media that has become due: libsrt wakes nobody for
/// it any more.
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// Connections set up and not yet accepted. They are accepted within milliseconds.
const BACKLOG: i32 = 16;
/// libsrt 1.3.0, the first to send a Stream ID.
const PEER_VERSION_MIN: i32 = 0x01_03_00;
/// Packets that may overtake a missing one before it is asked for again, at the default latency.
/// At 6.6 Mbit/s with 10 ms of jitter the sender resent 7 of 10 packets at libsrt's default (0), and
/// as few at 16 as at 64. But 64 packets are half the default latency or more, so that what was
/// lost before the round trip was known came too late: 9 of 2500 messages at 5 % loss, 1 at 16.
const REORDER_PACKETS: u32 = 16;
/// Bounds of the same at other latencies: what is waited for here is missing for retransmission.
const REORDER_PACKETS_RANGE: (u32, u32) = (8, 512);

/// A listening port. Dropping it is [`Self::shutdown`].
pub struct Listener {
    local_addr: SocketAddr,
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// How often the thread has been round. While it works the number grows at least every tenth of a
    /// second.
    pub fn turns(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.turns)
    }

    /// Ends every session ([`Unpublish::Lost`](crate::gate::Unpublish::Lost): the server left,
    /// not the publisher) and stops listening. Blocks until the thread is gone, which takes about
    /// a tenth of a second. The kernel frees the port a few seconds later.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the SRT listener's thread had panicked");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn listen(
    address: SocketAddr,
    config: Config,
    gate: Arc<dyn Gate>,
) -> Result<Listener, Error> {
    if config.latency > LATENCY_MAX {
        return Err(Error::Latency(config.latency));
    }
    sys::start().map_err(|error| Error::Start(error.into()))?;
    let started = Instant::now();
    let bind_error = |source| Error::Bind { address, source };
    let port = UdpPort::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Error::AddressInUse(address),
        _ => bind_error(error),
    })?;
    let local_addr = port.local_address().map_err(bind_error)?;
    let port = Arc::new(port);
    let set_filter = {
        let port = port.clone();
        Box::new(move |filter: &[Instruction]| port.set_filter(filter).is_ok())
    };
    let door = Arc::new(Door::new(gate.clone(), &config, set_filter));
    let options = sys::Options {
        receive_latency_ms: config.latency.as_millis() as i32,
        receive_buffer_bytes: RECEIVE_BUFFER_BYTES_MAX as i32,
        udp_receive_buffer_bytes: UDP_RECEIVE_BUFFER_BYTES_MAX as i32,
        reorder_packets_max: reorder_packets_max(config.latency),
        peer_idle_ms: PEER_IDLE_MAX.as_millis() as i32,
        peer_version_min: PEER_VERSION_MIN,
        backlog: BACKLOG,
    };
    let admit = {
        let door = door.clone();
        Box::new(move |handshake: sys::Handshake<'_>| door.admit(&handshake, started.elapsed()))
    };
    let listening = ListeningSocket::bind(&port, &options, admit)
        .map_err(|error| Error::Start(error.into()))?;
    // After libsrt has set it.
    match port.hold(UDP_RECEIVE_BUFFER_BYTES_MAX) {
        Ok(bytes) if bytes < UDP_RECEIVE_BUFFER_BYTES_MAX => tracing::warn!(
            bytes,
            wanted = UDP_RECEIVE_BUFFER_BYTES_MAX,
            "the system holds little of the SRT port (net.core.rmem_max): bursts may cost packets"
        ),
        Ok(_) => {}
        Err(error) => {
            tracing::debug!(%error, "how much the system holds of the SRT port is not known")
        }
    }
    let epoll = Epoll::new().map_err(|error| Error::Start(error.into()))?;
    epoll
        .add(listening.id())
        .map_err(|error| Error::Start(error.into()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicU64::new(0));
    let port = Port {
        listening,
        epoll,
        door,
        gate,
        sessions: HashMap::new(),
        started,
        stop: stop.clone(),
        turns: turns.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("srt-listener".to_owned())
        .spawn(move || port.run())
        .map_err(Error::Thread)?;
    tracing::info!(address = %local_addr, latency_ms = options.receive_latency_ms, "listening for SRT");
    Ok(Listener {
        local_addr,
        stop,
        turns,
        thread: Some(thread),
    })
}

/// [`REORDER_PACKETS`], scaled with the latency.
fn reorder_packets_max(latency: Duration) -> i32 {
    let scaled = u128::from(REORDER_PACKETS) * latency.as_millis() / LATENCY_DEFAULT.as_millis();
    let (min, max) = REORDER_PACKETS_RANGE;
    scaled.clamp(min.into(), max.into()) as i32
}

/// What the thread owns.
struct Port {
    listening: ListeningSocket,
    epoll: Epoll,
    door: Arc<Door>,
    gate: Arc<dyn Gate>,
    sessions: HashMap<SocketId, Session>,
    started: Instant,
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
}

impl Port {
    fn run(mut self) {
        let mut ready = Vec::new();
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut ticked = Duration::ZERO;
        while !self.stop.load(Ordering::Relaxed) {
            let turn = AssertUnwindSafe(|| self.turn(&mut ready, &mut scratch, &mut ticked));
            match catch_unwind(turn) {
                Ok(Ok(())) => _ = self.turns.fetch_add(1, Ordering::Relaxed),
                Ok(Err(error)) => {
                    tracing::error!(%error, "the SRT listener ends");
                    break;
                }
                // Sessions are guarded one by one: what is left is the port's own book-keeping, and
                // whoever publishes should not pay for that. Not at once, or it would spin.
                Err(_) => std::thread::sleep(TICK),
            }
        }
        self.shut_down();
    }

    /// Waits until something is due, or for a tick, and does it.
    fn turn(
        &mut self,
        ready: &mut Vec<Event>,
        scratch: &mut [u8],
        ticked: &mut Duration,
    ) -> Result<(), sys::Error> {
        let draining: Vec<SocketId> = self
            .sessions
            .values()
            .filter(|session| session.is_draining())
            .map(Session::id)
            .collect();
        let timeout = if draining.is_empty() {
            TICK
        } else {
            DRAIN_POLL
        };
        self.epoll.wait(timeout, ready)?;
        let now = self.started.elapsed();
        for &Event { socket, broken } in ready.iter() {
            if socket == self.listening.id() {
                self.accept(now);
                continue;
            }
            self.with_session(socket, now, |session| {
                if broken {
                    session.broke(now);
                }
                session.read(scratch, now)
            });
        }
        for socket in draining {
            self.with_session(socket, now, |session| {
                session.read(scratch, now)?;
                session.tick(now)
            });
        }
        if now.saturating_sub(*ticked) >= TICK {
            *ticked = now;
            self.tick(now);
        }
        Ok(())
    }

    fn accept(&mut self, now: Duration) {
        while let Some(socket) = self.listening.accept() {
            let id = socket.id();
            let Some(admitted) = self.door.take_admitted(id) else {
                continue;
            };
            let publisher = Publisher {
                peer: admitted.peer,
                protocol: Protocol::Srt,
                claims: admitted.claims,
            };
            let gate = &self.gate;
            let begin = AssertUnwindSafe(|| gate.publish(&admitted.stream, publisher));
            match catch_unwind(begin) {
                Ok(Ok(sink)) => self.begin(
                    socket,
                    |socket| Session::begin(socket, sink, &admitted.stream, admitted.peer, now),
                    now,
                ),
                Ok(Err(refusal)) => {
                    self.door.refuse(admitted.peer, Reason::Gate(refusal));
                    self.door.left(id, admitted.peer);
                }
                Err(_) => {
                    tracing::error!(peer = %admitted.peer, "publishing panicked");
                    self.door.left(id, admitted.peer);
                }
            }
        }
    }

    fn begin(&mut self, socket: Socket, session: impl FnOnce(Socket) -> Session, now: Duration) {
        let id = socket.id();
        let watched = self.epoll.add(id);
        self.sessions.insert(id, session(socket));
        if let Err(error) = watched {
            // It broke in this very moment.
            tracing::debug!(%error, "a new connection cannot be watched");
            self.with_session(id, now, |session| {
                session.broke(now);
                Ok(())
            });
        }
    }

    /// Lets `work` act on a session, and ends the session where that says so or panics.
    fn with_session(
        &mut self,
        id: SocketId,
        now: Duration,
        work: impl FnOnce(&mut Session) -> Result<(), Ending>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            self.epoll.remove(id);
            return;
        };
        let was_draining = session.is_draining();
        let result =
            catch_unwind(AssertUnwindSafe(|| work(session))).unwrap_or(Err(Ending::Panicked));
        if session.is_draining() && !was_draining {
            // A broken socket stays ready for ever.
            self.epoll.remove(id);
        }
        if let Err(ending) = result {
            self.end(id, &ending, now);
        }
    }

    fn end(&mut self, id: SocketId, ending: &Ending, now: Duration) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.epoll.remove(id);
        self.door.left(id, session.peer());
        if catch_unwind(AssertUnwindSafe(|| session.end(ending, now))).is_err() {
            tracing::error!("closing a session's sink panicked");
        }
    }

    fn tick(&mut self, now: Duration) {
        let ids: Vec<SocketId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.with_session(id, now, |session| session.tick(now));
        }
        if let Some(dropped) = self.door.expire_bans(now) {
            tracing::warn!(
                sources = dropped.sources,
                everybody = dropped.everybody,
                installed = dropped.installed,
                protocol = %Protocol::Srt,
                "handshakes dropped unread"
            );
        }
        let (refused, unlogged) = self.door.take_refusals(now);
        for refusal in refused {
            tracing::warn!(peer = %refusal.peer, protocol = %Protocol::Srt, reason = %refusal.reason, "refused");
        }
        if unlogged > 0 {
            tracing::warn!(count = unlogged, protocol = %Protocol::Srt, "further callers refused");
        }
    }

    fn shut_down(mut self) {
        let now = self.started.elapsed();
        let ids: Vec<SocketId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.end(id, &Ending::ShuttingDown, now);
        }
        tracing::info!("no longer listening for SRT");
    }
}
