//! A transport stream through intake, Timeline and ladder: every picture of the source comes out
//! of every rung once, on the grid, with keyframes at the same media time.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod collecting;

use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use media_core::graph::{self, Meters, Output, Profile, Role, Settings, Transcoder};
use media_core::{FrameRate, Media, MediaTime};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use collecting::{Collected, assert_gapless, settings};

/// Longer than any of these short sources needs on a busy machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

fn ffmpeg(arguments: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(arguments.split_whitespace())
        .arg("-")
        .output()
        .expect("ffmpeg is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn transcode(transport_stream: Vec<u8>) -> Arc<Collected> {
    transcode_with(settings(), transport_stream)
}

fn transcode_with(settings: Settings, transport_stream: Vec<u8>) -> Arc<Collected> {
    metered(settings, transport_stream).0
}

fn metered(settings: Settings, transport_stream: Vec<u8>) -> (Arc<Collected>, Arc<Meters>) {
    let collected = Arc::new(Collected::default());
    let transcoder = Transcoder::new(settings, Arc::clone(&collected) as Arc<dyn Output>);
    let (mut intake, _) = transcoder.publication(Role::OnAir).expect("an intake");
    let stream = Bytes::from(transport_stream);
    for start in (0..stream.len()).step_by(1316) {
        let end = stream.len().min(start + 1316);
        intake
            .push(Media::TransportStream(stream.slice(start..end)))
            .expect("decodable");
    }
    let (sender, drained) = mpsc::channel();
    intake.close(move || sender.send(()).unwrap());
    drained
        .recv_timeout(DRAINED_WITHIN)
        .expect("the intake drains");
    transcoder.end();
    (collected, Arc::clone(transcoder.meters()))
}

#[test]
fn every_rate_keeps_its_frames_and_its_keyframes_stand_at_the_same_time_in_every_rung() {
    for (rate, numerator, denominator) in [
        ("24000/1001", 24_000, 1001),
        ("25", 25, 1),
        ("30000/1001", 30_000, 1001),
        ("60", 60, 1),
    ] {
        let collected = transcode(ffmpeg(&format!(
            "-f lavfi -i testsrc2=size=320x180:rate={rate} -f lavfi -i sine=sample_rate=44100 -t 5 \
             -c:v libx264 -preset ultrafast -g 50 -c:a aac -ac 1 -f mpegts"
        )));
        let plan = collected.plan.lock().unwrap().clone().expect("it started");
        let expected = FrameRate::new(numerator, denominator).unwrap();
        assert_eq!(plan.cadence.rate(), expected);
        let samples = collected.samples.lock().unwrap();
        assert_eq!(samples.keys().collect::<Vec<_>>(), ["180p", "90p", "audio"]);
        for rung in ["180p", "90p"] {
            let pictures = &samples[rung];
            let source_frames = (5.0 * expected.as_f64()).ceil() as usize;
            assert_eq!(pictures.len(), source_frames, "{rung} at {rate}");
            assert_eq!(pictures[0].time, MediaTime::ZERO);
            assert_gapless(pictures, rung);
            let keyframes: Vec<usize> = (0..pictures.len()).filter(|&i| pictures[i].sync).collect();
            let boundaries: Vec<usize> = (0..pictures.len())
                .filter(|&i| plan.cadence.starts_segment(i as u64))
                .collect();
            assert_eq!(boundaries.len(), 3, "at 0, 2 and 4 s");
            assert_eq!(keyframes, boundaries, "{rung} at {rate}");
        }
        assert_gapless(&samples["audio"], "audio");
        let sound_end = samples["audio"]
            .last()
            .map(|last| last.time + last.duration)
            .unwrap();
        assert!((sound_end.as_secs_f64() - 5.0).abs() < 0.1, "{sound_end}");
    }
}

#[test]
fn every_picture_is_measured_once_on_its_way_in_and_once_by_every_encoder() {
    for codec in [
        // B-frames: the decoder's order is not the publisher's.
        "-c:v libx264 -preset medium -bf 3",
        "-c:v libx265 -x265-params log-level=none -preset ultrafast",
        "-vf interlace -c:v libx264 -preset superfast -flags +ilme+ildct",
    ] {
        let source = format!(
            "-f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=48000 -t 4 \
             {codec} -c:a aac -f mpegts"
        );
        let (collected, meters) = metered(settings(), ffmpeg(&source));
        let samples = collected.samples.lock().unwrap();
        let pictures = samples["180p"].len() as u64;
        assert_eq!(meters.intake().read().count(), pictures, "{codec}");
        assert_eq!(meters.encode().len(), samples.len());
        for (rendition, took) in meters.encode() {
            let coded = samples[rendition.as_str()].len() as u64;
            let measured = took.read().count();
            // The frame that ends the sound is padded: its last sample never came.
            let unfinished = u64::from(rendition.as_str() == "audio");
            assert!(
                (coded - unfinished..=coded).contains(&measured),
                "{rendition}: {measured} of {coded}, {codec}"
            );
        }
        assert_eq!(meters.queued_bytes(), 0, "{codec}");
        assert_eq!(meters.dropped_bytes(), 0, "{codec}");
    }
}

#[test]
fn an_encoder_that_looks_ahead_past_a_segment_cuts_at_the_same_pictures() {
    let settings = Settings {
        segment: Duration::from_secs(1),
        preset: "medium".parse().unwrap(),
        profile: Profile::Quality,
        ..settings()
    };
    let source = "-f lavfi -i testsrc2=size=320x180:rate=25 -t 6 -c:v libx264 -f mpegts";
    let collected = transcode_with(settings, ffmpeg(source));
    for (rung, pictures) in collected.samples.lock().unwrap().iter() {
        if rung != "audio" {
            let keyframes: Vec<usize> = (0..150).filter(|&i| pictures[i].sync).collect();
            assert_eq!(keyframes, [0, 25, 50, 75, 100, 125], "{rung}");
        }
    }
}

#[test]
fn pictures_alone_get_silence_and_sound_alone_gets_no_pictures() {
    let pictures = transcode(ffmpeg(
        "-f lavfi -i testsrc2=size=320x180:rate=30 -t 3 -c:v libx264 -preset ultrafast -f mpegts",
    ));
    let samples = pictures.samples.lock().unwrap();
    assert_eq!(samples["180p"].len(), 90);
    assert_eq!(
        samples["audio"].first().map(|sample| sample.time),
        Some(MediaTime::ZERO)
    );

    let sound = transcode(ffmpeg("-f lavfi -i sine -t 3 -c:a aac -f mpegts"));
    let samples = sound.samples.lock().unwrap();
    assert_eq!(samples.keys().collect::<Vec<_>>(), ["audio"]);
    assert!(samples["audio"].len() > 130, "{}", samples["audio"].len());
}

#[test]
fn hevc_with_opus_and_h264_with_mp3_are_decoded() {
    for codecs in [
        "-c:v libx265 -x265-params log-level=none -c:a libopus",
        "-c:v libx264 -c:a libmp3lame",
    ] {
        let collected = transcode(ffmpeg(&format!(
            "-f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=48000 -t 3 \
             {codecs} -preset ultrafast -f mpegts"
        )));
        let samples = collected.samples.lock().unwrap();
        assert_eq!(samples["90p"].len(), 90, "{codecs}");
        assert_gapless(&samples["audio"], codecs);
    }
}

#[test]
fn a_codec_that_is_not_taken_is_refused_by_name() {
    graph::init().expect("every element is installed");
    let stream = ffmpeg("-f lavfi -i testsrc2=size=320x180:rate=30 -t 2 -c:v mpeg2video -f mpegts");
    let collected = Arc::new(Collected::default());
    let transcoder = Transcoder::new(settings(), collected);
    let (mut intake, _) = transcoder.publication(Role::OnAir).expect("an intake");
    intake
        .push(Media::TransportStream(Bytes::from(stream)))
        .expect("not known yet");
    let refused = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        intake.check().err()
    });
    let refused = refused.expect("it is refused").to_string();
    assert!(
        refused.starts_with("MPEG-2 video is not supported"),
        "{refused}"
    );
}

#[test]
fn thumbnails_have_the_pictures_colours_and_times_whatever_its_matrix() {
    for matrix in ["bt709", "smpte170m"] {
        // Green for five seconds, then red, each beside blue.
        let collected = transcode(ffmpeg(&format!(
            "-f lavfi -i color=0x00ff00:size=640x360:rate=10 -t 13 -vf format=gbrp,\
             drawbox=x=320:w=320:t=fill:c=blue,drawbox=w=320:t=fill:c=red:enable='gte(t,5)',\
             scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p -colorspace {matrix} \
             -color_primaries {matrix} -color_trc {matrix} -color_range tv \
             -c:v libx264 -preset ultrafast -f mpegts"
        )));
        let thumbnails = collected.thumbnails.lock().unwrap();
        let times: Vec<f64> = thumbnails.iter().map(|it| it.time.as_secs_f64()).collect();
        assert_eq!(times.len(), 2, "{times:?}");
        assert!(
            (1.0..5.0).contains(&times[0]) && (10.0..13.0).contains(&times[1]),
            "{times:?}"
        );
        for (thumbnail, left) in thumbnails.iter().zip([[0, 255, 0], [255, 0, 0]]) {
            let mut decoder = JpegDecoder::new(ZCursor::new(&thumbnail.jpeg));
            let pixels = decoder.decode().unwrap();
            assert_eq!(decoder.dimensions(), Some((320, 180)), "the highest rung's");
            for (x, wanted) in [(40, left), (280, [0, 0, 255])] {
                let pixel = &pixels[(90 * 320 + x) * 3..][..3];
                let off = pixel.iter().zip(wanted).map(|(is, to)| is.abs_diff(to));
                assert!(
                    off.max() < Some(12),
                    "{matrix}: {pixel:?} at {x}, not {wanted:?}"
                );
            }
        }
    }
}

#[test]
fn sound_alone_has_no_thumbnail() {
    let sound = transcode(ffmpeg("-f lavfi -i sine -t 3 -c:a aac -f mpegts"));
    assert!(sound.thumbnails.lock().unwrap().is_empty());
}
