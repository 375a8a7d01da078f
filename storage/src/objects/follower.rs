//! Brings one file to the store, also while it is still being written.
//!
//! The file is the spool: a part is read from it when it is sent, and read again when that failed.
//! Nothing is given up because the store does not answer or refuses; every step is tried again until
//! it succeeds. The parts that the store has are in a [`Journal`] beside the file, so that the next
//! process goes on with the rest.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, watch};

use super::backoff::Pace;
use super::error::Error;
use super::journal::{Begun, Journal, Part};
use super::key::Key;
use super::multipart::{Setback, payload};
use super::parts::{self, FILE_BYTES_MAX, SMALL_PART_BYTES};
use super::progress::{Progress, Sums};
use super::store::Store;

/// Parts of one file that are on their way at a time: a second one, so that the line is not idle
/// while an answer is on its way.
const PARTS_AT_ONCE_MAX: usize = 2;

/// What a permit of the budget stands for.
pub(super) const BUDGET_UNIT_BYTES: u64 = 1 << 20;

/// How much of the file is there. What is there does not change any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) len_bytes: u64,
    /// It does not grow any more.
    pub(super) is_final: bool,
}

/// Why a file will not be uploaded, whatever the store does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenUp {
    /// It cannot be read, or is shorter than was said.
    #[error("cannot read {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// Longer than ten thousand parts.
    #[error("{} is longer than {FILE_BYTES_MAX} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Who wrote it went without saying that it is finished. What there is of it can be uploaded by
    /// adding it anew.
    #[error("{} was not finished", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
    },
}

/// What ends a step that is otherwise tried again.
enum Stop {
    GivenUp(GivenUp),
    /// The store has forgotten the upload: from the beginning.
    Forgotten,
    /// Not yet.
    Failed(Error),
}

impl From<Setback> for Stop {
    fn from(setback: Setback) -> Self {
        match setback {
            Setback::Forgotten => Self::Forgotten,
            Setback::Failed(error) => Self::Failed(error),
        }
    }
}

/// One file and where it goes. Dropping what it does at any point loses nothing but what was on its
/// way.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) store: Store,
    pub(super) key: Key,
    pub(super) file: PathBuf,
    pub(super) pace: Pace,
    /// Memory for parts on their way, of all files together.
    pub(super) budget: Arc<Semaphore>,
    pub(super) progress: Arc<Progress>,
    pub(super) sums: Arc<Sums>,
}

impl Follower {
    /// Uploads the file to its final length, which is returned when the store has all of it.
    pub(super) async fn upload(&self, mut growth: watch::Receiver<Growth>) -> Result<u64, GivenUp> {
        let mut restarts = 0;
        if self.is_in_place() {
            let grown = self.until(&mut growth, |grown| grown.is_final).await?;
            self.progress.has(grown.len_bytes);
            return Ok(grown.len_bytes);
        }
        // A file that still grows is a new one: what an older one of its name left is nothing.
        if !growth.borrow().is_final {
            self.clear().await?;
        }
        loop {
            match self.attempt(&mut growth).await {
                Ok(len_bytes) => return Ok(len_bytes),
                Err(Stop::GivenUp(reason)) => return Err(reason),
                Err(Stop::Failed(error)) => self.failed(&mut restarts, &error).await,
                Err(Stop::Forgotten) => {
                    let error = Error::Unavailable {
                        why: "it has forgotten an unfinished upload, which begins anew".to_owned(),
                    };
                    self.failed(&mut restarts, &error).await;
                    self.clear().await?;
                    self.progress.has(0);
                }
            }
        }
    }

    /// Takes the file out of the store, and an unfinished upload of it; ends when both are gone.
    pub(super) async fn remove(&self) -> Result<(), GivenUp> {
        if let Some(begun) = self.noted().await? {
            self.persist(|| async {
                let aborted = self.store.abort_upload(&self.key, &begun.id).await;
                aborted.map_err(Stop::Failed)
            })
            .await
            .or_else(Stop::ignored)?;
            self.forget().await?;
        }
        self.persist(|| async { self.store.delete(&self.key).await.map_err(Stop::Failed) })
            .await
            .or_else(Stop::ignored)
    }

    async fn attempt(&self, growth: &mut watch::Receiver<Growth>) -> Result<u64, Stop> {
        let begun = self.noted().await.map_err(Stop::GivenUp)?;
        let begun = match begun {
            Some(begun) => begun,
            None => {
                let enough = |grown: Growth| grown.is_final || grown.len_bytes >= SMALL_PART_BYTES;
                let grown = self.until(growth, enough).await.map_err(Stop::GivenUp)?;
                if grown.is_final && self.has_all(grown.len_bytes).await {
                    self.progress.has(grown.len_bytes);
                    return Ok(grown.len_bytes);
                }
                if grown.is_final && grown.len_bytes <= SMALL_PART_BYTES {
                    return self.put(grown.len_bytes).await;
                }
                self.begin().await?
            }
        };
        self.follow(begun, growth).await
    }

    /// Sends part after part until the last, and makes an object of them.
    async fn follow(
        &self,
        begun: Begun,
        growth: &mut watch::Receiver<Growth>,
    ) -> Result<u64, Stop> {
        let Begun { id, mut parts } = begun;
        let now = *growth.borrow_and_update();
        // The last part of a file that was shorter then is not its part now.
        parts.retain(|index, part| {
            parts::ready(*index, now.len_bytes, now.is_final)
                .is_some_and(|range| range.end - range.start == part.len_bytes)
        });
        self.progress
            .has(parts.values().map(|part| part.len_bytes).sum());
        let mut on_their_way = FuturesUnordered::new();
        let mut next = 0;
        let len_bytes = loop {
            let grown = *growth.borrow_and_update();
            self.check_length(grown).map_err(Stop::GivenUp)?;
            while on_their_way.len() < PARTS_AT_ONCE_MAX
                && let Some(range) = parts::ready(next, grown.len_bytes, grown.is_final)
            {
                if !parts.contains_key(&next) {
                    on_their_way.push(self.part(&id, next, range));
                }
                next += 1;
            }
            if grown.is_final && on_their_way.is_empty() {
                break grown.len_bytes;
            }
            tokio::select! {
                Some(sent) = on_their_way.next() => {
                    let (index, part) = sent?;
                    parts.insert(index, part);
                }
                changed = growth.changed(), if !grown.is_final => {
                    changed.map_err(|_| Stop::GivenUp(self.unfinished()))?;
                }
            }
        };
        let names: Vec<String> = parts.into_values().map(|part| part.name).collect();
        self.persist(|| async {
            let completed = self.store.complete_upload(&self.key, &id, names.clone());
            completed.await.map_err(Stop::from)
        })
        .await?;
        self.verify(len_bytes).await?;
        self.forget().await.map_err(Stop::GivenUp)?;
        Ok(len_bytes)
    }

    async fn begin(&self) -> Result<Begun, Stop> {
        let id = self
            .persist(|| async {
                let begun = self.store.begin_upload(&self.key).await;
                begun.map_err(Stop::Failed)
            })
            .await?;
        let noted = id.clone();
        self.journal(move |journal| journal.begin(&noted))
            .await
            .map_err(Stop::GivenUp)?;
        Ok(Begun {
            id,
            parts: Default::default(),
        })
    }

    async fn part(&self, id: &String, index: u64, range: Range<u64>) -> Result<(u64, Part), Stop> {
        let len_bytes = range.end - range.start;
        let name = self
            .persist(|| async {
                let _room = self.room(len_bytes).await;
                let bytes = self.read(range.clone()).await.map_err(Stop::GivenUp)?;
                let sent = self.store.upload_part(&self.key, id, index, bytes).await;
                sent.map_err(Stop::from)
            })
            .await?;
        let part = Part { len_bytes, name };
        let noted = part.clone();
        self.journal(move |journal| journal.part(index, &noted))
            .await
            .map_err(Stop::GivenUp)?;
        self.sums.sent(&self.progress, len_bytes);
        Ok((index, part))
    }

    /// A file of one part at most needs no parts.
    async fn put(&self, len_bytes: u64) -> Result<u64, Stop> {
        self.persist(|| async {
            let _room = self.room(len_bytes).await;
            let bytes = self.read(0..len_bytes).await.map_err(Stop::GivenUp)?;
            let stored = self.store.put(&self.key, payload(bytes)).await;
            stored.map_err(Stop::Failed)
        })
        .await?;
        self.sums.sent(&self.progress, len_bytes);
        self.verify(len_bytes).await?;
        Ok(len_bytes)
    }

    /// The local file may be deleted on our word: the store is asked what it has.
    async fn verify(&self, len_bytes: u64) -> Result<(), Stop> {
        let stored = self
            .persist(|| async { self.store.len(&self.key).await.map_err(Stop::Failed) })
            .await?;
        if stored == len_bytes {
            return Ok(());
        }
        tracing::error!(key = %self.key, stored, len_bytes, "the store has another length");
        Err(Stop::Forgotten)
    }

    /// Whether a process before this one has uploaded it. Not to be told, or not to be allowed to
    /// ask, is no: then it is uploaded.
    async fn has_all(&self, len_bytes: u64) -> bool {
        self.store.len(&self.key).await == Ok(len_bytes)
    }

    /// Gives up what is noted of an upload. Where the store does not let us, the unfinished upload
    /// is its to clean up.
    async fn clear(&self) -> Result<(), GivenUp> {
        if let Some(begun) = self.noted().await? {
            let aborted = self.store.abort_upload(&self.key, &begun.id).await;
            if let Err(error) = aborted {
                tracing::warn!(key = %self.key, %error, "an unfinished upload stays at the store");
            }
            self.forget().await?;
        }
        Ok(())
    }

    /// Tries until it succeeds, or is stopped.
    async fn persist<T, F>(&self, mut step: impl FnMut() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, Stop>>,
    {
        let mut failures = 0;
        loop {
            match step().await {
                Ok(done) => {
                    self.sums.succeeded(&self.progress, &self.store.to_string());
                    return Ok(done);
                }
                Err(Stop::Failed(error)) => self.failed(&mut failures, &error).await,
                Err(stop) => return Err(stop),
            }
        }
    }

    async fn failed(&self, failures: &mut u32, error: &Error) {
        *failures = failures.saturating_add(1);
        tracing::debug!(key = %self.key, %error, failures, "an upload has to wait");
        self.sums
            .failed(&self.progress, &self.store.to_string(), error);
        let wait = self.pace.wait(*failures, &mut rand::rng());
        tokio::time::sleep(wait).await;
    }

    async fn until(
        &self,
        growth: &mut watch::Receiver<Growth>,
        enough: impl Fn(Growth) -> bool,
    ) -> Result<Growth, GivenUp> {
        let grown = growth.wait_for(|grown| enough(*grown)).await;
        let grown = *grown.map_err(|_| self.unfinished())?;
        self.check_length(grown)?;
        Ok(grown)
    }

    fn check_length(&self, grown: Growth) -> Result<(), GivenUp> {
        self.progress.grown_to(grown.len_bytes);
        match grown.len_bytes > FILE_BYTES_MAX {
            true => Err(GivenUp::TooLong {
                path: self.file.clone(),
            }),
            false => Ok(()),
        }
    }

    fn unfinished(&self) -> GivenUp {
        GivenUp::Unfinished {
            path: self.file.clone(),
        }
    }

    /// Whether the file lies where the store keeps it.
    fn is_in_place(&self) -> bool {
        let place = self.store.local_path(&self.key);
        let real = |path: &Path| path.canonicalize().ok();
        place.is_some_and(|place| real(&place).is_some_and(|it| Some(it) == real(&self.file)))
    }

    async fn room(&self, len_bytes: u64) -> tokio::sync::SemaphorePermit<'_> {
        let units = len_bytes.div_ceil(BUDGET_UNIT_BYTES).max(1);
        let units = u32::try_from(units).expect("a part is at most 32 MiB");
        let room = self.budget.acquire_many(units).await;
        room.expect("the budget is never closed")
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, GivenUp> {
        let path = self.file.clone();
        self.on_disk(move || {
            let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
            let mut bytes = vec![0; len];
            File::open(path)?.read_exact_at(&mut bytes, range.start)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    async fn noted(&self) -> Result<Option<Begun>, GivenUp> {
        self.journal(Journal::load).await
    }

    async fn forget(&self) -> Result<(), GivenUp> {
        self.journal(Journal::end).await
    }

    async fn journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Journal) -> io::Result<T> + Send + 'static,
    ) -> Result<T, GivenUp> {
        let journal = Journal::beside(&self.file, format!("{} {}", self.store, self.key));
        self.on_disk(move || work(&journal)).await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, GivenUp> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| GivenUp::File {
                path: self.file.clone(),
                why: error.to_string(),
            })
    }
}

impl Stop {
    /// Of a removal: what the store does not know is gone.
    fn ignored(self) -> Result<(), GivenUp> {
        match self {
            Self::GivenUp(reason) => Err(reason),
            Self::Forgotten | Self::Failed(_) => Ok(()),
        }
    }
}
