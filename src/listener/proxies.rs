//! Reverse proxies that are believed when they name whom they ask for (`X-Forwarded-For`).
//!
//! Each proxy appends whom it was asked by, so that the header is true from its end on as far as
//! proxies go that are trusted; what stands before that the client may have written itself.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use storage::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most proxies in a row. Whoever names more is asked no further.
const HOPS_MAX: usize = 16;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(Networks);

impl Proxies {
    pub(super) const fn new(trusted: Networks) -> Self {
        Self(trusted)
    }

    /// Whether many clients come by this address.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.0.contain(address)
    }

    /// Who sent a request that came from `peer`: whom the proxies name that are trusted, without a
    /// port, and else `peer`. Nothing behind what is no address is looked at.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.trust(peer.ip()) {
            return peer;
        }
        let fields = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = fields.flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = peer;
        for hop in hops.take(HOPS_MAX) {
            let Some(address) = address(hop) else {
                break;
            };
            client = SocketAddr::new(address, 0);
            if !self.trust(address) {
                break;
            }
        }
        client
    }
}

/// A hop's address: some proxies name its port too.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop).ok()?.trim();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    let address: IpAddr = text.parse().or_else(|_| with_port()).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, fields: &[&str]) -> String {
        let trusted = Networks::new(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]);
        let proxies = Proxies::new(trusted.expect("networks"));
        let mut headers = HeaderMap::new();
        for field in fields {
            let value = HeaderValue::from_bytes(field.as_bytes()).expect("a value");
            headers.append(FORWARDED_FOR, value);
        }
        let peer = SocketAddr::new(peer.parse().expect("an address"), 7);
        proxies.client(peer, &headers).ip().to_string()
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_no_trusted_proxy() {
        for (peer, fields, expected) in [
            ("127.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client wrote itself stands before it.
            ("127.0.0.1", &["192.0.2.1, 198.51.100.7"], "198.51.100.7"),
            (
                "127.0.0.1",
                &["127.0.0.1, 198.51.100.7 , 10.1.2.3"],
                "198.51.100.7",
            ),
            (
                "127.0.0.1",
                &["192.0.2.1", "198.51.100.7", "10.1.2.3"],
                "198.51.100.7",
            ),
            ("2001:db8::1", &["2001:db9::5"], "2001:db9::5"),
            ("127.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("127.0.0.1", &["[2001:db9::5]:4711"], "2001:db9::5"),
            ("127.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // Somebody in the proxies' own network.
            ("127.0.0.1", &["10.0.0.9, 10.1.2.3"], "10.0.0.9"),
        ] {
            assert_eq!(client(peer, fields), expected, "{peer} {fields:?}");
        }
    }

    #[test]
    fn whoever_is_not_trusted_names_nobody() {
        for peer in ["198.51.100.1", "11.0.0.1", "::1", "2001:db9::1"] {
            assert_eq!(client(peer, &["192.0.2.1"]), peer);
        }
        let nobody = Proxies::default();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"));
        let peer = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 7);
        assert_eq!(nobody.client(peer, &headers), peer);
    }

    #[test]
    fn what_is_no_address_counts_as_the_proxy_that_passed_it_on() {
        let long = "10.0.0.1,".repeat(HOPS_MAX) + "10.0.0.2";
        let hidden = format!(
            "192.0.2.1,{}",
            "10.0.0.1,".repeat(HOPS_MAX - 1) + "10.0.0.1"
        );
        for (fields, expected) in [
            (&[][..], "127.0.0.1"),
            (&[""], "127.0.0.1"),
            (&["unknown"], "127.0.0.1"),
            (&["198.51.100.7,"], "127.0.0.1"),
            (&["192.0.2.1, _hidden, 10.1.2.3"], "10.1.2.3"),
            (&["198.51.100.7.9"], "127.0.0.1"),
            (&["\u{e9}"], "127.0.0.1"),
            (&[long.as_str()], "10.0.0.1"),
            (&[hidden.as_str()], "10.0.0.1"),
        ] {
            assert_eq!(client("127.0.0.1", fields), expected, "{fields:?}");
        }
    }
}
