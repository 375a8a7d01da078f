//! What lies on disk: streams and their keys, accounts and the audit log in SQL, the admin token, the
//! secrets that playback and access tokens are signed with, and what viewers of a running broadcast
//! rewind to.
//!
//! Everything lies in one data folder: `millrace.db` (SQLite), `admin-token`, `playback-secret`,
//! `access-secret`.
//! The SQL is written once through `sqlx::Any` in a dialect that PostgreSQL understands too; this
//! build carries the SQLite driver alone.
//!
//! The database is never asked on a publisher's or a viewer's way in: ingest and playback answer
//! from the [`streams::Keys`] snapshot, which the process reloads when [`Streams::revision`]
//! changes.

pub mod access_token;
pub mod accounts;
pub mod admin_token;
pub mod audit;
pub mod data_dir;
pub mod database;
pub mod dvr;
pub mod key;
pub mod listing;
pub mod playback_token;
mod random;
pub mod secret_file;
pub mod stream;
pub mod streams;
mod unix_time;

pub use access_token::AccessSecret;
pub use accounts::{Accounts, User, UserId};
pub use admin_token::AdminToken;
pub use audit::Audit;
pub use database::Database;
pub use key::{KeyHash, StreamKey};
pub use playback_token::{PlaybackSecret, PlaybackToken};
pub use stream::{SrtPassphrase, Stream, Title, Visibility};
pub use streams::Streams;
