//! The files of uploads, while they arrive and until they are encoded: `uploads/{id}` in the data
//! folder.
//!
//! How far an upload has come stands in its row in the database, and only ever says what is on the
//! disk for good: a [`Sink`] writes behind that, and [`Sink::sync`] gives the new end to be noted.
//! What lies behind the noted end was written by somebody who died before it could be noted, and is
//! written over. Of a file that is shorter than noted, what is there counts. One sink at a time has
//! a file; the lock is the operating system's and ends with the process.
//!
//! Nothing here knows the database, or what the bytes mean.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use media_core::UploadId;

use crate::asset::{Reserve, Shortage};
use crate::data_dir;

/// The folder in the data folder that uploads lie in.
const FOLDER: &str = "uploads";

/// Why an upload's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has no file (any more).
    #[error("upload {0} has no file")]
    Missing(UploadId),
    /// Somebody else is writing it.
    #[error("upload {0} is being written by another request")]
    Busy(UploadId),
    /// With these bytes the reserve would be touched.
    #[error("the disk is full: {free_bytes} bytes are free, {reserve_bytes} are to stay so")]
    DiskFull {
        /// What is free for this process.
        free_bytes: u64,
        /// What is to stay free.
        reserve_bytes: u64,
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

/// Where uploads lie, and what they leave free on the disk. All that is asked of it waits for the
/// disk.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    reserve: Reserve,
}

impl Folder {
    /// The uploads in the data folder `data`; the folder is made where it is missing.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn open(data: &Path, reserve: Reserve) -> Result<Self, data_dir::Error> {
        let path = data_dir::subfolder(data, FOLDER)?;
        Ok(Self { path, reserve })
    }

    /// The file of an upload.
    pub fn path(&self, id: &UploadId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// Makes the file of a new upload, empty, where all open uploads together are still to bring
    /// `promised_bytes`, this one included.
    ///
    /// # Errors
    /// It is there already, the disk has no room for all that is promised, or does not take it.
    pub fn create(&self, id: &UploadId, promised_bytes: u64) -> Result<(), Error> {
        let path = self.path(id);
        let create = || -> io::Result<Result<(), Shortage>> {
            let file = data_dir::open(&path, |how| how.create_new(true))?;
            let room = self.reserve.check(&file, promised_bytes)?;
            match room {
                Ok(()) => File::open(&self.path)?.sync_all()?,
                Err(_) => std::fs::remove_file(&path)?,
            }
            Ok(room)
        };
        create()
            .map_err(|source| io_error(&path, source))?
            .map_err(shortage)
    }

    /// How much of an upload is there, where `noted` bytes are said to be.
    ///
    /// # Errors
    /// There is no file, or the disk does not say.
    pub fn offset(&self, id: &UploadId, noted: u64) -> Result<u64, Error> {
        let path = self.path(id);
        let found = std::fs::metadata(&path).map_err(|source| opening(id, &path, source))?;
        Ok(found.len().min(noted))
    }

    /// Takes an upload's file for writing. What is noted of it is to be read after that: who had it
    /// before may have gone on.
    ///
    /// # Errors
    /// There is no file, somebody else has it, or the disk does not give it.
    pub fn lock(&self, id: &UploadId) -> Result<Lock, Error> {
        let path = self.path(id);
        Ok(Lock {
            file: self.locked(id, &path)?,
            path,
            reserve: self.reserve,
        })
    }

    /// Removes an upload's file, unless somebody is writing it. One that has none is removed
    /// already.
    ///
    /// # Errors
    /// Somebody is writing it, or the disk does not do it.
    pub fn remove(&self, id: &UploadId) -> Result<(), Error> {
        let path = self.path(id);
        let _locked = match self.locked(id, &path) {
            Err(Error::Missing(_)) => return Ok(()),
            locked => locked?,
        };
        std::fs::remove_file(&path).map_err(|source| io_error(&path, source))
    }

    /// The uploads that have a file, in no order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn ids(&self) -> Result<Vec<UploadId>, Error> {
        let failed = |source| io_error(&self.path, source);
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            ids.extend(name.to_str().and_then(|name| UploadId::new(name).ok()));
        }
        Ok(ids)
    }

    fn locked(&self, id: &UploadId, path: &Path) -> Result<File, Error> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|source| opening(id, path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Busy(id.clone())),
            Err(TryLockError::Error(source)) => Err(io_error(path, source)),
        }
    }
}

/// The right to write an upload's file, which nobody else has meanwhile.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    reserve: Reserve,
}

impl Lock {
    /// Writes from where `noted` bytes end, or from the end of a file that has fewer.
    ///
    /// # Errors
    /// The disk failed.
    pub fn sink(self, noted: u64) -> Result<Sink, Error> {
        let found = self.file.metadata();
        let found = found.map_err(|source| io_error(&self.path, source))?;
        let begin = found.len().min(noted);
        let sink = Sink {
            file: self.file,
            path: self.path,
            reserve: self.reserve,
            begin,
            end: begin,
        };
        sink.cut(begin)?;
        Ok(sink)
    }
}

/// An upload's file while a piece of it arrives; nobody else can write it. What was not synced when
/// it is dropped may be lost.
#[derive(Debug)]
pub struct Sink {
    file: File,
    path: PathBuf,
    reserve: Reserve,
    /// Where the piece begins.
    begin: u64,
    end: u64,
}

impl Sink {
    /// Where the next bytes go.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// The disk is full, or does not take them; then none of them counts. Nothing fits everywhere: what
    /// was written before can still be synced.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let room = self.reserve.check(&self.file, bytes.len() as u64);
        room.map_err(|source| io_error(&self.path, source))?
            .map_err(shortage)?;
        let written = self.file.write_all_at(bytes, self.end);
        written.map_err(|source| io_error(&self.path, source))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes durable what was written; gives the end, which can be noted now.
    ///
    /// # Errors
    /// The disk failed: what was written since the last time counts no more.
    pub fn sync(&mut self) -> Result<u64, Error> {
        let synced = self.file.sync_data();
        synced.map_err(|source| io_error(&self.path, source))?;
        Ok(self.end)
    }

    /// Forgets the piece: the file ends where it began.
    ///
    /// # Errors
    /// The disk failed.
    pub fn undo(&mut self) -> Result<(), Error> {
        self.cut(self.begin)?;
        self.end = self.begin;
        Ok(())
    }

    /// The file's first bytes, up to `len_max` and to what was written so far.
    ///
    /// # Errors
    /// The disk does not give them.
    pub fn head(&self, len_max: usize) -> Result<Vec<u8>, Error> {
        let len = usize::try_from(self.end).map_or(len_max, |end| end.min(len_max));
        let mut head = vec![0; len];
        let read = self.file.read_exact_at(&mut head, 0);
        read.map_err(|source| io_error(&self.path, source))?;
        Ok(head)
    }

    fn cut(&self, end: u64) -> Result<(), Error> {
        let cut = self.file.set_len(end);
        cut.map_err(|source| io_error(&self.path, source))
    }
}

fn opening(id: &UploadId, path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::Missing(id.clone()),
        _ => io_error(path, source),
    }
}

fn shortage(shortage: Shortage) -> Error {
    Error::DiskFull {
        free_bytes: shortage.free_bytes,
        reserve_bytes: shortage.reserve_bytes,
    }
}

fn io_error(path: &Path, source: io::Error) -> Error {
    // A disk without a reserve, or another program that was faster.
    if source.kind() == io::ErrorKind::StorageFull {
        return Error::DiskFull {
            free_bytes: 0,
            reserve_bytes: 0,
        };
    }
    Error::Io {
        path: path.to_owned(),
        source,
    }
}
