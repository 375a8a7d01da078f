//! Pictures and sound that FFmpeg encoded, packed by our muxer, played by FFmpeg again: as CMAF
//! and as one file they are the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use media_core::MediaTime;
use media_core::timeline::sample_time;

use super::*;
use crate::synthetic::encoded::{RATE, decoded, pictures, sound};

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
        let expected = decoded(pieces.to_str().unwrap(), stream, folder);
        assert!(expected.len() > 200);
        assert_eq!(
            decoded(download.to_str().unwrap(), stream, folder),
            expected,
            "{stream}"
        );

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

/// Of pictures, and of sound that begins later.
const BOXES: &str = "
ftyp
moov
  mvhd
  trak
    tkhd
    mdia
      mdhd
      hdlr
      minf
        vmhd
        dinf
          dref
        stbl
          stsd
          stts
          stss
          stsc
          stsz
          stco
  trak
    tkhd
    edts
      elst
    mdia
      mdhd
      hdlr
      minf
        smhd
        dinf
          dref
        stbl
          stsd
          stts
          stsc
          stsz
          stco
mdat
";

/// A file's boxes, each with those inside of it. A reader that takes every box for what the standard
/// says must know it, and find no byte left over in it.
fn tree(mut bytes: &[u8], depth: usize, lines: &mut Vec<String>) {
    while !bytes.is_empty() {
        let mut whole = bytes;
        let header = Header::decode(&mut bytes).unwrap();
        let (body, rest) = bytes.split_at(header.size.unwrap());
        bytes = rest;
        let kind = header.kind.to_string();
        lines.push(format!("{:1$}{kind}", "", depth * 2));
        if ["moov", "trak", "edts", "mdia", "minf", "dinf", "stbl"].contains(&&kind[..]) {
            tree(body, depth + 1, lines);
        }
        let known = Any::decode(&mut whole).unwrap();
        assert!(!matches!(known, Any::Unknown(..)), "{kind}");
        assert_eq!(whole.len(), rest.len(), "{kind}");
    }
}

/// As QuickTime's reader wants it, which forgives less than FFmpeg's: the boxes that there must be and
/// no others, tables that lead to every byte of the media once, and keyframes where they are said.
#[test]
fn a_strict_reader_finds_nothing_left_over_in_a_real_file() {
    const NAL_IDR: u8 = 5;
    let folder = tempfile::tempdir().unwrap();
    let tapes = [pictures(folder.path()), sound(folder.path(), 3)];
    let file = plan(&tapes).unwrap();
    let bytes = whole(&file, &tapes);
    let mut lines = Vec::new();
    tree(&bytes, 0, &mut lines);
    assert_eq!(lines.join("\n"), BOXES.trim());

    let moov = movie(&bytes);
    let mut found: Vec<&[u8]> = Vec::new();
    for trak in &moov.trak {
        found.extend(samples(trak, &bytes).into_iter().map(|(sample, _)| sample));
    }
    found.sort_by_key(|sample| sample.as_ptr());
    assert!(
        found.concat() == bytes[file.head().len()..],
        "media without a sample"
    );

    let video = &moov.trak[0];
    let mut keyframes = Vec::new();
    for (number, (mut sample, _)) in (1..).zip(samples(video, &bytes)) {
        let mut is_key = false;
        while let Some((length, rest)) = sample.split_first_chunk() {
            let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            is_key |= unit[0] & 0x1f == NAL_IDR;
            sample = rest;
        }
        assert!(sample.is_empty(), "sample {number}");
        keyframes.extend(is_key.then_some(number));
    }
    let sync = video.mdia.minf.stbl.stss.as_ref().unwrap();
    assert_eq!(sync.entries, keyframes);
}
