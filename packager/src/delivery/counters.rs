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
    tally: Tally<{ Subject::ALL.len() }>,
    pub(super) waiting: AtomicUsize,
}

impl Counters {
    /// Requests that got what they asked for, or heard that they have it already.
    pub fn answered(&self, subject: Subject) -> u64 {
        self.tally.answered(subject as usize)
    }

    /// Requests that got an error.
    pub fn refused(&self, subject: Subject) -> u64 {
        self.tally.refused(subject as usize)
    }

    /// Bytes of the answers' bodies; those that a viewer who hung up did not take are counted too.
    pub fn bytes(&self, subject: Subject) -> u64 {
        self.tally.bytes(subject as usize)
    }

    /// How many requests wait for media that is still to come.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, subject: Subject, reply: &Reply) {
        let status = reply.status();
        let is_answer = !status.is_client_error() && !status.is_server_error();
        self.tally
            .note(subject as usize, is_answer, reply.len_bytes() as u64);
    }
}

/// Requests and bytes of each of so many subjects.
#[derive(Debug)]
pub(crate) struct Tally<const SUBJECTS: usize> {
    answered: [AtomicU64; SUBJECTS],
    refused: [AtomicU64; SUBJECTS],
    bytes: [AtomicU64; SUBJECTS],
}

impl<const SUBJECTS: usize> Default for Tally<SUBJECTS> {
    fn default() -> Self {
        let zeros = || [const { AtomicU64::new(0) }; SUBJECTS];
        Self {
            answered: zeros(),
            refused: zeros(),
            bytes: zeros(),
        }
    }
}

impl<const SUBJECTS: usize> Tally<SUBJECTS> {
    pub(crate) fn answered(&self, subject: usize) -> u64 {
        self.answered[subject].load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self, subject: usize) -> u64 {
        self.refused[subject].load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self, subject: usize) -> u64 {
        self.bytes[subject].load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, subject: usize, is_answer: bool, len_bytes: u64) {
        let counts = match is_answer {
            true => &self.answered,
            false => &self.refused,
        };
        counts[subject].fetch_add(1, Ordering::Relaxed);
        self.bytes[subject].fetch_add(len_bytes, Ordering::Relaxed);
    }
}
