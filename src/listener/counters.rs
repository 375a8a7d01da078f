//! What happened at the HTTP ports, for whoever exports it. Plain counters that only grow, and
//! two gauges of open connections.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pulse::CutOff;

/// A number that others may read at any time.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn subtract(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its value now.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Connections open now, without TLS.
    pub(crate) open_http: Count,
    /// Connections open now, with TLS.
    pub(crate) open_https: Count,
    /// Connections accepted on both ports, those refused included.
    pub(crate) accepted: Count,
    /// Refused: there was no place for any.
    pub(crate) refused_full: Count,
    /// Refused: the address had too many.
    pub(crate) refused_address: Count,
    /// Refused: the TLS or HTTP/2 handshake failed or was not finished in time.
    pub(crate) refused_handshake: Count,
    /// Cut off: a request's head did not come in time.
    pub(crate) cut_head: Count,
    /// Cut off: the peer took too little of what it had asked for.
    pub(crate) cut_stalled: Count,
    /// Cut off: the peer cancelled requests faster than any player does.
    pub(crate) cut_resets: Count,
    /// HTTP/2 streams that were reset because their window stayed shut.
    pub(crate) cut_streams: Count,
}

impl Counters {
    pub(super) fn cut(&self, reason: CutOff) {
        match reason {
            CutOff::Head => self.cut_head.add(),
            CutOff::Stalled => self.cut_stalled.add(),
            CutOff::Resets => self.cut_resets.add(),
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections accepted; refused: {} full, {} by address, {} handshakes; cut off: {} \
             heads, {} stalled, {} resets; {} streams reset",
            self.accepted.value(),
            self.refused_full.value(),
            self.refused_address.value(),
            self.refused_handshake.value(),
            self.cut_head.value(),
            self.cut_stalled.value(),
            self.cut_resets.value(),
            self.cut_streams.value(),
        )
    }
}

/// Counts a connection as open for as long as it lives.
pub(super) struct Open<'a>(&'a Count);

impl<'a> Open<'a> {
    pub(super) fn new(count: &'a Count) -> Self {
        count.add();
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.subtract();
    }
}
