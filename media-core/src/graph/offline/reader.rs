//! The pipeline that reads and decodes a file's chosen tracks.

use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::container::Container;
use super::inspection::Inspection;
use crate::graph::background;
use crate::graph::contain::{OUR_FAULT, contained};
use crate::graph::elements::{self, Error};
use crate::graph::intake::{Chain, Decoding, Shared};

/// Events that wait to be heard. Of faults the first matters; what does not fit is left out.
pub(super) const EVENTS_MAX: usize = 16;

/// What the transcoder hears of its pipelines.
pub(super) enum Event {
    /// Every track has been decoded to its end.
    Drained,
    /// The file or a decoder has a fault: nothing is read behind it.
    Fault(String),
    /// The ladder cannot go on.
    EncoderFailed,
}

/// A running one; stops when it is dropped.
pub(super) struct Reader {
    pipeline: gst::Pipeline,
    /// Where the chosen tracks enter their queues.
    entries: Arc<Mutex<Vec<gst::Pad>>>,
    // The chains hold it weakly.
    _shared: Arc<Shared>,
}

impl Reader {
    /// Reads the tracks that were chosen when `path` was inspected.
    pub(super) fn start(
        path: &Path,
        inspection: &Inspection,
        shared: Arc<Shared>,
        events: SyncSender<Event>,
    ) -> Result<Self, super::Error> {
        let (pipeline, demux) = source(path, inspection.container)?;
        let chosen: Vec<(String, Decoding)> = inspection.decodings().collect();
        let entries = Arc::<Mutex<Vec<gst::Pad>>>::default();
        let (weak_pipeline, weak_shared) = (pipeline.downgrade(), Arc::downgrade(&shared));
        let (added, faults) = (Arc::clone(&entries), events.clone());
        demux.connect_pad_added(move |_, pad| {
            let (Some(pipeline), Some(shared)) = (weak_pipeline.upgrade(), weak_shared.upgrade())
            else {
                return;
            };
            let Some((_, decoding)) = chosen.iter().find(|(name, _)| *name == pad.name()) else {
                return;
            };
            let add = || match Chain::demultiplexed(&pipeline, pad, decoding, &shared) {
                Ok(entry) => added
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(entry),
                Err(error) => _ = faults.try_send(Event::Fault(error.to_string())),
            };
            contained(add, || {
                _ = faults.try_send(Event::Fault(OUR_FAULT.to_owned()));
            });
        });
        watch_bus(&pipeline, events);
        pipeline
            .set_state(gst::State::Playing)
            .map_err(Error::from)?;
        Ok(Self {
            pipeline,
            entries,
            _shared: shared,
        })
    }

    /// Ends the tracks behind what has been read; whether there are any.
    pub(super) fn end_tracks(&self) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter() {
            // One that has ended already takes no second end.
            let _ended = entry.send_event(gst::event::Eos::new());
        }
        !entries.is_empty()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::error!(%error, "a file's pipeline did not stop");
        }
    }
}

/// A pipeline of a file and its demultiplexer.
pub(super) fn source(
    path: &Path,
    container: Container,
) -> Result<(gst::Pipeline, gst::Element), super::Error> {
    let location = path.to_str().ok_or_else(|| {
        std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "its path is not valid UTF-8",
        )
    })?;
    let pipeline = gst::Pipeline::new();
    let file = elements::make("filesrc")?;
    file.set_property("location", location);
    let demux = elements::make(container.demuxer())?;
    elements::add_chain(&pipeline, &[&file, &demux])?;
    Ok((pipeline, demux))
}

fn watch_bus(pipeline: &gst::Pipeline, events: SyncSender<Event>) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
        background::take_thread(message);
        match message.view() {
            gst::MessageView::Eos(_) => _ = events.try_send(Event::Drained),
            gst::MessageView::Error(error) => _ = events.try_send(Event::Fault(reason(error))),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}

/// What a pipeline's error says, and who says it.
pub(super) fn reason(error: &gst::message::Error) -> String {
    let element = error.src().map(|source| source.name().to_string());
    let detail = error.debug();
    tracing::debug!(?element, error = %error.error(), ?detail, "a file's pipeline failed");
    let element = element.unwrap_or_default();
    let element = element.trim_end_matches(|c: char| c.is_ascii_digit());
    format!("{} ({element})", error.error())
}
