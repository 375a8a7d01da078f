//! The object store that assets go to when they are written, where one is configured: what is
//! played from it, and what is on its way there.
//!
//! The data folder stays the place where assets are written; a copy may stay there afterwards.

use std::io;
use std::sync::Arc;

use media_core::AssetId;
use packager::Disk;
use storage::asset::Folder;
use storage::objects::{InvalidPlayback, Key, OpenError, Pace, Playback, Store, Uploads};
use storage::{Recordings, objects};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::copies::Copies;
use super::uploading;

/// Most reads of the store for viewers at a time: with pieces of 256 KiB no more than 16 MiB are on
/// their way.
const READS_MAX: usize = 64;

/// Which store, and how it is used.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// A folder, or `s3://…`.
    pub(crate) url: String,
    pub(crate) playback: Playback,
    /// Bytes of assets in the store that may stay in the data folder too.
    pub(crate) keep_local_bytes: u64,
}

/// Why the configured store cannot be used. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Playback(#[from] InvalidPlayback),
}

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) playback: Playback,
    pub(super) uploads: Uploads,
    pub(super) folder: Folder,
    pub(super) recordings: Recordings,
    pub(super) copies: Copies,
    /// Threads that wait for this machine's disk for viewers.
    pub(super) disk: Disk,
    /// The places of those who read the store for viewers.
    far_places: Semaphore,
    /// There is something to upload or to remove.
    pub(super) changed: Notify,
}

impl Objects {
    /// Opens the store of assets that are written in `folder`, and read there on the threads of
    /// `disk`; `None` where that is the same place.
    ///
    /// # Errors
    /// The store cannot be opened, or not be played as it is wanted. Whether it answers is not asked.
    pub(crate) fn open(
        choice: &Choice,
        folder: Folder,
        recordings: Recordings,
        disk: Disk,
    ) -> Result<Option<Self>, Error> {
        let store = Store::open(&choice.url, &objects::Options::from_env())?;
        choice.playback.check(&store)?;
        if is_same_place(&store, &folder) {
            return Ok(None);
        }
        let inner = Inner {
            uploads: Uploads::new(store.clone(), Pace::default()),
            store,
            playback: choice.playback.clone(),
            folder,
            recordings,
            copies: Copies::new(choice.keep_local_bytes),
            disk,
            far_places: Semaphore::new(READS_MAX),
            changed: Notify::new(),
        };
        Ok(Some(Self {
            inner: Arc::new(inner),
        }))
    }

    /// Says in the log whether the store answers: nothing waits for it.
    pub(crate) async fn probe(&self) {
        let store = &self.inner.store;
        match self.inner.store.probe().await {
            Ok(()) => tracing::info!(%store, "media goes to the store"),
            Err(error) => {
                tracing::warn!(%store, %error, "the store does not answer: media stays on this machine until it does")
            }
        }
    }

    /// What is on its way.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// Looks soon for assets that are to be uploaded or removed: the database has them.
    pub(crate) fn look(&self) {
        self.inner.changed.notify_one();
    }

    /// Brings finished assets to the store and removes deleted ones from it, again and again; ends
    /// with the process.
    pub(crate) async fn keep_in_order(self) {
        uploading::repeat(&self.inner).await;
    }

    /// Stops what is on its way; the next process goes on with it.
    pub(crate) async fn shut_down(&self) {
        self.inner.uploads.shut_down().await;
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Inner {
    /// The key of a file of `asset`; `None`: it is no file that can be in the store.
    pub(super) fn key(asset: &AssetId, name: &str) -> Option<Key> {
        Key::new(asset, name).ok()
    }

    /// A place to read the store for a viewer, from when there is one.
    pub(super) async fn far_place(&self) -> io::Result<SemaphorePermit<'_>> {
        self.far_places.acquire().await.map_err(io::Error::other)
    }

    /// What `work` gives, on a thread that may wait for the disk, or work for a while.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> T + Send + 'static,
    ) -> T {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || work(&folder))
            .await
            .expect("work on assets does not panic")
    }
}

/// Whether assets that are written in `folder` lie where the store keeps them.
fn is_same_place(store: &Store, folder: &Folder) -> bool {
    let any = AssetId::new("any").expect("an id");
    let key = Key::new(&any, storage::asset::MANIFEST).expect("a name");
    let kept = store.local_path(&key);
    let kept = kept.as_deref().and_then(|file| file.parent()?.parent());
    let written = folder
        .path(&any)
        .parent()
        .and_then(|it| it.canonicalize().ok());
    kept.is_some_and(|kept| Some(kept) == written.as_deref())
}

#[cfg(test)]
mod tests;
