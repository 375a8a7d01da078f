//! An element that scales planar 4:2:0 pictures by Catmull-Rom, in vector instructions.
//!
//! Scaling is what a ladder does besides encoding: GStreamer's own scaler costs more than FFmpeg's
//! at this quality (design/0007-scaler.md). It converts nothing and adds no borders: caps differ
//! in size alone.

use gstreamer as gst;
use gstreamer::glib;

glib::wrapper! {
    pub struct Scaler(ObjectSubclass<imp::Scaler>)
        @extends gstreamer_video::VideoFilter, gstreamer_base::BaseTransform, gst::Element, gst::Object;
}

impl Scaler {
    /// A scaler; what it makes is set by the caps behind it.
    pub(super) fn element() -> gst::Element {
        use glib::object::Cast;
        glib::Object::new::<Self>().upcast()
    }
}

mod imp {
    use std::sync::{LazyLock, Mutex, PoisonError};

    use fast_image_resize::images::{
        TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef,
    };
    use fast_image_resize::pixels::U8;
    use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
    use gstreamer as gst;
    use gstreamer::glib;
    use gstreamer::subclass::prelude::*;
    use gstreamer_base::subclass::BaseTransformMode;
    use gstreamer_base::subclass::prelude::*;
    use gstreamer_video as gst_video;
    use gstreamer_video::prelude::*;
    use gstreamer_video::subclass::prelude::*;

    /// Planes of a 4:2:0 picture: luma and two chroma.
    const PLANES: u32 = 3;

    #[derive(Default)]
    pub struct Scaler {
        /// Kept from picture to picture.
        workspace: Mutex<Workspace>,
    }

    #[derive(Default)]
    struct Workspace {
        resizer: Resizer,
        /// A plane of the wanted height, still as wide as the source.
        rows: Vec<u8>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Scaler {
        const NAME: &'static str = "MillraceScaler";
        type Type = super::Scaler;
        type ParentType = gst_video::VideoFilter;
    }

    impl ObjectImpl for Scaler {}
    impl GstObjectImpl for Scaler {}

    impl ElementImpl for Scaler {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "4:2:0 scaler",
                    "Filter/Converter/Video/Scaler",
                    "Scales planar 4:2:0 pictures by Catmull-Rom",
                    "the Millrace authors",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let caps = gst_video::VideoCapsBuilder::new()
                    .format(gst_video::VideoFormat::I420)
                    .build();
                [
                    ("src", gst::PadDirection::Src),
                    ("sink", gst::PadDirection::Sink),
                ]
                .into_iter()
                .filter_map(|(name, direction)| {
                    let always = gst::PadPresence::Always;
                    gst::PadTemplate::new(name, direction, always, &caps).ok()
                })
                .collect()
            });
            &TEMPLATES
        }
    }

    impl BaseTransformImpl for Scaler {
        const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
        const PASSTHROUGH_ON_SAME_CAPS: bool = true;
        const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

        fn transform_caps(
            &self,
            _direction: gst::PadDirection,
            caps: &gst::Caps,
            filter: Option<&gst::Caps>,
        ) -> Option<gst::Caps> {
            let mut any_size = caps.clone();
            for structure in any_size.make_mut().iter_mut() {
                structure.set("width", gst::IntRange::new(1, i32::MAX));
                structure.set("height", gst::IntRange::new(1, i32::MAX));
            }
            Some(match filter {
                Some(filter) => {
                    filter.intersect_with_mode(&any_size, gst::CapsIntersectMode::First)
                }
                None => any_size,
            })
        }
    }

    impl VideoFilterImpl for Scaler {
        fn transform_frame(
            &self,
            source: &gst_video::VideoFrameRef<&gst::BufferRef>,
            scaled: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let mut workspace = self
                .workspace
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for plane in 0..PLANES {
                scale_plane(&mut workspace, source, scaled, plane).map_err(|what| {
                    gst::element_imp_error!(self, gst::StreamError::Failed, ["{what}"]);
                    gst::FlowError::Error
                })?;
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }

    fn scale_plane(
        workspace: &mut Workspace,
        source: &gst_video::VideoFrameRef<&gst::BufferRef>,
        scaled: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        plane: u32,
    ) -> Result<(), String> {
        let (from, to) = (PlaneSize::of(source, plane), PlaneSize::of(scaled, plane));
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            .use_alpha(false);
        let pixels = source.plane_data(plane).map_err(text)?;
        let pixels = pixels.get(..from.bytes()).ok_or(SHORT_PLANE)?;
        // Typed, so that only bytes' code is compiled, out of a dozen kinds of pixel. Rows are
        // padded: the view leaves the padding out, so that no edge is mixed with it.
        let padded =
            TypedImageRef::<U8>::from_buffer(from.stride, from.height, pixels).map_err(text)?;
        let view = TypedCroppedImage::new(padded, 0, 0, from.width, from.height).map_err(text)?;
        // Rows first: mixing whole rows is the cheaper of the two, and leaves fewer to mix columns in.
        let Workspace { resizer, rows } = workspace;
        rows.resize(from.width as usize * to.height as usize, 0);
        let mut lower = TypedImage::<U8>::from_buffer(from.width, to.height, rows).map_err(text)?;
        resizer
            .resize_typed(&view, &mut lower, &options)
            .map_err(text)?;
        let target = scaled.plane_data_mut(plane).map_err(text)?;
        let target = target.get_mut(..to.bytes()).ok_or(SHORT_PLANE)?;
        let padded = TypedImage::<U8>::from_buffer(to.stride, to.height, target).map_err(text)?;
        let mut target =
            TypedCroppedImageMut::new(padded, 0, 0, to.width, to.height).map_err(text)?;
        resizer
            .resize_typed(&lower, &mut target, &options)
            .map_err(text)
    }

    const SHORT_PLANE: &str = "a plane is shorter than its size says";

    fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }

    /// A plane's size in samples, which are bytes.
    #[derive(Clone, Copy)]
    struct PlaneSize {
        width: u32,
        height: u32,
        stride: u32,
    }

    impl PlaneSize {
        fn of<T>(frame: &gst_video::VideoFrameRef<T>, plane: u32) -> Self
        where
            gst_video::VideoFrameRef<T>: VideoFrameExt,
        {
            Self {
                width: frame.comp_width(plane),
                height: frame.comp_height(plane),
                stride: frame.plane_stride()[plane as usize].unsigned_abs(),
            }
        }

        const fn bytes(self) -> usize {
            self.stride as usize * self.height as usize
        }
    }
}
