//! Where coded samples leave a ladder: what an encoder hands out gets its exact time and its segment, and
//! goes to its rendition.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::sound_in_segments::SoundInSegments;
use super::{CHANNELS, locked};
use crate::cadence::AAC_FRAME_SAMPLES;
use crate::chunk::InitKind;
use crate::graph::in_order::InOrder;
use crate::graph::meters::Meters;
use crate::graph::shedding::{Shed, Turns};
use crate::graph::stamps::Stamps;
use crate::graph::transcoder::Output;
use crate::id::RenditionName;
use crate::ladder::{AUDIO_RENDITION, Bitrate, Rung};
use crate::sample::{Sample, Track};
use crate::segmentation::Segmentation;
use crate::time::{FrameRate, MediaTime};
use crate::timeline::{SAMPLE_RATE, sample_time};

/// When media was handed to the ladder.
#[derive(Clone)]
pub(super) struct Entered {
    /// By grid point.
    pub(super) pictures: Arc<Stamps>,
    /// By AAC frame: when its last sample came.
    pub(super) frames: Arc<Stamps>,
}

/// Where a rendition's coded samples go, and what is counted of them.
#[derive(Clone, Copy)]
pub(super) struct Exit<'a> {
    pub(super) output: &'a Arc<dyn Output>,
    pub(super) ends: &'a Arc<Ends>,
    pub(super) entered: &'a Entered,
    pub(super) turns: &'a Arc<Turns>,
    pub(super) meters: &'a Meters,
    /// `None`: sound alone.
    pub(super) segmentation: Option<&'a Arc<Mutex<Segmentation>>>,
}

/// Counts the renditions that have not reached their end.
#[derive(Default)]
pub(super) struct Ends {
    open: Mutex<usize>,
    changed: Condvar,
}

impl Ends {
    fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.changed.notify_all();
    }

    /// Whether all have ended within `limit`.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while *open > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (open, _) = self
                .changed
                .wait_timeout(open, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

pub(super) fn way_out(rung: &Rung, rate: FrameRate, exit: Exit<'_>) -> InOrder {
    let kind = InitKind::Video {
        width: rung.width,
        height: rung.height,
        frame_rate: rate,
    };
    let output = Arc::clone(exit.output);
    InOrder::new(output, rung.name.clone(), kind, rung.bitrate)
}

/// Where a rung's coded pictures leave by its `way_out`; and by the way out of the rung `above`,
/// while that one is not encoded.
pub(super) fn video_sink(
    rung: &Rung,
    rate: FrameRate,
    way_out: &Arc<InOrder>,
    above: Option<&Arc<InOrder>>,
    exit: Exit<'_>,
) -> gst_app::AppSink {
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("profile", "high")
        .build();
    let (way_out, above) = (Arc::clone(way_out), above.cloned());
    let turns = Arc::clone(exit.turns);
    let segmentation = exit.segmentation.map(Arc::clone);
    let entered = Arc::clone(&exit.entered.pictures);
    let took = exit.meters.encode_of(&rung.name);
    let handle = move |coded: &gst::Sample, _: &dyn Output| {
        let Some((buffer, time)) = timed(coded) else {
            return;
        };
        // x264enc's own timestamps are rounded; the grid point is exact.
        let index = u64::try_from(rate.nearest_frame(time)).unwrap_or(0);
        if let Some(span) = entered.since(index, Instant::now()) {
            took.observe(span);
        }
        let time = rate.frame_time(index);
        let sync = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let duration = rate.frame_time(index + 1).saturating_since(time);
        let segment = segmentation
            .as_ref()
            .and_then(|it| locked(it).segment_of(index));
        let (Some(config), Some(data)) = (codec_data(coded), mapped(buffer)) else {
            return;
        };
        let sample = Sample {
            time,
            duration,
            sync,
            segment,
            data,
        };
        if let Some(above) = above.as_ref().filter(|_| turns.at(index) >= Shed::TopRung) {
            above.put(index, config.clone(), sample.clone());
        }
        way_out.put(index, config, sample);
    };
    coded_sink(&caps, exit, handle, |_| ())
}

pub(super) fn audio_sink(bitrate: Bitrate, exit: Exit<'_>) -> gst_app::AppSink {
    let caps = gst::Caps::builder("audio/mpeg")
        .field("mpegversion", 4i32)
        .field("stream-format", "raw")
        .build();
    let rendition = RenditionName::new(AUDIO_RENDITION).expect("a literal that is a valid name");
    // The sound is gapless, so frames are counted. The first one out is the encoder's priming: it
    // holds what an AAC decoder overlaps with the true first frame, and would be heard 1024
    // samples early.
    let mut frames: Option<u64> = None;
    let entered = Arc::clone(&exit.entered.frames);
    let took = exit.meters.encode_of(&rendition);
    let in_segments = SoundInSegments::new(exit.segmentation.map(Arc::clone));
    let in_segments = Arc::new(Mutex::new(in_segments));
    let (rest, rest_of) = (Arc::clone(&in_segments), rendition.clone());
    let handle = move |coded: &gst::Sample, output: &dyn Output| {
        let Some(index) = frames else {
            let Some(decoder_config) = codec_data(coded) else {
                return;
            };
            let kind = InitKind::Audio {
                sample_rate: SAMPLE_RATE,
                channels: CHANNELS,
            };
            let rendition = rendition.clone();
            output.track(Track {
                rendition,
                kind,
                bitrate,
                decoder_config,
            });
            frames = Some(0);
            return;
        };
        frames = Some(index + 1);
        if let Some(span) = entered.since(index, Instant::now()) {
            took.observe(span);
        }
        let time = sample_time(index * AAC_FRAME_SAMPLES);
        let end = sample_time((index + 1) * AAC_FRAME_SAMPLES);
        let Some(data) = coded.buffer_owned().and_then(mapped) else {
            return;
        };
        let frame = Sample {
            time,
            duration: end.saturating_since(time),
            sync: true,
            segment: None,
            data,
        };
        for frame in locked(&in_segments).push(frame) {
            output.sample(&rendition, frame);
        }
    };
    coded_sink(&caps, exit, handle, move |output| {
        for frame in locked(&rest).finish() {
            output.sample(&rest_of, frame);
        }
    })
}

/// An appsink that hands every coded sample to `handle`, and its end to `end`, and counts that.
fn coded_sink(
    caps: &gst::Caps,
    exit: Exit<'_>,
    mut handle: impl FnMut(&gst::Sample, &dyn Output) + Send + 'static,
    mut end: impl FnMut(&dyn Output) + Send + 'static,
) -> gst_app::AppSink {
    exit.ends.open();
    let output = Arc::clone(exit.output);
    let output_at_end = Arc::clone(exit.output);
    let ends = Arc::clone(exit.ends);
    let sink = gst_app::AppSink::builder()
        .caps(caps)
        .sync(false)
        .async_(false)
        .build();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let coded = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                handle(&coded, output.as_ref());
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| {
                end(output_at_end.as_ref());
                ends.close();
            })
            .build(),
    );
    sink
}

/// The out-of-band decoder configuration of a coded sample.
fn codec_data(coded: &gst::Sample) -> Option<Bytes> {
    let config = coded
        .caps()?
        .structure(0)?
        .get::<gst::Buffer>("codec_data")
        .ok()?;
    mapped(config)
}

/// A coded sample's buffer and its time on the broadcast's clock. Video encoders shift PTS by
/// 1000 hours to make room for negative DTS, so the segment must be asked.
fn timed(coded: &gst::Sample) -> Option<(gst::Buffer, MediaTime)> {
    let buffer = coded.buffer_owned()?;
    let segment = coded.segment()?.downcast_ref::<gst::ClockTime>()?;
    let running = segment.to_running_time(buffer.pts()?)?;
    Some((
        buffer,
        MediaTime::from_nanos(i64::try_from(running.nseconds()).ok()?),
    ))
}

/// A buffer's memory as `Bytes`, without a copy.
fn mapped(buffer: gst::Buffer) -> Option<Bytes> {
    buffer
        .into_mapped_buffer_readable()
        .ok()
        .map(Bytes::from_owner)
}
