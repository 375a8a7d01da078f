//! A UDP proxy on 127.0.0.1 that loses, delays and reorders packets as a seed says.
//!
//! The n-th packet of a direction always meets the same fate, whatever the machine's timing: the
//! fates are drawn in order from one generator a direction. It serves any number of clients, each
//! with an upstream socket of its own.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How often sockets and due packets are looked at: well below any jitter simulated.
const POLL: Duration = Duration::from_micros(500);
/// Packets under way at once; a real bottleneck drops what is over its queue.
const UNDER_WAY_MAX: usize = 20_000;
/// Clients at once.
const CLIENTS_MAX: usize = 64;
const DATAGRAM_BYTES_MAX: usize = 2048;

/// What happens to the packets of each direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) seed: u64,
    /// Probability that a packet is lost, 0 to 1.
    pub(crate) loss: f64,
    /// One-way delay.
    pub(crate) delay: Duration,
    /// The delay varies evenly by up to this in both directions, packet by packet: packets that
    /// are closer together than that overtake each other.
    pub(crate) jitter: Duration,
}

/// A running proxy; stops on drop.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counters {
    passed: AtomicU64,
    lost: AtomicU64,
    overtaken: AtomicU64,
}

/// What a proxy has done so far, in packets of both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) lost: u64,
    /// Delivered after a packet that had come in later.
    pub(crate) overtaken: u64,
}

impl Proxy {
    /// Stands before `target`.
    pub(crate) fn start(target: SocketAddr, network: Network) -> Self {
        let front = bind();
        let address = front.local_addr().expect("bound");
        let counters = Arc::new(Counters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            front,
            target,
            clients: HashMap::new(),
            to_server: Fate::new(network, 0),
            to_client: Fate::new(network, 1),
            under_way: BinaryHeap::new(),
            taken: 0,
            delivered_newest: [0; 2],
            counters: counters.clone(),
        };
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || worker.run(&stop)
        });
        Self {
            address,
            counters,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            passed: read(&self.counters.passed),
            lost: read(&self.counters.lost),
            overtaken: read(&self.counters.overtaken),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bind() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("an ephemeral port");
    socket
        .set_nonblocking(true)
        .expect("a mode of every socket");
    socket
}

/// Draws what becomes of the packets of one direction.
struct Fate {
    network: Network,
    random: StdRng,
}

impl Fate {
    fn new(network: Network, direction: u64) -> Self {
        Self {
            network,
            random: StdRng::seed_from_u64(network.seed.wrapping_mul(2).wrapping_add(direction)),
        }
    }

    /// How long the next packet takes; `None` where it is lost.
    fn next(&mut self) -> Option<Duration> {
        // Both draws are always made, so that a packet's fate does not depend on another's.
        let lost = self.random.random_bool(self.network.loss);
        let swing = self.random.random_range(-1.0..=1.0);
        let delay = self.network.delay.as_secs_f64() + swing * self.network.jitter.as_secs_f64();
        (!lost).then(|| Duration::from_secs_f64(delay.max(0.0)))
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Instant,
    number: u64,
    client: SocketAddr,
    to_server: bool,
    datagram: Vec<u8>,
}

struct Worker {
    front: UdpSocket,
    target: SocketAddr,
    clients: HashMap<SocketAddr, UdpSocket>,
    to_server: Fate,
    to_client: Fate,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    taken: u64,
    delivered_newest: [u64; 2],
    counters: Arc<Counters>,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        while !stop.load(Ordering::Relaxed) {
            let mut idle = true;
            while let Some((bytes, client)) = receive(&self.front, &mut buffer) {
                idle = false;
                if self.clients.len() < CLIENTS_MAX {
                    self.clients.entry(client).or_insert_with(bind);
                }
                self.take(client, true, &buffer[..bytes]);
            }
            let clients: Vec<SocketAddr> = self.clients.keys().copied().collect();
            for client in clients {
                while let Some((bytes, _)) = receive(&self.clients[&client], &mut buffer) {
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

    fn take(&mut self, client: SocketAddr, to_server: bool, datagram: &[u8]) {
        let fate = if to_server {
            &mut self.to_server
        } else {
            &mut self.to_client
        };
        match fate.next() {
            Some(delay) if self.under_way.len() < UNDER_WAY_MAX => {
                self.taken += 1;
                self.under_way.push(Reverse(UnderWay {
                    due: Instant::now() + delay,
                    number: self.taken,
                    client,
                    to_server,
                    datagram: datagram.to_vec(),
                }));
            }
            _ => {
                self.counters.lost.fetch_add(1, Ordering::Relaxed);
            }
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
                (true, Some(upstream)) => upstream.send_to(&packet.datagram, self.target),
                (false, _) => self.front.send_to(&packet.datagram, packet.client),
                (true, None) => continue,
            };
            let newest = &mut self.delivered_newest[usize::from(packet.to_server)];
            if packet.number < *newest {
                self.counters.overtaken.fetch_add(1, Ordering::Relaxed);
            }
            *newest = packet.number.max(*newest);
            self.counters.passed.fetch_add(1, Ordering::Relaxed);
        }
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
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_every_fate() {
        let network = Network {
            seed: 5,
            loss: 0.1,
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(20),
        };
        let draw = |direction| {
            let mut fate = Fate::new(network, direction);
            (0..1000).map(|_| fate.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
        let lost = draw(0).iter().filter(|fate| fate.is_none()).count();
        assert!((60..140).contains(&lost), "{lost}");
        for delay in draw(0).into_iter().flatten() {
            assert!((20..=60).contains(&delay.as_millis()));
        }
    }
}
