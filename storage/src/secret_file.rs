//! A secret in a file of its own in the data folder: made once, private from the moment it exists,
//! and never seen half-written. What it opens is the business of the modules that use it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand::rand_core::OsError;

use crate::data_dir;
use crate::{access_token, admin_token, playback_token};

/// Every secret's file in the data folder: what a backup has of them.
pub const NAMES: &[&str] = &[
    admin_token::FILE_NAME,
    playback_token::FILE_NAME,
    access_token::FILE_NAME,
];

/// Why there is no secret. Each message is one line that names the path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// The file is there but cannot be read.
    #[error("cannot read {what} {}: {source}; run as the user that runs millrace", path.display())]
    Read {
        /// What the secret is, with its article.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} is not usable as {what}: {} to {} visible ASCII characters are; delete it to have a \
         new one made", path.display(), length.start(), length.end()
    )]
    Invalid {
        /// What the secret is, with its article.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// How many characters are accepted.
        length: RangeInclusive<usize>,
    },
    /// The file cannot be written.
    #[error(
        "cannot write {what} {}: {source}; make the data folder writable for the user that runs \
         millrace", path.display()
    )]
    Write {
        /// What the secret is, with its article.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
}

/// One kind of secret.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile {
    /// What messages call it, with its article.
    pub(crate) what: &'static str,
    /// The file in the data folder.
    pub(crate) name: &'static str,
    /// How many visible ASCII characters are accepted from the file, where somebody put a secret
    /// of their own there.
    pub(crate) length: RangeInclusive<usize>,
    /// Makes a new one.
    pub(crate) generate: fn() -> Result<String, OsError>,
}

impl SecretFile {
    /// Reads the secret in `data_dir`; makes one where there is none yet. Of several processes that
    /// do this at once, one makes it and all return it. Blocks on a few small files.
    pub(crate) fn load_or_create(&self, data_dir: &Path) -> Result<String, Error> {
        debug_assert!(NAMES.contains(&self.name), "no backup would have it");
        let path = data_dir.join(self.name);
        if let Some(secret) = self.load(&path)? {
            return Ok(secret);
        }
        let _preparation = data_dir::prepare(data_dir)?;
        // Another process may have made it while this one waited.
        if let Some(secret) = self.load(&path)? {
            return Ok(secret);
        }
        let secret = (self.generate)()?;
        store(&path, format!("{secret}\n").as_bytes()).map_err(|source| Error::Write {
            what: self.what,
            path,
            source,
        })?;
        Ok(secret)
    }

    /// The secret in `path`; `None` where there is no such file.
    fn load(&self, path: &Path) -> Result<Option<String>, Error> {
        let read = |source| Error::Read {
            what: self.what,
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(read(error)),
        };
        let mode = file.metadata().map_err(read)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format_args!("{mode:o}"),
                "other users can read {}: chmod 600 it",
                self.what
            );
        }
        let mut text = Vec::new();
        // One line's end more than the longest secret.
        file.take(*self.length.end() as u64 + 2)
            .read_to_end(&mut text)
            .map_err(read)?;
        let secret = text.trim_ascii();
        let valid = self.length.contains(&secret.len()) && secret.iter().all(u8::is_ascii_graphic);
        match str::from_utf8(secret) {
            Ok(secret) if valid => Ok(Some(secret.to_owned())),
            _ => Err(Error::Invalid {
                what: self.what,
                path: path.to_owned(),
                length: self.length.clone(),
            }),
        }
    }
}

/// The files of [`NAMES`] that are in `data_dir`, as they are. Blocks on a few small files.
pub fn read_all(data_dir: &Path) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    for name in NAMES {
        let path = data_dir.join(name);
        match std::fs::read(&path) {
            Ok(content) => found.push((*name, content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(Error::Read {
                    what: "the secret",
                    path,
                    source,
                });
            }
        }
    }
    Ok(found)
}

/// Puts `content` in place of a secret. A process that has read the old one keeps it.
pub fn replace(data_dir: &Path, name: &str, content: &[u8]) -> Result<(), Error> {
    let path = data_dir.join(name);
    let _preparation = data_dir::prepare(data_dir)?;
    store(&path, content).map_err(|source| Error::Write {
        what: "the secret",
        path,
        source,
    })
}

/// Written under another name first, so that nobody ever reads half a secret.
fn store(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Left by a process that died on the next lines; the lock is ours.
        _ => {}
    }
    let mut file = data_dir::open(&unfinished, |how| how.create_new(true))?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}
