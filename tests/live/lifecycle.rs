//! A stream's life: publishers stop, die, return, are refused; keys change; the server stops.

use std::thread;
use std::time::Duration;

use crate::clip::Clip;
use crate::decode::{self, assert_every_frame_once};
use crate::encoder::{self, Carrier};
use crate::http;
use crate::program::wait_for;
use crate::server::{Server, Stream};
use crate::viewer::Viewer;

/// What a publisher sends that is stopped by its test.
fn long() -> Clip {
    Clip::new(30 * 40)
}

/// Waits until segments of `stream` can be played.
fn is_playable(server: &Server, stream: &Stream) {
    wait_for("a playable playlist", || server.status(stream) == "live");
}

fn playlist(server: &Server, stream: &Stream) -> String {
    let path = format!("/live/{}/180p/playlist.m3u8", stream.id);
    http::get(server.http, &path).expect("an answer").text()
}

fn has_ended(server: &Server, stream: &Stream) -> bool {
    playlist(server, stream).contains("#EXT-X-ENDLIST")
}

#[test]
fn a_stop_ends_the_playlist_and_the_next_broadcast_plays_at_the_same_url() {
    let clip = Clip::new(30 * 5);
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    encoder::rtmp(&file, &stream.rtmp).finish();
    wait_for("the playlist's end", || has_ended(&server, &stream));
    let first = viewer.until_end();
    wait_for("the stream to be offline", || {
        server.status(&stream) == "offline"
    });

    let publisher = encoder::srt(&file, &stream.srt);
    wait_for("the second broadcast", || {
        http::get(
            server.http,
            &format!("/live/{}/180p/playlist.m3u8", stream.id),
        )
        .is_ok_and(|answer| answer.status == 200 && !answer.text().contains("#EXT-X-ENDLIST"))
    });
    let viewer = Viewer::follow(server.http, &stream.id);
    publisher.finish();
    let second = viewer.until_end();
    for (watched, carrier) in [(&first, Carrier::Rtmp), (&second, Carrier::Srt)] {
        let tail = carrier.tail_frames();
        assert_every_frame_once(watched, clip.frames, tail, &server.scratch());
    }
    for rendition in &second.renditions {
        let before = first.rendition(&rendition.name);
        assert_ne!(before.init_uri, rendition.init_uri, "the same broadcast");
        let last = before.segments.last().expect("segments").sequence;
        let next = rendition.segments[0].sequence;
        assert!(next > last, "{}: {next} after {last}", rendition.name);
    }
    server.stop();
}

/// What was seen of a broadcast whose publisher was lost and returned.
fn assert_continues(numbers: &[Option<u32>]) {
    let gap = numbers
        .windows(2)
        .position(|pair| pair[0].is_some_and(|number| pair[1] != Some(number + 1)))
        .expect("the first publisher was lost");
    let back = gap
        + 1
        + numbers[gap + 1..]
            .iter()
            .position(|it| *it == Some(0))
            .expect("it returned");
    let first: Vec<_> = (0..=gap as u32).map(Some).collect();
    assert_eq!(numbers[..=gap], first[..], "the first publisher's frames");
    // In between stands the last picture or a slate.
    let last = numbers[gap];
    let slate = &numbers[gap + 1..back];
    assert!(
        !slate.is_empty() && slate.iter().all(|it| it.is_none() || *it == last),
        "{slate:?}"
    );
    let second: Vec<_> = (0..(numbers.len() - back) as u32).map(Some).collect();
    assert_eq!(numbers[back..], second[..], "the second publisher's frames");
}

fn a_killed_publisher_returns(carrier: Carrier) {
    let lost = long().file();
    let returning = Clip::new(30 * 5);
    let file = returning.file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = carrier.publish(&lost, &stream);
    is_playable(&server, &stream);
    publisher.kill();
    thread::sleep(Duration::from_millis(1500));
    assert!(
        !has_ended(&server, &stream),
        "it ended before the publisher could return"
    );
    carrier.publish(&file, &stream).finish();
    // One initialization segment and unbroken sequences: the viewer checks both.
    let watched = viewer.until_end();
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    assert_continues(&decode::numbers(&pictures));
    decode::assert_aligned(&watched);
    server.stop();
}

#[test]
fn a_killed_rtmp_publisher_returns_to_the_same_broadcast() {
    a_killed_publisher_returns(Carrier::Rtmp);
}

#[test]
fn a_killed_srt_publisher_returns_and_takes_over() {
    a_killed_publisher_returns(Carrier::Srt);
}

#[test]
fn a_publisher_who_does_not_return_ends_the_broadcast() {
    let file = long().file();
    let server = Server::with(&[
        ("MILLRACE_LADDER_RUNGS", "180p 320x180 300k"),
        ("MILLRACE_INGEST_RECONNECT_MS", "1000"),
    ]);
    let stream = server.stream();
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    is_playable(&server, &stream);
    publisher.kill();
    wait_for("the playlist's end", || has_ended(&server, &stream));
    assert_eq!(server.status(&stream), "offline");
    server.stop();
}

#[test]
fn a_second_publisher_is_refused_and_the_first_keeps_every_frame() {
    let clip = Clip::new(30 * 8);
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let first = encoder::rtmp(&file, &stream.rtmp);
    is_playable(&server, &stream);
    for mut second in [
        encoder::rtmp(&file, &stream.rtmp),
        encoder::srt(&file, &stream.srt),
    ] {
        let (content, said) = second.wait();
        assert!(!content, "a second publisher was let in: {said}");
    }
    for protocol in ["protocol=rtmp", "protocol=srt"] {
        server.wait_for_log(&[protocol, "the stream is already being published"]);
    }
    first.finish();
    let watched = viewer.until_end();
    assert_every_frame_once(&watched, clip.frames, 0, &server.scratch());
    server.stop();
}

#[test]
fn a_wrong_key_is_refused_at_once_and_logged_with_the_peer_but_not_with_the_key() {
    let file = Clip::new(30 * 3).file();
    let server = Server::start();
    let stream = server.stream();
    // The same one again would not be said again.
    let wrong = ["mr_this_is_nobodys_key", "mr_this_is_nobodys_either"];
    wrong.iter().for_each(|wrong| server.keep_secret(wrong));
    let [by_rtmp, by_srt] = wrong;
    for (mut publisher, protocol) in [
        (
            encoder::rtmp(&file, &format!("rtmp://{}/live/{by_rtmp}", server.rtmp)),
            "protocol=rtmp",
        ),
        (
            encoder::srt(
                &file,
                &format!("srt://{}?streamid=publish:{by_srt}", server.srt),
            ),
            "protocol=srt",
        ),
    ] {
        let (content, _) = publisher.wait();
        assert!(!content, "{protocol}: let in");
        server.wait_for_log(&[
            "refused",
            protocol,
            "peer=127.0.0.1:",
            "the stream key is wrong",
        ]);
    }
    assert_eq!(server.status(&stream), "offline");
    server.stop();
}

#[test]
fn a_rotated_key_closes_the_old_door_and_opens_a_new_one() {
    let file = Clip::new(30 * 5).file();
    let server = Server::start();
    let stream = server.stream();
    let answer = server.admin("POST", &format!("/api/v1/streams/{}/key", stream.id), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let new = answer.json()["stream_key"]
        .as_str()
        .expect("a key")
        .to_owned();
    server.keep_secret(&new);
    assert_ne!(new, stream.key);
    let (content, _) = encoder::rtmp(&file, &stream.rtmp).wait();
    assert!(!content, "the old key still works");
    let publisher = encoder::rtmp(&file, &stream.rtmp.replace(&stream.key, &new));
    is_playable(&server, &stream);
    // Rotated while it is used: its publisher has to go.
    server.admin("POST", &format!("/api/v1/streams/{}/key", stream.id), None);
    let mut publisher = publisher;
    let (content, _) = publisher.wait();
    assert!(!content, "a publisher goes on with a key that is void");
    server.stop();
}

#[test]
fn deleting_a_stream_ends_its_broadcast() {
    let file = long().file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let mut publisher = encoder::rtmp(&file, &stream.rtmp);
    is_playable(&server, &stream);
    let answer = server.admin("DELETE", &format!("/api/v1/streams/{}", stream.id), None);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let (content, _) = publisher.wait();
    assert!(!content, "the publisher was not disconnected");
    viewer.until_end();
    let answer = server.admin("GET", &format!("/api/v1/streams/{}", stream.id), None);
    assert_eq!(answer.status, 404);
    server.stop();
}

#[test]
fn sigterm_with_a_live_broadcast_shows_viewers_the_end() {
    let file = long().file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = encoder::srt(&file, &stream.srt);
    is_playable(&server, &stream);
    server.terminate();
    let watched = viewer.until_end();
    assert_eq!(watched.names(), ["180p", "90p", "audio"]);
    server.stopped();
    drop(publisher);
}

#[test]
fn health_counts_what_is_live() {
    let file = long().file();
    let server = Server::start();
    let streams = [server.stream(), server.stream()];
    let live = || {
        let answer = http::get(server.http, "/health").expect("an answer");
        let json = answer.json();
        assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
        assert!(json["uptime_s"].is_u64());
        json["live_broadcasts"].as_u64().expect("a number")
    };
    assert_eq!(live(), 0);
    let publishers = streams
        .each_ref()
        .map(|stream| encoder::rtmp(&file, &stream.rtmp));
    wait_for("two broadcasts", || live() == 2);
    for publisher in &publishers {
        publisher.interrupt();
    }
    wait_for("their ends", || live() == 0);
    server.stop();
}
