//! A UDP proxy: packets of each direction meet the fate that the seed says.
//!
//! The n-th packet of a direction draws the same numbers whatever the machine's timing: fates are
//! drawn in order from one generator a direction. It serves any number of clients, one after the
//! other and some at once, each with an upstream socket of its own.

mod fate;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::outages::{Outage, Outages};
use crate::running::{Running, Stop};
use crate::{POLL, lock};
use fate::Fate;

/// Packets under way at once; a real bottleneck drops what is over its queue.
const UNDER_WAY_MAX: usize = 20_000;
/// Clients at once.
const CLIENTS_MAX: usize = 64;
/// A client that has sent nothing for so long gives its place to a new one, where all are taken.
const CLIENT_IDLE_MIN: Duration = Duration::from_secs(30);
const DATAGRAM_BYTES_MAX: usize = 2048;

/// What happens to the packets of each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network {
    /// Probability that a packet is lost, 0 to 1.
    pub loss: f64,
    /// One-way delay.
    pub delay: Duration,
    /// The delay varies evenly by up to this in both directions, packet by packet: packets that
    /// are closer together than that overtake each other.
    pub jitter: Duration,
    /// Probability that a packet is held back, so that those of the next [`HELD_BACK`] overtake it.
    pub reorder: f64,
    /// Probability that a packet arrives twice.
    pub duplicates: f64,
}

/// For how long a packet is held back ([`Network::reorder`]): several packets of a megabit.
pub const HELD_BACK: Duration = Duration::from_millis(30);

/// A running proxy; stops on drop.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: Running,
}

/// What the handle and the thread share.
#[derive(Debug)]
struct Shared {
    network: Mutex<Network>,
    outages: Mutex<Outages>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    passed: AtomicU64,
    lost: AtomicU64,
    overtaken: AtomicU64,
    doubled: AtomicU64,
}

/// What a proxy has done so far, in packets of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Delivered, second times included.
    pub passed: u64,
    /// Lost by chance, in an outage, or by a bound of the proxy.
    pub lost: u64,
    /// Delivered after a packet that had come in later.
    pub overtaken: u64,
    /// Sent on a second time.
    pub doubled: u64,
}

impl Proxy {
    /// Stands before `target`, on a port that the system chooses. No packet passes during
    /// `blackouts`.
    pub fn start(
        target: SocketAddr,
        seed: u64,
        network: Network,
        blackouts: &[Outage],
    ) -> io::Result<Self> {
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(own, target, seed, network, blackouts)
    }

    /// The same on a port of the caller's choice.
    pub fn start_on(
        own: SocketAddr,
        target: SocketAddr,
        seed: u64,
        network: Network,
        blackouts: &[Outage],
    ) -> io::Result<Self> {
        let front = bind(own)?;
        let address = front.local_addr()?;
        let shared = Arc::new(Shared {
            network: Mutex::new(network),
            outages: Mutex::new(Outages::planned(blackouts)),
            counters: Counters::default(),
        });
        let worker = Worker {
            front,
            target,
            clients: HashMap::new(),
            fates: [Fate::new(seed, 0), Fate::new(seed, 1)],
            under_way: BinaryHeap::new(),
            taken: 0,
            delivered_newest: [0; 2],
            shared: Arc::clone(&shared),
        };
        let running = Running::start("udp proxy", move |stop| worker.run(stop))?;
        Ok(Self {
            address,
            shared,
            _running: running,
        })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to packets now.
    pub fn network(&self) -> Network {
        *lock(&self.shared.network)
    }

    /// Packets that come from now on meet this; those under way do not change.
    pub fn set(&self, network: Network) {
        *lock(&self.shared.network) = network;
    }

    /// From now on no packet passes for so long; those under way arrive.
    pub fn black_out(&self, lasts: Duration) {
        lock(&self.shared.outages).begin(Instant::now(), lasts);
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            passed: read(&counters.passed),
            lost: read(&counters.lost),
            overtaken: read(&counters.overtaken),
            doubled: read(&counters.doubled),
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Instant,
    number: u64,
    client: SocketAddr,
    to_server: bool,
    datagram: Vec<u8>,
}

struct Client {
    upstream: UdpSocket,
    heard: Instant,
}

struct Worker {
    front: UdpSocket,
    target: SocketAddr,
    clients: HashMap<SocketAddr, Client>,
    /// To the client, to the server.
    fates: [Fate; 2],
    under_way: BinaryHeap<Reverse<UnderWay>>,
    taken: u64,
    delivered_newest: [u64; 2],
    shared: Arc<Shared>,
}

impl Worker {
    fn run(mut self, stop: &Stop) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        while !stop.is_asked() {
            let mut idle = true;
            while let Some((bytes, client)) = receive(&self.front, &mut buffer) {
                idle = false;
                if self.know(client) {
                    self.take(client, true, &buffer[..bytes]);
                } else {
                    self.count(|counters| &counters.lost);
                }
            }
            let clients: Vec<SocketAddr> = self.clients.keys().copied().collect();
            for client in clients {
                while let Some((bytes, _)) = receive(&self.clients[&client].upstream, &mut buffer) {
                    idle = false;
                    self.take(client, false, &buffer[..bytes]);
                }
            }
            self.deliver();
            if idle {
                std::thread::sleep(POLL);
            }
        }
    }

    /// Notes that a client was heard; `false` where there is no place for a new one.
    fn know(&mut self, client: SocketAddr) -> bool {
        let now = Instant::now();
        if let Some(known) = self.clients.get_mut(&client) {
            known.heard = now;
            return true;
        }
        if self.clients.len() >= CLIENTS_MAX {
            let idle = |one: &Client| now.saturating_duration_since(one.heard) >= CLIENT_IDLE_MIN;
            self.clients.retain(|_, one| !idle(one));
        }
        let unbound = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        match bind(unbound) {
            Ok(upstream) if self.clients.len() < CLIENTS_MAX => {
                let heard = now;
                self.clients.insert(client, Client { upstream, heard });
                true
            }
            _ => false,
        }
    }

    fn take(&mut self, client: SocketAddr, to_server: bool, datagram: &[u8]) {
        let now = Instant::now();
        let network = *lock(&self.shared.network);
        let is_out = {
            let mut outages = lock(&self.shared.outages);
            outages.heard(now);
            outages.is_out(now)
        };
        let delays = self.fates[usize::from(to_server)].next(&network);
        if is_out || delays[0].is_none() {
            return self.count(|counters| &counters.lost);
        }
        for (nth, delay) in delays.into_iter().flatten().enumerate() {
            if self.under_way.len() >= UNDER_WAY_MAX {
                return self.count(|counters| &counters.lost);
            }
            if nth > 0 {
                self.count(|counters| &counters.doubled);
            }
            self.taken += 1;
            self.under_way.push(Reverse(UnderWay {
                due: now + delay,
                number: self.taken,
                client,
                to_server,
                datagram: datagram.to_vec(),
            }));
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self
            .under_way
            .peek()
            .is_some_and(|Reverse(next)| next.due <= now)
        {
            let Some(Reverse(packet)) = self.under_way.pop() else {
                return;
            };
            // A full or closed socket is one more way to lose a packet.
            let _ = match (packet.to_server, self.clients.get(&packet.client)) {
                (true, Some(client)) => client.upstream.send_to(&packet.datagram, self.target),
                (false, _) => self.front.send_to(&packet.datagram, packet.client),
                (true, None) => continue,
            };
            let newest = &mut self.delivered_newest[usize::from(packet.to_server)];
            let is_overtaken = packet.number < *newest;
            *newest = packet.number.max(*newest);
            if is_overtaken {
                self.count(|counters| &counters.overtaken);
            }
            self.count(|counters| &counters.passed);
        }
    }

    fn count(&self, counter: impl FnOnce(&Counters) -> &AtomicU64) {
        counter(&self.shared.counters).fetch_add(1, Ordering::Relaxed);
    }
}

/// One waiting datagram. Refusals by a port that has gone (ICMP) show as errors of the socket and
/// are passed over.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer) {
            Ok(received) => return Some(received),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests;
