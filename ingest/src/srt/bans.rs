//! Whose handshakes the kernel drops ([`filter`](super::filter) says how).
//!
//! libsrt sets up a whole connection (about 20 kB, kept for two seconds) before it asks whether
//! the caller is wanted, so one machine that sends 30,000 handshakes a second costs more than a
//! gigabyte whatever the answer. A source that goes on far beyond its allowance is therefore
//! dropped before libsrt sees it; and where all sources together are too many, every new
//! handshake is, for a moment. Connections that exist are never touched.
//!
//! Pure: time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::rate::{Allowance, HandshakeRate, source_of};

/// Refusals beyond its allowance before a source is dropped: an impatient encoder still reads why. Until
/// then a flood fills the port's buffer.
const EXCESS_MAX: u32 = 8;
/// How long a source is dropped, then it has its allowance again.
const BAN: Duration = Duration::from_secs(10);
/// Sources dropped at once: the filter has room for so many.
pub(super) const BANNED_MAX: usize = 256;
/// Handshakes of all sources at once and a second: four times what the most callers need to come
/// back together. At 20 kB each they hold 10 MB.
const TOTAL_BURST: u32 = 256;
const TOTAL_PER_SECOND: u32 = 128;
/// How long everybody waits when that is exceeded; callers repeat a handshake for 3 s.
const PAUSE: Duration = Duration::from_secs(1);

/// Whose handshakes are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Banned {
    Everybody,
    /// IPv4 addresses and IPv6 networks (/64).
    Sources(Vec<IpAddr>),
}

/// Who is dropped until when.
pub(super) struct Bans {
    sources: HashMap<IpAddr, Duration>,
    everybody_until: Option<Duration>,
    total: HandshakeRate,
}

impl Bans {
    pub(super) fn new() -> Self {
        Self {
            sources: HashMap::new(),
            everybody_until: None,
            total: HandshakeRate::new(TOTAL_BURST, TOTAL_PER_SECOND),
        }
    }

    /// Takes note of a handshake from `address` and what its allowance said. Whether
    /// that changes who is dropped.
    pub(super) fn note(&mut self, address: IpAddr, allowance: Allowance, now: Duration) -> bool {
        let mut changed = false;
        if let Allowance::Exceeded { nth } = allowance
            && nth > EXCESS_MAX
            && self.sources.len() < BANNED_MAX
        {
            changed = self.sources.insert(source_of(address), now + BAN).is_none();
        }
        let total = self.total.take(IpAddr::V4(Ipv4Addr::UNSPECIFIED), now);
        if total != Allowance::Granted && !changed {
            changed = self.everybody_until.replace(now + PAUSE).is_none();
        }
        changed
    }

    /// Forgets what is over at `now`. Whether that changes who is dropped.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let before = (self.sources.len(), self.everybody_until.is_some());
        self.sources.retain(|_, until| *until > now);
        self.everybody_until = self.everybody_until.filter(|until| *until > now);
        before != (self.sources.len(), self.everybody_until.is_some())
    }

    /// How many sources are dropped, and whether everybody is.
    pub(super) fn extent(&self) -> (usize, bool) {
        (self.sources.len(), self.everybody_until.is_some())
    }

    /// Who is dropped.
    pub(super) fn banned(&self) -> Banned {
        match self.everybody_until {
            Some(_) => Banned::Everybody,
            None => Banned::Sources(self.sources.keys().copied().collect()),
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

    fn sources(bans: &Bans) -> Vec<IpAddr> {
        let Banned::Sources(mut sources) = bans.banned() else {
            panic!("everybody is dropped");
        };
        sources.sort_unstable();
        sources
    }

    #[test]
    fn who_goes_on_and_on_is_dropped_for_a_while() {
        let mut bans = Bans::new();
        assert!(sources(&bans).is_empty());
        let exceeded = |nth| Allowance::Exceeded { nth };
        for source in ["192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8:0:7::1"].map(address) {
            assert!(!bans.note(source, exceeded(EXCESS_MAX), MS(0)));
            assert!(bans.note(source, exceeded(EXCESS_MAX + 1), MS(0)));
            assert!(!bans.note(source, exceeded(EXCESS_MAX + 2), MS(0)));
        }
        let banned = ["192.0.2.1", "192.0.2.9", "2001:db8::", "2001:db8:0:7::"].map(address);
        assert_eq!(sources(&bans), banned);
        assert!(!bans.expire(MS(9_999)));
        assert!(bans.expire(MS(10_000)));
        assert!(sources(&bans).is_empty());
    }

    #[test]
    fn too_many_handshakes_in_all_make_everybody_wait_a_moment() {
        let mut bans = Bans::new();
        let nth = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
        let changes = (0..10_000).filter(|n| bans.note(nth(*n), Allowance::Granted, MS(0)));
        assert_eq!(changes.count(), 1);
        assert_eq!(bans.extent(), (0, true));
        assert_eq!(bans.banned(), Banned::Everybody);
        assert!(bans.expire(MS(1000)));
        assert!(sources(&bans).is_empty());
    }

    #[test]
    fn no_more_are_dropped_than_the_filter_has_room_for() {
        let mut bans = Bans::new();
        for n in 0..1000u128 {
            let source = IpAddr::V6(((0x2001_0db8_u128 << 96) | (n << 64)).into());
            let exceeded = Allowance::Exceeded { nth: u32::MAX };
            bans.note(source, exceeded, MS(n as u64 * 9));
        }
        assert_eq!(bans.extent().0, BANNED_MAX);
    }
}
