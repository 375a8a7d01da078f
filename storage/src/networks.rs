//! IP addresses and networks, as they are named in settings and of streams.

use std::net::IpAddr;

use ipnet::IpNet;

/// The most networks of a list: all of them are looked through.
pub const NETWORKS_MAX: usize = 32;

/// Some networks; an address is one of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Texts that are no such networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetworks {
    /// More than [`NETWORKS_MAX`].
    #[error("there are at most {NETWORKS_MAX} addresses, not {count}")]
    TooMany {
        /// How many they are.
        count: usize,
    },
    /// One is no IP address and no network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).
    #[error("address {number} is none: an IP address, or a network like 192.0.2.0/24, is")]
    NoNetwork {
        /// Which one, from 1 on.
        number: usize,
    },
}

impl Networks {
    /// Reads addresses and networks. Bits behind a network's prefix are dropped.
    pub fn new(texts: &[impl AsRef<str>]) -> Result<Self, InvalidNetworks> {
        if texts.len() > NETWORKS_MAX {
            let count = texts.len();
            return Err(InvalidNetworks::TooMany { count });
        }
        let texts = texts.iter().zip(1..);
        let networks = texts.map(|(text, number)| {
            network(text.as_ref()).ok_or(InvalidNetworks::NoNetwork { number })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        // An IPv4 peer of a socket for both.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The networks as texts; a single address stands without a prefix.
    pub fn texts(&self) -> Vec<String> {
        let text = |network: &IpNet| match network.prefix_len() == network.max_prefix_len() {
            true => network.addr().to_string(),
            false => network.to_string(),
        };
        self.0.iter().map(text).collect()
    }
}

fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.to_canonical().into()),
        Err(_) => text.parse::<IpNet>().ok().map(|network| network.trunc()),
    }
}
