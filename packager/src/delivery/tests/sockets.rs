//! The same over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A real server on a port of its own.
async fn serve(delivery: Arc<Delivery>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let delivery = delivery.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let delivery = delivery.clone();
                async move { Ok::<_, Infallible>(delivery.respond(&request).await.unwrap()) }
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

async fn fetch(address: SocketAddr, method: Method, path: &str) -> Response<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::HOST, "localhost");
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap());
    let (head, incoming) = response.await.unwrap().into_parts();
    Response::from_parts(head, incoming.collect().await.unwrap().to_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_socket_content_has_its_length() {
    let stage = Stage::at(seconds(5));
    let address = serve(stage.delivery.clone()).await;
    let path = "/live/s/720p/b7/1.m4s";
    let response = fetch(address, Method::GET, path).await;
    assert_eq!(response.headers()[header::CONTENT_LENGTH], "10000");
    assert!(!response.headers().contains_key(header::TRANSFER_ENCODING));
    assert_eq!(*response.body(), body(stage.get(path).await).await);
    let head = fetch(address, Method::HEAD, path).await;
    assert_eq!(head.headers()[header::CONTENT_LENGTH], "10000");
    assert!(head.body().is_empty());
    let master = fetch(address, Method::GET, "/live/s/master.m3u8").await;
    let length = master.headers()[header::CONTENT_LENGTH].to_str().unwrap();
    assert_eq!(length, master.body().len().to_string());
}

/// Viewers who each follow five parts by blocking reloads while the parts are pushed one by one:
/// each sees every part once, in order, and none before it was there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_sockets_every_viewer_sees_every_part_as_it_comes() {
    const VIEWERS: usize = 40;
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    let address = serve(stage.delivery.clone()).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let viewers: Vec<_> = (0..VIEWERS)
        .map(|_| {
            let answered = answered.clone();
            tokio::spawn(async move {
                let mut newest = Vec::new();
                for part in 4..9 {
                    let path = format!("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part={part}");
                    let response = fetch(address, Method::GET, &path).await;
                    assert_eq!(response.status(), StatusCode::OK);
                    let text = String::from_utf8(response.body().to_vec()).unwrap();
                    newest.push(reread::media(&text).open_parts.pop().unwrap().uri);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                newest
            })
        })
        .collect();
    for round in 0..5 {
        while stage.delivery.waiting() < VIEWERS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // All wait for the same part: nobody was answered early, nobody was forgotten.
        assert_eq!(answered.load(Ordering::SeqCst), round * VIEWERS);
        stage.push_video();
        while answered.load(Ordering::SeqCst) < (round + 1) * VIEWERS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for viewer in viewers {
        let expected: Vec<_> = (4..9).map(|part| format!("b7/3.{part}.m4s")).collect();
        assert_eq!(viewer.await.unwrap(), expected);
    }
    assert_eq!(stage.delivery.waiting(), 0);
}
