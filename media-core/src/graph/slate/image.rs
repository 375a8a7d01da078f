//! The operator's image: decoded by GStreamer when the server starts, and kept in memory. No disk is
//! waited for while a broadcast runs.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::graph::elements::{self, Error};
use crate::graph::intake::TooLarge;

/// How large a file may be: a photograph as a camera writes it.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The form in which it is kept: 4:2:0, and no larger than pictures of 2160 lines are, since none
/// is shown larger. 12 MB at most.
const KEPT: &str = "video/x-raw,format=I420,width=[1,3840],height=[1,2160],pixel-aspect-ratio=1/1";

/// How long an image may take to be decoded.
const DECODED_WITHIN: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// An image in memory.
#[derive(Clone, Debug)]
pub struct SlateImage {
    picture: gst::Buffer,
    info: gst_video::VideoInfo,
}

impl SlateImage {
    /// Reads and decodes `file` (PNG or JPEG), which may take seconds.
    ///
    /// # Errors
    /// It cannot be read or decoded, or is too large; says which file, and why.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let refused = |why: String| {
            let file = file.display();
            Error::Build(format!("{file} is no image that can be shown: {why}"))
        };
        let found = fs::metadata(file).map_err(|error| refused(error.to_string()))?;
        if !found.is_file() {
            return Err(refused("it is no file".into()));
        }
        if found.len() > FILE_BYTES_MAX {
            let mib = FILE_BYTES_MAX / (1024 * 1024);
            return Err(refused(format!("it has more than {mib} MiB")));
        }
        let pipeline = gst::Pipeline::new();
        let decoding = Decoding::build(&pipeline, file)?;
        let decoded = decoding.run(&pipeline);
        pipeline.set_state(gst::State::Null)?;
        let sample = decoded.map_err(refused)?;
        let info = sample.caps().map(gst_video::VideoInfo::from_caps);
        match (sample.buffer_owned(), info) {
            (Some(picture), Some(Ok(info))) => Ok(Self { picture, info }),
            _ => Err(refused("it has no picture".into())),
        }
    }

    /// The image fitted into pictures as `info` says, with bars where its shape is another.
    pub(super) fn fitted(&self, info: &gst_video::VideoInfo) -> Option<gst::Buffer> {
        // It stands still: none of the rates that a converter wants to be the same.
        let (own_width, own_height) = (self.info.width(), self.info.height());
        let own = gst_video::VideoInfo::builder(self.info.format(), own_width, own_height)
            .colorimetry(&self.info.colorimetry())
            .fps(info.fps())
            .build()
            .ok()?;
        let (left, top, width, height) = place(&own, info);
        let mut config = gst_video::VideoConverterConfig::new();
        config.set_dest_x(left);
        config.set_dest_y(top);
        config.set_dest_width(Some(width));
        config.set_dest_height(Some(height));
        config.set_fill_border(true);
        let converter = gst_video::VideoConverter::new(&own, info, Some(config)).ok()?;
        let source = gst_video::VideoFrameRef::from_buffer_ref_readable(&self.picture, &own);
        let room = gst::Buffer::with_size(info.size()).ok()?;
        let mut fitted = gst_video::VideoFrame::from_buffer_writable(room, info).ok()?;
        converter.frame_ref(&source.ok()?, &mut fitted.as_mut_video_frame_ref());
        Some(fitted.into_buffer())
    }
}

/// Where a picture of the form `from` stands in one of the form `into`, as large as it fits: left, top,
/// width and height in pixels, even where colours have half of them.
fn place(from: &gst_video::VideoInfo, into: &gst_video::VideoInfo) -> (i32, i32, i32, i32) {
    let (from_width, from_height) = (u64::from(from.width()), u64::from(from.height()));
    let (into_width, into_height) = (u64::from(into.width()), u64::from(into.height()));
    let is_wider = from_width * into_height > into_width * from_height;
    let (width, height) = match is_wider {
        true => (into_width, from_height * into_width / from_width.max(1)),
        false => (from_width * into_height / from_height.max(1), into_height),
    };
    let fits = |size: u64, room: u64| size.max(1).next_multiple_of(2).min(room);
    let (width, height) = (fits(width, into_width), fits(height, into_height));
    let before = |size: u64, room: u64| (room - size) / 4 * 2;
    let place = [
        before(width, into_width),
        before(height, into_height),
        width,
        height,
    ];
    // Sizes of pictures, which have fewer bits.
    let [left, top, width, height] = place.map(|pixels| pixels as i32);
    (left, top, width, height)
}

/// The pipeline that decodes a file.
struct Decoding {
    sink: gst_app::AppSink,
    /// Set where it is not decoded.
    too_large: Arc<OnceLock<TooLarge>>,
}

impl Decoding {
    fn build(pipeline: &gst::Pipeline, file: &Path) -> Result<Self, Error> {
        let source = elements::make("filesrc")?;
        source.set_property("location", file);
        let decode = elements::make("decodebin")?;
        let convert = elements::make("videoconvertscale")?;
        let form = elements::make("capsfilter")?;
        form.set_property_from_str("caps", KEPT);
        let sink = gst_app::AppSink::builder().sync(false).build();
        elements::add_chain(pipeline, &[&source, &decode])?;
        elements::add_chain(pipeline, &[&convert, &form, sink.upcast_ref()])?;
        let entry = convert.static_pad("sink");
        let too_large = Arc::<OnceLock<TooLarge>>::default();
        let found = Arc::clone(&too_large);
        decode.connect_pad_added(move |_, pad| {
            if let Some(fault) = pad.current_caps().and_then(|caps| TooLarge::of(&caps)) {
                _ = found.set(fault);
                return;
            }
            if let Some(entry) = entry.as_ref().filter(|entry| !entry.is_linked()) {
                // Refused where it is sound: the pipeline then ends without a picture.
                let _refused = pad.link(entry);
            }
        });
        Ok(Self { sink, too_large })
    }

    fn run(&self, pipeline: &gst::Pipeline) -> Result<gst::Sample, String> {
        let started = pipeline.set_state(gst::State::Paused);
        started.map_err(|error| error.to_string())?;
        let bus = pipeline.bus().ok_or("it has no bus")?;
        let told = [
            gst::MessageType::AsyncDone,
            gst::MessageType::Error,
            gst::MessageType::Eos,
        ];
        let message = bus.timed_pop_filtered(DECODED_WITHIN, &told);
        if let Some(fault) = self.too_large.get() {
            return Err(fault.to_string());
        }
        if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|it| it.view()) {
            return Err(error.error().to_string());
        }
        let picture = self.sink.try_pull_preroll(gst::ClockTime::ZERO);
        picture.ok_or_else(|| "it has no picture".to_owned())
    }
}
