//! SQLite in one file, written ahead (WAL) so that a command line tool can write while the server
//! reads.

use std::path::Path;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::MigrateError;

use super::{ACQUIRE_WAIT_MAX, Location, MIGRATIONS, OpenError};
use crate::data_dir::{self, Preparation};

/// Connections, each a thread of its own: SQLite has one writer at a time, and the API's reads
/// are short.
const CONNECTIONS_MAX: u32 = 4;

/// How long a statement waits for another process's write. Writes take milliseconds.
const BUSY_WAIT_MAX_MS: u32 = 5_000;

/// Opens the file, made where it is missing, and brings its tables up to date.
pub(super) async fn open(path: &Path, location: &Location) -> Result<AnyPool, OpenError> {
    let file = path.to_owned();
    let preparation = tokio::task::spawn_blocking(move || prepare(&file))
        .await
        .expect("preparing a folder does not panic")?;
    let pool = connect(path).await?;
    bring_up_to_date(&pool, path, location).await?;
    drop(preparation);
    Ok(pool)
}

/// Opens the file, which has to be there.
pub(super) async fn open_existing(path: &Path) -> Result<AnyPool, OpenError> {
    if !path.is_file() {
        let path = path.to_owned();
        return Err(OpenError::Missing { path });
    }
    connections(path).await
}

/// Makes the folder and the file, private from the moment it exists: SQLite gives its side files
/// the same rights.
fn prepare(path: &Path) -> Result<Preparation, data_dir::Error> {
    let preparation = data_dir::prepare(path.parent().unwrap_or(path))?;
    data_dir::open_private(path)?;
    Ok(preparation)
}

pub(super) async fn connect(path: &Path) -> Result<AnyPool, OpenError> {
    let pool = connections(path).await?;
    // Kept in the file, so that it is enough to say it once.
    sqlx::raw_sql("PRAGMA journal_mode = WAL")
        .execute(&pool)
        .await
        .map_err(|source| unusable(path, source))?;
    Ok(pool)
}

/// Connections to a file that is there.
async fn connections(path: &Path) -> Result<AnyPool, OpenError> {
    sqlx::any::install_default_drivers();
    let url = url(path)?;
    AnyPoolOptions::new()
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
        .map_err(|source| unusable(path, source))
}

fn unusable(path: &Path, source: sqlx::Error) -> OpenError {
    OpenError::Open {
        path: path.to_owned(),
        source,
    }
}

async fn bring_up_to_date(
    pool: &AnyPool,
    path: &Path,
    location: &Location,
) -> Result<(), OpenError> {
    MIGRATIONS.run(pool).await.map_err(|source| match source {
        MigrateError::Execute(source) => unusable(path, source),
        source => OpenError::of_migration(location, source),
    })
}

/// The driver decodes percent escapes in the path: all but the plainest characters are escaped.
fn url(path: &Path) -> Result<String, OpenError> {
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
