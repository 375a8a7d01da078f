//! What is found wrong with a publisher's media on its way through the intake. Mended elsewhere, or
//! not at all: here it is noted; only what cannot be decoded is left out.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock, Weak};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{Shared, TrackKind};
use crate::graph::contain::contained;
use crate::graph::source_faults::SourceFaults;
use crate::source_fault::SourceFault;
use crate::time::MediaTime;
use crate::transport_stream;

/// How long pictures are left out that come before a keyframe: what is decoded from them is grey.
/// Longer than the ten seconds that encoders put between keyframes at most; what has none at all
/// (periodic intra refresh) is decoded as it is.
const KEYFRAME_WITHIN: Duration = Duration::from_secs(12);

/// Decode times that go back by more are another clock, which the Timeline finds.
const DTS_BACK_MAX: i64 = 3_000_000_000;

/// Notes what a transport stream's packets tell.
pub(super) fn note_transport(findings: transport_stream::Findings, faults: &SourceFaults) {
    for _ in 0..findings.breaks {
        faults.note(SourceFault::LostPackets, Duration::ZERO);
    }
    if let Some(missing) = findings.tables_lost {
        faults.note(SourceFault::LostTables, missing);
    }
    if let Some(by) = findings.clock_jumped {
        let fault = match by > 0 {
            true => SourceFault::ClockAhead,
            false => SourceFault::ClockBack,
        };
        faults.note(fault, Duration::from_nanos(by.unsigned_abs()));
    }
    if findings.tables_changed {
        faults.note(SourceFault::ChangedTracks, Duration::ZERO);
    }
}

/// Notes a decode time that is before the last one.
pub(super) fn note_dts(before: Option<MediaTime>, dts: MediaTime, faults: &SourceFaults) {
    let back = before.map_or(0, |before| before.nanos_from(dts));
    if (1..=DTS_BACK_MAX).contains(&back) {
        faults.note(
            SourceFault::DtsBack,
            Duration::from_nanos(back.unsigned_abs()),
        );
    }
}

/// Notes what a decoder complains of.
pub(super) fn note_warning(warning: &gst::message::Warning, faults: &SourceFaults) {
    let Some(element) = warning
        .src()
        .and_then(|it| it.downcast_ref::<gst::Element>())
    else {
        return;
    };
    let class = element.metadata("klass").unwrap_or_default();
    let fault = match (class.contains("Decoder"), class.contains("Video")) {
        (true, true) => SourceFault::DamagedPicture,
        (true, false) if class.contains("Audio") => SourceFault::DamagedSound,
        _ => return,
    };
    faults.note(fault, Duration::ZERO);
}

thread_local! {
    /// Whose media this thread decodes: FFmpeg's decoders say in their log alone what is damaged.
    static DECODES: RefCell<Option<(Weak<Shared>, TrackKind)>> = const { RefCell::new(None) };
}

/// Notes what `decoder`, one of FFmpeg's, finds damaged: it conceals it and goes on.
pub(super) fn note_damage(decoder: &gst::Element, kind: TrackKind, shared: &Arc<Shared>) {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(listen_to_decoders);
    let Some(pad) = decoder.static_pad("sink") else {
        return;
    };
    let shared = Arc::downgrade(shared);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        contained(|| DECODES.set(Some((Weak::clone(&shared), kind))), || ());
        gst::PadProbeReturn::Ok
    });
}

fn listen_to_decoders() {
    // FFmpeg's own log, as GStreamer passes it on.
    let Some(category) = gst::DebugCategory::get("libav") else {
        return;
    };
    if std::env::var_os("GST_DEBUG").is_none() {
        // It would say on standard error what is noted here.
        gst::log::remove_default_log_function();
    }
    if category.threshold() < gst::DebugLevel::Error {
        category.set_threshold(gst::DebugLevel::Error);
    }
    gst::log::add_log_function(move |said_by, level, _, _, _, _, _| {
        if said_by != category || level != gst::DebugLevel::Error {
            return;
        }
        let note = || {
            let decodes = DECODES.with_borrow(Clone::clone);
            if let Some((shared, kind)) = decodes
                && let Some(shared) = shared.upgrade()
            {
                let fault = match kind {
                    TrackKind::Video => SourceFault::DamagedPicture,
                    TrackKind::Audio => SourceFault::DamagedSound,
                };
                if kind == TrackKind::Video {
                    shared.damaged.store(true, Ordering::Release);
                }
                shared.meters.faults().note(fault, Duration::ZERO);
            }
        };
        contained(note, || ());
    });
}

/// Leaves out what a parser hands out before the first keyframe.
pub(super) fn hold_until_keyframe(parser: &gst::Element, shared: &Arc<Shared>) {
    let Some(pad) = parser.static_pad("src") else {
        return;
    };
    let shared = Arc::downgrade(shared);
    let held_since: OnceLock<Instant> = OnceLock::new();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let is_delta = info
            .buffer()
            .is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        let held = held_since.get_or_init(Instant::now).elapsed();
        if !is_delta || held > KEYFRAME_WITHIN {
            // From here on everything passes.
            return gst::PadProbeReturn::Remove;
        }
        let note = || {
            if let Some(shared) = shared.upgrade() {
                shared.meters.faults().note(SourceFault::NoKeyframe, held);
            }
        };
        contained(note, || ());
        gst::PadProbeReturn::Drop
    });
}

/// Notes that what a decoder hands out is of another form than before.
pub(super) fn note_parameters(decoder: &gst::Element, kind: TrackKind, shared: &Arc<Shared>) {
    let Some(pad) = decoder.static_pad("src") else {
        return;
    };
    let fault = match kind {
        TrackKind::Video => SourceFault::VideoParameters,
        TrackKind::Audio => SourceFault::AudioParameters,
    };
    let shared = Arc::downgrade(shared);
    let is_known = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let note = || {
            let caps = info.event().map(|event| event.view());
            if let (Some(gst::EventView::Caps(_)), Some(shared)) = (caps, shared.upgrade())
                && is_known.swap(true, Ordering::AcqRel)
            {
                shared.meters.faults().note(fault, Duration::ZERO);
            }
        };
        contained(note, || ());
        gst::PadProbeReturn::Ok
    });
}
