//! How many connections the HTTP ports carry: altogether, and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::proxies::Proxies;

/// The places of both ports.
#[derive(Debug)]
pub(super) struct Places {
    connections_max: usize,
    per_address_max: usize,
    proxies: Proxies,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    #[error("no further connection is carried")]
    Full,
    #[error("too many connections from this address")]
    Address,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(
        connections_max: usize,
        per_address_max: usize,
        proxies: Proxies,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            per_address_max,
            proxies,
            counts: Mutex::default(),
        })
    }

    /// Takes a place for a connection from `address`. The loopback and trusted proxies are not
    /// counted by address: a reverse proxy brings everybody's connections.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoPlace> {
        let brings_many = address.to_canonical().is_loopback() || self.proxies.trust(address);
        let address = host(address);
        self.with(|counts| {
            if counts.open >= self.connections_max {
                return Err(NoPlace::Full);
            }
            let of_address = counts.by_address.entry(address).or_default();
            if *of_address >= self.per_address_max && !brings_many {
                return Err(NoPlace::Address);
            }
            *of_address += 1;
            counts.open += 1;
            Ok(())
        })?;
        Ok(Place {
            places: Arc::clone(self),
            address,
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        // Counts are whole at every point where a panic could strike.
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|counts| {
            counts.open -= 1;
            if let Some(of_address) = counts.by_address.get_mut(&self.address) {
                *of_address -= 1;
                if *of_address == 0 {
                    counts.by_address.remove(&self.address);
                }
            }
        });
    }
}

/// What one host can choose freely counts as one address: a whole /64 in IPv6.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn refused(places: &Arc<Places>, text: &str) -> Option<NoPlace> {
        places.take(address(text)).err()
    }

    #[test]
    fn a_trusted_proxy_has_as_many_places_as_there_are() {
        let trusted = storage::Networks::new(&["192.0.2.0/28"]).expect("networks");
        let places = Places::new(4, 1, Proxies::new(trusted));
        let proxy = ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"];
        let proxy = proxy.map(|it| places.take(address(it)));
        assert!(proxy.iter().all(Result::is_ok));
        let _other = places.take(address("192.0.2.16")).expect("a place");
        assert_eq!(refused(&places, "192.0.2.1"), Some(NoPlace::Full));
        drop(proxy);
        assert_eq!(refused(&places, "192.0.2.16"), Some(NoPlace::Address));
    }

    #[test]
    fn an_address_has_so_many_places_and_the_loopback_as_many_as_there_are() {
        let places = Places::new(6, 1, Proxies::default());
        let first = places.take(address("192.0.2.1")).expect("a place");
        assert_eq!(refused(&places, "192.0.2.1"), Some(NoPlace::Address));
        assert_eq!(refused(&places, "::ffff:192.0.2.1"), Some(NoPlace::Address));
        let _other = places.take(address("192.0.2.2")).expect("a place");
        let _network = places.take(address("2001:db8::1")).expect("a place");
        assert_eq!(refused(&places, "2001:db8::2"), Some(NoPlace::Address));
        let local = ["127.0.0.1", "127.0.0.1", "::1"].map(|it| places.take(address(it)));
        assert!(local.iter().all(Result::is_ok));
        assert_eq!(refused(&places, "192.0.2.3"), Some(NoPlace::Full));
        drop(local);
        drop(first);
        assert_eq!(refused(&places, "192.0.2.1"), None);
        assert!(places.with(|counts| counts.by_address.len() == 2 && counts.open == 2));
    }
}
