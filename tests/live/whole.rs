//! What a viewer sees of a whole broadcast.

use crate::clip::{AAC, Clip, H264};
use crate::decode::{self, assert_every_frame_once, assert_in_sync, assert_segments_decode};
use crate::encoder::Carrier;
use crate::server::Server;
use crate::viewer::Viewer;

/// Frames of the broadcasts here: seven segments and a bit.
const FRAMES: u32 = 30 * 15;

fn every_frame_is_seen_once_in_sync(clip: &Clip, carrier: Carrier) {
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    carrier.publish(&clip.file(), &stream).finish();
    let watched = viewer.until_end();
    assert_eq!(watched.names(), ["180p", "90p", "audio"]);
    let pictures = assert_every_frame_once(
        &watched,
        clip.frames,
        carrier.tail_frames(),
        &server.scratch(),
    );
    assert_segments_decode(&watched, &server.scratch());
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    let most_s = assert_in_sync(&decode::flashes(&pictures), &beeps);
    eprintln!("sound and picture at most {most_s:.4} s apart");
    server.stop();
}

#[test]
fn rtmp_every_frame_is_seen_once_in_every_rendition_and_in_sync() {
    let clip = Clip::new(FRAMES);
    every_frame_is_seen_once_in_sync(&clip, Carrier::Rtmp);
}

#[test]
fn srt_every_frame_is_seen_once_in_every_rendition_and_in_sync() {
    let clip = Clip::new(FRAMES);
    every_frame_is_seen_once_in_sync(&clip, Carrier::Srt);
}

/// B-frames and scene cuts, as OBS and most cameras send them.
const REORDERED: &str = "-c:v libx264 -preset superfast -bf 2 -g 60 -pix_fmt yuv420p -threads 1";

#[test]
fn b_frames_over_rtmp_come_out_in_order_and_in_sync() {
    let clip = Clip {
        video: REORDERED,
        ..Clip::new(30 * 6)
    };
    every_frame_is_seen_once_in_sync(&clip, Carrier::Rtmp);
}

#[test]
fn b_frames_over_srt_come_out_in_order_and_in_sync() {
    let clip = Clip {
        video: REORDERED,
        ..Clip::new(30 * 6)
    };
    every_frame_is_seen_once_in_sync(&clip, Carrier::Srt);
}

/// 6 Mbit/s of 1080p with grain, as a camera sends it.
const CAMERA: &str = "-vf noise=alls=14:allf=t -c:v libx264 -preset superfast -b:v 6M -maxrate 6M -bufsize 6M -g \
    60 -pix_fmt yuv420p";

/// A minute at full size, with the default ladder.
fn a_minute(carrier: Carrier) {
    let clip = Clip {
        width: 1920,
        height: 1080,
        video: CAMERA,
        ..Clip::new(30 * 60)
    };
    let file = clip.file();
    let server = Server::with(&[("MILLRACE_LADDER_PRESET", "superfast")]);
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    carrier.publish(&file, &stream).finish();
    let watched = viewer.until_end();
    assert_eq!(watched.names(), ["1080p", "360p", "480p", "720p", "audio"]);
    let tail = carrier.tail_frames();
    assert_every_frame_once(&watched, clip.frames, tail, &server.scratch());
    assert_segments_decode(&watched, &server.scratch());
    server.stop();
}

#[test]
#[ignore = "takes minutes and the whole machine: make test-minute"]
fn minute_rtmp_every_frame_of_1080p_is_seen_once_in_every_rendition() {
    a_minute(Carrier::Rtmp);
}

#[test]
#[ignore = "takes minutes and the whole machine: make test-minute"]
fn minute_srt_every_frame_of_1080p_is_seen_once_in_every_rendition() {
    a_minute(Carrier::Srt);
}

fn renditions_of(width: usize, height: usize, expected: &[(&str, (usize, usize))]) {
    let clip = Clip {
        width,
        height,
        video: H264,
        audio: AAC,
        ..Clip::new(30 * 5)
    };
    let server = Server::with(&[]);
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    Carrier::Rtmp.publish(&clip.file(), &stream).finish();
    let watched = viewer.until_end();
    let mut names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    names.push("audio");
    names.sort_unstable();
    assert_eq!(watched.names(), names);
    for (name, size) in expected {
        assert_eq!(watched.rendition(name).size, *size, "{}", watched.master);
    }
    assert_every_frame_once(&watched, clip.frames, 0, &server.scratch());
    server.stop();
}

#[test]
fn heavy_a_1080p_source_gets_exactly_four_renditions_and_one_audio() {
    renditions_of(
        1920,
        1080,
        &[
            ("1080p", (1920, 1080)),
            ("720p", (1280, 720)),
            ("480p", (854, 480)),
            ("360p", (640, 360)),
        ],
    );
}

#[test]
fn heavy_a_720p_source_is_not_enlarged_and_gets_three_renditions() {
    renditions_of(
        1280,
        720,
        &[
            ("720p", (1280, 720)),
            ("480p", (854, 480)),
            ("360p", (640, 360)),
        ],
    );
}
