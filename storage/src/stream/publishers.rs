//! From where a stream may be published to.

use std::net::IpAddr;

use ipnet::IpNet;

/// The most networks of a stream: the gate looks through all of them.
pub const PUBLISHERS_MAX: usize = 32;

/// The networks from which may be published; all, where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publishers(Vec<IpNet>);

/// Texts that are no such networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublishers {
    /// More than [`PUBLISHERS_MAX`].
    #[error("there are at most {PUBLISHERS_MAX} addresses, not {count}")]
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

impl Publishers {
    /// Reads addresses and networks. Bits behind a network's prefix are dropped.
    pub fn new(texts: &[impl AsRef<str>]) -> Result<Self, InvalidPublishers> {
        if texts.len() > PUBLISHERS_MAX {
            let count = texts.len();
            return Err(InvalidPublishers::TooMany { count });
        }
        let texts = texts.iter().zip(1..);
        let networks = texts.map(|(text, number)| {
            network(text.as_ref()).ok_or(InvalidPublishers::NoNetwork { number })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a publisher at `address` may publish.
    pub fn allow(&self, address: IpAddr) -> bool {
        // An IPv4 peer of a socket for both.
        let address = address.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }

    /// The networks as texts; a single address stands without a prefix.
    pub fn texts(&self) -> Vec<String> {
        let text = |network: &IpNet| match network.prefix_len() == network.max_prefix_len() {
            true => network.addr().to_string(),
            false => network.to_string(),
        };
        self.0.iter().map(text).collect()
    }

    pub(crate) fn to_column(&self) -> String {
        self.texts().join(" ")
    }

    pub(crate) fn from_column(column: &str) -> Result<Self, InvalidPublishers> {
        Self::new(&column.split_ascii_whitespace().collect::<Vec<_>>())
    }
}

fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.to_canonical().into()),
        Err(_) => text.parse::<IpNet>().ok().map(|network| network.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(networks: &[&str], address: &str) -> bool {
        let publishers = Publishers::new(networks).expect("networks");
        publishers.allow(address.parse().expect("an address"))
    }

    #[test]
    fn an_address_is_allowed_by_itself_and_by_its_network() {
        assert!(allows(&[], "198.51.100.1"));
        let networks = [
            "192.0.2.7",
            "10.1.2.3/8",
            "2001:db8::/32",
            "::ffff:192.0.2.9",
        ];
        for (address, allowed) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.2.9", true),
            ("192.0.2.8", false),
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("2001:db8:1::5", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(allows(&networks, address), allowed, "{address}");
        }
        assert!(!allows(&["::/0"], "192.0.2.7"));
    }

    #[test]
    fn what_is_stored_is_what_was_meant() {
        let publishers = Publishers::new(&["10.1.2.3/8", "192.0.2.7/32", "::1"]).expect("networks");
        assert_eq!(publishers.texts(), ["10.0.0.0/8", "192.0.2.7", "::1"]);
        assert_eq!(
            Publishers::from_column(&publishers.to_column()),
            Ok(publishers)
        );
        assert_eq!(Publishers::from_column(""), Ok(Publishers::default()));
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0",
            "10.0.0.0/8 ",
            "1.2.3.4:80",
        ] {
            let error = InvalidPublishers::NoNetwork { number: 2 };
            assert_eq!(Publishers::new(&["::1", text]), Err(error), "{text:?}");
        }
        let many = vec!["::1"; PUBLISHERS_MAX + 1];
        assert_eq!(
            Publishers::new(&many),
            Err(InvalidPublishers::TooMany { count: 33 })
        );
    }
}
