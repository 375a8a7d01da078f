//! The SRT listener, on libsrt (the Haivision SRT protocol, draft-sharabayko-srt-01).
//!
//! One UDP port, one thread of ours: callers are named by their Stream ID ([`streamid`]),
//! admitted by the [`Gate`] before libsrt answers them, and what they send goes to their
//! [`MediaSink`](crate::gate::MediaSink) as an MPEG transport stream in the order of its packets.
//! Encryption (AES-128, 192 or 256, whichever the caller chose) follows the stream's passphrase.
//!
//! Strangers cost little: handshakes are limited by address before any look-up, and a source that
//! goes on regardless is dropped by the kernel (Linux), as is what is for no connection at all.
//!
//! It only receives: no caller mode, no rendezvous, no bonding, nothing but transport streams.

mod bans;
mod door;
mod filter;
mod listener;
mod rate;
mod session;
pub mod streamid;
mod sys;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::gate::Gate;
pub use listener::Listener;

/// SRT's own default: four round trips of 30 ms.
pub const LATENCY_DEFAULT: Duration = Duration::from_millis(120);
/// The longest latency that can be configured. At 6 Mbit/s ten seconds fill the receive buffer of
/// a connection ([`RECEIVE_BUFFER_BYTES_MAX`]).
pub const LATENCY_MAX: Duration = Duration::from_secs(10);
/// Callers at once on a port: far more than one machine encodes.
pub const CALLERS_MAX: usize = 64;
/// Callers at once from one address: a production site behind one NAT, while nobody takes all
/// places.
pub const CALLERS_PER_ADDRESS_MAX: usize = 16;
/// Handshakes that one address may try at once: each of its places, twice.
pub const HANDSHAKE_BURST: u32 = 32;
/// Handshakes a second that one address may go on trying. Encoders retry every 1 to 5 s.
pub const HANDSHAKES_PER_SECOND: u32 = 4;
/// What libsrt may hold of one connection: 50 Mbit/s for 1.3 s.
pub const RECEIVE_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What the kernel may hold of the port: 20,000 handshakes, as the thread that reads it may not run for a
/// tenth of a second, and a packet for which there is no room is a publisher's as likely as a stranger's.
/// It also bounds how many handshakes a flood can queue up. Where the process may not say so, the
/// system's own limit (`net.core.rmem_max`) may be lower.
pub const UDP_RECEIVE_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a peer may be silent (not even keep-alives, which come every second) before the
/// connection counts as lost.
pub const PEER_IDLE_MAX: Duration = Duration::from_secs(5);

/// How a listener behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time for retransmissions, and so the delay that SRT adds. The caller may ask for more.
    pub latency: Duration,
    /// Callers at once.
    pub callers_max: usize,
    /// Callers at once from one IPv4 address or IPv6 /64.
    pub callers_per_address_max: usize,
    /// Handshakes that one address may try at once; at least 1.
    pub handshake_burst: u32,
    /// Handshakes a second that one address may try in the long run; at least 1.
    pub handshakes_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            latency: LATENCY_DEFAULT,
            callers_max: CALLERS_MAX,
            callers_per_address_max: CALLERS_PER_ADDRESS_MAX,
            handshake_burst: HANDSHAKE_BURST,
            handshakes_per_second: HANDSHAKES_PER_SECOND,
        }
    }
}

/// Why a listener cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configured latency is longer than [`LATENCY_MAX`].
    #[error("an SRT latency of {} ms is too long: {} ms at most", .0.as_millis(), LATENCY_MAX.as_millis())]
    Latency(Duration),
    /// Another process, or another listener of this one, has the port.
    #[error("UDP port {} is already in use on {}", .0.port(), .0.ip())]
    AddressInUse(SocketAddr),
    /// The address is not one of this machine, or may not be bound.
    #[error("cannot listen for SRT on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// libsrt or the system refuse what every listener needs.
    #[error("libsrt cannot be started")]
    Start(#[source] LibraryError),
    /// The system gives no thread.
    #[error("no thread for the SRT listener")]
    Thread(#[source] std::io::Error),
}

/// An error of libsrt, in its words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LibraryError(#[from] sys::Error);

/// Listens on `address` (UDP; port 0 lets the system choose), and admits publishers as `gate`
/// says. Returns once the port is bound; everything else happens on a thread of its own, until
/// [`Listener::shutdown`].
pub fn listen(address: SocketAddr, config: Config, gate: Arc<dyn Gate>) -> Result<Listener, Error> {
    listener::listen(address, config, gate)
}
