//! The multivariant playlist of a live broadcast or a stored title (RFC 8216 §4.3.4; draft-pantos-hls-rfc8216bis-18
//! §4.4.6), written by `m3u8-rs`.

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ClosedCaptionGroupId, MasterPlaylist, Resolution,
    VariantStream,
};
use media_core::{InitKind, RenditionName};

use super::links::Links;

/// `GROUP-ID` of the shared audio.
const AUDIO_GROUP: &str = "audio";

/// `GROUP-ID` of the subtitles.
const SUBTITLES_GROUP: &str = "subtitles";

/// `EXT-X-VERSION`: nothing in it needs more than fractional numbers and renditions do.
const VERSION: usize = 6;

/// What is said of one rendition.
#[derive(Clone, Debug)]
pub struct Rendition {
    /// Its name, the folder of its playlist.
    pub name: RenditionName,
    /// Its codec (RFC 6381).
    pub codec: String,
    /// Video or audio parameters.
    pub kind: InitKind,
    /// Its peak segment bit rate, in bits a second.
    pub peak_bps: u64,
    /// Its average segment bit rate, in bits a second.
    pub average_bps: u64,
    /// The peak bit rate of its I-frames alone, in bits a second; 0: it has none.
    pub iframe_peak_bps: u64,
}

/// What is said of subtitles in one language (§4.4.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtitles {
    /// Their name in URLs, unique among a title's.
    pub name: RenditionName,
    /// What a player's menu calls them. A quoted string holds any text but quotes and control
    /// characters, in whose place others are written.
    pub label: String,
    /// Their language (RFC 5646).
    pub language: String,
    /// Whether a player shows them unless its user chose others.
    pub default: bool,
}

/// Renders the playlist of `renditions`, video from high to low. Its URIs are relative to the
/// folder of the stream or title.
///
/// With video, the first audio rendition becomes the group that every rung shares. Without, each
/// audio rendition is a variant of its own. Subtitles are every variant's.
pub fn render(renditions: &[Rendition], subtitles: &[Subtitles], links: Links<'_>) -> String {
    let is_video = |rendition: &&Rendition| matches!(rendition.kind, InitKind::Video { .. });
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
    let subtitles_group = (!subtitles.is_empty()).then_some(SUBTITLES_GROUP);
    let variants = rungs.iter().map(|rung| VariantStream {
        subtitles: subtitles_group.map(str::to_owned),
        ..variant(rung, audio, links)
    });
    let iframes = rungs.iter().filter(|rung| rung.iframe_peak_bps > 0);
    let iframes = iframes.map(|rung| iframe_variant(rung, links));

    let playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: true,
        alternatives: audio
            .map(|audio| alternative(audio, links))
            .into_iter()
            .chain(subtitles.iter().map(|it| subtitles_alternative(it, links)))
            .collect(),
        variants: variants.chain(iframes).collect(),
        ..MasterPlaylist::default()
    };
    let mut text = Vec::new();
    playlist
        .write_to(&mut text)
        .expect("writing to a Vec cannot fail");
    String::from_utf8(text).expect("m3u8-rs writes what it was given, which is UTF-8")
}

fn alternative(audio: &Rendition, links: Links<'_>) -> AlternativeMedia {
    let channels = match audio.kind {
        InitKind::Audio { channels, .. } => Some(channels.to_string()),
        InitKind::Video { .. } => None,
    };
    AlternativeMedia {
        media_type: AlternativeMediaType::Audio,
        uri: Some(playlist_uri(audio, links)),
        group_id: AUDIO_GROUP.to_owned(),
        name: "Audio".to_owned(),
        default: true,
        autoselect: true,
        channels,
        ..AlternativeMedia::default()
    }
}

fn subtitles_alternative(subtitles: &Subtitles, links: Links<'_>) -> AlternativeMedia {
    AlternativeMedia {
        media_type: AlternativeMediaType::Subtitles,
        uri: Some(format!(
            "subtitles/{}.m3u8{}",
            subtitles.name,
            links.playlist_query()
        )),
        group_id: SUBTITLES_GROUP.to_owned(),
        language: Some(quotable(&subtitles.language)),
        name: quotable(&subtitles.label),
        default: subtitles.default,
        autoselect: true,
        ..AlternativeMedia::default()
    }
}

/// §4.2: a quoted string has no way to write a quote or a line's end.
fn quotable(text: &str) -> String {
    let quotable = |letter: char| match letter {
        '"' => '\'',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    text.chars().map(quotable).collect()
}

fn variant(rung: &Rendition, audio: Option<&Rendition>, links: Links<'_>) -> VariantStream {
    // §4.4.6.2: of a variant with renditions, the sum of what plays together.
    let codecs = match audio {
        Some(audio) => format!("{},{}", rung.codec, audio.codec),
        None => rung.codec.clone(),
    };
    let frame_rate = match rung.kind {
        // §4.4.6.2: three decimal places.
        InitKind::Video { frame_rate, .. } => Some((frame_rate.as_f64() * 1000.0).round() / 1000.0),
        InitKind::Audio { .. } => None,
    };
    VariantStream {
        uri: playlist_uri(rung, links),
        bandwidth: rung.peak_bps + audio.map_or(0, |audio| audio.peak_bps),
        average_bandwidth: Some(rung.average_bps + audio.map_or(0, |audio| audio.average_bps)),
        codecs: Some(codecs),
        resolution: resolution(rung),
        frame_rate,
        audio: audio.map(|_| AUDIO_GROUP.to_owned()),
        closed_captions: Some(ClosedCaptionGroupId::None),
        ..VariantStream::default()
    }
}

/// §4.4.6.3.
fn iframe_variant(rung: &Rendition, links: Links<'_>) -> VariantStream {
    VariantStream {
        is_i_frame: true,
        uri: format!("{}/iframes.m3u8{}", rung.name, links.playlist_query()),
        bandwidth: rung.iframe_peak_bps,
        codecs: Some(rung.codec.clone()),
        resolution: resolution(rung),
        ..VariantStream::default()
    }
}

fn resolution(rung: &Rendition) -> Option<Resolution> {
    match rung.kind {
        InitKind::Video { width, height, .. } => Some(Resolution {
            width: u64::from(width),
            height: u64::from(height),
        }),
        InitKind::Audio { .. } => None,
    }
}

fn playlist_uri(rendition: &Rendition, links: Links<'_>) -> String {
    let query = links.playlist_query();
    format!("{}/playlist.m3u8{query}", rendition.name)
}

#[cfg(test)]
mod tests;
