//! Pictures and sound that FFmpeg encoded, packed by our muxer, played by FFmpeg again: as CMAF
//! and as one file they are the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use media_core::timeline::sample_time;
use media_core::{Bitrate, FrameRate, InitKind, MediaTime, RenditionName, Sample, Track};

use super::*;
use crate::synthetic::stored::cadence;

const SECONDS: u32 = 7;
/// NTSC: not a whole number of anything.
const RATE: (u32, u32) = (30_000, 1001);
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_IDR: u8 = 5;
const NAL_DELIMITER: u8 = 9;

fn ffmpeg(arguments: &[&str], output: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-y", "-v", "error", "-nostdin"])
        .args(arguments);
    let done = command.arg(output).output().expect("ffmpeg is installed");
    assert!(done.status.success(), "{done:?}");
}

fn ffprobe(arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new("ffprobe");
    command
        .args(["-v", "error"])
        .args(arguments)
        .args(["-of", "csv=p=0"]);
    let done = command.arg(file).output().expect("ffprobe is installed");
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// The NAL units of a byte stream (ISO/IEC 14496-10 annex B).
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let marks: Vec<usize> = (0..stream.len().saturating_sub(2))
        .filter(|&at| stream[at..].starts_with(&[0, 0, 1]))
        .collect();
    let ends = marks.iter().skip(1).copied().chain([stream.len()]);
    let units = marks
        .iter()
        .zip(ends)
        .map(|(&at, end)| &stream[at + 3..end]);
    units
        .map(|unit| {
            let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
            &unit[..unit.len() - zeros]
        })
        .collect()
}

fn pictures(folder: &Path) -> Tape {
    let stream = folder.join("pictures.h264");
    let source = format!("testsrc2=size=320x180:rate={}/{}", RATE.0, RATE.1);
    let seconds = SECONDS.to_string();
    let encode = "-c:v libx264 -preset ultrafast -bf 0 -g 60 -keyint_min 60 -sc_threshold 0 \
                  -pix_fmt yuv420p -x264-params aud=1";
    let mut arguments = vec!["-f", "lavfi", "-i", &source, "-t", &seconds];
    arguments.extend(encode.split_whitespace());
    ffmpeg(&arguments, &stream);
    let stream = fs::read(stream).unwrap();

    let units = nal_units(&stream);
    let of_kind = |kind| *units.iter().find(|unit| unit[0] & 0x1f == kind).unwrap();
    let (sps, pps) = (of_kind(NAL_SPS), of_kind(NAL_PPS));
    let mut config = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1];
    config.extend((sps.len() as u16).to_be_bytes());
    config.extend(sps);
    config.push(1);
    config.extend((pps.len() as u16).to_be_bytes());
    config.extend(pps);

    let mut access_units: Vec<(bool, Vec<u8>)> = Vec::new();
    for unit in units {
        match unit[0] & 0x1f {
            NAL_DELIMITER => access_units.push((false, Vec::new())),
            NAL_SPS | NAL_PPS => {}
            kind => {
                let (sync, data) = access_units.last_mut().unwrap();
                *sync |= kind == NAL_IDR;
                data.extend((unit.len() as u32).to_be_bytes());
                data.extend(unit);
            }
        }
    }
    let rate = FrameRate::new(RATE.0, RATE.1).unwrap();
    let samples = (0..).zip(access_units).map(|(index, (sync, data))| {
        let time = rate.frame_time(index);
        let duration = rate.frame_time(index + 1).saturating_since(time);
        Sample {
            time,
            duration,
            sync,
            data: data.into(),
        }
    });
    let track = Track {
        rendition: RenditionName::new("180p").unwrap(),
        kind: InitKind::Video {
            width: 320,
            height: 180,
            frame_rate: rate,
        },
        bitrate: Bitrate::from_kbps(300),
        decoder_config: config.into(),
    };
    Tape::record(&track, cadence(rate), samples)
}

/// Sound whose first `late` frames were never recorded.
fn sound(folder: &Path, late: u64) -> Tape {
    let stream = folder.join("sound.aac");
    let seconds = SECONDS.to_string();
    let source = "aevalsrc='sin(440*2*PI*t*t)|sin(880*2*PI*t)':s=48000";
    let encode = ["-t", &seconds, "-c:a", "aac", "-b:a", "96k", "-f", "adts"];
    let mut arguments = vec!["-f", "lavfi", "-i", source];
    arguments.extend(encode);
    ffmpeg(&arguments, &stream);
    let stream = Bytes::from(fs::read(stream).unwrap());
    let mut frames = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        // ISO/IEC 14496-3 §1.A.2.2: the length with the header, which has no checksum.
        let head = &stream[at..at + 7];
        let len =
            usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        frames.push(stream.slice(at + 7..at + len));
        at += len;
    }
    let samples = (0..).zip(frames).skip(late as usize).map(|(index, data)| {
        let time = sample_time(index * 1024);
        Sample {
            time,
            duration: sample_time((index + 1) * 1024).saturating_since(time),
            sync: true,
            data,
        }
    });
    let track = Track {
        rendition: RenditionName::new("audio").unwrap(),
        kind: InitKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        bitrate: Bitrate::from_kbps(96),
        decoder_config: Bytes::from_static(&[0x11, 0x90]),
    };
    let rate = FrameRate::new(RATE.0, RATE.1).unwrap();
    Tape::record(&track, cadence(rate), samples)
}

/// The hash of every decoded frame of a file's first stream of this kind.
fn decoded(file: &Path, stream: &str, folder: &Path) -> Vec<String> {
    let hashes = folder.join("hashes");
    let input = file.to_str().unwrap();
    ffmpeg(
        &[
            "-i",
            input,
            "-map",
            stream,
            "-f",
            "framehash",
            "-hash",
            "md5",
        ],
        &hashes,
    );
    let text = fs::read_to_string(hashes).unwrap();
    let frames = text.lines().filter(|line| !line.starts_with('#'));
    frames
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

fn packet_times(file: &Path, stream: &str) -> Vec<f64> {
    let arguments = [
        "-select_streams",
        stream,
        "-show_entries",
        "packet=pts_time",
    ];
    let text = ffprobe(&arguments, file);
    let times = text.lines().map(|line| line.trim_end_matches(','));
    times.map(|time| time.parse().unwrap()).collect()
}

#[test]
fn a_real_recording_plays_as_one_file_as_it_does_in_pieces() {
    const LATE_FRAMES: u64 = 3;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tapes = [pictures(folder), sound(folder, LATE_FRAMES)];
    let file = plan(&tapes).unwrap();
    let download = folder.join("download.mp4");
    fs::write(&download, whole(&file, &tapes)).unwrap();
    if let Some(kept) = std::env::var_os("KEEP_DOWNLOAD") {
        fs::copy(&download, kept).unwrap();
    }

    let entries = "stream=codec_name,nb_frames,nb_read_frames";
    let counted = ffprobe(&["-count_frames", "-show_entries", entries], &download);
    let frames: Vec<&str> = counted.lines().collect();
    assert_eq!(frames, ["h264,210,210", "aac,327,327"]);

    for (tape, stream, each_s) in [
        (&tapes[0], "0:v", f64::from(RATE.1) / f64::from(RATE.0)),
        (&tapes[1], "0:a", 1024.0 / 48_000.0),
    ] {
        let pieces = folder.join("pieces.mp4");
        fs::write(&pieces, &tape.file).unwrap();
        let expected = decoded(&pieces, stream, folder);
        assert!(expected.len() > 200);
        assert_eq!(decoded(&download, stream, folder), expected, "{stream}");

        let first_s = tape.rendition.segments[0].start.nanos_from(MediaTime::ZERO) as f64 / 1e9;
        for (index, time) in packet_times(&download, &stream[2..])
            .into_iter()
            .enumerate()
        {
            let expected = first_s + index as f64 * each_s;
            assert!((time - expected).abs() < 1e-3, "{stream} {index}: {time}");
        }
    }
    assert_eq!(
        tapes[1].rendition.segments[0].start,
        sample_time(LATE_FRAMES * 1024)
    );
}

/// As a browser's seek does: from a byte range in the middle, by the tables.
#[test]
fn a_seek_into_a_real_file_finds_a_keyframe() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tapes = [pictures(folder), sound(folder, 0)];
    let download = folder.join("download.mp4");
    fs::write(&download, whole(&plan(&tapes).unwrap(), &tapes)).unwrap();
    let arguments = [
        "-read_intervals",
        "5%+#1",
        "-select_streams",
        "v",
        "-show_entries",
        "packet=pts_time,flags",
    ];
    let first = ffprobe(&arguments, &download);
    let (time, flags) = first.trim().split_once(',').unwrap();
    assert!(
        (time.parse::<f64>().unwrap() - 4.004).abs() < 1e-6,
        "{first}"
    );
    assert!(flags.starts_with('K'), "{first}");
}
