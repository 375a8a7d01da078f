//! What media says of itself: tracks, samples, their times, which of them are IDR pictures. Read
//! from fragmented MP4 (ISO/IEC 14496-12) and MPEG-2 transport streams (ISO/IEC 13818-1). Nothing
//! is decoded, and every length that a file names is held to the bytes that are there.

pub(crate) mod bitstream;
pub(crate) mod fmp4;
pub(crate) mod ts;

/// Most samples that are read of one resource: ten minutes of sound in frames of 1024.
const SAMPLES_MAX: usize = 30_000;

/// Why media cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// A box that has to be there.
    #[error("no {0} box")]
    Missing(&'static str),
    /// A box whose length does not fit.
    #[error("the box at byte {at} says that it is {said} bytes long, {there} are there")]
    Length {
        at: usize,
        said: usize,
        there: usize,
    },
    /// A box that cannot be read.
    #[error("the {kind} box at byte {at}: {why}")]
    Box {
        kind: &'static str,
        at: usize,
        why: String,
    },
    /// A fragment of a track that the initialization section does not have.
    #[error("a fragment of track {0}, which the initialization section does not have")]
    Track(u32),
    /// A sample outside of the bytes.
    #[error("sample {0} lies outside of the resource")]
    Sample(usize),
    /// No initialization section was there to read it with.
    #[error("no initialization section to read it with")]
    NoInit,
    /// A packet of a transport stream that does not begin with its sync byte.
    #[error("no sync byte (0x47) at byte {0}")]
    Sync(usize),
    /// A transport stream without what says which streams it has.
    #[error("a transport stream without {0}")]
    NoTable(&'static str),
    /// Neither of the formats.
    #[error("neither fragmented MP4 nor an MPEG-2 transport stream")]
    Format,
    /// More samples than are looked at.
    #[error("more than {SAMPLES_MAX} samples")]
    TooMany,
}

/// What a track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Video,
    Audio,
    Other,
}

/// A track, as its initialization section or its bitstream describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Track {
    /// Its number in the container: track ID or PID.
    pub(crate) id: u32,
    pub(crate) kind: Kind,
    /// Units a second.
    pub(crate) timescale: u32,
    /// The codec as RFC 6381 writes it; empty where it is not known here.
    pub(crate) codec: String,
    /// Of the picture, by its sequence parameter set where there is one.
    pub(crate) size: Option<(u32, u32)>,
    /// Its size with square pixels.
    pub(crate) shown: Option<(u32, u32)>,
}

/// One coded frame. Times are in the track's timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    pub(crate) duration: i64,
    /// Whether decoding can begin with it.
    pub(crate) independent: bool,
    /// Tells its bytes from others'.
    pub(crate) digest: u64,
}

/// A track's samples in one resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) track: Track,
    pub(crate) samples: Vec<Sample>,
}

/// All that a resource holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Media {
    pub(crate) runs: Vec<Run>,
}

impl Media {
    /// The run that times are taken from: the picture's, or else the sound's.
    pub(crate) fn main(&self) -> Option<&Run> {
        let with_samples = self.runs.iter().filter(|run| !run.samples.is_empty());
        with_samples.min_by_key(|run| run.track.kind)
    }

    /// The run of this kind.
    pub(crate) fn of(&self, kind: Kind) -> Option<&Run> {
        self.runs.iter().find(|run| run.track.kind == kind)
    }
}

impl Run {
    fn seconds(&self, units: i64) -> f64 {
        units as f64 / f64::from(self.track.timescale.max(1))
    }

    /// When its earliest sample is shown, in seconds.
    pub(crate) fn start(&self) -> f64 {
        let earliest = self.samples.iter().map(|sample| sample.pts).min();
        self.seconds(earliest.unwrap_or(0))
    }

    /// When its first sample is decoded, in seconds.
    pub(crate) fn decode_start(&self) -> f64 {
        self.seconds(self.samples.first().map_or(0, |sample| sample.dts))
    }

    /// When what follows its last sample is decoded, in seconds.
    pub(crate) fn decode_end(&self) -> f64 {
        let last = self.samples.last();
        self.seconds(last.map_or(0, |sample| sample.dts.saturating_add(sample.duration)))
    }

    /// How long it plays, in seconds.
    pub(crate) fn duration(&self) -> f64 {
        self.decode_end() - self.decode_start()
    }

    /// The longest frame, in seconds.
    pub(crate) fn frame(&self) -> f64 {
        let longest = self.samples.iter().map(|sample| sample.duration).max();
        self.seconds(longest.unwrap_or(0))
    }

    /// Frames a second.
    pub(crate) fn rate(&self) -> f64 {
        let duration = self.duration();
        if duration > 0.0 {
            self.samples.len() as f64 / duration
        } else {
            0.0
        }
    }
}

/// Tells bytes from others; equal bytes have equal digests in every run of the program.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
