//! The accept loop of a port. It outlives whatever its connections do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument, debug, error, field, info_span, warn};

use super::connection::Connection;
use super::limits::{ACCEPT_RETRY, CONNECTIONS_MAX, HANDSHAKE_MAX, UNPUBLISHED_PER_ADDRESS_MAX};
use super::places::{NoPlace, Place, Places};
use super::refusals::Refusals;
use crate::gate::{Gate, Protocol};

/// How many connections a listener carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Altogether.
    pub connections_max: usize,
    /// From one address, while they do not publish.
    pub unpublished_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            unpublished_per_address_max: UNPUBLISHED_PER_ADDRESS_MAX,
        }
    }
}

/// Turned-away connections are logged at most so often, since whoever floods a port should not
/// fill the disk too.
const TURNED_AWAY_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Takes publishers from `listener` until `shutdown` turns true (or its sender is gone); then ends
/// their sessions and returns when the last is over. With `tls` the port speaks RTMPS.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    gate: Arc<dyn Gate>,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut port = Port {
        tls,
        gate,
        places: Places::new(limits.connections_max, limits.unpublished_per_address_max),
        refusals: Arc::default(),
        shutdown: shutdown.clone(),
        sessions: JoinSet::new(),
        turned_away: TurnedAway::default(),
    };
    loop {
        tokio::select! {
            () = told_to_stop(&mut shutdown) => break,
            Some(ended) = port.sessions.join_next() => report_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => port.take(stream, peer),
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
    drop(listener);
    while let Some(ended) = port.sessions.join_next().await {
        report_panic(ended);
    }
}

/// What the accept loop keeps.
struct Port {
    tls: Option<TlsAcceptor>,
    gate: Arc<dyn Gate>,
    places: Arc<Places>,
    refusals: Arc<Refusals>,
    shutdown: watch::Receiver<bool>,
    sessions: JoinSet<()>,
    turned_away: TurnedAway,
}

impl Port {
    /// Starts a session for a connection, where there is a place for it.
    fn take(&mut self, stream: TcpStream, peer: SocketAddr) {
        let place = match self.places.take(peer) {
            Ok(place) => place,
            Err(reason) => return self.turned_away.count(&reason, peer),
        };
        let protocol = match self.tls {
            Some(_) => Protocol::Rtmps,
            None => Protocol::Rtmp,
        };
        let gate = Arc::clone(&self.gate);
        let refusals = Arc::clone(&self.refusals);
        let connection = Connection::new(peer, protocol, gate, refusals, self.shutdown.clone());
        let span = info_span!("session", stream = field::Empty, %peer, %protocol);
        let session = connect(stream, self.tls.clone(), connection, place);
        self.sessions.spawn(session.instrument(span));
    }
}

/// Waits until the flag is true or its sender gone.
pub(crate) async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // Nothing is done with an error: without a sender nobody could stop this task any more.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        // Its sink was dropped in unwinding, which counts as a lost publisher.
        error!(%error, "an RTMP session failed by a fault of this server");
    }
}

async fn connect(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    connection: Connection,
    place: Place,
) {
    debug!("connected");
    // Replies are small and each waits for the last.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = tls else {
        return connection.run(stream, place).await;
    };
    match timeout(HANDSHAKE_MAX, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection.run(stream, place).await,
        // As the HTTPS port does: strangers do this all day.
        Ok(Err(error)) => debug!(%error, "refused: the TLS handshake failed"),
        Err(_) => debug!("refused: the TLS handshake was not finished in time"),
    }
}

/// Counts the connections for which there was no place.
#[derive(Default)]
struct TurnedAway {
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl TurnedAway {
    fn count(&mut self, reason: &NoPlace, peer: SocketAddr) {
        self.unlogged += 1;
        let now = Instant::now();
        let is_due = self
            .logged_at
            .is_none_or(|at| now.duration_since(at) >= TURNED_AWAY_LOG_INTERVAL);
        if is_due {
            warn!(%peer, %reason, connections = self.unlogged, "refused");
            self.unlogged = 0;
            self.logged_at = Some(now);
        }
    }
}
