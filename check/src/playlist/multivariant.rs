//! Multivariant playlists (RFC 8216 §4.3.4; draft-pantos-hls-rfc8216bis §4.4.6).

use super::{At, Attributes, Fault, Text, resolve};

/// Most variants and renditions that are read of a playlist.
const ENTRIES_MAX: usize = 200;

/// A multivariant playlist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Multivariant {
    pub(crate) text: Text,
    pub(crate) version: Option<At<u64>>,
    pub(crate) independent_segments: bool,
    pub(crate) variants: Vec<Variant>,
    pub(crate) renditions: Vec<Rendition>,
    pub(crate) iframes: Vec<Variant>,
    pub(crate) faults: Vec<Fault>,
}

/// `EXT-X-STREAM-INF` with its URI, or `EXT-X-I-FRAME-STREAM-INF`.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) attributes: Attributes,
    /// The absolute URL of its playlist.
    pub(crate) url: String,
}

/// `EXT-X-MEDIA`.
#[derive(Clone, Debug)]
pub(crate) struct Rendition {
    pub(crate) attributes: Attributes,
    /// The absolute URL of its playlist; none where it is in the variants' own.
    pub(crate) url: Option<String>,
}

/// Tags that belong in media playlists alone (RFC 8216 §4.3.2, §4.3.3).
const NOT_HERE: &[&str] = &[
    "#EXTINF",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-PART",
    "#EXT-X-MAP",
    "#EXT-X-ENDLIST",
];

impl Multivariant {
    /// Reads a playlist that came from `url`.
    pub(crate) fn parse(url: &str, body: &[u8]) -> Self {
        let text = Text::new(body);
        let mut it = Self::default();
        let mut faults = Vec::new();
        let mut waiting: Option<Attributes> = None;
        if text.line(1).map(str::trim_end) != Some("#EXTM3U") {
            let what = "the first line is not #EXTM3U".to_owned();
            faults.push(Fault { line: 1, what });
        }
        for (line, content) in text.numbered() {
            let (tag, rest) = content.split_once(':').unwrap_or((content, ""));
            let mut fault = |what: &str| {
                let what = what.to_owned();
                faults.push(Fault { line, what });
            };
            if NOT_HERE.contains(&tag) {
                fault("a tag of media playlists in a multivariant playlist");
            }
            if !content.starts_with('#') {
                match waiting.take() {
                    Some(attributes) if it.variants.len() < ENTRIES_MAX => {
                        let url = resolve(url, content);
                        it.variants.push(Variant { attributes, url });
                    }
                    Some(_) => {}
                    None => fault("a URI without EXT-X-STREAM-INF before it"),
                }
                continue;
            }
            match tag {
                "#EXT-X-VERSION" => match (it.version, rest.parse()) {
                    (Some(_), _) => fault("EXT-X-VERSION stands twice"),
                    (None, Ok(value)) => it.version = Some(At { line, value }),
                    (None, Err(_)) => fault("the version is no number"),
                },
                "#EXT-X-INDEPENDENT-SEGMENTS" => it.independent_segments = true,
                "#EXT-X-STREAM-INF" => {
                    if waiting.is_some() {
                        fault("EXT-X-STREAM-INF before has no URI");
                    }
                    waiting = Some(Attributes::parse(line, rest, &mut faults));
                }
                "#EXT-X-I-FRAME-STREAM-INF" if it.iframes.len() < ENTRIES_MAX => {
                    let attributes = Attributes::parse(line, rest, &mut faults);
                    match attributes.quoted("URI") {
                        Some(uri) => it.iframes.push(Variant {
                            url: resolve(url, uri),
                            attributes,
                        }),
                        None => faults.push(Fault {
                            line,
                            what: "EXT-X-I-FRAME-STREAM-INF without a quoted URI".to_owned(),
                        }),
                    }
                }
                "#EXT-X-MEDIA" if it.renditions.len() < ENTRIES_MAX => {
                    let attributes = Attributes::parse(line, rest, &mut faults);
                    it.renditions.push(Rendition {
                        url: attributes.quoted("URI").map(|uri| resolve(url, uri)),
                        attributes,
                    });
                }
                _ => {}
            }
        }
        if let Some(attributes) = waiting {
            let what = "EXT-X-STREAM-INF has no URI".to_owned();
            let line = attributes.line;
            faults.push(Fault { line, what });
        }
        it.faults = faults;
        it.text = text;
        it
    }

    /// The playlists of the audio group that a variant names.
    pub(crate) fn audio_of(&self, variant: &Variant) -> Vec<&Rendition> {
        let group = variant.attributes.quoted("AUDIO");
        let members = self.renditions.iter().filter(|rendition| {
            rendition.attributes.text("TYPE") == Some("AUDIO")
                && group.is_some()
                && rendition.attributes.quoted("GROUP-ID") == group
        });
        members.collect()
    }
}
