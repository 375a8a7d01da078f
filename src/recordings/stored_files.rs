//! An asset's files in the data folder, as VOD delivery reads them.
//!
//! Files are opened for each read, so that what is deleted frees its room at once.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use media_core::{RenditionName, SampleRun};
use packager::Disk;
use packager::vod::{Lost, Pending, SMALL_FILE_BYTES_MAX, SmallFile, Store};
use storage::asset::{Asset, Folder};

/// See the module.
#[derive(Debug)]
pub(super) struct StoredFiles {
    folder: Folder,
    asset: Arc<Asset>,
    disk: Disk,
}

impl StoredFiles {
    /// The files of `asset`, which are read on the threads of `disk`.
    pub(super) fn new(folder: Folder, asset: Asset, disk: Disk) -> Self {
        Self {
            folder,
            asset: Arc::new(asset),
            disk,
        }
    }

    /// What `work` gives, on a thread that may wait for the disk.
    fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Lost> + Send + 'static,
    ) -> Pending<Result<T, Lost>> {
        let disk = self.disk.clone();
        Box::pin(async move { disk.run(work).await? })
    }
}

impl Store for StoredFiles {
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>> {
        let path = self.asset.path(rendition);
        self.on_disk(move || Ok(read_range(&open(&path)?, bytes)?))
    }

    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>> {
        let (asset, rendition) = (Arc::clone(&self.asset), rendition.clone());
        self.on_disk(move || Ok(asset.sample_runs(&rendition).map_err(io::Error::other)?))
    }

    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>> {
        let name = small_file_name(file);
        let (folder, asset) = (self.folder.clone(), Arc::clone(&self.asset));
        self.on_disk(move || {
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

/// A title that was deleted while it was watched has no files any more.
fn open(path: &Path) -> Result<File, Lost> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Lost::Missing,
        _ => error.into(),
    })
}

/// These bytes of a file, all of them.
pub(super) fn read_range(file: &File, bytes: Range<u64>) -> io::Result<Bytes> {
    let len_bytes = usize::try_from(bytes.end - bytes.start).map_err(io::Error::other)?;
    let mut piece = vec![0; len_bytes];
    file.read_exact_at(&mut piece, bytes.start)?;
    Ok(piece.into())
}

/// What a small file is called.
pub(super) fn small_file_name(file: SmallFile<'_>) -> String {
    match file {
        SmallFile::Subtitles(name) => format!("{name}.vtt"),
        SmallFile::Thumbnail(name) => name.to_owned(),
    }
}
