//! The name by which this process knows what is its own in the database: the jobs that it took up and
//! the recordings that it writes, after a restart too.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use storage::{asset, data_dir};

/// The file in the data folder. The name goes with the folder: what a process was writing lies there
/// too. It is locked as long as the process lives; where another one has it, `worker-2` is the next.
const FILE: &str = "worker";

/// Most processes that share a data folder.
const SHARING_MAX: u32 = 64;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    name: Arc<str>,
    _locked: Arc<File>,
}

impl Worker {
    /// The first name that is kept in the data folder `data` and that no other process has; made up
    /// where there is none.
    ///
    /// # Errors
    /// It cannot be read or kept.
    pub(crate) fn of(data: &Path) -> io::Result<Self> {
        for number in 1..=SHARING_MAX {
            let name = match number {
                1 => FILE.to_owned(),
                number => format!("{FILE}-{number}"),
            };
            if let Some(worker) = Self::at(&data.join(name))? {
                return Ok(worker);
            }
        }
        Err(io::Error::new(
            ErrorKind::ResourceBusy,
            format!(
                "{SHARING_MAX} processes share the data folder {}",
                data.display()
            ),
        ))
    }

    /// The name in the file at `path`; `None`: another process has it.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        let mut file = data_dir::open(path, |how| how.read(true).create(true).truncate(false))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut name = String::new();
        file.read_to_string(&mut name)?;
        let mut name = name.trim().to_owned();
        // Also where a process died before it had written it.
        if name.is_empty() {
            name = asset::new_id().map_err(io::Error::other)?.to_string();
            file.write_all(format!("{name}\n").as_bytes())?;
            file.sync_all()?;
        }
        Ok(Some(Self {
            name: name.into(),
            _locked: Arc::new(file),
        }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn name(data: &Path) -> String {
        Worker::of(data).expect("a name").as_str().to_owned()
    }

    #[test]
    fn a_name_stays_with_its_folder() {
        let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
        let (one, other) = (one.expect("a folder"), other.expect("a folder"));
        let kept = name(one.path());
        assert_eq!(name(one.path()), kept);
        assert_ne!(name(other.path()), kept);
        fs::write(one.path().join(FILE), "").expect("write");
        assert!(!name(one.path()).is_empty());
    }

    /// After one start by root the service could not start any more.
    #[test]
    fn a_name_that_root_made_is_the_services() {
        use std::os::unix::fs::{MetadataExt, chown};

        const SERVICE: u32 = 61_234;
        let data = tempfile::tempdir().expect("a folder");
        let uid = |path: &Path| fs::metadata(path).expect("there").uid();
        // Whoever is not root can give nothing away, and need not.
        let expected = match uid(data.path()) {
            0 => {
                chown(data.path(), Some(SERVICE), Some(SERVICE)).expect("root may");
                SERVICE
            }
            ours => ours,
        };
        name(data.path());
        assert_eq!(uid(&data.path().join(FILE)), expected);
    }

    /// Both took the other's jobs and recordings for their own that had died.
    #[test]
    fn processes_that_share_a_folder_have_names_of_their_own() {
        let data = tempfile::tempdir().expect("a folder");
        let first = Worker::of(data.path()).expect("a name");
        let second = Worker::of(data.path()).expect("a name");
        assert_ne!(first.as_str(), second.as_str());
        let names = [first.as_str(), second.as_str()].map(str::to_owned);
        drop((first, second));
        // After a restart of both they are the same.
        let again = Worker::of(data.path()).expect("a name");
        assert_eq!([again.as_str().to_owned(), name(data.path())], names);
    }
}
