//! What viewers of a running broadcast rewind to: its older media on disk.
//!
//! A [`Reel`] a rendition, written by one thread a broadcast ([`Spool`]). The files have no name:
//! their space is free again when the broadcast is forgotten, also after a crash. This is no
//! recording, and nothing outlives the process.

mod reel;
mod spool;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub use spool::Spool;

use crate::data_dir;
pub use crate::extent::Extent;

/// The folder in the data folder that the files lie in.
const FOLDER: &str = "dvr";

/// Where spools make their files.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder for spools in the data folder `data`; made where it is missing.
    ///
    /// # Errors
    /// It cannot be created, or files cannot be made in it.
    pub fn open(data: &Path) -> Result<Self, data_dir::Error> {
        let folder = Self(data_dir::subfolder(data, FOLDER)?);
        folder.file().map_err(|source| data_dir::Error::Write {
            path: folder.0.clone(),
            source,
        })?;
        Ok(folder)
    }

    /// A new file without a name.
    fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.0)
    }
}
