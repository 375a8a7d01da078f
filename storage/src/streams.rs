//! The streams in the database, and the snapshot of their keys and of who may watch them that
//! listeners and playback answer from.
//!
//! The SQL is portable (SQLite, PostgreSQL). Every write raises a revision in the same
//! transaction, as its first statement: the transaction thereby holds the write lock from its
//! beginning and never has to give up half-way because another process wrote in between.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use media_core::StreamId;
use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use crate::accounts::UserId;
use crate::key::{KeyHash, StreamKey};
use crate::random;
use crate::recording::{self, Choice, Limit};
use crate::retention;
use crate::stream::{SrtPassphrase, Stream, Title, Visibility};
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// How many streams a database holds: the snapshot of all their keys is kept in memory (about
/// 200 bytes each) and read anew after every write.
pub const STREAMS_MAX: u32 = 100_000;

/// The most streams that one listing returns.
pub const LIST_MAX: u32 = 500;

/// Characters of base32 in a stream's id: 70 bits. An id is no secret, but nobody finds a stream
/// by trying.
const ID_CHARS: usize = 14;

/// A statement with the columns that a [`Stream`] is made of in the middle.
macro_rules! with_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, title, srt_passphrase, private, owner_id, created_at_ms, record, record_renditions, \
             retention_days, retention_bytes ",
            $after
        )
    };
}

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No stream has this id (any more).
    #[error("there is no stream {0}")]
    UnknownStream(StreamId),
    /// [`STREAMS_MAX`] are there already.
    #[error("the database holds {STREAMS_MAX} streams already; delete some first")]
    TooManyStreams,
    /// A row that this crate cannot have written.
    #[error("the database's row of stream {id:?} is damaged: {what}")]
    DamagedRow {
        /// The row's id, whatever it is.
        id: String,
        /// Which column, and what is wrong with it. No secret.
        what: String,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
    /// The database cannot be asked in time, or refuses.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// Changes whenever any process writes to the streams. Later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(i64);

/// What a stream key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// The passphrase that SRT publishers must use, with an AES key of
    /// [`crate::stream::SRT_PBKEYLEN_BYTES`].
    pub srt_passphrase: Option<SrtPassphrase>,
    /// Whether and how a broadcast that it opens is recorded.
    pub recording: Choice,
}

/// All stream keys at one moment, by their hashes, and which streams are private: what is answered
/// from without asking the database.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Of two snapshots, the one with the greater revision is the newer.
    pub revision: Revision,
    grants: HashMap<KeyHash, Grant>,
    private: HashSet<StreamId>,
}

impl Keys {
    /// What `key` opens, as a peer sent it.
    pub fn find(&self, key: &str) -> Option<&Grant> {
        self.grants.get(&KeyHash::of(key))
    }

    /// Every key's hash and what it opens, in no order: for comparing two snapshots.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyHash, &Grant)> {
        self.grants.iter()
    }

    /// The id of a private stream; `None` where `stream` is public, or no stream at all.
    pub fn private(&self, stream: &str) -> Option<&StreamId> {
        self.private.get(stream)
    }

    /// All private streams, in no order.
    pub fn all_private(&self) -> impl Iterator<Item = &StreamId> {
        self.private.iter()
    }

    /// Holds streams private that are deleted, while something of them is still to be seen.
    pub fn keep_private(&mut self, deleted: impl IntoIterator<Item = StreamId>) {
        self.private.extend(deleted);
    }

    /// What the owner of `stream` wants of its recordings; `None` where there is no such stream.
    pub fn recording(&self, stream: &StreamId) -> Option<&Choice> {
        let mut grants = self.grants.values();
        let grant = grants.find(|grant| grant.stream == *stream)?;
        Some(&grant.recording)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.grants.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }
}

/// What is to change in a stream; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A new title.
    pub title: Option<Title>,
    /// Who may watch from now on.
    pub visibility: Option<Visibility>,
}

/// The streams of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Streams {
    pool: AnyPool,
}

impl Streams {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Creates a stream at `now`. The returned key is the only time that it is seen.
    pub async fn create(
        &self,
        title: Title,
        srt_passphrase: Option<SrtPassphrase>,
        visibility: Visibility,
        now: SystemTime,
    ) -> Result<(Stream, StreamKey), Error> {
        let created_at_ms = to_unix_ms(now);
        let id = random::base32::<ID_CHARS>()?;
        let stream = Stream {
            id: StreamId::new(&id).expect("base32 is valid in an id"),
            title,
            srt_passphrase,
            visibility,
            recording: Choice::default(),
            owner: None,
            created_at: from_unix_ms(created_at_ms),
        };
        let key = StreamKey::generate()?;
        let mut write = self.write().await?;
        let count: i64 = sqlx::query("SELECT COUNT(*) FROM streams")
            .fetch_one(&mut *write)
            .await?
            .try_get(0)?;
        if count >= i64::from(STREAMS_MAX) {
            return Err(Error::TooManyStreams);
        }
        sqlx::query(
            "INSERT INTO streams (id, title, key_sha256, srt_passphrase, private, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(stream.id.as_str())
        .bind(stream.title.as_str())
        .bind(KeyHash::of(key.reveal()).to_hex())
        .bind(stream.srt_passphrase.as_ref().map(SrtPassphrase::reveal))
        .bind(to_private(stream.visibility))
        .bind(created_at_ms)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok((stream, key))
    }

    /// At most `limit` (and [`LIST_MAX`]) streams in the order of their creation, those after
    /// stream `after` where it is given. [`Error::UnknownStream`] where that one was deleted.
    pub async fn list(&self, after: Option<&StreamId>, limit: u32) -> Result<Vec<Stream>, Error> {
        let (created_at_ms, id) = match after {
            Some(id) => (self.created_at_ms(id).await?, id.as_str()),
            None => (i64::MIN, ""),
        };
        let rows = sqlx::query(with_columns!(
            "SELECT",
            "FROM streams \
             WHERE (created_at_ms, id) > ($1, $2) ORDER BY created_at_ms, id LIMIT $3"
        ))
        .bind(created_at_ms)
        .bind(id)
        .bind(i64::from(limit.min(LIST_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(stream_of).collect()
    }

    /// The stream with this id.
    pub async fn find(&self, id: &StreamId) -> Result<Option<Stream>, Error> {
        let row = sqlx::query(with_columns!("SELECT", "FROM streams WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(stream_of).transpose()
    }

    /// Changes the stream's title or who may watch it.
    pub async fn change(&self, id: &StreamId, change: &Change) -> Result<Stream, Error> {
        let mut write = self.write().await?;
        let row = sqlx::query(with_columns!(
            "UPDATE streams SET title = COALESCE($1, title), private = COALESCE($2, private) \
             WHERE id = $3 RETURNING",
            ""
        ))
        .bind(change.title.as_ref().map(Title::as_str))
        .bind(change.visibility.map(to_private))
        .bind(id.as_str())
        .fetch_optional(&mut *write)
        .await?
        .ok_or_else(|| Error::UnknownStream(id.clone()))?;
        let stream = stream_of(&row)?;
        if let Some(visibility) = change.visibility {
            // Recordings follow their stream, and stay as they are when it is deleted.
            sqlx::query("UPDATE recordings SET private = $1 WHERE stream_id = $2")
                .bind(to_private(visibility))
                .bind(id.as_str())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        Ok(stream)
    }

    /// Changes what becomes of the stream's broadcasts from the next one on, and how long
    /// recordings are kept from now on.
    pub async fn choose_recording(&self, id: &StreamId, choice: &Choice) -> Result<Stream, Error> {
        let mut write = self.write().await?;
        let row = sqlx::query(with_columns!(
            "UPDATE streams SET record = $1, record_renditions = $2, retention_days = $3, \
             retention_bytes = $4 WHERE id = $5 RETURNING",
            ""
        ))
        .bind(choice.record.map(i64::from))
        .bind(recording::to_column(&choice.renditions))
        .bind(choice.keep_days.to_column())
        .bind(choice.keep_bytes.to_column())
        .bind(id.as_str())
        .fetch_optional(&mut *write)
        .await?
        .ok_or_else(|| Error::UnknownStream(id.clone()))?;
        let stream = stream_of(&row)?;
        write.commit().await?;
        Ok(stream)
    }

    /// The streams that have bounds of their own on their recordings.
    pub async fn retention(&self) -> Result<HashMap<StreamId, retention::OfStream>, Error> {
        let rows = sqlx::query(with_columns!(
            "SELECT",
            "FROM streams WHERE retention_days IS NOT NULL OR retention_bytes IS NOT NULL"
        ))
        .fetch_all(&self.pool)
        .await?;
        let of = |row: &AnyRow| {
            let stream = stream_of(row)?;
            let bounds = retention::OfStream {
                days: stream.recording.keep_days,
                bytes: stream.recording.keep_bytes,
            };
            Ok((stream.id, bounds))
        };
        rows.iter().map(of).collect()
    }

    /// Gives the stream a new key; the old one opens nothing from now on.
    pub async fn rotate_key(&self, id: &StreamId) -> Result<(Stream, StreamKey), Error> {
        let key = StreamKey::generate()?;
        let mut write = self.write().await?;
        let row = sqlx::query(with_columns!(
            "UPDATE streams SET key_sha256 = $1 WHERE id = $2 RETURNING",
            ""
        ))
        .bind(KeyHash::of(key.reveal()).to_hex())
        .bind(id.as_str())
        .fetch_optional(&mut *write)
        .await?
        .ok_or_else(|| Error::UnknownStream(id.clone()))?;
        let stream = stream_of(&row)?;
        write.commit().await?;
        Ok((stream, key))
    }

    /// Makes the stream `owner`'s, or the operator's where there is none: as long as that user is
    /// there.
    pub async fn give_to(&self, id: &StreamId, owner: Option<&UserId>) -> Result<(), Error> {
        let mut write = self.write().await?;
        let given = sqlx::query("UPDATE streams SET owner_id = $1 WHERE id = $2")
            .bind(owner.map(UserId::as_str))
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        if given.rows_affected() == 0 {
            return Err(Error::UnknownStream(id.clone()));
        }
        write.commit().await?;
        Ok(())
    }

    /// Deletes the stream and its key.
    pub async fn delete(&self, id: &StreamId) -> Result<(), Error> {
        let mut write = self.write().await?;
        let deleted = sqlx::query("DELETE FROM streams WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Error::UnknownStream(id.clone()));
        }
        write.commit().await?;
        Ok(())
    }

    /// One small read, meant for asking every second: changes with each write of any process.
    pub async fn revision(&self) -> Result<Revision, Error> {
        let row = sqlx::query("SELECT value FROM stream_revision")
            .fetch_one(&self.pool)
            .await?;
        Ok(Revision(row.try_get(0)?))
    }

    /// All keys as they are now.
    pub async fn keys(&self) -> Result<Keys, Error> {
        // Read before the rows: a write in between makes the snapshot newer than it says, so that
        // it is read once more. The other way round the write would be missed.
        let revision = self.revision().await?;
        let rows = sqlx::query(with_columns!("SELECT key_sha256,", "FROM streams"))
            .fetch_all(&self.pool)
            .await?;
        let mut keys = Keys {
            revision,
            grants: HashMap::with_capacity(rows.len()),
            private: HashSet::new(),
        };
        for row in &rows {
            let (hash, grant) = grant_of(row)?;
            if visibility_of(row, grant.stream.as_str())? == Visibility::Private {
                keys.private.insert(grant.stream.clone());
            }
            keys.grants.insert(hash, grant);
        }
        Ok(keys)
    }

    /// A transaction that writes; undone where it is dropped without `commit`.
    ///
    /// Raising the revision comes first, because it makes writers wait for each other: SQLite has
    /// one writer at a time, PostgreSQL locks the row until the transaction's end. There each
    /// statement after that sees what others had committed by then (`read committed`, which every
    /// connection is set to), so that what it counts or finds stays true until its own commit.
    /// Whoever sees the new revision sees the rows too: both become visible at once.
    async fn write(&self) -> Result<Transaction<'static, Any>, Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("UPDATE stream_revision SET value = value + 1")
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }

    async fn created_at_ms(&self, id: &StreamId) -> Result<i64, Error> {
        sqlx::query("SELECT created_at_ms FROM streams WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| Error::UnknownStream(id.clone()))?
            .try_get(0)
            .map_err(Error::from)
    }
}

fn stream_of(row: &AnyRow) -> Result<Stream, Error> {
    let id: String = row.try_get("id")?;
    let title: String = row.try_get("title")?;
    Ok(Stream {
        title: Title::new(&title).map_err(|error| damaged(&id, error))?,
        srt_passphrase: passphrase_of(row, &id)?,
        visibility: visibility_of(row, &id)?,
        recording: recording_of(row, &id)?,
        owner: owner_of(row, &id)?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        id: StreamId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}

fn grant_of(row: &AnyRow) -> Result<(KeyHash, Grant), Error> {
    let id: String = row.try_get("id")?;
    let hash: String = row.try_get("key_sha256")?;
    let hash = KeyHash::from_hex(&hash).ok_or_else(|| damaged(&id, "key_sha256 is no SHA-256"))?;
    let grant = Grant {
        srt_passphrase: passphrase_of(row, &id)?,
        recording: recording_of(row, &id)?,
        stream: StreamId::new(&id).map_err(|error| damaged(&id, error))?,
    };
    Ok((hash, grant))
}

fn passphrase_of(row: &AnyRow, id: &str) -> Result<Option<SrtPassphrase>, Error> {
    let text: Option<String> = row.try_get("srt_passphrase")?;
    text.map(|text| SrtPassphrase::new(&text).map_err(|error| damaged(id, error)))
        .transpose()
}

fn recording_of(row: &AnyRow, id: &str) -> Result<Choice, Error> {
    let record = match row.try_get::<Option<i64>, _>("record")? {
        None => None,
        Some(0) => Some(false),
        Some(1) => Some(true),
        Some(_) => return Err(damaged(id, "record is neither 0 nor 1")),
    };
    let renditions: Option<String> = row.try_get("record_renditions")?;
    let renditions = recording::from_column(renditions.as_deref());
    let limit = |column| damaged(id, format!("{column} is out of range"));
    let (days, bytes) = ("retention_days", "retention_bytes");
    Ok(Choice {
        record,
        renditions: renditions.map_err(|error| damaged(id, error))?,
        keep_days: Limit::from_column(row.try_get(days)?).ok_or_else(|| limit(days))?,
        keep_bytes: Limit::from_column(row.try_get(bytes)?).ok_or_else(|| limit(bytes))?,
    })
}

fn owner_of(row: &AnyRow, id: &str) -> Result<Option<UserId>, Error> {
    let owner: Option<String> = row.try_get("owner_id")?;
    owner
        .map(|owner| UserId::new(&owner).map_err(|error| damaged(id, error)))
        .transpose()
}

pub(crate) fn visibility_of(row: &AnyRow, id: &str) -> Result<Visibility, Error> {
    match row.try_get::<i64, _>("private")? {
        0 => Ok(Visibility::Public),
        1 => Ok(Visibility::Private),
        _ => Err(damaged(id, "private is neither 0 nor 1")),
    }
}

/// The column `private`.
pub(crate) fn to_private(visibility: Visibility) -> i64 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
    }
}

fn damaged(id: &str, what: impl ToString) -> Error {
    Error::DamagedRow {
        id: id.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests;
