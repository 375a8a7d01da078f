//! A fault of this program in what GStreamer calls back ends the broadcast or the publication that it
//! happened in, and nothing else.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod collecting;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use media_core::graph::{Intake, Output, Plan, Role, Transcoder};
use media_core::{Media, RenditionName, Sample, Thumbnail, Track};

use collecting::{Collected, assert_gapless, settings};

/// What every broadcast here is made from.
fn source() -> Bytes {
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi"])
        .args(["-i", "testsrc2=size=320x180:rate=30", "-t", "3"])
        .args(["-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-f", "mpegts", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(made.status.success());
    made.stdout.into()
}

/// An output with a fault of its own.
#[derive(Default)]
struct Faulty {
    panics_at_start: bool,
    /// How many samples it takes before it panics.
    samples_left: AtomicUsize,
    has_failed: AtomicBool,
}

impl Output for Faulty {
    fn started(&self, _: &Plan) {
        assert!(!self.panics_at_start, "as the test wants it");
    }

    fn track(&self, _: Track) {}

    fn sample(&self, _: &RenditionName, _: Sample) {
        let left = self.samples_left.fetch_sub(1, Ordering::Relaxed);
        assert!(left > 0, "as the test wants it");
    }

    fn thumbnail(&self, _: Thumbnail) {}

    fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        panic!("and once more");
    }
}

/// Hands over all of it, whatever is said to it.
fn push(intake: &mut Intake, stream: &Bytes) {
    for start in (0..stream.len()).step_by(1316) {
        let end = stream.len().min(start + 1316);
        let _refused = intake.push(Media::TransportStream(stream.slice(start..end)));
    }
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

#[test]
fn a_panic_between_encoder_and_playlist_ends_one_broadcast_only() {
    let (stream, settings) = (source(), settings());
    let faulty = Arc::new(Faulty {
        samples_left: AtomicUsize::new(20),
        ..Faulty::default()
    });
    let broken = Transcoder::new(settings.clone(), Arc::clone(&faulty) as Arc<dyn Output>);
    let collected = Arc::new(Collected::default());
    let beside = Transcoder::new(settings, Arc::clone(&collected) as Arc<dyn Output>);
    let mut intakes = [&broken, &beside].map(|it| it.publication(Role::OnAir).unwrap().0);
    for intake in &mut intakes {
        push(intake, &stream);
    }
    wait_for("the failed broadcast", || {
        faulty.has_failed.load(Ordering::Relaxed)
    });
    let [first, second] = intakes;
    drop(first);
    let (sender, drained) = mpsc::channel();
    second.close(move || sender.send(()).unwrap());
    drained.recv_timeout(Duration::from_secs(60)).unwrap();
    beside.end();
    broken.end();
    let samples = collected.samples.lock().unwrap();
    for rung in ["180p", "90p"] {
        assert_eq!(samples[rung].len(), 90, "{rung}");
        assert_gapless(&samples[rung], rung);
    }
}

#[test]
fn a_panic_as_a_broadcast_starts_ends_its_publication() {
    let stream = source();
    let faulty = Arc::new(Faulty {
        panics_at_start: true,
        ..Faulty::default()
    });
    let transcoder = Transcoder::new(settings(), Arc::clone(&faulty) as Arc<dyn Output>);
    let (mut intake, _) = transcoder.publication(Role::OnAir).unwrap();
    push(&mut intake, &stream);
    wait_for("the publication's end", || intake.check().is_err());
}
