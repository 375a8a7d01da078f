//! Slow and hostile peers against both protocols, on a clock that the test moves. The pipe
//! between the two ends stands for the socket and its buffers.

mod delivery;
mod http1;
mod http2;
mod studio;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{any, get};
use axum::{Extension, Router};
use control_api::Peer;
use packager::delivery::Everyone;
use packager::vod::{Closed, Library, Opened, Pending};
use packager::{Delivery, Live, vod};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use storage::Networks;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::limits::{STALL_TICKS_MAX, TICK};
use super::pulse::{CutOff, Pulse};
use super::socket::Watched;
use super::{Front, Redirect, Service, Via};
use studio::Studio;

/// What the pipe takes before its other end reads.
const PIPE_BYTES: usize = 64 * 1024;

/// A segment of 5 Mbit/s.
const BIG_BYTES: usize = 1_250_000;

/// Past every deadline: a stall's is the longest, and is exact to a tick.
const DEADLINE_MAX: Duration = TICK.saturating_mul(STALL_TICKS_MAX + 2);

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

/// TEST-NET-1 (RFC 5737).
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 40_000);

const VIA: Via = Via::new(true, HERE);

/// A library without a title.
struct NothingStored;

impl Library for NothingStored {
    fn open(&self, _id: &str, _token: Option<&str>) -> Pending<Result<Opened, Closed>> {
        Box::pin(std::future::ready(Err(Closed::NotFound)))
    }
}

/// A server's end of a pipe.
struct Served {
    task: JoinHandle<Result<(), CutOff>>,
    closing: watch::Sender<bool>,
    front: Arc<Front>,
    studio: Studio,
    since: Instant,
}

impl Served {
    fn http1() -> (Self, DuplexStream) {
        Self::http1_via(VIA)
    }

    fn http1_via(via: Via) -> (Self, DuplexStream) {
        Self::start(|io, front, pulse, closes| {
            let service = Arc::clone(&front.service);
            tokio::spawn(super::http1::serve(io, via, service, pulse, closes))
        })
    }

    /// The client's end after its TLS handshake.
    async fn http2() -> (Self, TlsStream<DuplexStream>) {
        let (acceptor, connector) = tls();
        let (served, pipe) = Self::start(move |io, front, pulse, closes| {
            tokio::spawn(async move {
                let tls = acceptor.accept(io).await.expect("a handshake");
                super::http2::serve(Box::new(tls), VIA, front, pulse, closes).await
            })
        });
        let name = ServerName::try_from("a.example").expect("a name");
        let pipe = connector.connect(name, pipe).await.expect("a handshake");
        (served, pipe)
    }

    fn start(
        serve: impl FnOnce(
            Watched<DuplexStream>,
            Arc<Front>,
            Arc<Pulse>,
            watch::Receiver<bool>,
        ) -> JoinHandle<Result<(), CutOff>>,
    ) -> (Self, DuplexStream) {
        let api = Router::new()
            .route("/big", get(|| async { vec![7; BIG_BYTES] }))
            .route("/small", get(|| async { "small" }))
            .route(
                "/peer",
                get(|Extension(Peer(peer))| async move { peer.to_string() }),
            )
            .route("/never", any(std::future::pending::<()>))
            .route("/echo", any(|body: String| async { body }));
        let live = Live::new();
        let studio = Studio::new(&live);
        let service = Service::new(
            Delivery::new(live, Arc::new(Everyone)),
            vod::Delivery::new(Arc::new(NothingStored)),
            api,
        )
        .redirecting(Some(Redirect::new(None, 8443)))
        .trusting(Networks::new(&["192.0.2.7", "10.0.0.0/8"]).expect("networks"))
        .with_hsts(300);
        let front = Front::new(service, 1);
        let (client, server) = duplex(PIPE_BYTES);
        let pulse = Arc::new(Pulse::default());
        let (closing, closes) = watch::channel(false);
        let io = Watched::new(server, Arc::clone(&pulse));
        let served = Self {
            task: serve(io, Arc::clone(&front), pulse, closes),
            closing,
            front,
            studio,
            since: Instant::now(),
        };
        (served, client)
    }

    /// How the connection ended, and after how long.
    async fn end(self) -> (Result<(), CutOff>, Duration) {
        let end = tokio::time::timeout(DEADLINE_MAX, self.task).await;
        let end = end.expect("it ends").expect("no panic");
        (end, self.since.elapsed())
    }
}

/// Both sides of TLS, of which the client trusts the server.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a pair");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            let chain = vec![certificate.clone()];
            config.with_no_client_auth().with_single_cert(chain, key)
        });
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        Arc::new(server.expect("a pair")).into(),
        Arc::new(client).into(),
    )
}
