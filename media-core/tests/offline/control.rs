//! Pausing, cancelling, progress, and who gives way to whom.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media_core::graph::offline::{self, Control, Error, Summary};
use media_core::graph::{Output, Plan};
use media_core::{MediaTime, RenditionName, Sample, Track};

use super::collecting::Collected;
use super::{Folder, PICTURES, TONE, assert_rungs, settings};

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

const CODECS: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

/// Passes samples on, each after a while.
struct Slow {
    to: Arc<Collected>,
    each: Duration,
    samples: AtomicUsize,
}

impl Slow {
    fn new(each: Duration) -> Arc<Self> {
        Arc::new(Self {
            to: Arc::default(),
            each,
            samples: AtomicUsize::new(0),
        })
    }

    fn samples(&self) -> usize {
        self.samples.load(Ordering::Relaxed)
    }
}

impl Output for Slow {
    fn thumbnail(&self, _thumbnail: media_core::Thumbnail) {}

    fn started(&self, plan: &Plan) {
        self.to.started(plan);
    }

    fn track(&self, track: Track) {
        self.to.track(track);
    }

    fn sample(&self, rendition: &RenditionName, sample: Sample) {
        std::thread::sleep(self.each);
        self.samples.fetch_add(1, Ordering::Relaxed);
        self.to.sample(rendition, sample);
    }

    fn failed(&self) {
        self.to.failed();
    }
}

fn start(
    path: PathBuf,
    output: &Arc<Slow>,
    control: &Control,
) -> JoinHandle<Result<Summary, Error>> {
    let (output, control) = (Arc::clone(output) as Arc<dyn Output>, control.clone());
    std::thread::spawn(move || offline::transcode(&path, &settings(), output, &control))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn source(folder: &Folder, seconds: u32) -> PathBuf {
    folder.make(
        "source.mp4",
        &format!("{PICTURES} {TONE} -t {seconds} {CODECS}"),
    )
}

#[test]
fn a_slow_taker_holds_the_work_back_and_loses_nothing() {
    let folder = Folder::new();
    let slow = Slow::new(Duration::from_millis(4));
    let control = Control::default();
    let summary = start(source(&folder, 3), &slow, &control)
        .join()
        .unwrap()
        .unwrap();
    assert_rungs(&slow.to, &["180p", "90p"], 75, "a slow taker");
    assert_eq!(summary.counters, Default::default());
}

#[test]
fn a_pause_holds_everything_and_what_follows_is_complete() {
    let folder = Folder::new();
    let slow = Slow::new(Duration::from_millis(2));
    let control = Control::default();
    let job = start(source(&folder, 10), &slow, &control);
    until("it runs", || slow.samples() > 50);
    control.pause();
    // What has passed the gate comes through: one sample of each rendition.
    let mut held = 0;
    until("it holds", || {
        std::thread::sleep(Duration::from_millis(300));
        std::mem::replace(&mut held, slow.samples()) == slow.samples()
    });
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(slow.samples(), held);
    assert!(!job.is_finished());
    let progress = control.progress();
    assert!(progress.done > MediaTime::ZERO && progress.done < MediaTime::from_millis(10_000));
    assert_eq!(progress.duration, Some(Duration::from_secs(10)));
    control.resume();
    let summary = job.join().unwrap().unwrap();
    assert_eq!(summary.frames, 250);
    assert_rungs(&slow.to, &["180p", "90p"], 250, "after a pause");
    assert_eq!(control.progress().done, MediaTime::from_millis(10_000));
}

#[test]
fn cancelling_ends_it_at_once_running_or_paused() {
    let folder = Folder::new();
    let path = source(&folder, 60);
    for paused in [false, true] {
        let slow = Slow::new(Duration::from_millis(10));
        let control = Control::default();
        let job = start(path.clone(), &slow, &control);
        until("it runs", || slow.samples() > 20);
        if paused {
            control.pause();
        }
        let began = Instant::now();
        control.cancel();
        let outcome = job.join().unwrap();
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        // A second, and what a busy machine takes.
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    }
}

#[test]
fn a_gap_of_minutes_can_be_cancelled() {
    let folder = Folder::new();
    let path = folder.make(
        "gap.mkv",
        &format!("-t 2 {PICTURES} -vf setpts=PTS+gte(N\\,25)*540/TB -fps_mode vfr {CODECS}"),
    );
    let slow = Slow::new(Duration::from_millis(10));
    let control = Control::default();
    let job = start(path, &slow, &control);
    until("the gap is being filled", || slow.samples() > 100);
    let began = Instant::now();
    control.cancel();
    assert!(matches!(job.join().unwrap(), Err(Error::Cancelled)));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn its_threads_are_nice_and_leave_none_behind() {
    let folder = Folder::new();
    let slow = Slow::new(Duration::from_millis(5));
    let control = Control::default();
    let job = start(source(&folder, 10), &slow, &control);
    until("it runs", || slow.samples() > 50);
    // Two decoders, two encoders, a scaler and the sound have a thread each, at least.
    let working = nice_threads();
    assert!(working.len() >= 6, "{working:?}");
    assert!(
        working.iter().any(|name| name.starts_with("queue")),
        "{working:?}"
    );
    control.cancel();
    assert!(matches!(job.join().unwrap(), Err(Error::Cancelled)));
    until("they have ended", || nice_threads().is_empty());
}

/// The names of this process's threads that are as nice as can be.
fn nice_threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok())
        .filter_map(|stat| {
            let (head, fields) = stat.rsplit_once(") ")?;
            let (_, comm) = head.split_once('(')?;
            let nice = fields.split(' ').nth(16)?;
            (nice == "19").then(|| comm.to_owned())
        })
        .collect()
}

#[test]
fn what_was_cancelled_before_it_began_does_not_begin() {
    let folder = Folder::new();
    let slow = Slow::new(Duration::ZERO);
    let control = Control::default();
    control.cancel();
    let outcome = start(source(&folder, 3), &slow, &control).join().unwrap();
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    assert_eq!(slow.samples(), 0);
    assert!(Path::exists(&folder.path("source.mp4")));
}
