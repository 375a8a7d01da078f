//! What outlives the process: streams and their keys in SQL, and the admin token.
//!
//! Everything lies in one data folder: `millrace.db` (SQLite) and `admin-token`. The SQL is
//! written once through `sqlx::Any` in a dialect that PostgreSQL understands too; this build
//! carries the SQLite driver alone.
//!
//! The database is never asked on a publisher's way in: ingest answers from the
//! [`streams::Keys`] snapshot, which the process reloads when [`Streams::revision`] changes.

pub mod admin_token;
pub mod data_dir;
pub mod database;
pub mod key;
mod random;
pub mod secret_file;
pub mod stream;
pub mod streams;

pub use admin_token::AdminToken;
pub use database::Database;
pub use key::{KeyHash, StreamKey};
pub use stream::{SrtPassphrase, Stream, Title};
pub use streams::Streams;
