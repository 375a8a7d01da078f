//! The HTTP ports, plain and with TLS: delivery first, then the pages, then the API.
//!
//! Delivery stands in front of the API's router, because it is the hot path. Here are the accept
//! loops and what both ports share; [`http1`] and [`http2`] speak the protocols, [`pulse`] says
//! which peers are too slow, [`limits`] has every bound.

mod body;
mod counters;
mod date;
mod http1;
mod http2;
mod limits;
mod places;
mod proxies;
mod pulse;
mod redirect;
mod service;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use counters::{Counters, Open};
use limits::{ACCEPT_RETRY, BACKLOG, CONNECTIONS_MAX, DRAIN_MAX, HANDSHAKE_MAX, SEND_BUFFER_BYTES};
use places::{NoPlace, Place, Places};
use pulse::Pulse;
pub(crate) use redirect::Redirect;
pub(crate) use service::Service;
use service::Via;
use socket::Watched;

/// The protocol that a client and this server agree on in the TLS handshake (RFC 9113 §3.2).
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// The protocol without agreement, too.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Binds a TCP port; a busy one is one clear line.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    listen(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "TCP port {} is in use on {}: end the program that has it, or set {setting} to another address",
            address.port(),
            address.ip()
        ),
        io::ErrorKind::PermissionDenied => anyhow::anyhow!(
            "not allowed to listen on {address}: set {setting} to a port above 1023"
        ),
        _ => anyhow::anyhow!("cannot listen on {address} ({setting}): {error}"),
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Or a server that was just restarted finds its own port in use.
    socket.set_reuseaddr(true)?;
    // What is accepted has it from here.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all HTTP ports share.
pub(crate) struct Front {
    service: Arc<Service>,
    places: Arc<Places>,
    counters: Counters,
}

impl Front {
    /// Carries at most so many connections of one address.
    pub(crate) fn new(service: Service, per_address_max: usize) -> Arc<Self> {
        let proxies = service.proxies().clone();
        Arc::new(Self {
            service: Arc::new(service),
            places: Places::new(CONNECTIONS_MAX, per_address_max, proxies),
            counters: Counters::default(),
        })
    }

    /// What happened so far.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn place(&self, peer: SocketAddr) -> Result<Place, NoPlace> {
        self.counters.accepted.add();
        self.places
            .take(peer.ip())
            .inspect_err(|reason| match reason {
                NoPlace::Full => self.counters.refused_full.add(),
                NoPlace::Address => self.counters.refused_address.add(),
            })
    }
}

/// Serves a port, with `tls` an HTTPS one, until `closing` turns true; then lets open requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    front: Arc<Front>,
    mut closing: watch::Receiver<bool>,
) {
    // Every connection holds the other end.
    let (connections, connection) = watch::channel(());
    loop {
        let accepted = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let place = match front.place(peer) {
            Ok(place) => place,
            Err(reason) => {
                // Counted; a line for each would let a flood fill the disk too.
                tracing::debug!(%peer, %reason, "refused");
                continue;
            }
        };
        let (tls, front, closing) = (tls.clone(), Arc::clone(&front), closing.clone());
        let held = (place, connection.clone());
        tokio::spawn(connect(stream, peer, tls, front, closing, held));
    }
    drop((listener, connection));
    if timeout(DRAIN_MAX, connections.closed()).await.is_err() {
        tracing::info!("connections were cut that did not end in time");
    }
}

/// Serves a connection, which holds its place and `serve` until it ends.
async fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    front: Arc<Front>,
    closing: watch::Receiver<bool>,
    _held: (Place, watch::Receiver<()>),
) {
    // A part must not wait for the acknowledgement of the playlist before it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "cannot set TCP_NODELAY");
    }
    let via = Via::new(tls.is_some(), peer);
    let pulse = Arc::new(Pulse::default());
    let stream = Watched::new(stream, Arc::clone(&pulse));
    let ended = match tls {
        None => {
            let _open = Open::new(&front.counters.open_http);
            http1::serve(stream, via, Arc::clone(&front.service), pulse, closing).await
        }
        Some(tls) => {
            let _open = Open::new(&front.counters.open_https);
            // Apart, each phase by itself: a connection should not pay for what it is not in.
            let handshake = Box::pin(tls.accept(stream));
            let Ok(Ok(stream)) = timeout(HANDSHAKE_MAX, handshake).await else {
                return front.counters.refused_handshake.add();
            };
            let stream = Box::new(stream);
            if stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) {
                let front = Arc::clone(&front);
                Box::pin(http2::serve(stream, via, front, pulse, closing)).await
            } else {
                let service = Arc::clone(&front.service);
                Box::pin(http1::serve(stream, via, service, pulse, closing)).await
            }
        }
    };
    if let Err(reason) = ended {
        front.counters.cut(reason);
        tracing::debug!(%peer, ?reason, "cut off");
    }
}
