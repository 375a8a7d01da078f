//! A transcoder at work: a file's reader and its ladder, from start to end.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::control::Control;
use super::inspection::Inspection;
use super::joint::{Joint, Tap};
use super::reader::{EVENTS_MAX, Event, Reader};
use super::{Error, Extent, STALL_MAX, Summary};
use crate::cadence::Cadence;
use crate::graph::intake::Shared;
use crate::graph::ladder::Work;
use crate::graph::meters::Meters;
use crate::graph::running::{Form, Running, Start, sound_grid};
use crate::graph::transcoder::{Output, Settings};
use crate::time::MediaTime;
use crate::timeline::Timeline;

/// How often a waiting transcoder looks whether it was cancelled: cancelling takes effect within a
/// second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long what was read before a fault may take from one picture to the next until it counts as
/// all there is.
const TAIL_MAX: Duration = Duration::from_secs(10);

/// How much shorter than stated a file may be and still count as whole: containers round.
const SHORT_MIN: Duration = Duration::from_secs(1);

/// A transcoder at work.
pub(super) struct Job {
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
    pub(super) fn start(
        path: &Path,
        inspection: &Inspection,
        settings: &Settings,
        output: Arc<dyn Output>,
        control: &Control,
    ) -> Result<Self, Error> {
        let form = inspection
            .video
            .as_ref()
            .map(|video| Form::of(&video.source(), settings));
        let rate = inspection
            .video
            .as_ref()
            .map_or_else(sound_grid, |video| video.frame_rate);
        let caps = form.as_ref().map(|form| form.caps.clone());
        let meters = Arc::new(Meters::default());
        let (sender, events) = mpsc::sync_channel(EVENTS_MAX);
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
        let joint = Arc::new(Joint::new(
            running,
            caps,
            inspection,
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
    pub(super) fn read(&mut self) -> Result<Option<(MediaTime, String)>, Error> {
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
    pub(super) fn finish(
        mut self,
        inspection: &Inspection,
        fault: Option<(MediaTime, String)>,
    ) -> Result<Summary, Error> {
        self.still()?;
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
            // Beside sound there are frames all the same: what is missing is filled.
            Some(_) => !self.joint.has_seen(),
            None => timeline.is_none_or(|timeline| timeline.next_sample() == 0),
        };
        if is_empty {
            return Err(Error::Undecodable {
                container: inspection.container,
                reason: fault.map(|(_, reason)| reason),
            });
        }
        let lost_sound = inspection.audio.is_some() && !self.joint.has_heard();
        let duration = self.tap.end().saturating_since(MediaTime::ZERO);
        Ok(Summary {
            duration,
            frames,
            counters: timeline.map(Timeline::counters).unwrap_or_default(),
            extent: extent(inspection, duration, fault),
            lost_sound,
        })
    }

    /// For how long nothing has been decoded or encoded, pauses not counted.
    fn still(&mut self) -> Result<Duration, Error> {
        if self.control.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if let Some(refusal) = self.joint.refusal() {
            return Err(refusal);
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
