//! The name by which a process takes up jobs, and knows after a restart which were its own.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use storage::{asset, data_dir};

/// The file in the data folder. The name goes with the folder: what a process was encoding lies
/// there too.
const FILE: &str = "worker";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worker(String);

impl Worker {
    /// The name that is kept in the data folder `data`; made up where there is none.
    pub(super) fn of(data: &Path) -> io::Result<Self> {
        let path = data.join(FILE);
        match fs::read_to_string(&path) {
            Ok(name) if !name.trim().is_empty() => return Ok(Self(name.trim().to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let name = asset::new_id().map_err(io::Error::other)?.to_string();
        let unfinished = path.with_extension("new");
        let mut file = data_dir::private()
            .create(true)
            .truncate(true)
            .open(&unfinished)?;
        file.write_all(format!("{name}\n").as_bytes())?;
        fs::rename(&unfinished, &path)?;
        Ok(Self(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_with_its_folder() {
        let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
        let (one, other) = (one.expect("a folder"), other.expect("a folder"));
        let name = Worker::of(one.path()).expect("a name");
        assert_eq!(Worker::of(one.path()).expect("a name"), name);
        assert_ne!(Worker::of(other.path()).expect("a name"), name);
        fs::write(one.path().join(FILE), "").expect("write");
        assert!(!Worker::of(one.path()).expect("a name").as_str().is_empty());
    }
}
