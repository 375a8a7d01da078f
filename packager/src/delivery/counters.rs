//! What was asked for and sent, for the operator's figures.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Reply;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A multivariant playlist.
    Master,
    /// A media playlist.
    Playlist,
    /// An initialization segment.
    Init,
    /// A segment.
    Segment,
    /// A part.
    Part,
    /// A thumbnail.
    Thumbnail,
    /// Nothing that there is.
    Other,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Master,
        Self::Playlist,
        Self::Init,
        Self::Segment,
        Self::Part,
        Self::Thumbnail,
        Self::Other,
    ];
}

/// Requests and bytes of each subject, monotonic, and how many requests wait.
#[derive(Debug, Default)]
pub struct Counters {
    answered: [AtomicU64; Subject::ALL.len()],
    refused: [AtomicU64; Subject::ALL.len()],
    bytes: [AtomicU64; Subject::ALL.len()],
    pub(super) waiting: AtomicUsize,
}

impl Counters {
    /// Requests that got what they asked for, or heard that they have it already.
    pub fn answered(&self, subject: Subject) -> u64 {
        self.answered[subject as usize].load(Ordering::Relaxed)
    }

    /// Requests that got an error.
    pub fn refused(&self, subject: Subject) -> u64 {
        self.refused[subject as usize].load(Ordering::Relaxed)
    }

    /// Bytes of the answers' bodies; those that a viewer who hung up did not take are counted too.
    pub fn bytes(&self, subject: Subject) -> u64 {
        self.bytes[subject as usize].load(Ordering::Relaxed)
    }

    /// How many requests wait for media that is still to come.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, subject: Subject, reply: &Reply) {
        let status = reply.status();
        let counts = match status.is_client_error() || status.is_server_error() {
            true => &self.refused,
            false => &self.answered,
        };
        counts[subject as usize].fetch_add(1, Ordering::Relaxed);
        self.bytes[subject as usize].fetch_add(reply.len_bytes() as u64, Ordering::Relaxed);
    }
}
