//! Other people's players for a minute of live each: none may stall, or say that something is
//! wrong. Too long for every run: `make test-minute` runs them.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::clip::Clip;
use crate::encoder;
use crate::http;
use crate::players::vlc;
use crate::program::{Program, wait_for};
use crate::server::Server;

const PLAYED: Duration = Duration::from_secs(60);

/// Complete segments in the playlist when a player comes. None of these knows low latency: in a
/// broadcast's first seconds there is no segment that is three target durations old to begin with
/// (RFC 8216 §6.3.3), and they play on without a reserve.
const SEGMENTS: usize = 6;

/// Longer than the broadcast before a player comes, its start and what it plays.
const FRAMES: u32 = 30 * 110;

/// What `player` says in a minute of a live broadcast in two sizes, whose URL it is given.
fn listen(player: impl FnOnce(&Server, &str) -> Command) -> String {
    let file = Clip::new(FRAMES).file();
    let server = Server::start();
    let stream = server.stream();
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    wait_for("a playlist of some length", || {
        let path = format!("/live/{}/180p/playlist.m3u8", stream.id);
        let playlist = http::get(server.http, &path).map(|answer| answer.text());
        playlist.is_ok_and(|text| text.matches("#EXTINF").count() >= SEGMENTS)
    });
    let url = format!("http://{}/live/{}/master.m3u8", server.http, stream.id);
    let mut player = Program::start(&mut player(&server, &url));
    thread::sleep(PLAYED);
    assert!(
        player.runs(),
        "it ended before it should: {}",
        player.wait().1
    );
    player.interrupt();
    let (_, said) = player.wait();
    drop(publisher);
    server.stop();
    said
}

/// A command line of the shell whose whole output goes to where the tests read it.
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line} 1>&2")]);
    command
}

#[test]
#[ignore = "takes a minute and a player: make test-minute"]
fn minute_gstreamers_hlsdemux2_plays_without_a_stall() {
    let said = listen(|_, url| {
        shell(&format!(
            "gst-launch-1.0 -m playbin3 uri={url} video-sink='fakesink sync=true' \
             audio-sink='fakesink sync=true'"
        ))
    });
    assert!(said.contains("hlsdemux2"), "another demuxer: {said}");
    assert!(!said.contains("ERROR"), "{said}");
    // It fills its buffer once, and a level below is a stall.
    let levels: Vec<&str> = said
        .match_indices("buffer-percent=(int)")
        .filter_map(|(at, name)| said[at + name.len()..].split(',').next())
        .collect();
    assert_eq!(levels.last(), Some(&"100"), "{levels:?}");
    let filled = levels.iter().filter(|level| **level == "100").count();
    assert_eq!(filled, 1, "{levels:?}");
}

#[test]
#[ignore = "takes a minute and a player: make test-minute"]
fn minute_mpv_plays_without_a_stall() {
    /// Tells of each pause for want of media, and how far it is.
    const SCRIPT: &str = r#"
        local function say(text) io.stderr:write(text .. "\n") end
        mp.observe_property("paused-for-cache", "bool", function(_, value)
            say("paused " .. tostring(value) .. " at " .. tostring(mp.get_property("time-pos")))
        end)
        mp.add_periodic_timer(1, function() say("played " .. tostring(mp.get_property("time-pos"))) end)
    "#;
    let said = listen(|server, url| {
        let script = server.scratch().join("tell.lua");
        fs::write(&script, SCRIPT).expect("a file");
        let script = script.display();
        shell(&format!(
            "mpv --no-config --no-terminal --vo=null --ao=null --script={script} {url}"
        ))
    });
    let played = said.lines().filter_map(|line| line.strip_prefix("played "));
    let mut played = played.filter_map(|seconds| seconds.parse::<f64>().ok());
    let last = played.next_back().unwrap_or(0.0);
    assert!(last > PLAYED.as_secs_f64() - 10.0, "{last} s: {said}");
    assert!(!said.contains("paused true"), "{said}");
}

#[test]
#[ignore = "takes a minute and a player: make test-minute"]
fn minute_vlc_plays_without_a_stall() {
    let said = listen(|server, url| vlc(server, &["--vout", "dummy", "--aout", "adummy", url]));
    // It fills its buffers once.
    assert_eq!(said.matches("Stream buffering done").count(), 1, "{said}");
    let (_, played) = said.split_once("Stream buffering done").expect("once");
    // Not each picture that a busy machine paints too late.
    for trouble in ["Buffering ", "called too late", "error:"] {
        let lines: Vec<_> = played
            .lines()
            .filter(|line| line.contains(trouble))
            .collect();
        assert!(lines.is_empty(), "{trouble}: {lines:#?}");
    }
}
