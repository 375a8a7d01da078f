//! The slate: what viewers see while no publisher sends.
//!
//! The last picture, dimmed, with a line of text on it; or the operator's image, which is in memory
//! since the server's start. It is drawn while a broadcast waits for it.

mod image;
mod text;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

pub use self::image::SlateImage;

/// How much of the last picture's brightness and colour is left, in percent: it is seen that it is
/// no live picture, and which.
const LEFT_PERCENT: i32 = 35;

/// Black of video range, and colourless.
const BLACK: u8 = 16;
const NEUTRAL: u8 = 128;

/// Dark grey, where there is no picture to dim: a black one looks like a broken player.
const GREY: u8 = 40;

/// What the slate shows.
#[derive(Clone, Debug)]
pub struct SlateSettings {
    /// The operator's image; `None`: the last picture, dimmed.
    pub image: Option<SlateImage>,
    /// A line on the dimmed picture; empty: none. Letters that the font lacks become question
    /// marks: it has Latin ones.
    pub text: String,
}

impl Default for SlateSettings {
    fn default() -> Self {
        Self {
            image: None,
            text: "Reconnecting".to_owned(),
        }
    }
}

/// The slate of one broadcast.
pub(super) struct Slate {
    /// The form of its pictures (planar 4:2:0).
    info: gst_video::VideoInfo,
    /// The operator's image in that form.
    image: Option<gst::Buffer>,
    text: String,
}

impl Slate {
    /// For pictures of the form `caps`; `None` where that is none.
    pub(super) fn new(settings: &SlateSettings, caps: &gst::Caps) -> Option<Self> {
        let info = gst_video::VideoInfo::from_caps(caps).ok()?;
        let image = settings.image.as_ref();
        Some(Self {
            image: image.and_then(|image| image.fitted(&info)),
            info,
            text: settings.text.clone(),
        })
    }

    /// What is shown after `last_picture`.
    pub(super) fn draw(&self, last_picture: Option<&gst::Buffer>) -> Option<gst::Buffer> {
        if let Some(image) = &self.image {
            return Some(image.clone());
        }
        let mut planes = match last_picture {
            Some(picture) => dimmed(picture, &self.info)?,
            None => Planes::of_one_colour(&self.info),
        };
        text::write(&mut planes.luma, &self.text);
        planes.into_buffer(&self.info)
    }
}

/// A plane of one byte a pixel, without padding.
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bytes: Vec<u8>,
}

struct Planes {
    luma: Plane,
    chroma: [Plane; 2],
}

impl Planes {
    fn of_one_colour(info: &gst_video::VideoInfo) -> Self {
        let plane = |component: u8, value| {
            let width = info.comp_width(component) as usize;
            let height = info.comp_height(component) as usize;
            let bytes = vec![value; width * height];
            Plane {
                width,
                height,
                bytes,
            }
        };
        Self {
            luma: plane(0, GREY),
            chroma: [plane(1, NEUTRAL), plane(2, NEUTRAL)],
        }
    }

    /// Laid out as `info` says.
    fn into_buffer(self, info: &gst_video::VideoInfo) -> Option<gst::Buffer> {
        let mut bytes = vec![0; info.size()];
        let [first, second] = self.chroma;
        for (index, plane) in [self.luma, first, second].into_iter().enumerate() {
            let offset = *info.offset().get(index)?;
            let stride = usize::try_from(*info.stride().get(index)?).ok()?;
            let rows = bytes.get_mut(offset..)?.chunks_mut(stride);
            for (row, source) in rows.zip(plane.bytes.chunks_exact(plane.width)) {
                row.get_mut(..plane.width)?.copy_from_slice(source);
            }
        }
        Some(gst::Buffer::from_slice(bytes))
    }
}

fn dimmed(picture: &gst::Buffer, info: &gst_video::VideoInfo) -> Option<Planes> {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, info).ok()?;
    let plane = |component: u32, towards: u8| {
        let width = frame.comp_width(component) as usize;
        let height = frame.comp_height(component) as usize;
        let stride = usize::try_from(*frame.plane_stride().get(component as usize)?).ok()?;
        let rows = frame.plane_data(component).ok()?.chunks(stride);
        let mut bytes = Vec::with_capacity(width * height);
        let towards = i32::from(towards);
        let dim = |value: u8| (towards + (i32::from(value) - towards) * LEFT_PERCENT / 100) as u8;
        for row in rows.take(height) {
            bytes.extend(row.get(..width)?.iter().map(|value| dim(*value)));
        }
        Some(Plane {
            width,
            height,
            bytes,
        })
    };
    Some(Planes {
        luma: plane(0, BLACK)?,
        chroma: [plane(1, NEUTRAL)?, plane(2, NEUTRAL)?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(width: i32, height: i32) -> gst::Caps {
        crate::graph::init().expect("every element is installed");
        gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width)
            .field("height", height)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("framerate", gst::Fraction::new(30, 1))
            .build()
    }

    fn planes(picture: &gst::Buffer, caps: &gst::Caps) -> [Vec<u8>; 3] {
        let info = gst_video::VideoInfo::from_caps(caps).expect("video");
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, &info);
        let frame = frame.expect("a picture of these caps");
        [0, 1, 2].map(|plane| {
            let stride = frame.plane_stride()[plane as usize] as usize;
            let rows = frame.plane_data(plane).expect("a plane").chunks(stride);
            let width = frame.comp_width(plane) as usize;
            rows.take(frame.comp_height(plane) as usize)
                .flat_map(|row| row[..width].to_vec())
                .collect()
        })
    }

    fn white(caps: &gst::Caps) -> gst::Buffer {
        let info = gst_video::VideoInfo::from_caps(caps).expect("video");
        let mut bytes = vec![200; info.size()];
        bytes[..info.offset()[1]].fill(235);
        gst::Buffer::from_slice(bytes)
    }

    fn draw(settings: &SlateSettings, caps: &gst::Caps, last: Option<&gst::Buffer>) -> gst::Buffer {
        let slate = Slate::new(settings, caps).expect("pictures");
        slate.draw(last).expect("a slate")
    }

    #[test]
    fn the_last_picture_is_dimmed_and_the_text_stands_bright_in_its_middle() {
        // 854 is no multiple of four: rows are padded.
        let caps = caps(854, 480);
        let settings = SlateSettings::default();
        let slate = draw(&settings, &caps, Some(&white(&caps)));
        let [luma, blue, _] = planes(&slate, &caps);
        assert_eq!((luma[0], blue[0]), (92, 153));
        let bright = |rows: std::ops::Range<usize>| {
            let rows = luma.chunks(854).skip(rows.start).take(rows.len());
            rows.flatten().filter(|value| **value > 200).count()
        };
        assert!(bright(200..280) > 500, "{}", bright(200..280));
        assert_eq!(bright(0..200) + bright(280..480), 0);

        let silent = SlateSettings {
            text: String::new(),
            ..settings
        };
        let slate = draw(&silent, &caps, Some(&white(&caps)));
        assert!(
            planes(&slate, &caps)[0]
                .iter()
                .all(|value| *value == luma[0])
        );
    }

    #[test]
    fn a_text_that_is_too_long_or_a_picture_too_small_costs_letters_and_nothing_else() {
        for (width, height) in [(160, 90), (16, 16), (2, 2)] {
            let caps = caps(width, height);
            let settings = SlateSettings {
                text: "Wir sind gleich zurück – bleibt dran, es geht gleich weiter! 再接続"
                    .repeat(3),
                ..SlateSettings::default()
            };
            let slate = draw(&settings, &caps, None);
            assert_eq!(planes(&slate, &caps)[0].len(), (width * height) as usize);
        }
    }

    fn image(folder: &std::path::Path, name: &str, source: &str) -> std::path::PathBuf {
        let file = folder.join(name);
        let made = std::process::Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", source])
            .args(["-frames:v", "1"])
            .arg(&file)
            .status();
        assert!(made.expect("ffmpeg is installed").success());
        file
    }

    #[test]
    fn the_operators_image_fills_the_picture_with_its_shape_kept_also_when_its_file_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, size) in [("slate.png", "100x100"), ("slate.jpg", "5000x5000")] {
            let caps = caps(320, 180);
            let file = image(folder.path(), name, &format!("color=white:s={size}"));
            let settings = SlateSettings {
                image: Some(SlateImage::load(&file).expect("an image")),
                ..SlateSettings::default()
            };
            std::fs::remove_file(&file).expect("it is there");
            let slate = draw(&settings, &caps, Some(&white(&caps)));
            let [luma, blue, _] = planes(&slate, &caps);
            let row = &luma[90 * 320..91 * 320];
            assert!(
                row[68] < 40 && row[251] < 40,
                "bars beside a square: {row:?}"
            );
            assert!(row[72] > 220 && row[247] > 220, "{row:?}");
            assert!(
                luma[160] > 220 && luma[179 * 320 + 160] > 220,
                "no bar above"
            );
            assert!(blue.iter().all(|value| value.abs_diff(NEUTRAL) < 4));
        }
    }

    #[test]
    fn what_is_no_image_is_refused_by_the_name_of_its_file() {
        crate::graph::init().expect("every element is installed");
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).expect("writable");
            file
        };
        let huge = folder.path().join("huge.png");
        let sparse = std::fs::File::create(&huge).and_then(|file| file.set_len(1 << 40));
        sparse.expect("a file with a hole");
        for file in [
            write("text.png", b"no image"),
            write("empty.png", b""),
            folder.path().join("nowhere.png"),
            folder.path().to_owned(),
            huge,
            image(folder.path(), "wide.png", "color=white:s=9000x16"),
        ] {
            let error = SlateImage::load(&file).expect_err("none").to_string();
            assert!(error.contains(&file.display().to_string()), "{error}");
        }
    }
}
