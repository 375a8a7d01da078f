//! Gives a demultiplexed track times that only go forward ([`Straight`](super::straight::Straight)),
//! before its decoder has them: where packets are missing tsdemux goes back after it went ahead.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::chain::running_time;
use super::{Shared, TrackKind};
use crate::graph::contain::contained;

/// Replaces the times, and the segments that they are in, of what enters by `entry`.
pub(super) fn straighten(entry: &gst::Pad, kind: TrackKind, shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    // The demultiplexer's own.
    let segment = Mutex::new(None::<gst::Segment>);
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    entry.add_probe(mask, move |_, info| {
        let straighten = || {
            let mut segment = segment.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Segment(own) = event.view() {
                        *segment = Some(own.segment().clone());
                        let plain = gst::FormattedSegment::<gst::ClockTime>::new();
                        *event = gst::event::Segment::new(&plain);
                    }
                }
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    let (Some(shared), Some(segment)) = (shared.upgrade(), &*segment) else {
                        return;
                    };
                    let time = |of: Option<gst::ClockTime>| running_time(segment, of?);
                    let Some(pts) = time(buffer.pts()) else {
                        return;
                    };
                    let dts = time(buffer.dts()).unwrap_or(pts);
                    let (pts, dts) = shared.straight(kind).enter(pts, dts);
                    let buffer = buffer.make_mut();
                    buffer.set_pts(gst::ClockTime::from_nseconds(pts));
                    buffer.set_dts(gst::ClockTime::from_nseconds(dts));
                }
                _ => {}
            }
        };
        contained(straighten, || ());
        gst::PadProbeReturn::Ok
    });
}
