//! The highest rung's branch where that may be the source itself: which pictures its encoder gets, and
//! where it begins anew.
//!
//! Each picture carries the word itself, since it is decided before the queues and needed behind them.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::super::top_rung::Way;

/// The source's own coded picture is handed out instead.
const LEFT_OUT: gst::BufferFlags = gst::BufferFlags::DROPPABLE;

/// The encoder has to begin with a keyframe.
const ANEW: gst::BufferFlags = gst::BufferFlags::MARKER;

/// Writes onto a picture what the highest rung shows of it.
pub(super) fn mark(picture: &mut gst::BufferRef, way: Way) {
    picture.unset_flags(LEFT_OUT | ANEW);
    match way {
        Way::Source => picture.set_flags(LEFT_OUT),
        Way::Encoder { anew: true } => picture.set_flags(ANEW),
        Way::Encoder { anew: false } => {}
    }
}

/// Keeps from `queue`, which leads to the encoder, what it is not to encode. Asked for keyframes are
/// those of the marks alone: one that was asked for while nothing is encoded would be made later.
pub(super) fn leave_out_marked(queue: &gst::Element) {
    let Some(entry) = queue.static_pad("sink") else {
        return;
    };
    let Some(before) = entry.peer() else { return };
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    before.add_probe(kinds, move |_, info| {
        let asks_for_keyframe =
            |event: &gst::Event| gst_video::DownstreamForceKeyUnitEvent::parse(event).is_ok();
        if info.event().is_some_and(asks_for_keyframe) {
            // Not dropped: GStreamer 1.22 would free it once more.
            return gst::PadProbeReturn::Handled;
        }
        let Some(picture) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        if picture.flags().contains(LEFT_OUT) {
            return gst::PadProbeReturn::Drop;
        }
        if let Some(time) = picture.pts().filter(|_| picture.flags().contains(ANEW)) {
            entry.send_event(key_unit(time));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Asks encoders for a keyframe, with parameter sets, at `time`.
pub(super) fn key_unit(time: gst::ClockTime) -> gst::Event {
    gst_video::DownstreamForceKeyUnitEvent::builder()
        .timestamp(time)
        .stream_time(time)
        .running_time(time)
        .all_headers(true)
        .build()
}
