use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use media_core::{MediaTime, StreamId};
use tokio::time::Instant;

use super::*;
use crate::delivery::Archive;
use crate::plan::Plan;
use crate::reread;
use crate::synthetic::{Source, plan, rate, seconds};

mod shapes;
mod sockets;
mod thumbnails;
mod waiting;

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
        let plan = plan(&["720p", "audio"], PART);
        let delivery = Delivery::with_waiting_max(live.clone(), Arc::new(Everyone), waiting_max);
        Self::of(live, delivery, plan, None, end)
    }

    fn with(
        plan: Plan,
        archive: Option<Arc<dyn Archive>>,
        access: Arc<dyn Access>,
        end: MediaTime,
    ) -> Self {
        let live = Live::new();
        let delivery = Delivery::new(live.clone(), access);
        Self::of(live, delivery, plan, archive, end)
    }

    fn of(
        live: Live,
        delivery: Delivery,
        plan: Plan,
        archive: Option<Arc<dyn Archive>>,
        end: MediaTime,
    ) -> Self {
        let broadcast = live.start(StreamId::new("s").unwrap(), plan, archive);
        let video = Source::video("720p", rate(30, 1), 6);
        let audio = Source::audio();
        broadcast.init(video.init());
        broadcast.init(audio.init());
        let mut stage = Self {
            live,
            delivery: Arc::new(delivery),
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
    let collected = response.into_body().collect().await;
    collected.expect("nothing from a disk").to_bytes()
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
    assert!(master.contains("\n720p/playlist.m3u8\n"), "{master}");
    assert!(master.contains("URI=\"720p/iframes.m3u8\""), "{master}");
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

fn seconds_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_new_broadcast_takes_over_the_url_and_the_old_media_stays() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let mut plan = plan(&["720p"], PART);
    plan.broadcast = media_core::BroadcastId::new("b8").unwrap();
    let next = stage.live.start(StreamId::new("s").unwrap(), plan, None);
    // Until that can be played, viewers see the old one's end.
    let ended = text(stage.get("/live/s/720p/playlist.m3u8").await).await;
    assert!(ended.ends_with("#EXT-X-ENDLIST\n"), "{ended}");
    assert_eq!(stage.status("/live/s/master.m3u8").await, 200);
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

/// Requests put together at random from what is nearly right: each gets a status that this crate
/// gives, or waits and leaves its place when dropped.
#[tokio::test]
async fn no_request_whatever_it_says_breaks_anything() {
    const PIECES: [&str; 29] = [
        "/",
        "/",
        "/",
        "s",
        "720p",
        "audio",
        "b7",
        "0",
        "3",
        "4",
        ".",
        ".m4s",
        "init.mp4",
        "-",
        "master.m3u8",
        "thumbnail.jpg",
        "playlist.m3u8",
        "?",
        "&",
        "=",
        "_HLS_msn",
        "_HLS_part",
        "_HLS_msn=3",
        "_HLS_part=4",
        "bytes",
        "99999999999999999999",
        "%2e",
        "..",
        "_HLS_skip=YES",
    ];
    const RESOURCES: [&str; 4] = ["", "s/720p/playlist.m3u8?", "s/audio/b7/3.", "s/720p/b7/"];
    let stage = Stage::at(MediaTime::from_millis(6700));
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..50_000 {
        let mut path = format!("/live/{}", random.pick(&RESOURCES));
        let mut range = String::from("bytes=");
        for _ in 0..random.next() % 6 {
            path.push_str(random.pick(&PIECES));
            range.push_str(random.pick(&["0", "9", "-", "-", ",", "99999", "x"]));
        }
        let request = request(Method::GET, &path, Some(&range));
        let answer = stage.delivery.respond(&request).now_or_never();
        let status = answer.map(|answer| answer.expect("under /live/").status().as_u16());
        *seen.entry(status).or_insert(0) += 1;
    }
    assert_eq!(stage.delivery.waiting(), 0);
    let statuses: Vec<_> = seen.keys().copied().collect();
    let expected = [None, Some(200), Some(206), Some(400), Some(404), Some(416)];
    assert_eq!(statuses, expected, "{seen:?}");
}

struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[(self.next() % texts.len() as u64) as usize]
    }
}
