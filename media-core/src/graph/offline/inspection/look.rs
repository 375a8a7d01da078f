//! Watches a file's tracks go by until enough is known of them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video::VideoOrientationMethod;

use crate::graph::contain::{OUR_FAULT, contained};
use crate::graph::elements;
use crate::graph::intake::{TrackKind, running_time};
use crate::graph::offline::codecs::{Codec, Found};
use crate::graph::offline::reader::reason;
use crate::time::MediaTime;

/// How long a file may be looked at. A local one takes some milliseconds.
const LOOK_MAX: Duration = Duration::from_secs(20);

/// Pictures whose timestamps the frame rate is judged by: a variable rate shows its usual step.
const TIMES_MAX: usize = 240;

/// How much of one track is looked at while another one yields nothing.
const ALONE_MAX: Duration = Duration::from_secs(15);

/// Tracks that are looked at; what a file has beyond is left out.
const TRACKS_MAX: usize = 32;

/// What callbacks find.
pub(super) struct Seen {
    look: Mutex<Look>,
    step: SyncSender<()>,
}

/// What is known of a file so far.
#[derive(Default)]
pub(super) struct Look {
    pub(super) tracks: Vec<Track>,
    pub(super) unsupported: Vec<(TrackKind, String)>,
    pub(super) missing: Option<elements::Error>,
    pub(super) fault: Option<String>,
    has_all_tracks: bool,
    has_ended: bool,
}

/// What is known of a track.
pub(super) struct Track {
    pub(super) pad: String,
    pub(super) codec: Codec,
    pub(super) is_default: bool,
    pub(super) caps: Option<gst::Caps>,
    pub(super) turn: VideoOrientationMethod,
    pub(super) times: Vec<MediaTime>,
    pub(super) first: Option<MediaTime>,
    latest: Option<MediaTime>,
    /// Where the presentation begins on the container's clock.
    pub(super) start: Option<gst::ClockTime>,
}

impl Seen {
    pub(super) fn new(step: SyncSender<()>) -> Self {
        Self {
            look: Mutex::default(),
            step,
        }
    }

    pub(super) fn look(&self) -> MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something, and wakes who waits where that is enough.
    fn note(&self, note: impl FnOnce(&mut Look)) {
        let mut look = self.look();
        note(&mut look);
        if look.is_enough() {
            // One is enough to wake it.
            let _woken_before = self.step.try_send(());
        }
    }

    /// Nothing more is to be found behind a fault.
    fn fail(&self, fault: impl FnOnce() -> String) {
        self.note(|look| {
            look.fault.get_or_insert_with(fault);
            look.has_ended = true;
        });
    }

    /// Calls `work` from a callback of GStreamer.
    fn contained(&self, work: impl FnOnce()) {
        contained(work, || self.fail(|| OUR_FAULT.to_owned()));
    }
}

impl Look {
    fn is_enough(&self) -> bool {
        let settled = || self.tracks.iter().all(Track::is_settled);
        let alone = || self.tracks.iter().any(Track::is_long);
        self.has_ended || self.has_all_tracks && settled() || alone()
    }
}

impl Track {
    fn is_settled(&self) -> bool {
        match self.codec.kind {
            TrackKind::Video => self.times.len() >= TIMES_MAX,
            TrackKind::Audio => self.first.is_some(),
        }
    }

    fn is_long(&self) -> bool {
        match (self.first, self.latest) {
            (Some(first), Some(latest)) => latest.saturating_since(first) > ALONE_MAX,
            _ => false,
        }
    }

    fn saw(&mut self, time: MediaTime, start: Option<gst::ClockTime>) {
        // What lies before the presentation's start is decoded and not shown.
        if time < MediaTime::ZERO {
            return;
        }
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.latest = Some(time);
        self.start = start;
        if self.times.len() < TIMES_MAX && self.codec.kind == TrackKind::Video {
            self.times.push(time);
        }
    }
}

pub(super) fn wait(steps: &Receiver<()>, seen: &Seen) {
    let deadline = Instant::now() + LOOK_MAX;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match steps.recv_timeout(left) {
            Ok(()) if !seen.look().is_enough() => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("a file was not inspected in time: what is known has to do");
                return;
            }
        }
    }
}

pub(super) fn watch_pads(demux: &gst::Element, pipeline: &gst::Pipeline, seen: &Arc<Seen>) {
    let (weak_pipeline, added) = (pipeline.downgrade(), Arc::clone(seen));
    demux.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak_pipeline.upgrade() else {
            return;
        };
        added.contained(|| {
            if let Err(error) = add_track(&pipeline, pad, &added) {
                added.note(|look| look.missing = look.missing.take().or(Some(error)));
            }
        });
    });
    let complete = Arc::clone(seen);
    demux.connect_no_more_pads(move |_| complete.note(|look| look.has_all_tracks = true));
}

pub(super) fn watch_bus(pipeline: &gst::Pipeline, seen: &Arc<Seen>) {
    let Some(bus) = pipeline.bus() else { return };
    let seen = Arc::clone(seen);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Eos(_) => seen.note(|look| look.has_ended = true),
            gst::MessageView::Error(error) => seen.fail(|| reason(error)),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

/// Parses a track as far as it takes to see its parameters.
fn add_track(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    seen: &Arc<Seen>,
) -> Result<(), elements::Error> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let Some(structure) = caps.structure(0) else {
        return Ok(());
    };
    let sink = elements::make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("async", false);
    let mut chain = Vec::new();
    match Found::of(structure)? {
        Found::Codec(codec) if seen.look().tracks.len() < TRACKS_MAX => {
            chain.extend(codec.parser.map(elements::make).transpose()?);
            watch_track(pad, codec, &sink, seen);
        }
        Found::Codec(_) | Found::Other => {}
        Found::Unsupported(name) => {
            let kind = match name.starts_with("video/") {
                true => TrackKind::Video,
                false => TrackKind::Audio,
            };
            seen.note(|look| look.unsupported.push((kind, name)));
        }
    }
    chain.push(sink);
    let chain: Vec<&gst::Element> = chain.iter().collect();
    elements::add_chain(pipeline, &chain)?;
    elements::start_chain(&chain)?;
    let entry = chain[0]
        .static_pad("sink")
        .ok_or_else(|| elements::Error::Build("a parser without an entry".into()))?;
    pad.link(&entry)
        .map_err(|error| elements::Error::Build(error.to_string()))?;
    Ok(())
}

fn watch_track(pad: &gst::Pad, codec: Codec, sink: &gst::Element, seen: &Arc<Seen>) {
    let Some(entry) = sink.static_pad("sink") else {
        return;
    };
    let index = {
        let mut look = seen.look();
        look.tracks.push(Track {
            pad: pad.name().to_string(),
            codec,
            is_default: pad
                .sticky_event::<gst::event::StreamStart>(0)
                .is_some_and(|start| start.stream_flags().contains(gst::StreamFlags::SELECT)),
            caps: None,
            turn: VideoOrientationMethod::Identity,
            times: Vec::new(),
            first: None,
            latest: None,
            start: None,
        });
        look.tracks.len() - 1
    };
    let seen = Arc::clone(seen);
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    entry.add_probe(kinds, move |pad, info| {
        seen.contained(|| match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let segment = pad.sticky_event::<gst::event::Segment>(0);
                if let Some((segment, pts)) = segment.zip(buffer.pts())
                    && let Some(time) = running_time(segment.segment(), pts)
                {
                    let segment = segment.segment().downcast_ref::<gst::ClockTime>();
                    let start = segment.and_then(|segment| segment.start());
                    seen.note(|look| look.tracks[index].saw(time, start));
                }
            }
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Caps(caps) => {
                    let caps = caps.caps_owned();
                    seen.note(|look| look.tracks[index].caps = Some(caps));
                }
                gst::EventView::Tag(tags) => {
                    if let Some(turn) = VideoOrientationMethod::from_tag(tags.tag()) {
                        seen.note(|look| look.tracks[index].turn = turn);
                    }
                }
                _ => {}
            },
            _ => {}
        });
        gst::PadProbeReturn::Ok
    });
}
