//! What playlists are asked for: delta updates, I-frames, gzip, the past, a private stream's.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Mutex;

use flate2::read::GzDecoder;
use media_core::RenditionName;

use super::*;
use crate::delivery::{Archive, Stored};
use crate::segment::Segment;
use crate::sequence::MediaSequence;

/// A minute that can be rewound, written to a file without a name.
#[derive(Debug)]
struct Tape {
    file: Mutex<File>,
    index: Mutex<HashMap<(RenditionName, MediaSequence), Stored>>,
}

impl Tape {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            file: Mutex::new(tempfile::tempfile().unwrap()),
            index: Mutex::default(),
        })
    }
}

impl Archive for Tape {
    fn store(&self, rendition: &RenditionName, segment: &Arc<Segment>) {
        let mut file = self.file.lock().unwrap();
        let bytes: Vec<u8> = segment.pieces().flatten().copied().collect();
        let stored = Stored {
            file: Arc::new(file.try_clone().unwrap()),
            offset: file.metadata().unwrap().len(),
            len_bytes: bytes.len(),
        };
        file.write_all(&bytes).unwrap();
        let place = (rendition.clone(), segment.sequence);
        assert!(self.index.lock().unwrap().insert(place, stored).is_none());
    }

    fn oldest(&self, rendition: &RenditionName) -> Option<MediaSequence> {
        let index = self.index.lock().unwrap();
        let places = index.keys().filter(|(name, _)| name == rendition);
        places.map(|&(_, sequence)| sequence).min()
    }

    fn find(&self, rendition: &RenditionName, sequence: MediaSequence) -> Option<Stored> {
        let place = (rendition.clone(), sequence);
        self.index.lock().unwrap().get(&place).cloned()
    }

    fn forget_before(&self, rendition: &RenditionName, sequence: MediaSequence) {
        let kept = |name: &RenditionName, at: MediaSequence| name != rendition || at >= sequence;
        let mut index = self.index.lock().unwrap();
        index.retain(|(name, at), _| kept(name, *at));
    }
}

/// A stream `s` whose viewers may rewind for `reach_s`.
fn rewindable(end: MediaTime, reach_s: u64) -> (Stage, Arc<Tape>) {
    let mut plan = plan(&["720p", "audio"], PART);
    plan.dvr = Some(seconds_of(reach_s));
    let tape = Tape::new();
    let archive: Arc<dyn Archive> = tape.clone();
    (
        Stage::with(plan, Some(archive), Arc::new(Everyone), end),
        tape,
    )
}

async fn with_header(
    stage: &Stage,
    path: &str,
    name: header::HeaderName,
    value: &str,
) -> Response<Body> {
    let request = Request::get(path).header(name, value).body(()).unwrap();
    stage.delivery.respond(&request).await.unwrap()
}

#[tokio::test]
async fn playlists_are_compressed_for_whoever_accepts_it() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    for path in [
        "/live/s/master.m3u8",
        "/live/s/720p/playlist.m3u8",
        "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=3",
    ] {
        let plain = stage.get(path).await;
        assert_eq!(text_header(&plain, header::VARY), "Accept-Encoding");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        let plain = text(plain).await;
        let packed = with_header(&stage, path, header::ACCEPT_ENCODING, "gzip, br").await;
        assert_eq!(text_header(&packed, header::VARY), "Accept-Encoding");
        assert_eq!(text_header(&packed, header::CONTENT_ENCODING), "gzip");
        let packed = body(packed).await;
        assert!(packed.len() < plain.len());
        let mut unpacked = String::new();
        GzDecoder::new(&packed[..])
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain, "{path}");
    }
    // Media is compressed already.
    let path = "/live/s/720p/b7/0.m4s";
    let media = with_header(&stage, path, header::ACCEPT_ENCODING, "gzip").await;
    assert!(!media.headers().contains_key(header::CONTENT_ENCODING));
}

#[tokio::test]
async fn a_reload_may_ask_for_a_delta_update() {
    let mut plan = plan(&["720p", "audio"], PART);
    plan.window_segments = 10;
    let end = MediaTime::from_millis(30_500);
    let mut stage = Stage::with(plan, None, Arc::new(Everyone), end);
    let full = text(stage.get("/live/s/720p/playlist.m3u8").await).await;
    let full = reread::media(&full);
    assert_eq!((full.sequence, full.segments.len()), (5, 10));
    let held = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=15&_HLS_part=3&_HLS_skip=YES")
        .await;
    stage.push_video();
    let delta = reread::media(&text(held.await.unwrap()).await);
    assert_eq!(delta.skipped, 4);
    assert_eq!(delta.segments, full.segments[4..]);
    assert_eq!(delta.open_parts.len(), 4);
    let merged = delta.merged_into(&full);
    assert_eq!(merged.segments, full.segments);
}

#[tokio::test]
async fn every_range_of_an_iframe_playlist_is_the_start_of_its_segment() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let playlist = text(stage.get("/live/s/720p/iframes.m3u8").await).await;
    let playlist = reread::media(&playlist);
    assert!(playlist.iframes_only);
    assert_eq!(playlist.segments.len(), 3);
    for segment in &playlist.segments {
        let (len, offset) = segment.range.unwrap();
        assert_eq!((len, offset), (crate::synthetic::KEYFRAME_BYTES as u64, 0));
        let path = format!("/live/s/720p/{}", segment.uri);
        let range = format!("bytes={offset}-{}", offset + len - 1);
        let response = stage.ranged(&path, &range).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert!(body(response).await.starts_with(b"moof720p/"));
    }
    assert_eq!(stage.status("/live/s/audio/iframes.m3u8").await, 404);
    assert_eq!(
        stage.status("/live/s/720p/iframes.m3u8?_HLS_msn=2").await,
        200
    );
}

#[tokio::test]
async fn viewers_rewind_into_the_archive() {
    let (stage, tape) = rewindable(MediaTime::from_millis(120_500), 100);
    let live = text(stage.get("/live/s/720p/playlist.m3u8").await).await;
    assert_eq!(reread::media(&live).segments.len(), 6);
    let master = text(stage.get("/live/s/master.m3u8?dvr=1").await).await;
    assert!(master.contains("\n720p/playlist.m3u8?dvr=1\n"), "{master}");
    assert!(master.contains("\"audio/playlist.m3u8?dvr=1\""), "{master}");
    for rendition in ["720p", "audio"] {
        let path = format!("/live/s/{rendition}/playlist.m3u8?dvr=1");
        let dvr = reread::media(&text(stage.get(&path).await).await);
        // What begins within the last 100 s.
        assert_eq!(dvr.sequence, 11, "{rendition}");
        assert_eq!(dvr.last_sequence(), 59);
        assert!(dvr.segments[0].dated);
        for (segment, number) in dvr.segments.iter().zip(11..) {
            let path = format!("/live/s/{rendition}/{}", segment.uri);
            let response = stage.get(&path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let len = text_len(&response);
            let bytes = body(response).await;
            assert_eq!(bytes.len(), len);
            let begins = format!("moof{rendition}/{number}/");
            assert!(bytes.starts_with(begins.as_bytes()), "{path}");
        }
    }
    // Archived, with a range that ends at the segment's end.
    let response = stage.ranged("/live/s/720p/b7/12.m4s", "bytes=9000-").await;
    assert_eq!(
        text_header(&response, header::CONTENT_RANGE),
        "bytes 9000-9999/10000"
    );
    let part = body(response).await;
    assert!(part.starts_with(b"moof720p/12/"), "the tenth part");
    assert_eq!(part.len(), 1000);
    // What was listed stays for as long again, and goes then.
    assert_eq!(stage.status("/live/s/720p/b7/0.m4s").await, 200);
    let mut stage = stage;
    stage.fill(seconds(230));
    assert_eq!(stage.status("/live/s/720p/b7/0.m4s").await, 404);
    let oldest = tape.oldest(&stage.video.rendition).unwrap().as_u64();
    assert!((11..=13).contains(&oldest), "{oldest}");
}

fn text_len(response: &Response<Body>) -> usize {
    response.body().len_bytes()
}

#[tokio::test]
async fn after_the_end_the_past_is_served_from_the_archive_alone() {
    let (stage, _tape) = rewindable(MediaTime::from_millis(90_500), 60);
    stage.broadcast.end();
    assert_eq!(stage.broadcast.settle(), seconds_of(60));
    let edition = stage.broadcast.feed("720p").unwrap().latest().unwrap();
    assert!(edition.segments.is_empty());
    for (path, first) in [("", 40), ("?dvr=1", 16)] {
        let path = format!("/live/s/720p/playlist.m3u8{path}");
        let playlist = reread::media(&text(stage.get(&path).await).await);
        assert!(playlist.ended);
        assert_eq!((playlist.sequence, playlist.last_sequence()), (first, 45));
        for segment in &playlist.segments {
            let path = format!("/live/s/720p/{}", segment.uri);
            assert_eq!(stage.status(&path).await, 200);
        }
    }
}

#[tokio::test]
async fn a_lost_archive_is_not_listed() {
    let (mut stage, tape) = rewindable(MediaTime::from_millis(100_500), 200);
    let path = "/live/s/720p/playlist.m3u8?dvr=1";
    assert_eq!(
        reread::media(&text(stage.get(path).await).await).sequence,
        0
    );
    let video = stage.video.rendition.clone();
    tape.forget_before(&video, MediaSequence::new(9));
    stage.fill(seconds(103));
    assert_eq!(
        reread::media(&text(stage.get(path).await).await).sequence,
        9
    );
}

#[tokio::test]
async fn without_an_archive_there_is_nothing_to_rewind_to() {
    let mut plan = plan(&["720p", "audio"], PART);
    plan.dvr = Some(seconds_of(100));
    let stage = Stage::with(plan, None, Arc::new(Everyone), seconds(60));
    let live = text(stage.get("/live/s/720p/playlist.m3u8").await).await;
    let dvr = text(stage.get("/live/s/720p/playlist.m3u8?dvr=1").await).await;
    assert_eq!(live, dvr);
}

/// The stream is private and its token is `good`.
pub(super) struct Private;

impl Access for Private {
    fn check(&self, stream: &str, token: Option<&str>) -> Verdict {
        match token {
            Some("good") if stream == "s" => Verdict::Granted,
            _ => Verdict::Refused,
        }
    }
}

#[tokio::test]
async fn a_private_streams_token_opens_it_and_is_in_every_child() {
    let plan = plan(&["720p", "audio"], PART);
    let end = MediaTime::from_millis(6700);
    let stage = Stage::with(plan, None, Arc::new(Private), end);
    let master = stage.get("/live/s/master.m3u8?token=good").await;
    let master = text(master).await;
    for uri in uris(&master) {
        assert!(uri.ends_with("?token=good"), "{uri}");
        assert_eq!(stage.status(&format!("/live/s/{uri}")).await, 200, "{uri}");
    }
    let playlist = "/live/s/720p/playlist.m3u8";
    let awaited = format!("{playlist}?_HLS_msn=2&token=good");
    let response = stage.get(&awaited).await;
    let cache = text_header(&response, header::CACHE_CONTROL);
    assert_eq!(cache, "private, max-age=10");
    let listed = text(response).await;
    let media = uris(&listed);
    assert!(media.len() > 30);
    for uri in media {
        assert!(uri.ends_with("?token=good"), "{uri}");
        let hinted = uri.contains("/3.4.m4s");
        let path = format!("/live/s/720p/{uri}");
        if !hinted {
            let response = stage.get(&path).await;
            assert_eq!(response.status(), StatusCode::OK, "{uri}");
            if !uri.contains("m3u8") {
                let cache = text_header(&response, header::CACHE_CONTROL);
                assert_eq!(cache, "private, max-age=31536000, immutable");
            }
        }
        let bare = path.replace("?token=good", "");
        for path in [
            &bare,
            &format!("{bare}?token=bad"),
            &format!("{bare}?tok=good"),
        ] {
            let response = stage.get(path).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
            assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
        }
    }
    assert_eq!(stage.status("/live/t/master.m3u8?token=good").await, 403);
}

/// Everything that a playlist leads to.
fn uris(playlist: &str) -> Vec<String> {
    let mut uris = Vec::new();
    for line in playlist.lines() {
        if !line.starts_with('#') {
            uris.push(line.to_owned());
        } else if let Some((_, rest)) = line.split_once("URI=\"") {
            let (uri, _) = rest.split_once('"').unwrap();
            uris.push(uri.to_owned());
        }
    }
    uris
}
