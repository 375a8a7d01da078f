//! What lies on disk: streams, their keys and their recordings, the VOD library, accounts, the audit
//! log, webhooks and what is to be sent to them in SQL, the recordings' and videos' media, the admin token, the secrets that
//! playback and access tokens are signed with, and what viewers of a running broadcast rewind to.
//!
//! Everything lies in one data folder: `millrace.db` (SQLite), `admin-token`, `playback-secret`,
//! `access-secret`, `assets`, `dvr`, `uploads`. In the database's place may be a PostgreSQL database. The SQL is
//! written once through `sqlx::Any`, in a dialect that both understand.
//!
//! The database is never asked on a publisher's or a viewer's way in: ingest and playback answer
//! from the [`streams::Keys`] snapshot, which the process reloads when [`Streams::revision`]
//! changes.

pub mod access_token;
pub mod accounts;
pub mod admin_token;
pub mod asset;
pub mod audit;
pub mod data_dir;
pub mod database;
pub mod dump;
pub mod dvr;
mod extent;
mod holders;
pub mod key;
pub mod listing;
pub mod networks;
pub mod objects;
pub mod playback_token;
mod random;
pub mod recording;
pub mod recordings;
pub mod retention;
pub mod secret_file;
pub mod stream;
pub mod streams;
pub mod time;
mod unix_time;
pub mod uploads;
pub mod videos;
pub mod webhooks;

pub use access_token::AccessSecret;
pub use accounts::{Accounts, User, UserId};
pub use admin_token::AdminToken;
pub use audit::Audit;
pub use database::Database;
pub use extent::Extent;
pub use key::{KeyHash, StreamKey};
pub use networks::Networks;
pub use playback_token::{PlaybackSecret, PlaybackToken};
pub use recordings::Recordings;
pub use stream::{SrtPassphrase, Stream, Title, Visibility};
pub use streams::Streams;
pub use videos::Videos;
pub use webhooks::Webhooks;
