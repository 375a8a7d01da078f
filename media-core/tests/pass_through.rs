//! A source that is the highest rendition as it comes: its own coded pictures, the other renditions
//! cut where it has its keyframes, and an encoder where it has nothing to show.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod collecting;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media_core::graph::{IntakeError, Meters, Output, Role, Settings, SourceUse, Transcoder};
use media_core::{Media, Sample};

use collecting::{Collected, assert_gapless, settings};

/// Longer than any of these short sources needs on a busy machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

/// Bytes of a packet of a transport stream.
const PACKET: usize = 188;

/// Passes `stream` to ffmpeg; what it yields, and says.
fn ffmpeg(arguments: &str, stream: &[u8]) -> (Vec<u8>, String) {
    let mut child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(arguments.split_whitespace())
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let mut input = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || input.write_all(stream));
        child.wait_with_output().unwrap()
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.stdout, said)
}

/// A transport stream of so many seconds at the highest rung's size, coded with `options`.
fn source(seconds: u32, options: &str) -> Vec<u8> {
    let arguments = format!(
        "-f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=48000 -t {seconds} \
         -c:v libx264 -preset veryfast {options} -c:a aac -f mpegts"
    );
    let (stream, said) = ffmpeg(&arguments, &[]);
    assert_eq!(said, "");
    stream
}

struct Broadcast {
    collected: Arc<Collected>,
    meters: Arc<Meters>,
}

impl Broadcast {
    fn of(stream: Vec<u8>) -> Self {
        let (broadcast, refused) = Self::with(SourceUse::Top, stream, |_| true);
        assert_eq!(refused, Ok(()));
        broadcast
    }

    /// And what is said of the publisher once that is so far.
    fn with(
        source: SourceUse,
        stream: Vec<u8>,
        is_so_far: impl Fn(&Result<(), IntakeError>) -> bool,
    ) -> (Self, Result<(), IntakeError>) {
        let settings = Settings {
            source,
            ..settings()
        };
        let collected = Arc::new(Collected::default());
        let transcoder = Transcoder::new(settings, Arc::clone(&collected) as Arc<dyn Output>);
        let (mut intake, _) = transcoder.publication(Role::OnAir).unwrap();
        let stream = Bytes::from(stream);
        for start in (0..stream.len()).step_by(7 * PACKET) {
            let end = stream.len().min(start + 7 * PACKET);
            let packets = stream.slice(start..end);
            // What is refused is known a little later, or by the end.
            let _refused = intake.push(Media::TransportStream(packets));
        }
        let waited = Instant::now();
        while !is_so_far(&intake.check()) && waited.elapsed() < DRAINED_WITHIN {
            thread::sleep(Duration::from_millis(20));
        }
        let said = intake.check();
        let (sender, drained) = mpsc::channel();
        intake.close(move || sender.send(()).unwrap());
        drained.recv_timeout(DRAINED_WITHIN).unwrap();
        transcoder.end();
        let broadcast = Self {
            collected,
            meters: Arc::clone(transcoder.meters()),
        };
        (broadcast, said)
    }

    fn samples(&self, rendition: &str) -> Vec<Sample> {
        let samples = self.collected.samples.lock().unwrap()[rendition].clone();
        assert_gapless(&samples, rendition);
        samples
    }

    /// Pictures that the encoder of `rendition` was given.
    fn encoded(&self, rendition: &str) -> u64 {
        let mut encode = self.meters.encode().iter();
        let (_, took) = encode.find(|(name, _)| name.as_str() == rendition).unwrap();
        took.read().count()
    }

    /// Where segments begin, as grid points; the same of every rendition.
    fn segments(&self) -> Vec<u64> {
        let of = |rendition: &str| -> BTreeSet<u64> {
            let samples = self.samples(rendition);
            samples
                .iter()
                .map(|sample| sample.segment.unwrap())
                .collect()
        };
        let starts = of("180p");
        assert_eq!(of("90p"), starts);
        assert_eq!(of("audio"), starts);
        for rendition in ["180p", "90p"] {
            for (index, sample) in (0..).zip(self.samples(rendition)) {
                if sample.segment == Some(index) {
                    assert!(sample.sync, "{rendition}: {index} begins a segment");
                }
            }
        }
        starts.into_iter().collect()
    }

    /// What FFmpeg makes of the highest rendition, as a player that has its first configuration.
    fn plays(&self) -> usize {
        let tracks = self.collected.tracks.lock().unwrap();
        let track = tracks.iter().find(|it| it.rendition.as_str() == "180p");
        let mut stream = annex_b_sets(&track.unwrap().decoder_config);
        for sample in self.samples("180p") {
            for unit in units(&sample.data) {
                stream.extend([0, 0, 0, 1]);
                stream.extend(unit);
            }
        }
        let (grey, said) = ffmpeg(
            "-f h264 -i - -f rawvideo -pix_fmt gray -fps_mode passthrough",
            &stream,
        );
        assert_eq!(said, "");
        grey.len() / (320 * 180)
    }
}

/// NAL units behind their lengths.
fn units(data: &[u8]) -> Vec<&[u8]> {
    let mut rest = data;
    let mut found = Vec::new();
    while let Some((length, units)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        found.push(&units[..length]);
        rest = &units[length..];
    }
    found
}

/// The one SPS and the one PPS of a configuration, with start codes.
fn annex_b_sets(config: &[u8]) -> Vec<u8> {
    let mut rest = &config[6..];
    let mut found = Vec::new();
    for _ in 0..2 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        found.extend([0, 0, 0, 1]);
        found.extend(&rest[2..2 + length]);
        rest = &rest[(2 + length + 1).min(rest.len())..];
    }
    found
}

/// Slices (of types 1 and 5) of a transport stream's pictures.
fn slices_of_stream(stream: &[u8]) -> Vec<Vec<u8>> {
    let (bytes, _) = ffmpeg("-f mpegts -i - -map 0:v -c copy -f h264", stream);
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    let is_start = |at: usize| bytes[at..].starts_with(&[0, 0, 1]);
    while at + 3 < bytes.len() {
        if is_start(at) {
            let begin = at + 3;
            let end = (begin..bytes.len())
                .find(|&at| is_start(at) || bytes[at..].starts_with(&[0, 0, 0, 1]));
            let end = end.unwrap_or(bytes.len());
            if matches!(bytes[begin] & 0x1f, 1 | 5) {
                found.push(bytes[begin..end].to_vec());
            }
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

fn slices_of_samples(samples: &[Sample]) -> Vec<Vec<u8>> {
    let all = samples.iter().flat_map(|sample| units(&sample.data));
    let slices = all.filter(|unit| matches!(unit[0] & 0x1f, 1 | 5));
    slices.map(<[u8]>::to_vec).collect()
}

#[test]
fn a_source_that_fits_is_the_highest_rendition_slice_for_slice() {
    let stream = source(6, "-bf 0 -g 60 -sc_threshold 0");
    let broadcast = Broadcast::of(stream.clone());
    let top = broadcast.samples("180p");
    assert_eq!(top.len(), 180);
    assert_eq!(slices_of_samples(&top), slices_of_stream(&stream));
    assert_eq!(broadcast.encoded("180p"), 0);
    assert_eq!(broadcast.encoded("90p"), 180);
    assert_eq!(broadcast.segments(), [0, 60, 120]);
    assert_eq!(broadcast.plays(), 180);
}

#[test]
fn every_rendition_is_cut_where_the_source_has_its_keyframes() {
    let keyframes = "0,1.9,3.567,5.5,7.5";
    let stream = source(
        9,
        &format!("-bf 0 -g 300 -sc_threshold 0 -force_key_frames {keyframes}"),
    );
    let broadcast = Broadcast::of(stream);
    assert_eq!(broadcast.segments(), [0, 57, 107, 165, 225]);
    assert_eq!(broadcast.encoded("180p"), 0);
    assert_eq!(broadcast.plays(), 270);
}

#[test]
fn a_source_with_b_frames_or_of_another_size_is_encoded() {
    let scaled = "-bf 0 -g 60 -vf scale=640:360";
    for options in ["-bf 2 -g 60", scaled] {
        let broadcast = Broadcast::of(source(4, options));
        let frames = broadcast.samples("180p").len() as u64;
        assert!(broadcast.encoded("180p") + 2 >= frames, "{options}");
        assert_eq!(broadcast.plays() as u64, frames);
    }
}

#[test]
fn where_pictures_are_lost_an_encoder_stands_in_up_to_the_next_keyframe() {
    let mut stream = source(20, "-bf 0 -g 60 -sc_threshold 0 -b:v 600k");
    // Some packets in the middle of the sixth group of pictures.
    let packets = stream.len() / PACKET;
    let lost = packets * 11 / 20;
    stream.drain(lost * PACKET..(lost + 12) * PACKET);
    let broadcast = Broadcast::of(stream);
    let top = broadcast.samples("180p");
    let encoded = broadcast.encoded("180p");
    assert!((10..120).contains(&encoded), "{encoded}");
    // At its beginning, and at its end, players get other parameter sets.
    let with_sets = |sample: &Sample| units(&sample.data).iter().any(|unit| unit[0] & 0x1f == 7);
    let changes: Vec<usize> = (0..top.len())
        .filter(|&index| with_sets(&top[index]) && top[index].sync)
        .collect();
    assert!(!changes.is_empty());
    assert_eq!(broadcast.plays(), top.len());
    broadcast.segments();
}

#[test]
fn where_only_the_source_is_passed_on_it_is_the_one_rendition_and_one_that_does_not_fit_is_refused()
{
    let fits = source(4, "-bf 0 -g 60 -sc_threshold 0");
    let (broadcast, said) = Broadcast::with(SourceUse::Alone, fits, |_| true);
    assert_eq!(said, Ok(()));
    let samples = broadcast.collected.samples.lock().unwrap();
    assert_eq!(samples.keys().collect::<Vec<_>>(), ["180p", "audio"]);
    drop(samples);
    assert_eq!((broadcast.encoded("180p"), broadcast.plays()), (0, 120));

    let reordered = source(6, "-bf 2 -g 60");
    let (_, said) = Broadcast::with(SourceUse::Alone, reordered, Result::is_err);
    let said = said.expect_err("it does not fit").to_string();
    assert!(said.contains("it has B-frames"), "{said}");
}
