//! What can be seen of uploads from outside: the state of each, and sums over all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::error::Error;

/// The state of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing has been sent yet, and nothing is wrong.
    Pending,
    /// On its way.
    Uploading {
        /// What the store has.
        sent_bytes: u64,
        /// What there is so far.
        len_bytes: u64,
    },
    /// The last try failed; the next one comes by itself.
    Waiting {
        /// When the first try failed since one succeeded.
        since: SystemTime,
        /// Tries since then.
        failures: u64,
        /// What went wrong the last time, in one line.
        because: String,
        /// What the store has.
        sent_bytes: u64,
        /// What there is so far.
        len_bytes: u64,
    },
    /// It is being deleted.
    Removing,
}

/// Sums over all files since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Files that are uploaded or deleted now, those that wait for a store or for their growth
    /// included.
    pub files: usize,
    /// Bytes that are on this machine alone, as far as files are known here.
    pub behind_bytes: u64,
    /// Files that the store has whole.
    pub uploaded: u64,
    /// Files that were deleted.
    pub removed: u64,
    /// Files that were given up.
    pub given_up: u64,
    /// Bytes that were sent and taken.
    pub sent_bytes: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Whether the last try failed.
    pub is_waiting: bool,
}

/// One file's state.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent_bytes: u64,
    len_bytes: u64,
    is_removing: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: SystemTime,
    failures: u64,
    because: String,
}

impl Progress {
    pub(super) fn removing() -> Self {
        Self(Mutex::new(State {
            is_removing: true,
            ..State::default()
        }))
    }

    pub(super) fn status(&self) -> Status {
        self.with(|state| {
            let (sent_bytes, len_bytes) = (state.sent_bytes, state.len_bytes);
            match &state.trouble {
                Some(trouble) => Status::Waiting {
                    since: trouble.since,
                    failures: trouble.failures,
                    because: trouble.because.clone(),
                    sent_bytes,
                    len_bytes,
                },
                None if state.is_removing => Status::Removing,
                None if sent_bytes == 0 => Status::Pending,
                None => Status::Uploading {
                    sent_bytes,
                    len_bytes,
                },
            }
        })
    }

    pub(super) fn behind_bytes(&self) -> u64 {
        self.with(|state| state.len_bytes.saturating_sub(state.sent_bytes))
    }

    pub(super) fn grown_to(&self, len_bytes: u64) {
        self.with(|state| state.len_bytes = len_bytes);
    }

    /// The store has so much of it.
    pub(super) fn has(&self, sent_bytes: u64) {
        self.with(|state| state.sent_bytes = sent_bytes);
    }

    fn sent(&self, len_bytes: u64) {
        self.with(|state| state.sent_bytes += len_bytes);
    }

    fn failed(&self, because: &Error) {
        self.with(|state| {
            let trouble = state.trouble.get_or_insert_with(|| Trouble {
                since: SystemTime::now(),
                failures: 0,
                because: String::new(),
            });
            trouble.failures += 1;
            trouble.because = because.to_string();
        });
    }

    fn succeeded(&self) {
        self.with(|state| state.trouble = None);
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // No change of it can stop half-way.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What all uploads to one store have done, and whether it answers.
#[derive(Debug, Default)]
pub(super) struct Sums {
    uploaded: AtomicU64,
    removed: AtomicU64,
    given_up: AtomicU64,
    sent_bytes: AtomicU64,
    failures: AtomicU64,
    is_waiting: AtomicBool,
}

impl Sums {
    pub(super) fn uploaded(&self) {
        self.uploaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn removed(&self) {
        self.removed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, file: &Progress, len_bytes: u64) {
        self.sent_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        file.sent(len_bytes);
    }

    /// A try failed. Of an outage the log has its beginning and its end, however many files wait.
    pub(super) fn failed(&self, file: &Progress, store: &str, error: &Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        file.failed(error);
        if !self.is_waiting.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                store,
                %error,
                "media cannot be stored: files wait on this machine, and are tried again"
            );
        }
    }

    pub(super) fn succeeded(&self, file: &Progress, store: &str) {
        file.succeeded();
        if self.is_waiting.swap(false, Ordering::Relaxed) {
            tracing::info!(store, "media is stored again");
        }
    }

    /// With what is known of the files that are there now.
    pub(super) fn figures(&self, files: usize, behind_bytes: u64) -> Figures {
        let of = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        Figures {
            files,
            behind_bytes,
            uploaded: of(&self.uploaded),
            removed: of(&self.removed),
            given_up: of(&self.given_up),
            sent_bytes: of(&self.sent_bytes),
            failures: of(&self.failures),
            is_waiting: self.is_waiting.load(Ordering::Relaxed),
        }
    }
}
