//! The intake pipeline: one publisher's coded media in, raw pictures and sound out.
//!
//! ```text
//! RTMP: appsrc ─ parse ─ decode ─ …           (one chain a track)
//! SRT:  appsrc ─ tsdemux ┬ queue ─ parse ─ decode ─ deinterlace ─ convert+scale ─ appsink
//!                        └ queue ─ parse ─ decode ─ convert ─ resample ─ appsink
//! ```
//! Pictures leave in the broadcast's constant size and format, sound as 48 kHz stereo. Timestamps
//! are still the publisher's own: the Timeline maps them.

mod chain;
mod codecs;
mod coded;
mod overrun;
mod straight;
mod straighten;
mod unwrap;
mod waiting;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

pub use self::chain::TooLarge;
pub(super) use self::chain::{Chain, Decoding, picture_source, running_time};
use self::codecs::Track;
pub(super) use self::codecs::av1_decoder;
use self::coded::InDecoder;
pub(super) use self::coded::{Coded, CodedForm, Picture};
use self::overrun::{Overrun, Queue};
use self::straight::Straight;
use self::unwrap::Unwrap;
use super::elements::Error;
use super::meters::Meters;
use super::stamps::Stamps;
use crate::codec::{AudioCodec, VideoCodec};
use crate::publication::{AccessUnit, CodecConfig, Media};
use crate::time::{FrameRate, MediaTime};
use crate::transport_stream::{self, Inspector};

/// Coded media that waits for its decoder: four seconds at 16 Mbit/s. Past it everything up to the
/// next keyframe is dropped and counted.
const QUEUED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How long dropping may go on before the publication is ended: this machine cannot follow.
const OVERRUN_MAX: Duration = Duration::from_secs(15);

/// How long decoders may take to hand out what they hold when a publication ends.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Pictures between the intake's entry and its end whose times are remembered: 17 s at 60 frames a
/// second, which is longer than a publisher may fall behind ([`OVERRUN_MAX`]).
const STAMPS_MAX: usize = 1024;

/// Why a publisher's media cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// A codec or container that is not decoded here, by name, and what is.
    #[error("{0}")]
    Unsupported(String),
    /// Media has come faster than it can be decoded for too long.
    #[error("media has come faster than it can be processed for {} s", OVERRUN_MAX.as_secs())]
    Overrun,
}

/// Where decoded media goes, and what form it must have.
pub(super) trait Decoded: Send + Sync {
    /// The publisher announces a track of this kind; its first picture or sound follows.
    fn expect(&self, kind: TrackKind);
    /// The caps that pictures must have, given the source's size in square pixels, its colorimetry
    /// and nominal rate. `None`: the broadcast has no pictures.
    fn picture_caps(&self, source: &PictureSource) -> Option<gst::Caps>;
    /// Whether pictures are to come with what they were decoded from.
    fn wants_coded(&self) -> bool {
        false
    }
    /// A decoded picture.
    ///
    /// # Errors
    /// Why a publisher of such pictures cannot go on.
    fn picture(&self, pts: MediaTime, picture: Picture) -> Result<(), &'static str>;
    /// Decoded sound.
    fn sound(&self, pts: MediaTime, sound: gst::Buffer);
}

/// Pictures or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrackKind {
    Video,
    Audio,
}

/// What a decoder says of its pictures.
#[derive(Clone, Debug)]
pub(super) struct PictureSource {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colorimetry: Option<String>,
    pub(super) rate: Option<FrameRate>,
}

/// One publisher's intake.
pub struct Intake {
    pipeline: Option<gst::Pipeline>,
    carrier: Carrier,
    shared: Arc<Shared>,
    overrun: Overrun,
    began: Instant,
    /// Hears when everything queued has left the pipeline.
    end: Option<mpsc::Receiver<()>>,
}

/// What the intake's callbacks share.
pub(super) struct Shared {
    decoded: Arc<dyn Decoded>,
    meters: Arc<Meters>,
    /// When coded pictures entered, by their PTS in the pipeline, which decoders keep.
    entered: Stamps,
    fault: OnceLock<IntakeError>,
    /// The clock of a transport stream, which all of its tracks share.
    unwrap: Mutex<Unwrap>,
    /// Of the pictures and of the sound: which times decoders have instead of the publisher's.
    straight: [Mutex<Straight>; 2],
    /// Of the pictures and of the sound: which decoding chain has yielded something, of those that
    /// followed each other.
    newest: [AtomicUsize; 2],
    in_decoder: Mutex<InDecoder>,
    /// Whether the picture that is decoded now is damaged.
    damaged: AtomicBool,
    chains: AtomicUsize,
}

impl Shared {
    /// What decoding chains share that hand out to `decoded`.
    pub(super) fn new(decoded: Arc<dyn Decoded>, meters: Arc<Meters>) -> Self {
        Self {
            decoded,
            meters,
            entered: Stamps::new(STAMPS_MAX, Instant::now()),
            fault: OnceLock::new(),
            unwrap: Mutex::default(),
            straight: Default::default(),
            newest: Default::default(),
            in_decoder: Mutex::default(),
            damaged: AtomicBool::new(false),
            chains: AtomicUsize::new(0),
        }
    }

    /// The number of a further chain.
    fn chain(&self) -> usize {
        self.chains.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether what a chain yields counts: what an earlier one still has does not, once a later one
    /// has begun.
    fn is_newest(&self, kind: TrackKind, chain: usize) -> bool {
        self.newest[kind as usize].fetch_max(chain, Ordering::AcqRel) <= chain
    }

    /// When a unit of a transport stream is shown and decoded, on a clock that does not wrap.
    fn unwrapped(&self, pts: MediaTime, dts: MediaTime) -> (MediaTime, MediaTime) {
        let mut unwrap = self.unwrap.lock().unwrap_or_else(PoisonError::into_inner);
        let dts = unwrap.enter(dts);
        (unwrap.enter(pts), dts)
    }

    fn straight(&self, kind: TrackKind) -> MutexGuard<'_, Straight> {
        let straight = &self.straight[kind as usize];
        straight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_decoder(&self) -> MutexGuard<'_, InDecoder> {
        self.in_decoder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What a picture that leaves the decoder was decoded from, where that is whole.
    fn decoded_from(&self, picture: &gst::BufferRef) -> Option<Coded> {
        let coded = self.in_decoder().leave(picture.pts()?.nseconds());
        let concealed = self.damaged.swap(false, Ordering::AcqRel);
        let is_damaged = concealed || picture.flags().contains(gst::BufferFlags::CORRUPTED);
        coded.filter(|_| !is_damaged)
    }

    /// A coded picture enters.
    fn picture_enters(&self, pts: Option<gst::ClockTime>) {
        if let Some(pts) = pts {
            self.entered.note(pts.nseconds(), Instant::now());
        }
    }

    /// A decoded picture leaves. One whose PTS did not enter (deinterlacing may shift it) is not
    /// measured.
    fn picture_leaves(&self, pts: Option<gst::ClockTime>) {
        let took = pts.and_then(|pts| self.entered.since(pts.nseconds(), Instant::now()));
        if let Some(took) = took {
            self.meters.note_intake(took);
        }
    }

    fn refuse(&self, why: String) {
        // The first fault is the cause; what follows are its consequences.
        let _later = self.fault.set(IntakeError::Unsupported(why));
    }
}

enum Carrier {
    Undecided,
    TransportStream(gst_app::AppSrc, Box<Inspector>),
    Elementary(Elementary),
}

#[derive(Default)]
struct Elementary {
    /// When the last picture was to be decoded.
    decoded: Option<MediaTime>,
    video: Option<(CodecConfig<VideoCodec>, gst_app::AppSrc)>,
    audio: Option<(CodecConfig<AudioCodec>, gst_app::AppSrc)>,
}

impl Intake {
    pub(super) fn start(decoded: Arc<dyn Decoded>, meters: Arc<Meters>) -> Result<Self, Error> {
        let pipeline = gst::Pipeline::new();
        let shared = Arc::new(Shared::new(decoded, meters));
        let end = watch_bus(&pipeline, &shared);
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self {
            pipeline: Some(pipeline),
            carrier: Carrier::Undecided,
            shared,
            overrun: Overrun::default(),
            began: Instant::now(),
            end: Some(end),
        })
    }

    /// Queues media for decoding; never waits. Where the queue is full, everything up to the next
    /// keyframe is dropped and counted.
    ///
    /// # Errors
    /// The media cannot be decoded, found now or since the last call; or too much of it was dropped.
    pub fn push(&mut self, media: Media) -> Result<(), IntakeError> {
        self.check()?;
        match media {
            Media::TransportStream(bytes) => self.push_transport_stream(bytes),
            Media::VideoConfig(config) => self.configure_video(config),
            Media::AudioConfig(config) => self.configure_audio(config),
            Media::Video(unit) => self.push_unit(unit, true),
            Media::Audio(unit) => self.push_unit(unit, false),
        }
    }

    /// What has been found wrong since the last call.
    ///
    /// # Errors
    /// The media cannot be decoded.
    pub fn check(&self) -> Result<(), IntakeError> {
        self.shared.fault.get().cloned().map_or(Ok(()), Err)
    }

    /// Bytes of this publisher's media that were dropped because too much waited.
    pub fn dropped_bytes(&self) -> u64 {
        self.overrun.dropped_bytes
    }

    /// Decodes what is queued, stops, and then calls `drained`; all on a thread of its own.
    pub fn close(mut self, drained: impl FnOnce() + Send + 'static) {
        self.stop(Some(Box::new(drained)));
    }

    fn push_transport_stream(&mut self, bytes: Bytes) -> Result<(), IntakeError> {
        if let Carrier::Undecided = self.carrier {
            let pipeline = self
                .pipeline
                .as_ref()
                .expect("it is there until the intake stops");
            let source = codecs::add_transport_stream(pipeline, &self.shared)
                .map_err(|error| IntakeError::Unsupported(error.to_string()))?;
            self.carrier = Carrier::TransportStream(source, Box::default());
        }
        let Carrier::TransportStream(source, inspector) = &mut self.carrier else {
            return Err(IntakeError::Unsupported(
                "a transport stream among access units".into(),
            ));
        };
        let meters = &self.shared.meters;
        let mut packets = Vec::with_capacity(bytes.len() + transport_stream::PACKET_BYTES);
        let findings = inspector.take(&bytes, self.began.elapsed(), &mut packets);
        watch::note_transport(findings, meters.faults());
        meters.set_queued_bytes(source.current_level_bytes());
        // A transport stream is cut at packets: any of them is a place to go on.
        let of = Queue {
            source,
            is_timed: true,
        };
        if self.overrun.admits(of, packets.len(), true, meters)? {
            let _stopping = source.push_buffer(codecs::transport_stream_buffer(packets));
        }
        Ok(())
    }

    fn configure_video(&mut self, config: CodecConfig<VideoCodec>) -> Result<(), IntakeError> {
        let shared = Arc::clone(&self.shared);
        let (pipeline, tracks) = self.elementary()?;
        if let Some((known, source)) = &mut tracks.video {
            if known.codec != config.codec {
                return Err(changed("video", known.codec, config.codec));
            }
            if known.record != config.record {
                source.set_caps(Some(&codecs::video_caps(&config)));
                *known = config;
            }
            return Ok(());
        }
        let source = Chain::elementary(
            pipeline,
            &codecs::video_caps(&config),
            &decoding(Track::Video(config.codec))?,
            &shared,
        )?;
        tracks.video = Some((config, source));
        Ok(())
    }

    fn configure_audio(&mut self, config: CodecConfig<AudioCodec>) -> Result<(), IntakeError> {
        let shared = Arc::clone(&self.shared);
        let (pipeline, tracks) = self.elementary()?;
        if let Some((known, source)) = &mut tracks.audio {
            if known.codec != config.codec {
                return Err(changed("audio", known.codec, config.codec));
            }
            if known.record != config.record {
                source.set_caps(Some(&codecs::audio_caps(&config)));
                *known = config;
            }
            return Ok(());
        }
        let source = Chain::elementary(
            pipeline,
            &codecs::audio_caps(&config),
            &decoding(Track::Audio(config.codec))?,
            &shared,
        )?;
        tracks.audio = Some((config, source));
        Ok(())
    }

    fn elementary(&mut self) -> Result<(&gst::Pipeline, &mut Elementary), IntakeError> {
        if let Carrier::Undecided = self.carrier {
            self.carrier = Carrier::Elementary(Elementary::default());
        }
        let pipeline = self
            .pipeline
            .as_ref()
            .expect("it is there until the intake stops");
        match &mut self.carrier {
            Carrier::Elementary(tracks) => Ok((pipeline, tracks)),
            _ => Err(IntakeError::Unsupported(
                "access units in a transport stream".into(),
            )),
        }
    }

    fn push_unit(&mut self, unit: AccessUnit, is_video: bool) -> Result<(), IntakeError> {
        // A unit before its configuration cannot be decoded; encoders send some when they resume.
        let Carrier::Elementary(tracks) = &mut self.carrier else {
            return Ok(());
        };
        let source = match is_video {
            true => tracks.video.as_ref().map(|(_, source)| source),
            false => tracks.audio.as_ref().map(|(_, source)| source),
        };
        let Some(source) = source else { return Ok(()) };
        let meters = &self.shared.meters;
        let is_timed = is_video || tracks.video.is_none();
        if is_timed {
            meters.set_queued_bytes(source.current_level_bytes());
        }
        // Sound alone can go on anywhere.
        let resumes = is_video && unit.random_access || tracks.video.is_none();
        let bytes = unit.data.len();
        let of = Queue { source, is_timed };
        if !self.overrun.admits(of, bytes, resumes, meters)? {
            return Ok(());
        }
        if is_video {
            let before = tracks.decoded.replace(unit.dts);
            watch::note_dts(before, unit.dts, meters.faults());
        }
        let kind = match is_video {
            true => TrackKind::Video,
            false => TrackKind::Audio,
        };
        let (pts, dts) = self.shared.straight(kind).enter(unit.pts, unit.dts);
        let pts = gst::ClockTime::from_nseconds(pts);
        let dts = gst::ClockTime::from_nseconds(dts);
        let mut buffer = gst::Buffer::from_slice(unit.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(pts);
            buffer.set_dts(dts);
            if !unit.random_access {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        if is_video {
            self.shared.picture_enters(Some(pts));
        }
        let _stopping = source.push_buffer(buffer);
        Ok(())
    }

    fn sources(&self) -> Vec<gst_app::AppSrc> {
        match &self.carrier {
            Carrier::Undecided => Vec::new(),
            Carrier::TransportStream(source, _) => vec![source.clone()],
            Carrier::Elementary(tracks) => {
                let video = tracks.video.iter().map(|(_, source)| source.clone());
                video
                    .chain(tracks.audio.iter().map(|(_, source)| source.clone()))
                    .collect()
            }
        }
    }

    /// Stopping waits for decoders; the threads that publish must not.
    fn stop(&mut self, drained: Option<Box<dyn FnOnce() + Send>>) {
        let Some(pipeline) = self.pipeline.take() else {
            return;
        };
        let sources = self.sources();
        let end = self.end.take();
        self.shared.meters.set_queued_bytes(0);
        // The pipeline's callbacks hold it weakly, and it takes what is drained.
        let shared = Arc::clone(&self.shared);
        let stopping = move || {
            if let (Some(end), Some(_)) = (end, &drained) {
                drain(&sources, &end);
            }
            if let Err(error) = pipeline.set_state(gst::State::Null) {
                tracing::error!(%error, "an intake pipeline did not stop");
            }
            drop(shared);
            if let Some(drained) = drained {
                drained();
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("intake-stop".into())
            .spawn(stopping)
        {
            tracing::error!(%error, "no thread to stop an intake pipeline on");
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.stop(None);
    }
}

fn drain(sources: &[gst_app::AppSrc], end: &mpsc::Receiver<()>) {
    if sources.is_empty() {
        return;
    }
    for source in sources {
        let _stopping = source.end_of_stream();
    }
    if end.recv_timeout(DRAIN_MAX).is_err() {
        tracing::warn!("what a publisher sent last was not decoded in time");
    }
}

fn decoding(track: Track) -> Result<Decoding, IntakeError> {
    track
        .decoding()
        .map_err(|error| IntakeError::Unsupported(error.to_string()))
}

fn changed(what: &str, from: impl std::fmt::Display, to: impl std::fmt::Display) -> IntakeError {
    IntakeError::Unsupported(format!(
        "the {what} codec changed from {from} to {to} in one publication: publish anew"
    ))
}

/// Turns the pipeline's errors into faults; the receiver hears of its end, or of its failure.
fn watch_bus(pipeline: &gst::Pipeline, shared: &Arc<Shared>) -> mpsc::Receiver<()> {
    let (ended, end) = mpsc::sync_channel(1);
    let Some(bus) = pipeline.bus() else {
        return end;
    };
    let shared = Arc::downgrade(shared);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Eos(_) => _ = ended.try_send(()),
            gst::MessageView::Error(error) => {
                let element = error.src().map(|source| source.name().to_string());
                let element = element.unwrap_or_default();
                let detail = error
                    .debug()
                    .map(|debug| debug.to_string())
                    .unwrap_or_default();
                tracing::debug!(element, error = %error.error(), detail, "intake pipeline failed");
                if let Some(shared) = shared.upgrade() {
                    let error = error.error();
                    shared.refuse(format!("the media cannot be decoded ({element}: {error})"));
                }
                _ = ended.try_send(());
            }
            gst::MessageView::Warning(warning) => {
                if let Some(shared) = shared.upgrade() {
                    watch::note_warning(warning, shared.meters.faults());
                }
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
    end
}

#[cfg(test)]
mod tests;
