//! The recordings and their assets in the database.
//!
//! The SQL is portable (SQLite, PostgreSQL). Every transaction writes first, as [`crate::streams`]
//! does and for the same reason. A recording's row and its asset's are there before its files are,
//! and the asset's goes after them: whatever the process dies of, a row leads to the files.

mod listing;
mod recovery;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use media_core::{AssetId, BroadcastId, RecordingId, RenditionName, StreamId};
use rand::rand_core::OsError;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyPool, Row};

pub use listing::{Filter, SeenBy, Sort};
pub(crate) use recovery::on_disk;
pub use recovery::{name_strangers, recover};

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

/// How often who writes a recording has to be heard of ([`Recordings::heard`]).
pub const HEARD_EVERY: Duration = Duration::from_secs(60);

/// After how long a silence nobody writes it any more: a database that is away for a while is no
/// reason to give it up.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(5 * 60);

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
    /// Another recording is written there.
    #[error("asset {0} is another recording's")]
    AssetTaken(AssetId),
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
    /// Who records; `None`: nobody who could tell own assets from others'.
    writer: Option<Arc<str>>,
}

impl Recordings {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool, writer: None }
    }

    /// The same for a server of this name, which no other one of the database has: only its own
    /// assets are in its data folder.
    #[must_use]
    pub fn written_by(self, writer: &str) -> Self {
        Self {
            writer: Some(writer.into()),
            ..self
        }
    }

    fn writer(&self) -> Option<&str> {
        self.writer.as_deref()
    }

    /// Notes that these renditions of `broadcast` of `stream` are recorded into `asset` from
    /// `started_at` on. To be called before the asset's files are made; once more where the answer
    /// was lost, which is the same recording.
    ///
    /// # Errors
    /// [`Error::UnknownStream`], [`Error::AssetTaken`].
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
        let entered = sqlx::query(
            "INSERT INTO assets (id, status, place, bytes, duration_ms, created_at_ms, writer, \
             heard_at_ms) VALUES ($1, 'writing', 'local', 0, 0, $2, $3, $4) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(asset.as_str())
        .bind(started_at_ms)
        .bind(self.writer())
        // Not when its broadcast began: that may be long ago where the database was away.
        .bind(to_unix_ms(SystemTime::now()))
        .execute(&mut *write)
        .await?;
        if entered.rows_affected() == 0 {
            drop(write);
            return self.begun(broadcast, asset).await;
        }
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

    /// What [`begin`](Self::begin) made of an asset that is there already.
    async fn begun(&self, broadcast: &BroadcastId, asset: &AssetId) -> Result<Recording, Error> {
        let row = sqlx::query(select!(" WHERE asset_id = $1 AND broadcast_id = $2"))
            .bind(asset.as_str())
            .bind(broadcast.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let found = row.as_ref().map(recording_of).transpose()?;
        found.ok_or_else(|| Error::AssetTaken(asset.clone()))
    }

    /// Notes that a running recording's asset is still written, and how many bytes it has.
    pub async fn heard(&self, asset: &AssetId, bytes: u64, now: SystemTime) -> Result<(), Error> {
        sqlx::query(
            "UPDATE assets SET bytes = $1, heard_at_ms = $2 WHERE id = $3 AND status = 'writing'",
        )
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(to_unix_ms(now))
        .bind(asset.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes how a running recording ended, and when; once more where the answer was lost.
    ///
    /// # Errors
    /// [`Error::NotRunning`]: it ended in another way.
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
            let noted = recording.ended_at.map(to_unix_ms);
            let is_the_same = (recording.status, recording.reason, noted)
                == (status, reason, Some(to_unix_ms(ended_at)));
            return match is_the_same {
                true => Ok(recording),
                false => Err(Error::NotRunning(recording.id)),
            };
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

    /// Deletes a recording whose end was never noted, and of whose writer nothing was heard for
    /// [`ABANDONED_AFTER`]; whether it was one.
    pub async fn delete_abandoned(&self, id: &RecordingId, now: SystemTime) -> Result<bool, Error> {
        let delete = sqlx::query(
            "DELETE FROM recordings WHERE id = $1 AND status = 'recording' AND NOT EXISTS (\
             SELECT 1 FROM assets WHERE assets.id = recordings.asset_id AND heard_at_ms > $2) \
             RETURNING asset_id",
        )
        .bind(id.as_str())
        .bind(to_unix_ms(abandoned_before(now)));
        self.delete_with(delete).await
    }

    /// Deletes a recording that does not run, and is not protected unless `also_protected`; whether
    /// there was one.
    pub(crate) async fn delete_where(
        &self,
        id: &RecordingId,
        also_protected: bool,
    ) -> Result<bool, Error> {
        let delete = sqlx::query(
            "DELETE FROM recordings WHERE id = $1 AND status <> 'recording' AND protected <= $2 \
             RETURNING asset_id",
        )
        .bind(id.as_str())
        .bind(i64::from(also_protected));
        self.delete_with(delete).await
    }

    async fn delete_with(&self, delete: Query<'_, Any, AnyArguments>) -> Result<bool, Error> {
        let mut write = self.pool.begin().await?;
        let row = delete.fetch_optional(&mut *write).await?;
        let Some(row) = row else {
            return Ok(false);
        };
        let asset: Option<String> = row.try_get(0)?;
        holders::release(&mut write, asset.as_deref()).await?;
        write.commit().await?;
        Ok(true)
    }

    /// All assets that this server wrote, or nobody knows who did, whose files are to be removed, and
    /// where those are: none may hide behind others that cannot be removed. The files of another
    /// server are in its folder, and perhaps still written.
    pub async fn gone(&self) -> Result<Vec<(AssetId, Place)>, Error> {
        const GONE: &str = "SELECT id, place FROM assets WHERE status = 'gone' \
             AND (writer IS NULL OR writer = $1 OR $1 = '') AND id > $2 ORDER BY id LIMIT $3";
        self.gone_as(GONE).await
    }

    /// The same of other servers.
    pub(crate) async fn gone_of_others(&self) -> Result<Vec<(AssetId, Place)>, Error> {
        const GONE: &str = "SELECT id, place FROM assets WHERE status = 'gone' \
             AND writer <> $1 AND $1 <> '' AND id > $2 ORDER BY id LIMIT $3";
        self.gone_as(GONE).await
    }

    /// What `query` finds, [`ASSETS_MAX`] at a time.
    async fn gone_as(&self, query: &'static str) -> Result<Vec<(AssetId, Place)>, Error> {
        let mut gone: Vec<(AssetId, Place)> = Vec::new();
        loop {
            let after = gone.last().map_or("", |(asset, _)| asset.as_str());
            let rows = sqlx::query(query)
                .bind(self.writer().unwrap_or(""))
                .bind(after.to_owned())
                .bind(i64::from(ASSETS_MAX))
                .fetch_all(&self.pool)
                .await?;
            for row in &rows {
                let asset = asset_of(row)?;
                let place = place_of(row, asset.as_str())?;
                gone.push((asset, place));
            }
            if rows.len() < ASSETS_MAX as usize {
                return Ok(gone);
            }
        }
    }

    /// Forgets an asset whose files are removed.
    pub async fn forget(&self, asset: &AssetId) -> Result<(), Error> {
        sqlx::query("DELETE FROM assets WHERE id = $1 AND status = 'gone'")
            .bind(asset.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Whether this server makes whole a recording whose end was not noted: one of its own, or one
    /// of which nothing was heard for [`ABANDONED_AFTER`].
    pub(crate) async fn has_to_recover(
        &self,
        recording: &Recording,
        now: SystemTime,
    ) -> Result<Recovers, Error> {
        let Some(asset) = &recording.asset else {
            return Ok(Recovers::No);
        };
        let row = sqlx::query("SELECT writer, heard_at_ms FROM assets WHERE id = $1")
            .bind(asset.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(Recovers::No);
        };
        let writer: Option<String> = row.try_get("writer")?;
        let heard: Option<i64> = row.try_get("heard_at_ms")?;
        let is_abandoned = heard.is_none_or(|ms| ms <= to_unix_ms(abandoned_before(now)));
        Ok(match (writer.as_deref(), self.writer()) {
            (None, _) | (_, None) => Recovers::Own,
            (Some(writer), Some(own)) if writer == own => Recovers::Own,
            _ if is_abandoned => Recovers::WhatIsHere,
            _ => Recovers::No,
        })
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

/// Whether a server makes a recording whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovers {
    /// It was its own.
    Own,
    /// Nobody writes it any more: where its files are here.
    WhatIsHere,
    /// It is another server's.
    No,
}

fn abandoned_before(now: SystemTime) -> SystemTime {
    now.checked_sub(ABANDONED_AFTER)
        .unwrap_or(SystemTime::UNIX_EPOCH)
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
