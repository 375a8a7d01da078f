//! A broadcast that leaves out some of its work, and takes it up again, goes on in every rendition:
//! each picture once, in order, keyframes where they were, and decodable by whoever has the first
//! initialization segment.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod collecting;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use media_core::graph::{
    Output, Plan, Preset, Profile, Role, Settings, Shed, Shedding, Transcoder, VideoEncoder,
};
use media_core::{Media, MediaTime, RenditionName, Sample, Thumbnail, Track};

use collecting::{Collected, assert_gapless, settings};

/// Longer than this short source needs on a busy machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

const FRAMES: usize = 420;

/// Sheds more, and less again, by the media time of what comes out of the lowest rung: what is set
/// in the middle of a segment counts from a later segment's beginning on.
struct Directed {
    collected: Collected,
    shedding: Shedding,
    directions: &'static [(u64, Shed)],
}

impl Output for Directed {
    fn started(&self, plan: &Plan) {
        self.collected.started(plan);
    }

    fn track(&self, track: Track) {
        self.collected.track(track);
    }

    fn sample(&self, rendition: &RenditionName, sample: Sample) {
        if rendition.as_str() == "90p" {
            let at = |ms: u64| MediaTime::from_millis(i64::try_from(ms).unwrap());
            let reached = |&&(ms, _): &&(u64, Shed)| at(ms) <= sample.time;
            let shed = self.directions.iter().rev().find(reached);
            self.shedding
                .set(shed.map_or(Shed::Nothing, |(_, shed)| *shed));
        }
        self.collected.sample(rendition, sample);
    }

    fn thumbnail(&self, thumbnail: Thumbnail) {
        self.collected.thumbnail(thumbnail);
    }

    fn failed(&self) {
        self.collected.failed();
    }
}

fn directed(profile: Profile, directions: &'static [(u64, Shed)]) -> Arc<Directed> {
    let source = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args("-f lavfi -i testsrc2=size=320x180:rate=30 -t 14".split_whitespace())
        .args("-c:v libx264 -preset ultrafast -g 30 -f mpegts -".split_whitespace())
        .output()
        .expect("ffmpeg is installed");
    let stream = Bytes::from(source.stdout);
    let directed = Arc::new(Directed {
        collected: Collected::default(),
        shedding: Shedding::default(),
        directions,
    });
    let settings = Settings {
        encoder: VideoEncoder::X264,
        // It looks ahead, where the profile lets it: an encoder that goes holds pictures.
        preset: Preset::Veryfast,
        profile,
        shedding: directed.shedding.clone(),
        ..settings()
    };
    let transcoder = Transcoder::new(settings, Arc::clone(&directed) as Arc<dyn Output>);
    let (mut intake, _) = transcoder.publication(Role::OnAir).expect("an intake");
    intake
        .push(Media::TransportStream(stream))
        .expect("decodable");
    let (sender, drained) = mpsc::channel();
    intake.close(move || sender.send(()).unwrap());
    drained
        .recv_timeout(DRAINED_WITHIN)
        .expect("the intake drains");
    transcoder.end();
    directed
}

/// NAL units of an AVC sample with lengths of four bytes.
fn units(data: &[u8]) -> Vec<&[u8]> {
    let (mut units, mut rest) = (Vec::new(), data);
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (unit, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        units.push(unit);
        rest = behind;
    }
    units
}

/// Its coded slices alone.
fn slices(data: &[u8]) -> Vec<&[u8]> {
    let is_slice = |unit: &&[u8]| [1, 5].contains(&(unit[0] & 0x1f));
    units(data).into_iter().filter(is_slice).collect()
}

/// The one SPS that stands before the slices.
fn sps(sample: &Sample) -> &[u8] {
    let units = units(&sample.data);
    let kinds: Vec<_> = units.iter().map(|unit| unit[0] & 0x1f).collect();
    assert!(kinds.starts_with(&[7, 8]), "{kinds:?}");
    let sets = kinds.iter().filter(|kind| [7, 8].contains(*kind));
    assert_eq!(sets.count(), 2, "{kinds:?}");
    units[0]
}

/// The sizes of all pictures that FFmpeg decodes, given what a player is given.
fn decoded(track: &Track, samples: &[Sample]) -> Vec<String> {
    let record = &track.decoder_config;
    // One SPS and one PPS, as x264 has it.
    let sps_end = 8 + usize::from(u16::from_be_bytes([record[6], record[7]]));
    let pps = sps_end + 3
        ..sps_end
            + 3
            + usize::from(u16::from_be_bytes([
                record[sps_end + 1],
                record[sps_end + 2],
            ]));
    let announced = [&record[8..sps_end], &record[pps]];
    let all = samples.iter().flat_map(|sample| units(&sample.data));
    let mut stream = Vec::new();
    for unit in announced.into_iter().chain(all) {
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(unit);
    }
    let mut child = Command::new("ffprobe")
        .args(
            "-v warning -f h264 -show_entries frame=width,height -of csv=p=0 -".split_whitespace(),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffprobe is installed");
    let mut input = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || input.write_all(&stream).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(complaints, "", "of {}", track.rendition);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    // Where an encoder begins it says who it is: side data, and an empty line.
    let sizes = lines.lines().map(|line| line.trim_end_matches(','));
    sizes
        .filter(|size| !size.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn renditions_go_on_whole_while_the_preset_and_the_top_rung_are_shed_and_come_back() {
    for profile in [Profile::LowLatency, Profile::Quality] {
        let directed = directed(
            profile,
            &[
                (1000, Shed::Preset),
                (3000, Shed::TopRung),
                (7000, Shed::Preset),
                (9000, Shed::Nothing),
            ],
        );
        let collected = &directed.collected;
        let samples = collected.samples.lock().unwrap();
        let plan = collected.plan.lock().unwrap().clone().unwrap();
        let tracks = collected.tracks.lock().unwrap();
        assert_eq!(tracks.len(), 3, "each rendition is announced once");
        let (top, next) = (&samples["180p"], &samples["90p"]);
        for (name, pictures) in [("180p", top), ("90p", next)] {
            assert_eq!(pictures.len(), FRAMES, "{name}, {profile}");
            assert_gapless(pictures, name);
            for (index, picture) in pictures.iter().enumerate() {
                let starts = plan.cadence.starts_segment(index as u64);
                assert_eq!(picture.sync, starts, "{name} at {index}, {profile}");
            }
        }
        let shown_twice: Vec<bool> = top
            .iter()
            .zip(next)
            .map(|(top, next)| slices(&top.data) == slices(&next.data))
            .collect();
        // The top rung is away for whole segments: once, in the middle.
        let segments: Vec<bool> = shown_twice.chunks(60).map(|it| it[0]).collect();
        for (segment, pictures) in shown_twice.chunks(60).enumerate() {
            assert!(
                pictures.iter().all(|it| *it == segments[segment]),
                "{segment}"
            );
        }
        let changes = segments
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .count();
        assert!(!segments[0] && !segments[6] && changes == 2, "{segments:?}");
        for segment in 0..segments.len() {
            let [top, next] = [top, next].map(|pictures| sps(&pictures[segment * 60]));
            assert_eq!(top == next, segments[segment], "{segment}");
        }
        let presets = next.iter().step_by(60).map(sps);
        let as_at_first: Vec<_> = presets.map(|it| it == sps(&next[0])).collect();
        assert!(as_at_first[6] && !as_at_first[2], "{as_at_first:?}");
        for track in tracks
            .iter()
            .filter(|track| track.rendition.as_str() != "audio")
        {
            let sizes = decoded(track, &samples[track.rendition.as_str()]);
            assert_eq!(sizes.len(), FRAMES, "{profile}");
            for (index, size) in sizes.iter().enumerate() {
                let is_small = track.rendition.as_str() == "90p" || shown_twice[index];
                let expected = if is_small { "160,90" } else { "320,180" };
                assert_eq!(size, expected, "{} at {index}", track.rendition);
            }
        }
    }
}

#[test]
fn a_broadcast_that_ends_while_its_top_rung_is_shed_ends_whole() {
    let directed = directed(Profile::LowLatency, &[(1000, Shed::TopRung)]);
    let samples = directed.collected.samples.lock().unwrap();
    for name in ["180p", "90p"] {
        assert_eq!(samples[name].len(), FRAMES, "{name}");
        assert_gapless(&samples[name], name);
    }
}

#[test]
fn no_thumbnail_is_made_while_thumbnails_are_shed() {
    let all = directed(Profile::LowLatency, &[]);
    let none = directed(Profile::LowLatency, &[(0, Shed::Thumbnails)]);
    let made = |of: &Directed| of.collected.thumbnails.lock().unwrap().len();
    // The first one is of before anything came out that could have set it.
    assert!(
        made(&all) >= 2 && made(&none) <= 1,
        "{} {}",
        made(&all),
        made(&none)
    );
}
