//! The same over real sockets.

use std::net::SocketAddr;

use super::*;
use crate::synthetic::server;

pub(super) async fn serve(delivery: Arc<Delivery>) -> SocketAddr {
    server::serve(move |request| {
        let delivery = delivery.clone();
        async move { delivery.respond(&request).await.unwrap() }
    })
    .await
}

async fn fetch(address: SocketAddr, method: Method, path: &str, range: &str) -> Response<Bytes> {
    server::fetch(address, method, path, &[(header::RANGE, range)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_socket_content_has_its_length() {
    let stage = Stage::new();
    let address = serve(stage.delivery.clone()).await;
    let path = "/vod/public/720p/download.mp4";
    let whole = body(stage.get(path).await).await;
    let got = fetch(address, Method::GET, path, "bytes=0-").await;
    assert_eq!(got.status(), StatusCode::PARTIAL_CONTENT);
    assert!(!got.headers().contains_key(header::TRANSFER_ENCODING));
    let len = whole.len();
    assert_eq!(got.headers()[header::CONTENT_LENGTH], len.to_string());
    assert!(*got.body() == whole);
    let range = format!("bytes 0-{}/{len}", len - 1);
    assert_eq!(got.headers()[header::CONTENT_RANGE], range);
    let tail = fetch(address, Method::GET, path, "bytes=-100").await;
    assert!(*tail.body() == whole[len - 100..]);
    let head = fetch(address, Method::HEAD, path, "lines=0-1").await;
    assert_eq!(head.headers()[header::CONTENT_LENGTH], len.to_string());
    assert!(head.body().is_empty());
}

/// As players do: many at once, each its own way through the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_viewers_each_get_their_own_bytes() {
    let stage = Stage::new();
    let address = serve(stage.delivery.clone()).await;
    let text = stage.text("/vod/public/720p/playlist.m3u8").await;
    let segments = reread::media(&text).segments;
    let viewers: Vec<_> = (0..40)
        .map(|viewer| {
            let segments = segments.clone();
            tokio::spawn(async move {
                let mut fetched = Vec::new();
                for at in 0..segments.len() {
                    let (len, offset) = segments[(at + viewer) % segments.len()].range.unwrap();
                    let range = format!("bytes={offset}-{}", offset + len - 1);
                    let path = "/vod/public/720p.mp4";
                    let response = fetch(address, Method::GET, path, &range).await;
                    fetched.push((offset as usize, response.into_body()));
                }
                fetched
            })
        })
        .collect();
    for viewer in viewers {
        for (offset, bytes) in viewer.await.unwrap() {
            assert!(stage.file("720p")[offset..].starts_with(&bytes));
        }
    }
}
