use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use media_core::{MediaTime, StreamId};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;
use crate::reread;
use crate::synthetic::{Source, plan, rate, seconds};

const PART: Duration = Duration::from_millis(200);

/// A stream `s` with a video rung and audio.
struct Stage {
    live: Live,
    delivery: Arc<Delivery>,
    broadcast: Arc<Broadcast>,
    video: Source,
    audio: Source,
}

impl Stage {
    /// Live, with all media up to `end`.
    fn at(end: MediaTime) -> Self {
        Self::with_waiting_max(end, WAITING_MAX)
    }

    fn with_waiting_max(end: MediaTime, waiting_max: usize) -> Self {
        let live = Live::new();
        let delivery = Arc::new(Delivery::with_waiting_max(live.clone(), waiting_max));
        let plan = plan(&["720p", "audio"], PART);
        let broadcast = live.start(StreamId::new("s").unwrap(), plan);
        let video = Source::video("720p", rate(30, 1), 6);
        let audio = Source::audio();
        broadcast.init(video.init());
        broadcast.init(audio.init());
        let mut stage = Self {
            live,
            delivery,
            broadcast,
            video,
            audio,
        };
        stage.fill(end);
        stage
    }

    fn fill(&mut self, end: MediaTime) {
        for chunk in self
            .video
            .until(end)
            .into_iter()
            .chain(self.audio.until(end))
        {
            self.broadcast.push(chunk);
        }
    }

    fn push_video(&mut self) {
        self.broadcast.push(self.video.chunk());
    }

    async fn respond(&self, method: Method, path: &str) -> Response<Body> {
        let request = request(method, path, None);
        self.delivery.respond(&request).await.expect("under /live/")
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.respond(Method::GET, path).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    async fn ranged(&self, path: &str, range: &str) -> Response<Body> {
        let request = request(Method::GET, path, Some(range));
        self.delivery.respond(&request).await.expect("under /live/")
    }

    /// A request that must be answered without waiting.
    fn at_once(&self, path: &str) -> Response<Body> {
        let answer = self.get(path).now_or_never();
        answer.unwrap_or_else(|| panic!("{path} waits"))
    }

    /// Starts a request that must wait.
    async fn held(&self, path: &'static str) -> tokio::task::JoinHandle<Response<Body>> {
        let before = self.delivery.waiting();
        let delivery = self.delivery.clone();
        let held = tokio::spawn(async move {
            let request = request(Method::GET, path, None);
            delivery.respond(&request).await.expect("under /live/")
        });
        while self.delivery.waiting() == before {
            assert!(!held.is_finished(), "{path} was answered at once");
            tokio::task::yield_now().await;
        }
        held
    }
}

fn request(method: Method, path: &str, range: Option<&str>) -> Request<()> {
    let builder = Request::builder().method(method).uri(path);
    let builder = match range {
        Some(range) => builder.header(header::RANGE, range),
        None => builder,
    };
    builder.body(()).unwrap()
}

fn text_header(response: &Response<Body>, name: header::HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

async fn body(response: Response<Body>) -> Bytes {
    let Ok(collected) = response.into_body().collect().await;
    collected.to_bytes()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(body(response).await.to_vec()).unwrap()
}

#[tokio::test]
async fn other_paths_are_left_to_others() {
    let stage = Stage::at(seconds(3));
    for path in ["/", "/live", "/api/v1/streams", "/alive/s/master.m3u8"] {
        let answer = stage
            .delivery
            .respond(&request(Method::GET, path, None))
            .await;
        assert!(answer.is_none(), "{path}");
    }
    for path in ["/live/", "/live/s", "/live/s/x", "/live/../master.m3u8"] {
        assert_eq!(stage.status(path).await, 404, "{path}");
    }
}

#[tokio::test]
async fn nothing_is_playable_before_every_rendition_has_a_segment() {
    let mut stage = Stage::at(seconds(1));
    for path in [
        "/live/s/master.m3u8",
        "/live/s/720p/playlist.m3u8",
        "/live/s/720p/playlist.m3u8?_HLS_msn=0&_HLS_part=0",
        "/live/unknown/master.m3u8",
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
        assert!(text(response).await.contains("not live yet"));
    }
    stage.fill(seconds(3));
    let response = stage.get("/live/s/master.m3u8").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        text_header(&response, header::CONTENT_TYPE),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-cache");
    let master = text(response).await;
    assert!(master.ends_with("\n720p/playlist.m3u8\n"), "{master}");
}

#[tokio::test]
async fn every_uri_of_a_playlist_leads_to_media() {
    let stage = Stage::at(MediaTime::from_millis(20_500));
    for (rendition, content_type) in [("720p", "video/mp4"), ("audio", "audio/mp4")] {
        let base = format!("/live/s/{rendition}");
        let response = stage.get(&format!("{base}/playlist.m3u8")).await;
        let playlist = reread::media(&text(response).await);
        assert_eq!(playlist.segments.len(), 6);
        let init = stage.get(&format!("{base}/{}", playlist.map)).await;
        assert_eq!(text_header(&init, header::CONTENT_TYPE), content_type);
        assert_eq!(body(init).await, format!("init of {rendition}"));
        for segment in &playlist.segments {
            let response = stage.get(&format!("{base}/{}", segment.uri)).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(
                text_header(&response, header::CACHE_CONTROL),
                "public, max-age=31536000, immutable"
            );
            assert_eq!(text_header(&response, header::CONTENT_TYPE), content_type);
            let whole = body(response).await;
            let mut joined = Vec::new();
            for part in &segment.parts {
                joined.extend(body(stage.get(&format!("{base}/{}", part.uri)).await).await);
            }
            assert!(segment.parts.is_empty() || joined == whole);
            let number = segment.uri.strip_prefix("b7/").unwrap();
            let number = number.strip_suffix(".m4s").unwrap();
            let origin = format!("moof{rendition}/{number}/");
            assert!(whole.starts_with(origin.as_bytes()), "{origin}");
        }
        // It has left the playlist, but not for viewers who have an older one.
        assert!(playlist.sequence == 4);
        assert_eq!(stage.status(&format!("{base}/b7/0.m4s")).await, 200);
        assert_eq!(stage.status(&format!("{base}/b7/0.0.m4s")).await, 200);
        // Not complete, or of another broadcast.
        assert_eq!(stage.status(&format!("{base}/b7/10.m4s")).await, 404);
        assert_eq!(stage.status(&format!("{base}/b8/9.m4s")).await, 404);
    }
    assert_eq!(stage.status("/live/s/4k/b7/9.m4s").await, 404);
    assert_eq!(stage.status("/live/s/4k/playlist.m3u8").await, 404);
}

#[tokio::test]
async fn directives_without_sense_or_too_far_ahead_are_bad_requests() {
    // Segments 0 to 2 are complete; four parts of 3 are there.
    let stage = Stage::at(MediaTime::from_millis(6700));
    for query in [
        "_HLS_part=0",
        "_HLS_msn=x",
        "_HLS_msn=5",
        "_HLS_msn=5&_HLS_part=0",
        "_HLS_msn=3&_HLS_part=40",
    ] {
        let response = stage.at_once(&format!("/live/s/720p/playlist.m3u8?{query}"));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn what_is_there_is_answered_at_once() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    for query in [
        "_HLS_msn=2",
        "_HLS_msn=3&_HLS_part=3",
        "_HLS_msn=2&_HLS_part=99",
        "_HLS_msn=0&_HLS_part=0&_HLS_skip=YES&token=x",
    ] {
        let response = stage.at_once(&format!("/live/s/720p/playlist.m3u8?{query}"));
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        let cache = text_header(&response, header::CACHE_CONTROL);
        assert_eq!(cache, "public, max-age=10");
    }
}

#[tokio::test]
async fn a_blocking_reload_is_answered_when_its_part_exists_and_not_before() {
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    let fifth = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4")
        .await;
    let sixth = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=5")
        .await;
    let whole = stage.held("/live/s/720p/playlist.m3u8?_HLS_msn=3").await;
    let past_end = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=10")
        .await;
    let next = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=4&_HLS_part=0")
        .await;
    assert_eq!(stage.delivery.waiting(), 5);

    stage.push_video();
    let playlist = reread::media(&text(fifth.await.unwrap()).await);
    assert_eq!(playlist.open_parts.len(), 5);
    assert!(!sixth.is_finished());
    assert_eq!(stage.delivery.waiting(), 4);

    stage.push_video();
    let playlist = reread::media(&text(sixth.await.unwrap()).await);
    assert_eq!(playlist.open_parts.len(), 6);
    assert_eq!(stage.delivery.waiting(), 3);

    for _ in 0..4 {
        stage.push_video();
    }
    // The segment has all its parts, but the next has not begun.
    tokio::task::yield_now().await;
    assert_eq!(stage.delivery.waiting(), 3);
    stage.push_video();
    for held in [whole, past_end, next] {
        let playlist = reread::media(&text(held.await.unwrap()).await);
        assert_eq!(playlist.last_sequence(), 3);
        assert_eq!(playlist.open_parts.len(), 1);
    }
    assert_eq!(stage.delivery.waiting(), 0);
}

#[tokio::test]
async fn a_hinted_part_is_held_until_it_exists() {
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    let playlist = text(stage.get("/live/s/720p/playlist.m3u8").await).await;
    assert_eq!(reread::media(&playlist).hint.as_deref(), Some("b7/3.4.m4s"));
    let hinted = stage.held("/live/s/720p/b7/3.4.m4s").await;
    stage.push_video();
    let response = hinted.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // 6.8 s in, at frame 204.
    assert!(body(response).await.starts_with(b"moof720p/3/204;"));
    // Further ahead than any hint.
    assert_eq!(stage.at_once("/live/s/720p/b7/3.6.m4s").status(), 404);
}

#[tokio::test]
async fn a_hinted_part_is_not_found_where_the_segment_ended_first() {
    let mut stage = Stage::at(seconds(6));
    // Ten parts of segment 2 are there; an eleventh never comes.
    let never = stage.held("/live/s/720p/b7/2.10.m4s").await;
    let next = stage.held("/live/s/720p/b7/3.0.m4s").await;
    stage.push_video();
    let response = never.await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
    assert_eq!(next.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_is_a_503_after_three_target_durations() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let began = Instant::now();
    for path in [
        "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4",
        "/live/s/720p/b7/3.4.m4s",
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text_header(&response, header::RETRY_AFTER), "1");
        assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
    }
    let waited = began.elapsed();
    assert!(
        (seconds_of(12)..seconds_of(13)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(stage.delivery.waiting(), 0);
}

fn seconds_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn the_end_answers_everyone_who_waits() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let reload = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=4&_HLS_part=0")
        .await;
    let part = stage.held("/live/s/audio/b7/4.0.m4s").await;
    stage.broadcast.end();
    let playlist = reread::media(&text(reload.await.unwrap()).await);
    assert!(playlist.ended);
    assert_eq!(playlist.segments.len(), 4);
    assert_eq!(part.await.unwrap().status(), StatusCode::NOT_FOUND);
    // What was open is complete now, and whatever is asked for is answered at once.
    assert_eq!(stage.status("/live/s/720p/b7/3.m4s").await, 200);
    let after = stage.at_once("/live/s/720p/playlist.m3u8?_HLS_msn=77");
    assert_eq!(after.status(), StatusCode::OK);
}

#[tokio::test]
async fn removing_a_stream_answers_everyone_who_waits() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let reload = stage.held("/live/s/720p/playlist.m3u8?_HLS_msn=4").await;
    stage.live.remove(&StreamId::new("s").unwrap());
    assert_eq!(reload.await.unwrap().status(), StatusCode::OK);
    assert_eq!(stage.status("/live/s/master.m3u8").await, 404);
}

#[tokio::test]
async fn a_new_broadcast_takes_over_the_url_and_the_old_media_stays() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let mut plan = plan(&["720p"], PART);
    plan.broadcast = media_core::BroadcastId::new("b8").unwrap();
    let next = stage.live.start(StreamId::new("s").unwrap(), plan);
    assert_eq!(stage.status("/live/s/720p/playlist.m3u8").await, 404);
    assert_eq!(stage.status("/live/s/720p/b7/3.m4s").await, 200);
    let mut source = Source::video("720p", rate(30, 1), 6);
    next.init(source.init());
    for chunk in source.until(MediaTime::from_millis(2100)) {
        next.push(chunk);
    }
    // A viewer of the old one goes on counting.
    let response = stage.at_once("/live/s/720p/playlist.m3u8?_HLS_msn=4&_HLS_part=0");
    let playlist = reread::media(&text(response).await);
    assert_eq!((playlist.sequence, playlist.discontinuity_sequence), (4, 1));
    assert_eq!(playlist.segments[0].uri, "b8/4.m4s");
}

#[tokio::test]
async fn only_so_many_may_wait() {
    let mut stage = Stage::with_waiting_max(MediaTime::from_millis(6700), 2);
    let path = "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4";
    let held = [stage.held(path).await, stage.held(path).await];
    let refused = stage.at_once(path);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text_header(&refused, header::RETRY_AFTER), "1");
    // A viewer who leaves makes room.
    let [leaves, stays] = held;
    leaves.abort();
    assert!(leaves.await.is_err());
    assert_eq!(stage.delivery.waiting(), 1);
    let third = stage.held(path).await;
    stage.push_video();
    for held in [stays, third] {
        assert_eq!(held.await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn ranges_are_served_and_refused() {
    let stage = Stage::at(seconds(5));
    let path = "/live/s/720p/b7/0.m4s";
    let whole = body(stage.get(path).await).await;
    assert_eq!(whole.len(), 10_000);
    let response = stage.ranged(path, "bytes=990-2010").await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        text_header(&response, header::CONTENT_RANGE),
        "bytes 990-2010/10000"
    );
    assert_eq!(body(response).await, whole[990..=2010]);
    let response = stage.ranged("/live/s/720p/b7/0.1.m4s", "bytes=-10").await;
    assert_eq!(body(response).await, whole[1990..2000]);
    let response = stage.ranged(path, "bytes=10000-").await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        text_header(&response, header::CONTENT_RANGE),
        "bytes */10000"
    );
}

#[tokio::test]
async fn browsers_and_other_methods_get_their_answers() {
    let stage = Stage::at(seconds(5));
    let path = "/live/s/720p/b7/0.m4s";
    let preflight = stage.respond(Method::OPTIONS, path).await;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        text_header(&preflight, header::ACCESS_CONTROL_ALLOW_HEADERS),
        "Range"
    );
    let refused = stage.respond(Method::POST, path).await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(text_header(&refused, header::ALLOW), "GET, HEAD, OPTIONS");
    for response in [preflight, refused, stage.get(path).await] {
        let origin = text_header(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(origin, "*");
    }
}

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
