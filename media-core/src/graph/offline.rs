//! Off-line transcoding: a file through intake, Timeline and ladder, as fast as the machine goes.
//!
//! ```text
//! filesrc ─ demux ┬ queue ─ parse ─ decode ─ deinterlace ─ convert+scale ─ turn ─ appsink ─┐
//!                 └ queue ─ parse ─ decode ─ convert ─ resample ─ appsink ─ Timeline ─ ladder
//! ```
//! The ladder is a broadcast's, and so are the samples that come out: rungs cut at the same media
//! time, a constant frame rate, 48 kHz stereo without a gap. What differs:
//!
//! - Nothing is dropped because an encoder is slow: every queue waits, back to the file.
//! - The file is inspected first, its coded timestamps included. So the ladder is known before
//!   anything is decoded, and two runs yield the same samples.
//! - Its threads give way to those of broadcasts, and it can be paused or cancelled ([`Control`]).
//!
//! It opens the file and nothing else: containers and codecs are listed here, so a playlist or a
//! movie that refers to other files or hosts is refused and never followed.
//!
//! Limits: one video and one audio track; pictures of more than 8 bits lose the rest, without tone
//! mapping; subtitles, chapters and further tracks are left out. GStreamer's reader takes a video
//! track for a cover and leaves it out where it is shorter than a fifth of its MP4.

mod codecs;
mod container;
mod control;
mod inspection;
mod job;
mod joint;
mod rate;
mod reader;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::container::Container;
pub use self::control::{Control, Progress};
pub use self::inspection::{AudioTrack, Inspection, VideoTrack, inspect};
pub use super::intake::TooLarge;

use self::job::Job;
use super::transcoder::{Output, Settings};
use crate::time::MediaTime;
use crate::timeline::Counters;

/// How long nothing may be decoded or encoded before the transcoder gives up: longer than its nice
/// threads wait on a machine that is busy with broadcasts.
const STALL_MAX: Duration = Duration::from_secs(120);

/// The longest that is made of a file: a day. One whose timestamps say more is broken, and would keep
/// all others waiting.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What may stand in for pictures, or sound, that a file does not have, all together: a working day
/// of slides. A file of a megabyte could be months of one picture.
const GAPS_MAX: Duration = Duration::from_secs(8 * 60 * 60);

/// Why a file is not transcoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system does not give it.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Its content is of none of the containers that are read.
    #[error("this is {found}, not MP4, MOV, MKV, WebM, MPEG-TS or FLV")]
    NotAContainer {
        /// What it seems to be.
        found: String,
    },
    /// The container is damaged where its tracks are described.
    #[error("the {container} file is damaged or cut off: {reason}")]
    Unreadable {
        /// What it begins as.
        container: Container,
        /// What its reader says.
        reason: String,
    },
    /// It has neither pictures nor sound.
    #[error("the {0} file has neither pictures nor sound")]
    NoTracks(Container),
    /// No track of a kind that it has can be decoded.
    #[error("{codec} in the {container} file is not supported")]
    Codec {
        /// The container.
        container: Container,
        /// The first such track's codec.
        codec: String,
    },
    /// Its tracks are described, but not one picture, or without pictures no sound, could be
    /// decoded.
    #[error("nothing in the {container} file can be decoded{}", because(.reason))]
    Undecodable {
        /// The container.
        container: Container,
        /// The first fault, where one was noticed.
        reason: Option<String>,
    },
    /// Its pictures are larger than is decoded.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// More than [`DURATION_MAX`] would be made of it.
    #[error("the file is longer than {} hours", DURATION_MAX.as_secs() / 3600)]
    TooLong,
    /// It has gaps of more than [`GAPS_MAX`].
    #[error(
        "in more than {} hours of the file there are no pictures, or there is no sound",
        GAPS_MAX.as_secs() / 3600
    )]
    Gaps,
    /// [`Control::cancel`] was called.
    #[error("cancelled")]
    Cancelled,
    /// Nothing moved for [`STALL_MAX`].
    #[error("nothing has been encoded for {} s, at {at}", STALL_MAX.as_secs())]
    Stalled {
        /// How far it had come.
        at: MediaTime,
    },
    /// An encoder failed. Ours, not the file's.
    #[error("the encoders failed at {at}")]
    Encoder {
        /// How far it had come.
        at: MediaTime,
    },
    /// A pipeline cannot be built. Ours, not the file's.
    #[error(transparent)]
    Pipeline(#[from] super::elements::Error),
}

fn because(reason: &Option<String>) -> String {
    reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default()
}

/// What a transcoder has made of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// From the first picture or sound to the end of the last.
    pub duration: Duration,
    /// Pictures of every rung; 0 for sound alone.
    pub frames: u64,
    /// What the Timeline had to mend.
    pub counters: Counters,
    /// Whether that is all of it.
    pub extent: Extent,
    /// It has a track of sound, of which nothing could be decoded: it is silent.
    pub lost_sound: bool,
}

/// How much of a file could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, as far as the container says how much there is.
    Whole,
    /// It ends before its time, as a truncated file does.
    Short {
        /// How long the container says that it is.
        stated: Duration,
    },
    /// Reading ended at a fault.
    Broken {
        /// Where, on the output's clock.
        at: MediaTime,
        /// What was found.
        reason: String,
    },
}

/// Encodes a file into the rungs that it fills and the audio rendition, and hands their samples to
/// `output` as a broadcast's. A file without sound gets silence, one without pictures no rungs, and
/// tracks of unequal length are brought to the same end. Blocks until that is done.
///
/// # Errors
/// See [`Error`]. Those that [`inspect`] does not find can come after samples have.
pub fn transcode(
    path: &Path,
    settings: &Settings,
    output: Arc<dyn Output>,
    control: &Control,
) -> Result<Summary, Error> {
    let inspection = inspect(path)?;
    let stated = inspection.duration;
    let stated = stated.filter(|_| inspection.container.states_duration());
    if stated.is_some_and(|stated| stated > DURATION_MAX) {
        return Err(Error::TooLong);
    }
    let mut job = Job::start(path, &inspection, settings, output, control)?;
    let fault = job.read()?;
    job.finish(&inspection, fault)
}
