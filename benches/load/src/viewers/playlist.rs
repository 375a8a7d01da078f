//! As much of a playlist as a viewer here needs: its parts, the hint, and what the server can do
//! (draft-pantos-hls-rfc8216bis-18). It knows the names that Millrace gives to parts,
//! `BROADCAST/SEGMENT.PART.m4s`, and reads numbers off them instead of counting.

use std::collections::VecDeque;
use std::io::Read;
use std::rc::Rc;

use flate2::read::GzDecoder;

/// Bytes that a gzip member begins with (RFC 1952 §2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Most bytes of an inflated playlist; one of an hour has less.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// Editions of a rendition that are remembered. Viewers lag by a part or two, and the full
/// playlist, its delta and its answers to latecomers are different texts.
const EDITIONS_MAX: usize = 8;

/// A playlist that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the playlist is no text: {0}")]
    NoText(#[from] std::io::Error),
    #[error("the playlist's {0:?} is not named BROADCAST/SEGMENT.PART.m4s")]
    Name(String),
    #[error("the multivariant playlist has no {0}")]
    NoRendition(&'static str),
}

/// Which part: the segment's media sequence number, and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartKey {
    pub(super) sequence: u64,
    pub(super) part: u32,
}

/// A media playlist.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listing {
    /// The folder of its media: `BROADCAST/`.
    pub(super) folder: String,
    pub(super) init: String,
    /// In order.
    pub(super) parts: Vec<PartKey>,
    pub(super) hint: Option<PartKey>,
    pub(super) part_target_s: f64,
    pub(super) hold_back_s: f64,
    /// Whether delta updates are offered.
    pub(super) can_skip: bool,
    pub(super) ended: bool,
}

impl Listing {
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let mut listing = Self::default();
        for line in text.lines() {
            let Some((tag, value)) = line.split_once(':') else {
                listing.ended |= line == "#EXT-X-ENDLIST";
                continue;
            };
            match tag {
                "#EXT-X-PART" => {
                    let key = listing.key(value)?;
                    listing.parts.push(key);
                }
                "#EXT-X-PRELOAD-HINT" => listing.hint = Some(listing.key(value)?),
                "#EXT-X-MAP" => listing.init = attribute(value, "URI").unwrap_or("").to_owned(),
                "#EXT-X-PART-INF" => listing.part_target_s = number(value, "PART-TARGET"),
                "#EXT-X-SERVER-CONTROL" => {
                    listing.hold_back_s = number(value, "PART-HOLD-BACK");
                    listing.can_skip = attribute(value, "CAN-SKIP-UNTIL").is_some();
                }
                _ => {}
            }
        }
        Ok(listing)
    }

    /// The part with which a player begins that keeps `PART-HOLD-BACK` from the end: the first of
    /// the segment at that place, since it has to begin with a keyframe.
    pub(super) fn first_wanted(&self) -> Option<PartKey> {
        let behind = (self.hold_back_s / self.part_target_s).ceil().max(1.0) as usize;
        let at = self.parts.get(self.parts.len().saturating_sub(behind))?;
        let segment = |key: &&PartKey| key.sequence == at.sequence;
        self.parts.iter().find(segment).copied()
    }

    fn key(&mut self, value: &str) -> Result<PartKey, Unusable> {
        let uri = attribute(value, "URI").unwrap_or("");
        let named = || {
            let (path, _) = uri.split_once('?').unwrap_or((uri, ""));
            let (folder, name) = path.split_at(path.rfind('/')? + 1);
            let (sequence, part) = name.strip_suffix(".m4s")?.split_once('.')?;
            let key = PartKey {
                sequence: sequence.parse().ok()?,
                part: part.parse().ok()?,
            };
            Some((folder, key))
        };
        let (folder, key) = named().ok_or_else(|| Unusable::Name(uri.to_owned()))?;
        if self.folder != folder {
            folder.clone_into(&mut self.folder);
        }
        Ok(key)
    }
}

/// Folders of the first variant and of the sound that a multivariant playlist names.
pub(super) fn renditions(text: &str) -> Result<[String; 2], Unusable> {
    let folder = |uri: &str| uri.strip_suffix("playlist.m3u8").map(str::to_owned);
    let video = text.lines().find(|line| !line.starts_with('#'));
    let audio = text
        .lines()
        .find_map(|line| attribute(line.strip_prefix("#EXT-X-MEDIA:")?, "URI"));
    Ok([
        video
            .and_then(folder)
            .ok_or(Unusable::NoRendition("video"))?,
        audio
            .and_then(folder)
            .ok_or(Unusable::NoRendition("audio"))?,
    ])
}

/// Text, inflated where it is gzip.
pub(super) fn text(body: &[u8]) -> Result<String, Unusable> {
    let mut text = String::new();
    if body.starts_with(&GZIP_MAGIC) {
        GzDecoder::new(body)
            .take(TEXT_BYTES_MAX)
            .read_to_string(&mut text)?;
    } else {
        let mut body = body;
        body.read_to_string(&mut text)?;
    }
    Ok(text)
}

/// One rendition's playlists by their bytes. The same answer goes to every viewer: it is read
/// once, as ten thousand players would each on a machine of their own.
#[derive(Debug, Default)]
pub(super) struct Editions {
    known: VecDeque<(Box<[u8]>, Rc<Listing>)>,
}

impl Editions {
    /// The playlist in an answer, and whether it is the first with these bytes.
    pub(super) fn read(&mut self, body: &[u8]) -> Result<(Rc<Listing>, bool), Unusable> {
        let known = self.known.iter().rev().find(|(bytes, _)| **bytes == *body);
        if let Some((_, listing)) = known {
            return Ok((Rc::clone(listing), false));
        }
        let listing = Rc::new(Listing::parse(&text(body)?)?);
        if self.known.len() == EDITIONS_MAX {
            self.known.pop_front();
        }
        self.known.push_back((body.into(), Rc::clone(&listing)));
        Ok((listing, true))
    }
}

fn number(attributes: &str, name: &str) -> f64 {
    let value = attribute(attributes, name);
    value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

/// An attribute's value without its quotes (RFC 8216 §4.2).
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    while !rest.is_empty() {
        let (found, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"')?;
                (value, after.strip_prefix(',').unwrap_or(after))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if found == name {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const TEXT: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.200,HOLD-BACK=6.000,CAN-SKIP-UNTIL=12.0\n\
        #EXT-X-PART-INF:PART-TARGET=1.000\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"b1/init.mp4\"\n\
        #EXT-X-PART:DURATION=1.00000,INDEPENDENT=YES,URI=\"b1/7.0.m4s\"\n\
        #EXT-X-PART:DURATION=1.00000,URI=\"b1/7.1.m4s\"\n#EXTINF:2.00000,\nb1/7.m4s\n\
        #EXT-X-PART:DURATION=1.00000,URI=\"b1/8.0.m4s\"\n#EXT-X-PART:DURATION=1.00000,URI=\"b1/8.1.m4s\"\n\
        #EXTINF:2.00000,\nb1/8.m4s\n#EXT-X-PART:DURATION=1.00000,URI=\"b1/9.0.m4s?t=a\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"b1/9.1.m4s\"\n";

    fn key(sequence: u64, part: u32) -> PartKey {
        PartKey { sequence, part }
    }

    #[test]
    fn a_playlist_is_read_as_far_as_needed() {
        let listing = Listing::parse(TEXT).unwrap();
        let parts = [key(7, 0), key(7, 1), key(8, 0), key(8, 1), key(9, 0)];
        assert_eq!(listing.parts, parts);
        assert_eq!(listing.hint, Some(key(9, 1)));
        assert_eq!(listing.folder, "b1/");
        assert_eq!(listing.init, "b1/init.mp4");
        assert_eq!((listing.part_target_s, listing.hold_back_s), (1.0, 3.2));
        assert!(listing.can_skip && !listing.ended);
        // Four parts from the end lies the second of segment 7.
        assert_eq!(listing.first_wanted(), Some(key(7, 0)));
    }

    #[test]
    fn an_edition_is_read_once_whether_compressed_or_not() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(TEXT.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let mut editions = Editions::default();
        let (plain, first) = editions.read(TEXT.as_bytes()).unwrap();
        assert!(first);
        let (again, first) = editions.read(TEXT.as_bytes()).unwrap();
        assert!(!first && Rc::ptr_eq(&plain, &again));
        let (inflated, first) = editions.read(&packed).unwrap();
        assert!(first);
        assert_eq!(plain, inflated);
    }

    #[test]
    fn the_first_variant_and_the_sound_are_found() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a, b\",URI=\"audio/playlist.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1,mp4a\"\n360p/playlist.m3u8\n";
        assert_eq!(renditions(text).unwrap(), ["360p/", "audio/"]);
        assert!(renditions("#EXTM3U\n").is_err());
    }

    #[test]
    fn other_servers_names_are_refused() {
        assert!(Listing::parse("#EXT-X-PART:DURATION=1,URI=\"part7.mp4\"\n").is_err());
    }
}
