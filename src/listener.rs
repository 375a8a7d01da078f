//! The HTTP listener: delivery first, then the pages, then the API, in one port.
//!
//! Delivery is a plain hyper service in front of the API's router, because it is the hot path.

mod body;
mod service;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub(crate) use service::Service;

/// Connections at once: a viewer has up to four. Each costs about 16 KiB and a file descriptor.
const CONNECTIONS_MAX: usize = 65_536;

/// How long a peer may take to send a request's head, and may idle between two.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How long requests may go on after the end was announced.
const DRAIN_MAX: Duration = Duration::from_millis(1500);

/// Binds a TCP port; a busy one is one clear line.
pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
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

/// Serves until `closing` turns true, then lets open requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Service,
    mut closing: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let connection = connections.watch(connect(stream, service.clone()));
                tokio::spawn(async move {
                    // A peer that hangs up or breaks HTTP ends its own connection only.
                    if let Err(error) = connection.await {
                        tracing::trace!(%error, "connection");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_MAX, connections.shutdown())
        .await
        .is_err()
    {
        tracing::info!("connections were cut that did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // A part must not wait for the acknowledgement of the playlist before it.
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

fn connect(
    stream: TcpStream,
    service: Service,
) -> hyper::server::conn::http1::Connection<TokioIo<TcpStream>, Service> {
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}
