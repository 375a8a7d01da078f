//! The same over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::synthetic::server;

async fn serve(delivery: Arc<Delivery>) -> SocketAddr {
    server::serve(move |request| {
        let delivery = delivery.clone();
        async move { delivery.respond(&request).await.unwrap() }
    })
    .await
}

async fn fetch(address: SocketAddr, method: Method, path: &str) -> Response<Bytes> {
    server::fetch(address, method, path, &[]).await
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
