//! The listener of `/metrics`: a port of its own, so that nobody reaches it who may only watch,
//! and a few connections at most.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::{CONTENT_TYPE, Sources, registry, render};
use crate::{config, listener};

/// Connections at once: Prometheus, its twin, and somebody with a browser. More wait.
const CONNECTIONS_MAX: usize = 8;

/// How long one may take, from its first byte to the last: Prometheus gives up after 10 s, and
/// each scrape is a connection of its own.
const CONNECTION_MAX: Duration = Duration::from_secs(10);

/// Bytes of a request's head: the least that hyper takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How long answers may go on after the end was announced.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// Binds the configured address. One that nobody asked for and that cannot be had, such as beside
/// another server on the machine, is left out.
pub(crate) async fn bind(
    configured: Option<&config::Metrics>,
) -> anyhow::Result<Option<TcpListener>> {
    let Some(metrics) = configured else {
        return Ok(None);
    };
    match listener::bind(metrics.address, "metrics").await {
        Err(error) if metrics.by_default => {
            tracing::warn!("no /metrics: {error:#}");
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

/// Serves until `closing` turns true.
pub(crate) async fn serve(
    listener: TcpListener,
    sources: Sources,
    mut closing: watch::Receiver<bool>,
) {
    let registry = Arc::new(registry(sources));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let registry = Arc::clone(&registry);
                connections.spawn(async move {
                    let _place = place;
                    // A peer that hangs up or is slow ends its own connection only.
                    let _late =
                        tokio::time::timeout(CONNECTION_MAX, answer(stream, registry)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to /metrics");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is left is cut as it is dropped.
    let _late = tokio::time::timeout(DRAIN_MAX, drained).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn answer(stream: TcpStream, registry: Arc<Registry>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let registry = Arc::clone(&registry);
        async move { Ok::<_, Infallible>(respond(&request, registry).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "connection to /metrics");
    }
}

async fn respond(request: &Request<Incoming>, registry: Arc<Registry>) -> Response<Full<Bytes>> {
    let refused = |status: StatusCode| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != "/metrics" {
        return refused(StatusCode::NOT_FOUND);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED);
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        return response;
    }
    // A file system may take its time to say how full it is.
    match tokio::task::spawn_blocking(move || render(&registry)).await {
        Ok(text) => {
            let mut response = Response::new(Full::from(text));
            let kind = HeaderValue::from_static(CONTENT_TYPE);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => {
            tracing::error!(%error, "figures cannot be read");
            refused(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
