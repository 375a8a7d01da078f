//! Which addresses a user's webhook may reach: the internet's, and nothing of this machine's own
//! networks. Otherwise anybody with an account could make this server call what only it can reach
//! (server-side request forgery).
//!
//! The check is made on the address that is connected to, behind the look-up: a name may have
//! another address by then than when it was written down. This machine's own public addresses are
//! in no list: a connection to one of them is known by its two ends having the same.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// Where a client may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Wherever the operator wants.
    Anywhere,
    /// Addresses of the public internet alone.
    Internet,
}

impl Reach {
    pub(super) fn permits(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Internet => is_public(address),
        }
    }
}

/// No address of a name may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not on the public internet; only the operator's webhooks may be elsewhere")]
pub(super) struct OutOfReach;

/// Looks names up and leaves out what is out of reach. A literal address in a URL does not come
/// this way: hyper looks up names alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver(pub(super) Reach);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self(reach) = *self;
        Box::pin(async move {
            // The port is the connector's.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<_> = found.filter(|it| reach.permits(it.ip())).collect();
            match permitted.is_empty() {
                true => Err(io::Error::new(io::ErrorKind::PermissionDenied, OutOfReach)),
                false => Ok(permitted.into_iter()),
            }
        })
    }
}

/// A connector that gives up connections to this machine's own addresses where only the internet is
/// within reach.
#[derive(Clone, Debug)]
pub(super) struct Within<C> {
    connector: C,
    reach: Reach,
}

impl<C> Within<C> {
    pub(super) fn new(connector: C, reach: Reach) -> Self {
        Self { connector, reach }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Response = TokioIo<TcpStream>, Error: Into<BoxError>>,
    C::Future: Send + 'static,
{
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let reach = self.reach;
        let connecting = self.connector.call(to);
        Box::pin(async move {
            let stream = connecting.await.map_err(Into::into)?;
            let (here, there) = (stream.inner().local_addr()?, stream.inner().peer_addr()?);
            match reach {
                Reach::Internet if here.ip() == there.ip() => Err(OutOfReach.into()),
                Reach::Internet | Reach::Anywhere => Ok(stream),
            }
        })
    }
}

/// Whether an address is one of the internet's hosts, by IANA's registries of special-purpose
/// addresses (RFC 6890 and its successors).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, private and shared networks, this host, this link.
        [0 | 10 | 127, ..] | [100, 64..=127, ..] | [169, 254, ..] => true,
        [172, 16..=31, ..] | [192, 168, ..] => true,
        // Protocol assignments, documentation, 6to4's relays, benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => true,
        [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, .., y, z] = address.segments();
    let v4 = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b) {
        // NAT64 and 6to4 lead to the IPv4 address that they hold.
        (0x64, 0xff9b) => address.segments()[2..6] == [0; 4] && is_public_v4(v4(y, z)),
        (0x2002, _) => is_public_v4(v4(b, address.segments()[2])),
        // Protocol assignments (Teredo among them) and documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // Global unicast is 2000::/3; all else is this host's, this network's or nobody's.
        _ => (0x2000..=0x3fff).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::legacy::connect::HttpConnector;

    use super::*;

    #[test]
    fn only_the_internets_addresses_are_public() {
        for (text, expected) in [
            ("1.1.1.1", true),
            ("172.15.0.1", true),
            ("172.32.0.1", true),
            ("100.128.0.1", true),
            ("223.255.255.254", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.255.0.9", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("198.51.100.7", false),
            ("203.0.113.9", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("2a00:1450::1", true),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:1.1.1.1", true),
            ("64:ff9b::a00:1", false),
            ("64:ff9b::101:101", true),
            ("64:ff9b:1::101:101", false),
            ("2002:a00:1::", false),
            ("2002:101:101::", true),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("3fff::1", false),
            ("fc00::1", false),
            ("fd12::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(is_public(address), expected, "{text}");
            assert!(Reach::Anywhere.permits(address));
        }
    }

    #[tokio::test]
    async fn an_address_of_this_machine_is_out_of_a_users_reach_whichever_it_is() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let to = format!("http://{}/", listener.local_addr().expect("bound"));
        let connect = async |reach| {
            // Literal addresses do not come to the resolver: nothing else checks this one.
            let mut connector = Within::new(HttpConnector::new(), reach);
            connector.call(to.parse().expect("a URI")).await
        };
        connect(Reach::Anywhere).await.expect("connected");
        let error = connect(Reach::Internet).await.expect_err("out of reach");
        assert_eq!(error.to_string(), OutOfReach.to_string());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_out_of_a_users_reach() {
        let name = || "localhost".parse::<Name>().expect("a name");
        let found = Resolver(Reach::Anywhere).call(name()).await.expect("found");
        assert!(found.count() > 0);
        let refused = Resolver(Reach::Internet).call(name()).await;
        let error = refused.expect_err("out of reach");
        assert_eq!(error.to_string(), OutOfReach.to_string());
    }
}
