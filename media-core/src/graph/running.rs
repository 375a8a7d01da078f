//! A ladder and the Timeline that feeds it: each picture and each block of sound is put in its
//! place, and what is missing is made up.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gstreamer as gst;

use super::elements::Error;
use super::encoder::{EncoderSettings, SourceUse};
use super::intake::{Picture, PictureSource};
use super::ladder::{LadderPipeline, SAMPLE_BYTES, Spec, VideoSpec, Work};
use super::meters::Meters;
use super::slate::Slate;
use super::sound;
use super::transcoder::{Output, Plan, Settings};
use crate::cadence::Cadence;
use crate::id::RenditionName;
use crate::ladder::{AUDIO_RENDITION, Rung};
use crate::time::{FrameRate, MediaTime};
use crate::timeline::{AudioPlacement, SAMPLE_RATE, Timeline, VideoPlacement};

/// How long the last picture stands in for missing ones before the slate does: a link's short stall
/// is a pause, and no reason to tell viewers about it.
const SLATE_AFTER: Duration = Duration::from_millis(1500);

/// The longest silence that is put in as one buffer.
const SILENCE_SAMPLES_MAX: u64 = SAMPLE_RATE as u64 / 10;

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
    /// The source's, and when it came.
    last_picture: Option<(gst::Buffer, Duration)>,
    /// Where there are pictures.
    slate: Option<Slate>,
    /// Drawn anew for each time without pictures.
    drawn: Option<gst::Buffer>,
    /// Whether the publisher has left.
    left: bool,
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
            source: settings.source,
            encoder: EncoderSettings {
                encoder: settings.encoder,
                preset: settings.preset,
                profile: settings.profile,
                threads: settings.threads,
            },
        });
        let slate = video.as_ref();
        let slate = slate.and_then(|video| Slate::new(&settings.slate, &video.caps));
        let spec = Spec {
            video,
            audio_bitrate: settings.ladder.audio,
            work: self.work,
            shedding: settings.shedding.clone(),
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
            slate,
            drawn: None,
            left: false,
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
    pub(super) fn picture(&mut self, pts: MediaTime, picture: Picture, now: Duration) {
        if !self.ladder.has_video() {
            return;
        }
        let placement = self.timeline.video(pts, now);
        self.tell();
        let VideoPlacement::Place { index, repeats } = placement else {
            return;
        };
        // After the slate nobody wants to see what was before it.
        let last = self.last_picture.as_ref().map(|(picture, _)| picture);
        let standing_in = self.drawn.as_ref().or(last);
        for missing in index - repeats..index {
            self.ladder
                .stand_in(standing_in.unwrap_or(&picture.buffer), missing);
        }
        self.ladder
            .picture(&picture.buffer, picture.coded.as_ref(), index);
        self.meters.set_passes_source(self.ladder.passes_source());
        self.last_picture = Some((picture.buffer, now));
        (self.drawn, self.left) = (None, false);
    }

    /// Places sound, after silence where it belongs later.
    pub(super) fn sound(&mut self, pts: MediaTime, sound: gst::Buffer, now: Duration) {
        let samples = (sound.size() / SAMPLE_BYTES) as u64;
        let before = self.timeline.next_sample();
        let placement = self.timeline.audio(pts, samples, now);
        self.tell();
        match placement {
            AudioPlacement::Drop => {}
            AudioPlacement::Place {
                silence,
                skip,
                stretch,
            } => {
                self.silence(before, silence);
                if let Some(kept) = sound::fitted(sound, skip, stretch) {
                    self.ladder.sound(kept, before + silence);
                }
            }
        }
    }

    pub(super) fn tick(&mut self, now: Duration) {
        let first_frame = self.timeline.next_frame();
        let first_sample = self.timeline.next_sample();
        let fill = self.timeline.tick(now, self.ladder.has_video(), true);
        self.tell();
        if fill.frames > 0
            && let Some(standing_in) = self.standing_in(now)
        {
            for index in first_frame..first_frame + fill.frames {
                self.ladder.stand_in(&standing_in, index);
            }
        }
        self.silence(first_sample, fill.silence);
    }

    /// What is shown for a picture that is missing: the last one for a moment, then the slate.
    fn standing_in(&mut self, now: Duration) -> Option<gst::Buffer> {
        let last = self.last_picture.as_ref();
        let is_pause = |came: Duration| !self.left && now.saturating_sub(came) < SLATE_AFTER;
        if let Some((picture, _)) = last.filter(|(_, came)| is_pause(*came)) {
            return Some(picture.clone());
        }
        if self.drawn.is_none() {
            let last = last.map(|(picture, _)| picture);
            self.drawn = self.slate.as_ref()?.draw(last);
        }
        self.drawn
            .clone()
            .or_else(|| last.map(|(picture, _)| picture.clone()))
    }

    /// Whether it has pictures.
    pub(super) fn has_video(&self) -> bool {
        self.ladder.has_video()
    }

    /// How long the publisher usually pauses between what it sends.
    pub(super) fn usual_pause(&self, now: Duration) -> Duration {
        self.timeline.usual_pause(now)
    }

    /// Sound was announced: it is awaited before silence stands in.
    pub(super) fn await_sound(&mut self, now: Duration) {
        self.timeline.await_sound(now);
    }

    /// Another publisher is on the air.
    pub(super) fn publisher_began(&mut self) {
        self.timeline.publisher_began();
    }

    /// The publisher has left: the slate is wanted at once.
    pub(super) fn publisher_left(&mut self) {
        self.left = true;
        self.timeline.publisher_left();
    }

    /// Hands on what the Timeline counted and found.
    fn tell(&mut self) {
        self.meters.set_timeline(self.timeline.counters());
        for (fault, reach) in self.timeline.take_faults() {
            self.meters.faults().note(fault, reach);
        }
    }

    /// Ends both tracks together and waits for the encoders, at most a few seconds.
    pub(super) fn finish(mut self) {
        self.finish_sound();
        self.ladder.finish();
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
        if let Some((last_picture, _)) = &self.last_picture {
            for index in first_frame..first_frame + fill.frames {
                self.ladder.picture(last_picture, None, index);
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
    pub(super) fn of(source: &PictureSource, settings: &Settings) -> Self {
        let mut rungs = settings.ladder.rungs_for(source.width, source.height);
        if settings.source == SourceUse::Alone {
            rungs.truncate(1);
        }
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
