//! An element that scales planar 4:2:0 pictures by Catmull-Rom, in vector instructions.
//!
//! Scaling is what a ladder does besides encoding: GStreamer's own scaler costs more than FFmpeg's
//! at this quality (design/0007-scaler.md). It converts nothing and adds no borders: caps differ
//! in size alone.

mod axis;
mod block;
pub(super) mod plane;

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

    use gstreamer as gst;
    use gstreamer::glib;
    use gstreamer::subclass::prelude::*;
    use gstreamer_base::subclass::BaseTransformMode;
    use gstreamer_base::subclass::prelude::*;
    use gstreamer_video as gst_video;
    use gstreamer_video::prelude::*;
    use gstreamer_video::subclass::prelude::*;

    use super::plane::{Plane, PlaneScaler};

    /// Planes of a 4:2:0 picture: luma and two chroma.
    const PLANES: u32 = 3;

    #[derive(Default)]
    pub struct Scaler {
        planes: Mutex<PlaneScaler>,
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
            let mut scaler = self.planes.lock().unwrap_or_else(PoisonError::into_inner);
            for plane in 0..PLANES {
                scale_plane(&mut scaler, source, scaled, plane).map_err(|what| {
                    gst::element_imp_error!(self, gst::StreamError::Failed, ["{what}"]);
                    gst::FlowError::Error
                })?;
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }

    fn scale_plane(
        scaler: &mut PlaneScaler,
        source: &gst_video::VideoFrameRef<&gst::BufferRef>,
        scaled: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        plane: u32,
    ) -> Result<(), String> {
        let [width, height, stride] = shape(source, plane);
        let bytes = source.plane_data(plane).map_err(|e| e.to_string())?;
        let source = Plane {
            bytes,
            width,
            height,
            stride,
        };
        let [width, height, stride] = shape(scaled, plane);
        let bytes = scaled.plane_data_mut(plane).map_err(|e| e.to_string())?;
        let mut target = Plane {
            bytes,
            width,
            height,
            stride,
        };
        scaler.scale(&source, &mut target)
    }

    /// Width, height and stride of a plane, in bytes and rows.
    fn shape<T>(frame: &gst_video::VideoFrameRef<T>, plane: u32) -> [usize; 3]
    where
        gst_video::VideoFrameRef<T>: VideoFrameExt,
    {
        let stride = frame.plane_stride()[plane as usize].unsigned_abs();
        [frame.comp_width(plane), frame.comp_height(plane), stride].map(|size| size as usize)
    }
}
