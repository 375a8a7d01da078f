//! A broadcast's transcoder: joins intakes, Timeline and ladder.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use gstreamer as gst;

use super::elements::Error;
use super::encoder::{EncoderSettings, Preset, Profile, VideoEncoder};
use super::intake::{Decoded, Intake, PictureSource, TrackKind};
use super::ladder::{LadderPipeline, SAMPLE_BYTES, Spec, VideoSpec, Work};
use super::meters::Meters;
use super::probe::{Finding, Probe};
use super::ticker;
use crate::cadence::Cadence;
use crate::id::RenditionName;
use crate::ladder::{AUDIO_RENDITION, Ladder, Rung};
use crate::sample::{Sample, Track};
use crate::thumbnail::Thumbnail;
use crate::time::{FrameRate, MediaTime};
use crate::timeline::{AudioPlacement, SAMPLE_RATE, Timeline, VideoPlacement};

/// How often the Timeline is asked what stands in for missing media.
const TICK_EVERY: Duration = Duration::from_millis(100);

/// The longest silence that is put in as one buffer.
const SILENCE_SAMPLES_MAX: u64 = SAMPLE_RATE as u64 / 10;

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
    began: Instant,
    /// Counts publications: what a replaced publisher's decoder still holds is recognized by it.
    publication: AtomicU64,
    ended: AtomicBool,
    /// Whose it is, for the log.
    span: tracing::Span,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    probe: Option<Probe>,
    /// The form of pictures, fixed by the first one.
    form: Option<Form>,
    running: Option<Running>,
}

/// The size and format of pictures, and the rungs that they fill.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) caps: gst::Caps,
    rungs: Vec<Rung>,
}

/// What a ladder starts with.
pub(super) struct Start {
    pub(super) timeline: Timeline,
    pub(super) cadence: Cadence,
    /// `None`: sound alone.
    pub(super) form: Option<Form>,
    /// Goes into the [`Plan`].
    pub(super) began: SystemTime,
    pub(super) work: Work,
}

/// A ladder and the Timeline that feeds it.
pub(super) struct Running {
    timeline: Timeline,
    meters: Arc<Meters>,
    ladder: LadderPipeline,
    last_picture: Option<gst::Buffer>,
    /// The form of pictures, where there are any.
    caps: Option<gst::Caps>,
    /// Made when it is first needed: most broadcasts need none.
    slate: Option<gst::Buffer>,
}

impl Transcoder {
    /// A transcoder without a publisher. What its own threads log is in the span that is entered now.
    pub fn new(settings: Settings, output: Arc<dyn Output>) -> Self {
        let inner = Arc::new(Inner {
            settings,
            output,
            meters: Arc::default(),
            began: Instant::now(),
            publication: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            span: tracing::Span::current(),
            state: Mutex::new(State {
                probe: Some(Probe::default()),
                ..State::default()
            }),
        });
        Self { inner }
    }

    /// An intake for the next publisher; what an earlier one still sends is left out from now on.
    ///
    /// # Errors
    /// GStreamer cannot build the pipeline.
    pub fn publication(&self) -> Result<Intake, Error> {
        let mut state = self.inner.state();
        let number = self.inner.publication.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(running) = &mut state.running {
            running.timeline.publisher_began();
        } else {
            state.probe = Some(Probe::default());
        }
        drop(state);
        let publication = Publication {
            inner: Arc::clone(&self.inner),
            number,
        };
        Intake::start(Arc::new(publication), Arc::clone(&self.inner.meters))
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
        if let Some(mut running) = running {
            running.finish_sound();
            running.ladder.finish();
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
    number: u64,
}

impl Publication {
    /// The state, unless this publication or the whole broadcast is over.
    fn current(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.inner.state();
        let replaced = self.inner.publication.load(Ordering::Acquire) != self.number;
        (!replaced && !self.inner.ended.load(Ordering::Acquire)).then_some(state)
    }
}

impl Decoded for Publication {
    fn expect(&self, kind: TrackKind) {
        if let Some(probe) = self
            .current()
            .as_mut()
            .and_then(|state| state.probe.as_mut())
        {
            probe.expect(kind);
        }
    }

    fn picture_caps(&self, source: &PictureSource) -> Option<gst::Caps> {
        let mut state = self.current()?;
        if let Some(probe) = &mut state.probe {
            probe.nominal = source.rate;
        }
        if state
            .running
            .as_ref()
            .is_some_and(|running| !running.ladder.has_video())
        {
            return None;
        }
        let form = state
            .form
            .get_or_insert_with(|| Form::of(source, &self.inner.settings.ladder));
        Some(form.caps.clone())
    }

    fn picture(&self, pts: MediaTime, picture: gst::Buffer) {
        let Some(mut state) = self.current() else {
            return;
        };
        if let Some(running) = &mut state.running {
            running.picture(pts, picture, self.inner.began.elapsed());
        } else if let Some(probe) = &mut state.probe {
            probe.picture(pts, picture);
            self.inner.start_if_known(&mut state);
        }
    }

    fn sound(&self, pts: MediaTime, sound: gst::Buffer) {
        let Some(mut state) = self.current() else {
            return;
        };
        if let Some(running) = &mut state.running {
            running.sound(pts, sound, self.inner.began.elapsed());
        } else if let Some(probe) = &mut state.probe {
            probe.sound(pts, sound);
            self.inner.start_if_known(&mut state);
        }
    }
}

impl Start {
    /// Says what is planned and starts the ladder.
    pub(super) fn run(
        self,
        settings: &Settings,
        output: &Arc<dyn Output>,
        meters: &Arc<Meters>,
    ) -> Result<Running, Error> {
        let rungs = self.form.as_ref().map(|form| form.rungs.clone());
        let rungs = rungs.unwrap_or_default();
        let audio = RenditionName::new(AUDIO_RENDITION).expect("a literal that is a valid name");
        let renditions: Vec<_> = rungs
            .iter()
            .map(|rung| rung.name.clone())
            .chain([audio])
            .collect();
        let video = self.form.as_ref().map(|form| VideoSpec {
            cadence: self.cadence,
            caps: with_rate(&form.caps, self.cadence.rate()),
            rungs: rungs.clone(),
            encoder: EncoderSettings {
                encoder: settings.encoder,
                preset: settings.preset,
                profile: settings.profile,
                threads: settings.threads,
            },
        });
        let spec = Spec {
            video,
            audio_bitrate: settings.ladder.audio,
            work: self.work,
        };
        meters.ladder_starts(&renditions);
        output.started(&Plan {
            cadence: self.cadence,
            rungs,
            renditions,
            began: self.began,
        });
        Ok(Running {
            timeline: self.timeline,
            meters: Arc::clone(meters),
            ladder: LadderPipeline::start(&spec, output, meters)?,
            last_picture: None,
            caps: self.form.map(|form| form.caps),
            slate: None,
        })
    }
}

impl Running {
    /// Its Timeline, to be read.
    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Its ladder.
    pub(super) const fn ladder(&self) -> &LadderPipeline {
        &self.ladder
    }

    /// Places a picture, after filling the grid points before it.
    pub(super) fn picture(&mut self, pts: MediaTime, picture: gst::Buffer, now: Duration) {
        if !self.ladder.has_video() {
            return;
        }
        let placement = self.timeline.video(pts, now);
        self.meters.set_timeline(self.timeline.counters());
        let VideoPlacement::Place { index, repeats } = placement else {
            return;
        };
        let standing_in = self.last_picture.as_ref().unwrap_or(&picture);
        for missing in index - repeats..index {
            self.ladder.stand_in(standing_in, missing);
        }
        self.ladder.picture(&picture, index);
        self.last_picture = Some(picture);
    }

    /// Places sound, after silence where it belongs later.
    pub(super) fn sound(&mut self, pts: MediaTime, sound: gst::Buffer, now: Duration) {
        let samples = (sound.size() / SAMPLE_BYTES) as u64;
        let before = self.timeline.next_sample();
        let placement = self.timeline.audio(pts, samples, now);
        self.meters.set_timeline(self.timeline.counters());
        match placement {
            AudioPlacement::Drop => {}
            AudioPlacement::Place { silence, skip } => {
                self.silence(before, silence);
                let from = skip as usize * SAMPLE_BYTES;
                let kept = if skip == 0 {
                    Some(sound)
                } else {
                    sound.copy_region(gst::BufferCopyFlags::MEMORY, from..).ok()
                };
                if let Some(kept) = kept {
                    self.ladder.sound(kept, before + silence);
                }
            }
        }
    }

    fn tick(&mut self, now: Duration) {
        let first_frame = self.timeline.next_frame();
        let first_sample = self.timeline.next_sample();
        let fill = self.timeline.tick(now, self.ladder.has_video(), true);
        self.meters.set_timeline(self.timeline.counters());
        if fill.frames > 0 && self.slate.is_none() {
            self.slate = self.caps.as_ref().and_then(slate);
        }
        if let Some(standing_in) = self.slate.as_ref().or(self.last_picture.as_ref()) {
            for index in first_frame..first_frame + fill.frames {
                self.ladder.stand_in(standing_in, index);
            }
        }
        self.silence(first_sample, fill.silence);
    }

    fn finish_sound(&mut self) {
        if self.ladder.has_video() {
            let first = self.timeline.next_sample();
            let silence = self.timeline.finish();
            self.meters.set_timeline(self.timeline.counters());
            self.silence(first, silence);
        }
    }

    /// Brings both tracks of a file to the same end.
    pub(super) fn even_out(&mut self) {
        if !self.ladder.has_video() {
            return;
        }
        let (first_frame, first_sample) = (self.timeline.next_frame(), self.timeline.next_sample());
        let fill = self.timeline.even_out();
        self.meters.set_timeline(self.timeline.counters());
        if let Some(last_picture) = &self.last_picture {
            for index in first_frame..first_frame + fill.frames {
                self.ladder.picture(last_picture, index);
            }
        }
        self.silence(first_sample, fill.silence);
    }

    /// Silence up to so far behind the pictures of a file whose sound does not come.
    pub(super) fn silence_behind(&mut self, lag: Duration) {
        let first = self.timeline.next_sample();
        let silence = self.timeline.silence_behind(lag);
        self.meters.set_timeline(self.timeline.counters());
        self.silence(first, silence);
    }

    fn silence(&self, first: u64, samples: u64) {
        let mut at = first;
        let end = first + samples;
        while at < end {
            let block = (end - at).min(SILENCE_SAMPLES_MAX);
            let zeros = vec![0u8; block as usize * SAMPLE_BYTES];
            self.ladder.sound(gst::Buffer::from_slice(zeros), at);
            at += block;
        }
    }
}

impl Form {
    /// The form that a source gives its broadcast: the size of the highest rung it fills.
    pub(super) fn of(source: &PictureSource, ladder: &Ladder) -> Self {
        let rungs = ladder.rungs_for(source.width, source.height);
        let (width, height) = rungs
            .first()
            .map_or((source.width, source.height), |top| (top.width, top.height));
        // Kept where players know it, so that nothing is converted for its sake.
        let colorimetry = source
            .colorimetry
            .as_deref()
            .filter(|colorimetry| ["bt709", "bt601"].contains(colorimetry))
            .unwrap_or("bt709");
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("interlace-mode", "progressive")
            .field("colorimetry", colorimetry)
            .build();
        Self { caps, rungs }
    }
}

/// The grid on which sound alone is cut.
pub(super) fn sound_grid() -> FrameRate {
    FrameRate::new(SAMPLE_RATE, 1024).expect("neither is zero")
}

fn with_rate(caps: &gst::Caps, rate: FrameRate) -> gst::Caps {
    let mut caps = caps.clone();
    let fraction = gst::Fraction::new(rate.numerator() as i32, rate.denominator() as i32);
    caps.make_mut().set("framerate", fraction);
    caps
}

/// A dark picture that stands in while no publisher sends.
fn slate(caps: &gst::Caps) -> Option<gst::Buffer> {
    /// Dark grey: a black one looks like a broken player.
    const LUMA: u8 = 40;
    const NEUTRAL_CHROMA: u8 = 128;
    let info =
        gstreamer_video::VideoInfo::from_caps(&with_rate(caps, FrameRate::new(30, 1)?)).ok()?;
    let mut pixels = vec![NEUTRAL_CHROMA; info.size()];
    let luma_end = info.offset()[1];
    pixels.get_mut(..luma_end)?.fill(LUMA);
    Some(gst::Buffer::from_slice(pixels))
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
        let now = inner.began.elapsed();
        if let Some(running) = &mut inner.state().running {
            running.tick(now);
        }
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
