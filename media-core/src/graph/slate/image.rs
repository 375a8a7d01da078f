//! The operator's image, decoded and fitted by GStreamer.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::graph::elements::{self, Error};

/// How long an image may take to be read and decoded.
const DECODED_WITHIN: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// The first picture of `file`, fitted into `caps` with bars where its shape is another.
pub(super) fn load(file: &Path, caps: Option<&gst::Caps>) -> Result<gst::Buffer, Error> {
    let pipeline = gst::Pipeline::new();
    let sink = build(&pipeline, file, caps)?;
    let loaded = run(&pipeline, &sink);
    let stopped = pipeline.set_state(gst::State::Null);
    let sample = loaded.map_err(|why| {
        let file = file.display();
        Error::Build(format!("{file} is no image that can be shown: {why}"))
    })?;
    stopped?;
    sample
        .buffer_owned()
        .ok_or_else(|| Error::Build(format!("{} has no picture", file.display())))
}

fn build(
    pipeline: &gst::Pipeline,
    file: &Path,
    caps: Option<&gst::Caps>,
) -> Result<gst_app::AppSink, Error> {
    let source = elements::make("filesrc")?;
    source.set_property("location", file);
    let decode = elements::make("decodebin")?;
    let convert = elements::make("videoconvertscale")?;
    convert.set_property("add-borders", true);
    let form = elements::make("capsfilter")?;
    if let Some(caps) = caps {
        // A picture that stands still has no frame rate.
        let mut caps = caps.clone();
        caps.make_mut().iter_mut().for_each(|structure| {
            structure.remove_field("framerate");
        });
        form.set_property("caps", caps);
    }
    let sink = gst_app::AppSink::builder().sync(false).build();
    elements::add_chain(pipeline, &[&source, &decode])?;
    elements::add_chain(pipeline, &[&convert, &form, sink.upcast_ref()])?;
    let entry = convert.static_pad("sink");
    decode.connect_pad_added(move |_, pad| {
        if let Some(entry) = entry.as_ref().filter(|entry| !entry.is_linked()) {
            // Refused where it is sound: the pipeline then ends without a picture.
            let _refused = pad.link(entry);
        }
    });
    Ok(sink)
}

fn run(pipeline: &gst::Pipeline, sink: &gst_app::AppSink) -> Result<gst::Sample, String> {
    let started = pipeline.set_state(gst::State::Paused);
    started.map_err(|error| error.to_string())?;
    sink.try_pull_preroll(DECODED_WITHIN).ok_or_else(|| {
        let bus = pipeline.bus();
        let message = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => error.error().to_string(),
            _ => "it has no picture".to_owned(),
        }
    })
}
