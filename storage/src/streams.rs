//! The streams in the database, and the snapshot of their keys and of who may watch them that
//! listeners and playback answer from.
//!
//! The SQL is portable (SQLite, PostgreSQL). Every write raises a revision in the same
//! transaction, as its first statement: the transaction thereby holds the write lock from its
//! beginning and never has to give up half-way because another process wrote in between.

mod change;
mod keys;
mod listing;
mod row;

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use media_core::StreamId;
use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

pub use change::{Change, NewStream, RecordingChange};
pub use keys::{Grant, Keys, Revision};
pub use listing::{Among, Filter, Sort};
pub(crate) use row::{to_private, visibility_of};

use crate::accounts::UserId;
use crate::key::{KeyHash, StreamKey};
use crate::listing::{InvalidCursor, PAGE_MAX, Page, Paging};
use crate::random;
use crate::recording;
use crate::retention;
use crate::stream::{SrtPassphrase, Stream, Visibility};
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// How many streams a database holds: the snapshot of all their keys is kept in memory (about
/// 200 bytes each) and read anew after every write.
pub const STREAMS_MAX: u32 = 100_000;

/// How many streams a user may own: more than one has cameras, and far from [`STREAMS_MAX`].
pub const STREAMS_OF_OWNER_MAX: u32 = 100;

/// Characters of base32 in a stream's id: 70 bits. An id is no secret, but nobody finds a stream
/// by trying.
const ID_CHARS: usize = 14;

/// A statement with the columns that a [`Stream`] is made of in the middle.
macro_rules! with_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, title, title_lower, description, tags, publishers, srt_passphrase, private, owner_id, \
             created_at_ms, record, record_renditions, retention_days, retention_bytes, \
             reconnect_s, backup_publisher ",
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
    /// The owner has [`STREAMS_OF_OWNER_MAX`] already.
    #[error("a user has at most {STREAMS_OF_OWNER_MAX} streams; delete one first")]
    TooManyOfOwner,
    /// Whose it was to be is no user (any more): a token outlives its user by minutes.
    #[error("there is no user {0}")]
    UnknownOwner(UserId),
    /// Not a place in this list.
    #[error("cursor: {0}")]
    Cursor(#[from] InvalidCursor),
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
        new: NewStream,
        now: SystemTime,
    ) -> Result<(Stream, StreamKey), Error> {
        let created_at_ms = to_unix_ms(now);
        let id = random::base32::<ID_CHARS>()?;
        let stream = Stream {
            id: StreamId::new(&id).expect("base32 is valid in an id"),
            title: new.title,
            description: new.description,
            tags: new.tags,
            publishers: new.publishers,
            srt_passphrase: new.srt_passphrase,
            visibility: new.visibility,
            recording: new.recording,
            reconnection: new.reconnection,
            owner: new.owner,
            created_at: from_unix_ms(created_at_ms),
        };
        let key = StreamKey::generate()?;
        let mut write = self.write().await?;
        let owner = stream.owner.as_ref().map(UserId::as_str);
        let counts = sqlx::query(
            "SELECT COUNT(*), (SELECT COUNT(*) FROM streams WHERE owner_id = $1), \
             (SELECT COUNT(*) FROM users WHERE id = $1) FROM streams",
        )
        .bind(owner)
        .fetch_one(&mut *write)
        .await?;
        if counts.try_get::<i64, _>(0)? >= i64::from(STREAMS_MAX) {
            return Err(Error::TooManyStreams);
        }
        if counts.try_get::<i64, _>(1)? >= i64::from(STREAMS_OF_OWNER_MAX) {
            return Err(Error::TooManyOfOwner);
        }
        if let Some(owner) = &stream.owner
            && counts.try_get::<i64, _>(2)? == 0
        {
            return Err(Error::UnknownOwner(owner.clone()));
        }
        sqlx::query(
            "INSERT INTO streams (id, key_sha256, owner_id, created_at_ms, title) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(stream.id.as_str())
        .bind(KeyHash::of(key.reveal()).to_hex())
        .bind(owner)
        .bind(created_at_ms)
        .bind(stream.title.as_str())
        .execute(&mut *write)
        .await?;
        save(&mut write, &stream).await?;
        write.commit().await?;
        Ok((stream, key))
    }

    /// Streams, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        sort: Sort,
        paging: &Paging,
    ) -> Result<Page<Stream>, Error> {
        listing::select(with_columns!("SELECT", "FROM streams"), filter)
            .page(&self.pool, sort.order(), paging, row::stream_of)
            .await
    }

    /// All streams of a list, in the order of their creation.
    pub async fn all(&self, filter: &Filter) -> Result<Vec<Stream>, Error> {
        let mut paging = Paging {
            limit: PAGE_MAX,
            after: None,
        };
        let mut all = Vec::new();
        loop {
            let page = self.list(filter, Sort::Oldest, &paging).await?;
            all.extend(page.items);
            paging.after = page.next;
            if paging.after.is_none() {
                return Ok(all);
            }
        }
    }

    /// The stream with this id.
    pub async fn find(&self, id: &StreamId) -> Result<Option<Stream>, Error> {
        let row = sqlx::query(with_columns!("SELECT", "FROM streams WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(row::stream_of).transpose()
    }

    /// Changes a stream.
    pub async fn change(&self, id: &StreamId, change: &Change) -> Result<Stream, Error> {
        let mut write = self.write().await?;
        let row = sqlx::query(with_columns!("SELECT", "FROM streams WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(&mut *write)
            .await?
            .ok_or_else(|| Error::UnknownStream(id.clone()))?;
        let mut stream = row::stream_of(&row)?;
        change.apply(&mut stream);
        save(&mut write, &stream).await?;
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

    /// The streams that have bounds of their own on their recordings.
    pub async fn retention(&self) -> Result<HashMap<StreamId, retention::OfStream>, Error> {
        let rows = sqlx::query(with_columns!(
            "SELECT",
            "FROM streams WHERE retention_days IS NOT NULL OR retention_bytes IS NOT NULL"
        ))
        .fetch_all(&self.pool)
        .await?;
        let of = |row: &AnyRow| {
            let stream = row::stream_of(row)?;
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
        let stream = row::stream_of(&row)?;
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
        sqlx::query("UPDATE recordings SET owner_id = $1 WHERE stream_id = $2")
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

    /// All keys as they are now. Those of users who may not log in or have no streams (any more)
    /// open nothing.
    pub async fn keys(&self) -> Result<Keys, Error> {
        // Read before the rows: a write in between makes the snapshot newer than it says, so that
        // it is read once more. The other way round the write would be missed.
        let revision = self.revision().await?;
        let rows = sqlx::query(with_columns!(
            "SELECT key_sha256, (SELECT COUNT(*) FROM users WHERE users.id = streams.owner_id \
             AND (users.disabled = 1 OR users.role = 'viewer')) AS barred,",
            "FROM streams"
        ))
        .fetch_all(&self.pool)
        .await?;
        let mut keys = Keys {
            revision,
            grants: HashMap::with_capacity(rows.len()),
            private: HashSet::new(),
        };
        for row in &rows {
            let (hash, grant) = row::grant_of(row)?;
            if row::visibility_of(row, grant.stream.as_str())? == Visibility::Private {
                keys.private.insert(grant.stream.clone());
            }
            if row.try_get::<i64, _>("barred")? == 0 {
                keys.grants.insert(hash, grant);
            }
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
        raise_revision(&mut transaction).await?;
        Ok(transaction)
    }
}

/// Has running processes read their snapshots anew once the transaction is committed.
pub(crate) async fn raise_revision(
    write: &mut Transaction<'static, Any>,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE stream_revision SET value = value + 1")
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// Writes all of a stream that can change into its row.
async fn save(write: &mut Transaction<'static, Any>, stream: &Stream) -> Result<(), Error> {
    let (choice, reconnection) = (&stream.recording, &stream.reconnection);
    sqlx::query(
        "UPDATE streams SET title = $1, title_lower = $2, description = $3, tags = $4, \
         tags_lower = $5, publishers = $6, srt_passphrase = $7, private = $8, record = $9, \
         record_renditions = $10, retention_days = $11, retention_bytes = $12, reconnect_s = $13, backup_publisher = $14 \
         WHERE id = $15",
    )
    .bind(stream.title.as_str())
    .bind(stream.title.lower())
    .bind(stream.description.as_str())
    .bind(stream.tags.to_column())
    .bind(stream.tags.to_column().to_lowercase())
    .bind(stream.publishers.to_column())
    .bind(stream.srt_passphrase.as_ref().map(SrtPassphrase::reveal))
    .bind(to_private(stream.visibility))
    .bind(choice.record.map(i64::from))
    .bind(recording::to_column(&choice.renditions))
    .bind(choice.keep_days.to_column())
    .bind(choice.keep_bytes.to_column())
    .bind(reconnection.window.map(|window| i64::from(window.as_secs())))
    .bind(i64::from(reconnection.backup))
    .bind(stream.id.as_str())
    .execute(&mut **write)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
