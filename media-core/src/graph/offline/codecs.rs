//! What is decoded in files, and by which elements.

use gstreamer as gst;

use crate::graph::elements::{self, Error, Missing};
use crate::graph::intake::{TrackKind, av1_decoder};

/// A codec that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Codec {
    /// Its usual name.
    pub(super) name: &'static str,
    pub(super) kind: TrackKind,
    pub(super) parser: Option<&'static str>,
    /// `None`: the track is not coded.
    pub(super) decoder: Option<&'static str>,
}

/// What a track's caps say of it.
pub(super) enum Found {
    Codec(Codec),
    /// Pictures or sound in a codec that is not decoded, by its media type.
    Unsupported(String),
    /// Subtitles, metadata and the like.
    Other,
}

/// Debian's package of what is not the libav plug-in's.
const PACKAGES: [(&str, &str); 4] = [
    ("opusdec", "gstreamer1.0-plugins-base"),
    ("vorbisdec", "gstreamer1.0-plugins-base"),
    ("mulawdec", "gstreamer1.0-plugins-good"),
    ("alawdec", "gstreamer1.0-plugins-good"),
];

impl Found {
    /// The codec of a demultiplexed track.
    ///
    /// # Errors
    /// Its decoder is not installed.
    pub(super) fn of(structure: &gst::StructureRef) -> Result<Self, Error> {
        let name = structure.name().as_str();
        let Some(codec) = video(name, structure)
            .transpose()?
            .or_else(|| audio(name, structure))
        else {
            let is_media = name.starts_with("video/") || name.starts_with("audio/");
            return Ok(match is_media {
                true => Self::Unsupported(name.to_owned()),
                false => Self::Other,
            });
        };
        for element in [codec.parser, codec.decoder].into_iter().flatten() {
            if !elements::exists(element) {
                return Err(Error::Missing(Missing::one(element, package(element))));
            }
        }
        Ok(Self::Codec(codec))
    }
}

fn package(element: &str) -> &'static str {
    let found = PACKAGES.iter().find(|(name, _)| *name == element);
    match found {
        Some((_, package)) => package,
        None if element.starts_with("avdec_") => "gstreamer1.0-libav",
        // Parsers.
        None => "gstreamer1.0-plugins-bad",
    }
}

/// FFmpeg's decoders are taken where there are several: they use all cores.
fn video(name: &str, structure: &gst::StructureRef) -> Option<Result<Codec, Error>> {
    let version = structure.get::<i32>("mpegversion").ok();
    let (name, parser, decoder) = match (name, version) {
        ("video/x-h264", _) => ("H.264", Some("h264parse"), "avdec_h264"),
        ("video/x-h265", _) => ("HEVC", Some("h265parse"), "avdec_h265"),
        ("video/x-vp8", _) => ("VP8", None, "avdec_vp8"),
        ("video/x-vp9", _) => ("VP9", Some("vp9parse"), "avdec_vp9"),
        ("video/x-av1", _) => match av1_decoder() {
            Ok(decoder) => ("AV1", Some("av1parse"), decoder),
            Err(missing) => return Some(Err(missing)),
        },
        ("video/mpeg", Some(1 | 2)) => ("MPEG-2", Some("mpegvideoparse"), "avdec_mpeg2video"),
        ("video/mpeg", Some(4)) => ("MPEG-4", Some("mpeg4videoparse"), "avdec_mpeg4"),
        ("video/x-prores", _) => ("ProRes", None, "avdec_prores"),
        _ => return None,
    };
    Some(Ok(Codec {
        name,
        kind: TrackKind::Video,
        parser,
        decoder: Some(decoder),
    }))
}

fn audio(name: &str, structure: &gst::StructureRef) -> Option<Codec> {
    let version = structure.get::<i32>("mpegversion").ok();
    let is_latm = structure.get::<&str>("stream-format") == Ok("loas");
    let (name, parser, decoder) = match (name, version) {
        ("audio/mpeg", Some(2 | 4)) if is_latm => ("AAC", Some("aacparse"), Some("avdec_aac_latm")),
        ("audio/mpeg", Some(2 | 4)) => ("AAC", Some("aacparse"), Some("avdec_aac")),
        ("audio/mpeg", Some(1)) => ("MP3", Some("mpegaudioparse"), Some("avdec_mp3")),
        ("audio/x-opus", _) => ("Opus", Some("opusparse"), Some("opusdec")),
        ("audio/x-vorbis", _) => ("Vorbis", None, Some("vorbisdec")),
        ("audio/x-ac3", _) => ("AC-3", Some("ac3parse"), Some("avdec_ac3")),
        ("audio/x-eac3", _) => ("E-AC-3", Some("ac3parse"), Some("avdec_eac3")),
        ("audio/x-flac", _) => ("FLAC", Some("flacparse"), Some("avdec_flac")),
        ("audio/x-alac", _) => ("ALAC", None, Some("avdec_alac")),
        ("audio/x-mulaw", _) => ("PCM (μ-law)", None, Some("mulawdec")),
        ("audio/x-alaw", _) => ("PCM (A-law)", None, Some("alawdec")),
        ("audio/x-raw", _) => ("PCM", None, None),
        _ => return None,
    };
    Some(Codec {
        name,
        kind: TrackKind::Audio,
        parser,
        decoder,
    })
}
