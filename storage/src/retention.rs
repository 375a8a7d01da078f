//! How long recordings are kept: which ones go, and why, as a function of what is there.
//!
//! Bounds are an age, the bytes of a stream's recordings, and the bytes of all. The oldest go first;
//! a running or a protected recording never goes, but counts. The server's bounds hold for every
//! stream that has none of its own ([`crate::recording::Limit`]).

mod enforce;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, SystemTime};

use media_core::{RecordingId, StreamId};

pub use enforce::{enforce, sweep, to_remove};

use crate::recording::{Limit, Recording, Status};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The server's bounds, each `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Days that a recording is kept after its end.
    pub days: Option<u32>,
    /// Bytes of all recordings of a stream.
    pub stream_bytes: Option<u64>,
    /// Bytes of all recordings.
    pub total_bytes: Option<u64>,
}

/// What a stream has instead of the server's bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfStream {
    /// Days that its recordings are kept.
    pub days: Limit<u32>,
    /// Bytes of all its recordings.
    pub bytes: Limit<u64>,
}

/// Why a recording goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It ended longer ago than this.
    Age {
        /// The bound.
        days: u32,
    },
    /// Its stream's recordings have more bytes than this.
    StreamBytes {
        /// The bound.
        bytes: u64,
    },
    /// All recordings have more bytes than this.
    TotalBytes {
        /// The bound.
        bytes: u64,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { days } => write!(f, "it ended more than {days} days ago"),
            Self::StreamBytes { bytes } => {
                write!(f, "its stream's recordings have more than {bytes} bytes")
            }
            Self::TotalBytes { bytes } => write!(f, "all recordings have more than {bytes} bytes"),
        }
    }
}

/// The recordings that are to go at `now`, and why, in the order in which they go.
pub fn plan(
    recordings: &[Recording],
    policy: &Policy,
    streams: &HashMap<StreamId, OfStream>,
    now: SystemTime,
) -> Vec<(RecordingId, Why)> {
    let own = |stream: &StreamId| streams.get(stream).copied().unwrap_or_default();
    let mut kept: Vec<&Recording> = recordings.iter().collect();
    kept.sort_by_key(|it| (it.started_at, &it.id));
    let mut going = Vec::new();

    kept.retain(|recording| {
        let days = own(&recording.stream).days.or(policy.days);
        let over = days.filter(|&days| may_go(recording) && is_older(recording, days, now));
        going.extend(over.map(|days| (recording.id.clone(), Why::Age { days })));
        over.is_none()
    });

    let mut of_stream: BTreeMap<&StreamId, Vec<&Recording>> = BTreeMap::new();
    for recording in &kept {
        of_stream
            .entry(&recording.stream)
            .or_default()
            .push(recording);
    }
    for (stream, recordings) in of_stream {
        if let Some(bytes) = own(stream).bytes.or(policy.stream_bytes) {
            let over = beyond(&recordings, bytes).into_iter();
            going.extend(over.map(|it| (it.id.clone(), Why::StreamBytes { bytes })));
        }
    }

    if let Some(bytes) = policy.total_bytes {
        kept.retain(|recording| !going.iter().any(|(id, _)| *id == recording.id));
        let over = beyond(&kept, bytes).into_iter();
        going.extend(over.map(|it| (it.id.clone(), Why::TotalBytes { bytes })));
    }
    going
}

/// The oldest of `recordings`, which are in order of time, that have to go for the rest to have at
/// most `bytes`.
fn beyond<'a>(recordings: &[&'a Recording], bytes: u64) -> Vec<&'a Recording> {
    let mut held: u64 = recordings.iter().map(|it| it.bytes).sum();
    let mut going = Vec::new();
    for recording in recordings {
        if held <= bytes {
            break;
        }
        // One without media would go for nothing.
        if may_go(recording) && recording.bytes > 0 {
            held -= recording.bytes;
            going.push(*recording);
        }
    }
    going
}

fn may_go(recording: &Recording) -> bool {
    recording.status != Status::Recording && !recording.is_protected
}

/// A clock that was set back makes nothing older.
fn is_older(recording: &Recording, days: u32, now: SystemTime) -> bool {
    let ended_at = recording.ended_at.unwrap_or(recording.started_at);
    now.duration_since(ended_at)
        .is_ok_and(|age| age > DAY.saturating_mul(days))
}

#[cfg(test)]
mod tests;
