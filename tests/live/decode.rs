//! What was delivered, decoded: by `ffmpeg`, which must find nothing to complain about.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::picture::Picture;
use crate::program::{ffmpeg, output};
use crate::viewer::{Rendition, Watched};

/// Samples a second of decoded sound.
const SAMPLE_RATE: f64 = 48_000.0;

/// Loudness, of 32768, at which a beep has begun. It rises to half of full scale.
const BEEP_MIN: i16 = 3000;

/// Wider pictures are made smaller before they are read: a minute of 1080p is 4 GB.
const READ_WIDTH_MAX: usize = 960;

/// How far sound and picture may be apart.
const SYNC_MAX_S: f64 = 0.040;

/// Every picture of a rendition, in order.
pub(crate) fn pictures(rendition: &Rendition, scratch: &Path) -> Vec<Picture> {
    let file = scratch.join(format!("{}.mp4", rendition.name));
    fs::write(&file, rendition.whole()).expect("room for it");
    pictures_of(&file, rendition.size)
}

/// Every picture of a file, in order; no wider than [`READ_WIDTH_MAX`].
pub(crate) fn pictures_of(file: &Path, size: (usize, usize)) -> Vec<Picture> {
    let times = packet_times(file, "v:0");
    let shrink = size.0.div_ceil(READ_WIDTH_MAX);
    let (width, height) = (size.0 / shrink, size.1 / shrink);
    let grey = decode(
        file,
        &[
            "-map",
            "0:v:0",
            "-fps_mode",
            "passthrough",
            "-s",
            &format!("{width}x{height}"),
            "-pix_fmt",
            "gray",
        ],
    );
    assert_eq!(
        grey.len(),
        times.len() * width * height,
        "frames of {width}x{height}"
    );
    let pictures = grey.chunks(width * height).zip(times);
    let pictures = pictures.map(|(grey, time_s)| Picture {
        time_s,
        width,
        height,
        grey: grey.to_vec(),
    });
    pictures.collect()
}

/// Pictures of a player that wrote them down as they are, without times.
pub(crate) fn raw_pictures(file: &Path, (width, height): (usize, usize)) -> Vec<Picture> {
    let grey = fs::read(file).expect("the player wrote it");
    let pictures = grey.chunks_exact(width * height).map(|grey| Picture {
        time_s: f64::NAN,
        width,
        height,
        grey: grey.to_vec(),
    });
    pictures.collect()
}

/// The counters of pictures; `None` where one has none.
pub(crate) fn numbers(pictures: &[Picture]) -> Vec<Option<u32>> {
    pictures.iter().map(Picture::number).collect()
}

/// Pictures must be numbered from 0 to `frames`, each once. Of the last `tail` any may be missing,
/// and where the encoder fell silent before its end its last one or a slate may stand. Says what was
/// found in runs.
fn assert_counts(name: &str, found: &[Option<u32>], frames: u32, tail: u32) {
    let (sure, rest) = found.split_at(found.len().min((frames - tail) as usize));
    let rest: Vec<u32> = match tail {
        0 => rest.iter().map(|number| number.unwrap_or(0)).collect(),
        _ => rest.iter().copied().flatten().collect(),
    };
    let rises = match tail {
        0 => rest.windows(2).all(|pair| pair[0] < pair[1]),
        _ => rest.is_sorted(),
    };
    let fits = rest
        .iter()
        .all(|number| (frames - tail..frames).contains(number));
    if sure.iter().copied().eq((0..frames - tail).map(Some)) && rises && fits {
        return;
    }
    let mut runs: Vec<String> = Vec::new();
    let mut begin = 0;
    for end in 1..=found.len() {
        let goes_on = end < found.len() && found[end] == found[end - 1].map(|number| number + 1);
        if !goes_on {
            runs.push(format!("{:?}..={:?}", found[begin], found[end - 1]));
            begin = end;
        }
    }
    panic!(
        "{name}: {frames} frames were sent, seen are {}",
        runs.join(", ")
    );
}

/// When packets are presented, in seconds.
fn packet_times(file: &Path, track: &str) -> Vec<f64> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", track]);
    command.args(["-show_entries", "packet=pts_time", "-of", "csv=p=0"]);
    let found = output(command.arg(file));
    assert_eq!(
        String::from_utf8_lossy(&found.stderr),
        "",
        "ffprobe complains"
    );
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let times = text.lines().map(|line| line.trim_end_matches(',').parse());
    let mut times: Vec<f64> = times.map(|time| time.expect("a time")).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn decode(file: &Path, options: &[&str]) -> Vec<u8> {
    let mut command = ffmpeg(["-i"]);
    command
        .arg(file)
        .args(options)
        .args(["-f", "rawvideo", "-"]);
    checked(&mut command)
}

fn checked(command: &mut Command) -> Vec<u8> {
    let decoded = output(command);
    assert_eq!(
        String::from_utf8_lossy(&decoded.stderr),
        "",
        "ffmpeg complains"
    );
    assert!(decoded.status.success());
    decoded.stdout
}

/// When each beep of a rendition begins, in seconds on the broadcast's clock.
pub(crate) fn beeps(rendition: &Rendition, scratch: &Path) -> Vec<f64> {
    let file = scratch.join(format!("{}.mp4", rendition.name));
    fs::write(&file, rendition.whole()).expect("room for it");
    beeps_of(&file)
}

/// When each beep of a file begins.
pub(crate) fn beeps_of(file: &Path) -> Vec<f64> {
    /// Beeps are a second apart.
    const QUIET_S: f64 = 0.4;
    let start_s = packet_times(file, "a:0")[0];
    let mut command = ffmpeg(["-i"]);
    command.arg(file);
    let sound = checked(command.args([
        "-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-",
    ]));
    let mut found: Vec<f64> = Vec::new();
    let mut heard_s = f64::NEG_INFINITY;
    for (index, sample) in sound.chunks_exact(2).enumerate() {
        let time_s = start_s + index as f64 / SAMPLE_RATE;
        if i16::from_le_bytes([sample[0], sample[1]]).saturating_abs() >= BEEP_MIN {
            if time_s - heard_s > QUIET_S {
                found.push(time_s);
            }
            heard_s = time_s;
        }
    }
    found
}

/// When each flash begins.
pub(crate) fn flashes(pictures: &[Picture]) -> Vec<f64> {
    let pairs = pictures.windows(2);
    let starts = pairs.filter(|pair| !pair[0].is_bright() && pair[1].is_bright());
    starts.map(|pair| pair[1].time_s).collect()
}

/// Each flash must have its beep within the limit; returns the largest distance, in seconds.
pub(crate) fn assert_in_sync(flashes: &[f64], beeps: &[f64]) -> f64 {
    assert!(!flashes.is_empty(), "no flash is seen");
    assert_eq!(
        flashes.len(),
        beeps.len(),
        "flashes {flashes:?}, beeps {beeps:?}"
    );
    let apart = flashes
        .iter()
        .zip(beeps)
        .map(|(flash, beep)| (flash - beep).abs());
    let most = apart.fold(0.0, f64::max);
    assert!(most <= SYNC_MAX_S, "flashes {flashes:?}, beeps {beeps:?}");
    most
}

/// Every segment is decoded by itself, without a complaint.
pub(crate) fn assert_segments_decode(watched: &Watched, scratch: &Path) {
    for rendition in &watched.renditions {
        for segment in &rendition.segments {
            let file = scratch.join("segment.mp4");
            fs::write(&file, [&rendition.init[..], &segment.bytes].concat()).expect("room for it");
            let mut command = ffmpeg(["-i"]);
            checked(command.arg(&file).args(["-f", "null", "-"]));
        }
    }
}

/// All renditions show the same pictures at the same times, begin their segments with the same
/// one, and each picture is the source's: none of `frames` is missing, none is there twice. The
/// last `tail` frames may be missing: not every encoder sends them.
pub(crate) fn assert_every_frame_once(
    watched: &Watched,
    frames: u32,
    tail: u32,
    scratch: &Path,
) -> Vec<Picture> {
    let mut first: Option<Vec<Picture>> = None;
    for rendition in watched.videos() {
        let pictures = pictures(rendition, scratch);
        assert_counts(&rendition.name, &numbers(&pictures), frames, tail);
        let reference = first.get_or_insert_with(|| pictures.clone());
        for (own, other) in pictures.iter().zip(reference.iter()) {
            let apart_s = (own.time_s - other.time_s).abs();
            assert!(
                apart_s < 1e-3,
                "{}: {apart_s} s from the first rendition",
                rendition.name
            );
        }
    }
    assert_aligned(watched);
    first.expect("a picture")
}

/// Segments of all pictures have the same numbers and lengths.
pub(crate) fn assert_aligned(watched: &Watched) {
    let shape = |rendition: &Rendition| -> Vec<(u64, String)> {
        let segments = rendition.segments.iter();
        segments
            .map(|segment| (segment.sequence, format!("{:.4}", segment.duration_s)))
            .collect()
    };
    let shapes: Vec<_> = watched.videos().map(shape).collect();
    assert!(
        shapes.windows(2).all(|pair| pair[0] == pair[1]),
        "{shapes:?}"
    );
}
