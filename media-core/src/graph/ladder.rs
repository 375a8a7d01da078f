//! The ladder pipeline: raw pictures and sound in, coded samples of every rendition out.
//!
//! ```text
//! pictures ─ tee ─ queue ─ x264 ─ appsink            (highest rung: the pictures as they come)
//!             └─ queue ─ scale ─ tee ─ queue ─ x264 ─ appsink
//!                                 └─ queue ─ scale ─ …   (each rung is scaled from the one above)
//! sound ─ convert ─ avenc_aac ─ appsink
//! ```
//! It is built once a broadcast, and never relinked but for encoders that are exchanged ([`seat`](super::seat)).

mod exit;
mod sound_in_segments;
mod top_branch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use self::exit::{Ends, Entered, Exit, audio_sink, video_sink, way_out};
use self::top_branch::key_unit;
use super::background;
use super::contain::contained;
use super::elements::{self, Error};
use super::encoder::{self, EncoderSettings, Profile, SourceUse};
use super::in_order::InOrder;
use super::intake::Coded;
use super::meters::Meters;
use super::scaler::Scaler;
use super::seat::Seat;
use super::shedding::{Shed, Shedding, Turns};
use super::stamps::Stamps;
use super::thumbnails::Thumbnails;
use super::top_rung::{TopRung, Way};
use super::transcoder::Output;
use crate::cadence::{AAC_FRAME_SAMPLES, Cadence};
use crate::ladder::{Bitrate, Rung};
use crate::sample::Sample;
use crate::segmentation::Segmentation;
use crate::time::{FrameRate, MediaTime};
use crate::timeline::{SAMPLE_RATE, sample_time};

/// Pictures of a broadcast that wait before an encoder or scaler. One lets rungs of unequal cost
/// overlap; what is more waits undecoded in the intake, where a second of it is smaller than a
/// picture here (3 MiB at 1080p).
const PICTURES_QUEUED_MAX: u32 = 1;

/// The same of a file, which nobody waits for: rungs whose cost changes from picture to picture keep
/// every core busy.
const FILE_PICTURES_QUEUED_MAX: u32 = 4;

/// Sound that waits before the AAC encoder, as time.
const SOUND_QUEUED_MAX: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// Pictures and AAC frames inside the ladder whose times are remembered: the queues hold one each,
/// and x264 with lookahead some 60.
const STAMPS_MAX: usize = 256;

/// How long the encoders may take to hand out what they hold when the broadcast ends.
const FINISH_MAX: Duration = Duration::from_secs(2);

/// Channels of the broadcast's sound.
pub(super) const CHANNELS: u32 = 2;

/// Bytes of one sample of all channels (`F32LE`).
pub(super) const SAMPLE_BYTES: usize = CHANNELS as usize * size_of::<f32>();

/// What a ladder pipeline is built from.
pub(super) struct Spec {
    pub(super) video: Option<VideoSpec>,
    pub(super) audio_bitrate: Bitrate,
    pub(super) work: Work,
    /// What a broadcast leaves out now; a file nothing.
    pub(super) shedding: Shedding,
}

/// Whose media a ladder encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// What is sent now: with the least delay.
    Broadcast,
    /// What lies there: with the most throughput, in threads that give way to broadcasts'.
    File,
}

impl Work {
    const fn pictures_queued_max(self) -> u32 {
        match self {
            Self::Broadcast => PICTURES_QUEUED_MAX,
            Self::File => FILE_PICTURES_QUEUED_MAX,
        }
    }
}

/// The video half of a [`Spec`].
pub(super) struct VideoSpec {
    pub(super) cadence: Cadence,
    pub(super) caps: gst::Caps,
    pub(super) rungs: Vec<Rung>,
    /// What becomes of the source's own coded pictures.
    pub(super) source: SourceUse,
    pub(super) encoder: EncoderSettings,
}

/// A running ladder.
pub(super) struct LadderPipeline {
    pipeline: gst::Pipeline,
    video: Option<Entry>,
    audio: gst_app::AppSrc,
    /// `None`: there are no pictures.
    thumbnails: Option<Thumbnails>,
    shedding: Shedding,
    turns: Arc<Turns>,
    ends: Arc<Ends>,
    entered: Entered,
}

/// Where pictures enter.
struct Entry {
    source: gst_app::AppSrc,
    rate: FrameRate,
    segmentation: Arc<Mutex<Segmentation>>,
    /// `None`: it is encoded like the others.
    top: Option<(Mutex<TopRung>, Arc<InOrder>)>,
}

impl LadderPipeline {
    /// Builds and starts it; `output` is called from its streaming threads.
    pub(super) fn start(
        spec: &Spec,
        output: &Arc<dyn Output>,
        meters: &Meters,
    ) -> Result<Self, Error> {
        let pipeline = gst::Pipeline::new();
        let ends = Arc::new(Ends::default());
        let stamps = || Arc::new(Stamps::new(STAMPS_MAX, Instant::now()));
        let entered = Entered {
            pictures: stamps(),
            frames: stamps(),
        };
        let cadence = spec.video.as_ref().map(|video| video.cadence);
        let follows = spec
            .video
            .as_ref()
            .is_some_and(|video| video.source.passes());
        let segmentation = cadence.map(|cadence| Segmentation::new(cadence, follows));
        let segmentation = segmentation.map(|it| Arc::new(Mutex::new(it)));
        let turns = Arc::default();
        let exit = Exit {
            output,
            ends: &ends,
            entered: &entered,
            turns: &turns,
            meters,
            segmentation: segmentation.as_ref(),
        };
        let video = match &spec.video {
            Some(video) => Some(add_video(&pipeline, video, spec.work, exit)?),
            None => None,
        };
        let audio = add_audio(&pipeline, spec.audio_bitrate, exit)?;
        watch_bus(&pipeline, spec.work, output);
        pipeline.set_state(gst::State::Playing)?;
        let pictures = spec.video.as_ref();
        Ok(Self {
            pipeline,
            video,
            audio,
            thumbnails: pictures.and_then(|video| Thumbnails::start(&video.caps, output)),
            shedding: spec.shedding.clone(),
            turns,
            ends,
            entered,
        })
    }

    /// Whether it has pictures.
    pub(super) fn has_video(&self) -> bool {
        self.video.is_some()
    }

    /// Why the source's own pictures cannot be the highest rendition, where they are wanted and that is
    /// known.
    pub(super) fn source_fits(&self) -> Result<(), &'static str> {
        let top = self.video.as_ref().and_then(|entry| entry.top.as_ref());
        let unfit = top.and_then(|(top, _)| locked(top).unfit());
        unfit.map_or(Ok(()), Err)
    }

    /// Whether the highest rung is the source as it comes.
    pub(super) fn passes_source(&self) -> bool {
        let top = self.video.as_ref().and_then(|entry| entry.top.as_ref());
        top.is_some_and(|(top, _)| locked(top).passes())
    }

    /// Puts a picture of the source onto grid point `index`. Waits while the encoders are busy: that
    /// is what fills the intake's queue where the machine cannot follow. `coded`: what it was decoded
    /// from.
    pub(super) fn picture(&self, picture: &gst::BufferRef, coded: Option<&Coded>, index: u64) {
        if let (Some(thumbnails), Some(entry)) = (&self.thumbnails, &self.video)
            && self.shedding.now() < Shed::Thumbnails
        {
            thumbnails.offer(picture, entry.rate.frame_time(index));
        }
        self.put(picture, coded, index);
    }

    /// The same with a picture that stands in where the source has none: no thumbnail is made of it.
    pub(super) fn stand_in(&self, picture: &gst::BufferRef, index: u64) {
        self.put(picture, None, index);
    }

    fn put(&self, picture: &gst::BufferRef, coded: Option<&Coded>, index: u64) {
        let Some(entry) = &self.video else {
            return;
        };
        let (starts_segment, way) = entry.place(coded, index);
        let time = clock_time(entry.rate.frame_time(index));
        let end = clock_time(entry.rate.frame_time(index + 1));
        // The first picture is a keyframe anyway. Asking for it would be noted 1000 hours late by
        // GStreamer 1.22, before x264enc has shifted its timestamps, and every later request be
        // dropped as one too many.
        if index > 0 && starts_segment {
            // Not with the first one: what it is coded by is what players are told of.
            self.turns.note(index, self.shedding.now());
            entry.source.send_event(key_unit(time));
        }
        // The pixels are shared, only the timestamps are new.
        let mut stamped = picture.copy();
        if let Some(stamped) = stamped.get_mut() {
            stamped.set_pts(time);
            stamped.set_dts(gst::ClockTime::NONE);
            stamped.set_duration(end - time);
            stamped.unset_flags(gst::BufferFlags::DISCONT);
            top_branch::mark(stamped, way);
        }
        self.entered.pictures.note(index, Instant::now());
        // It fails only while the pipeline stops.
        let _stopping = entry.source.push_buffer(stamped);
    }

    /// Appends sound, whose first sample is sample `index` of the broadcast.
    pub(super) fn sound(&self, mut sound: gst::Buffer, index: u64) {
        let samples = (sound.size() / SAMPLE_BYTES) as u64;
        {
            let sound = sound.make_mut();
            let time = clock_time(sample_time(index));
            sound.set_pts(time);
            sound.set_dts(gst::ClockTime::NONE);
            sound.set_duration(clock_time(sample_time(index + samples)) - time);
            sound.unset_flags(gst::BufferFlags::DISCONT);
        }
        let now = Instant::now();
        for frame in index / AAC_FRAME_SAMPLES..(index + samples) / AAC_FRAME_SAMPLES {
            self.entered.frames.note(frame, now);
        }
        let _stopping = self.audio.push_buffer(sound);
    }

    /// Ends both inputs and waits until the encoders have handed out what they hold.
    pub(super) fn finish(self) {
        self.end_inputs();
        if !self.is_drained_within(FINISH_MAX) {
            tracing::error!("encoders did not finish in time");
        }
    }

    /// Ends both inputs: what the encoders hold comes out.
    pub(super) fn end_inputs(&self) {
        if let Some(entry) = &self.video {
            let _stopping = entry.source.end_of_stream();
        }
        let _stopping = self.audio.end_of_stream();
    }

    /// Waits until the encoders have handed out what they hold, at most for `limit`.
    pub(super) fn is_drained_within(&self, limit: Duration) -> bool {
        self.ends.wait(limit)
    }

    /// The pipeline, to stop it while others wait in [`picture`](Self::picture).
    pub(super) fn pipeline(&self) -> gst::Pipeline {
        self.pipeline.clone()
    }
}

impl Entry {
    /// Whether a segment begins at `index`, and what the highest rung shows there; where that is the
    /// source, hands it out.
    fn place(&self, coded: Option<&Coded>, index: u64) -> (bool, Way) {
        let mut segmentation = locked(&self.segmentation);
        let Some((top, out)) = &self.top else {
            let starts = segmentation.place(index, false, false);
            return (starts, Way::Encoder { anew: false });
        };
        let mut top = locked(top);
        let enters = top.enters(coded, index);
        let starts = segmentation.place(index, enters, top.passes());
        let segment = segmentation.segment_of(index);
        drop(segmentation);
        let way = top.way(coded, index, starts);
        if let (Way::Source, Some(coded)) = (way, coded) {
            let time = self.rate.frame_time(index);
            let sample = Sample {
                time,
                duration: self.rate.frame_time(index + 1).saturating_since(time),
                sync: coded.is_keyframe,
                segment,
                data: coded.data.clone(),
            };
            out.put(index, coded.form.config.clone(), sample);
        }
        (starts, way)
    }
}

impl Drop for LadderPipeline {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::error!(%error, "the ladder pipeline did not stop");
        }
    }
}

fn add_video(
    pipeline: &gst::Pipeline,
    spec: &VideoSpec,
    work: Work,
    exit: Exit<'_>,
) -> Result<Entry, Error> {
    let source = gst_app::AppSrc::builder()
        .caps(&spec.caps)
        .format(gst::Format::Time)
        .block(true)
        .max_buffers(u64::from(work.pictures_queued_max()))
        .max_bytes(0)
        .build();
    let rate = spec.cadence.rate();
    let segmentation = exit
        .segmentation
        .map(Arc::clone)
        .unwrap_or_else(|| Arc::new(Mutex::new(Segmentation::new(spec.cadence, false))));
    let keyframes_within = locked(&segmentation).longest();
    let keyframes_within = u32::try_from(keyframes_within).unwrap_or(u32::MAX);
    let mut entry = Entry {
        source,
        rate,
        segmentation,
        top: None,
    };
    let mut tee = elements::make("tee")?;
    elements::add_chain(pipeline, &[entry.source.upcast_ref(), &tee])?;
    let mut top: Option<Arc<InOrder>> = None;
    for (position, rung) in spec.rungs.iter().enumerate() {
        if position > 0 {
            let queue = picture_queue(work)?;
            let scale = Scaler::element();
            let size = elements::make("capsfilter")?;
            size.set_property("caps", rung_caps(&spec.caps, rung));
            let next = elements::make("tee")?;
            elements::add_chain(pipeline, &[&queue, &scale, &size, &next])?;
            tee.link(&queue)?;
            tee = next;
        }
        let is_source = position == 0 && spec.source.passes();
        let queue = picture_queue(work)?;
        let settings = match is_source {
            // What it looked ahead at would be missing before the source's pictures.
            true => EncoderSettings {
                profile: Profile::LowLatency,
                ..spec.encoder
            },
            false => spec.encoder,
        };
        let encoder = encoder::make(settings, rung, keyframes_within)?;
        let way_out = Arc::new(way_out(rung, rate, exit));
        // What the source may be needs no other's pictures.
        let above = top.as_ref();
        let above = above.filter(|_| position == 1 && !spec.source.passes());
        let sink = video_sink(rung, rate, &way_out, above, exit);
        top.get_or_insert_with(|| Arc::clone(&way_out));
        elements::add_chain(pipeline, &[&queue, &encoder, sink.upcast_ref()])?;
        if work == Work::Broadcast {
            let seat = Seat {
                settings,
                rung: rung.clone(),
                rate,
                keyframes_within,
                may_be_away: position == 0 && spec.rungs.len() > 1 && !is_source,
                turns: Arc::clone(exit.turns),
            };
            seat.take(pipeline, &queue, encoder, &sink);
        }
        tee.link(&queue)?;
        if is_source {
            top_branch::leave_out_marked(&queue);
            let frames = spec.cadence.frames_per_segment();
            let longest = u64::from(keyframes_within);
            let top = TopRung::new(rung, rate, frames, longest);
            entry.top = Some((Mutex::new(top), way_out));
        }
    }
    Ok(entry)
}

fn add_audio(
    pipeline: &gst::Pipeline,
    bitrate: Bitrate,
    exit: Exit<'_>,
) -> Result<gst_app::AppSrc, Error> {
    let source = gst_app::AppSrc::builder()
        .caps(&sound_caps())
        .format(gst::Format::Time)
        .block(true)
        .max_bytes(0)
        .max_time(Some(SOUND_QUEUED_MAX))
        .build();
    let convert = elements::make("audioconvert")?;
    let encoder = elements::make("avenc_aac")?;
    encoder.set_property("bitrate", bitrate.as_bps() as i32);
    let sink = audio_sink(bitrate, exit);
    elements::add_chain(
        pipeline,
        &[source.upcast_ref(), &convert, &encoder, sink.upcast_ref()],
    )?;
    Ok(source)
}

/// The form in which the broadcast's sound enters the ladder.
pub(super) fn sound_caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", SAMPLE_RATE as i32)
        .field("channels", CHANNELS as i32)
        .field("channel-mask", gst::Bitmask(0x3))
        .build()
}

fn rung_caps(caps: &gst::Caps, rung: &Rung) -> gst::Caps {
    let mut caps = caps.clone();
    let caps_mut = caps.make_mut();
    caps_mut.set("width", rung.width as i32);
    caps_mut.set("height", rung.height as i32);
    caps
}

fn picture_queue(work: Work) -> Result<gst::Element, Error> {
    let queue = elements::make("queue")?;
    queue.set_property("max-size-buffers", work.pictures_queued_max());
    queue.set_property("max-size-bytes", 0u32);
    queue.set_property("max-size-time", 0u64);
    Ok(queue)
}

fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

fn clock_time(time: MediaTime) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(time.as_nanos()).unwrap_or(0))
}

fn watch_bus(pipeline: &gst::Pipeline, work: Work, output: &Arc<dyn Output>) {
    let Some(bus) = pipeline.bus() else { return };
    let (output, failed) = (Arc::downgrade(output), pipeline.downgrade());
    bus.set_sync_handler(move |_, message| {
        if work == Work::File {
            background::take_thread(message);
        }
        if let gst::MessageView::Error(error) = message.view() {
            let source = error
                .src()
                .map(|source| source.name().to_string())
                .unwrap_or_default();
            tracing::error!(element = source, error = %error.error(), "the ladder pipeline failed");
            if let Some(output) = output.upgrade() {
                contained(|| output.failed(), || ());
            }
            // Whoever hands over pictures waits for encoders that take no more. Not from here: this is
            // one of the pipeline's own threads.
            if let Some(pipeline) = failed.upgrade() {
                pipeline.call_async(|pipeline| {
                    if let Err(error) = pipeline.set_state(gst::State::Null) {
                        tracing::error!(%error, "the ladder pipeline did not stop");
                    }
                });
            }
        }
        gst::BusSyncReply::Drop
    });
}
