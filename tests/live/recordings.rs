//! What a broadcast has become when it is over: every rendition, every frame, at once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clip::Clip;
use crate::decode;
use crate::encoder;
use crate::http::{self, Answer};
use crate::program::{Program, ffmpeg, output, wait_for};
use crate::server::{SMALL_LADDER, Server, Stream};

/// Ten seconds.
const FRAMES: u32 = 300;

/// Sends the clip from its first frame to its last, at twice its speed: who sends more than a busy
/// machine encodes loses pictures, as intended.
pub(crate) fn publish(stream: &Stream, frames: u32) {
    let mut publisher = ffmpeg(["-readrate", "2", "-i"]);
    publisher
        .arg(Clip::new(frames).file())
        .args(["-c", "copy", "-f", "flv", &stream.rtmp]);
    Program::start(&mut publisher).finish();
}

/// The recordings that have ended, by what the log says of them.
fn ended(server: &Server) -> Vec<String> {
    let log = server.log();
    let ended = log.lines().filter(|line| line.contains("recording ended"));
    let id = |line: &str| {
        let (_, rest) = line.split_once("recording=").expect("its id");
        rest.split_whitespace().next().expect("a word").to_owned()
    };
    ended.map(id).collect()
}

pub(crate) fn the_recording(server: &Server) -> String {
    server.wait_for_log(&["recording ended"]);
    let ended = ended(server);
    assert_eq!(ended.len(), 1, "{ended:?}");
    ended.into_iter().next().expect("one")
}

pub(crate) fn get(server: &Server, path: &str) -> Answer {
    http::get(server.http, path).expect("an answer")
}

/// The counters of the pictures that a player shows of `url`.
pub(crate) fn shown(server: &Server, url: &str, size: (usize, usize)) -> Vec<Option<u32>> {
    let shown = server.scratch().join("shown.grey");
    let _ = fs::remove_file(&shown);
    let mut player = ffmpeg(["-i", url, "-map", "0:v:0", "-fps_mode", "passthrough"]);
    player
        .args(["-pix_fmt", "gray", "-f", "rawvideo"])
        .arg(&shown);
    let (content, said) = Program::start(&mut player).wait();
    assert!(content, "{said}");
    decode::numbers(&decode::raw_pictures(&shown, size))
}

pub(crate) fn assert_counted_from_zero(numbers: &[Option<u32>], at_least: u32) {
    let expected: Vec<_> = (0..numbers.len() as u32).map(Some).collect();
    assert!(numbers == expected, "{numbers:?}");
    assert!(numbers.len() as u32 >= at_least, "{} frames", numbers.len());
}

#[test]
fn a_broadcast_plays_in_every_rendition_the_moment_it_ends() {
    let server = Server::start();
    let stream = server.stream();
    publish(&stream, FRAMES);
    let id = the_recording(&server);
    let master = get(&server, &format!("/vod/{id}/master.m3u8"));
    assert_eq!(master.status, 200, "{}", master.text());
    let master = master.text();
    for of in ["180p", "90p", "audio"] {
        assert!(master.contains(&format!("{of}/playlist.m3u8")), "{master}");
    }
    assert!(master.contains("#EXT-X-I-FRAME-STREAM-INF"), "{master}");
    let url = |path: &str| format!("http://{}/vod/{id}/{path}", server.http);
    for (rendition, size) in [("180p", (320, 180)), ("90p", (160, 90))] {
        for path in ["playlist.m3u8", "download.mp4"] {
            let numbers = shown(&server, &url(&format!("{rendition}/{path}")), size);
            assert_counted_from_zero(&numbers, FRAMES);
        }
    }
    let sound = url("180p/download.mp4");
    let streams = output(Command::new("ffprobe").args([
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name",
        "-of",
        "csv=p=0",
        &sound,
    ]));
    let streams = String::from_utf8_lossy(&streams.stdout).into_owned();
    assert_eq!(streams.lines().collect::<Vec<_>>(), ["h264", "aac"]);
    let still = get(&server, &format!("/vod/{id}/thumbnails/thumbnail-1.jpg"));
    assert_eq!(still.header("content-type"), Some("image/jpeg"));
    let cues = get(&server, &format!("/vod/{id}/thumbnails/sprites.vtt")).text();
    assert!(cues.contains("sprite-0.jpg#xywh=0,0,160,90"), "{cues}");
    let sheet = get(&server, &format!("/vod/{id}/thumbnails/sprite-0.jpg"));
    assert_eq!(sheet.status, 200);
    // What was recorded was not written a second time for those who rewind.
    assert!(fs::read_dir(server.data().join("dvr")).is_ok_and(|mut it| it.next().is_none()));
    server.stop();
}

#[test]
fn a_killed_server_has_the_recording_up_to_its_last_whole_segment() {
    let mut server = Server::start();
    let stream = server.stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 40).file(), &stream.rtmp);
    let media = || -> Option<u64> {
        let asset = fs::read_dir(server.data().join("assets")).ok()?.next()?;
        let index: PathBuf = asset.ok()?.path().join("180p.index");
        Some(fs::metadata(index).ok()?.len())
    };
    let mut first = None;
    // Past the header and two segments or more.
    wait_for("some segments", || {
        let now = media().unwrap_or(0);
        let grown = first.is_some_and(|first| now > first + 300);
        first = first.or((now > 0).then_some(now));
        grown
    });
    server.kill_and_restart();
    publisher.kill();
    server.wait_for_log(&["interrupted recording recovered"]);
    let asked = server.admin("GET", &format!("/api/v1/streams/{}", stream.id), None);
    assert_eq!(asked.status, 200);
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("interrupted recording recovered"));
    let (_, rest) = line.expect("it").split_once("recording=").expect("its id");
    let id = rest.split_whitespace().next().expect("a word");
    for (rendition, size) in [("180p", (320, 180)), ("90p", (160, 90))] {
        let url = format!("http://{}/vod/{id}/{rendition}/playlist.m3u8", server.http);
        assert_counted_from_zero(&shown(&server, &url, size), 60);
    }
    server.stop();
}

/// They were written at the end only, and their addresses led nowhere.
#[test]
fn a_killed_servers_recording_has_the_pictures_that_were_seen() {
    let mut server = Server::start();
    let stream = server.stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 60).file(), &stream.rtmp);
    wait_for("pictures on the disk", || {
        let mut assets = fs::read_dir(server.data().join("assets")).expect("the folder");
        let asset = assets.next().map(|asset| asset.expect("an entry").path());
        let has = |file: &str| {
            asset
                .as_ref()
                .is_some_and(|asset| asset.join(file).exists())
        };
        has("thumbnail-1.jpg") && has("sprites.vtt") && has("sprite-0.jpg")
    });
    server.kill_and_restart();
    publisher.kill();
    let id = the_recording(&server);
    for (picture, content_type) in [
        ("thumbnail-1.jpg", "image/jpeg"),
        ("sprite-0.jpg", "image/jpeg"),
        ("sprites.vtt", "text/vtt"),
    ] {
        let found = get(&server, &format!("/vod/{id}/thumbnails/{picture}"));
        assert_eq!(found.status, 200, "{picture}");
        let found = found.header("content-type").unwrap_or_default();
        assert!(found.starts_with(content_type), "{picture}: {found}");
    }
    server.stop();
}

/// Not a second after the end: who sees that the broadcast has ended finds its recording.
#[test]
fn a_recording_plays_as_soon_as_viewers_see_the_end() {
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", "90p 160x90 200k")]);
    let stream = server.stream();
    let recordings = format!("/api/v1/recordings?stream_id={}", stream.id);
    let publisher = thread::spawn({
        let stream = stream.clone();
        move || publish(&stream, 3 * FRAMES)
    });
    let mut id = None;
    wait_for("the recording's row", || {
        let listed = server.admin("GET", &recordings, None).json();
        id = listed["items"][0]["id"].as_str().map(str::to_owned);
        id.is_some()
    });
    let id = id.expect("it");
    let live = format!("/live/{}/90p/playlist.m3u8", stream.id);
    let vod = format!("/vod/{id}/90p/playlist.m3u8");
    // Who asks too early is told so, and is not kept waiting for that.
    assert_eq!(get(&server, &vod).status, 404);
    wait_for("the end", || {
        get(&server, &live).text().contains("#EXT-X-ENDLIST")
    });
    let seen = Instant::now();
    wait_for("the recording", || get(&server, &vod).status == 200);
    let took = seen.elapsed();
    // Less than a second on an idle machine, which the benchmark holds it to. Nothing is encoded again.
    assert!(took < Duration::from_secs(10), "{took:?}");
    publisher.join().expect("published");
    server.stop();
}

#[test]
fn a_stream_says_itself_whether_it_is_recorded() {
    for (setting, wanted) in [("false", true), ("true", false)] {
        let server = Server::with(&[
            ("MILLRACE_LADDER_RUNGS", "90p 160x90 200k"),
            ("MILLRACE_RECORDING_RECORD", setting),
        ]);
        let stream = server.stream_of(&json!({ "title": "A stream", "record": wanted }));
        publish(&stream, 90);
        server.wait_for_log(&["broadcast ended"]);
        assert_eq!(
            server.log_count(&["recording ended", "status=\"ready\""]),
            usize::from(wanted)
        );
        server.stop();
    }
}

#[test]
fn retention_says_in_the_log_what_it_deletes_and_why() {
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", "90p 160x90 200k")]);
    let bounded = json!({ "title": "A stream", "retention": { "bytes": 1 } });
    publish(&server.stream_of(&bounded), 90);
    let id = the_recording(&server);
    publish(&server.stream(), 90);
    wait_for("the other one's end", || ended(&server).len() == 2);
    let other = ended(&server).pop().expect("two");
    // It is looked at every minute, and when something is deleted.
    let path = format!("/api/v1/recordings/{other}");
    assert_eq!(server.admin("DELETE", &path, None).status, 204);
    let line = format!("recording={id}");
    server.wait_for_log(&["recording deleted by retention", &line, "more than 1 bytes"]);
    let asked = server.admin("GET", &format!("/api/v1/recordings/{id}"), None);
    assert_eq!(asked.status, 404);
    wait_for("the files' end", || {
        let assets = fs::read_dir(server.data().join("assets")).expect("the folder");
        assets.count() == 0
    });
    server.stop();
}

#[test]
fn a_picture_that_the_source_lacks_is_recorded_in_the_best_there_is() {
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_RECORDING_RENDITIONS", "720p, audio"),
    ]);
    publish(&server.stream(), 90);
    let id = the_recording(&server);
    assert!(server.log_has(&["WARN", "the best there is is taken"]));
    let master = get(&server, &format!("/vod/{id}/master.m3u8")).text();
    assert!(master.contains("180p/playlist.m3u8"), "{master}");
    assert!(!master.contains("90p/playlist.m3u8"), "{master}");
    server.stop();
}

#[test]
fn a_publisher_that_returns_in_time_goes_on_in_the_same_recording() {
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", "90p 160x90 200k"),
        ("MILLRACE_INGEST_RECONNECT_MS", "20000"),
    ]);
    let stream = server.stream();
    let first = encoder::rtmp(&Clip::new(30 * 40).file(), &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    first.kill();
    server.wait_for_log(&["publisher lost"]);
    publish(&stream, FRAMES);
    let id = the_recording(&server);
    let url = format!("http://{}/vod/{id}/90p/playlist.m3u8", server.http);
    let numbers = shown(&server, &url, (160, 90));
    // Both publishers' first frames, and the second one's last.
    let begins = numbers.iter().filter(|number| **number == Some(0)).count();
    assert_eq!(begins, 2, "{numbers:?}");
    assert!(numbers.contains(&Some(FRAMES - 1)), "{numbers:?}");
    server.stop();
}

#[test]
fn a_private_streams_recording_needs_its_token() {
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", "90p 160x90 200k")]);
    let stream = server.private_stream();
    publish(&stream, 90);
    let id = the_recording(&server);
    for path in [
        "master.m3u8",
        "90p.mp4",
        "90p/download.mp4",
        "thumbnails/thumbnail-1.jpg",
    ] {
        let refused = get(&server, &format!("/vod/{id}/{path}"));
        assert_eq!(refused.status, 403, "{path}");
    }
    let path = format!("/api/v1/streams/{}/playback-tokens", stream.id);
    let token = server.admin("POST", &path, None).json()["token"].clone();
    let token = token.as_str().expect("text");
    server.keep_secret(token);
    let url = format!("http://{}/vod/{id}/master.m3u8?token={token}", server.http);
    assert_counted_from_zero(&shown(&server, &url, (160, 90)), 90);
    server.stop();
}

#[test]
fn a_stream_is_not_recorded_where_nobody_wants_it() {
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", "90p 160x90 200k"),
        ("MILLRACE_RECORDING_RECORD", "false"),
    ]);
    publish(&server.stream(), 90);
    server.wait_for_log(&["broadcast ended"]);
    let assets = fs::read_dir(server.data().join("assets")).expect("the folder");
    assert_eq!(assets.count(), 0);
    server.stop();
}
