//! What there is of an asset to play, wherever it is: on this machine, or in the store.

use std::io;
use std::sync::Arc;

use media_core::{AssetId, RenditionName, StoredRendition};
use packager::{Disk, vod};
use storage::asset::{self, Folder};
use storage::objects::{self, InvalidName};
use storage::recording::Place;

use super::far_files::{FarFiles, read_names, read_outline};
use super::objects::{Inner, Objects};
use super::stored_files::StoredFiles;

/// Where the files of all assets are.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    folder: Folder,
    /// `None`: there is no store but the folder.
    objects: Option<Objects>,
    disk: Disk,
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

    /// Whether what is stored contradicts itself: it is the same however often it is read.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Asset(error) => !matches!(
                error,
                asset::Error::Io { .. } | asset::Error::Busy(_) | asset::Error::NotWhole(_)
            ),
            Self::Name(_) | Self::TooLong { .. } => true,
            Self::Files(_) | Self::Store(_) => false,
        }
    }
}

impl Media {
    /// Media in `folder`, read on the threads of `disk`, and in a store where there is one.
    pub(crate) fn new(folder: Folder, objects: Option<Objects>, disk: Disk) -> Self {
        Self {
            folder,
            objects,
            disk,
        }
    }

    /// Opens an asset whose media is at `place`.
    pub(super) async fn open(&self, asset: &AssetId, place: Place) -> Result<Stock, Error> {
        match &self.objects {
            Some(objects) => open_anywhere(objects.inner(), asset, place).await,
            None => open_here(self.folder.clone(), asset.clone(), &self.disk).await,
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

async fn open_here(folder: Folder, asset: AssetId, disk: &Disk) -> Result<Stock, Error> {
    let opening = folder.clone();
    let opened = disk.run(move || asset::open(&opening, &asset)).await??;
    Ok(Stock {
        renditions: opened.renditions().to_vec(),
        store: Arc::new(StoredFiles::new(folder, opened, disk.clone())),
    })
}

async fn open_anywhere(
    objects: &Arc<Inner>,
    asset: &AssetId,
    place: Place,
) -> Result<Stock, Error> {
    let (folder, id) = (objects.folder.clone(), asset.clone());
    let near = objects.disk.run(move || asset::open(&folder, &id));
    let renditions = match near.await? {
        Ok(near) => near.renditions().to_vec(),
        Err(error) if place == Place::Local => return Err(error.into()),
        // There is no copy here, or one that is just going.
        Err(_) => read_outline(objects, asset).await?,
    };
    let files = FarFiles::new(Arc::clone(objects), asset.clone(), &renditions, place);
    Ok(Stock {
        renditions,
        store: Arc::new(files),
    })
}
