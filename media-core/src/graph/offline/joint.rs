//! Both ends of a transcoder's plain code: what decoders hand in, and what encoders hand out.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gstreamer as gst;

use super::control::Control;
use super::reader::Event;
use crate::graph::intake::{Decoded, PictureSource, TrackKind};
use crate::graph::transcoder::{Output, Plan, Running};
use crate::id::RenditionName;
use crate::sample::{Sample, Track};
use crate::thumbnail::Thumbnail;
use crate::time::MediaTime;

/// A file's arrivals have no time.
const NO_ARRIVAL: Duration = Duration::ZERO;

/// Takes what is decoded to the Timeline and the ladder. Waits while the encoders are busy, which
/// is what holds the reader back.
pub(super) struct Joint {
    running: Mutex<Option<Running>>,
    /// The form of pictures; `None`: sound alone.
    caps: Option<gst::Caps>,
    has_sound: bool,
    moved: Arc<AtomicU64>,
}

impl Joint {
    pub(super) fn new(
        running: Running,
        caps: Option<gst::Caps>,
        has_sound: bool,
        moved: Arc<AtomicU64>,
    ) -> Self {
        Self {
            running: Mutex::new(Some(running)),
            caps,
            has_sound,
            moved,
        }
    }

    /// No more comes: brings the tracks to the same end and gives the ladder back.
    pub(super) fn end(&self) -> Option<Running> {
        let mut running = self.running().take()?;
        running.even_out();
        Some(running)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decoded for Joint {
    fn expect(&self, _kind: TrackKind) {
        // Known by inspection.
    }

    fn picture_caps(&self, _source: &PictureSource) -> Option<gst::Caps> {
        self.caps.clone()
    }

    fn picture(&self, pts: MediaTime, picture: gst::Buffer) {
        self.moved.fetch_add(1, Ordering::Relaxed);
        if let Some(running) = &mut *self.running() {
            running.picture(pts, picture, NO_ARRIVAL);
            if !self.has_sound {
                running.even_out();
            }
        }
    }

    fn sound(&self, pts: MediaTime, sound: gst::Buffer) {
        self.moved.fetch_add(1, Ordering::Relaxed);
        if let Some(running) = &mut *self.running() {
            running.sound(pts, sound, NO_ARRIVAL);
        }
    }
}

/// Passes coded samples on, notes how far they have come, and holds them while the work is paused:
/// everything before them waits then, since every queue is bounded.
pub(super) struct Tap {
    output: Arc<dyn Output>,
    control: Control,
    events: SyncSender<Event>,
    /// The rendition that progress is read from.
    leading: OnceLock<RenditionName>,
    end_nanos: AtomicI64,
    moved: Arc<AtomicU64>,
}

impl Tap {
    pub(super) fn new(
        output: Arc<dyn Output>,
        control: Control,
        events: SyncSender<Event>,
    ) -> Self {
        Self {
            output,
            control,
            events,
            leading: OnceLock::new(),
            end_nanos: AtomicI64::new(0),
            moved: Arc::default(),
        }
    }

    /// The end of the latest sample.
    pub(super) fn end(&self) -> MediaTime {
        MediaTime::from_nanos(self.end_nanos.load(Ordering::Relaxed))
    }

    /// Grows with all that is decoded or encoded.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// What [`moved`](Self::moved) reads.
    pub(super) const fn activity(&self) -> &Arc<AtomicU64> {
        &self.moved
    }
}

impl Output for Tap {
    fn started(&self, plan: &Plan) {
        if let Some(first) = plan.renditions.first() {
            // It starts once.
            let _started_before = self.leading.set(first.clone());
        }
        self.output.started(plan);
    }

    fn track(&self, track: Track) {
        self.output.track(track);
    }

    fn sample(&self, rendition: &RenditionName, sample: Sample) {
        if !self.control.may_go_on() {
            return;
        }
        self.moved.fetch_add(1, Ordering::Relaxed);
        let end = sample.time + sample.duration;
        self.end_nanos.fetch_max(end.as_nanos(), Ordering::Relaxed);
        if self.leading.get() == Some(rendition) {
            self.control.advance(end);
        }
        self.output.sample(rendition, sample);
    }

    fn thumbnail(&self, thumbnail: Thumbnail) {
        self.output.thumbnail(thumbnail);
    }

    fn failed(&self) {
        // It is heard as long as the work goes on; the caller gets it as the error.
        let _over = self.events.try_send(Event::EncoderFailed);
    }
}
