//! From where a stream may be published to.

use std::net::IpAddr;

use crate::networks::{InvalidNetworks, Networks};

/// The networks from which may be published; all, where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publishers(Networks);

impl Publishers {
    /// Reads addresses and networks. Bits behind a network's prefix are dropped.
    pub fn new(texts: &[impl AsRef<str>]) -> Result<Self, InvalidNetworks> {
        Networks::new(texts).map(Self)
    }

    /// Whether a publisher at `address` may publish.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.contain(address)
    }

    /// The networks as texts; a single address stands without a prefix.
    pub fn texts(&self) -> Vec<String> {
        self.0.texts()
    }

    pub(crate) fn to_column(&self) -> String {
        self.texts().join(" ")
    }

    pub(crate) fn from_column(column: &str) -> Result<Self, InvalidNetworks> {
        Self::new(&column.split_ascii_whitespace().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NETWORKS_MAX;

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
            let error = InvalidNetworks::NoNetwork { number: 2 };
            assert_eq!(Publishers::new(&["::1", text]), Err(error), "{text:?}");
        }
        let many = vec!["::1"; NETWORKS_MAX + 1];
        assert_eq!(
            Publishers::new(&many),
            Err(InvalidNetworks::TooMany { count: 33 })
        );
    }
}
