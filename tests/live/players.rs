//! Real players beside the browser: `ffmpeg`'s and GStreamer's HLS clients.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::clip::Clip;
use crate::decode;
use crate::encoder;
use crate::http;
use crate::program::{Program, ffmpeg, wait_for};
use crate::server::{Server, Stream};
use crate::viewer::{Viewer, attribute};

/// Longer than any player here plays.
const FRAMES: u32 = 30 * 40;

/// Nobody, by number: VLC does not run as root.
const NOBODY: &str = "65534";

/// VLC without a window, which tells of all that it does. It may write into the server's scratch
/// folder.
pub(crate) fn vlc(server: &Server, arguments: &[&str]) -> Command {
    let home = server.scratch().join("home");
    fs::create_dir(&home).expect("a folder");
    for folder in [&server.scratch(), &home] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("ours");
    }
    let is_root = fs::metadata("/proc/self").expect("Linux").uid() == 0;
    let mut command = match is_root {
        true => Command::new("setpriv"),
        false => Command::new("env"),
    };
    if is_root {
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        command.args([&user, &group, "--clear-groups", "env"]);
    }
    command.arg(format!("HOME={}", home.display()));
    command.args(["cvlc", "-vv", "--no-color"]).args(arguments);
    command
}

fn live() -> (Server, Stream, Program) {
    let file = Clip::new(FRAMES).file();
    let server = Server::start();
    let stream = server.stream();
    let publisher = encoder::srt(&file, &stream.srt);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    (server, stream, publisher)
}

#[test]
fn ffmpeg_plays_all_renditions_at_once_without_a_word() {
    let (server, stream, publisher) = live();
    let url = format!("http://{}/live/{}/master.m3u8", server.http, stream.id);
    let arguments = ["-i", &url, "-map", "0", "-t", "5", "-f", "null", "-"];
    let (content, said) = Program::start(&mut ffmpeg(arguments)).wait();
    assert!(content);
    assert_eq!(said, "");
    drop(publisher);
    server.stop();
}

#[test]
fn gstreamer_plays_a_live_broadcast_to_its_end_without_losing_a_frame() {
    let clip = Clip::new(30 * 10);
    let file = clip.file();
    // One rung: the player's file holds pictures of one size.
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", "180p 320x180 400k")]);
    let stream = server.stream();
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    let shown = server.scratch().join("shown.grey");
    let mut player = Command::new("gst-launch-1.0");
    player
        .args(["-q", "playbin", "audio-sink=fakesink"])
        .arg(format!(
            "uri=http://{}/live/{}/master.m3u8",
            server.http, stream.id
        ))
        .arg(format!(
            "video-sink=videoconvert ! video/x-raw,format=GRAY8 ! filesink location={}",
            shown.display()
        ));
    Program::start(&mut player).finish();
    publisher.finish();
    let numbers = decode::numbers(&decode::raw_pictures(&shown, (320, 180)));
    let first = numbers.first().copied().flatten().expect("a counter");
    let expected: Vec<_> = (first..clip.frames).map(Some).collect();
    assert_eq!(numbers, expected);
    // It began near the live edge, not at the end.
    assert!(first < clip.frames - 90, "it began with {first}");
    server.stop();
}

#[test]
fn parts_come_while_a_segment_grows_and_joined_they_are_the_segment() {
    let (server, stream, publisher) = live();
    let folder = format!("/live/{}/180p", stream.id);
    let playlist = |query: &str| {
        let answer = http::get(server.http, &format!("{folder}/playlist.m3u8{query}"));
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let first = playlist("");
    let oldest = first
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    let oldest: u64 = oldest.expect("a line").parse().expect("a number");
    let lines = first.lines();
    let sequence = oldest + lines.filter(|line| line.starts_with("#EXTINF")).count() as u64;
    // Asks for each part of the segment that is open next, before it exists.
    let mut parts = Vec::new();
    let open = sequence + 1;
    loop {
        let text = playlist(&format!("?_HLS_msn={open}&_HLS_part={}", parts.len()));
        let uri_of = |index: usize| {
            let wanted = format!("/{open}.{index}.m4s");
            let mut lines = text.lines().filter(|line| line.starts_with("#EXT-X-PART:"));
            lines.find_map(|line| attribute(line, "URI=").filter(|uri| uri.ends_with(&wanted)))
        };
        let Some(uri) = uri_of(parts.len()) else {
            break;
        };
        let part = http::get(server.http, &format!("{folder}/{uri}")).expect("a part");
        assert_eq!(part.status, 200);
        parts.push(part.body);
        assert!(parts.len() < 50, "a segment without an end");
    }
    // Two seconds in parts of a third.
    assert_eq!(parts.len(), 6, "{first}");
    let text = playlist(&format!("?_HLS_msn={open}"));
    let wanted = format!("/{open}.m4s");
    let uri = text
        .lines()
        .find(|line| line.ends_with(&wanted))
        .expect("it is complete");
    let whole = http::get(server.http, &format!("{folder}/{uri}")).expect("a segment");
    assert!(whole.body == parts.concat(), "the segment is not its parts");
    drop(publisher);
    server.stop();
}

#[test]
fn a_first_playlist_comes_within_three_seconds_of_the_first_byte() {
    let file = Clip::new(30 * 6).file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    let time_of = |what: &str| {
        let log = server.log();
        let line = log.lines().find(|line| line.contains(what))?;
        let clock = line.split(['T', 'Z']).nth(1)?;
        let mut parts = clock.split(':').map(|part| part.parse::<f64>().ok());
        let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
        Some(hours * 3600.0 + minutes * 60.0 + seconds)
    };
    server.wait_for_log(&["broadcast playable"]);
    publisher.finish();
    let began = time_of("broadcast begins").expect("a line of the log");
    let playable = time_of("broadcast playable").expect("a line of the log");
    // Past midnight the clock starts again.
    let took_s = (playable - began).rem_euclid(86_400.0);
    assert!(took_s <= 3.0, "{took_s} s");
    viewer.until_end();
    server.stop();
}
