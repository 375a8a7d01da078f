//! What is known of each publisher while it publishes: who it is, how much it sends, and what its
//! connection is like.

mod rate;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use ingest::{Link, Protocol, Publisher};

use rate::Rate;

/// What a publisher is to its broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Viewers see what it sends.
    Primary,
    /// It stands by.
    Backup,
}

impl Role {
    /// As labels of figures have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        }
    }
}

/// One publisher, as it was measured last.
#[derive(Clone, Debug)]
pub(crate) struct Publishing {
    pub(crate) role: Role,
    pub(crate) protocol: Protocol,
    pub(crate) peer: SocketAddr,
    pub(crate) connected: SystemTime,
    /// Of media.
    pub(crate) received_bytes: u64,
    /// Of that, thrown away because too much waited for the decoder.
    pub(crate) dropped_bytes: u64,
    /// Of media, in bits a second; `None` in its first second.
    pub(crate) bitrate_bps: Option<u64>,
    pub(crate) link: Link,
}

/// Counts and measures one publisher. Its sink writes, whoever asks reads.
pub(super) struct Meter {
    protocol: Protocol,
    peer: SocketAddr,
    connected: SystemTime,
    began: Instant,
    received_bytes: AtomicU64,
    measured: Mutex<Measured>,
}

#[derive(Default)]
struct Measured {
    link: Link,
    rate: Rate,
    dropped_bytes: u64,
}

impl Meter {
    pub(super) fn new(publisher: &Publisher) -> Self {
        Self {
            protocol: publisher.protocol,
            peer: publisher.peer,
            connected: SystemTime::now(),
            began: Instant::now(),
            received_bytes: AtomicU64::new(0),
            measured: Mutex::default(),
        }
    }

    /// So much media came.
    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What the connection is like, and how much of the media was thrown away so far.
    pub(super) fn measured(&self, link: &Link, dropped_bytes: u64) {
        let received_bytes = self.received_bytes.load(Ordering::Relaxed);
        let mut measured = self.lock();
        measured.link = *link;
        measured.dropped_bytes = dropped_bytes;
        measured.rate.note(self.began.elapsed(), received_bytes);
    }

    pub(super) fn read(&self, role: Role) -> Publishing {
        let measured = self.lock();
        Publishing {
            role,
            protocol: self.protocol,
            peer: self.peer,
            connected: self.connected,
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            dropped_bytes: measured.dropped_bytes,
            bitrate_bps: measured.rate.bits_a_second(),
            link: measured.link,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        // Plain values: a panic in between leaves valid ones.
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Publishing> for control_api::Publisher {
    fn from(it: Publishing) -> Self {
        let packets = it.link.packets;
        Self {
            role: match it.role {
                Role::Primary => control_api::publishers::Role::Primary,
                Role::Backup => control_api::publishers::Role::Backup,
            },
            protocol: match it.protocol {
                Protocol::Rtmp => control_api::publishers::Protocol::Rtmp,
                Protocol::Rtmps => control_api::publishers::Protocol::Rtmps,
                Protocol::Srt => control_api::publishers::Protocol::Srt,
            },
            address: it.peer,
            connected: it.connected,
            received_bytes: it.received_bytes,
            dropped_bytes: it.dropped_bytes,
            bitrate_bps: it.bitrate_bps,
            rtt: it.link.rtt,
            rtt_variation: it.link.rtt_variation,
            latency: it.link.latency,
            packets: control_api::publishers::Packets {
                received: packets.received,
                lost: packets.lost,
                retransmitted: packets.retransmitted,
                dropped: packets.dropped,
                undecryptable: packets.undecryptable,
            },
        }
    }
}
