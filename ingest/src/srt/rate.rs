//! How often one address may try to connect.
//!
//! The generic cell rate algorithm: one point in time a source says when its allowance is whole
//! again. Pure: time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Sources remembered at once. A source counts only while its allowance is not whole (seconds),
/// and SRT's cookie proves each source address, so this takes thousands of real machines to fill;
/// then newcomers wait. About 300 kB when full.
pub(super) const SOURCES_MAX: usize = 4096;

/// What [`HandshakeRate::take`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// It may go on.
    Granted,
    /// Too often, the `nth` time since the source was last granted.
    Exceeded { nth: u32 },
}

/// An allowance of handshakes a source.
pub(super) struct HandshakeRate {
    interval: Duration,
    tolerance: Duration,
    sources: HashMap<IpAddr, Source>,
}

struct Source {
    whole_at: Duration,
    exceeded: u32,
}

impl HandshakeRate {
    /// `burst` handshakes at once, and `per_second` in the long run; both at least 1.
    pub(super) fn new(burst: u32, per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            tolerance: interval * burst.max(1).saturating_sub(1),
            sources: HashMap::new(),
        }
    }

    /// Takes one handshake from `address`'s allowance at `now`, a point on any monotonic clock.
    pub(super) fn take(&mut self, address: IpAddr, now: Duration) -> Allowance {
        let source = source_of(address);
        if !self.sources.contains_key(&source) && self.sources.len() >= SOURCES_MAX {
            self.sources.retain(|_, source| source.whole_at > now);
            if self.sources.len() >= SOURCES_MAX {
                // Not its own fault, so never its first time to be logged.
                return Allowance::Exceeded { nth: 0 };
            }
        }
        let source = self.sources.entry(source).or_insert(Source {
            whole_at: now,
            exceeded: 0,
        });
        if source.whole_at.saturating_sub(now) > self.tolerance {
            source.exceeded = source.exceeded.saturating_add(1);
            return Allowance::Exceeded {
                nth: source.exceeded,
            };
        }
        source.whole_at = source.whole_at.max(now) + self.interval;
        source.exceeded = 0;
        Allowance::Granted
    }
}

/// What counts as one source: an IPv4 address or an IPv6 /64, the smallest piece handed out.
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_burst_is_granted_then_the_rate_holds() {
        let mut rate = HandshakeRate::new(3, 2);
        let one = address("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(rate.take(one, MS(0)), Allowance::Granted);
        }
        assert_eq!(rate.take(one, MS(0)), Allowance::Exceeded { nth: 1 });
        assert_eq!(rate.take(one, MS(499)), Allowance::Exceeded { nth: 2 });
        assert_eq!(rate.take(one, MS(500)), Allowance::Granted);
        assert_eq!(rate.take(one, MS(501)), Allowance::Exceeded { nth: 1 });
        assert_eq!(rate.take(address("192.0.2.2"), MS(501)), Allowance::Granted);
    }

    #[test]
    fn one_ipv6_network_is_one_source_and_mapped_ipv4_is_ipv4() {
        let mut rate = HandshakeRate::new(1, 1);
        assert_eq!(rate.take(address("2001:db8::1"), MS(0)), Allowance::Granted);
        assert_ne!(rate.take(address("2001:db8::2"), MS(0)), Allowance::Granted);
        assert_eq!(
            rate.take(address("2001:db8:0:1::1"), MS(0)),
            Allowance::Granted
        );
        assert_eq!(rate.take(address("192.0.2.1"), MS(0)), Allowance::Granted);
        assert_ne!(
            rate.take(address("::ffff:192.0.2.1"), MS(0)),
            Allowance::Granted
        );
    }

    #[test]
    fn the_table_is_bounded_and_recovers() {
        let mut rate = HandshakeRate::new(1, 1);
        let nth = |n: usize| IpAddr::V4((0x0a00_0000_u32 + n as u32).into());
        for n in 0..SOURCES_MAX {
            assert_eq!(rate.take(nth(n), MS(0)), Allowance::Granted);
        }
        assert_ne!(rate.take(nth(SOURCES_MAX), MS(0)), Allowance::Granted);
        assert_eq!(rate.sources.len(), SOURCES_MAX);
        assert_eq!(rate.take(nth(SOURCES_MAX), MS(1000)), Allowance::Granted);
        assert_eq!(rate.sources.len(), 1);
    }
}
