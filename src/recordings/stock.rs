//! What there is of an asset to play, wherever it is: on this machine, or in the store.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use media_core::{AssetId, RenditionName, StoredRendition};
use packager::{Disk, vod};
use storage::asset::{self, Folder};
use storage::objects::{self, InvalidName};
use storage::recording::Place;
use tokio::time::timeout;

use super::far_files::{FarFiles, read_names, read_outline};
use super::objects::{Inner, Objects};
use super::stored_files::StoredFiles;

/// How long the API waits for the names of an asset's renditions, which its answers can do without.
const NAMES_WITHIN: Duration = Duration::from_secs(2);

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
    /// Whether there is nothing: it was deleted a moment ago, or is on another machine.
    pub(super) fn is_gone(&self) -> bool {
        let why = asset::Unusable::NoManifest;
        matches!(self, Self::Asset(asset::Error::Unusable { why: it, .. }) if *it == why)
    }

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

    /// The names of an asset's renditions.
    async fn names(&self, asset: &AssetId) -> Result<Vec<RenditionName>, Error> {
        let (folder, id) = (self.folder.clone(), asset.clone());
        let near = self.disk.run(move || asset::names(&folder, &id)).await?;
        match (near, &self.objects) {
            (Err(_), Some(objects)) => read_names(objects.inner(), asset).await,
            (near, _) => Ok(near?),
        }
    }
}

impl control_api::Media for Media {
    fn renditions(&self, asset: &AssetId) -> control_api::media::Pending<Vec<RenditionName>> {
        let (media, asset) = (self.clone(), asset.clone());
        Box::pin(async move {
            let names = timeout(NAMES_WITHIN, media.names(&asset)).await;
            let late = |_| Err(Error::Files(io::ErrorKind::TimedOut.into()));
            names.unwrap_or_else(late).unwrap_or_else(|error| {
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use bytes::Bytes;
    use control_api::Media as _;
    use media_core::{Bitrate, Init, InitKind, MediaTime, SampleRun};
    use packager::disk::THREADS_MAX;
    use storage::asset::{Reserve, Segment, Writer, index_file};

    use super::*;

    fn name() -> RenditionName {
        RenditionName::new("audio").expect("a name")
    }

    /// Writes an asset of a segment.
    fn write(folder: &Folder) -> AssetId {
        let id = AssetId::new("a1").expect("an id");
        let init = Init {
            rendition: name(),
            codec: "mp4a.40.2".into(),
            kind: InitKind::Audio {
                sample_rate: 48_000,
                channels: 2,
            },
            bitrate: Bitrate::from_kbps(128),
            bytes: Bytes::from_static(b"init"),
        };
        let reserve = Reserve {
            bytes: 0,
            percent: 0,
        };
        let writer = Writer::begin(folder, id.clone(), vec![init], reserve, |_| {});
        let writer = writer.expect("a thread");
        let segment = Segment {
            start: MediaTime::ZERO,
            duration: Duration::from_secs(2),
            keyframe_bytes: None,
            pieces: vec![Bytes::from_static(b"media")],
            runs: Vec::<SampleRun>::new(),
        };
        writer.append(&name(), segment);
        writer.finish().expect("the disk is well");
        id
    }

    /// Each request for a video read all its indexes, on a thread of its own that nobody counted: a
    /// disk that hangs took all that there are, and logins with them.
    #[tokio::test]
    async fn the_names_of_renditions_are_the_manifests_and_wait_for_no_disk_that_hangs() {
        let data = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let id = write(&folder);
        let index = folder.path(&id).join(index_file(&name()));
        std::fs::remove_file(index).expect("there");
        let disk = Disk::default();
        let media = Media::new(folder, None, disk.clone());
        assert_eq!(media.renditions(&id).await, [name()]);

        let (mended, stuck) = mpsc::channel::<()>();
        let stuck = Arc::new(std::sync::Mutex::new(stuck));
        let (begun, mut all) = tokio::sync::mpsc::channel(THREADS_MAX);
        for _ in 0..THREADS_MAX {
            let (disk, stuck, begun) = (disk.clone(), Arc::clone(&stuck), begun.clone());
            let hang = move || {
                begun.try_send(()).expect("room");
                // The sender's end lets go of all.
                let _ended = stuck.lock().expect("no panic").recv();
            };
            tokio::spawn(async move { disk.run(hang).await });
        }
        for _ in 0..THREADS_MAX {
            all.recv().await.expect("a thread");
        }
        let began = Instant::now();
        assert_eq!(media.renditions(&id).await, Vec::<RenditionName>::new());
        assert!(began.elapsed() < 3 * NAMES_WITHIN);
        drop(mended);
        assert_eq!(media.renditions(&id).await, [name()]);
    }
}
