//! The data folder: made and checked before anything is put into it, with errors that say what
//! to do. What lies in it is for its owner alone, whatever the process's umask is: passphrases and
//! what private streams showed. Where root works on a service's data folder, what it makes there is
//! the service's.
//!
//! A server and a command line tool may start on the same folder at the same moment. Whoever
//! prepares it (creates the database, brings its tables up to date, makes the admin token) holds
//! one lock file meanwhile; nothing else is ever done under that lock.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for another process that is preparing the same folder. Preparing takes
/// milliseconds, an upgrade of a large database seconds.
const PREPARE_WAIT_MAX: Duration = Duration::from_secs(20);

/// How often to look whether it has finished.
const PREPARE_POLL: Duration = Duration::from_millis(25);

/// Read and written by the owner alone.
const PRIVATE_MODE: u32 = 0o600;

/// The same of a folder, which is entered by that.
const PRIVATE_FOLDER_MODE: u32 = 0o700;

const LOCK_FILE: &str = ".prepare.lock";

/// Why a data folder cannot be used. Each message is one line that names the path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder does not exist and cannot be created.
    #[error(
        "cannot create the data folder {}: {source}; create it and make it writable for the user \
         that runs millrace, or set another data folder", path.display()
    )]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file in it cannot be created or opened for writing.
    #[error(
        "cannot write to {}: {source}; make the data folder and its files writable for the user \
         that runs millrace, or set another data folder", path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process is preparing it and does not come to an end.
    #[error(
        "another process has been preparing the data folder for {} s (it holds {}); end it, or \
         wait for it and start again", PREPARE_WAIT_MAX.as_secs(), path.display()
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
}

/// The right to prepare a data folder; given back when dropped, also by a process that dies.
#[derive(Debug)]
pub(crate) struct Preparation {
    _locked: File,
}

/// Creates `folder` where it is missing and takes the lock for preparing it. Blocks for at most
/// [`PREPARE_WAIT_MAX`].
pub(crate) fn prepare(folder: &Path) -> Result<Preparation, Error> {
    make_folder(folder).map_err(|source| Error::Create {
        path: folder.to_owned(),
        source,
    })?;
    let path = folder.join(LOCK_FILE);
    let lock = open_private(&path)?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Preparation { _locked: lock }),
            Err(TryLockError::Error(source)) => return Err(Error::Write { path, source }),
            Err(TryLockError::WouldBlock) if began.elapsed() >= PREPARE_WAIT_MAX => {
                return Err(Error::Busy { path });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PREPARE_POLL),
        }
    }
}

/// The folder called `name` in the data folder `data`; made where it is missing.
pub(crate) fn subfolder(data: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = data.join(name);
    match make_folder(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::Create { path, source }),
    }
}

/// Makes a folder and those above it, where they are missing, for their owner alone. One that is
/// there keeps its rights.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    match make_new_folder(path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// As [`make_folder`], of one that must not be there yet, in one that is.
pub(crate) fn make_new_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(PRIVATE_FOLDER_MODE).create(path)?;
    give(&File::open(path)?, path)
}

/// Opens a file in the data folder for writing, and else as `how` says: every one that may be made by
/// that, for its owner alone.
pub fn open(
    path: &Path,
    how: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions,
) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = how(options.write(true).mode(PRIVATE_MODE)).open(path)?;
    give(&file, path)?;
    Ok(file)
}

/// Gives what root has made at `path` to the owner of the folder that it lies in.
fn give(made: &File, path: &Path) -> io::Result<()> {
    const ROOT: u32 = 0;
    if made.metadata()?.uid() != ROOT {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let owner = std::fs::metadata(folder)?;
    match owner.uid() {
        ROOT => Ok(()),
        uid => fchown(made, Some(uid), Some(owner.gid())),
    }
}

/// Opens `path` for reading and writing; creates it empty, for the owner alone, where it is
/// missing.
pub(crate) fn open_private(path: &Path) -> Result<File, Error> {
    let opened = open(path, |how| how.read(true).create(true).truncate(false));
    opened.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_folder_is_named_in_one_line() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("write");
        let message = prepare(&file.join("data"))
            .expect_err("not a folder")
            .to_string();
        assert!(
            message.starts_with(&format!(
                "cannot create the data folder {}/data: ",
                file.display()
            )),
            "{message}"
        );
        assert!(
            message.contains("make it writable for the user"),
            "{message}"
        );
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn a_file_that_cannot_be_opened_for_writing_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join(LOCK_FILE)).expect("a folder in its place");
        let error = prepare(folder.path()).expect_err("not a file");
        assert!(matches!(error, Error::Write { ref path, .. } if path.ends_with(LOCK_FILE)));
    }

    #[test]
    fn what_root_makes_is_the_folders_owners() {
        const SERVICE: u32 = 61_234;
        let folder = tempfile::tempdir().expect("folder");
        let uid = |path: &Path| std::fs::metadata(path).expect("there").uid();
        // Whoever is not root can give nothing away, and need not.
        let expected = match uid(folder.path()) {
            0 => {
                let service = Some(SERVICE);
                std::os::unix::fs::chown(folder.path(), service, service).expect("root may");
                SERVICE
            }
            ours => ours,
        };
        open_private(&folder.path().join("file")).expect("open");
        make_folder(&folder.path().join("a/b/c")).expect("made");
        make_new_folder(&folder.path().join("d")).expect("made");
        open(&folder.path().join("d/new"), |how| how.create_new(true)).expect("open");
        drop(prepare(folder.path()).expect("lock"));
        crate::secret_file::replace(folder.path(), crate::admin_token::FILE_NAME, b"x")
            .expect("stored");
        for name in [
            "file",
            "a",
            "a/b",
            "a/b/c",
            "d",
            "d/new",
            LOCK_FILE,
            crate::admin_token::FILE_NAME,
        ] {
            assert_eq!(uid(&folder.path().join(name)), expected, "{name}");
        }
    }

    #[test]
    fn only_one_prepares_at_a_time() {
        let folder = tempfile::tempdir().expect("folder");
        let first = prepare(folder.path()).expect("lock");
        let lock = open_private(&folder.path().join(LOCK_FILE)).expect("open");
        assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        drop(first);
        assert!(prepare(folder.path()).is_ok());
    }
}
