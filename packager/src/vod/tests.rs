use std::io::{self, Read as _};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use media_core::{AssetId, RenditionName, SampleRun};

use super::*;
use crate::reread;
use crate::synthetic::name;
use crate::synthetic::stored::Tape;

mod downloads;
mod outages;
mod players;
mod sockets;

const LENGTH: Duration = Duration::from_secs(20);
const TOKEN: &str = "1800000000.abc";
const SUBTITLES: &str = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n";
const SPRITE: &str = "WEBVTT\n\n00:00.000 --> 00:10.000\nsprite.jpg#xywh=0,0,160,90\n";

/// Tapes in memory, and what may happen to them.
#[derive(Debug, Default)]
struct Shelf {
    tapes: Vec<Tape>,
    elsewhere: Mutex<Option<String>>,
    trouble: Mutex<Trouble>,
    reads: AtomicUsize,
    sample_reads: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trouble {
    #[default]
    None,
    Gone,
    Silent,
    /// Reads past this byte of a file fail.
    After(u64),
    Truncated,
}

impl Shelf {
    fn tape(&self, rendition: &RenditionName) -> Result<&Tape, Lost> {
        let mut tapes = self.tapes.iter();
        let tape = tapes.find(|tape| tape.rendition.init.rendition == *rendition);
        tape.ok_or(Lost::Missing)
    }

    fn cause(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    /// A value, or what is in its place now.
    fn pending<T: Send + 'static>(
        &self,
        value: Result<T, Lost>,
        end: u64,
    ) -> Pending<Result<T, Lost>> {
        let trouble = *self.trouble.lock().unwrap();
        Box::pin(async move {
            tokio::task::yield_now().await;
            match trouble {
                Trouble::Silent => std::future::pending().await,
                Trouble::After(last) if end <= last => value,
                Trouble::None | Trouble::Truncated => value,
                Trouble::Gone | Trouble::After(_) => Err(io::Error::other("unplugged").into()),
            }
        })
    }
}

impl Store for Shelf {
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>> {
        assert!(!bytes.is_empty() && bytes.end - bytes.start <= PIECE_BYTES);
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut range = bytes.start as usize..bytes.end as usize;
        if *self.trouble.lock().unwrap() == Trouble::Truncated {
            range.end -= 1;
        }
        let tape = self.tape(rendition);
        let read = tape.map(|tape| Bytes::copy_from_slice(&tape.file[range]));
        self.pending(read, bytes.end)
    }

    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>> {
        self.sample_reads.fetch_add(1, Ordering::SeqCst);
        let runs = self.tape(rendition).map(|tape| tape.runs.clone());
        self.pending(runs, 0)
    }

    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>> {
        let text = match file {
            SmallFile::Subtitles(name) if name.as_str() == "en" => Ok(SUBTITLES),
            SmallFile::Thumbnail("sprite.vtt") => Ok(SPRITE),
            SmallFile::Thumbnail("0.jpg") => Ok("a picture"),
            _ => Err(Lost::Missing),
        };
        self.pending(text.map(|text| Bytes::from_static(text.as_bytes())), 0)
    }

    fn elsewhere(&self, _: &RenditionName) -> Pending<Result<Option<String>, Lost>> {
        let url = self.elsewhere.lock().unwrap().clone();
        Box::pin(async move { Ok(url) })
    }
}

/// One title, which is `public` and with a token `private`.
struct OneTitle {
    title: Arc<Title>,
}

impl Library for OneTitle {
    fn open(&self, id: &str, token: Option<&str>) -> Pending<Result<Opened, Closed>> {
        let opened = |audience| Opened {
            title: Arc::clone(&self.title),
            audience,
        };
        let opened = match (id, token) {
            ("public", _) => Ok(opened(Audience::Everyone)),
            ("private", Some(TOKEN)) => Ok(opened(Audience::Granted)),
            ("private", _) => Err(Closed::NoToken),
            ("unknown-yet", _) => Err(Closed::Unavailable),
            _ => Err(Closed::NotFound),
        };
        Box::pin(async move { opened })
    }
}

struct Stage {
    delivery: Arc<Delivery>,
    shelf: Arc<Shelf>,
}

impl Stage {
    fn new() -> Self {
        Self::of(vec![
            Tape::video("720p", Duration::ZERO, LENGTH),
            Tape::video("360p", Duration::ZERO, LENGTH),
            Tape::audio(Duration::ZERO, LENGTH),
        ])
    }

    fn of(tapes: Vec<Tape>) -> Self {
        let (shelf, title) = shelved("a1", tapes);
        let delivery = Arc::new(Delivery::new(Arc::new(OneTitle { title })));
        Self { delivery, shelf }
    }

    fn file(&self, rendition: &str) -> &[u8] {
        &self.shelf.tape(&name(rendition)).unwrap().file
    }

    async fn ask(&self, method: Method, path: &str, fields: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        self.delivery.respond(&request).await.expect("under /vod/")
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Method::GET, path, &[]).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        String::from_utf8(body(response).await).unwrap()
    }

    async fn ranged(&self, path: &str, range: Range<u64>) -> Vec<u8> {
        let value = format!("bytes={}-{}", range.start, range.end - 1);
        let response = self.ask(Method::GET, path, &[("range", &value)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{path}");
        body(response).await
    }
}

/// A title of these tapes, and the shelf that they lie on.
fn shelved(asset: &str, tapes: Vec<Tape>) -> (Arc<Shelf>, Arc<Title>) {
    let shelf = Arc::new(Shelf {
        tapes,
        ..Shelf::default()
    });
    let renditions = shelf.tapes.iter().map(|tape| tape.rendition.clone());
    let title = Title::new(Contents {
        asset: AssetId::new(asset).unwrap(),
        name: "Friday".to_owned(),
        renditions: renditions.collect(),
        subtitles: vec![Subtitles {
            name: name("en"),
            label: "English".to_owned(),
            language: "en".to_owned(),
            default: true,
        }],
        store: shelf.clone(),
    });
    (shelf, Arc::new(title))
}

/// The body, which is as long as it said.
async fn body(response: Response<Body>) -> Vec<u8> {
    let promised = http_body::Body::size_hint(response.body()).exact();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(promised, Some(bytes.len() as u64));
    bytes.into()
}

fn field<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn all_that_playlists_list_is_there() {
    let stage = Stage::new();
    let master = stage.text("/vod/public/master.m3u8").await;
    for child in [
        "720p/playlist.m3u8",
        "360p/playlist.m3u8",
        "audio/playlist.m3u8",
        "subtitles/en.m3u8",
        "720p/iframes.m3u8",
    ] {
        assert!(master.contains(child), "{child} in {master}");
        let folder = child.split('/').next().unwrap();
        let playlist = reread::media(&stage.text(&format!("/vod/public/{child}")).await);
        assert!(playlist.ended && !playlist.segments.is_empty(), "{child}");
        let Some((init_bytes, 0)) = playlist.map_range else {
            let vtt = &playlist.segments[0].uri;
            let text = stage.text(&format!("/vod/public/{folder}/{vtt}")).await;
            assert_eq!(text, SUBTITLES);
            continue;
        };
        assert_eq!(playlist.map, format!("../{folder}.mp4"));
        let path = format!("/vod/public/{folder}.mp4");
        let init = stage.ranged(&path, 0..init_bytes).await;
        assert_eq!(init[4..8], *b"ftyp");
        for segment in &playlist.segments {
            let (len_bytes, offset) = segment.range.unwrap();
            let bytes = stage.ranged(&path, offset..offset + len_bytes).await;
            assert_eq!(bytes[4..8], *b"moof");
            let stored = &stage.file(folder)[offset as usize..];
            assert!(stored.starts_with(&bytes));
        }
    }
}

#[tokio::test]
async fn every_range_of_a_file_that_is_longer_than_a_piece() {
    let long = Duration::from_secs(1000);
    let stage = Stage::of(vec![Tape::video("720p", Duration::ZERO, long)]);
    let file = stage.file("720p").to_vec();
    assert!(file.len() as u64 > 2 * PIECE_BYTES);
    let path = "/vod/public/720p.mp4";
    let whole = stage.get(path).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(field(&whole, "content-type"), "video/mp4");
    assert_eq!(field(&whole, "accept-ranges"), "bytes");
    assert!(body(whole).await == file);
    let len = file.len() as u64;
    for range in [
        0..1,
        0..len,
        PIECE_BYTES - 1..PIECE_BYTES + 1,
        PIECE_BYTES..2 * PIECE_BYTES,
        17..len - 17,
        len - 1..len,
    ] {
        let bytes = stage.ranged(path, range.clone()).await;
        assert!(
            bytes == file[range.start as usize..range.end as usize],
            "{range:?}"
        );
    }
    let past = format!("bytes={len}-");
    let response = stage.ask(Method::GET, path, &[("range", &past)]).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(field(&response, "content-range"), format!("bytes */{len}"));
    assert_eq!(field(&response, "cache-control"), "no-store");
}

#[tokio::test]
async fn what_is_not_there_is_refused() {
    let stage = Stage::new();
    for (path, status) in [
        ("/vod/nobody/master.m3u8", 404),
        ("/vod/public/1080p/playlist.m3u8", 404),
        ("/vod/public/1080p.mp4", 404),
        ("/vod/public/1080p/download.mp4", 404),
        ("/vod/public/audio/iframes.m3u8", 404),
        ("/vod/public/subtitles/fr.m3u8", 404),
        ("/vod/public/subtitles/fr.vtt", 404),
        ("/vod/public/thumbnails/9.jpg", 404),
        ("/vod/public/thumbnails/..%2f0.jpg", 404),
        ("/vod/", 404),
        ("/vod/private/master.m3u8", 403),
        ("/vod/private/720p.mp4?token=wrong", 403),
        ("/vod/unknown-yet/master.m3u8", 503),
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(field(&response, "content-type"), "application/problem+json");
        assert_eq!(field(&response, "cache-control"), "no-store");
        assert_eq!(field(&response, "access-control-allow-origin"), "*");
        assert_eq!(
            field(&response, "retry-after"),
            if status == 503 { "1" } else { "" }
        );
    }
    let posted = stage
        .ask(Method::POST, "/vod/public/master.m3u8", &[])
        .await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(field(&posted, "allow"), "GET, HEAD, OPTIONS");
    let other = Request::builder()
        .uri("/live/s/master.m3u8")
        .body(())
        .unwrap();
    assert!(stage.delivery.respond(&other).await.is_none());
}

#[tokio::test]
async fn a_private_title_carries_its_token_into_every_link() {
    let stage = Stage::new();
    let with = |path: &str| format!("/vod/private/{path}?token={TOKEN}");
    for path in [
        "master.m3u8",
        "720p/playlist.m3u8",
        "720p/iframes.m3u8",
        "subtitles/en.m3u8",
    ] {
        let text = stage.text(&with(path)).await;
        let links = text.lines().filter(|line| {
            line.contains(".m3u8") || line.contains(".mp4") || line.contains(".vtt")
        });
        for line in links {
            assert!(line.contains(&format!("?token={TOKEN}")), "{path}: {line}");
        }
        let response = stage.get(&with(path)).await;
        assert_eq!(field(&response, "cache-control"), "private, no-cache");
    }
    let sprite = stage.text(&with("thumbnails/sprite.vtt")).await;
    assert!(sprite.contains(&format!("sprite.jpg?token={TOKEN}#xywh=0,0,160,90")));
    let media = stage.get(&with("720p.mp4")).await;
    assert_eq!(
        field(&media, "cache-control"),
        "private, max-age=31536000, immutable"
    );
    // Everyone's token is nobody's.
    let public = stage
        .text(&format!("/vod/public/master.m3u8?token={TOKEN}"))
        .await;
    assert!(!public.contains("token"));
    let public = stage.get("/vod/public/720p.mp4").await;
    assert_eq!(
        field(&public, "cache-control"),
        "public, max-age=31536000, immutable"
    );
}

#[tokio::test]
async fn texts_are_packed_where_the_client_takes_it() {
    let stage = Stage::new();
    for path in ["/vod/public/720p/playlist.m3u8", "/vod/public/master.m3u8"] {
        let plain = stage.text(path).await;
        for _ in 0..2 {
            let packed = stage
                .ask(Method::GET, path, &[("accept-encoding", "br, gzip")])
                .await;
            assert_eq!(field(&packed, "content-encoding"), "gzip");
            assert_eq!(field(&packed, "vary"), "Accept-Encoding");
            let mut unpacked = String::new();
            let packed = body(packed).await;
            GzDecoder::new(&packed[..])
                .read_to_string(&mut unpacked)
                .unwrap();
            assert_eq!(unpacked, plain);
        }
    }
}

#[tokio::test]
async fn who_has_it_is_told_so() {
    let stage = Stage::new();
    let mut tags = Vec::new();
    for path in [
        "/vod/public/master.m3u8",
        "/vod/public/720p/playlist.m3u8",
        "/vod/public/720p.mp4",
        "/vod/public/360p.mp4",
        "/vod/public/720p/download.mp4",
        "/vod/public/subtitles/en.vtt",
        "/vod/public/thumbnails/0.jpg",
    ] {
        let response = stage.get(path).await;
        let tag = field(&response, "etag").to_owned();
        assert!(tag.ends_with('"'), "{path}: {tag}");
        let again = [("if-none-match", &tag[..]), ("range", "bytes=0-1")];
        let known = stage.ask(Method::GET, path, &again).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(field(&known, "etag"), tag);
        assert_eq!(
            field(&known, "cache-control"),
            field(&response, "cache-control")
        );
        assert!(body(known).await.is_empty());
        tags.push(tag);
    }
    tags.dedup();
    assert_eq!(tags.len(), 6, "two playlists are of one state: {tags:?}");
}

/// A private title's was made, and packed, to be thrown away: of two hours again and again.
#[tokio::test]
async fn a_playlist_that_the_client_has_is_not_made_anew() {
    let (_, title) = shelved("a1", vec![Tape::audio(Duration::ZERO, LENGTH)]);
    let mut headers = HeaderMap::new();
    let tag = title.playlist_tag().parse().unwrap();
    headers.insert(header::IF_NONE_MATCH, tag);
    let request = Admitted {
        title: &title,
        audience: Audience::Granted,
        token: Some(TOKEN),
        conditions: Conditions::of(&Method::GET, &headers),
    };
    let known = request.playlist(|| unreachable!("the client has it"));
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(field(&known, "cache-control"), "private, no-cache");
    // What is not there is not known either.
    let path = "/vod/public/audio/iframes.m3u8";
    let any = [("if-none-match", "*")];
    let missing = Stage::new().ask(Method::GET, path, &any).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn head_says_what_get_would_and_options_what_may_be_asked() {
    let stage = Stage::new();
    for path in [
        "/vod/public/master.m3u8",
        "/vod/public/720p.mp4",
        "/vod/public/720p/download.mp4",
        "/vod/public/thumbnails/0.jpg",
        "/vod/nobody/720p.mp4",
    ] {
        let got = stage.get(path).await;
        let headed = stage.ask(Method::HEAD, path, &[]).await;
        assert_eq!(headed.status(), got.status());
        let len = got.body().len_bytes().to_string();
        assert_eq!(field(&headed, "content-length"), len, "{path}");
        let mut fields: HeaderMap = headed.headers().clone();
        fields.remove(header::CONTENT_LENGTH);
        assert_eq!(fields, *got.headers(), "{path}");
        assert!(body(headed).await.is_empty());
    }
    let reads = stage.shelf.reads.load(Ordering::SeqCst);
    stage.ask(Method::HEAD, "/vod/public/720p.mp4", &[]).await;
    assert_eq!(stage.shelf.reads.load(Ordering::SeqCst), reads);
    let options = stage
        .ask(Method::OPTIONS, "/vod/public/720p.mp4", &[])
        .await;
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        field(&options, "access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(field(&options, "access-control-allow-headers"), "Range");
}

#[tokio::test]
async fn media_that_lies_elsewhere_is_not_read_here() {
    let stage = Stage::new();
    let url = "https://cdn.example/a1/720p.mp4?signature=x";
    *stage.shelf.elsewhere.lock().unwrap() = Some(url.to_owned());
    let response = stage.get("/vod/public/720p.mp4").await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(field(&response, "location"), url);
    assert_eq!(field(&response, "cache-control"), "no-store");
    assert_eq!(field(&response, "access-control-allow-origin"), "*");
    assert_eq!(stage.shelf.reads.load(Ordering::SeqCst), 0);
    assert_eq!(stage.status("/vod/public/720p/playlist.m3u8").await, 200);
    assert_eq!(stage.status("/vod/public/720p/download.mp4").await, 200);
    *stage.shelf.elsewhere.lock().unwrap() = Some("no\nurl".to_owned());
    assert_eq!(stage.status("/vod/public/720p.mp4").await, 503);
}

#[tokio::test]
async fn a_refusal_says_of_which_kind_it_is() {
    let stage = Stage::new();
    for (path, kind) in [
        ("/vod/nobody/720p.mp4", "no_such_route"),
        ("/vod/private/720p.mp4", "playback_token_required"),
    ] {
        let refused = stage.get(path).await;
        assert_eq!(field(&refused, "content-type"), "application/problem+json");
        let problem = String::from_utf8(body(refused).await.to_vec()).unwrap();
        let start = format!(r#"{{"type":"/api/v1/problems/{kind}","status":40"#);
        assert!(problem.starts_with(&start), "{problem}");
        assert!(
            problem.ends_with(&format!(r#""code":"{kind}"}}"#)),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_private_title_is_never_given_away_by_a_url_that_outlives_its_token() {
    let stage = Stage::new();
    let url = "https://cdn.example/a1/720p.mp4?signature=x";
    *stage.shelf.elsewhere.lock().unwrap() = Some(url.to_owned());
    let response = stage
        .get(&format!("/vod/private/720p.mp4?token={TOKEN}"))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key(header::LOCATION));
    assert!(response.body().len_bytes() > 0);
}

#[tokio::test]
async fn what_was_asked_for_is_counted() {
    let stage = Stage::new();
    let master = stage.text("/vod/public/master.m3u8").await;
    stage.ranged("/vod/public/720p.mp4", 0..100).await;
    stage.ranged("/vod/public/720p.mp4", 100..300).await;
    stage.status("/vod/public/1080p.mp4").await;
    stage.status("/vod/public/nothing").await;
    let counters = stage.delivery.counters();
    assert_eq!(counters.answered(Subject::Master), 1);
    assert_eq!(counters.bytes(Subject::Master), master.len() as u64);
    assert_eq!(counters.answered(Subject::Media), 2);
    assert_eq!(counters.refused(Subject::Media), 1);
    assert!(counters.bytes(Subject::Media) > 300);
    assert_eq!(counters.refused(Subject::Other), 1);
    assert_eq!(Subject::ALL.map(|it| it as usize), [0, 1, 2, 3, 4, 5, 6]);
}

/// What a hot title costs to render the first time; from then on it is a reference.
#[tokio::test]
async fn two_hours_are_rendered_once() {
    const HOURS_2: Duration = Duration::from_secs(7200);
    let stage = Stage::of(vec![Tape::video("720p", Duration::ZERO, HOURS_2)]);
    let began = std::time::Instant::now();
    let text = stage.text("/vod/public/720p/playlist.m3u8").await;
    println!("{} bytes in {:?}", text.len(), began.elapsed());
    assert_eq!(reread::media(&text).segments.len(), 3600);
    let first = stage.get("/vod/public/720p/playlist.m3u8").await;
    let second = stage.get("/vod/public/720p/playlist.m3u8").await;
    let [first, second] = [first, second].map(|response| {
        let mut body = response.into_body();
        let frame = std::pin::pin!(body.frame());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match frame.poll(&mut context) {
            std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(first.as_ptr(), second.as_ptr());
}
