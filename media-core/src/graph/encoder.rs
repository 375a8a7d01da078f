//! Which H.264 encoder makes the renditions, and how it is set.

use std::fmt;
use std::str::FromStr;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::elements::{self, Error, Missing};
use crate::ladder::{Bitrate, Rung};

/// How much the VBV lets a rate peak, as time at the target bitrate: half a segment, so that a
/// player that fetches parts at the average rate never starves.
const VBV_MS: u32 = 1000;

/// Which encoder the operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncoderChoice {
    /// The first hardware encoder that is installed, else x264.
    #[default]
    Auto,
    /// Just this one.
    Only(VideoEncoder),
}

/// The encoders that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoEncoder {
    /// libx264 (`x264enc`).
    X264,
    /// VA-API (`vah264enc`).
    Va,
    /// NVENC (`nvh264enc`).
    Nvcodec,
    /// Intel Quick Sync (`qsvh264enc`).
    Qsv,
    /// A V4L2 stateful encoder (`v4l2h264enc`).
    V4l2,
}

impl VideoEncoder {
    /// Every encoder, in the order in which `auto` prefers them.
    const ALL: [Self; 5] = [Self::Nvcodec, Self::Qsv, Self::Va, Self::V4l2, Self::X264];

    /// The GStreamer element.
    pub const fn element(self) -> &'static str {
        match self {
            Self::X264 => "x264enc",
            Self::Va => "vah264enc",
            Self::Nvcodec => "nvh264enc",
            Self::Qsv => "qsvh264enc",
            Self::V4l2 => "v4l2h264enc",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::X264 => "gstreamer1.0-plugins-ugly",
            Self::V4l2 => "gstreamer1.0-plugins-good",
            Self::Va | Self::Nvcodec | Self::Qsv => "gstreamer1.0-plugins-bad",
        }
    }
}

impl fmt::Display for VideoEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X264 => "x264",
            Self::Va => "va",
            Self::Nvcodec => "nvcodec",
            Self::Qsv => "qsv",
            Self::V4l2 => "v4l2",
        })
    }
}

/// A text that names no encoder, preset or profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not one of {choices}")]
pub struct UnknownChoice {
    text: String,
    choices: &'static str,
}

impl FromStr for EncoderChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        VideoEncoder::ALL
            .into_iter()
            .find(|encoder| encoder.to_string() == text)
            .map(Self::Only)
            .ok_or_else(|| UnknownChoice {
                text: text.to_owned(),
                choices: "auto, x264, va, nvcodec, qsv, v4l2",
            })
    }
}

impl EncoderChoice {
    /// The encoder to use on this machine.
    ///
    /// # Errors
    /// The chosen one is not installed; for `auto`: not even x264 is.
    pub fn resolve(self) -> Result<VideoEncoder, Error> {
        let candidates = match &self {
            Self::Auto => VideoEncoder::ALL.as_slice(),
            Self::Only(encoder) => std::slice::from_ref(encoder),
        };
        let installed = candidates.iter().copied().find(|encoder| works(*encoder));
        installed.ok_or_else(|| {
            let wanted = candidates.last().copied().unwrap_or(VideoEncoder::X264);
            Error::Missing(Missing::one(wanted.element(), wanted.package()))
        })
    }
}

/// A hardware encoder's element can be installed without its hardware: it then does not get ready.
fn works(encoder: VideoEncoder) -> bool {
    if !elements::exists(encoder.element()) {
        return false;
    }
    let Ok(element) = elements::make(encoder.element()) else {
        return false;
    };
    let ready = element.set_state(gst::State::Ready).is_ok();
    ready && element.set_state(gst::State::Null).is_ok()
}

/// x264's speed presets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Cheapest, and visibly worse.
    Ultrafast,
    /// A quarter cheaper than `Veryfast` for 0.0005 SSIM (720p, 2.5 Mbit/s).
    Superfast,
    /// The best that a live ladder usually affords.
    Veryfast,
    /// For many cores a broadcast.
    Faster,
    /// For very many.
    Fast,
    /// x264's own default.
    Medium,
}

impl Preset {
    const ALL: [Self; 6] = [
        Self::Ultrafast,
        Self::Superfast,
        Self::Veryfast,
        Self::Faster,
        Self::Fast,
        Self::Medium,
    ];

    /// What encoding costs, `Veryfast` being 1: 720p30 with some grain at 2.5 Mbit/s, zerolatency, one
    /// thread, x264 164.
    pub const fn cost(self) -> f64 {
        match self {
            Self::Ultrafast => 0.41,
            Self::Superfast => 0.67,
            Self::Veryfast => 1.0,
            Self::Faster => 1.64,
            Self::Fast => 3.77,
            Self::Medium => 4.24,
        }
    }

    /// The preset for a machine that has `cores` for each broadcast. A 1080p30 ladder of
    /// grainy pictures was measured at 1.7 cores at `Superfast`, decoding and delivery included.
    pub fn for_cores(cores: usize) -> Self {
        match cores {
            0 | 1 => Self::Ultrafast,
            2 | 3 => Self::Superfast,
            4..=15 => Self::Veryfast,
            _ => Self::Faster,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ultrafast => "ultrafast",
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
            Self::Faster => "faster",
            Self::Fast => "fast",
            Self::Medium => "medium",
        })
    }
}

impl FromStr for Preset {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.to_string() == text)
            .ok_or_else(|| UnknownChoice {
                text: text.to_owned(),
                choices: "ultrafast, superfast, veryfast, faster, fast, medium",
            })
    }
}

/// What the encoder optimizes for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// No lookahead: every picture leaves as it comes (x264 `tune=zerolatency`).
    #[default]
    LowLatency,
    /// Lookahead and macroblock-tree: 0.0018 SSIM better at 720p, and a second later.
    Quality,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LowLatency => "low-latency",
            Self::Quality => "quality",
        })
    }
}

impl FromStr for Profile {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text {
            "low-latency" => Ok(Self::LowLatency),
            "quality" => Ok(Self::Quality),
            _ => Err(UnknownChoice {
                text: text.to_owned(),
                choices: "low-latency, quality",
            }),
        }
    }
}

/// What becomes of a publisher's own coded pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceUse {
    /// They are decoded, and every rendition is encoded.
    #[default]
    Encode,
    /// Those of an H.264 source that fits the highest rung are that rendition as they come, and segments
    /// begin where it has its keyframes. Another one is encoded.
    Top,
    /// The same, and there is no other rendition of pictures: nothing is encoded but what stands in for
    /// pictures that are missing. A source that does not fit is refused.
    Alone,
}

impl SourceUse {
    /// Whether pictures may be handed out as they come.
    pub(super) fn passes(self) -> bool {
        self != Self::Encode
    }
}

impl FromStr for SourceUse {
    type Err = UnknownChoice;

    /// `Alone` is no operator's choice: it is what a machine has left.
    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text {
            "encode" => Ok(Self::Encode),
            "top" => Ok(Self::Top),
            _ => Err(UnknownChoice {
                text: text.to_owned(),
                choices: "encode, top",
            }),
        }
    }
}

/// How the renditions are encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct EncoderSettings {
    pub(super) encoder: VideoEncoder,
    pub(super) preset: Preset,
    pub(super) profile: Profile,
    /// Threads of one x264 encoder. The rungs run side by side, so one each is enough where the
    /// machine has no more cores than rungs. Above one it cuts pictures into slices, or, where it
    /// looks ahead and so waits anyway, has several pictures in hand.
    pub(super) threads: u32,
}

/// The encoder element of one rung. Each of its pictures at a segment's start is an IDR frame, since
/// it is asked for one there, which is at least each `keyframes_within` pictures; no other is.
pub(super) fn make(
    settings: EncoderSettings,
    rung: &Rung,
    keyframes_within: u32,
) -> Result<gst::Element, Error> {
    let element = elements::make(settings.encoder.element())?;
    match settings.encoder {
        VideoEncoder::X264 => set_x264(&element, settings, rung.bitrate, keyframes_within),
        // Their property names differ by driver and version: only what is common to all is set.
        VideoEncoder::Va | VideoEncoder::Nvcodec | VideoEncoder::Qsv => {
            set_if_present(&element, "bitrate", &rung.bitrate.as_kbps().to_string());
            set_if_present(&element, "rate-control", "cbr");
            set_if_present(&element, "rc-mode", "cbr");
            set_if_present(&element, "zerolatency", "true");
            set_if_present(&element, "b-frames", "0");
            set_if_present(&element, "bframes", "0");
            let interval = keyframes_within.to_string();
            set_if_present(&element, "gop-size", &interval);
            set_if_present(&element, "key-int-max", &interval);
        }
        VideoEncoder::V4l2 => {
            let controls = gst::Structure::builder("controls")
                .field("video_bitrate", rung.bitrate.as_bps() as i32)
                .field("video_b_frames", 0i32)
                .field("video_gop_size", keyframes_within as i32)
                .build();
            element.set_property("extra-controls", controls);
        }
    }
    Ok(element)
}

fn set_x264(
    element: &gst::Element,
    settings: EncoderSettings,
    bitrate: Bitrate,
    keyframes_within: u32,
) {
    element.set_property_from_str("speed-preset", &settings.preset.to_string());
    if settings.profile == Profile::LowLatency {
        element.set_property_from_str("tune", "zerolatency");
    }
    element.set_property_from_str("pass", "cbr");
    element.set_property("bitrate", bitrate.as_kbps());
    element.set_property("vbv-buf-capacity", VBV_MS);
    element.set_property("key-int-max", keyframes_within);
    element.set_property("bframes", 0u32);
    element.set_property("threads", settings.threads);
    let sliced = settings.threads > 1 && settings.profile == Profile::LowLatency;
    element.set_property("sliced-threads", sliced);
    element.set_property("aud", false);
    // A scene cut's keyframe would not stand at the same media time in every rung.
    element.set_property("option-string", "scenecut=0:open-gop=0");
}

fn set_if_present(element: &gst::Element, property: &str, value: &str) {
    if element.find_property(property).is_some() {
        element.set_property_from_str(property, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_itself() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        for encoder in VideoEncoder::ALL {
            assert_eq!(
                encoder.to_string().parse(),
                Ok(EncoderChoice::Only(encoder))
            );
        }
        assert_eq!("auto".parse(), Ok(EncoderChoice::Auto));
        let unknown = "fastest".parse::<Preset>().expect_err("no such preset");
        assert!(unknown.to_string().contains("veryfast"));
    }

    #[test]
    fn the_preset_follows_the_cores_a_broadcast_has() {
        assert_eq!(Preset::for_cores(1), Preset::Ultrafast);
        assert_eq!(Preset::for_cores(2), Preset::Superfast);
        assert_eq!(Preset::for_cores(8), Preset::Veryfast);
    }
}
