//! Uploaded files become videos: in every rendition with every frame, whatever happens meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::clip::{Clip, H264};
use crate::decode::{self, assert_every_frame_once};
use crate::encoder::Carrier;
use crate::http;
use crate::program::{Program, ffmpeg, output, wait_at_most, wait_for};
use crate::server::{ADMIN_TOKEN, Server};
use crate::viewer::Viewer;

/// Encoding files gives way to everything else on the machine, such as other tests.
pub(crate) const ENCODED_WITHIN: Duration = Duration::from_secs(120);

/// Both renditions of the small ladder.
const RENDITIONS: [(&str, (usize, usize)); 2] = [("180p", (320, 180)), ("90p", (160, 90))];

/// "a film" in Base64.
const TITLE: &str = "title YSBmaWxt";

/// A video's file on its way by tus.
struct Upload {
    /// Its URL.
    url: String,
    video: String,
}

impl Upload {
    fn begin(server: &Server, length: usize) -> Self {
        let headers = format!(
            "Authorization: Bearer {ADMIN_TOKEN}\r\nTus-Resumable: 1.0.0\r\n\
             Upload-Length: {length}\r\nUpload-Metadata: {TITLE}\r\n"
        );
        let made = http::request(server.http, "POST", "/api/v1/uploads", &headers, None);
        let made = made.expect("an answer");
        assert_eq!(made.status, 201, "{}", made.text());
        let said = |name: &str| made.header(name).expect(name).to_owned();
        Self {
            url: format!("http://{}{}", server.http, said("location")),
            video: said("millrace-video"),
        }
    }

    /// Sends a piece by curl; the answer's status.
    fn send(&self, server: &Server, offset: usize, bytes: &[u8]) -> String {
        let piece = server.scratch().join("piece");
        fs::write(&piece, bytes).expect("a disk");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-X", "PATCH", &self.url, "-o", "/dev/null"])
            .args(["-w", "%{http_code}"])
            .args(["-H", &format!("Authorization: Bearer {ADMIN_TOKEN}")])
            .args(["-H", "Tus-Resumable: 1.0.0"])
            .args(["-H", "Content-Type: application/offset+octet-stream"])
            .args(["-H", &format!("Upload-Offset: {offset}")])
            .arg("--data-binary")
            .arg(format!("@{}", piece.display()));
        String::from_utf8_lossy(&output(&mut curl).stdout).into_owned()
    }
}

/// Uploads a file in so many pieces; the video's id.
pub(crate) fn upload(server: &Server, file: &Path, pieces: usize) -> String {
    let bytes = fs::read(file).expect("a file");
    let upload = Upload::begin(server, bytes.len());
    let mut offset = 0;
    for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
        assert_eq!(upload.send(server, offset, piece), "204", "at {offset}");
        offset += piece.len();
    }
    upload.video
}

/// Waits for a video; the folder of its media.
fn ready(server: &Server, video: &str) -> PathBuf {
    wait_at_most(ENCODED_WITHIN, "the video", || {
        server.log_has(&["video ready", video])
    });
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("video ready") && line.contains(video));
    let (_, rest) = line.expect("it").split_once("asset=").expect("its asset");
    let asset = rest.split_whitespace().next().expect("a word");
    server.data().join("assets").join(asset)
}

/// That what plays as the video shows all of so many frames in every rendition.
fn assert_has_every_frame(server: &Server, video: &str, frames: u32) {
    let base = format!("http://{}/vod/{video}", server.http);
    let master = http::get(server.http, &format!("/vod/{video}/master.m3u8"));
    let master = master.expect("an answer").text();
    for (rendition, size) in RENDITIONS {
        let playlist = format!("{rendition}/playlist.m3u8");
        assert!(master.contains(&playlist), "{master}");
        let shown = server.scratch().join("shown.grey");
        let _ = fs::remove_file(&shown);
        let mut player = ffmpeg(["-i", &format!("{base}/{playlist}")]);
        player
            .args(["-map", "0:v:0", "-fps_mode", "passthrough"])
            .args(["-pix_fmt", "gray", "-f", "rawvideo"])
            .arg(&shown);
        let (content, said) = Program::start(&mut player).wait();
        assert!(content, "{said}");
        let numbers = decode::numbers(&decode::raw_pictures(&shown, size));
        let expected: Vec<_> = (0..frames).map(Some).collect();
        assert!(numbers == expected, "{rendition}: {numbers:?}");
    }
}

/// How much of a video is encoded, of 1000.
fn progress(server: &Server, video: &str) -> u64 {
    let video = server.admin("GET", &format!("/api/v1/videos/{video}"), None);
    let progress = &video.json()["progress_permille"];
    progress.as_u64().expect("a number")
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

/// A minute that takes some seconds to encode.
fn a_minute() -> Clip {
    Clip::new(30 * 60)
}

#[test]
fn an_upload_in_pieces_becomes_a_video_with_every_frame() {
    let server = Server::start();
    for container in ["mp4", "matroska", "ts"] {
        let clip = Clip {
            container,
            ..Clip::new(100)
        };
        let video = upload(&server, &clip.file(), 3);
        let media = ready(&server, &video);
        assert_has_every_frame(&server, &video, clip.frames);
        assert!(media.join("audio.mp4").exists(), "{container}");
        assert!(media.join("thumbnail-1.jpg").exists(), "{container}");
    }
    // What was uploaded is not kept twice.
    let uploads = server.data().join("uploads");
    wait_for("the uploads to be removed", || count(&uploads) == 0);
    server.stop();
}

#[test]
fn a_file_that_is_no_video_fails_with_its_reason() {
    let server = Server::start();
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    bytes.extend((0..100_000_u32).map(|number| (number * 31 % 251) as u8));
    let file = server.scratch().join("garbage.mp4");
    fs::write(&file, bytes).expect("a disk");
    let video = upload(&server, &file, 1);
    server.wait_for_log(&["video failed", &video, "MP4"]);
    let (uploads, assets) = (server.data().join("uploads"), server.data().join("assets"));
    wait_for("everything to be removed", || {
        count(&uploads) == 0 && count(&assets) == 0
    });
    server.stop();
}

#[test]
fn an_upload_goes_on_after_the_server_was_killed() {
    let mut server = Server::start();
    let clip = Clip::new(100);
    let bytes = fs::read(clip.file()).expect("a file");
    let upload = Upload::begin(&server, bytes.len());
    let half = bytes.len() / 2;
    assert_eq!(upload.send(&server, 0, &bytes[..half]), "204");
    server.kill_and_restart();
    assert_eq!(upload.send(&server, 0, &bytes), "409");
    assert_eq!(upload.send(&server, half, &bytes[half..]), "204");
    ready(&server, &upload.video);
    assert_has_every_frame(&server, &upload.video, clip.frames);
    server.stop();
}

#[test]
fn an_encoding_begins_anew_after_the_server_was_killed() {
    let mut server = Server::start();
    let clip = a_minute();
    let video = upload(&server, &clip.file(), 1);
    let assets = server.data().join("assets");
    wait_for("a segment", || {
        let assets = fs::read_dir(&assets).expect("a folder");
        let indexes = assets.map(|asset| asset.expect("a folder").path().join("90p.index"));
        indexes
            .filter_map(|index| fs::metadata(index).ok())
            .any(|index| index.len() > 8)
    });
    server.kill_and_restart();
    ready(&server, &video);
    assert_has_every_frame(&server, &video, clip.frames);
    assert_eq!(count(&assets), 1, "half an asset is left");
    server.stop();
}

#[test]
fn an_orderly_stop_puts_an_encoding_off() {
    let mut server = Server::start();
    let clip = a_minute();
    let video = upload(&server, &clip.file(), 1);
    server.wait_for_log(&["encoding a file", &video]);
    server.terminate();
    server.wait_for_log(&["encoding is put off", &video]);
    wait_for("the server's end", || server.log_has(&[" stopped "]));
    server.kill_and_restart();
    ready(&server, &video);
    assert_has_every_frame(&server, &video, clip.frames);
    assert!(server.log_has(&["encoding a file", &video, "attempt=1"]));
    assert!(!server.log_has(&["encoding a file", &video, "attempt=2"]));
    server.stop();
}

#[test]
fn a_broadcast_beside_it_misses_no_frame() {
    let server = Server::start();
    let file = a_minute();
    let video = upload(&server, &file.file(), 1);
    server.wait_for_log(&["encoding a file", &video]);
    let clip = Clip {
        video: H264,
        ..Clip::new(30 * 25)
    };
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let carrier = Carrier::Rtmp;
    let tail = carrier.tail_frames();
    let publisher = carrier.publish(&clip.file(), &stream);
    let cores = thread::available_parallelism().expect("cores").get();
    if cores <= 4 {
        server.wait_for_log(&["encoding waits for broadcasts"]);
        // What was in hand is noted within three seconds.
        thread::sleep(Duration::from_secs(4));
        let held = progress(&server, &video);
        thread::sleep(Duration::from_secs(4));
        assert!(
            !server.log_has(&["encoding goes on"]),
            "the broadcast was too short"
        );
        assert_eq!(progress(&server, &video), held, "it is not held");
    }
    publisher.finish();
    assert_every_frame_once(&viewer.until_end(), clip.frames, tail, &server.scratch());
    ready(&server, &video);
    assert_has_every_frame(&server, &video, file.frames);
    server.stop();
}
