//! An asset's files as VOD delivery reads them where there is a store: from this machine as long as
//! they are here, else from the store.
//!
//! Files are opened for each read, so that a copy that has to go frees its room at once. Who reads
//! the store has places of their own: one that hangs takes none from those who read this machine.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::TryStreamExt;
use media_core::{AssetId, RenditionName, SampleRun, StoredRendition};
use packager::vod::{Lost, Pending, SMALL_FILE_BYTES_MAX, SmallFile, Store};
use storage::asset::{MANIFEST, index_file, media_file, outline};
use storage::objects::{self, Key, Route};
use storage::recording::Place;

use super::objects::Inner;
use super::stock::Error;
use super::stored_files::{read_range, small_file_name};

/// The longest index that is read into memory: some six days of a rendition.
const INDEX_BYTES_MAX: usize = 64 << 20;

/// The longest manifest: a dozen initialization segments have some ten kilobytes.
const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct FarFiles {
    files: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    objects: Arc<Inner>,
    asset: AssetId,
    /// How many segments each rendition has.
    segments: HashMap<RenditionName, usize>,
    /// Whether the store has them.
    are_stored: bool,
}

impl FarFiles {
    /// The files of an asset of these renditions, whose media is at `place`.
    pub(super) fn new(
        objects: Arc<Inner>,
        asset: AssetId,
        renditions: &[StoredRendition],
        place: Place,
    ) -> Self {
        let count = |it: &StoredRendition| (it.init.rendition.clone(), it.segments.len());
        let files = Files {
            objects,
            asset,
            segments: renditions.iter().map(count).collect(),
            are_stored: place == Place::Objects,
        };
        Self {
            files: Arc::new(files),
        }
    }

    /// What `read` gives of the files.
    fn reading<T, F>(&self, read: impl FnOnce(Arc<Files>) -> F) -> Pending<Result<T, Lost>>
    where
        F: Future<Output = Result<T, Lost>> + Send + 'static,
    {
        Box::pin(read(Arc::clone(&self.files)))
    }
}

impl Store for FarFiles {
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>> {
        let rendition = rendition.clone();
        self.reading(|files| async move { files.read(&rendition, bytes).await })
    }

    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>> {
        let rendition = rendition.clone();
        self.reading(|files| async move { files.samples(&rendition).await })
    }

    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>> {
        let name = small_file_name(file);
        self.reading(|files| async move { files.whole(&name, SMALL_FILE_BYTES_MAX).await })
    }

    fn elsewhere(&self, rendition: &RenditionName) -> Pending<Result<Option<String>, Lost>> {
        let rendition = rendition.clone();
        self.reading(|files| async move { files.elsewhere(&rendition).await })
    }
}

impl Files {
    async fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Result<Bytes, Lost> {
        let name = media_file(rendition);
        let wanted = bytes.clone();
        let near = self.near(&name, move |file| read_range(file, wanted));
        if let Some(piece) = near.await? {
            return Ok(piece);
        }
        let key = Inner::key(&self.asset, &name).ok_or(Lost::Missing)?;
        let _place = self.objects.far_place().await?;
        self.objects.store.read(&key, bytes).await.map_err(lost)
    }

    async fn samples(&self, rendition: &RenditionName) -> Result<Vec<Vec<SampleRun>>, Lost> {
        let segments = *self.segments.get(rendition).ok_or(Lost::Missing)?;
        let index = self.whole(&index_file(rendition), INDEX_BYTES_MAX).await?;
        let (asset, rendition) = (self.asset.clone(), rendition.clone());
        let read = move |_: &_| outline::sample_runs(&asset, &rendition, segments, &index);
        Ok(self.objects.on_disk(read).await.map_err(io::Error::other)?)
    }

    async fn elsewhere(&self, rendition: &RenditionName) -> Result<Option<String>, Lost> {
        if !self.are_stored {
            return Ok(None);
        }
        let key = Inner::key(&self.asset, &media_file(rendition)).ok_or(Lost::Missing)?;
        let Inner {
            store, playback, ..
        } = &*self.objects;
        match playback.route(store, &key).await.map_err(lost)? {
            Route::Proxy => Ok(None),
            Route::Redirect(url) => Ok(Some(url)),
        }
    }

    /// All of a file, which has at most so many bytes.
    async fn whole(&self, name: &str, bytes_max: usize) -> Result<Bytes, Lost> {
        let near = self.near(name, move |file| {
            let len_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            if len_bytes > bytes_max {
                return Err(ErrorKind::FileTooLarge.into());
            }
            let mut bytes = vec![0; len_bytes];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(Bytes::from(bytes))
        });
        if let Some(bytes) = near.await? {
            return Ok(bytes);
        }
        let far = read_whole(&self.objects, &self.asset, name, bytes_max);
        far.await.map_err(|error| match error {
            Error::Store(error) => lost(error),
            error => Lost::Unavailable(io::Error::other(error)),
        })
    }

    /// What `read` makes of a file on this machine; `None`: the store is to be asked.
    async fn near<T: Send + 'static>(
        &self,
        name: &str,
        read: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, Lost> {
        let path = self.objects.folder.path(&self.asset).join(name);
        let found = self.objects.disk.run(move || read(&File::open(path)?));
        match found.await? {
            Ok(found) => {
                self.objects.copies.played(&self.asset, Instant::now());
                Ok(Some(found))
            }
            // It may have got into the store, and gone from here, since the title was opened.
            Err(error) if self.are_stored || error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The names of an asset's renditions, as the store has them.
pub(super) async fn read_names(
    objects: &Inner,
    asset: &AssetId,
) -> Result<Vec<RenditionName>, Error> {
    let manifest = read_whole(objects, asset, MANIFEST, MANIFEST_BYTES_MAX).await?;
    let inits = outline::inits(asset, &manifest)?;
    Ok(inits.into_iter().map(|init| init.rendition).collect())
}

/// An asset's renditions, as the store has them.
pub(super) async fn read_outline(
    objects: &Inner,
    asset: &AssetId,
) -> Result<Vec<StoredRendition>, Error> {
    let manifest = read_whole(objects, asset, MANIFEST, MANIFEST_BYTES_MAX).await?;
    let mut indexes = Vec::new();
    for init in outline::inits(asset, &manifest)? {
        let name = index_file(&init.rendition);
        let index = read_whole(objects, asset, &name, INDEX_BYTES_MAX).await?;
        indexes.push((init, index));
    }
    let id = asset.clone();
    let read = move |_: &_| outline::renditions(&id, indexes);
    Ok(objects.on_disk(read).await?)
}

/// All of a file in the store, which has at most so many bytes.
async fn read_whole(
    objects: &Inner,
    asset: &AssetId,
    name: &str,
    bytes_max: usize,
) -> Result<Bytes, Error> {
    let key = Key::new(asset, name)?;
    let _place = objects.far_place().await?;
    let mut pieces = objects.store.stream(&key, None).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        if bytes.len() + piece.len() > bytes_max {
            let name = key.name().to_owned();
            return Err(Error::TooLong { name, bytes_max });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

fn lost(error: objects::Error) -> Lost {
    match error {
        objects::Error::NotFound { .. } => Lost::Missing,
        error => Lost::Unavailable(io::Error::other(error)),
    }
}
