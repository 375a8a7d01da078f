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

/// The name of the shared audio rendition in playback URLs.
pub const AUDIO_RENDITION: &str = "audio";
