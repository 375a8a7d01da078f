//! Files through inspection, decoding, Timeline and ladder: every picture comes out of every rung
//! once, cut at the same times as a broadcast's, whatever the file is.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

#[path = "../collecting/mod.rs"]
mod collecting;
mod control;
mod faults;
mod formats;
mod looks;
mod timing;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use media_core::Sample;
use media_core::graph::Output;
use media_core::graph::offline::{self, Control, Error, Summary};

use collecting::{Collected, assert_gapless, settings};

/// Five seconds' pictures at 25 frames a second; small, so that encoding takes little.
const PICTURES: &str = "-f lavfi -i testsrc2=size=320x180:rate=25";

/// A tone, in mono and at another rate than the ladder's.
const TONE: &str = "-f lavfi -i sine=sample_rate=44100";

/// A folder for a test's files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a file with ffmpeg.
    fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let output = Command::new("ffmpeg")
            .current_dir(self.0.path())
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .output()
            .expect("ffmpeg is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {said}");
        path
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn run(path: &Path) -> (Result<Summary, Error>, Arc<Collected>) {
    settings();
    let collected = Arc::new(Collected::default());
    let output = Arc::clone(&collected) as Arc<dyn Output>;
    let summary = offline::transcode(path, &settings(), output, &Control::default());
    (summary, collected)
}

fn transcode(path: &Path) -> (Summary, Arc<Collected>) {
    let (summary, collected) = run(path);
    let name = path.display();
    (
        summary.unwrap_or_else(|error| panic!("{name}: {error}")),
        collected,
    )
}

/// That every rung has just `frames` pictures, with an IDR picture where a segment begins and
/// nowhere else, and that nothing lacks in between.
fn assert_rungs(collected: &Collected, rungs: &[&str], frames: usize, what: &str) {
    let plan = collected.plan.lock().unwrap().clone().expect("it started");
    let samples = collected.samples.lock().unwrap();
    let mut expected: Vec<_> = rungs.to_vec();
    expected.push("audio");
    assert_eq!(samples.keys().collect::<Vec<_>>(), expected, "{what}");
    for rung in rungs {
        let pictures = &samples[*rung];
        assert_eq!(pictures.len(), frames, "{rung} of {what}");
        assert_gapless(pictures, what);
        let keyframes: Vec<usize> = (0..frames).filter(|&i| pictures[i].sync).collect();
        let boundaries: Vec<usize> = (0..frames)
            .filter(|&i| plan.cadence.starts_segment(i as u64))
            .collect();
        assert_eq!(keyframes, boundaries, "{rung} of {what}");
    }
    assert_gapless(&samples["audio"], what);
}

fn end_of(samples: &[Sample]) -> f64 {
    let last = samples.last().expect("there are some");
    (last.time + last.duration).as_secs_f64()
}

/// When the sound ends.
fn sound_end(collected: &Collected) -> f64 {
    end_of(&collected.samples.lock().unwrap()["audio"])
}

/// Decodes a rung with ffmpeg: its pictures in grey, one behind the other.
fn grey(folder: &Folder, collected: &Collected, rung: &str) -> Vec<u8> {
    let tracks = collected.tracks.lock().unwrap();
    let track = tracks.iter().find(|track| track.rendition.as_str() == rung);
    let mut stream = parameter_sets(&track.unwrap().decoder_config);
    for sample in &collected.samples.lock().unwrap()[rung] {
        let mut rest = &sample.data[..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (unit, after) = after.split_at(u32::from_be_bytes(*length) as usize);
            stream.extend([0, 0, 0, 1]);
            stream.extend(unit);
            rest = after;
        }
    }
    folder.write("rung.h264", &stream);
    let raw = folder.make(
        "rung.gray",
        "-f h264 -i rung.h264 -fps_mode passthrough -pix_fmt gray -f rawvideo",
    );
    std::fs::read(raw).unwrap()
}

/// The parameter sets of an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1), as Annex B
/// of H.264 has them.
fn parameter_sets(record: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut at = 5;
    for mask in [0x1f, 0xff] {
        let sets = record[at] & mask;
        at += 1;
        for _ in 0..sets {
            let length = usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
            stream.extend([0, 0, 0, 1]);
            stream.extend(&record[at + 2..at + 2 + length]);
            at += 2 + length;
        }
    }
    stream
}

/// Decodes the sound with ffmpeg: the left channel's samples at 48 kHz.
fn loudness(folder: &Folder, collected: &Collected) -> Vec<i16> {
    let mut stream = Vec::new();
    for sample in &collected.samples.lock().unwrap()["audio"] {
        // ADTS (ISO/IEC 13818-7 §6.2): AAC LC, 48 kHz, two channels, no checksum.
        let length = sample.data.len() + 7;
        stream.extend([
            0xff,
            0xf1,
            0x4c,
            0x80 | (length >> 11) as u8,
            (length >> 3) as u8,
        ]);
        stream.extend([((length & 7) << 5) as u8 | 0x1f, 0xfc]);
        stream.extend(&sample.data);
    }
    folder.write("sound.aac", &stream);
    let raw = folder.make(
        "sound.raw",
        "-f aac -i sound.aac -af pan=mono|c0=c0 -f s16le",
    );
    let bytes = std::fs::read(raw).unwrap();
    let samples = bytes.as_chunks::<2>().0.iter();
    samples.map(|sample| i16::from_le_bytes(*sample)).collect()
}
