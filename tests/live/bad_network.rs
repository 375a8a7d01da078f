//! Publishers on bad lines: what viewers see of losses, of a line that is gone for seconds, and of one
//! that stands still. The proxies lose and hold up by a seed (`netproxy`).

use std::thread;
use std::time::Duration;

use netproxy::udp::Network;
use netproxy::{tcp, udp};
use serde_json::Value;

use crate::clip::Clip;
use crate::decode::{self, assert_every_frame_once};
use crate::encoder::{self, SRT_TAIL_FRAMES};
use crate::http;
use crate::metrics;
use crate::picture::Picture;
use crate::program::{Program, ffmpeg, wait_for};
use crate::publishers::relay_by_srt_live_transmit;
use crate::server::{SMALL_LADDER, Server, Stream};
use crate::viewer::Viewer;

/// How long lines are gone, or stand still: what a handover of a mobile phone takes.
const OUT: Duration = Duration::from_secs(3);

/// Round trip of 40 ms, and one packet of a hundred that is overtaken or comes twice.
fn network(loss: f64) -> Network {
    Network {
        loss,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(4),
        reorder: 0.01,
        duplicates: 0.01,
    }
}

/// A server with figures that gives SRT half a second for retransmissions.
fn server() -> Server {
    Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_INGEST_SRT_LATENCY_MS", "500"),
        ("MILLRACE_METRICS", "127.0.0.1:0"),
    ])
}

/// The one publisher, as the API tells of it; null where there is none.
fn publisher(server: &Server, stream: &Stream) -> Value {
    let path = format!("/api/v1/streams/{}/publishers", stream.id);
    let answer = server.admin("GET", &path, None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert!(json["items"].as_array().is_some_and(|it| it.len() <= 1));
    json["items"][0].clone()
}

#[test]
fn every_frame_comes_through_srt_at_five_percent_loss() {
    let clip = Clip {
        container: "ts",
        ..Clip::new(30 * 8)
    };
    let file = clip.file();
    let server = server();
    let stream = server.stream();
    let proxy = udp::Proxy::start(server.srt, 7, network(0.05), &[]).expect("a port");
    let viewer = Viewer::follow(server.http, &stream.id);
    let (relay, transmit) = relay_by_srt_live_transmit(proxy.address(), &stream.key);
    server.wait_for_log(&["latency_ms=500", "publishing"]);
    let mut source = ffmpeg(["-re", "-i"]);
    source
        .arg(&file)
        // Filled up to a constant rate, so that there is something to lose.
        .args(["-c", "copy", "-f", "mpegts", "-muxrate", "2M"])
        .arg(format!("udp://{relay}?pkt_size=1316"));
    let source = Program::start(&mut source);
    wait_for("the publisher's figures", || {
        let it = publisher(&server, &stream);
        let packet = |kind: &str| it["packets"][kind].as_u64().unwrap_or(0);
        packet("lost") > 10 && packet("retransmitted") > 10 && it["bitrate_kbps"].is_u64()
    });
    let it = publisher(&server, &stream);
    assert_eq!(it["protocol"], "srt", "{it}");
    assert_eq!(it["role"], "primary", "{it}");
    assert_eq!(it["latency_ms"], 500, "{it}");
    let rtt_ms = it["rtt_ms"].as_f64().expect("SRT measures it");
    assert!((30.0..90.0).contains(&rtt_ms), "{it}");
    let address = it["address"].as_str().expect("text");
    assert!(address.starts_with("127.0.0.1:"), "{it}");
    source.finish();
    // What is still under way has its latency to arrive; the goodbye is sent once.
    proxy.set(network(0.0));
    thread::sleep(Duration::from_millis(550));
    transmit.interrupt();
    let watched = viewer.until_end();
    let pictures =
        assert_every_frame_once(&watched, clip.frames, SRT_TAIL_FRAMES, &server.scratch());
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    in_sync(&pictures, &beeps, 0.0);
    let counts = proxy.counts();
    assert!(counts.lost > 50, "the proxy lost little: {counts:?}");
    assert!(publisher(&server, &stream).is_null(), "it has left");
    server.stop();
}

/// Parts of the first rendition so far.
fn parts(server: &Server, stream: &Stream) -> f64 {
    let labels = [("stream", stream.id.as_str()), ("rendition", "180p")];
    metrics::scrape(metrics::address_of(server)).value("millrace_parts_total", &labels)
}

/// Pictures that came too late for their place so far.
fn late_pictures(server: &Server, stream: &Stream) -> f64 {
    let labels = [("stream", stream.id.as_str()), ("kind", "frames_dropped")];
    metrics::scrape(metrics::address_of(server)).value("millrace_timeline_mends_total", &labels)
}

/// While the line is out parts go on being published.
fn goes_on_during(server: &Server, stream: &Stream, out: impl FnOnce()) {
    let before = parts(server, stream);
    out();
    thread::sleep(OUT);
    let during = parts(server, stream) - before;
    // Of nine. In the first 700 ms nothing stands in, and a busy machine encodes late.
    assert!(during >= 4.0, "{during} parts in {OUT:?}");
}

/// What was seen of a publisher whose line was out: its pictures, something that stands in, its
/// pictures again, no more than `shift_max` from the place that they would have had. The seconds
/// where they return for good.
fn assert_returns(pictures: &[Picture], frames: u32, tail: u32, shift_max: i64) -> f64 {
    let numbers = decode::numbers(pictures);
    let follows = |index: &usize| {
        let before = numbers[index - 1];
        before.is_some() && numbers[*index] == before.map(|it| it + 1)
    };
    let gone = (1..numbers.len()).find(|index| !follows(index));
    let gone = gone.expect("the line was out");
    let first: Vec<_> = (0..gone as u32).map(Some).collect();
    assert_eq!(numbers[..gone], first[..], "before");
    // In the tail something may stand in, or be missing.
    let sure = numbers.len() - tail as usize;
    let back = (1..sure).rev().find(|index| !follows(index));
    let back = back.expect("the line was out");
    let seen = &numbers[gone..back];
    // What is decoded of pictures behind lost ones may read as anything, up to the next keyframe.
    let stands_in = |it: &&Option<u32>| it.is_none() || **it == numbers[gone - 1];
    let others = seen.len() - seen.iter().filter(stands_in).count();
    assert!(others <= 30, "{seen:?}");
    let out = frames_in(OUT) as usize;
    assert!(
        (out / 2..out * 2).contains(&seen.len()),
        "{seen:?} in {OUT:?}"
    );
    let returned = numbers[back].expect("a number");
    let shift = back as i64 - i64::from(returned);
    assert!(
        shift.abs() <= shift_max,
        "{shift} pictures from its place: {seen:?}"
    );
    let all = numbers.len() as i64 - i64::from(frames) - shift;
    assert!(all.abs() <= i64::from(tail), "{all} pictures too many");
    pictures[back].time_s
}

/// Pictures at the clips' rate.
fn frames_in(time: Duration) -> u64 {
    time.as_millis() as u64 * 30 / 1000
}

/// By how many pictures a publisher may be later, or earlier, than before its line was out.
const SHIFT_MAX: i64 = 2;

/// Flashes and beeps after this time go together. It is to lie between two of them: pictures return
/// with a keyframe, which is where the clip flashes.
fn in_sync(pictures: &[Picture], beeps: &[f64], after_s: f64) {
    let late = |times: Vec<f64>| -> Vec<f64> {
        let times = times.into_iter();
        times.filter(|time| *time > after_s).collect()
    };
    let flashes = late(decode::flashes(pictures));
    decode::assert_in_sync(&flashes, &late(beeps.to_vec()));
}

/// Nothing of the outage is in the playlist.
fn assert_unbroken(server: &Server, stream: &Stream) {
    let path = format!("/live/{}/180p/playlist.m3u8", stream.id);
    let playlist = http::get(server.http, &path).expect("an answer").text();
    let breaks = |line: &str| line == "#EXT-X-DISCONTINUITY";
    assert!(!playlist.lines().any(breaks), "{playlist}");
    assert_eq!(server.log_count(&["publishing"]), 1, "one session");
}

#[test]
fn a_blackout_of_three_seconds_over_srt_stalls_no_output_and_pictures_and_sound_return() {
    let clip = Clip::new(30 * 14);
    let file = clip.file();
    let server = server();
    let stream = server.stream();
    let proxy = udp::Proxy::start(server.srt, 7, network(0.0), &[]).expect("a port");
    let viewer = Viewer::follow(server.http, &stream.id);
    let url = format!("srt://{}?streamid=publish:{}", proxy.address(), stream.key);
    let encoder = encoder::srt(&file, &url);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    goes_on_during(&server, &stream, || proxy.black_out(OUT));
    let dropped = || publisher(&server, &stream)["packets"]["dropped"].as_u64();
    wait_for("packets that are lost for good", || dropped() > Some(10));
    encoder.finish();
    let watched = viewer.until_end();
    assert_unbroken(&server, &stream);
    let scratch = server.scratch();
    let pictures = decode::pictures(watched.rendition("180p"), &scratch);
    // Half a second, and what the encoder has not sent yet, is under way when it ends.
    let tail = SRT_TAIL_FRAMES + 20;
    decode::assert_aligned(&watched);
    let back_s = assert_returns(&pictures, clip.frames, tail, SHIFT_MAX);
    let beeps = decode::beeps(watched.rendition("audio"), &scratch);
    in_sync(&pictures, &beeps, back_s + 1.5);
    server.stop();
}

#[test]
fn a_line_that_stands_still_for_three_seconds_stalls_no_output_over_rtmp() {
    let clip = Clip::new(30 * 14);
    let file = clip.file();
    let server = server();
    let stream = server.stream();
    let line = tcp::Line {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(4),
        rate: None,
    };
    let proxy = tcp::Proxy::start(server.rtmp, 7, line, &[]).expect("a port");
    let viewer = Viewer::follow(server.http, &stream.id);
    let url = format!("rtmp://{}/live/{}", proxy.address(), stream.key);
    let encoder = encoder::rtmp(&file, &url);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    goes_on_during(&server, &stream, || proxy.stall(OUT));
    // What had queued up comes at once, is late, and is over: nothing goes on being dropped.
    wait_for("the late pictures", || {
        late_pictures(&server, &stream) > 10.0
    });
    let before = parts(&server, &stream);
    wait_for("a second of new parts", || {
        parts(&server, &stream) >= before + 3.0
    });
    let late = late_pictures(&server, &stream);
    let it = publisher(&server, &stream);
    assert_eq!(
        (&it["protocol"], &it["dropped_bytes"]),
        (&"rtmp".into(), &0.into()),
        "{it}"
    );
    assert!(
        it["rtt_ms"].is_f64() && it["rtt_variation_ms"].is_f64(),
        "{it}"
    );
    assert!(it["bitrate_kbps"].as_u64() > Some(10), "{it}");
    assert!(it["packets"]["received"].as_u64() > Some(10), "{it}");
    for unknown in ["lost", "retransmitted", "dropped", "undecryptable"] {
        assert!(it["packets"][unknown].is_null(), "{it}");
    }
    assert!(it["latency_ms"].is_null(), "{it}");
    let before = parts(&server, &stream);
    wait_for("another second of them", || {
        parts(&server, &stream) >= before + 3.0
    });
    assert_eq!(
        late_pictures(&server, &stream),
        late,
        "it goes on being late"
    );
    encoder.finish();
    let watched = viewer.until_end();
    assert_unbroken(&server, &stream);
    let scratch = server.scratch();
    let pictures = decode::pictures(watched.rendition("180p"), &scratch);
    decode::assert_aligned(&watched);
    let back_s = assert_returns(&pictures, clip.frames, 0, SHIFT_MAX);
    let beeps = decode::beeps(watched.rendition("audio"), &scratch);
    in_sync(&pictures, &beeps, back_s + 1.5);
    server.stop();
}
