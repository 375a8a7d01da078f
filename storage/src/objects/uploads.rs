//! The files that are on their way to the store: a task each, and what is seen of them.
//!
//! Which files there are is not kept here: whoever owns them adds those again, after a restart,
//! that it does not know to be uploaded.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

use super::backoff::Pace;
use super::follower::{BUDGET_UNIT_BYTES, Follower, GivenUp, Growth};
use super::key::Key;
use super::parts::LARGE_PART_BYTES;
use super::progress::{Figures, Progress, Status, Sums};
use super::store::Store;

/// Files at a time, those included whose end nobody has asked for yet. Each costs a task of a few
/// kilobytes; an owner that has more adds them when there is room.
pub const FILES_MAX: usize = 4_096;

/// Memory for parts on their way, of all files together.
const BUDGET_BYTES: u64 = 2 * LARGE_PART_BYTES;

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There are [`FILES_MAX`].
    #[error("{FILES_MAX} files are on their way to the store; try again later")]
    Full,
    /// It is on its way already, or its end was not asked for yet.
    #[error("this file is on its way already")]
    Twice,
    /// The process is about to end.
    #[error("uploads have ended")]
    Ended,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store has all of it; the local file may go.
    Uploaded {
        /// Its length.
        len_bytes: u64,
    },
    /// It is in the store no more, nor is anything of an unfinished upload.
    Removed,
    /// It will not get there.
    GivenUp(GivenUp),
}

/// Files on their way to one store. Clones are the same.
#[derive(Clone, Debug)]
pub struct Uploads {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    pace: Pace,
    budget: Arc<Semaphore>,
    sums: Arc<Sums>,
    files: Mutex<Files>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Files {
    tasks: HashMap<Key, Task>,
    outcomes: VecDeque<(Key, Outcome)>,
    is_shut: bool,
}

#[derive(Debug)]
struct Task {
    progress: Arc<Progress>,
    handle: JoinHandle<()>,
}

/// Says how far a file has grown. Dropped without [`Growing::finish`], the upload is given up, and
/// what there is of the file can be added.
#[derive(Debug)]
pub struct Growing {
    growth: watch::Sender<Growth>,
}

impl Growing {
    /// The file has so many bytes that stay as they are, whatever happens to the process: it is cut
    /// to no less after a crash. Less than before is ignored.
    pub fn grown_to(&self, len_bytes: u64) {
        self.growth.send_if_modified(|growth| {
            let more = len_bytes > growth.len_bytes;
            growth.len_bytes = growth.len_bytes.max(len_bytes);
            more
        });
    }

    /// The file has its final length.
    pub fn finish(self, len_bytes: u64) {
        self.growth.send_replace(Growth {
            len_bytes,
            is_final: true,
        });
    }
}

impl Uploads {
    /// Uploads to `store`; `pace` is how it waits where that fails.
    pub fn new(store: Store, pace: Pace) -> Self {
        let budget = usize::try_from(BUDGET_BYTES / BUDGET_UNIT_BYTES).expect("64 fits");
        Self {
            shared: Arc::new(Shared {
                store,
                pace,
                budget: Arc::new(Semaphore::new(budget)),
                sums: Arc::default(),
                files: Mutex::default(),
                ended: Notify::new(),
            }),
        }
    }

    /// Uploads a file while it is written. A journal of it lies beside it meanwhile (its name with
    /// `.upload`); one that is there already is given up. Where `file` is the store's own, nothing
    /// is copied.
    ///
    /// # Errors
    /// There are too many, or this one is there.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as the methods below.
    pub fn follow(&self, key: Key, file: PathBuf) -> Result<Growing, NotTaken> {
        let (growth, seen) = watch::channel(Growth::default());
        self.start(key, file, seen)?;
        Ok(Growing { growth })
    }

    /// Uploads a file that has its final length, and goes on where another process was stopped. A
    /// file that the store has in this length is not sent again.
    ///
    /// # Errors
    /// As for [`Uploads::follow`].
    pub fn add(&self, key: Key, file: PathBuf, len_bytes: u64) -> Result<(), NotTaken> {
        let (_, seen) = watch::channel(Growth {
            len_bytes,
            is_final: true,
        });
        self.start(key, file, seen)
    }

    /// Takes a file out of the store; where it is on its way, that ends first. `file` is where the
    /// local one is or was: the journal beside it names an unfinished upload, so it must stay until
    /// [`Outcome::Removed`].
    ///
    /// # Errors
    /// As for [`Uploads::follow`], but that the file may be on its way.
    pub fn remove(&self, key: Key, file: PathBuf) -> Result<(), NotTaken> {
        let progress = Arc::new(Progress::removing());
        let follower = self.follower(&key, file, &progress);
        let shared = Arc::clone(&self.shared);
        let mut files = self.shared.files();
        // It takes the place of what the file was about to be.
        let before = files.tasks.remove(&key);
        if before.is_none() {
            files.outcomes.retain(|(ended, _)| *ended != key);
            files.check(&key)?;
        }
        let handle = tokio::spawn({
            let (key, progress) = (key.clone(), Arc::clone(&progress));
            async move {
                if let Some(before) = before {
                    before.handle.abort();
                    // That it was stopped, or had just ended, is all the same.
                    let _ = before.handle.await;
                }
                let removed = follower.remove().await;
                let outcome = removed.map_or_else(Outcome::GivenUp, |()| Outcome::Removed);
                shared.end(key, &progress, outcome);
            }
        });
        files.tasks.insert(key, Task { progress, handle });
        Ok(())
    }

    /// What has become of a file, as soon as one has ended; each is told once. Dropping the future
    /// loses none.
    pub async fn ended(&self) -> (Key, Outcome) {
        loop {
            let ended = self.shared.ended.notified();
            if let Some(outcome) = self.shared.files().outcomes.pop_front() {
                return outcome;
            }
            ended.await;
        }
    }

    /// The state of a file that has not ended.
    pub fn status(&self, key: &Key) -> Option<Status> {
        let files = self.shared.files();
        Some(files.tasks.get(key)?.progress.status())
    }

    /// The files that have not ended, in order of their keys.
    pub fn list(&self) -> Vec<(Key, Status)> {
        let files = self.shared.files();
        let states = files.tasks.iter();
        let mut list: Vec<_> = states
            .map(|(key, task)| (key.clone(), task.progress.status()))
            .collect();
        drop(files);
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        list
    }

    /// Sums, for metrics.
    pub fn figures(&self) -> Figures {
        let files = self.shared.files();
        let behind = files
            .tasks
            .values()
            .map(|task| task.progress.behind_bytes());
        self.shared.sums.figures(files.tasks.len(), behind.sum())
    }

    /// Stops everything; nothing is taken any more. What was on its way is sent again by the next
    /// process, what the store has is not.
    pub async fn shut_down(&self) {
        let tasks: Vec<Task> = {
            let mut files = self.shared.files();
            files.is_shut = true;
            files.tasks.drain().map(|(_, task)| task).collect()
        };
        for task in &tasks {
            task.handle.abort();
        }
        for task in tasks {
            // Stopped, or ended just before.
            let _ = task.handle.await;
        }
    }

    fn start(
        &self,
        key: Key,
        file: PathBuf,
        growth: watch::Receiver<Growth>,
    ) -> Result<(), NotTaken> {
        let progress = Arc::<Progress>::default();
        let follower = self.follower(&key, file, &progress);
        let shared = Arc::clone(&self.shared);
        let mut files = self.shared.files();
        files.check(&key)?;
        let handle = tokio::spawn({
            let (key, progress) = (key.clone(), Arc::clone(&progress));
            async move {
                let outcome = match follower.upload(growth).await {
                    Ok(len_bytes) => Outcome::Uploaded { len_bytes },
                    Err(reason) => Outcome::GivenUp(reason),
                };
                shared.end(key, &progress, outcome);
            }
        });
        files.tasks.insert(key, Task { progress, handle });
        Ok(())
    }

    fn follower(&self, key: &Key, file: PathBuf, progress: &Arc<Progress>) -> Follower {
        Follower {
            store: self.shared.store.clone(),
            key: key.clone(),
            file,
            pace: self.shared.pace,
            budget: Arc::clone(&self.shared.budget),
            progress: Arc::clone(progress),
            sums: Arc::clone(&self.shared.sums),
        }
    }
}

impl Shared {
    fn files(&self) -> MutexGuard<'_, Files> {
        // No change of them can stop half-way.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task has ended. Where another has taken its place, or everything was stopped, nobody is
    /// told.
    fn end(&self, key: Key, progress: &Arc<Progress>, outcome: Outcome) {
        let mut files = self.files();
        let is_ours = |task: &Task| Arc::ptr_eq(&task.progress, progress);
        if !files.tasks.get(&key).is_some_and(is_ours) {
            return;
        }
        match &outcome {
            Outcome::Uploaded { len_bytes } => {
                tracing::debug!(%key, len_bytes, "uploaded");
                self.sums.uploaded();
            }
            Outcome::Removed => self.sums.removed(),
            Outcome::GivenUp(reason) => {
                tracing::error!(%key, %reason, "a file is not uploaded");
                self.sums.given_up();
            }
        }
        files.tasks.remove(&key);
        files.outcomes.push_back((key, outcome));
        drop(files);
        self.ended.notify_one();
    }
}

impl Files {
    /// Whether there is room for this one.
    fn check(&self, key: &Key) -> Result<(), NotTaken> {
        if self.is_shut {
            return Err(NotTaken::Ended);
        }
        let is_there =
            self.tasks.contains_key(key) || self.outcomes.iter().any(|(ended, _)| ended == key);
        if is_there {
            return Err(NotTaken::Twice);
        }
        if self.tasks.len() + self.outcomes.len() >= FILES_MAX {
            return Err(NotTaken::Full);
        }
        Ok(())
    }
}
