//! What was asked for of stored titles and sent, for the operator's figures.

use crate::delivery::Tally;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A multivariant playlist.
    Master,
    /// A media playlist, of subtitles too.
    Playlist,
    /// Media, in byte ranges of a rendition's file.
    Media,
    /// One ordinary MP4.
    Download,
    /// Subtitles.
    Subtitles,
    /// Pictures for lists and scrubbing.
    Thumbnail,
    /// Nothing that there is.
    Other,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Master,
        Self::Playlist,
        Self::Media,
        Self::Download,
        Self::Subtitles,
        Self::Thumbnail,
        Self::Other,
    ];
}

/// Requests and bytes of each subject, monotonic.
#[derive(Debug, Default)]
pub struct Counters {
    tally: Tally<{ Subject::ALL.len() }>,
}

impl Counters {
    /// Requests that got what they asked for, or were told that they have it or where it is.
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

    pub(super) fn note(&self, subject: Subject, is_answer: bool, len_bytes: u64) {
        self.tally.note(subject as usize, is_answer, len_bytes);
    }
}
