//! A real HTTP server on a port of its own, and a client, for what is tested over sockets.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Answers every request by `respond`, as long as the test lasts.
pub(crate) async fn serve<F, A, B>(respond: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let respond = respond.clone();
            let service = hyper::service::service_fn(move |request| {
                let response = respond(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            tokio::spawn(async move {
                let builder = hyper::server::conn::http1::Builder::new();
                builder
                    .serve_connection(TokioIo::new(socket), service)
                    .await
            });
        }
    });
    address
}

/// One request, and its answer with all of its content.
pub(crate) async fn fetch(
    address: SocketAddr,
    method: Method,
    path: &str,
    fields: &[(header::HeaderName, &str)],
) -> Response<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(header::HOST, "localhost");
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap());
    let (head, incoming) = response.await.unwrap().into_parts();
    Response::from_parts(head, incoming.collect().await.unwrap().to_bytes())
}
