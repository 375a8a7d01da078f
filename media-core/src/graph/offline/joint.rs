//! Both ends of a transcoder's plain code: what decoders hand in, and what encoders hand out.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gstreamer as gst;

use super::container::Container;
use super::control::Control;
use super::inspection::Inspection;
use super::reader::Event;
use super::{DURATION_MAX, Error, GAPS_MAX};
use crate::graph::intake::{Decoded, Picture, PictureSource, TrackKind};
use crate::graph::running::Running;
use crate::graph::transcoder::{Output, Plan};
use crate::id::RenditionName;
use crate::sample::{Sample, Track};
use crate::thumbnail::Thumbnail;
use crate::time::MediaTime;
use crate::timeline::Timeline;

/// How far behind the pictures the sound of a file may begin to be decoded before silence takes its
/// place: further than any queue reaches, and little enough that what is encoded can wait for it.
const SOUND_WAIT: Duration = Duration::from_secs(10);

/// How much sound may be decoded before the first picture: one in several seconds, and as many in a
/// decoder's hand as it has threads, are some minutes.
const PICTURES_WAIT_MAX: Duration = Duration::from_secs(600);

/// A file's arrivals have no time.
const NO_ARRIVAL: Duration = Duration::ZERO;

/// Takes what is decoded to the Timeline and the ladder. Waits while the encoders are busy, which
/// is what holds the reader back.
pub(super) struct Joint {
    running: Mutex<Option<Running>>,
    /// The form of pictures; `None`: sound alone.
    caps: Option<gst::Caps>,
    container: Container,
    has_sound: bool,
    /// Whether any picture was decoded.
    seen: AtomicBool,
    /// Whether any sound was decoded.
    heard: AtomicBool,
    refused: OnceLock<Refused>,
    moved: Arc<AtomicU64>,
}

/// Why a file is not taken to its end, as is found only on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    TooLong,
    Gaps,
    NoPictures,
}

impl Refused {
    fn of(timeline: &Timeline, has_pictures: bool) -> Option<Self> {
        let length = timeline.end().saturating_since(MediaTime::ZERO);
        let lacks_pictures = has_pictures && timeline.next_frame() == 0;
        match timeline.gaps() > GAPS_MAX {
            true => Some(Self::Gaps),
            false if length > DURATION_MAX => Some(Self::TooLong),
            false if lacks_pictures && length > PICTURES_WAIT_MAX => Some(Self::NoPictures),
            false => None,
        }
    }
}

impl Joint {
    pub(super) fn new(
        running: Running,
        caps: Option<gst::Caps>,
        inspection: &Inspection,
        moved: Arc<AtomicU64>,
    ) -> Self {
        Self {
            running: Mutex::new(Some(running)),
            caps,
            container: inspection.container,
            has_sound: inspection.audio.is_some(),
            seen: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            refused: OnceLock::new(),
            moved,
        }
    }

    /// Why the file is not taken to its end, if so: nothing more of it is encoded.
    pub(super) fn refusal(&self) -> Option<Error> {
        Some(match self.refused.get()? {
            Refused::TooLong => Error::TooLong,
            Refused::Gaps => Error::Gaps,
            Refused::NoPictures => Error::Undecodable {
                container: self.container,
                reason: Some("it has sound and pictures, but no picture is decoded".into()),
            },
        })
    }

    /// Whether any picture was decoded.
    pub(super) fn has_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Whether any sound was decoded.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Ends here what has become too much.
    fn check(&self, timeline: &Timeline) {
        if let Some(refused) = Refused::of(timeline, self.caps.is_some()) {
            self.refused.get_or_init(|| refused);
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

    fn picture(&self, pts: MediaTime, picture: Picture) -> Result<(), &'static str> {
        self.moved.fetch_add(1, Ordering::Relaxed);
        if self.refused.get().is_some() {
            return Ok(());
        }
        if let Some(running) = &mut *self.running() {
            self.seen.store(true, Ordering::Relaxed);
            running.picture(pts, picture, NO_ARRIVAL);
            if !self.has_sound {
                running.even_out();
            } else if !self.has_heard() {
                running.silence_behind(SOUND_WAIT);
            }
            self.check(running.timeline());
        }
        Ok(())
    }

    fn sound(&self, pts: MediaTime, sound: gst::Buffer) {
        self.moved.fetch_add(1, Ordering::Relaxed);
        if self.refused.get().is_some() {
            return;
        }
        if let Some(running) = &mut *self.running() {
            self.heard.store(true, Ordering::Relaxed);
            running.sound(pts, sound, NO_ARRIVAL);
            self.check(running.timeline());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FrameRate;

    fn timeline() -> Timeline {
        Timeline::of_file(FrameRate::new(25, 1).expect("a rate"), MediaTime::ZERO)
    }

    fn at(seconds: i64) -> MediaTime {
        MediaTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_small_file_of_long_gaps_is_not_encoded_for_months() {
        let mut timeline = timeline();
        let placed = (0..10_000).position(|number| {
            timeline.video(at(number * 599), NO_ARRIVAL);
            Refused::of(&timeline, true).is_some()
        });
        assert_eq!(placed, Some(49));
        assert_eq!(Refused::of(&timeline, true), Some(Refused::Gaps));
    }

    #[test]
    fn a_day_is_enough_whatever_it_is_filled_with() {
        let mut timeline = timeline();
        let second = u64::from(crate::timeline::SAMPLE_RATE);
        let placed = (0..100_000).position(|number| {
            timeline.audio(at(number), second, NO_ARRIVAL);
            Refused::of(&timeline, false).is_some()
        });
        assert_eq!(placed, Some(24 * 60 * 60));
        assert_eq!(Refused::of(&timeline, false), Some(Refused::TooLong));
    }

    #[test]
    fn sound_does_not_wait_for_ever_for_pictures_that_are_not_decoded() {
        let mut timeline = timeline();
        let second = u64::from(crate::timeline::SAMPLE_RATE);
        for number in 0..601 {
            assert_eq!(Refused::of(&timeline, true), None);
            timeline.audio(at(number), second, NO_ARRIVAL);
        }
        assert_eq!(Refused::of(&timeline, true), Some(Refused::NoPictures));
        assert_eq!(Refused::of(&timeline, false), None);
    }
}
