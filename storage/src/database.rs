//! The database: where it lies, how it is opened and brought up to date.
//!
//! SQLite in one file, written ahead (WAL) so that a command line tool can write while the server
//! reads. Queries are in [`crate::streams`], [`crate::accounts`] and
//! [`crate::audit`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};

use crate::accounts::Accounts;
use crate::audit::Audit;
use crate::data_dir::{self, Preparation};
use crate::streams::Streams;

/// The database's file in the data folder.
pub const FILE_NAME: &str = "millrace.db";

/// Connections, each a thread of its own: SQLite has one writer at a time, and the API's reads
/// are short.
const CONNECTIONS_MAX: u32 = 4;

/// How long a request waits for a free connection before it fails.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a statement waits for another process's write. Writes take milliseconds.
const BUSY_WAIT_MAX_MS: u32 = 5_000;

/// The tables' history, part of the binary.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// Why the database cannot be used. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// A URL of a database that this build has no driver for.
    #[error(
        "this build has no driver for {scheme}: databases; give a data folder or sqlite:FILE \
         (without parameters)"
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
    /// Written by a version of the server that knows more tables than this one.
    #[error(
        "the database {} was written by a newer version of millrace (it has table version \
         {version}); start that version, or restore a backup made before the upgrade",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
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
    /// The tables cannot be brought up to date.
    #[error("cannot bring the database {} up to date: {source}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What the driver said.
        source: MigrateError,
    },
}

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
}

impl Database {
    /// Opens the database, creates it where it is missing and brings its tables up to date.
    ///
    /// `url_or_path` is a data folder, in which the database is `millrace.db`, or `sqlite:FILE`
    /// (`sqlite://FILE`). The file is readable for its owner alone, because SRT passphrases are
    /// in it. Any number of processes may do this at once.
    pub async fn open(url_or_path: &str) -> Result<Self, OpenError> {
        let path = database_file(url_or_path)?;
        let file = path.clone();
        let preparation = tokio::task::spawn_blocking(move || prepare(&file))
            .await
            .expect("preparing a folder does not panic")?;
        let pool = connect(&path).await?;
        bring_up_to_date(&pool, &path).await?;
        drop(preparation);
        Ok(Self { pool })
    }

    /// The streams in it.
    pub fn streams(&self) -> Streams {
        Streams::new(self.pool.clone())
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

/// Where the database is, as an absolute path.
fn database_file(url_or_path: &str) -> Result<PathBuf, OpenError> {
    let path = match url_or_path.split_once(':') {
        Some(("sqlite", file)) if !file.contains('?') => {
            PathBuf::from(file.strip_prefix("//").unwrap_or(file))
        }
        Some((scheme, rest)) if scheme == "sqlite" || rest.starts_with("//") => {
            return Err(OpenError::Unsupported {
                scheme: scheme.to_owned(),
            });
        }
        _ => Path::new(url_or_path).join(FILE_NAME),
    };
    std::path::absolute(&path).map_err(|source| data_dir::Error::Write { path, source }.into())
}

/// Makes the folder and the file, private from the moment it exists: SQLite gives its side files
/// the same rights.
fn prepare(path: &Path) -> Result<Preparation, data_dir::Error> {
    let preparation = data_dir::prepare(path.parent().unwrap_or(path))?;
    data_dir::open_private(path)?;
    Ok(preparation)
}

async fn connect(path: &Path) -> Result<AnyPool, OpenError> {
    sqlx::any::install_default_drivers();
    let url = sqlite_url(path)?;
    let open = |source| OpenError::Open {
        path: path.to_owned(),
        source,
    };
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let pragmas =
                    format!("PRAGMA busy_timeout = {BUSY_WAIT_MAX_MS}; PRAGMA foreign_keys = ON");
                sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas))
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .connect(&url)
        .await
        .map_err(open)?;
    // Kept in the file, so that it is enough to say it once.
    sqlx::raw_sql("PRAGMA journal_mode = WAL")
        .execute(&pool)
        .await
        .map_err(open)?;
    Ok(pool)
}

async fn bring_up_to_date(pool: &AnyPool, path: &Path) -> Result<(), OpenError> {
    let path = || path.to_owned();
    MIGRATIONS.run(pool).await.map_err(|source| match source {
        MigrateError::VersionMissing(version) => OpenError::Newer {
            path: path(),
            version,
        },
        MigrateError::Execute(source) => OpenError::Open {
            path: path(),
            source,
        },
        source => OpenError::Migrate {
            path: path(),
            source,
        },
    })
}

/// The driver decodes percent escapes in the path: all but the plainest characters are escaped.
fn sqlite_url(path: &Path) -> Result<String, OpenError> {
    let text = path.to_str().ok_or_else(|| OpenError::NotUtf8 {
        path: path.to_owned(),
    })?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
