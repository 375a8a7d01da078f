//! The ladder: which renditions a broadcast is encoded into.

use std::fmt;

use crate::id::RenditionName;

/// Bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u32);

impl Bitrate {
    /// A rate in kilobits (1000 bits) a second.
    pub const fn from_kbps(kbps: u32) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// A rate in bits a second.
    pub const fn from_bps(bps: u32) -> Self {
        Self(bps)
    }

    /// Kilobits (1000 bits) a second.
    pub const fn as_kbps(self) -> u32 {
        self.0 / 1000
    }

    /// Bits a second.
    pub const fn as_bps(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}k", self.as_kbps())
    }
}

/// One video rendition. Its picture always has this size: a source of another shape is
/// letterboxed into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Its name in playback URLs.
    pub name: RenditionName,
    /// Width of the picture in square pixels; even.
    pub width: u32,
    /// Height of the picture in square pixels; even.
    pub height: u32,
    /// Video bitrate.
    pub bitrate: Bitrate,
}

/// The video rungs, highest first, and the one audio rendition that they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Video renditions from high to low.
    pub rungs: Vec<Rung>,
    /// Bitrate of the shared audio rendition.
    pub audio: Bitrate,
}

impl Ladder {
    /// The ladder of the design: 1080p 5000k, 720p 2500k, 480p 1200k, 360p 800k, AAC 128k.
    pub fn standard() -> Self {
        let rung = |name: &str, width, height, kbps| Rung {
            name: RenditionName::new(name).expect("a literal that is a valid name"),
            width,
            height,
            bitrate: Bitrate::from_kbps(kbps),
        };
        Self {
            rungs: vec![
                rung("1080p", 1920, 1080, 5000),
                rung("720p", 1280, 720, 2500),
                rung("480p", 854, 480, 1200),
                rung("360p", 640, 360, 800),
            ],
            audio: Bitrate::from_kbps(128),
        }
    }

    /// The rungs that a source of `width` × `height` square pixels can fill without being
    /// enlarged. A source smaller than every rung gets the lowest one, at the source's own size.
    pub fn rungs_for(&self, width: u32, height: u32) -> Vec<Rung> {
        let fills = |rung: &&Rung| {
            // The picture touches two opposite sides of the rung: one of them must be filled.
            width.saturating_mul(100) >= rung.width.saturating_mul(FILL_PERCENT_MIN)
                || height.saturating_mul(100) >= rung.height.saturating_mul(FILL_PERCENT_MIN)
        };
        let filled: Vec<Rung> = self.rungs.iter().filter(fills).cloned().collect();
        match self.rungs.last() {
            Some(lowest) if filled.is_empty() => {
                let (width, height) = (even(width), even(height));
                vec![Rung {
                    width,
                    height,
                    ..lowest.clone()
                }]
            }
            _ => filled,
        }
    }
}

/// A source this close to a rung's size takes the rung: 1916×1076 is 1080p with a cropped edge.
const FILL_PERCENT_MIN: u32 = 98;

/// 4:2:0 video has even sides.
const fn even(side: u32) -> u32 {
    let even = side & !1;
    if even < 16 { 16 } else { even }
}

/// The name of the shared audio rendition in playback URLs.
pub const AUDIO_RENDITION: &str = "audio";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(width: u32, height: u32) -> Vec<String> {
        let rungs = Ladder::standard().rungs_for(width, height);
        rungs.iter().map(|rung| rung.name.to_string()).collect()
    }

    #[test]
    fn no_source_is_enlarged() {
        assert_eq!(names(3840, 2160), ["1080p", "720p", "480p", "360p"]);
        assert_eq!(names(1920, 1080), ["1080p", "720p", "480p", "360p"]);
        assert_eq!(names(1920, 800), ["1080p", "720p", "480p", "360p"]);
        assert_eq!(names(1280, 720), ["720p", "480p", "360p"]);
        assert_eq!(names(720, 576), ["480p", "360p"]);
        assert_eq!(names(608, 1080), ["1080p", "720p", "480p", "360p"]);
    }

    #[test]
    fn a_source_below_the_ladder_keeps_its_own_size() {
        let rungs = Ladder::standard().rungs_for(321, 241);
        assert_eq!(rungs.len(), 1);
        assert_eq!((rungs[0].width, rungs[0].height), (320, 240));
        assert_eq!(rungs[0].name.as_str(), "360p");
    }
}
