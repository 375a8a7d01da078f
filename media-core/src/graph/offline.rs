//! Off-line transcoding: a file through intake, Timeline and ladder, as fast as the machine goes.
//!
//! ```text
//! filesrc ─ demux ┬ queue ─ parse ─ decode ─ deinterlace ─ convert+scale ─ turn ─ appsink ─┐
//!                 └ queue ─ parse ─ decode ─ convert ─ resample ─ appsink ─ Timeline ─ ladder
//! ```
//! The ladder is a broadcast's, and so are the samples that come out: rungs cut at the same media
//! time, a constant frame rate, 48 kHz stereo without a gap. What differs:
//!
//! - Nothing is dropped because an encoder is slow: every queue waits, back to the file.
//! - The file is inspected first, its coded timestamps included. So the ladder is known before
//!   anything is decoded, and two runs yield the same samples.
//! - Its threads give way to those of broadcasts, and it can be paused or cancelled ([`Control`]).
//!
//! It opens the file and nothing else: containers and codecs are listed here, so a playlist or a
//! movie that refers to other files or hosts is refused and never followed.
//!
//! Limits: one video and one audio track; pictures of more than 8 bits lose the rest, without tone
//! mapping; subtitles, chapters and further tracks are left out. GStreamer's reader takes a video
//! track for a cover and leaves it out where it is shorter than a fifth of its MP4.

mod codecs;
mod container;
mod control;
mod inspection;
mod joint;
mod rate;
mod reader;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use gstreamer as gst;
use gstreamer::prelude::*;

pub use self::container::Container;
pub use self::control::{Control, Progress};
pub use self::inspection::{AudioTrack, Inspection, VideoTrack, inspect};

use self::joint::{Joint, Tap};
use self::reader::{Event, Reader};
use super::intake::Shared;
use super::ladder::Work;
use super::meters::Meters;
use super::transcoder::{Form, Output, Running, Settings, Start, sound_grid};
use crate::cadence::Cadence;
use crate::time::MediaTime;
use crate::timeline::{Counters, Timeline};

/// How often a waiting transcoder looks whether it was cancelled: cancelling takes effect within a
/// second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long nothing may be decoded or encoded before the transcoder gives up: longer than its nice
/// threads wait on a machine that is busy with broadcasts.
const STALL_MAX: Duration = Duration::from_secs(120);

/// How long what was read before a fault may take from one picture to the next until it counts as
/// all there is.
const TAIL_MAX: Duration = Duration::from_secs(10);

/// How much shorter than stated a file may be and still count as whole: containers round.
const SHORT_MIN: Duration = Duration::from_secs(1);

/// Why a file is not transcoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system does not give it.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Its content is of none of the containers that are read.
    #[error("this is {found}, not MP4, MOV, MKV, WebM, MPEG-TS or FLV")]
    NotAContainer {
        /// What it seems to be.
        found: String,
    },
    /// The container is damaged where its tracks are described.
    #[error("the {container} file is damaged or cut off: {reason}")]
    Unreadable {
        /// What it begins as.
        container: Container,
        /// What its reader says.
        reason: String,
    },
    /// It has neither pictures nor sound.
    #[error("the {0} file has neither pictures nor sound")]
    NoTracks(Container),
    /// No track of a kind that it has can be decoded.
    #[error("{codec} in the {container} file is not supported")]
    Codec {
        /// The container.
        container: Container,
        /// The first such track's codec.
        codec: String,
    },
    /// Its tracks are described, but not one picture, or without pictures no sound, could be
    /// decoded.
    #[error("nothing in the {container} file can be decoded{}", because(.reason))]
    Undecodable {
        /// The container.
        container: Container,
        /// The first fault, where one was noticed.
        reason: Option<String>,
    },
    /// [`Control::cancel`] was called.
    #[error("cancelled")]
    Cancelled,
    /// Nothing moved for [`STALL_MAX`].
    #[error("nothing has been encoded for {} s, at {at}", STALL_MAX.as_secs())]
    Stalled {
        /// How far it had come.
        at: MediaTime,
    },
    /// An encoder failed. Ours, not the file's.
    #[error("the encoders failed at {at}")]
    Encoder {
        /// How far it had come.
        at: MediaTime,
    },
    /// A pipeline cannot be built. Ours, not the file's.
    #[error(transparent)]
    Pipeline(#[from] super::elements::Error),
}

fn because(reason: &Option<String>) -> String {
    reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default()
}

/// What a transcoder has made of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// From the first picture or sound to the end of the last.
    pub duration: Duration,
    /// Pictures of every rung; 0 for sound alone.
    pub frames: u64,
    /// What the Timeline had to mend.
    pub counters: Counters,
    /// Whether that is all of it.
    pub extent: Extent,
}

/// How much of a file could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, as far as the container says how much there is.
    Whole,
    /// It ends before its time, as a truncated file does.
    Short {
        /// How long the container says that it is.
        stated: Duration,
    },
    /// Reading ended at a fault.
    Broken {
        /// Where, on the output's clock.
        at: MediaTime,
        /// What was found.
        reason: String,
    },
}

/// Encodes a file into the rungs that it fills and the audio rendition, and hands their samples to
/// `output` as a broadcast's. A file without sound gets silence, one without pictures no rungs, and
/// tracks of unequal length are brought to the same end. Blocks until that is done.
///
/// # Errors
/// See [`Error`]. Those that [`inspect`] does not find can come after samples have.
pub fn transcode(
    path: &Path,
    settings: &Settings,
    output: Arc<dyn Output>,
    control: &Control,
) -> Result<Summary, Error> {
    let inspection = inspect(path)?;
    let mut job = Job::start(path, &inspection, settings, output, control)?;
    let fault = job.read()?;
    job.finish(&inspection, fault)
}

/// A transcoder at work.
struct Job {
    joint: Arc<Joint>,
    tap: Arc<Tap>,
    control: Control,
    events: Receiver<Event>,
    watch: Watch,
    // Stopped in this order, so that nobody waits for an encoder that does not come.
    _ladder: Stopped,
    reader: Reader,
}

/// Stops a pipeline when it is dropped.
struct Stopped(gst::Pipeline);

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(error) = self.0.set_state(gst::State::Null) {
            tracing::error!(%error, "a pipeline did not stop");
        }
    }
}

impl Job {
    fn start(
        path: &Path,
        inspection: &Inspection,
        settings: &Settings,
        output: Arc<dyn Output>,
        control: &Control,
    ) -> Result<Self, Error> {
        let form = inspection
            .video
            .as_ref()
            .map(|video| Form::of(&video.source(), &settings.ladder));
        let rate = inspection
            .video
            .as_ref()
            .map_or_else(sound_grid, |video| video.frame_rate);
        let caps = form.as_ref().map(|form| form.caps.clone());
        let meters = Arc::new(Meters::default());
        let (sender, events) = mpsc::channel();
        let tap = Arc::new(Tap::new(output, control.clone(), sender.clone()));
        control.expect(inspection.duration);
        let start = Start {
            timeline: Timeline::of_file(rate, inspection.origin()),
            cadence: Cadence::new(rate, settings.segment, settings.part),
            form,
            began: SystemTime::now(),
            work: Work::File,
        };
        let outward = Arc::clone(&tap) as Arc<dyn Output>;
        let running = start.run(settings, &outward, &meters)?;
        let ladder = Stopped(running.ladder().pipeline());
        let has_sound = inspection.audio.is_some();
        let joint = Arc::new(Joint::new(
            running,
            caps,
            has_sound,
            Arc::clone(tap.activity()),
        ));
        let shared = Arc::new(Shared::new(Arc::clone(&joint) as _, meters));
        let reader = Reader::start(path, inspection, shared, sender)?;
        Ok(Self {
            joint,
            watch: Watch::new(&tap),
            tap,
            control: control.clone(),
            events,
            _ladder: ladder,
            reader,
        })
    }

    /// Waits until everything that can be read has been decoded and handed to the ladder. The
    /// fault at which reading ended, if it did.
    fn read(&mut self) -> Result<Option<(MediaTime, String)>, Error> {
        let mut fault = None;
        loop {
            match self.events.recv_timeout(LOOK_EVERY) {
                Ok(Event::Drained) | Err(RecvTimeoutError::Disconnected) => return Ok(fault),
                Ok(Event::Fault(reason)) if fault.is_none() => {
                    fault = Some((self.control.progress().done, reason));
                    if !self.reader.end_tracks() {
                        return Ok(fault);
                    }
                }
                Ok(Event::Fault(_)) => {}
                Ok(Event::EncoderFailed) => {
                    let at = self.control.progress().done;
                    return Err(Error::Encoder { at });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let still = self.still()?;
            if fault.is_some() && still > TAIL_MAX {
                return Ok(fault);
            }
        }
    }

    /// Hands out what the encoders hold.
    fn finish(
        mut self,
        inspection: &Inspection,
        fault: Option<(MediaTime, String)>,
    ) -> Result<Summary, Error> {
        let running = self.joint.end();
        if let Some(running) = &running {
            running.ladder().end_inputs();
            while !running.ladder().is_drained_within(LOOK_EVERY) {
                self.still()?;
            }
        }
        if let Ok(Event::EncoderFailed) = self.events.try_recv() {
            let at = self.control.progress().done;
            return Err(Error::Encoder { at });
        }
        let timeline = running.as_ref().map(Running::timeline);
        let frames = timeline.map_or(0, Timeline::next_frame);
        let is_empty = match inspection.video {
            Some(_) => frames == 0,
            None => timeline.is_none_or(|timeline| timeline.next_sample() == 0),
        };
        if is_empty {
            return Err(Error::Undecodable {
                container: inspection.container,
                reason: fault.map(|(_, reason)| reason),
            });
        }
        let duration = self.tap.end().saturating_since(MediaTime::ZERO);
        Ok(Summary {
            duration,
            frames,
            counters: timeline.map(Timeline::counters).unwrap_or_default(),
            extent: extent(inspection, duration, fault),
        })
    }

    /// For how long nothing has been decoded or encoded, pauses not counted.
    fn still(&mut self) -> Result<Duration, Error> {
        if self.control.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let still = self.watch.still(&self.tap, self.control.is_paused());
        if still > STALL_MAX {
            let at = self.control.progress().done;
            return Err(Error::Stalled { at });
        }
        Ok(still)
    }
}

fn extent(
    inspection: &Inspection,
    duration: Duration,
    fault: Option<(MediaTime, String)>,
) -> Extent {
    if let Some((at, reason)) = fault {
        return Extent::Broken { at, reason };
    }
    let stated = inspection.duration;
    let stated = stated.filter(|_| inspection.container.states_duration());
    match stated {
        Some(stated) if stated > duration + SHORT_MIN => Extent::Short { stated },
        _ => Extent::Whole,
    }
}

/// Sees whether anything moves.
struct Watch {
    seen: u64,
    since: Instant,
}

impl Watch {
    fn new(tap: &Tap) -> Self {
        Self {
            seen: tap.moved(),
            since: Instant::now(),
        }
    }

    fn still(&mut self, tap: &Tap, paused: bool) -> Duration {
        let moved = tap.moved();
        if paused || moved != self.seen {
            self.seen = moved;
            self.since = Instant::now();
        }
        self.since.elapsed()
    }
}
