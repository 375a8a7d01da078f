//! Encoded media on disk: what a recording, and later a video, plays.
//!
//! An asset is a folder of its own in the data folder, `assets/{id}`:
//! - `{rendition}.mp4`: the initialization segment, and behind it the segments as viewers of the
//!   broadcast were given them;
//! - `{rendition}.index`: what each segment is and where it lies, a record appended a segment;
//! - `manifest`: the renditions; written last of what a new asset begins with.
//!
//! A [`Writer`] appends: media is on the disk before its record is, so that a record is a promise.
//! [`recover`] makes an asset whole whose writer died, by cutting alone. [`open`] reads one that is
//! whole. All renditions of a whole asset have the same number of segments, one at least. The format
//! and the order of writing are in design/0017.
//!
//! Nothing here knows the database, or encodes anything.

mod files;
mod index;
mod manifest;
pub mod outline;
mod reader;
mod record;
mod recovery;
mod reserve;
mod writer;

#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use media_core::{AssetId, RenditionName};
use rand::rand_core::OsError;

pub use reader::{Asset, names, open};
pub use recovery::{Recovered, recover};
pub use reserve::Reserve;
pub(crate) use reserve::Shortage;
pub use writer::{Segment, Stop, Summary, Writer};

use crate::{data_dir, random};

/// The folder in the data folder that assets lie in.
const FOLDER: &str = "assets";

/// The file that names an asset's renditions. No rendition's file can be called so.
pub const MANIFEST: &str = "manifest";

/// Characters of base32 in an asset's id: 70 bits, as in a stream's.
const ID_CHARS: usize = 14;

/// Why an asset cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing in it to play, and never will be.
    #[error("asset {id} is not usable: {why}")]
    Unusable {
        /// The asset.
        id: AssetId,
        /// What it lacks.
        why: Unusable,
    },
    /// Its writer died; [`recover`] makes it whole.
    #[error("asset {0} was not finished")]
    NotWhole(AssetId),
    /// It is being written, or recovered, at this moment.
    #[error("asset {0} is being written by another process or broadcast")]
    Busy(AssetId),
    /// Written by a version of the server that has another format.
    #[error("{} has format {version}, which this version of millrace does not know", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// It has no such rendition.
    #[error("asset {id} has no rendition {rendition}")]
    NoRendition {
        /// The asset.
        id: AssetId,
        /// What was asked for.
        rendition: RenditionName,
    },
    /// The disk does not give it or does not take it.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What an asset lacks that nothing can bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its writer died before it had begun, or its folder is gone.
    #[error("it has no manifest")]
    NoManifest,
    /// The manifest cannot be read.
    #[error("its manifest is damaged")]
    DamagedManifest,
    /// A rendition's files are missing, or do not begin as the manifest says.
    #[error("a rendition's file is missing or does not begin with its initialization segment")]
    DamagedRendition,
    /// Not one segment is whole in all renditions.
    #[error("it has no complete segment")]
    NoSegment,
}

/// A new asset's id.
///
/// # Errors
/// The operating system has no random numbers.
pub fn new_id() -> Result<AssetId, OsError> {
    Ok(AssetId::new(&random::base32::<ID_CHARS>()?).expect("base32 is valid in an id"))
}

/// Where assets lie.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The assets in the data folder `data`; the folder is made where it is missing.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn open(data: &Path) -> Result<Self, data_dir::Error> {
        Ok(Self(data_dir::subfolder(data, FOLDER)?))
    }

    /// The folder of one asset.
    pub fn path(&self, id: &AssetId) -> PathBuf {
        self.0.join(id.as_str())
    }

    /// The assets that have a folder, in no order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn ids(&self) -> Result<Vec<AssetId>, Error> {
        let failed = |source| io_error(&self.0, source);
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            ids.extend(name.to_str().and_then(|name| AssetId::new(name).ok()));
        }
        Ok(ids)
    }

    /// The names and lengths in bytes of an asset's files, in no order: none where it has no folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn files(&self, id: &AssetId) -> Result<Vec<(String, u64)>, Error> {
        let path = self.path(id);
        let list = || -> io::Result<Vec<(String, u64)>> {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?;
                let found = entry.metadata()?;
                if let Some(name) = entry.file_name().to_str().filter(|_| found.is_file()) {
                    files.push((name.to_owned(), found.len()));
                }
            }
            Ok(files)
        };
        match list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(|source| io_error(&path, source)),
        }
    }

    /// Writes a small file beside an asset's media, whole or not at all.
    ///
    /// # Errors
    /// The asset has no folder, or the disk does not take it.
    pub fn write_file(&self, id: &AssetId, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(id).join(name);
        let written = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = data_dir::open(&written, |how| how.create(true).truncate(true))?;
            file.write_all(bytes)?;
            // Before it has its name: a power cut leaves no empty file that is called so.
            file.sync_data()?;
            std::fs::rename(&written, &path)
        };
        write().map_err(|source| io_error(&path, source))
    }

    /// Reads such a file; `None`: there is none, or it is longer than `len_max` bytes.
    ///
    /// # Errors
    /// The disk does not give it.
    pub fn read_file(
        &self,
        id: &AssetId,
        name: &str,
        len_max: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(id).join(name);
        let read = || -> io::Result<Option<Vec<u8>>> {
            let mut bytes = Vec::new();
            File::open(&path)?
                .take(len_max + 1)
                .read_to_end(&mut bytes)?;
            Ok((bytes.len() as u64 <= len_max).then_some(bytes))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map_err(|source| io_error(&path, source)),
        }
    }

    /// Removes an asset's files, but for those whose names end with `suffix`.
    ///
    /// # Errors
    /// One of them is still there.
    pub fn remove_but(&self, id: &AssetId, suffix: &str) -> Result<(), Error> {
        for (name, _) in self.files(id)? {
            let path = self.path(id).join(&name);
            if !name.ends_with(suffix) {
                std::fs::remove_file(&path).map_err(|source| io_error(&path, source))?;
            }
        }
        Ok(())
    }

    /// Removes an asset's files. Who reads them at this moment reads on. One that has none is
    /// removed already.
    ///
    /// # Errors
    /// Some of it is still there.
    pub fn remove(&self, id: &AssetId) -> Result<(), Error> {
        let path = self.path(id);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path, error)),
            _ => Ok(()),
        }
    }
}

/// What the file is called that a rendition's media lies in.
pub fn media_file(rendition: &RenditionName) -> String {
    format!("{rendition}.mp4")
}

/// What the file is called that says where a rendition's segments lie.
pub fn index_file(rendition: &RenditionName) -> String {
    format!("{rendition}.index")
}

fn media_path(folder: &Path, rendition: &RenditionName) -> PathBuf {
    folder.join(media_file(rendition))
}

fn index_path(folder: &Path, rendition: &RenditionName) -> PathBuf {
    folder.join(index_file(rendition))
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}

/// Makes the names in a folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
