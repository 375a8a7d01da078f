//! Recordings in S3: there while they are made, played from there when they are nowhere else, and
//! whole whatever the line to it does.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use scratch::s3::{self, BUCKET, Fault, Line};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::http;
use crate::metrics::{address_of, scrape};
use crate::program::{Program, ffmpeg, wait_at_most, wait_for};
use crate::recordings::{assert_counted_from_zero, get, publish, shown, the_recording};
use crate::server::{SMALL_LADDER, Server};

/// Ten seconds.
const FRAMES: u32 = 300;

/// After an outage uploads are tried again at most so much later.
const RETRIED_WITHIN: Duration = Duration::from_secs(90);

/// A server whose recordings go to the S3 server at `address`.
fn storing(address: SocketAddr, variables: &[(&str, &str)]) -> Server {
    Server::configured(|command| {
        command
            .env("MILLRACE_LADDER_RUNGS", SMALL_LADDER)
            .env("MILLRACE_STORAGE_URL", format!("s3://{BUCKET}/tv"))
            .envs(s3::variables(address))
            .envs(variables.iter().copied());
    })
}

fn wait_until_stored(server: &Server) {
    wait_at_most(RETRIED_WITHIN, "media in the store", || {
        server.log_has(&["media is in the store"])
    });
    // The local files go after that.
    wait_at_most(RETRIED_WITHIN, "the local files' end", || {
        let assets = fs::read_dir(server.data().join("assets"));
        assets.expect("the folder").count() == 0
    });
}

/// That a recording plays whole in all its ways.
fn assert_plays(server: &Server, id: &str) {
    for (rendition, size) in [("180p", (320, 180)), ("90p", (160, 90))] {
        for path in ["playlist.m3u8", "download.mp4"] {
            let url = format!("http://{}/vod/{id}/{rendition}/{path}", server.http);
            assert_counted_from_zero(&shown(server, &url, size), FRAMES);
        }
    }
    for picture in ["thumbnail-1.jpg", "sprites.vtt", "sprite-0.jpg"] {
        let found = get(server, &format!("/vod/{id}/thumbnails/{picture}"));
        assert_eq!(found.status, 200, "{picture}");
    }
}

#[test]
fn a_recording_plays_from_the_store_alone() {
    let store = s3::Server::start();
    let server = storing(store.address(), &[("MILLRACE_METRICS", "127.0.0.1:0")]);
    let metrics = address_of(&server);
    publish(&server.stream(), FRAMES);
    let id = the_recording(&server);
    // At once, wherever it is by now.
    assert_eq!(get(&server, &format!("/vod/{id}/master.m3u8")).status, 200);
    wait_until_stored(&server);
    assert_plays(&server, &id);
    assert!(!store.ask("GET", "?uploads").contains("<UploadId>"));

    let figures = scrape(metrics);
    let outcome = |outcome| {
        let labels = [("outcome", outcome)];
        figures.value("millrace_upload_ended_files_total", &labels)
    };
    // Media and indexes of two pictures and a sound, manifest, a sheet and its cues, and stills.
    let listed = store.ask("GET", "?list-type=2");
    let objects = listed.matches("<Key>tv/assets/").count();
    assert!(objects >= 10, "{listed}");
    assert_eq!(outcome("uploaded"), objects as f64);
    assert_eq!(outcome("given_up"), 0.0);
    for name in ["files", "waiting_files", "behind_bytes"] {
        assert_eq!(figures.value(&format!("millrace_upload_{name}"), &[]), 0.0);
    }
    let downloads = [("resource", "download"), ("outcome", "answered")];
    assert!(figures.value("millrace_vod_requests_total", &downloads) >= 2.0);

    // The API knows its renditions from the store too.
    let new = json!({ "recording_id": id, "title": "Harbour" }).to_string();
    let made = server.admin("POST", "/api/v1/videos", Some(&new)).json();
    let video = made["id"].as_str().expect("an id");
    let shown = get(&server, &format!("/api/v1/videos/{video}")).json();
    let downloads = shown["playback"]["download"].as_array().expect("a list");
    let names: Vec<_> = downloads.iter().map(|it| &it["rendition"]).collect();
    assert_eq!(names, ["180p", "90p", "audio"]);
    server.stop();
}

#[test]
fn viewers_are_sent_to_the_store_by_signed_urls() {
    let store = s3::Server::start();
    let server = storing(store.address(), &[("MILLRACE_STORAGE_PLAYBACK", "signed")]);
    publish(&server.stream(), FRAMES);
    let id = the_recording(&server);
    wait_until_stored(&server);
    let sent = get(&server, &format!("/vod/{id}/180p.mp4"));
    assert!((300..400).contains(&sent.status), "{}", sent.status);
    let url = sent.header("location").expect("a URL").to_owned();
    assert!(url.starts_with(&store.url("/tv/assets/")), "{url}");
    assert!(url.contains("X-Amz-Signature="), "{url}");
    let (_, path) = url.split_once(&store.address().to_string()).expect("it");
    let media = http::get(store.address(), path).expect("an answer");
    assert_eq!(media.status, 200);
    assert_eq!(&media.body[4..8], b"ftyp");
    assert_plays(&server, &id);
    let (_, signature) = url.split_once("X-Amz-Signature=").expect("signed");
    server.keep_secret(signature);
    server.stop();
}

#[test]
fn an_outage_of_the_store_loses_nothing_and_playback_says_503_until_it_is_over() {
    let store = s3::Server::start();
    let runtime = Runtime::new().expect("threads");
    let line = runtime.block_on(Line::to(store.address()));
    line.set(Fault::Refuses);
    let server = storing(line.address(), &[]);
    publish(&server.stream(), FRAMES);
    let id = the_recording(&server);
    // From this machine: nobody waits for the store.
    assert_plays(&server, &id);
    server.wait_for_log(&["WARN", "media cannot be stored"]);
    assert!(!server.log_has(&["media is in the store"]));
    line.set(Fault::None);
    wait_until_stored(&server);
    server.wait_for_log(&["media is stored again"]);
    assert_plays(&server, &id);

    for fault in [Fault::Refuses, Fault::Answers { status: 503 }] {
        line.set(fault);
        for path in ["180p.mp4", "thumbnails/thumbnail-1.jpg"] {
            let refused = get(&server, &format!("/vod/{id}/{path}"));
            assert_eq!(refused.status, 503, "{fault:?}");
            assert_eq!(refused.header("retry-after"), Some("1"));
        }
        line.set(Fault::None);
        assert_plays(&server, &id);
    }
    server.stop();
}

/// Its readers took every place that there is, and what lies on this machine was 503 too.
#[test]
fn a_store_that_hangs_takes_no_place_from_recordings_on_this_machine() {
    /// More than may read the store at a time.
    const VIEWERS: usize = 80;
    let store = s3::Server::start();
    let runtime = Runtime::new().expect("threads");
    let line = runtime.block_on(Line::to(store.address()));
    let server = storing(line.address(), &[]);
    publish(&server.stream(), FRAMES);
    let far = the_recording(&server);
    wait_until_stored(&server);
    assert_plays(&server, &far);
    line.set(Fault::Hangs);
    let stream = server.stream();
    publish(&stream, 90);
    let mut near = None;
    wait_at_most(RETRIED_WITHIN, "the second recording", || {
        let path = format!("/api/v1/recordings?stream_id={}&status=ready", stream.id);
        let listed = server.admin("GET", &path, None).json();
        near = listed["items"][0]["id"].as_str().map(str::to_owned);
        near.is_some()
    });
    let near = near.expect("it");
    // One that was asked for already is planned, and begins.
    let far_files = ["180p.mp4", "audio/download.mp4"].map(|file| format!("/vod/{far}/{file}"));
    let viewers: Vec<_> = (0..VIEWERS)
        .map(|number| {
            // One of them downloads.
            let path = far_files[usize::from(number == 0)].clone();
            let address = server.http;
            thread::spawn(move || http::get(address, &path))
        })
        .collect();
    for file in ["180p.mp4", "180p/download.mp4"] {
        let path = format!("/vod/{near}/{file}");
        wait_for(file, || get(&server, &path).status == 200);
    }
    let wait_still = viewers.iter().filter(|viewer| !viewer.is_finished());
    assert!(wait_still.count() > 0, "nobody waited meanwhile");
    for viewer in viewers {
        let answer = viewer.join().expect("no panic").expect("an answer");
        assert_eq!(answer.status, 503);
    }
    line.set(Fault::None);
    assert_plays(&server, &far);
    server.stop();
}

#[test]
fn parts_are_in_the_store_while_the_broadcast_runs_and_a_killed_server_goes_on_with_them() {
    let store = s3::Server::start();
    let mut server = storing(
        store.address(),
        &[("MILLRACE_LADDER_RUNGS", "180p 320x180 40000k")],
    );
    // Noise, which nothing makes small: the first part is full after some seconds.
    let mut noise = ffmpeg(["-re", "-f", "lavfi", "-i"]);
    noise
        .arg("color=gray:s=320x180:r=30,noise=alls=100:allf=t")
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-qp", "8"])
        .args(["-g", "30", "-pix_fmt", "yuv420p", "-f", "flv"])
        .arg(server.stream().rtmp);
    let publisher = Program::start(&mut noise);
    let between = |text: &str, begin: &str, end: &str| -> Option<String> {
        let (_, rest) = text.split_once(begin)?;
        Some(rest.split_once(end)?.0.to_owned())
    };
    let mut uploading = None;
    wait_at_most(RETRIED_WITHIN, "a part", || {
        let listed = store.ask("GET", "?uploads");
        let Some(id) = between(&listed, "<UploadId>", "</UploadId>") else {
            return false;
        };
        let key = between(&listed, "<Key>", "</Key>").expect("a key");
        let parts = store.ask("GET", &format!("/{key}?uploadId={id}"));
        uploading = Some(key);
        parts.contains("<PartNumber>1</PartNumber>")
    });
    let key = uploading.expect("a key");
    assert!(key.ends_with("/180p.mp4"), "{key}");
    assert!(!server.log_has(&["recording ended"]));
    server.kill_and_restart();
    publisher.kill();
    server.wait_for_log(&["interrupted recording recovered"]);
    wait_until_stored(&server);
    // The same upload: had another been begun, this one would still be there.
    assert!(!store.ask("GET", "?uploads").contains("<UploadId>"));
    let log = server.log();
    let (_, rest) = log.split_once("recovered recording=").expect("its id");
    let id = rest.split_whitespace().next().expect("a word");
    let media = http::get(store.address(), &format!("/{BUCKET}/{key}")).expect("an answer");
    let played = get(&server, &format!("/vod/{id}/180p.mp4"));
    assert_eq!((media.status, played.status), (200, 200));
    assert!(media.body.len() > 8 << 20, "{} bytes", media.body.len());
    assert!(media.body == played.body, "they differ");
    let url = format!("http://{}/vod/{id}/180p/playlist.m3u8", server.http);
    let mut player = ffmpeg(["-xerror", "-i", &url, "-f", "null", "-"]);
    Program::start(&mut player).finish();
    server.stop();
}
