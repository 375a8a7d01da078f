//! Encoders that people use. Skipped, and said so, where they are not installed.

use std::process::{Output, Stdio};
use std::time::Duration;

use ingest::gate::Unpublish;
use ingest::rtmp::Limits;
use media_core::{AudioCodec, Media, VideoCodec};
use tokio::process::Command;

use super::{Server, tls};

/// An encoder that is still running after this long hangs.
const ENCODER_MAX: Duration = Duration::from_secs(60);

/// What `program` said and how it ended; `None` where it is not installed.
async fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    let running = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(ENCODER_MAX, running)
        .await
        .expect("it ends")
    {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            None
        }
    }
}

/// Two seconds of a test picture at 25 frames a second with B-frames, and a tone.
async fn ffmpeg(video_encoder: &[&str], url: &str) -> Option<Output> {
    let source = [
        "-hide_banner",
        "-loglevel",
        "warning",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x90:rate=25",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440",
        "-t",
        "2",
    ];
    let sound = ["-c:a", "aac", "-f", "flv", url];
    run("ffmpeg", &[&source, video_encoder, &sound].concat()).await
}

const X264: [&str; 6] = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"];

#[tokio::test]
async fn ffmpeg_publishes_pictures_with_b_frames_and_sound() {
    let server = Server::start(&["a"]).await;
    let url = format!("rtmp://{}/live/A", server.address);
    let Some(output) = ffmpeg(&X264, &url).await else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    server.recorder.with("a", |seen| {
        assert_eq!(seen.ends, [Some(Unpublish::Finished)]);
        let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
        let (mut video_configs, mut audio_configs) = (0, 0);
        for media in &seen.media {
            match media {
                Media::VideoConfig(config) => {
                    assert_eq!((config.codec, config.record[0]), (VideoCodec::H264, 1));
                    video_configs += 1;
                }
                Media::AudioConfig(config) => {
                    assert_eq!(config.codec, AudioCodec::Aac);
                    audio_configs += 1;
                }
                Media::Video(picture) => pictures.push(picture),
                Media::Audio(sound) => sounds.push(sound),
                Media::TransportStream(_) => panic!("not from RTMP"),
            }
        }
        assert_eq!((video_configs, audio_configs), (1, 1));
        assert_eq!(pictures.len(), 50);
        // 44.1 kHz in frames of 1024 samples.
        assert!((86..=89).contains(&sounds.len()), "{}", sounds.len());
        assert!(pictures[0].random_access);
        assert!(
            pictures
                .windows(2)
                .all(|pair| pair[1].dts.nanos_from(pair[0].dts) > 0)
        );
        assert!(pictures.iter().any(|picture| picture.pts > picture.dts));
        let mut shown: Vec<_> = pictures.iter().map(|picture| picture.pts).collect();
        shown.sort();
        let steps: Vec<_> = shown
            .windows(2)
            .map(|pair| pair[1].nanos_from(pair[0]))
            .collect();
        assert!(steps.iter().all(|step| *step == 40_000_000), "{steps:?}");
    });
}

#[tokio::test]
async fn ffmpeg_with_a_wrong_key_fails() {
    let server = Server::start(&["a"]).await;
    let url = format!("rtmp://{}/live/WRONG", server.address);
    if let Some(output) = ffmpeg(&X264, &url).await {
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("the stream key is wrong"), "{said}");
    }
}

#[tokio::test]
async fn ffmpeg_with_a_codec_of_old_fails() {
    let server = Server::start(&["a"]).await;
    let url = format!("rtmp://{}/live/A", server.address);
    if ffmpeg(&["-c:v", "flv1"], &url).await.is_some() {
        server
            .recorder
            .until("a", |seen| !seen.ends.is_empty())
            .await;
        server.recorder.with("a", |seen| {
            assert_eq!(seen.ends, [Some(Unpublish::Lost)]);
            assert!(
                !seen
                    .media
                    .iter()
                    .any(|media| matches!(media, Media::Video(_)))
            );
        });
    }
}

#[tokio::test]
async fn ffmpeg_publishes_by_the_url_s_only_segment_and_over_rtmps() {
    let (acceptor, _) = tls();
    let server = Server::start_with(&["a"], Limits::default(), Some(acceptor)).await;
    let url = format!("rtmps://{}/A", server.address);
    let Some(output) = ffmpeg(&X264, &url).await else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    server.recorder.with("a", |seen| {
        let is_picture = |media: &&Media| matches!(media, Media::Video(_));
        assert_eq!(seen.media.iter().filter(is_picture).count(), 50);
        assert_eq!(seen.ends, [Some(Unpublish::Finished)]);
    });
}

#[tokio::test]
async fn gstreamer_s_rtmp2sink_publishes() {
    let server = Server::start(&["a"]).await;
    let location = format!("location=rtmp://{}/live/A", server.address);
    let pipeline = [
        "-q",
        "videotestsrc",
        "num-buffers=50",
        "!",
        "video/x-raw,width=160,height=90,framerate=25/1",
        "!",
        "x264enc",
        "speed-preset=veryfast",
        "!",
        "h264parse",
        "!",
        "flvmux",
        "!",
        "rtmp2sink",
        &location,
    ];
    let Some(output) = run("gst-launch-1.0", &pipeline).await else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    server
        .recorder
        .until("a", |seen| !seen.ends.is_empty())
        .await;
    server.recorder.with("a", |seen| {
        let is_picture = |media: &&Media| matches!(media, Media::Video(_));
        assert_eq!(seen.media.iter().filter(is_picture).count(), 50);
        assert_eq!(seen.ends, [Some(Unpublish::Finished)]);
    });
}
