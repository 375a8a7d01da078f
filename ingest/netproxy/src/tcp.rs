//! A TCP proxy: what passes is delayed, slowed down, held up, or ends by a reset.
//!
//! Nothing is lost and nothing overtakes: to whoever uses TCP, a bad network is a late one. While
//! the line is stalled its ends stay connected and take what fits in their buffers.

mod flow;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::outages::{Outage, Outages};
use crate::running::{Running, Stop};
use crate::{POLL, lock};
use flow::Flow;

/// Connections at once; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 64;
/// How long connecting to the target may take, on the same machine.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// What happens to the bytes of each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// One-way delay.
    pub delay: Duration,
    /// The delay varies evenly by up to this in both directions; order is kept.
    pub jitter: Duration,
    /// Bits a second that pass; `None`: as many as come.
    pub rate: Option<u64>,
}

/// A running proxy; stops on drop, which ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: Running,
}

/// What the handle and the thread share.
#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    outages: Mutex<Outages>,
    /// Connections that were there when this was last asked for are to be reset.
    resets_asked: AtomicU64,
    connections: AtomicU64,
    passed_bytes: AtomicU64,
    resets: AtomicU64,
}

/// What a proxy has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Connections taken.
    pub connections: u64,
    /// Bytes passed on, in both directions.
    pub passed_bytes: u64,
    /// Connections that ended by a reset, whoever's.
    pub resets: u64,
}

impl Proxy {
    /// Stands before `target`, on a port that the system chooses. Nothing passes during `stalls`.
    pub fn start(target: SocketAddr, seed: u64, line: Line, stalls: &[Outage]) -> io::Result<Self> {
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(own, target, seed, line, stalls)
    }

    /// The same on a port of the caller's choice.
    pub fn start_on(
        own: SocketAddr,
        target: SocketAddr,
        seed: u64,
        line: Line,
        stalls: &[Outage],
    ) -> io::Result<Self> {
        let front = TcpListener::bind(own)?;
        front.set_nonblocking(true)?;
        let address = front.local_addr()?;
        let shared = Arc::new(Shared {
            line: Mutex::new(line),
            outages: Mutex::new(Outages::planned(stalls)),
            resets_asked: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            passed_bytes: AtomicU64::new(0),
            resets: AtomicU64::new(0),
        });
        let worker = Worker {
            front,
            target,
            random: StdRng::seed_from_u64(seed),
            connections: Vec::new(),
            resets_done: 0,
            shared: Arc::clone(&shared),
        };
        let running = Running::start("tcp proxy", move |stop| worker.run(stop))?;
        Ok(Self {
            address,
            shared,
            _running: running,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to bytes now.
    pub fn line(&self) -> Line {
        *lock(&self.shared.line)
    }

    /// Bytes that come from now on meet this.
    pub fn set(&self, line: Line) {
        *lock(&self.shared.line) = line;
    }

    /// From now on nothing passes for so long, in either direction.
    pub fn stall(&self, lasts: Duration) {
        lock(&self.shared.outages).begin(Instant::now(), lasts);
    }

    /// Resets the connections that are there.
    pub fn reset(&self) {
        self.shared.resets_asked.fetch_add(1, Ordering::Relaxed);
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        let shared = &self.shared;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: read(&shared.connections),
            passed_bytes: read(&shared.passed_bytes),
            resets: read(&shared.resets),
        }
    }
}

struct Connection {
    near: TcpStream,
    far: TcpStream,
    up: Flow,
    down: Flow,
}

struct Worker {
    front: TcpListener,
    target: SocketAddr,
    random: StdRng,
    connections: Vec<Connection>,
    resets_done: u64,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(mut self, stop: &Stop) {
        while !stop.is_asked() {
            let resets_asked = self.shared.resets_asked.load(Ordering::Relaxed);
            if resets_asked != self.resets_done {
                self.resets_done = resets_asked;
                for connection in std::mem::take(&mut self.connections) {
                    self.reset(&connection);
                }
            }
            while self.connections.len() < CONNECTIONS_MAX
                && let Ok((near, _)) = self.front.accept()
            {
                self.shared.connections.fetch_add(1, Ordering::Relaxed);
                if let Some(connection) = self.connect(near) {
                    self.connections.push(connection);
                }
            }
            let now = Instant::now();
            if lock(&self.shared.outages).is_out(now) || !self.carry(now) {
                std::thread::sleep(POLL);
            }
        }
    }

    fn connect(&self, near: TcpStream) -> Option<Connection> {
        let far = TcpStream::connect_timeout(&self.target, CONNECT_MAX).ok();
        let far = far.filter(|far| [far, &near].into_iter().all(is_set_up));
        let Some(far) = far else {
            // What whoever calls a closed port sees.
            let _ = rustix::net::sockopt::set_socket_linger(&near, Some(Duration::ZERO));
            return None;
        };
        Some(Connection {
            near,
            far,
            up: Flow::default(),
            down: Flow::default(),
        })
    }

    /// Passes on what is due of each connection; whether anything moved.
    fn carry(&mut self, now: Instant) -> bool {
        let line = *lock(&self.shared.line);
        let mut moved = false;
        for mut connection in std::mem::take(&mut self.connections) {
            let Connection {
                near,
                far,
                up,
                down,
            } = &mut connection;
            let ups = up.carry(near, far, &line, &mut self.random, now);
            let downs = down.carry(far, near, &line, &mut self.random, now);
            match (ups, downs) {
                (Ok(ups), Ok(downs)) => {
                    if ups.took > 0 {
                        lock(&self.shared.outages).heard(now);
                    }
                    let passed = (ups.passed + downs.passed) as u64;
                    self.shared
                        .passed_bytes
                        .fetch_add(passed, Ordering::Relaxed);
                    moved |= ups.took + downs.took > 0 || passed > 0;
                    if !(up.is_over() && down.is_over()) {
                        self.connections.push(connection);
                    }
                }
                // The other end sees what this one saw.
                _ => self.reset(&connection),
            }
        }
        moved
    }

    fn reset(&self, connection: &Connection) {
        self.shared.resets.fetch_add(1, Ordering::Relaxed);
        for end in [&connection.near, &connection.far] {
            // Fails where that end has gone already.
            let _ = rustix::net::sockopt::set_socket_linger(end, Some(Duration::ZERO));
        }
    }
}

fn is_set_up(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).is_ok() && stream.set_nodelay(true).is_ok()
}

/// Whether a call is to be made again later.
fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
