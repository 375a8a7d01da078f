//! Private streams as a viewer meets them: nothing without a token, everything with one, by every
//! address that a playlist lists.

use std::process::Command;

use serde_json::json;

use crate::clip::Clip;
use crate::encoder;
use crate::http::{self, Answer};
use crate::program::{Program, ffmpeg, output, wait_for};
use crate::server::{Server, Stream};
use crate::viewer::attribute;

/// Sends to `stream` for longer than any test here takes.
fn publish(server: &Server, stream: &Stream) -> Program {
    let publisher = encoder::rtmp(&Clip::new(30 * 40).file(), &stream.rtmp);
    wait_for("a playable playlist", || server.status(stream) == "live");
    publisher
}

fn get(server: &Server, path: &str) -> Answer {
    http::get(server.http, path).expect("an answer")
}

fn issue(server: &Server, stream: &Stream, seconds: u32) -> String {
    let path = format!("/api/v1/streams/{}/playback-tokens", stream.id);
    let body = json!({ "expires_in_s": seconds }).to_string();
    let answer = server.admin("POST", &path, Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let token = answer.json()["token"].as_str().expect("text").to_owned();
    server.keep_secret(&token);
    token
}

fn set_visibility(server: &Server, stream: &Stream, visibility: &str) {
    let path = format!("/api/v1/streams/{}", stream.id);
    let body = json!({ "visibility": visibility }).to_string();
    let answer = server.admin("PATCH", &path, Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["visibility"], visibility);
}

/// Every URI of a playlist, in its lines and in its tags.
fn uris(playlist: &str) -> Vec<String> {
    let lines = playlist.lines().filter(|line| !line.is_empty());
    lines
        .filter_map(|line| match line.starts_with('#') {
            true => attribute(line, "URI=").map(str::to_owned),
            false => Some(line.to_owned()),
        })
        .collect()
}

/// The path of `uri` as a player resolves it against its playlist's (RFC 3986 §5.2.3).
fn resolved(playlist_path: &str, uri: &str) -> String {
    let path = playlist_path.split('?').next().expect("a path");
    let (mut folder, _) = path.rsplit_once('/').expect("a folder");
    let mut uri = uri;
    while let Some(rest) = uri.strip_prefix("../") {
        (folder, _) = folder.rsplit_once('/').expect("a folder above");
        uri = rest;
    }
    format!("{folder}/{uri}")
}

/// Walks through what the playlist at `path` leads to, and that of the playlists in it: each has to
/// carry `token` and to be closed without it and with `foreign`. Returns how many of media.
fn walk(server: &Server, path: &str, token: &str, foreign: &str) -> usize {
    let answer = get(server, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let playlist = answer.text();
    let mut media = 0;
    for uri in uris(&playlist) {
        let bare = uri.strip_suffix(&format!("?token={token}"));
        let bare = bare.unwrap_or_else(|| panic!("{uri} does not carry the token: {playlist}"));
        let bare = resolved(path, bare);
        assert_eq!(get(server, &bare).status, 403, "{bare}");
        let other = get(server, &format!("{bare}?token={foreign}"));
        assert_eq!(other.status, 403, "{bare} with another stream's token");
        let own = resolved(path, &uri);
        if !bare.ends_with(".m3u8") {
            media += 1;
            let answer = get(server, &own);
            assert_eq!(answer.status, 200, "{own}: {}", answer.text());
            let cache = answer
                .header("cache-control")
                .expect("it says how to cache");
            assert!(cache.starts_with("private, "), "{own}: {cache}");
        } else if path.contains("/master.m3u8") {
            media += walk(server, &own, token, foreign);
        }
    }
    media
}

#[test]
fn a_private_stream_is_closed_without_a_token_and_plays_with_one_by_every_address() {
    let server = Server::start();
    let stream = server.private_stream();
    let other = server.private_stream();
    let publisher = publish(&server, &stream);
    let (token, foreign) = (issue(&server, &stream, 600), issue(&server, &other, 600));
    let master = format!("/live/{}/master.m3u8", stream.id);

    let refused = get(&server, &master);
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    for wrong in ["", "guess", &foreign, &format!("{token}x")] {
        let answer = get(&server, &format!("{master}?token={wrong}"));
        assert_eq!(answer.status, 403, "{wrong}");
    }

    // Two rungs and the sound: an init segment, a segment and a part each at the least.
    let media = walk(
        &server,
        &format!("{master}?token={token}"),
        &token,
        &foreign,
    );
    assert!(media >= 9, "only {media} addresses of media");

    let folder = format!("/live/{}/180p", stream.id);
    let blocking = format!("{folder}/playlist.m3u8?_HLS_msn=1");
    assert_eq!(get(&server, &blocking).status, 403);
    let blocking = get(&server, &format!("{blocking}&token={token}"));
    assert_eq!(blocking.status, 200);
    assert_eq!(
        blocking.header("cache-control"),
        Some("private, max-age=10")
    );

    // Players that know nothing of tokens.
    let url = format!("http://{}{master}?token={token}", server.http);
    let arguments = ["-i", &url, "-map", "0", "-t", "3", "-f", "null", "-"];
    let (content, said) = Program::start(&mut ffmpeg(arguments)).wait();
    assert!(content, "{said}");
    assert_eq!(said, "");
    let curl = |url: &str| {
        output(Command::new("curl").args(["-fsS", url]))
            .status
            .code()
    };
    assert_eq!(curl(&url), Some(0));
    let without = url.split('?').next().expect("a URL");
    // 22: the server answered with an error.
    assert_eq!(curl(without), Some(22));

    drop(publisher);
    server.stop();
}

#[test]
fn a_token_that_expires_closes_the_stream_to_who_watches() {
    let server = Server::start();
    let stream = server.private_stream();
    let publisher = publish(&server, &stream);
    let long = issue(&server, &stream, 600);
    let short = issue(&server, &stream, 4);
    let playlist = |token: &str| {
        let path = format!("/live/{}/180p/playlist.m3u8?token={token}", stream.id);
        get(&server, &path).status
    };
    let told = |token: &str| {
        get(
            &server,
            &format!("/api/v1/watch/{}?token={token}", stream.id),
        )
    };
    assert_eq!(playlist(&short), 200);
    assert_eq!(told(&short).json()["status"], "live");
    wait_for("the token to expire", || playlist(&short) == 403);
    let expired = told(&short);
    assert_eq!(expired.status, 403);
    assert_eq!(expired.json()["code"], "playback_token_expired");
    assert!(!expired.text().contains("A stream"), "{}", expired.text());
    assert_eq!(playlist(&long), 200);
    drop(publisher);
    server.stop();
}

#[test]
fn a_stream_that_becomes_private_or_is_deleted_is_closed_at_once() {
    let server = Server::start();
    let stream = server.stream();
    let mut publisher = publish(&server, &stream);
    let token = issue(&server, &stream, 600);
    let master = format!("/live/{}/master.m3u8", stream.id);
    let path = format!("/live/{}/180p/playlist.m3u8", stream.id);
    let with_token = format!("{path}?token={token}");

    let public = get(&server, &master);
    assert_eq!(public.status, 200);
    // While it is public a token is ignored, so that caches keep one copy for all.
    let same = get(&server, &format!("{master}?token={token}"));
    assert_eq!(same.text(), public.text());
    set_visibility(&server, &stream, "private");
    assert_eq!(get(&server, &master).status, 403);
    assert_eq!(get(&server, &path).status, 403);
    assert_eq!(get(&server, &with_token).status, 200);
    set_visibility(&server, &stream, "public");
    assert_eq!(get(&server, &path).status, 200);
    set_visibility(&server, &stream, "private");
    assert!(publisher.runs(), "the publisher noticed");

    // A deleted stream's last broadcast is still there for those who watch it, and for them alone.
    let deleted = server.admin("DELETE", &format!("/api/v1/streams/{}", stream.id), None);
    assert_eq!(deleted.status, 204);
    assert_eq!(get(&server, &path).status, 403);
    wait_for("the playlist's end", || {
        get(&server, &with_token).text().contains("#EXT-X-ENDLIST")
    });
    // Nor does another change of the streams open it.
    server.stream();
    assert_eq!(get(&server, &path).status, 403);
    assert_eq!(get(&server, &with_token).status, 200);
    drop(publisher);
    server.stop();
}
