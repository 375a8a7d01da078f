//! Where a database is: a folder or a file of SQLite's, or the URL of a PostgreSQL database.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{FILE_NAME, OpenError, postgres};
use crate::data_dir;

/// Where a database is. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, Debug)]
pub struct Location(pub(super) Place);

#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The file, as an absolute path.
    Sqlite(PathBuf),
    Postgres(postgres::Address),
}

impl Location {
    /// Reads a data folder, in which the database is [`FILE_NAME`], `sqlite:FILE`
    /// (`sqlite://FILE`), or `postgres://USER:PASSWORD@HOST:PORT/DATABASE` (`postgresql://…`).
    /// Asks no server and touches no file.
    pub fn parse(url_or_path: &str) -> Result<Self, OpenError> {
        let path = match url_or_path.split_once(':') {
            Some(("postgres" | "postgresql", _)) => {
                let address = postgres::Address::parse(url_or_path)?;
                return Ok(Self(Place::Postgres(address)));
            }
            Some(("sqlite", file)) if !file.contains('?') => {
                PathBuf::from(file.strip_prefix("//").unwrap_or(file))
            }
            Some((scheme, rest)) if scheme == "sqlite" || rest.starts_with("//") => {
                return Err(OpenError::Unsupported {
                    scheme: scheme.to_owned(),
                });
            }
            _ => return Self::in_folder(Path::new(url_or_path)),
        };
        Self::of_file(path)
    }

    /// [`FILE_NAME`] in a data folder, whatever that is called.
    pub fn in_folder(folder: &Path) -> Result<Self, OpenError> {
        Self::of_file(folder.join(FILE_NAME))
    }

    fn of_file(path: PathBuf) -> Result<Self, OpenError> {
        let absolute = std::path::absolute(&path);
        let path = absolute.map_err(|source| data_dir::Error::Write { path, source })?;
        Ok(Self(Place::Sqlite(path)))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "{}", path.display()),
            Place::Postgres(address) => write!(f, "{address}"),
        }
    }
}
