//! `ladder.source = "top"`: the publisher's own coded pictures are the highest rendition.

use std::thread;
use std::time::Duration;

use crate::clip::Clip;
use crate::decode::{self, assert_every_frame_once, assert_in_sync, assert_segments_decode};
use crate::encoder::Carrier;
use crate::metrics;
use crate::program::wait_for;
use crate::recordings;
use crate::server::{SMALL_LADDER, Server, Stream};
use crate::viewer::Viewer;

const PASSED: &str = "the source is the highest rendition as it comes";

/// As encoders are set for streaming: a keyframe each two seconds, no B-frames; more detail than the
/// rung would have.
const SOURCE: &str = "-c:v libx264 -preset superfast -bf 0 -g 60 -sc_threshold 0 -pix_fmt yuv420p \
                      -threads 1 -crf 12";

fn server() -> Server {
    Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_LADDER_SOURCE", "top"),
        ("MILLRACE_METRICS", "127.0.0.1:0"),
    ])
}

/// Pictures that the highest rung's encoder has made.
fn encoded(server: &Server, stream: &Stream) -> f64 {
    let labels = [
        ("stream", stream.id.as_str()),
        ("rendition", "180p"),
        ("stage", "encode"),
    ];
    let scraped = metrics::scrape(metrics::address_of(server));
    scraped.value("millrace_stage_duration_seconds_count", &labels)
}

fn passes(carrier: Carrier) {
    let clip = Clip {
        video: SOURCE,
        ..Clip::new(30 * 9)
    };
    let server = server();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = carrier.publish(&clip.file(), &stream);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(encoded(&server, &stream), 0.0);
    publisher.finish();
    let watched = viewer.until_end();
    assert_eq!(server.log_count(&[PASSED]), 1);
    let tail = carrier.tail_frames();
    let pictures = assert_every_frame_once(&watched, clip.frames, tail, &server.scratch());
    assert_segments_decode(&watched, &server.scratch());
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    assert_in_sync(&decode::flashes(&pictures), &beeps);
    let recording = recordings::the_recording(&server);
    let shown = recordings::shown(
        &server,
        &format!("http://{}/vod/{recording}/master.m3u8", server.http),
        (320, 180),
    );
    recordings::assert_counted_from_zero(&shown, clip.frames - tail);
    server.stop();
}

#[test]
fn an_rtmp_source_is_the_highest_rendition_and_every_frame_is_seen_once_in_sync() {
    passes(Carrier::Rtmp);
}

#[test]
fn an_srt_source_is_the_highest_rendition_and_every_frame_is_seen_once_in_sync() {
    passes(Carrier::Srt);
}

#[test]
fn a_lost_source_is_stood_in_for_and_passed_through_again_when_it_returns() {
    let clip = Clip {
        video: SOURCE,
        ..Clip::new(30 * 20)
    };
    let returning = Clip {
        video: SOURCE,
        container: "ts",
        ..Clip::new(30 * 14)
    };
    let server = server();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = Carrier::Rtmp.publish(&clip.file(), &stream);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    publisher.kill();
    thread::sleep(Duration::from_millis(1700));
    Carrier::Srt.publish(&returning.file(), &stream).finish();
    let watched = viewer.until_end();
    decode::assert_aligned(&watched);
    assert_segments_decode(&watched, &server.scratch());
    // All in one file, as players have it, with the first initialization segment.
    let mut counts = Vec::new();
    for rendition in watched.videos() {
        let pictures = decode::pictures(rendition, &server.scratch());
        let numbers = decode::numbers(&pictures);
        let tail = Carrier::Srt.tail_frames();
        let last = numbers.iter().rev().find_map(|number| *number);
        assert!(last >= Some(returning.frames - tail - 1), "{last:?}");
        let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
        assert_in_sync(&decode::flashes(&pictures), &beeps);
        counts.push(numbers);
    }
    assert_eq!(counts[0].len(), counts[1].len());
    let differ = (0..counts[0].len()).filter(|&index| counts[0][index] != counts[1][index]);
    let differ = differ.collect::<Vec<_>>();
    assert!(
        differ.len() <= 2,
        "renditions show different pictures at {differ:?}"
    );
    server.stop();
}
