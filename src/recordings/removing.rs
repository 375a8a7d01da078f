//! Takes the files of deleted assets out of the store and off the disk: first those in the store,
//! since the journals beside the local ones name uploads that were not finished; the row last, which
//! leads to both.

use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt;
use media_core::AssetId;
use storage::objects::{JOURNAL_SUFFIX, Key};
use storage::retention;

use super::objects::Inner;
use super::uploading::Error;

/// Assets whose removal begins at one look: the store is asked for each, and uploads wait meanwhile.
const BEGUN_MAX: usize = 500;

/// The assets that are being removed.
#[derive(Debug, Default)]
pub(super) struct Removing(HashMap<AssetId, Left>);

/// What is left to do of an asset.
#[derive(Debug)]
struct Left {
    /// The names of its files that have not ended.
    files: BTreeSet<String>,
    /// Whether these are all. Where the store did not say what it has, or did not remove one, it is
    /// looked again after them.
    are_all: bool,
}

impl Removing {
    /// Begins with what the database says is deleted.
    pub(super) async fn look(&mut self, objects: &Inner) -> Result<(), Error> {
        let mut answer = Ok(());
        let gone = retention::to_remove(&objects.recordings, &objects.folder).await?;
        let others = gone.into_iter().map(|(asset, _)| asset);
        let others = others.filter(|asset| !self.0.contains_key(asset));
        for asset in others.take(BEGUN_MAX).collect::<Vec<_>>() {
            // Not every asset waits for a store that is away.
            let stored = match answer.is_ok() {
                true => listed(objects, &asset).await,
                false => Ok(None),
            };
            let stored = stored.unwrap_or_else(|error| {
                answer = Err(error);
                None
            });
            self.begin(objects, &asset, stored).await?;
        }
        Ok(answer?)
    }

    /// A file has ended, which was perhaps being removed.
    pub(super) async fn ended(
        &mut self,
        objects: &Inner,
        key: &Key,
        is_removed: bool,
    ) -> Result<(), Error> {
        let Some(left) = self.0.get_mut(key.asset()) else {
            return Ok(());
        };
        left.are_all &= is_removed;
        if left.files.remove(key.name()) && left.files.is_empty() {
            let are_all = left.are_all;
            self.0.remove(key.asset());
            if are_all {
                return forget(objects, key.asset()).await;
            }
        }
        Ok(())
    }

    /// Removes what there is here and what is `stored`, where the store says it.
    async fn begin(
        &mut self,
        objects: &Inner,
        asset: &AssetId,
        stored: Option<Vec<Key>>,
    ) -> Result<(), Error> {
        let are_all = stored.is_some();
        let mut keys: BTreeSet<Key> = local(objects, asset).await?;
        keys.extend(stored.into_iter().flatten());
        if keys.is_empty() {
            return match are_all {
                true => forget(objects, asset).await,
                false => Ok(()),
            };
        }
        let files = keys.iter().map(|key| key.name().to_owned()).collect();
        for key in keys {
            let file = objects.folder.path(asset).join(key.name());
            objects.uploads.remove(key, file)?;
        }
        self.0.insert(asset.clone(), Left { files, are_all });
        // The disk is free at once, however long the store is away.
        let id = asset.clone();
        let cleared = objects.on_disk(move |folder| folder.remove_but(&id, JOURNAL_SUFFIX));
        Ok(cleared.await?)
    }
}

/// What there may be in the store of an asset, by what is on this machine.
async fn local(objects: &Inner, asset: &AssetId) -> Result<BTreeSet<Key>, Error> {
    let id = asset.clone();
    let files = objects.on_disk(move |folder| folder.files(&id)).await?;
    let keys = files.iter().filter_map(|(name, _)| {
        let name = name.strip_suffix(JOURNAL_SUFFIX).unwrap_or(name);
        Inner::key(asset, name)
    });
    Ok(keys.collect())
}

/// What the store says that it has of an asset.
async fn listed(
    objects: &Inner,
    asset: &AssetId,
) -> Result<Option<Vec<Key>>, storage::objects::Error> {
    let stored = objects.store.list(Some(asset));
    let keys = stored.map_ok(|entry| entry.key).try_collect();
    keys.await.map(Some)
}

/// The rest: its folder, and then its row.
async fn forget(objects: &Inner, asset: &AssetId) -> Result<(), Error> {
    let id = asset.clone();
    objects.on_disk(move |folder| folder.remove(&id)).await?;
    objects.copies.forget(asset);
    objects.recordings.forget(asset).await?;
    tracing::debug!(%asset, "deleted media is gone from the store");
    Ok(())
}
