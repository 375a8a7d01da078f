//! Writes a backup.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::{ASSETS, DATABASE, END, Error, FORMAT, HEAD, Head, SECRETS, Sum};

/// A backup that is being written. It has no name before [`Writer::finish`]; a file of that name is
/// never replaced.
pub(crate) struct Writer {
    path: PathBuf,
    folder: PathBuf,
    tar: tar::Builder<NamedTempFile>,
    now: SystemTime,
    sum: Sum,
}

impl Writer {
    /// Begins the backup that will be `path`, readable for its owner alone.
    pub(crate) fn create(path: &Path, media: bool, now: SystemTime) -> Result<Self, Error> {
        let write = |source| Error::Write {
            path: path.to_owned(),
            source,
        };
        if path.exists() {
            return Err(write(io::ErrorKind::AlreadyExists.into()));
        }
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_owned();
        let file = NamedTempFile::new_in(&folder).map_err(write)?;
        let mut writer = Self {
            path: path.to_owned(),
            folder,
            tar: tar::Builder::new(file),
            now,
            sum: Sum::default(),
        };
        let head = Head {
            format: FORMAT.to_owned(),
            written_at: humantime::format_rfc3339_seconds(now).to_string(),
            millrace: env!("CARGO_PKG_VERSION").to_owned(),
            media,
        };
        let head = serde_json::to_vec(&head).expect("texts are JSON");
        writer.add(HEAD, head.len() as u64, head.as_slice())?;
        Ok(writer)
    }

    /// A file without a name beside the backup, for what has to be counted before it is added.
    pub(crate) fn spool(&self) -> Result<File, Error> {
        tempfile::tempfile_in(&self.folder).map_err(|source| self.failed(source))
    }

    /// Adds what [`storage::Database::dump`] wrote to `spool`.
    pub(crate) fn database(&mut self, mut spool: File) -> Result<(), Error> {
        let length = spool.stream_position();
        let rewound = length.and_then(|length| spool.rewind().map(|()| length));
        let length = rewound.map_err(|source| self.failed(source))?;
        self.add(DATABASE, length, spool)
    }

    /// Adds a secret by its file's name.
    pub(crate) fn secret(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        self.add(&format!("{SECRETS}{name}"), content.len() as u64, content)
    }

    /// Adds all files of a data folder's `assets/` and returns how many. What grows meanwhile is
    /// taken as it was when it was opened; what goes away is left out.
    pub(crate) fn media(&mut self, data: &Path) -> Result<u64, Error> {
        let before = self.sum.entries;
        let mut folders = vec![PathBuf::from(ASSETS)];
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(data.join(&folder)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(|source| unreadable(&data.join(&folder), source))?,
            };
            for entry in entries {
                let entry = entry.map_err(|source| unreadable(&data.join(&folder), source))?;
                let name = folder.join(entry.file_name());
                let kind = entry.file_type();
                let kind = kind.map_err(|source| unreadable(&entry.path(), source))?;
                if kind.is_dir() {
                    folders.push(name);
                } else if kind.is_file() {
                    self.file(&name, &entry.path())?;
                }
            }
        }
        Ok(self.sum.entries - before)
    }

    /// Ends the backup and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let end = serde_json::to_vec(&self.sum).expect("numbers are JSON");
        self.add(END, end.len() as u64, end.as_slice())?;
        let path = self.path;
        let write = |source| Error::Write {
            path: path.clone(),
            source,
        };
        let mut file = self.tar.into_inner().map_err(write)?;
        file.flush().map_err(write)?;
        file.as_file().sync_all().map_err(write)?;
        file.persist_noclobber(&path)
            .map_err(|error| write(error.error))?;
        Ok(())
    }

    fn file(&mut self, name: &Path, path: &Path) -> Result<(), Error> {
        let read = |source| unreadable(path, source);
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(read)?,
        };
        let length = file.metadata().map_err(read)?.len();
        let name = name.to_str().ok_or_else(|| {
            read(io::Error::new(
                io::ErrorKind::InvalidFilename,
                "it is not UTF-8",
            ))
        })?;
        self.add(name, length, file)
    }

    /// Adds the first `length` bytes of `content`.
    fn add(&mut self, name: &str, length: u64, content: impl Read) -> Result<(), Error> {
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o600);
        let since_1970 = self.now.duration_since(SystemTime::UNIX_EPOCH);
        header.set_mtime(since_1970.unwrap_or_default().as_secs());
        let mut content = content.take(length);
        let written = self.tar.append_data(&mut header, name, &mut content);
        written.map_err(|source| self.failed(source))?;
        if content.limit() > 0 {
            let what = format!("{name} became shorter while it was read");
            return Err(self.failed(io::Error::other(what)));
        }
        self.sum.add(length);
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            source,
        }
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        source,
    }
}
