//! The multivariant playlist of a live broadcast (RFC 8216 §4.3.4; draft-pantos-hls-rfc8216bis-18
//! §4.4.6), written by `m3u8-rs`.

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ClosedCaptionGroupId, MasterPlaylist, Resolution,
    VariantStream,
};
use media_core::{InitKind, RenditionName};

/// `GROUP-ID` of the shared audio.
const AUDIO_GROUP: &str = "audio";

/// `EXT-X-VERSION`: nothing in it needs more than fractional numbers and renditions do.
const VERSION: usize = 6;

/// What is said of one rendition.
#[derive(Clone, Copy, Debug)]
pub struct Rendition<'a> {
    /// Its name, the folder of its playlist.
    pub name: &'a RenditionName,
    /// Its codec (RFC 6381).
    pub codec: &'a str,
    /// Video or audio parameters.
    pub kind: InitKind,
    /// Its peak segment bit rate, in bits a second.
    pub peak_bps: u64,
    /// Its average segment bit rate, in bits a second.
    pub average_bps: u64,
}

/// Renders the playlist of `renditions`, video from high to low. Its URIs are relative to
/// `/live/{stream}/`.
///
/// With video, the first audio rendition becomes the group that every rung shares. Without, each
/// audio rendition is a variant of its own.
pub fn render(renditions: &[Rendition<'_>]) -> String {
    let is_video = |rendition: &&Rendition<'_>| matches!(rendition.kind, InitKind::Video { .. });
    let mut rungs: Vec<_> = renditions.iter().filter(is_video).collect();
    let mut audio = renditions.iter().find(|rendition| !is_video(rendition));
    if rungs.is_empty() {
        rungs = renditions.iter().collect();
        audio = None;
    } else {
        // A player starts on the variant listed first: a middle rung, of two middle ones the
        // higher. Then the rest from high to low.
        let middle = (rungs.len() - 1) / 2;
        rungs[..=middle].rotate_right(1);
    }

    let playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: true,
        alternatives: audio.map(alternative).into_iter().collect(),
        variants: rungs.into_iter().map(|rung| variant(rung, audio)).collect(),
        ..MasterPlaylist::default()
    };
    let mut text = Vec::new();
    playlist
        .write_to(&mut text)
        .expect("writing to a Vec cannot fail");
    String::from_utf8(text).expect("m3u8-rs writes what it was given, which is UTF-8")
}

fn alternative(audio: &Rendition<'_>) -> AlternativeMedia {
    let channels = match audio.kind {
        InitKind::Audio { channels, .. } => Some(channels.to_string()),
        InitKind::Video { .. } => None,
    };
    AlternativeMedia {
        media_type: AlternativeMediaType::Audio,
        uri: Some(playlist_uri(audio)),
        group_id: AUDIO_GROUP.to_owned(),
        name: "Audio".to_owned(),
        default: true,
        autoselect: true,
        channels,
        ..AlternativeMedia::default()
    }
}

fn variant(rung: &Rendition<'_>, audio: Option<&Rendition<'_>>) -> VariantStream {
    let (resolution, frame_rate) = match rung.kind {
        InitKind::Video {
            width,
            height,
            frame_rate,
        } => {
            let resolution = Resolution {
                width: u64::from(width),
                height: u64::from(height),
            };
            // §4.4.6.2: three decimal places.
            let frame_rate = (frame_rate.as_f64() * 1000.0).round() / 1000.0;
            (Some(resolution), Some(frame_rate))
        }
        InitKind::Audio { .. } => (None, None),
    };
    // §4.4.6.2: of a variant with renditions, the sum of what plays together.
    let codecs = match audio {
        Some(audio) => format!("{},{}", rung.codec, audio.codec),
        None => rung.codec.to_owned(),
    };
    VariantStream {
        uri: playlist_uri(rung),
        bandwidth: rung.peak_bps + audio.map_or(0, |audio| audio.peak_bps),
        average_bandwidth: Some(rung.average_bps + audio.map_or(0, |audio| audio.average_bps)),
        codecs: Some(codecs),
        resolution,
        frame_rate,
        audio: audio.map(|_| AUDIO_GROUP.to_owned()),
        closed_captions: Some(ClosedCaptionGroupId::None),
        ..VariantStream::default()
    }
}

fn playlist_uri(rendition: &Rendition<'_>) -> String {
    format!("{}/playlist.m3u8", rendition.name)
}

#[cfg(test)]
mod tests;
