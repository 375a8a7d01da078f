//! Stored media of real pictures and sound: FFmpeg encodes them, our muxer packs them.

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use media_core::timeline::sample_time;
use media_core::{Bitrate, FrameRate, InitKind, Sample, Track};

use super::name;
use super::stored::{Tape, cadence};

pub(crate) const SECONDS: u32 = 7;
/// NTSC: not a whole number of anything.
pub(crate) const RATE: (u32, u32) = (30_000, 1001);
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_IDR: u8 = 5;
const NAL_DELIMITER: u8 = 9;

/// Runs FFmpeg, which must have nothing to say.
pub(crate) fn ffmpeg(arguments: &[&str], output: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-y", "-v", "error", "-nostdin"])
        .args(arguments);
    let done = command.arg(output).output().expect("ffmpeg is installed");
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
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

/// A test picture with a running number, in the rendition `180p`.
pub(crate) fn pictures(folder: &Path) -> Tape {
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
            segment: None,
            data: data.into(),
        }
    });
    let track = Track {
        rendition: name("180p"),
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
pub(crate) fn sound(folder: &Path, late: u64) -> Tape {
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
            segment: None,
            data,
        }
    });
    let track = Track {
        rendition: name("audio"),
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

/// The hash of every decoded frame of the first stream of this kind in a file or at a URL.
pub(crate) fn decoded(input: &str, stream: &str, folder: &Path) -> Vec<String> {
    let hashes = folder.join("hashes");
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
