//! An asset's files in the data folder, as VOD delivery reads them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use media_core::{RenditionName, SampleRun};
use packager::vod::{Lost, Pending, SMALL_FILE_BYTES_MAX, SmallFile, Store};
use storage::asset::{Asset, Folder};

/// See the module.
#[derive(Debug)]
pub(super) struct StoredFiles {
    folder: Folder,
    asset: Arc<Asset>,
    media: HashMap<RenditionName, Arc<File>>,
}

impl StoredFiles {
    /// Opens the files of `asset`. Waits for the disk.
    pub(super) fn open(folder: Folder, asset: Arc<Asset>) -> io::Result<Self> {
        let names = asset.renditions().iter().map(|it| &it.init.rendition);
        let open = |name: &RenditionName| Ok((name.clone(), Arc::new(asset.file(name)?)));
        let media = names.map(open).collect::<io::Result<_>>()?;
        Ok(Self {
            folder,
            asset,
            media,
        })
    }
}

impl Store for StoredFiles {
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>> {
        let file = self.media.get(rendition).cloned();
        on_disk(move || {
            let file = file.ok_or(Lost::Missing)?;
            let len_bytes = usize::try_from(bytes.end - bytes.start).map_err(io::Error::other)?;
            let mut piece = vec![0; len_bytes];
            file.read_exact_at(&mut piece, bytes.start)?;
            Ok(piece.into())
        })
    }

    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>> {
        let (asset, rendition) = (Arc::clone(&self.asset), rendition.clone());
        on_disk(move || Ok(asset.sample_runs(&rendition).map_err(io::Error::other)?))
    }

    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>> {
        let name = small_file_name(file);
        let (folder, asset) = (self.folder.clone(), Arc::clone(&self.asset));
        on_disk(move || {
            let len_max = SMALL_FILE_BYTES_MAX as u64;
            let read = folder.read_file(asset.id(), &name, len_max);
            let bytes = read.map_err(io::Error::other)?.ok_or(Lost::Missing)?;
            Ok(bytes.into())
        })
    }

    fn elsewhere(&self, _rendition: &RenditionName) -> Pending<Result<Option<String>, Lost>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// What a small file is called.
pub(super) fn small_file_name(file: SmallFile<'_>) -> String {
    match file {
        SmallFile::Subtitles(name) => format!("{name}.vtt"),
        SmallFile::Thumbnail(name) => name.to_owned(),
    }
}

/// What `work` gives, on a thread that may wait for the disk.
fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Lost> + Send + 'static,
) -> Pending<Result<T, Lost>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(io::Error::other)?
    })
}
