//! Videos as a viewer meets them: imported recordings, with the texts that are theirs alone.

use std::process::Command;

use serde_json::{Value, json};

use crate::clip::Clip;
use crate::http::{self, Answer};
use crate::program::{Program, ffmpeg, output, wait_for};
use crate::server::{ADMIN_TOKEN, Server};

const SUBTITLES: &str = "WEBVTT\n\n00:00.500 --> 00:01.500\nGuten Morgen\n";

fn get(server: &Server, path: &str) -> Answer {
    http::get(server.http, path).expect("an answer")
}

fn admin(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let answer = server.admin(method, path, Some(&body.to_string()));
    assert!(answer.status < 300, "{}", answer.text());
    answer.json()
}

/// A recording of four seconds.
fn recording(server: &Server) -> String {
    let stream = server.stream();
    let mut publisher = ffmpeg(["-readrate", "4", "-i"]);
    publisher
        .arg(Clip::new(120).file())
        .args(["-c", "copy", "-f", "flv", &stream.rtmp]);
    Program::start(&mut publisher).finish();
    server.wait_for_log(&["recording ended"]);
    let log = server.log();
    let ended = log.lines().find(|line| line.contains("recording ended"));
    let id = ended.and_then(|line| line.split_once("recording="));
    let (_, rest) = id.expect("its id");
    rest.split_whitespace().next().expect("a word").to_owned()
}

fn keep_subtitles(server: &Server, path: &str) {
    let mut sender = Command::new("curl");
    sender
        .args([
            "-sS",
            "--fail-with-body",
            "-H",
            "Content-Type: text/vtt",
            "-H",
        ])
        .arg(format!("Authorization: Bearer {}", ADMIN_TOKEN))
        .args(["--data-binary", SUBTITLES])
        .arg(format!("http://{}{path}", server.http));
    let said = output(&mut sender);
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stdout)
    );
}

#[test]
fn an_imported_recording_plays_with_its_subtitles_and_outlives_what_it_was_made_of() {
    let server = Server::start();
    let recording = recording(&server);
    let new = json!({ "recording_id": recording, "title": "Harbour" });
    let video = admin(&server, "POST", "/api/v1/videos", &new);
    let id = video["id"].as_str().expect("an id").to_owned();
    let renditions = |video: &Value| -> Vec<String> {
        let downloads = video["playback"]["download"].as_array().expect("a list");
        let names = downloads
            .iter()
            .map(|it| it["rendition"].as_str().expect("a name"));
        names.map(str::to_owned).collect()
    };
    assert_eq!(renditions(&video), ["180p", "90p", "audio"]);
    let plain = get(&server, &format!("/vod/{id}/master.m3u8"));
    assert_eq!(plain.status, 200, "{}", plain.text());
    assert!(!plain.text().contains("SUBTITLES"), "{}", plain.text());
    let path = format!("/vod/{id}/180p/playlist.m3u8");
    let of_recording = format!("/vod/{recording}/180p/playlist.m3u8");
    assert_eq!(
        get(&server, &path).text(),
        get(&server, &of_recording).text()
    );

    keep_subtitles(
        &server,
        &format!("/api/v1/videos/{id}/subtitles?language=de&label=Deutsch"),
    );
    wait_for("subtitles in the playlist", || {
        let master = get(&server, &format!("/vod/{id}/master.m3u8")).text();
        master.contains("TYPE=SUBTITLES") && master.contains("subtitles/de.m3u8")
    });
    let text = get(&server, &format!("/vod/{id}/subtitles/de.vtt"));
    assert_eq!(text.text(), SUBTITLES);

    let change = json!({ "visibility": "private" });
    admin(&server, "PATCH", &format!("/api/v1/videos/{id}"), &change);
    wait_for("a closed door", || {
        get(&server, &format!("/vod/{id}/master.m3u8")).status == 403
    });
    let tokens = format!("/api/v1/videos/{id}/playback-tokens");
    let issued = admin(&server, "POST", &tokens, &json!({}));
    let token = issued["token"].as_str().expect("a token");
    server.keep_secret(token);
    let opened = get(&server, &format!("/vod/{id}/master.m3u8?token={token}"));
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert!(
        opened
            .text()
            .contains(&format!("180p/playlist.m3u8?token={token}"))
    );
    assert_eq!(get(&server, &of_recording).status, 200);
    let views = server.admin("GET", &format!("/api/v1/videos/{id}"), None);
    assert_eq!(views.json()["views"], 0, "playing alone counts nothing");
    server.stop();
}
