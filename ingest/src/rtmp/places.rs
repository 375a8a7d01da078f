//! How many connections a listener carries: altogether, and by address before they publish.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts of the open connections.
#[derive(Default)]
struct Counts {
    open: usize,
    unpublished: HashMap<IpAddr, usize>,
}

/// The places of one listener.
pub(crate) struct Places {
    connections_max: usize,
    unpublished_per_address_max: usize,
    counts: Mutex<Counts>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("the listener carries no further connection")]
    Listener,
    #[error("too many connections from this address that do not publish")]
    Address,
}

/// A connection's place; given back when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    /// Set while the connection has not published.
    unpublished: Option<IpAddr>,
}

impl Places {
    pub(crate) fn new(connections_max: usize, unpublished_per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            unpublished_per_address_max,
            counts: Mutex::default(),
        })
    }

    /// Takes a place for a connection from `peer`.
    pub(crate) fn take(self: &Arc<Self>, peer: SocketAddr) -> Result<Place, NoPlace> {
        let address = host(peer.ip());
        self.with(|counts| {
            if counts.open >= self.connections_max {
                return Err(NoPlace::Listener);
            }
            let unpublished = counts.unpublished.entry(address).or_default();
            if *unpublished >= self.unpublished_per_address_max {
                return Err(NoPlace::Address);
            }
            *unpublished += 1;
            counts.open += 1;
            Ok(())
        })?;
        Ok(Place {
            places: Arc::clone(self),
            unpublished: Some(address),
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        // Counts are whole at every point where a panic could strike.
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place {
    /// Whether [`Place::published`] was called.
    pub(crate) fn has_published(&self) -> bool {
        self.unpublished.is_none()
    }

    /// The connection publishes: it no longer counts against its address.
    pub(crate) fn published(&mut self) {
        if let Some(address) = self.unpublished.take() {
            self.places.with(|counts| {
                if let Some(unpublished) = counts.unpublished.get_mut(&address) {
                    *unpublished -= 1;
                    if *unpublished == 0 {
                        counts.unpublished.remove(&address);
                    }
                }
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.published();
        self.places.with(|counts| counts.open -= 1);
    }
}

/// What one host can choose freely counts as one address: a whole /64 in IPv6.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_so_many_places_until_one_publishes_or_leaves() {
        let places = Places::new(10, 2);
        let mut first = places.take(peer("192.0.2.1:1")).expect("a place");
        let second = places.take(peer("192.0.2.1:2")).expect("a place");
        let third = || places.take(peer("192.0.2.1:3"));
        assert_eq!(third().err(), Some(NoPlace::Address));
        assert!(places.take(peer("192.0.2.2:3")).is_ok());
        first.published();
        assert!(third().is_ok());
        drop(second);
        assert!(third().is_ok());
        drop(first);
        assert!(places.with(|counts| counts.open == 0 && counts.unpublished.is_empty()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_places() {
        let places = Places::new(10, 1);
        let _first = places.take(peer("[2001:db8::1]:1")).expect("a place");
        let second = places.take(peer("[2001:db8::2]:1"));
        assert_eq!(second.err(), Some(NoPlace::Address));
        assert!(places.take(peer("[2001:db8:0:1::1]:1")).is_ok());
    }

    #[test]
    fn the_listener_is_full_at_its_bound() {
        let places = Places::new(1, 5);
        let first = places.take(peer("192.0.2.1:1")).expect("a place");
        let second = || places.take(peer("192.0.2.2:1"));
        assert_eq!(second().err(), Some(NoPlace::Listener));
        drop(first);
        assert!(second().is_ok());
    }
}
