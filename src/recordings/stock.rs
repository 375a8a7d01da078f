//! What there is of an asset to play, wherever it is: on this machine, or in the store.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use media_core::{AssetId, RenditionName, StoredRendition};
use packager::vod;
use storage::asset::{self, Folder};
use storage::objects::{self, InvalidName};
use storage::recording::Place;
use tokio::sync::OnceCell;

use super::far_files::{FarFiles, read_names, read_outline};
use super::objects::{Inner, Objects};
use super::stored_files::StoredFiles;

/// Where the files of all assets are.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    folder: Folder,
    /// `None`: there is no store but the folder.
    objects: Option<Objects>,
}

/// An asset that can be played.
#[derive(Clone, Debug)]
pub(super) struct Stock {
    pub(super) renditions: Vec<StoredRendition>,
    pub(super) store: Arc<dyn vod::Store>,
}

/// Why an asset cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Asset(#[from] asset::Error),
    #[error("its files cannot be opened: {0}")]
    Files(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] objects::Error),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("{name} has more than {bytes_max} bytes in the store")]
    TooLong { name: String, bytes_max: usize },
}

impl Error {
    /// Whether it passes by itself, and is nobody's fault here.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Store(objects::Error::Unavailable { .. }))
    }
}

/// The assets that are being read from the store: of many viewers who come at once one does it.
#[derive(Debug, Default)]
pub(super) struct Opening(Mutex<HashMap<AssetId, Weak<Cell>>>);

type Cell = OnceCell<Vec<StoredRendition>>;

impl Opening {
    fn cell(&self, asset: &AssetId) -> Arc<Cell> {
        // No change of it can stop half-way.
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(asset).and_then(Weak::upgrade) {
            return cell;
        }
        cells.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::default();
        cells.insert(asset.clone(), Arc::downgrade(&cell));
        cell
    }
}

impl Media {
    /// Media in `folder`, and in a store where there is one.
    pub(crate) fn new(folder: Folder, objects: Option<Objects>) -> Self {
        Self { folder, objects }
    }

    /// Opens an asset whose media is at `place`.
    pub(super) async fn open(&self, asset: &AssetId, place: Place) -> Result<Stock, Error> {
        match &self.objects {
            Some(objects) => open_anywhere(objects.inner(), asset, place).await,
            None => open_here(self.folder.clone(), asset.clone()).await,
        }
    }
}

impl control_api::Media for Media {
    fn renditions(&self, asset: &AssetId) -> control_api::media::Pending<Vec<RenditionName>> {
        let Some(objects) = &self.objects else {
            return self.folder.renditions(asset);
        };
        let near = self.folder.renditions(asset);
        let (objects, asset) = (Arc::clone(objects.inner()), asset.clone());
        Box::pin(async move {
            let near = near.await;
            if !near.is_empty() {
                return near;
            }
            read_names(&objects, &asset).await.unwrap_or_else(|error| {
                tracing::warn!(%asset, %error, "an asset's renditions are not known now");
                Vec::new()
            })
        })
    }
}

async fn open_here(folder: Folder, asset: AssetId) -> Result<Stock, Error> {
    let opened = tokio::task::spawn_blocking(move || {
        let asset = Arc::new(asset::open(&folder, &asset)?);
        Ok(Stock {
            renditions: asset.renditions().to_vec(),
            store: Arc::new(StoredFiles::open(folder, asset)?),
        })
    });
    opened.await.map_err(io::Error::other)?
}

async fn open_anywhere(
    objects: &Arc<Inner>,
    asset: &AssetId,
    place: Place,
) -> Result<Stock, Error> {
    let id = asset.clone();
    let near = objects.on_disk(move |folder| asset::open(folder, &id));
    let renditions = match near.await {
        Ok(near) => near.renditions().to_vec(),
        Err(error) if place == Place::Local => return Err(error.into()),
        // There is no copy here, or one that is just going.
        Err(_) => {
            let cell = objects.opening.cell(asset);
            let read = || read_outline(objects, asset);
            cell.get_or_try_init(read).await?.clone()
        }
    };
    let files = FarFiles::new(Arc::clone(objects), asset.clone(), &renditions, place);
    Ok(Stock {
        renditions,
        store: Arc::new(files),
    })
}
