//! Requests over TCP, each on a connection of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Extensions, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// What the listener around the router says of each connection, by its far end.
type Said = Arc<Mutex<HashMap<SocketAddr, Extensions>>>;

/// The router at an address. Its end closes it.
pub(super) struct Socket {
    address: SocketAddr,
    said: Said,
    serving: JoinHandle<()>,
}

impl Socket {
    pub(super) async fn open(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let said = Said::default();
        let serving = tokio::spawn(serve(listener, router, said.clone()));
        Self {
            address,
            said,
            serving,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request whose extensions are what the listener is to say of its connection.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.expect("connect");
        let far_end = stream.local_addr().expect("an address");
        let extensions = std::mem::take(request.extensions_mut());
        self.said.lock().expect("lock").insert(far_end, extensions);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut client, connection) = handshake.await.expect("a connection");
        tokio::spawn(connection);
        client.send_request(request).await.expect("an answer")
    }

    /// Sends a request's head that promises `promised` bytes, and `sent`: no more until the connection
    /// is dropped.
    pub(super) async fn begin(
        &self,
        request: &Request<()>,
        promised: usize,
        sent: &[u8],
    ) -> TcpStream {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
        for (name, value) in request.headers() {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {promised}\r\n\r\n").as_bytes());
        bytes.extend(sent);
        let mut stream = TcpStream::connect(self.address).await.expect("connect");
        stream.write_all(&bytes).await.expect("sent");
        stream
    }

    /// The same, and hangs up.
    pub(super) async fn hang_up(&self, request: &Request<()>, promised: usize, sent: &[u8]) {
        let mut stream = self.begin(request, promised, sent).await;
        stream.shutdown().await.expect("half closed");
        // Until the other end has hung up too: then nobody deals with the request any more.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, router: Router, said: Said) {
    loop {
        let (stream, far_end) = listener.accept().await.expect("a connection");
        let (router, said) = (router.clone(), said.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let of_connection = said.lock().expect("lock").get(&far_end).cloned();
            request
                .extensions_mut()
                .extend(of_connection.unwrap_or_default());
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}
