//! The file of `millrace backup`: a tar of the database's dump, the secrets and, where it was asked
//! for, the media.
//!
//! | entry | is |
//! |---|---|
//! | `millrace-backup.json` | first: the format's name, when and by which version it was written |
//! | `database.jsonl` | the database ([`storage::dump`]) |
//! | `secrets/NAME` | a file of [`storage::secret_file::NAMES`] |
//! | `assets/…` | a file of the data folder's `assets/`, by the same path |
//! | `end.json` | last: how many entries and bytes stand before it |
//!
//! A file without its end is refused, as is one with an entry that is not listed here.

mod read;
mod write;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use read::Archive;
pub(crate) use write::Writer;

/// What the first entry names.
const FORMAT: &str = "millrace-backup-1";

const HEAD: &str = "millrace-backup.json";
const DATABASE: &str = "database.jsonl";
const SECRETS: &str = "secrets/";
/// Also the folder in the data folder.
pub(crate) const ASSETS: &str = "assets";
const END: &str = "end.json";

/// Bytes of an entry that is read into memory: the first, the last, a secret.
const SMALL_ENTRY_BYTES_MAX: u64 = 64 * 1024;

/// Why a backup cannot be written or read. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is no backup that millrace backup wrote", path.display())]
    Foreign { path: PathBuf },
    #[error("{} is not whole: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
}

/// The first entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    format: String,
    /// RFC 3339.
    pub(crate) written_at: String,
    /// The version of millrace that wrote it.
    pub(crate) millrace: String,
    /// Whether media was asked for.
    pub(crate) media: bool,
}

/// What stands before the last entry, and is the last one's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    entries: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests;
