//! Where a rung's encoder sits, between its queue and its appsink: it can be exchanged, or be away,
//! from a segment's beginning on.
//!
//! x264enc cannot change its preset while it plays. At the first picture of a segment the old encoder
//! hands out what it holds, goes, and a new one takes its place, which begins with an IDR picture by
//! itself. It happens on the queue's streaming thread, while it has that picture in hand: GStreamer
//! sends the new element caps and segment after a blocking probe, since it expects such changes there.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::contain::contained;
use super::elements::Error;
use super::encoder::{self, EncoderSettings, Preset, VideoEncoder};
use super::shedding::{Shed, Turns};
use crate::ladder::Rung;
use crate::time::{FrameRate, MediaTime};

/// What the encoders of a seat are made from.
pub(super) struct Seat {
    pub(super) settings: EncoderSettings,
    pub(super) rung: Rung,
    pub(super) rate: FrameRate,
    pub(super) keyframes_within: u32,
    /// Whether the rung is the highest one, and there is another.
    pub(super) may_be_away: bool,
    pub(super) turns: Arc<Turns>,
}

/// A seat in a pipeline.
struct Taken {
    seat: Seat,
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    queue: gst::glib::WeakRef<gst::Element>,
    sink: gst::glib::WeakRef<gst_app::AppSink>,
    /// `None`: away.
    sitting: Option<(gst::Element, Preset)>,
}

impl Seat {
    /// Exchanges `encoder`, which is linked between `queue` and `sink`, as the turns want it.
    pub(super) fn take(
        self,
        pipeline: &gst::Pipeline,
        queue: &gst::Element,
        encoder: gst::Element,
        sink: &gst_app::AppSink,
    ) {
        let Some(source) = queue.static_pad("src") else {
            return;
        };
        let preset = self.settings.preset;
        let taken = Arc::new(Mutex::new(Taken {
            seat: self,
            pipeline: pipeline.downgrade(),
            queue: queue.downgrade(),
            sink: sink.downgrade(),
            sitting: Some((encoder, preset)),
        }));
        let turning = Arc::clone(&taken);
        let pictures = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
        source.add_probe(pictures, move |_, info| {
            let taken = || turning.lock().unwrap_or_else(PoisonError::into_inner);
            let pass = || match info.buffer().and_then(|buffer| buffer.pts()) {
                Some(pts) => taken().picture(pts),
                None => gst::PadProbeReturn::Pass,
            };
            contained(pass, || gst::PadProbeReturn::Pass)
        });
        source.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let taken = || taken.lock().unwrap_or_else(PoisonError::into_inner);
            let pass = || match info.event() {
                Some(event) => taken().event(event),
                None => gst::PadProbeReturn::Pass,
            };
            contained(pass, || gst::PadProbeReturn::Pass)
        });
    }

    /// The preset while so much is left out; `None`: the rung is not encoded.
    fn preset(&self, shed: Shed) -> Option<Preset> {
        if shed >= Shed::TopRung && self.may_be_away {
            return None;
        }
        let is_changed = shed >= Shed::Preset && self.settings.encoder == VideoEncoder::X264;
        Some(match is_changed {
            true => Preset::Ultrafast,
            false => self.settings.preset,
        })
    }
}

impl Taken {
    /// A picture is about to leave the queue.
    fn picture(&mut self, pts: gst::ClockTime) -> gst::PadProbeReturn {
        let nanos = i64::try_from(pts.nseconds()).unwrap_or(i64::MAX);
        let rate = self.seat.rate;
        let index = u64::try_from(rate.nearest_frame(MediaTime::from_nanos(nanos))).unwrap_or(0);
        if let Some(shed) = self.seat.turns.beginning_at(index) {
            let wanted = self.seat.preset(shed);
            let sitting = self.sitting.as_ref().map(|(_, preset)| *preset);
            if wanted != sitting
                && let Err(error) = self.exchange(wanted)
            {
                tracing::error!(rung = %self.seat.rung.name, %error, "an encoder cannot be exchanged");
            }
        }
        match &self.sitting {
            Some(_) => gst::PadProbeReturn::Pass,
            None => gst::PadProbeReturn::Drop,
        }
    }

    /// Something is about to leave the queue that is not a picture. An event that goes no further is
    /// handled, since GStreamer 1.22 unrefs one that is dropped a second time.
    fn event(&self, event: &gst::EventRef) -> gst::PadProbeReturn {
        if self.sitting.is_some() {
            return gst::PadProbeReturn::Pass;
        }
        match event.type_() {
            gst::EventType::Eos => {
                // The end is awaited at the sink.
                let pad = self.sink.upgrade().and_then(|sink| sink.static_pad("sink"));
                let ended = pad.is_some_and(|pad| pad.send_event(event.to_owned()));
                if !ended {
                    tracing::error!(rung = %self.seat.rung.name, "the end does not arrive");
                }
                gst::PadProbeReturn::Handled
            }
            // Caps and the like stay on the pad for who comes; a keyframe nobody can make.
            gst::EventType::CustomDownstream => gst::PadProbeReturn::Handled,
            _ => gst::PadProbeReturn::Pass,
        }
    }

    fn exchange(&mut self, wanted: Option<Preset>) -> Result<(), Error> {
        let all = (
            self.pipeline.upgrade(),
            self.queue.upgrade(),
            self.sink.upgrade(),
        );
        let (Some(pipeline), Some(queue), Some(sink)) = all else {
            // It is being torn down.
            return Ok(());
        };
        // First what may fail: the old one then stays.
        let next = match wanted {
            Some(preset) => {
                let settings = EncoderSettings {
                    preset,
                    ..self.seat.settings
                };
                let encoder = encoder::make(settings, &self.seat.rung, self.seat.keyframes_within)?;
                Some((encoder, preset))
            }
            None => None,
        };
        if let Some((encoder, _)) = self.sitting.take() {
            drain(&encoder);
            queue.unlink(&encoder);
            encoder.unlink(&sink);
            pipeline.remove(&encoder)?;
            encoder.set_state(gst::State::Null)?;
        }
        if let Some((encoder, preset)) = next {
            pipeline.add(&encoder)?;
            gst::Element::link_many([&queue, &encoder, sink.upcast_ref()])?;
            encoder.sync_state_with_parent()?;
            self.sitting = Some((encoder, preset));
        }
        tracing::debug!(rung = %self.seat.rung.name, preset = ?wanted, "encoder exchanged");
        Ok(())
    }
}

/// Makes an encoder hand out what it holds. Its end is not the rendition's.
fn drain(encoder: &gst::Element) {
    let (Some(source), Some(sink)) = (encoder.static_pad("src"), encoder.static_pad("sink")) else {
        return;
    };
    source.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let is_end = info
            .event()
            .is_some_and(|event| event.type_() == gst::EventType::Eos);
        match is_end {
            true => gst::PadProbeReturn::Handled,
            false => gst::PadProbeReturn::Pass,
        }
    });
    if !sink.send_event(gst::event::Eos::new()) {
        tracing::warn!("an encoder did not hand out what it held");
    }
}
