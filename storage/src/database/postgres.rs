//! PostgreSQL by its URL. Why it cannot be used is said in one line, without the password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Row};

use super::{ACQUIRE_WAIT_MAX, Location, MIGRATIONS, OpenError};

/// Connections, each a process of the server's. The API's requests are short; a server takes 100
/// of all its clients unless it is told otherwise.
const CONNECTIONS_MAX: u32 = 8;

/// How long connecting may take when the process starts: longer than one lost packet.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a statement may run, of those that requests and polls make. Far more than any takes,
/// and less than somebody who waits for an answer endures.
const STATEMENT_WAIT_MAX_MS: u32 = 20_000;

/// How long a statement waits for another process's write. Writes take milliseconds.
const LOCK_WAIT_MAX_MS: u32 = 5_000;

/// How long a transaction may stand still before the server ends it, so that a process that was
/// stopped in one does not lock out all others.
const IDLE_IN_TRANSACTION_MAX_MS: u32 = 20_000;

/// How long to wait for another process that is bringing the tables up to date.
const PREPARE_WAIT_MAX: Duration = Duration::from_secs(20);

/// Why a PostgreSQL database cannot be used. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no such URL.
    #[error(
        "the database's URL cannot be read: {what}; it is \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for characters in names and \
         passwords that are neither letters nor digits"
    )]
    Url {
        /// What is wrong with it.
        what: String,
    },
    /// Nobody answers, or not in our language.
    #[error(
        "cannot reach {address}: {what}; check the URL, and that the server runs, listens there \
         and lets this machine in"
    )]
    Unreachable {
        /// Which database.
        address: Address,
        /// What the operating system or the driver said.
        what: String,
    },
    /// It refuses this user.
    #[error("{address} refuses the user: {what}; check the user and password in the URL")]
    Rejected {
        /// Which database.
        address: Address,
        /// What the server said.
        what: String,
    },
    /// There is no such database.
    #[error(
        "there is no {address}; create it with: createdb --owner=USER --encoding=UTF8 DATABASE"
    )]
    NoDatabase {
        /// Which database.
        address: Address,
    },
    /// The user may not create tables.
    #[error(
        "{address}: {what}; make the user the database's owner with: ALTER DATABASE … OWNER TO …"
    )]
    NoRights {
        /// Which database.
        address: Address,
        /// What the server said.
        what: String,
    },
    /// It cannot hold every text.
    #[error(
        "{address} has the encoding {encoding}, which does not have all characters; create it \
         anew with: createdb --encoding=UTF8 --template=template0 DATABASE"
    )]
    Encoding {
        /// Which database.
        address: Address,
        /// Its encoding.
        encoding: String,
    },
    /// Another process is preparing it and does not come to an end.
    #[error(
        "another process has been preparing {address} for {} s; end it, or wait for it and start \
         again", PREPARE_WAIT_MAX.as_secs()
    )]
    Busy {
        /// Which database.
        address: Address,
    },
    /// Anything else.
    #[error("cannot use {address}: {source}")]
    Other {
        /// Which database.
        address: Address,
        /// What the driver said.
        source: sqlx::Error,
    },
}

/// A database's URL. `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct Address {
    url: String,
    /// What people are told.
    shown: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        // What follows would be dropped, and a password that has it be shown as host or port.
        if url.contains('#') {
            let what = "it has a #, which is written %23".to_owned();
            return Err(Error::Url { what });
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| Error::Url {
            what: error.to_string(),
        })?;
        let host = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let user = options.get_username();
        let shown = format!(
            "PostgreSQL database {} (user {user}, host {host}, port {})",
            options.get_database().unwrap_or(user),
            options.get_port(),
        );
        let url = url.to_owned();
        Ok(Self { url, shown })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// Connects and brings the tables up to date. Any number of processes may do this at once: the
/// migrator holds an advisory lock of the server's meanwhile.
pub(super) async fn open(address: &Address, location: &Location) -> Result<AnyPool, OpenError> {
    let mut connection = reach(address).await?;
    bring_up_to_date(address, location, &mut connection).await?;
    // All is done: how the connection ends is of no interest.
    let _closed = connection.close().await;
    connect(address).map_err(OpenError::Postgres)
}

/// Connects to a database whose tables are there already.
pub(super) async fn open_existing(address: &Address) -> Result<AnyPool, Error> {
    let connection = reach(address).await?;
    let _closed = connection.close().await;
    connect(address)
}

/// A connection by itself: the pool would hide why it does not get one.
async fn reach(address: &Address) -> Result<AnyConnection, Error> {
    sqlx::any::install_default_drivers();
    let connecting = AnyConnection::connect(&address.url);
    let mut connection = match tokio::time::timeout(CONNECT_WAIT_MAX, connecting).await {
        Ok(connected) => connected.map_err(|error| classify(address, error))?,
        Err(_) => {
            let what = format!("no answer in {} s", CONNECT_WAIT_MAX.as_secs());
            let address = address.clone();
            return Err(Error::Unreachable { address, what });
        }
    };
    check_encoding(address, &mut connection).await?;
    Ok(connection)
}

/// Connections as they are asked for.
pub(super) fn connect(address: &Address) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Whatever the server's own defaults are. Why `read committed`: see
                // `Streams::write`.
                let settings = format!(
                    "SET default_transaction_isolation = 'read committed'; \
                     SET client_min_messages = warning; \
                     SET statement_timeout = {STATEMENT_WAIT_MAX_MS}; \
                     SET lock_timeout = {LOCK_WAIT_MAX_MS}; \
                     SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MAX_MS}"
                );
                sqlx::raw_sql(sqlx::AssertSqlSafe(settings))
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .connect_lazy(&address.url)
        .map_err(|error| classify(address, error))
}

async fn check_encoding(address: &Address, connection: &mut AnyConnection) -> Result<(), Error> {
    let encoding: String = sqlx::query("SELECT current_setting('server_encoding')")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| classify(address, error))?;
    match encoding.as_str() {
        "UTF8" => Ok(()),
        _ => Err(Error::Encoding {
            address: address.clone(),
            encoding,
        }),
    }
}

async fn bring_up_to_date(
    address: &Address,
    location: &Location,
    connection: &mut AnyConnection,
) -> Result<(), OpenError> {
    // The advisory lock is waited for no longer than any other; a migration may take its time.
    let settings = format!(
        "SET client_min_messages = warning; SET statement_timeout = 0; SET lock_timeout = {}",
        PREPARE_WAIT_MAX.as_millis()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings))
        .execute(&mut *connection)
        .await
        .map_err(|error| classify(address, error))?;
    MIGRATIONS
        // As `run`, whose future is not `Send` for a borrowed connection.
        .run_direct(None, connection, false)
        .await
        .map_err(|source| match source {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
                if is_known(&error) =>
            {
                classify(address, error).into()
            }
            source => OpenError::of_migration(location, source),
        })
}

/// Whether an error says more than that a migration has failed.
fn is_known(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    error.as_database_error().is_none() || matches!(code.as_deref(), Some("42501" | "55P03"))
}

/// By the codes of PostgreSQL's appendix A.
fn classify(address: &Address, error: sqlx::Error) -> Error {
    let address = address.clone();
    let Some(told) = error.as_database_error() else {
        return match error {
            sqlx::Error::Configuration(what) => Error::Url {
                what: what.to_string(),
            },
            sqlx::Error::Io(what) => Error::Unreachable {
                address,
                what: what.to_string(),
            },
            error @ (sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) => Error::Unreachable {
                address,
                what: error.to_string(),
            },
            source => Error::Other { address, source },
        };
    };
    let what = told.message().to_owned();
    match told.code().as_deref() {
        // invalid_password, invalid_authorization_specification
        Some("28P01" | "28000") => Error::Rejected { address, what },
        // invalid_catalog_name
        Some("3D000") => Error::NoDatabase { address },
        // insufficient_privilege
        Some("42501") => Error::NoRights { address, what },
        // lock_not_available
        Some("55P03") => Error::Busy { address },
        // object_not_in_prerequisite_state, cannot_connect_now, too_many_connections
        Some("55000" | "57P03" | "53300") => Error::Unreachable { address, what },
        _ => Error::Other {
            address,
            source: error,
        },
    }
}
