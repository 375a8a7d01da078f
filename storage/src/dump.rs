//! All rows of the database as one text, and back: how a database is backed up, and how it moves
//! between SQLite and PostgreSQL.
//!
//! A line is one JSON value (see [`format`]). Which tables and columns there are is not listed
//! anywhere: the migrations are the list (see [`schema`]).
//!
//! Both directions are one transaction. A dump is what was there at one moment, whoever writes
//! meanwhile; a restored database is there whole or as it was before.

mod format;
mod insert;
mod restore;
mod schema;
mod write;

pub use format::{Dump, InvalidDump, TableRows};
pub use restore::Existing;
use schema::newest_version;

/// Why a database cannot be dumped or restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dump does not hold what it should. Nothing was changed.
    #[error(transparent)]
    Invalid(#[from] InvalidDump),
    /// Written by a version of the server that knows more tables than this one.
    #[error(
        "the dump was written by a newer version of millrace (its table version is {dump}, this \
         one knows up to {known}); restore it with that version"
    )]
    Newer {
        /// The dump's table version.
        dump: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// There is nothing to dump.
    #[error("there are no tables of millrace in it")]
    NoTables,
    /// The database is of a version of the server that knows more tables than this one.
    #[error(
        "it was written by a newer version of millrace (it has table version {database}, this one \
         knows up to {known}); use that version"
    )]
    NewerTables {
        /// The database's table version.
        database: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// Nobody has said that what is there may be lost. Nothing was changed.
    #[error("the database is not empty: it has rows in the table {table}")]
    NotEmpty {
        /// The first table that has any.
        table: String,
    },
    /// The migrations have made something that a dump cannot hold, or not in any order.
    #[error("the table {table} cannot be dumped: {what}")]
    Schema {
        /// The table.
        table: String,
        /// What it has.
        what: String,
    },
    /// The dump cannot be read or written.
    #[error("the dump cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// The database does not answer, or refuses.
    #[error("the database refuses: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables cannot be made.
    #[error("the tables cannot be made: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

#[cfg(test)]
mod tests;
