//! What encoders send: frame rates, shapes, sound and codecs. Each clip is a few seconds long.

use crate::clip::{AAC, Clip, H264};
use crate::decode::{self, assert_every_frame_once, assert_in_sync};
use crate::encoder::Carrier;
use crate::picture::{Picture, Scene};
use crate::server::Server;
use crate::viewer::{Viewer, Watched};

/// Publishes `clip` and returns what a viewer got, decoded by `look`.
fn broadcast<T>(
    ladder: &str,
    clip: &Clip,
    carrier: Carrier,
    look: impl Fn(&Watched, &std::path::Path) -> T,
) -> T {
    let file = clip.file();
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", ladder)]);
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    carrier.publish(&file, &stream).finish();
    let seen = look(&viewer.until_end(), &server.scratch());
    server.stop();
    seen
}

/// One rung, as large as the sources here.
const ONE_RUNG: &str = "180p 320x180 400k";

fn at_rate(numerator: u32, denominator: u32, carrier: Carrier) {
    let rate = (numerator, denominator);
    let clip = Clip {
        rate,
        ..Clip::new(4 * numerator / denominator)
    };
    broadcast(ONE_RUNG, &clip, carrier, |watched, scratch| {
        let pictures =
            assert_every_frame_once(watched, clip.frames, carrier.tail_frames(), scratch);
        for (index, picture) in pictures.iter().enumerate() {
            let due_s = pictures[0].time_s + index as f64 * clip.frame_s();
            assert!(
                (picture.time_s - due_s).abs() < 1e-3,
                "picture {index} at {}",
                picture.time_s
            );
        }
        let beeps = decode::beeps(watched.rendition("audio"), scratch);
        assert_in_sync(&decode::flashes(&pictures), &beeps);
    });
}

#[test]
fn at_24_frames_a_second() {
    at_rate(24, 1, Carrier::Rtmp);
}

#[test]
fn at_25_frames_a_second() {
    at_rate(25, 1, Carrier::Srt);
}

#[test]
fn at_29_97_frames_a_second() {
    at_rate(30_000, 1001, Carrier::Rtmp);
}

#[test]
fn at_29_97_frames_a_second_over_srt() {
    at_rate(30_000, 1001, Carrier::Srt);
}

#[test]
fn at_50_frames_a_second() {
    at_rate(50, 1, Carrier::Srt);
}

#[test]
fn at_59_94_frames_a_second() {
    at_rate(60_000, 1001, Carrier::Rtmp);
}

#[test]
fn at_60_frames_a_second() {
    at_rate(60, 1, Carrier::Rtmp);
}

#[test]
fn at_60_frames_a_second_over_srt() {
    at_rate(60, 1, Carrier::Srt);
}

#[test]
fn at_a_variable_rate_every_picture_is_shown_at_its_time() {
    let clip = Clip {
        // Every second picture in the odd seconds, two of three in the even ones.
        video: "-vf select='if(mod(floor(t),2),eq(mod(n,2),0),gt(mod(n,3),0)+eq(n,0))' -fps_mode vfr \
            -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -pix_fmt yuv420p",
        ..Clip::new(30 * 6)
    };
    broadcast(ONE_RUNG, &clip, Carrier::Rtmp, |watched, scratch| {
        let pictures = decode::pictures(watched.rendition("180p"), scratch);
        // The last picture of the source has no length: what is after it is not asked for.
        let length_s = pictures[pictures.len() - 1].time_s - pictures[0].time_s;
        assert!((5.8..=6.1).contains(&length_s), "{length_s} s");
        for picture in &pictures {
            let number = picture.number().expect("a counter");
            let due_s = pictures[0].time_s + f64::from(number) * clip.frame_s();
            let late_s = picture.time_s - due_s;
            assert!(
                (-0.04..=0.11).contains(&late_s),
                "number {number} is {late_s} s late"
            );
        }
        let beeps = decode::beeps(watched.rendition("audio"), scratch);
        assert_eq!(beeps.len(), 5);
    });
}

#[test]
fn an_interlaced_picture_is_deinterlaced() {
    let clip = Clip {
        width: 320,
        height: 240,
        rate: (50, 1),
        scene: Scene::Bar { step: 6 },
        video: "-vf interlace=scan=tff:lowpass=0 -c:v libx264 -preset superfast -flags +ilme+ildct \
            -g 25 -bf 0 -b:v 3M -pix_fmt yuv420p",
        ..Clip::new(50 * 4)
    };
    let before = decode::pictures_of(&clip.file(), (320, 240));
    let combed = |pictures: &[Picture]| {
        let all: usize = pictures.iter().map(Picture::combed).sum();
        all / pictures.len()
    };
    assert!(combed(&before) > 1000, "the source is not interlaced");
    broadcast(
        "240p 320x240 2000k",
        &clip,
        Carrier::Srt,
        |watched, scratch| {
            let after = decode::pictures(watched.rendition("240p"), scratch);
            assert!(after.len() >= before.len() - 2, "{} pictures", after.len());
            let left = combed(&after);
            assert!(left < 100, "{left} combed pixels a picture");
        },
    );
}

/// What is square in the source is square in every rendition.
fn keeps_its_shape(ladder: &str, clip: &Clip, sizes: &[(&str, (usize, usize))]) {
    broadcast(ladder, clip, Carrier::Rtmp, |watched, scratch| {
        assert_eq!(watched.videos().count(), sizes.len(), "{}", watched.master);
        for (name, size) in sizes {
            let rendition = watched.rendition(name);
            assert_eq!(rendition.size, *size, "{}", watched.master);
            let pictures = decode::pictures(rendition, scratch);
            let (width, height) = pictures[pictures.len() / 2].white_size();
            let shape = width as f64 / height as f64;
            assert!(
                height > size.1 / 5 && (0.95..=1.05).contains(&shape),
                "{name}: the square is {width} by {height}"
            );
        }
    });
}

#[test]
fn pal_widescreen_with_non_square_pixels_keeps_its_shape() {
    let clip = Clip {
        width: 720,
        height: 576,
        rate: (25, 1),
        // 64:45: 360 by 512 of these pixels is a square.
        scene: Scene::Rectangle {
            width: 180,
            height: 256,
        },
        video: "-vf setsar=64/45 -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt \
            yuv420p",
        ..Clip::new(25 * 3)
    };
    let ladder = "288p 512x288 600k, 144p 256x144 300k";
    keeps_its_shape(ladder, &clip, &[("288p", (512, 288)), ("144p", (256, 144))]);
}

#[test]
fn an_odd_size_keeps_its_shape() {
    let clip = Clip {
        width: 321,
        height: 241,
        scene: Scene::Rectangle {
            width: 121,
            height: 121,
        },
        video: "-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -pix_fmt yuv444p",
        ..Clip::new(30 * 3)
    };
    // Smaller than any rung: it keeps its own size, made even.
    keeps_its_shape("360p 640x360 800k", &clip, &[("360p", (320, 240))]);
}

#[test]
fn a_portrait_picture_keeps_its_shape() {
    let clip = Clip {
        width: 180,
        height: 320,
        scene: Scene::Rectangle {
            width: 120,
            height: 120,
        },
        ..Clip::new(30 * 3)
    };
    keeps_its_shape(ONE_RUNG, &clip, &[("180p", (320, 180))]);
}

#[test]
fn a_picture_wider_than_the_rung_keeps_its_shape() {
    let clip = Clip {
        width: 640,
        height: 180,
        scene: Scene::Rectangle {
            width: 120,
            height: 120,
        },
        ..Clip::new(30 * 3)
    };
    keeps_its_shape(ONE_RUNG, &clip, &[("180p", (320, 180))]);
}

/// Sound of another kind is heard in sync with the picture.
fn is_heard(clip: &Clip, carrier: Carrier) {
    broadcast(ONE_RUNG, clip, carrier, |watched, scratch| {
        let pictures =
            assert_every_frame_once(watched, clip.frames, carrier.tail_frames(), scratch);
        let beeps = decode::beeps(watched.rendition("audio"), scratch);
        assert_in_sync(&decode::flashes(&pictures), &beeps);
    });
}

#[test]
fn mono_is_heard_in_sync() {
    let clip = Clip {
        sound: "s=48000:c=mono",
        ..Clip::new(30 * 4)
    };
    is_heard(&clip, Carrier::Rtmp);
}

#[test]
fn five_channels_and_one_are_heard_in_sync() {
    let clip = Clip {
        sound: "s=48000:c=5.1",
        audio: "-c:a aac -b:a 256k",
        ..Clip::new(30 * 4)
    };
    is_heard(&clip, Carrier::Srt);
}

#[test]
fn sound_at_44_100_hz_is_heard_in_sync() {
    let clip = Clip {
        sound: "s=44100:c=stereo",
        ..Clip::new(30 * 4)
    };
    is_heard(&clip, Carrier::Rtmp);
}

#[test]
fn mp3_in_a_transport_stream_is_heard_in_sync() {
    let clip = Clip {
        audio: "-c:a libmp3lame -b:a 128k",
        container: "ts",
        ..Clip::new(30 * 4)
    };
    is_heard(&clip, Carrier::Srt);
}

#[test]
fn opus_in_a_transport_stream_is_heard_in_sync() {
    let clip = Clip {
        audio: "-c:a libopus -b:a 128k",
        container: "ts",
        ..Clip::new(30 * 4)
    };
    is_heard(&clip, Carrier::Srt);
}

#[test]
fn hevc_over_srt_loses_no_frame() {
    let clip = Clip {
        video: "-c:v libx265 -preset ultrafast -x265-params \
            log-level=none:keyint=30:bframes=0:pools=1 -pix_fmt yuv420p",
        ..Clip::new(30 * 4)
    };
    is_heard(&clip, Carrier::Srt);
}

#[test]
fn a_broadcast_of_sound_alone_has_one_rendition() {
    let clip = Clip {
        video: "",
        ..Clip::new(30 * 5)
    };
    for carrier in [Carrier::Rtmp, Carrier::Srt] {
        broadcast(ONE_RUNG, &clip, carrier, |watched, scratch| {
            assert_eq!(watched.names(), ["audio"], "{}", watched.master);
            let beeps = decode::beeps(watched.rendition("audio"), scratch);
            assert_eq!(beeps.len(), 4, "{beeps:?}");
            for pair in beeps.windows(2) {
                assert!((pair[1] - pair[0] - 1.0).abs() < 0.02, "{beeps:?}");
            }
        });
    }
}

#[test]
fn a_broadcast_of_pictures_alone_is_silent() {
    let clip = Clip {
        video: H264,
        audio: "",
        ..Clip::new(30 * 5)
    };
    for carrier in [Carrier::Rtmp, Carrier::Srt] {
        broadcast(ONE_RUNG, &clip, carrier, |watched, scratch| {
            // A publisher who returns may bring sound: there is a place for it from the start.
            assert_eq!(watched.names(), ["180p", "audio"], "{}", watched.master);
            let beeps = decode::beeps(watched.rendition("audio"), scratch);
            assert!(beeps.is_empty(), "{beeps:?}");
            assert_every_frame_once(watched, clip.frames, carrier.tail_frames(), scratch);
        });
    }
}

/// A codec that is not carried is refused by name, and leaves no broadcast behind.
fn is_refused(clip: &Clip, carrier: Carrier, name: &str) {
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let mut publisher = carrier.publish(&file, &stream);
    server.wait_for_log(&[name, "127.0.0.1"]);
    publisher.wait();
    assert_eq!(server.status(&stream), "offline");
    server.stop();
}

#[test]
fn mpeg_2_video_over_srt_is_refused_by_name() {
    let clip = Clip {
        video: "-c:v mpeg2video -b:v 1M -g 15 -pix_fmt yuv420p",
        audio: AAC,
        container: "ts",
        ..Clip::new(30 * 4)
    };
    is_refused(&clip, Carrier::Srt, "MPEG-2 video");
}

#[test]
fn sorenson_video_over_rtmp_is_refused_by_name() {
    let clip = Clip {
        video: "-c:v flv1 -b:v 1M -pix_fmt yuv420p",
        container: "flv",
        ..Clip::new(30 * 4)
    };
    is_refused(&clip, Carrier::Rtmp, "Sorenson");
}
