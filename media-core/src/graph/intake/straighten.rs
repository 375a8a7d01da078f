//! Gives a demultiplexed track times that only go forward ([`Straight`](super::straight::Straight)),
//! before its decoder has them, and that do not wrap ([`Unwrap`](super::unwrap::Unwrap)).

use std::ops::ControlFlow;
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
    // Tracks whose packets hold several frames, as Opus has them, come in lists.
    let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    entry.add_probe(
        media | gst::PadProbeType::EVENT_DOWNSTREAM,
        move |_, info| {
            let straighten = || {
                let mut segment = segment.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                match (&mut info.data, &*segment) {
                    (Some(gst::PadProbeData::Event(event)), _) => {
                        if let gst::EventView::Segment(own) = event.view() {
                            *segment = Some(own.segment().clone());
                            let plain = gst::FormattedSegment::<gst::ClockTime>::new();
                            *event = gst::event::Segment::new(&plain);
                        }
                    }
                    (Some(gst::PadProbeData::Buffer(buffer)), Some(segment)) => {
                        set_times(buffer, segment, kind, &shared);
                    }
                    (Some(gst::PadProbeData::BufferList(list)), Some(segment)) => {
                        list.make_mut().foreach_mut(|mut buffer, _| {
                            set_times(&mut buffer, segment, kind, &shared);
                            ControlFlow::Continue(Some(buffer))
                        });
                    }
                    _ => {}
                }
            };
            contained(straighten, || ());
            gst::PadProbeReturn::Ok
        },
    );
}

fn set_times(buffer: &mut gst::Buffer, segment: &gst::Segment, kind: TrackKind, shared: &Shared) {
    let time = |of: Option<gst::ClockTime>| running_time(segment, of?);
    let Some(pts) = time(buffer.pts()) else {
        // It follows the one before it: neither is known in the segment that stands here now.
        buffer.make_mut().set_dts(gst::ClockTime::NONE);
        return;
    };
    let dts = time(buffer.dts()).unwrap_or(pts);
    let (pts, dts) = shared.unwrapped(pts, dts);
    let (pts, dts) = shared.straight(kind).enter(pts, dts);
    let buffer = buffer.make_mut();
    buffer.set_pts(gst::ClockTime::from_nseconds(pts));
    buffer.set_dts(gst::ClockTime::from_nseconds(dts));
}
