//! One track's decoding chain, from its coded form to the sink that hands it out.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::straighten::straighten;
use super::{IntakeError, Picture, PictureSource, Shared, TrackKind, coded, watch};
use crate::graph::contain::{OUR_FAULT, contained};
use crate::graph::elements::{self, Error};
use crate::graph::ladder::sound_caps;
use crate::source_fault::SourceFault;
use crate::time::{FrameRate, MediaTime};

/// Coded media of one track between demultiplexer and decoder, as time: what a second of pictures
/// lies ahead of its sound.
const TRACK_QUEUED_MAX: gst::ClockTime = gst::ClockTime::from_seconds(3);

/// The longest side of a picture that is decoded, in pixels.
const PICTURE_SIDE_MAX: u32 = 8192;

/// The most pixels of one: 8K as cinemas have it. A decoder has a dozen of them in hand, at 53 MB
/// each.
const PICTURE_PIXELS_MAX: u64 = 8192 * 4320;

/// Pictures that are larger than is decoded, as coded or in square pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pictures of {width}x{height} are too large: 8192x4320 is the most")]
pub struct TooLarge {
    /// Their width.
    pub width: u32,
    /// Their height.
    pub height: u32,
}

impl TooLarge {
    /// What is wrong with pictures of these caps; `None`: nothing.
    pub(in crate::graph) fn of(caps: &gst::CapsRef) -> Option<Self> {
        let source = picture_source(caps)?;
        let coded = caps.structure(0)?.get::<i32>("width").ok()?;
        let width = source.width.max(coded.unsigned_abs());
        Self::sized(width, source.height)
    }

    fn sized(width: u32, height: u32) -> Option<Self> {
        let is_long = width.max(height) > PICTURE_SIDE_MAX;
        let is_large = u64::from(width) * u64::from(height) > PICTURE_PIXELS_MAX;
        (is_long || is_large).then_some(Self { width, height })
    }
}

/// How one track is decoded.
pub(in crate::graph) struct Decoding {
    /// Pictures or sound.
    pub(in crate::graph) kind: TrackKind,
    /// What brings the coded form into one that the decoder takes, where that is needed.
    pub(in crate::graph) parser: Option<&'static str>,
    /// `None`: the track is not coded.
    pub(in crate::graph) decoder: Option<&'static str>,
    /// Threads of a picture decoder; each but the first adds a picture of delay. 0: one a core.
    pub(in crate::graph) threads: u32,
    /// Whether it comes from a publisher, whose clock may do anything, and who may begin anywhere.
    pub(in crate::graph) is_live: bool,
    /// How pictures are turned to be upright.
    pub(in crate::graph) turn: gst_video::VideoOrientationMethod,
}

pub(in crate::graph) struct Chain;

impl Chain {
    /// A chain with a source of its own, for access units.
    pub(super) fn elementary(
        pipeline: &gst::Pipeline,
        caps: &gst::Caps,
        decoding: &Decoding,
        shared: &Arc<Shared>,
    ) -> Result<gst_app::AppSrc, IntakeError> {
        let build = || -> Result<gst_app::AppSrc, Error> {
            let source = gst_app::AppSrc::builder()
                .caps(caps)
                .format(gst::Format::Time)
                .block(false)
                .max_bytes(0)
                .build();
            let decoding = decoding_chain(decoding, shared)?;
            let mut chain: Vec<&gst::Element> = vec![source.upcast_ref()];
            chain.extend(&decoding);
            elements::add_chain(pipeline, &chain)?;
            elements::start_chain(&chain)?;
            Ok(source)
        };
        build().map_err(|error| IntakeError::Unsupported(error.to_string()))
    }

    /// A chain behind a demultiplexer's pad; returns the pad by which it is entered.
    pub(in crate::graph) fn demultiplexed(
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
        decoding: &Decoding,
        shared: &Arc<Shared>,
    ) -> Result<gst::Pad, Error> {
        let queue = elements::make("queue")?;
        queue.set_property("max-size-buffers", 0u32);
        queue.set_property("max-size-bytes", super::QUEUED_BYTES_MAX as u32);
        queue.set_property("max-size-time", TRACK_QUEUED_MAX.nseconds());
        let elements = decoding_chain(decoding, shared)?;
        let mut chain: Vec<&gst::Element> = vec![&queue];
        chain.extend(&elements);
        elements::add_chain(pipeline, &chain)?;
        elements::start_chain(&chain)?;
        let entry = queue
            .static_pad("sink")
            .ok_or_else(|| Error::Build("queue".into()))?;
        if decoding.is_live {
            straighten(&entry, decoding.kind, shared);
        }
        if decoding.kind == TrackKind::Video {
            note_pictures_entering(&entry, shared);
        }
        pad.link(&entry)
            .map_err(|error| Error::Build(error.to_string()))?;
        Ok(entry)
    }
}

/// Notes when each coded picture of a demultiplexer comes.
fn note_pictures_entering(entry: &gst::Pad, shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    entry.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let note = || {
            if let (Some(shared), Some(picture)) = (shared.upgrade(), info.buffer()) {
                shared.picture_enters(picture.pts());
            }
        };
        // At worst one is not measured.
        contained(note, || ());
        gst::PadProbeReturn::Ok
    });
}

/// Parser, decoder, conversion and sink of a track.
fn decoding_chain(decoding: &Decoding, shared: &Arc<Shared>) -> Result<Vec<gst::Element>, Error> {
    shared.decoded.expect(decoding.kind);
    let mut chain = Vec::new();
    for element in [decoding.parser, decoding.decoder].into_iter().flatten() {
        chain.push(elements::make(element)?);
    }
    if decoding.is_live
        && decoding.kind == TrackKind::Video
        && let Some(parser) = chain.first()
    {
        watch::hold_until_keyframe(parser, shared);
    }
    if decoding.parser == Some("h264parse")
        && shared.decoded.wants_coded()
        && let Some(decoder) = chain.last()
    {
        coded::keep(decoder, shared);
        let form = elements::make("capsfilter")?;
        form.set_property("caps", coded::as_in_mp4());
        chain.insert(chain.len() - 1, form);
    }
    if let Some(decoder) = chain.last() {
        set_decoder(decoder, decoding.threads);
        watch::note_parameters(decoder, decoding.kind, shared);
        watch::note_damage(decoder, decoding.kind, shared);
    }
    match decoding.kind {
        TrackKind::Video => {
            let deinterlace = elements::make("deinterlace")?;
            // One picture a frame: the broadcast keeps the source's frame rate.
            deinterlace.set_property_from_str("fields", "top");
            let convert = elements::make("videoconvertscale")?;
            convert.set_property_from_str("method", "catrom");
            convert.set_property("add-borders", true);
            let form = elements::make("capsfilter")?;
            if let Some(decoder) = chain.last() {
                set_form_from_source(decoder, &form, shared);
            }
            chain.extend([deinterlace, convert]);
            if decoding.turn != gst_video::VideoOrientationMethod::Identity {
                // Behind the scaler, whose pictures are smaller and of the one format.
                let turn = elements::make("videoflip")?;
                turn.set_property("video-direction", decoding.turn);
                chain.push(turn);
            }
            chain.extend([form, picture_sink(shared).upcast()]);
        }
        TrackKind::Audio => {
            let form = elements::make("capsfilter")?;
            form.set_property("caps", sound_caps());
            chain.extend([
                elements::make("audioconvert")?,
                elements::make("audioresample")?,
                form,
                sound_sink(shared).upcast(),
            ]);
        }
    }
    Ok(chain)
}

/// A damaged picture is the publisher's loss for a moment, not the end of the publication.
fn set_decoder(decoder: &gst::Element, threads: u32) {
    for (property, value) in [("max-errors", "-1"), ("max-threads", &threads.to_string())] {
        if decoder.find_property(property).is_some() {
            decoder.set_property_from_str(property, value);
        }
    }
}

/// Sets the form that pictures must have as soon as the decoder says what they are, before the
/// first of them passes.
fn set_form_from_source(decoder: &gst::Element, form: &gst::Element, shared: &Arc<Shared>) {
    let Some(pad) = decoder.static_pad("src") else {
        return;
    };
    let form = form.downgrade();
    let shared = Arc::downgrade(shared);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) else {
            return gst::PadProbeReturn::Ok;
        };
        if let Some(fault) = TooLarge::of(caps.caps()) {
            // Whoever has the pipeline hears of it, and ends.
            if let Some(decoder) = pad.parent_element() {
                gst::element_error!(decoder, gst::StreamError::Format, ("{fault}"));
            }
            return gst::PadProbeReturn::Drop;
        }
        let (Some(shared), Some(form)) = (shared.upgrade(), form.upgrade()) else {
            return gst::PadProbeReturn::Ok;
        };
        let set = || {
            if let Some(source) = picture_source(caps.caps()) {
                match shared.decoded.picture_caps(&source) {
                    Some(caps) => form.set_property("caps", caps),
                    None => tracing::warn!("pictures in a broadcast that began without: left out"),
                }
            }
            gst::PadProbeReturn::Ok
        };
        contained(set, || {
            shared.refuse(OUR_FAULT.to_owned());
            gst::PadProbeReturn::Drop
        })
    });
}

/// Size in square pixels, colours and rate from a decoder's caps.
pub(in crate::graph) fn picture_source(caps: &gst::CapsRef) -> Option<PictureSource> {
    let structure = caps.structure(0)?;
    let width = u32::try_from(structure.get::<i32>("width").ok()?).ok()?;
    let height = u32::try_from(structure.get::<i32>("height").ok()?).ok()?;
    let aspect = structure
        .get::<gst::Fraction>("pixel-aspect-ratio")
        .unwrap_or_else(|_| gst::Fraction::new(1, 1));
    let (numer, denom) = (
        u64::from(aspect.numer().unsigned_abs()),
        u64::from(aspect.denom().unsigned_abs()),
    );
    // Wide pixels widen the picture, narrow ones narrow it: the number of lines stays.
    let square_width = if numer == 0 || denom == 0 {
        width
    } else {
        u32::try_from(u64::from(width) * numer / denom).unwrap_or(width)
    };
    let rate = structure
        .get::<gst::Fraction>("framerate")
        .ok()
        .and_then(|rate| {
            FrameRate::new(
                u32::try_from(rate.numer()).ok()?,
                u32::try_from(rate.denom()).ok()?,
            )
        });
    let colorimetry = structure.get::<String>("colorimetry").ok();
    Some(PictureSource {
        width: square_width,
        height,
        colorimetry,
        rate,
    })
}

fn picture_sink(shared: &Arc<Shared>) -> gst_app::AppSink {
    let sink = sink(shared, TrackKind::Video, |shared, pts, picture| {
        shared.picture_leaves(picture.pts());
        if picture.flags().contains(gst::BufferFlags::CORRUPTED) {
            let faults = shared.meters.faults();
            faults.note(SourceFault::DamagedPicture, Duration::ZERO);
        }
        let coded = shared.decoded_from(&picture);
        let picture = Picture {
            buffer: picture,
            coded,
        };
        if let Err(reason) = shared.decoded.picture(pts, picture) {
            shared.refuse(format!(
                "this server can only pass pictures through now, and not these: {reason}"
            ));
        }
    });
    take_padded_pictures(sink.upcast_ref());
    sink
}

/// Tells the decoder that rows may be padded (`GstVideoMeta`): it then hands out the pictures that
/// it decoded into, instead of a copy of each.
fn take_padded_pictures(sink: &gst::Element) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(query) = info.query_mut()
            && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
        {
            allocation.add_allocation_meta::<gstreamer_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

fn sound_sink(shared: &Arc<Shared>) -> gst_app::AppSink {
    sink(shared, TrackKind::Audio, |shared, pts, sound| {
        shared.decoded.sound(pts, sound)
    })
}

fn sink(
    shared: &Arc<Shared>,
    kind: TrackKind,
    handle: impl Fn(&Shared, MediaTime, gst::Buffer) + Send + 'static,
) -> gst_app::AppSink {
    let at_sample = Arc::downgrade(shared);
    let chain = shared.chain();
    let sink = gst_app::AppSink::builder()
        .sync(false)
        .async_(false)
        .qos(false)
        .build();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let shared = at_sample.upgrade().ok_or(gst::FlowError::Eos)?;
                if let Some((pts, buffer)) = timed(&sample)
                    && shared.is_newest(kind, chain)
                {
                    let pts = shared.straight(kind).leave(pts);
                    handle(&shared, pts, buffer);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    sink
}

/// A decoded buffer and its time on the publisher's clock.
fn timed(sample: &gst::Sample) -> Option<(MediaTime, gst::Buffer)> {
    let buffer = sample.buffer_owned()?;
    let time = running_time(sample.segment()?, buffer.pts()?)?;
    Some((time, buffer))
}

/// When a timestamp of `segment` is shown or heard; negative before its beginning.
pub(in crate::graph) fn running_time(
    segment: &gst::Segment,
    pts: gst::ClockTime,
) -> Option<MediaTime> {
    let segment = segment.downcast_ref::<gst::ClockTime>()?;
    let nanos = match segment.to_running_time_full(pts)? {
        gst::Signed::Positive(time) => i64::try_from(time.nseconds()).ok()?,
        gst::Signed::Negative(time) => -i64::try_from(time.nseconds()).ok()?,
    };
    Some(MediaTime::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(width: i32, height: i32, aspect: (i32, i32)) -> gst::Caps {
        crate::graph::init().expect("GStreamer");
        gst::Caps::builder("video/x-raw")
            .field("width", width)
            .field("height", height)
            .field("pixel-aspect-ratio", gst::Fraction::new(aspect.0, aspect.1))
            .build()
    }

    #[test]
    fn pictures_larger_than_cinemas_have_them_are_refused() {
        for (width, height, aspect, fits) in [
            (7680, 4320, (1, 1), true),
            (8192, 4320, (1, 1), true),
            (4320, 8192, (1, 1), true),
            (8192, 8192, (1, 1), false),
            (8193, 16, (1, 1), false),
            (16, 16_000, (1, 1), false),
            // Wide pixels: a picture that is large only when it is shown, and the other way round.
            (1920, 1080, (100, 1), false),
            (16_000, 16, (1, 100), false),
        ] {
            let fault = TooLarge::of(&video(width, height, aspect));
            assert_eq!(fault.is_none(), fits, "{width}x{height}: {fault:?}");
        }
    }
}
