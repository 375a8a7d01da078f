//! A broadcast's transcoder: joins intakes, Timeline and ladder.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use gstreamer as gst;

use super::elements::Error;
use super::encoder::{Preset, Profile, SourceUse, VideoEncoder};
use super::intake::{Decoded, Intake, Picture, PictureSource, TrackKind};
use super::ladder::Work;
use super::meters::Meters;
use super::on_air::{Left, OnAir, PublicationId, Role, Sign};
use super::probe::{Finding, Probe};
use super::running::{Form, Running, Start, sound_grid};
use super::shedding::Shedding;
use super::slate::SlateSettings;
use super::ticker;
use crate::cadence::Cadence;
use crate::id::RenditionName;
use crate::ladder::{Ladder, Rung};
use crate::sample::{Sample, Track};
use crate::thumbnail::Thumbnail;
use crate::time::MediaTime;
use crate::timeline::Timeline;

/// How often the Timeline is asked what stands in for missing media.
const TICK_EVERY: Duration = Duration::from_millis(100);

/// How a broadcast is transcoded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The renditions.
    pub ladder: Ladder,
    /// Wanted length of a segment.
    pub segment: Duration,
    /// Wanted length of a part.
    pub part: Duration,
    /// The video encoder.
    pub encoder: VideoEncoder,
    /// The encoder's preset (x264).
    pub preset: Preset,
    /// What the encoder optimizes for (x264).
    pub profile: Profile,
    /// Threads of one encoder.
    pub threads: u32,
    /// What becomes of the source's own coded pictures.
    pub source: SourceUse,
    /// What viewers of a broadcast see while no publisher sends.
    pub slate: SlateSettings,
    /// What broadcasts leave out now.
    pub shedding: Shedding,
}

/// What a broadcast will yield, known when its first media has been seen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where segments and parts begin.
    pub cadence: Cadence,
    /// The video rungs from high to low; empty for a broadcast of sound alone.
    pub rungs: Vec<Rung>,
    /// All renditions: the rungs, then the audio.
    pub renditions: Vec<RenditionName>,
    /// The wall clock at the broadcast's media time zero; of a file, when its encoding began.
    pub began: SystemTime,
}

/// Where coded samples go. Called from encoder threads; of a broadcast it must not wait long, of a
/// file its waiting holds the encoders back.
pub trait Output: Send + Sync {
    /// The ladder is about to start.
    fn started(&self, plan: &Plan);
    /// A rendition's parameters.
    fn track(&self, track: Track);
    /// A rendition's next sample.
    fn sample(&self, rendition: &RenditionName, sample: Sample);
    /// A small still picture of what is encoded now, each some ten seconds of media; called from a
    /// thread of its own, of low priority, and not after the transcoder's end.
    fn thumbnail(&self, thumbnail: Thumbnail);
    /// The ladder cannot go on: the broadcast must end.
    fn failed(&self);
}

/// See the module.
pub struct Transcoder {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    output: Arc<dyn Output>,
    meters: Arc<Meters>,
    /// What is said of the broadcast stands in it.
    span: tracing::Span,
    began: Instant,
    ended: AtomicBool,
    on_air: Arc<Sign>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What a replaced publisher's decoder still holds is recognized by it.
    on_air: OnAir,
    probe: Option<Probe>,
    /// The form of pictures, fixed by the first one.
    form: Option<Form>,
    running: Option<Running>,
}

impl Transcoder {
    /// A transcoder without a publisher. What it says of one later stands in the current span.
    pub fn new(settings: Settings, output: Arc<dyn Output>) -> Self {
        let state = State {
            probe: Some(Probe::default()),
            ..State::default()
        };
        let inner = Arc::new(Inner {
            on_air: state.on_air.sign(),
            settings,
            output,
            meters: Arc::new(Meters::said_in(tracing::Span::current())),
            span: tracing::Span::current(),
            began: Instant::now(),
            ended: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        Self { inner }
    }

    /// An intake for the next publisher. What whoever it replaces still sends is left out from now
    /// on.
    ///
    /// # Errors
    /// GStreamer cannot build the pipeline.
    pub fn publication(&self, role: Role) -> Result<(Intake, PublicationId), Error> {
        let id = {
            let mut state = self.inner.state();
            let id = state.on_air.begin(role);
            if state.on_air.current() == Some(id) {
                match &mut state.running {
                    Some(running) => running.publisher_began(),
                    None => state.probe = Some(Probe::default()),
                }
            }
            id
        };
        let publication = Publication {
            inner: Arc::clone(&self.inner),
            id,
        };
        let intake = Intake::start(Arc::new(publication), Arc::clone(&self.inner.meters))?;
        Ok((intake, id))
    }

    /// `publication` has lost its place to another one: what it still sends is left out.
    pub fn leave(&self, publication: PublicationId) {
        self.inner.leave(publication);
    }

    /// Whose media the broadcast is made of now. Waits for nothing.
    pub fn on_air(&self) -> Option<PublicationId> {
        self.inner.on_air.current()
    }

    /// What it counts and measures.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.inner.meters
    }

    /// Ends the broadcast: hands out what the encoders hold and stops them. Waits for that, at
    /// most a few seconds; further calls do nothing.
    pub fn end(&self) {
        self.inner.ended.store(true, Ordering::Release);
        let running = self.inner.state().running.take();
        if let Some(running) = running {
            running.finish();
        }
    }
}

impl Drop for Transcoder {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at worst one picture out.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, publication: PublicationId) {
        let mut state = self.state();
        let left = state.on_air.leave(publication);
        let Some(running) = &mut state.running else {
            return;
        };
        match left {
            Left::TakenOver => {
                tracing::info!(
                    parent: &self.span,
                    "the publisher is gone, the one that stood by is on the air"
                );
                running.publisher_began();
            }
            Left::Silent => running.publisher_left(),
            Left::Unchanged => {}
        }
    }

    fn tick(&self, now: Duration) {
        let mut state = self.state();
        let State {
            on_air, running, ..
        } = &mut *state;
        let Some(running) = running else { return };
        if on_air.switch(running.usual_pause(now), now) {
            tracing::warn!(
                parent: &self.span,
                "the publisher is silent, the one that stood by is on the air"
            );
            running.publisher_began();
        }
        running.tick(now);
    }

    /// Starts the ladder where the probe has seen enough, and gives it what was waiting.
    fn start_if_known(self: &Arc<Self>, state: &mut State) {
        let Some(finding) = state.probe.as_ref().and_then(Probe::finding) else {
            return;
        };
        let Some(probe) = state.probe.take() else {
            return;
        };
        let rate = match finding {
            Finding::Video(rate) => rate,
            Finding::AudioOnly => sound_grid(),
        };
        let _broadcast = self.span.enter();
        let cadence = Cadence::new(rate, self.settings.segment, self.settings.part);
        let form = matches!(finding, Finding::Video(_))
            .then(|| state.form.clone())
            .flatten();
        let start = Start {
            timeline: Timeline::new(rate),
            cadence,
            form,
            began: SystemTime::now() - probe.waited(),
            work: Work::Broadcast,
        };
        let mut running = match start.run(&self.settings, &self.output, &self.meters) {
            Ok(running) => running,
            Err(error) => {
                tracing::error!(%error, "the ladder does not start");
                self.output.failed();
                return;
            }
        };
        let now = self.began.elapsed();
        if probe.expects(TrackKind::Audio) {
            running.await_sound(now);
        }
        let (pictures, sounds) = probe.into_units();
        for (pts, picture) in pictures {
            running.picture(pts, picture, now);
        }
        for (pts, sound) in sounds {
            running.sound(pts, sound, now);
        }
        state.running = Some(running);
        spawn_ticker(Arc::downgrade(self));
    }
}

/// One publisher's way into the broadcast.
struct Publication {
    inner: Arc<Inner>,
    id: PublicationId,
}

impl Publication {
    /// The state, unless this publication or the whole broadcast is over.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.inner.state();
        let is_over = !state.on_air.knows(self.id) || self.inner.ended.load(Ordering::Acquire);
        (!is_over).then_some(state)
    }

    /// The state and the time, where it is on the air.
    fn heard(&self) -> Option<(MutexGuard<'_, State>, Duration)> {
        let mut state = self.state()?;
        let now = self.inner.began.elapsed();
        state.on_air.hear(self.id, now).then_some((state, now))
    }
}

impl Drop for Publication {
    /// The intake is gone, and with it everything that it still had.
    fn drop(&mut self) {
        self.inner.leave(self.id);
    }
}

impl Decoded for Publication {
    fn expect(&self, kind: TrackKind) {
        if let Some(mut state) = self.state()
            && state.on_air.current() == Some(self.id)
            && let Some(probe) = &mut state.probe
        {
            probe.expect(kind);
        }
    }

    fn picture_caps(&self, source: &PictureSource) -> Option<gst::Caps> {
        let mut state = self.state()?;
        let is_on_air = state.on_air.current() == Some(self.id);
        if let Some(probe) = state.probe.as_mut().filter(|_| is_on_air) {
            probe.nominal = source.rate;
        }
        if state.running.as_ref().is_some_and(|it| !it.has_video()) {
            return None;
        }
        let form = state
            .form
            .get_or_insert_with(|| Form::of(source, &self.inner.settings));
        Some(form.caps.clone())
    }

    fn wants_coded(&self) -> bool {
        self.inner.settings.source.passes()
    }

    fn picture(&self, pts: MediaTime, picture: Picture) -> Result<(), &'static str> {
        let Some((mut state, now)) = self.heard() else {
            return Ok(());
        };
        if let Some(running) = &mut state.running {
            running.picture(pts, picture, now);
            if self.inner.settings.source == SourceUse::Alone {
                return running.ladder().source_fits();
            }
        } else if let Some(probe) = &mut state.probe {
            probe.picture(pts, picture);
            self.inner.start_if_known(&mut state);
        }
        Ok(())
    }

    fn sound(&self, pts: MediaTime, sound: gst::Buffer) {
        let Some((mut state, now)) = self.heard() else {
            return;
        };
        if let Some(running) = &mut state.running {
            running.sound(pts, sound, now);
        } else if let Some(probe) = &mut state.probe {
            probe.sound(pts, sound);
            self.inner.start_if_known(&mut state);
        }
    }
}

fn spawn_ticker(inner: Weak<Inner>) {
    let failing = inner.clone();
    let tick = move || {
        let Some(inner) = inner.upgrade() else {
            return ControlFlow::Break(());
        };
        if inner.ended.load(Ordering::Acquire) {
            return ControlFlow::Break(());
        }
        let _broadcast = inner.span.enter();
        inner.tick(inner.began.elapsed());
        ControlFlow::Continue(())
    };
    let failed = move || {
        if let Some(inner) = failing.upgrade() {
            inner.output.failed();
        }
    };
    if let Err(error) = ticker::start(TICK_EVERY, tick, failed) {
        tracing::error!(%error, "no thread to tick the timeline on: gaps will not be filled");
    }
}
