//! Brings finished assets to the store: which ones is what the database says, so that nothing is
//! forgotten when the process is stopped; how far they are is what [`Uploads`] says.
//!
//! An asset's media is in the store when each of its files is; only then the database is told, and
//! only then the local files may go.
//!
//! [`Uploads`]: storage::objects::Uploads

use std::collections::HashMap;
use std::time::{Duration, Instant};

use media_core::AssetId;
use storage::objects::{GivenUp, JOURNAL_SUFFIX, Key, NotTaken, Outcome};
use storage::recording::Place;
use storage::{asset, recordings};

use super::objects::Inner;
use super::removing::Removing;

/// How often it is looked what is to be done, where nobody says that there is something.
const EVERY: Duration = Duration::from_secs(60);

/// How long an asset is left alone of which a file could not be read.
const STUCK_FOR: Duration = Duration::from_secs(3600);

/// What a small file is called while it is written.
const UNFINISHED_SUFFIX: &str = ".new";

/// Why it is tried again later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Database(#[from] recordings::Error),
    #[error(transparent)]
    Disk(#[from] asset::Error),
    #[error(transparent)]
    Store(#[from] storage::objects::Error),
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

/// Files of an asset: their names and lengths in bytes.
type Files = HashMap<String, u64>;

/// Does it again and again; ends with the process.
pub(super) async fn repeat(objects: &Inner) {
    let mut uploading = Uploading {
        objects,
        under_way: HashMap::new(),
        stuck: HashMap::new(),
        removing: Removing::default(),
    };
    let mut copies_are_known = false;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            (key, outcome) = objects.uploads.ended() => uploading.ended(&key, outcome).await,
            () = objects.changed.notified() => uploading.look().await,
            _ = ticks.tick() => {
                if !copies_are_known {
                    let listed = uploading.find_copies().await;
                    copies_are_known = uploading.is_done("listing local copies", listed);
                }
                uploading.look().await;
            }
        }
    }
}

struct Uploading<'a> {
    objects: &'a Inner,
    under_way: HashMap<AssetId, UnderWay>,
    stuck: HashMap<AssetId, Instant>,
    removing: Removing,
}

/// An asset whose files were all handed over.
#[derive(Debug)]
struct UnderWay {
    files: Files,
    /// The names of those that have not ended.
    left: Vec<String>,
}

impl Uploading<'_> {
    /// What the database says is to be done.
    async fn look(&mut self) {
        let removed = self.removing.look(self.objects).await;
        self.is_done("removing media from the store", removed);
        let added = self.add_all().await;
        self.is_done("bringing media to the store", added);
    }

    fn is_done(&self, what: &str, done: Result<(), Error>) -> bool {
        match done {
            Ok(()) => true,
            Err(Error::NotTaken(NotTaken::Ended)) => false,
            Err(error) => {
                tracing::warn!(%error, "{what} is tried again");
                false
            }
        }
    }

    /// Hands over the files of all assets that are on this machine alone.
    async fn add_all(&mut self) -> Result<(), Error> {
        self.stuck.retain(|_, since| since.elapsed() < STUCK_FOR);
        let mut after: Option<AssetId> = None;
        loop {
            let recordings = &self.objects.recordings;
            let page = recordings.assets_at(Place::Local, after.as_ref()).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for asset in page {
                if !self.under_way.contains_key(&asset) && !self.stuck.contains_key(&asset) {
                    self.add(asset).await?;
                }
            }
        }
    }

    /// Hands over an asset's files. Where its folder is another machine's there are none.
    async fn add(&mut self, asset: AssetId) -> Result<(), Error> {
        let files = self.files(&asset).await?;
        if files.is_empty() {
            return Ok(());
        }
        for (name, len_bytes) in &files {
            self.add_file(&asset, name, *len_bytes)?;
        }
        let left = files.keys().cloned().collect();
        self.under_way.insert(asset, UnderWay { files, left });
        Ok(())
    }

    fn add_file(&self, asset: &AssetId, name: &str, len_bytes: u64) -> Result<(), NotTaken> {
        let Some(key) = Inner::key(asset, name) else {
            return Ok(());
        };
        let file = self.objects.folder.path(asset).join(name);
        match self.objects.uploads.add(key, file, len_bytes) {
            // It was followed while it was written.
            Ok(()) | Err(NotTaken::Twice) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The files of an asset that belong into the store.
    async fn files(&self, asset: &AssetId) -> Result<Files, Error> {
        let id = asset.clone();
        let files = self
            .objects
            .on_disk(move |folder| folder.files(&id))
            .await?;
        let belongs = |name: &str| {
            !name.ends_with(JOURNAL_SUFFIX)
                && !name.ends_with(UNFINISHED_SUFFIX)
                && Inner::key(asset, name).is_some()
        };
        Ok(files
            .into_iter()
            .filter(|(name, _)| belongs(name))
            .collect())
    }

    async fn ended(&mut self, key: &Key, outcome: Outcome) {
        match outcome {
            Outcome::Uploaded { .. } => self.uploaded(key).await,
            Outcome::Removed => {
                let removed = self.removing.ended(self.objects, key, true).await;
                self.is_done("removing media from the store", removed);
            }
            Outcome::GivenUp(reason) => {
                let ended = self.removing.ended(self.objects, key, false).await;
                self.is_done("removing media from the store", ended);
                // Of a file that was deleted under our hands nothing is wanted.
                if self.under_way.remove(key.asset()).is_some()
                    && !matches!(reason, GivenUp::Unfinished { .. })
                {
                    self.stuck.insert(key.asset().clone(), Instant::now());
                }
            }
        }
    }

    async fn uploaded(&mut self, key: &Key) {
        let asset = key.asset();
        let Some(under_way) = self.under_way.get_mut(asset) else {
            return;
        };
        under_way.left.retain(|name| name != key.name());
        if !under_way.left.is_empty() {
            return;
        }
        let Some(UnderWay { files, .. }) = self.under_way.remove(asset) else {
            return;
        };
        let arrived = self.arrived(asset, files).await;
        self.is_done("noting that media is in the store", arrived);
    }

    /// All files of an asset are in the store.
    async fn arrived(&mut self, asset: &AssetId, uploaded: Files) -> Result<(), Error> {
        // One that was written meanwhile has to go there too.
        if self.files(asset).await? != uploaded {
            return self.add(asset.clone()).await;
        }
        let bytes = uploaded.values().sum();
        let recordings = &self.objects.recordings;
        recordings.moved(asset, Place::Objects).await?;
        tracing::info!(%asset, bytes, store = %self.objects.store, "media is in the store");
        self.keep(asset, bytes).await
    }

    /// Keeps an asset's local files, where there is room for them.
    async fn keep(&self, asset: &AssetId, bytes: u64) -> Result<(), Error> {
        for going in self.objects.copies.add(asset, bytes, Instant::now()) {
            tracing::debug!(asset = %going, "the local copy goes");
            self.objects
                .on_disk(move |folder| folder.remove(&going))
                .await?;
        }
        Ok(())
    }

    /// The copies that an earlier process kept. Which of them was played last is not known.
    async fn find_copies(&self) -> Result<(), Error> {
        let mut after: Option<AssetId> = None;
        loop {
            let recordings = &self.objects.recordings;
            let page = recordings.assets_at(Place::Objects, after.as_ref()).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for asset in page {
                let files = self.files(&asset).await?;
                if !files.is_empty() {
                    self.keep(&asset, files.values().sum()).await?;
                }
            }
        }
    }
}
