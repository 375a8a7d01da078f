//! The recordings and their assets in the database.
//!
//! The SQL is portable (SQLite, PostgreSQL). Every transaction writes first, as [`crate::streams`]
//! does and for the same reason. A recording's row and its asset's are there before its files are,
//! and the asset's goes after them: whatever the process dies of, a row leads to the files.

mod listing;
mod recovery;

use std::time::{Duration, SystemTime};

use media_core::{AssetId, BroadcastId, RecordingId, RenditionName, StreamId};
use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};

pub use listing::{Filter, SeenBy, Sort};
pub(crate) use recovery::on_disk;
pub use recovery::recover;

use crate::accounts::UserId;
use crate::holders;
use crate::listing::{InvalidCursor, PAGE_MAX, Page, Paging};
use crate::random;
use crate::recording::{self, End, Place, Reason, Recording, Status};
use crate::stream::Title;
use crate::streams;
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// Assets that are listed at a time, to be removed or to be moved.
pub const ASSETS_MAX: u32 = 500;

/// Characters of base32 in a recording's id: 70 bits, as in a stream's.
const ID_CHARS: usize = 14;

/// What a recording is made of. In parentheses, since both tables have an id.
macro_rules! select {
    ($conditions:literal) => {
        concat!(
            "SELECT * FROM (SELECT recordings.id, asset_id, stream_id, stream_title, stream_title_lower, \
             broadcast_id, started_at_ms, ended_at_ms, recordings.status, reason, private, protected, owner_id, \
             renditions, COALESCE(assets.place, 'local') AS place, \
             COALESCE(assets.bytes, 0) AS bytes, COALESCE(assets.duration_ms, 0) AS duration_ms \
             FROM recordings LEFT JOIN assets ON assets.id = recordings.asset_id) AS recordings",
            $conditions
        )
    };
}

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No recording has this id (any more).
    #[error("there is no recording {0}")]
    UnknownRecording(RecordingId),
    /// No stream has this id (any more).
    #[error("there is no stream {0}")]
    UnknownStream(StreamId),
    /// Its broadcast runs.
    #[error("recording {0} is still running")]
    Running(RecordingId),
    /// It ended already.
    #[error("recording {0} is not running")]
    NotRunning(RecordingId),
    /// Not a place in this list.
    #[error("cursor: {0}")]
    Cursor(#[from] InvalidCursor),
    /// A row that this crate cannot have written.
    #[error("the database's row of recording {id:?} is damaged: {what}")]
    DamagedRow {
        /// The row's id, whatever it is.
        id: String,
        /// Which column, and what is wrong with it.
        what: String,
    },
    /// The streams' own bounds cannot be read.
    #[error(transparent)]
    Streams(#[from] streams::Error),
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
    /// The database cannot be asked in time, or refuses.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// What is to change in a recording; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is called from now on.
    pub title: Option<Title>,
    /// Whether retention leaves it alone.
    pub is_protected: Option<bool>,
}

/// The recordings of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Recordings {
    pool: AnyPool,
}

impl Recordings {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Notes that these renditions of `broadcast` of `stream` are recorded into `asset` from
    /// `started_at` on. To be called before the asset's files are made.
    ///
    /// # Errors
    /// [`Error::UnknownStream`]; the database refuses an asset that is there already.
    pub async fn begin(
        &self,
        stream: &StreamId,
        broadcast: &BroadcastId,
        asset: &AssetId,
        renditions: &[RenditionName],
        started_at: SystemTime,
    ) -> Result<Recording, Error> {
        let id = random::base32::<ID_CHARS>()?;
        let id = RecordingId::new(&id).expect("base32 is valid in an id");
        let started_at_ms = to_unix_ms(started_at);
        let mut write = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO assets (id, status, place, bytes, duration_ms, created_at_ms) \
             VALUES ($1, 'writing', 'local', 0, 0, $2)",
        )
        .bind(asset.as_str())
        .bind(started_at_ms)
        .execute(&mut *write)
        .await?;
        let inserted = sqlx::query(
            "INSERT INTO recordings (id, asset_id, stream_id, stream_title, stream_title_lower, \
             broadcast_id, started_at_ms, renditions, status, private, owner_id) \
             SELECT $1, $2, id, title, title_lower, $3, $4, $5, 'recording', private, owner_id \
             FROM streams WHERE id = $6",
        )
        .bind(id.as_str())
        .bind(asset.as_str())
        .bind(broadcast.as_str())
        .bind(started_at_ms)
        .bind(recording::to_column(renditions).unwrap_or_default())
        .bind(stream.as_str())
        .execute(&mut *write)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(Error::UnknownStream(stream.clone()));
        }
        write.commit().await?;
        self.existing(&id).await
    }

    /// Notes how a running recording ended, and when.
    pub async fn finish(
        &self,
        id: &RecordingId,
        end: End,
        ended_at: SystemTime,
    ) -> Result<Recording, Error> {
        let (status, reason) = match end {
            End::Playable {
                cut_short: None, ..
            } => (Status::Ready, None),
            End::Playable { cut_short, .. } => (Status::Interrupted, cut_short),
            End::Failed(reason) => (Status::Failed, Some(reason)),
        };
        let mut write = self.pool.begin().await?;
        let row = sqlx::query(
            "UPDATE recordings SET status = $1, reason = $2, ended_at_ms = $3 \
             WHERE id = $4 AND status = 'recording' RETURNING asset_id",
        )
        .bind(status.as_str())
        .bind(reason.map(Reason::as_str))
        .bind(to_unix_ms(ended_at))
        .bind(id.as_str())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else {
            drop(write);
            let recording = self.existing(id).await?;
            return Err(Error::NotRunning(recording.id));
        };
        let asset: Option<String> = row.try_get(0)?;
        match end {
            End::Playable {
                bytes, duration, ..
            } => {
                let whole = if reason.is_none() {
                    "whole"
                } else {
                    "interrupted"
                };
                sqlx::query(
                    "UPDATE assets SET status = $1, bytes = $2, duration_ms = $3 WHERE id = $4",
                )
                .bind(whole)
                .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
                .bind(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
                .bind(asset)
                .execute(&mut *write)
                .await?;
            }
            End::Failed(_) => {
                sqlx::query("UPDATE recordings SET asset_id = NULL WHERE id = $1")
                    .bind(id.as_str())
                    .execute(&mut *write)
                    .await?;
                sqlx::query("UPDATE assets SET status = 'gone' WHERE id = $1")
                    .bind(asset)
                    .execute(&mut *write)
                    .await?;
            }
        }
        write.commit().await?;
        self.existing(id).await
    }

    /// The recording with this id.
    pub async fn find(&self, id: &RecordingId) -> Result<Option<Recording>, Error> {
        let row = sqlx::query(select!(" WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(recording_of).transpose()
    }

    /// Recordings, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        sort: Sort,
        paging: &Paging,
    ) -> Result<Page<Recording>, Error> {
        listing::select(select!(""), filter)
            .page(&self.pool, sort.order(), paging, recording_of)
            .await
    }

    /// All recordings of a list, the oldest first.
    pub(crate) async fn all(&self, filter: &Filter) -> Result<Vec<Recording>, Error> {
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

    /// Changes a recording.
    pub async fn change(&self, id: &RecordingId, change: &Change) -> Result<Recording, Error> {
        sqlx::query(
            "UPDATE recordings SET stream_title = COALESCE($1, stream_title), \
             stream_title_lower = COALESCE($2, stream_title_lower), \
             protected = COALESCE($3, protected) WHERE id = $4",
        )
        .bind(change.title.as_ref().map(Title::as_str))
        .bind(change.title.as_ref().map(Title::lower))
        .bind(change.is_protected.map(i64::from))
        .bind(id.as_str())
        .execute(&self.pool)
        .await?;
        self.existing(id).await
    }

    /// Notes where an asset's media is from now on.
    pub async fn moved(&self, asset: &AssetId, place: Place) -> Result<(), Error> {
        sqlx::query("UPDATE assets SET place = $1 WHERE id = $2")
            .bind(place.as_str())
            .bind(asset.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// At most [`ASSETS_MAX`] assets that are not written any more and whose media is at `place`, in
    /// order of their ids and behind `after`.
    pub async fn assets_at(
        &self,
        place: Place,
        after: Option<&AssetId>,
    ) -> Result<Vec<AssetId>, Error> {
        let rows = sqlx::query(
            "SELECT id FROM assets WHERE place = $1 AND status IN ('whole', 'interrupted') \
             AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(place.as_str())
        .bind(after.map_or("", AssetId::as_str))
        .bind(i64::from(ASSETS_MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(asset_of).collect()
    }

    /// Deletes a recording that does not run. Its files go with [`crate::retention::sweep`], unless
    /// a video plays them too.
    pub async fn delete(&self, id: &RecordingId) -> Result<(), Error> {
        if self.delete_where(id, true).await? {
            return Ok(());
        }
        let recording = self.existing(id).await?;
        Err(Error::Running(recording.id))
    }

    /// Deletes a recording that does not run, and is not protected unless `also_protected`; whether
    /// there was one.
    pub(crate) async fn delete_where(
        &self,
        id: &RecordingId,
        also_protected: bool,
    ) -> Result<bool, Error> {
        let mut write = self.pool.begin().await?;
        let row = sqlx::query(
            "DELETE FROM recordings WHERE id = $1 AND status <> 'recording' AND protected <= $2 \
             RETURNING asset_id",
        )
        .bind(id.as_str())
        .bind(i64::from(also_protected))
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        let asset: Option<String> = row.try_get(0)?;
        holders::release(&mut write, asset.as_deref()).await?;
        write.commit().await?;
        Ok(true)
    }

    /// At most [`ASSETS_MAX`] assets whose files are to be removed, and where those are.
    pub async fn gone(&self) -> Result<Vec<(AssetId, Place)>, Error> {
        let rows = sqlx::query("SELECT id, place FROM assets WHERE status = 'gone' LIMIT $1")
            .bind(i64::from(ASSETS_MAX))
            .fetch_all(&self.pool)
            .await?;
        let of = |row: &AnyRow| {
            let asset = asset_of(row)?;
            let place = place_of(row, asset.as_str())?;
            Ok((asset, place))
        };
        rows.iter().map(of).collect()
    }

    /// Forgets an asset whose files are removed.
    pub async fn forget(&self, asset: &AssetId) -> Result<(), Error> {
        sqlx::query("DELETE FROM assets WHERE id = $1 AND status = 'gone'")
            .bind(asset.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Whether there is a row of this asset, whatever its status.
    pub(crate) async fn knows(&self, asset: &AssetId) -> Result<bool, Error> {
        let row = sqlx::query("SELECT id FROM assets WHERE id = $1")
            .bind(asset.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    async fn existing(&self, id: &RecordingId) -> Result<Recording, Error> {
        let found = self.find(id).await?;
        found.ok_or_else(|| Error::UnknownRecording(id.clone()))
    }
}

fn recording_of(row: &AnyRow) -> Result<Recording, Error> {
    let id: String = row.try_get("id")?;
    let text = |column: &str| row.try_get::<String, _>(column);
    let word = |column: &str| row.try_get::<Option<String>, _>(column);
    let number = |column: &str| -> Result<u64, Error> {
        let value: i64 = row.try_get(column)?;
        u64::try_from(value).map_err(|_| damaged(&id, format!("{column} is negative")))
    };
    let status = text("status")?;
    let reason = word("reason")?
        .map(|word| Reason::from_word(&word).ok_or_else(|| damaged(&id, "reason is no reason")));
    let asset =
        word("asset_id")?.map(|asset| AssetId::new(&asset).map_err(|error| damaged(&id, error)));
    let owner =
        word("owner_id")?.map(|owner| UserId::new(&owner).map_err(|error| damaged(&id, error)));
    let renditions = recording::from_column(Some(&text("renditions")?));
    Ok(Recording {
        asset: asset.transpose()?,
        stream: StreamId::new(&text("stream_id")?).map_err(|error| damaged(&id, error))?,
        stream_title: text("stream_title")?,
        broadcast: BroadcastId::new(&text("broadcast_id")?).map_err(|error| damaged(&id, error))?,
        started_at: from_unix_ms(row.try_get("started_at_ms")?),
        ended_at: row
            .try_get::<Option<i64>, _>("ended_at_ms")?
            .map(from_unix_ms),
        status: Status::from_word(&status).ok_or_else(|| damaged(&id, "status is no status"))?,
        reason: reason.transpose()?,
        visibility: streams::visibility_of(row, &id)?,
        owner: owner.transpose()?,
        renditions: renditions.map_err(|error| damaged(&id, error))?,
        is_protected: row.try_get::<i64, _>("protected")? == 1,
        place: place_of(row, &id)?,
        bytes: number("bytes")?,
        duration: Duration::from_millis(number("duration_ms")?),
        id: RecordingId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}

fn asset_of(row: &AnyRow) -> Result<AssetId, Error> {
    let id: String = row.try_get("id")?;
    AssetId::new(&id).map_err(|error| damaged(&id, error))
}

fn place_of(row: &AnyRow, id: &str) -> Result<Place, Error> {
    let place: String = row.try_get("place")?;
    Place::from_word(&place).ok_or_else(|| damaged(id, "place is no place"))
}

fn damaged(id: &str, what: impl ToString) -> Error {
    Error::DamagedRow {
        id: id.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests;
