//! The database: where it lies, how it is opened and brought up to date.
//!
//! SQLite in the data folder, or PostgreSQL by its URL. Queries are in [`crate::streams`],
//! [`crate::accounts`], [`crate::audit`], [`crate::recordings`], [`crate::videos`] and [`crate::webhooks`].

mod location;
mod postgres;
mod sqlite;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::migrate::{MigrateError, Migrator};

use crate::accounts::Accounts;
use crate::audit::Audit;
use crate::data_dir;
use crate::recordings::Recordings;
use crate::streams::Streams;
use crate::videos::Videos;
use crate::webhooks::Webhooks;
pub use location::Location;
use location::Place;
pub use postgres::{Address as PostgresAddress, Error as PostgresError};

/// The database's file in the data folder.
pub const FILE_NAME: &str = "millrace.db";

/// How long a request waits for a free connection before it fails.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The tables' history, part of the binary.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!();

/// Why the database cannot be used. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// A URL of a database that this build has no driver for.
    #[error(
        "this build has no driver for {scheme}: databases; give a data folder, sqlite:FILE \
         (without parameters) or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Unsupported {
        /// What stands before the colon; nothing after it, where a password may stand.
        scheme: String,
    },
    /// The path cannot be written as a URL.
    #[error("the path {} is not usable for a database: it is not UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file, and none was to be made.
    #[error(
        "there is no database {}; give the data folder that the server has (--data, MILLRACE_DATA \
         or --config), or its database.url", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Written by a version of the server that knows more tables than this one.
    #[error(
        "the database {location} was written by a newer version of millrace (it has table version \
         {version}); start that version, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The database.
        location: Location,
        /// The table version that this build does not know.
        version: i64,
    },
    /// The file is there, but is no database or a damaged one.
    #[error(
        "cannot open the database {}: {source}; restore it from a backup, or move it away to \
         start with an empty one", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// PostgreSQL cannot be used.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The tables cannot be brought up to date.
    #[error("cannot bring the database {location} up to date: {source}")]
    Migrate {
        /// The database.
        location: Location,
        /// What the driver said.
        source: MigrateError,
    },
}

impl OpenError {
    fn of_migration(location: &Location, source: MigrateError) -> Self {
        let location = location.clone();
        match source {
            MigrateError::VersionMissing(version) => Self::Newer { location, version },
            source => Self::Migrate { location, source },
        }
    }
}

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    dialect: Dialect,
}

/// Which database it is, for the little that cannot be said to both in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Database {
    /// Opens the database at what [`Location::parse`] reads, as [`Database::open_at`] does.
    pub async fn open(url_or_path: &str) -> Result<Self, OpenError> {
        Self::open_at(&Location::parse(url_or_path)?).await
    }

    /// Opens the database and brings its tables up to date. SQLite's file is made where it is
    /// missing, readable for its owner alone, because SRT passphrases are in it; a PostgreSQL
    /// database has to be there. Any number of processes may do this at once.
    pub async fn open_at(location: &Location) -> Result<Self, OpenError> {
        let (pool, dialect) = match &location.0 {
            Place::Sqlite(path) => (sqlite::open(path, location).await?, Dialect::Sqlite),
            Place::Postgres(address) => {
                (postgres::open(address, location).await?, Dialect::Postgres)
            }
        };
        Ok(Self { pool, dialect })
    }

    /// Opens a database that is there already, and leaves its tables as they are: for what only
    /// reads, whatever version of millrace made them.
    pub async fn open_existing_at(location: &Location) -> Result<Self, OpenError> {
        let (pool, dialect) = match &location.0 {
            Place::Sqlite(path) => (sqlite::open_existing(path).await?, Dialect::Sqlite),
            Place::Postgres(address) => {
                (postgres::open_existing(address).await?, Dialect::Postgres)
            }
        };
        Ok(Self { pool, dialect })
    }

    /// The streams in it.
    pub fn streams(&self) -> Streams {
        Streams::new(self.pool.clone())
    }

    /// The recordings in it.
    pub fn recordings(&self) -> Recordings {
        Recordings::new(self.pool.clone())
    }

    /// The VOD library in it.
    pub fn videos(&self) -> Videos {
        Videos::new(self.pool.clone())
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The webhooks in it, and what is to be sent to them.
    pub fn webhooks(&self) -> Webhooks {
        Webhooks::new(self.pool.clone())
    }

    /// The accounts in it.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(&self.pool)
    }

    /// The audit log in it.
    pub fn audit(&self) -> Audit {
        Audit::new(self.pool.clone())
    }

    /// Ends all connections; queries fail from now on.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests;
