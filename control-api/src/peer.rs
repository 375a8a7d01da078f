//! Where a request came from.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

/// Who sent a request, as an extension of it: the other end of its connection, or whom a proxy
/// there that is trusted names. A request without it counts as from one unknown address.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Whose requests are counted together: an IPv4 address, an IPv6 network of /64 (which is what one
/// household is given), or everybody of whom nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Known(IpAddr),
    /// A larger network, for when there are too many addresses to tell apart.
    Network(IpAddr),
    Unknown,
}

impl Address {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let Some(Peer(peer)) = extensions.get::<Peer>() else {
            return Self::Unknown;
        };
        Self::from(peer.ip())
    }

    /// The network around it, of which one has many addresses: a /24 of IPv4, a /48 of IPv6 (which is
    /// what one site is given).
    pub(crate) fn network(self) -> Self {
        match self {
            Self::Known(IpAddr::V4(address)) => {
                Self::Network(Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8)).into())
            }
            Self::Known(IpAddr::V6(address)) => {
                Self::Network(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into())
            }
            wider => wider,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(peer: IpAddr) -> Self {
        // An IPv4 peer of a socket for both.
        Self::Known(match peer.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            address => address,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Self::Known(address) => address.fmt(f),
            Self::Network(IpAddr::V4(network)) => write!(f, "{network}/24"),
            Self::Network(IpAddr::V6(network)) => write!(f, "{network}/48"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// The whole address of the peer, for the audit log.
pub(crate) fn ip(extensions: &Extensions) -> Option<IpAddr> {
    let Peer(peer) = extensions.get::<Peer>()?;
    Some(peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_and_both_spellings_of_ipv4_count_together() {
        for (peer, expected) in [
            ("192.0.2.7:1", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:9", "192.0.2.7"),
            ("[2001:db8:1:2:aaaa::1]:1", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::ffff]:2", "2001:db8:1:2::/64"),
        ] {
            let mut extensions = Extensions::new();
            extensions.insert(Peer(peer.parse().expect("address")));
            assert_eq!(Address::of(&extensions).to_string(), expected);
        }
        assert_eq!(Address::of(&Extensions::new()), Address::Unknown);
    }
}
