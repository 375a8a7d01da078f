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
