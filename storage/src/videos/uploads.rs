//! Files on their way to this server, in the database: whose they are, how far they are, and which
//! of them nobody needs any more. The bytes are not kept here.
//!
//! The row is there before its file is, and goes when that is gone ([`Uploads::forget`]). Every
//! transaction locks the owner, where it locks one at all, before the video, and the video before
//! the rest: so none waits for another in a circle.

use std::fmt;
use std::time::{Duration, SystemTime};

use media_core::{UploadId, VideoId};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use super::{Error, column, damaged, hold_owner, jobs, lock, new_id, refused};
use crate::accounts::UserId;
use crate::recording::word;
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// The most files of one owner that are on their way at once: a browser sends a folder one by one.
pub const OPEN_MAX: usize = 20;

/// The longest text that an uploader says of a file, in bytes.
pub const METADATA_BYTES_MAX: usize = 8 * 1024;

/// The most uploads that one call expires or returns.
pub const BATCH_MAX: u32 = 500;

/// What viewers of a failed video's page read where its file did not come to its end.
const EXPIRED: &str = "the upload was not finished in time";

/// What its owner reads of a video whose uploader did not want to go on.
pub const GIVEN_UP: &str = "the upload was given up; another one may come";

/// Where not even that was begun.
const NEVER_CAME: &str = "no file has come for it";

/// How long a video waits for a file while none is on its way.
pub const WAITING_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

macro_rules! select {
    ($conditions:literal) => {
        concat!(
            "SELECT id, video_id, owner_id, status, offset_bytes, length_bytes, expires_at_ms, \
             metadata, created_at_ms FROM uploads",
            $conditions
        )
    };
}

/// A file on its way to this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Names its file, and stands in URLs.
    pub id: UploadId,
    /// The video that it becomes; `None`: that was deleted.
    pub video: Option<VideoId>,
    /// Whose it is; `None`: the operator's.
    pub owner: Option<UserId>,
    /// What has become of it.
    pub status: Status,
    /// Bytes that are safe on the disk.
    pub offset_bytes: u64,
    /// Bytes that are to come in all.
    pub length_bytes: u64,
    /// Up to when it is waited for more; of a file that could not be encoded through no fault of its
    /// own, up to when it is kept.
    pub expires_at: SystemTime,
    /// What the uploader said of it, as it was sent.
    pub metadata: String,
    /// When it began, to the millisecond.
    pub created_at: SystemTime,
}

word! {
    /// What has become of an upload.
    Status {
        /// More bytes are to come.
        Open = "open",
        /// All are here, and wait for being encoded.
        Complete = "complete",
        /// Nobody needs them any more.
        Spent = "spent",
    }
}

/// An upload that is to begin.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The video that it becomes: one that waits for its file, or has failed.
    pub video: VideoId,
    /// Whose it is; `None`: the operator's.
    pub owner: Option<UserId>,
    /// Bytes that are to come in all.
    pub length_bytes: u64,
    /// What the owner's files may have together that are on their way or not encoded yet. Nothing
    /// bounds the operator's but the disk.
    pub owner_bytes_max: u64,
    /// What the file is called.
    pub source_name: Option<String>,
    /// What the uploader says of it: at most [`METADATA_BYTES_MAX`], and no U+0000.
    pub metadata: String,
    /// Up to when it is waited for more.
    pub expires_at: SystemTime,
}

/// What nothing has come of for too long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Uploads whose files are to be removed.
    pub uploads: usize,
    /// Videos that have failed.
    pub failed: Vec<VideoId>,
}

/// The uploads of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Uploads {
    pool: AnyPool,
}

impl Uploads {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Notes that a file begins to come at `now`. To be called before the file is made.
    /// [`Error::UnknownVideo`], [`Error::NotUploading`], [`Error::TooManyUploads`],
    /// [`Error::TooManyBytes`], [`Error::UnknownUser`].
    pub async fn begin(&self, new: NewUpload, now: SystemTime) -> Result<Upload, Error> {
        let id = new_id()?;
        let id = UploadId::new(&id).expect("base32 is valid in an id");
        let mut write = self.pool.begin().await?;
        hold_owner(&mut write, new.owner.as_ref()).await?;
        lock(&mut write, &new.video).await?;
        let waiting = sqlx::query(
            "UPDATE videos SET status = 'uploading', reason = NULL, progress_permille = 0, \
             source_name = COALESCE($1, source_name) \
             WHERE id = $2 AND status IN ('uploading', 'failed')",
        )
        .bind(new.source_name.as_deref())
        .bind(new.video.as_str())
        .execute(&mut *write)
        .await?;
        if waiting.rows_affected() == 0 {
            return Err(Error::NotUploading(new.video));
        }
        sqlx::query(
            "INSERT INTO uploads (id, video_id, owner_id, status, offset_bytes, length_bytes, \
             expires_at_ms, metadata, created_at_ms) VALUES ($1, $2, $3, 'open', 0, $4, $5, $6, $7)",
        )
        .bind(id.as_str())
        .bind(new.video.as_str())
        .bind(new.owner.as_ref().map(UserId::as_str))
        .bind(column::whole(new.length_bytes))
        .bind(to_unix_ms(new.expires_at))
        .bind(&new.metadata)
        .bind(to_unix_ms(now))
        .execute(&mut *write)
        .await
        .map_err(|error| refused(error, new.owner.as_ref()))?;
        refuse_beyond(&mut write, &new).await?;
        write.commit().await?;
        self.existing(&id).await
    }

    /// Bytes that all open uploads are still to bring.
    pub async fn promised_bytes(&self) -> Result<u64, Error> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(length_bytes - offset_bytes), 0) AS BIGINT) AS promised \
             FROM uploads WHERE status = 'open'",
        )
        .fetch_one(&self.pool)
        .await?;
        column::number(&row, "promised", "uploads")
    }

    /// The upload with this id.
    pub async fn find(&self, id: &UploadId) -> Result<Option<Upload>, Error> {
        let row = sqlx::query(select!(" WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(upload_of).transpose()
    }

    /// Notes at `now` that an open upload went on `from` one offset `to` another, whose bytes are
    /// safe on the disk, and until when it is waited for more. With the last byte it is complete,
    /// and its video waits for being encoded: no moment is in between, at which both sides would
    /// wait for each other. [`Error::UnknownUpload`], [`Error::UploadClosed`],
    /// [`Error::WrongOffset`]; [`Error::NotUploading`] where the video has another file by now.
    pub async fn advance(
        &self,
        id: &UploadId,
        from: u64,
        to: u64,
        expires_at: SystemTime,
        now: SystemTime,
    ) -> Result<Upload, Error> {
        let upload = self.existing(id).await?;
        if to == upload.length_bytes {
            return self.complete(upload, from, now).await;
        }
        let advanced = sqlx::query(
            "UPDATE uploads SET offset_bytes = $1, expires_at_ms = $2 \
             WHERE id = $3 AND status = 'open' AND offset_bytes = $4 \
             AND $1 >= $4 AND $1 < length_bytes",
        )
        .bind(column::whole(to))
        .bind(to_unix_ms(expires_at))
        .bind(id.as_str())
        .bind(column::whole(from))
        .execute(&self.pool)
        .await?;
        let upload = self.existing(id).await?;
        match advanced.rows_affected() {
            0 => Err(upload.refusal()),
            _ => Ok(upload),
        }
    }

    /// Notes that the last bytes came, `from` an offset on, and queues the video: both or neither.
    async fn complete(&self, upload: Upload, from: u64, now: SystemTime) -> Result<Upload, Error> {
        let id = &upload.id;
        let Some(video) = &upload.video else {
            return Err(Error::UploadClosed(upload.id));
        };
        let mut write = self.pool.begin().await?;
        lock(&mut write, video).await?;
        let completed = sqlx::query(
            "UPDATE uploads SET status = 'complete', offset_bytes = length_bytes \
             WHERE id = $1 AND status = 'open' AND offset_bytes = $2",
        )
        .bind(id.as_str())
        .bind(column::whole(from))
        .execute(&mut *write)
        .await?;
        if completed.rows_affected() == 0 {
            drop(write);
            return Err(self.existing(id).await?.refusal());
        }
        let queued = sqlx::query(
            "UPDATE videos SET status = 'queued', reason = NULL, progress_permille = 0 \
             WHERE id = $1 AND status = 'uploading'",
        )
        .bind(video.as_str())
        .execute(&mut *write)
        .await?;
        if queued.rows_affected() == 0 {
            spend(&mut write, id).await?;
            write.commit().await?;
            return Err(Error::NotUploading(video.clone()));
        }
        jobs::enqueue(&mut write, video, id, now).await?;
        write.commit().await?;
        self.existing(id).await
    }

    /// Notes that only the first `to` bytes of an open upload are there, and not what was noted
    /// (`from`): its file has lost its end. [`Error::UnknownUpload`], [`Error::UploadClosed`],
    /// [`Error::WrongOffset`].
    pub async fn lost(&self, id: &UploadId, from: u64, to: u64) -> Result<Upload, Error> {
        let noted = sqlx::query(
            "UPDATE uploads SET offset_bytes = $1 \
             WHERE id = $2 AND status = 'open' AND offset_bytes = $3 AND $1 <= $3",
        )
        .bind(column::whole(to))
        .bind(id.as_str())
        .bind(column::whole(from))
        .execute(&self.pool)
        .await?;
        let upload = self.existing(id).await?;
        match noted.rows_affected() {
            0 => Err(upload.refusal()),
            _ => Ok(upload),
        }
    }

    /// The upload that a video waits for: the newest open one.
    pub async fn open_of(&self, video: &VideoId) -> Result<Option<Upload>, Error> {
        let row = sqlx::query(select!(
            " WHERE video_id = $1 AND status = 'open' ORDER BY created_at_ms DESC, id DESC LIMIT 1"
        ))
        .bind(video.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(upload_of).transpose()
    }

    /// Gives up an upload that is open, and says `why` in its video, which waits for another one.
    /// [`Error::UnknownUpload`], [`Error::UploadClosed`].
    pub async fn abandon(&self, id: &UploadId, why: &str) -> Result<(), Error> {
        let upload = self.existing(id).await?;
        let Some(video) = &upload.video else {
            return Err(Error::UploadClosed(upload.id));
        };
        let mut write = self.pool.begin().await?;
        lock(&mut write, video).await?;
        let given_up =
            sqlx::query("UPDATE uploads SET status = 'spent' WHERE id = $1 AND status = 'open'")
                .bind(id.as_str())
                .execute(&mut *write)
                .await?;
        if given_up.rows_affected() == 0 {
            return Err(Error::UploadClosed(upload.id));
        }
        sqlx::query("UPDATE videos SET reason = $1 WHERE id = $2 AND status = 'uploading'")
            .bind(why)
            .bind(video.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Gives up what nothing has come of for too long at `now`, at most [`BATCH_MAX`] of each: open
    /// uploads, files that are kept though they could not be encoded, and videos that wait for a file
    /// while none is on its way.
    pub async fn expire(&self, now: SystemTime) -> Result<Expired, Error> {
        let now_ms = to_unix_ms(now);
        let due = sqlx::query(
            "SELECT id, video_id FROM uploads WHERE expires_at_ms <= $1 AND video_id IS NOT NULL \
             AND (status = 'open' OR status = 'complete' AND EXISTS (SELECT 1 FROM jobs \
             WHERE jobs.upload_id = uploads.id AND jobs.status = 'failed')) \
             ORDER BY expires_at_ms LIMIT $2",
        )
        .bind(now_ms)
        .bind(i64::from(BATCH_MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut expired = Expired::default();
        for row in &due {
            let (id, video): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let video = VideoId::new(&video).map_err(|error| damaged(&id, error))?;
            self.expire_one(&id, video, now_ms, &mut expired).await?;
        }
        expired.failed.extend(self.expire_waiting(now).await?);
        Ok(expired)
    }

    async fn expire_one(
        &self,
        id: &str,
        video: VideoId,
        now_ms: i64,
        expired: &mut Expired,
    ) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        match lock(&mut write, &video).await {
            // Deleted since, and its uploads with it.
            Err(Error::UnknownVideo(_)) => return Ok(()),
            locked => locked?,
        };
        // Asked again: it may have gone on, or been tried again, since.
        let spent = sqlx::query(
            "UPDATE uploads SET status = 'spent' WHERE id = $1 AND expires_at_ms <= $2 \
             AND (status = 'open' OR status = 'complete' AND EXISTS (SELECT 1 FROM jobs \
             WHERE jobs.upload_id = uploads.id AND jobs.status = 'failed'))",
        )
        .bind(id)
        .bind(now_ms)
        .execute(&mut *write)
        .await?;
        if spent.rows_affected() == 0 {
            return Ok(());
        }
        let failed = sqlx::query(
            "UPDATE videos SET status = 'failed', reason = $1 \
             WHERE id = $2 AND status = 'uploading' AND NOT EXISTS \
             (SELECT 1 FROM uploads WHERE video_id = $2 AND status = 'open')",
        )
        .bind(EXPIRED)
        .bind(video.as_str())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        expired.uploads += 1;
        if failed.rows_affected() > 0 {
            expired.failed.push(video);
        }
        Ok(())
    }

    /// Fails videos that have waited for a file for [`WAITING_MAX`] while none is on its way.
    async fn expire_waiting(&self, now: SystemTime) -> Result<Vec<VideoId>, Error> {
        let failed = sqlx::query(
            "UPDATE videos SET status = 'failed', reason = COALESCE(reason, $1) WHERE id IN \
             (SELECT id FROM videos WHERE status = 'uploading' AND created_at_ms <= $2 \
             AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.video_id = videos.id \
             AND uploads.status = 'open') LIMIT $3) AND status = 'uploading' RETURNING id",
        )
        .bind(NEVER_CAME)
        .bind(to_unix_ms(now - WAITING_MAX))
        .bind(i64::from(BATCH_MAX))
        .fetch_all(&self.pool)
        .await?;
        let of = |row: &AnyRow| {
            let id: String = row.try_get(0)?;
            VideoId::new(&id).map_err(|error| damaged(&id, error))
        };
        failed.iter().map(of).collect()
    }

    /// At most [`BATCH_MAX`] uploads whose files are to be removed, in order of their ids: those
    /// behind `after`, where one is given.
    pub async fn spent(&self, after: Option<&UploadId>) -> Result<Vec<UploadId>, Error> {
        let rows = sqlx::query(
            "SELECT id FROM uploads WHERE status = 'spent' AND id > $1 ORDER BY id LIMIT $2",
        )
        // Before every id.
        .bind(after.map_or("", UploadId::as_str))
        .bind(i64::from(BATCH_MAX))
        .fetch_all(&self.pool)
        .await?;
        let of = |row: &AnyRow| {
            let id: String = row.try_get(0)?;
            UploadId::new(&id).map_err(|error| damaged(&id, error))
        };
        rows.iter().map(of).collect()
    }

    /// Forgets a spent upload whose file is removed.
    pub async fn forget(&self, id: &UploadId) -> Result<(), Error> {
        sqlx::query("DELETE FROM uploads WHERE id = $1 AND status = 'spent'")
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn existing(&self, id: &UploadId) -> Result<Upload, Error> {
        let found = self.find(id).await?;
        found.ok_or_else(|| Error::UnknownUpload(id.clone()))
    }
}

impl Upload {
    /// Why it does not go on as somebody wants it to.
    fn refusal(self) -> Error {
        match self.status {
            Status::Open => Error::WrongOffset {
                upload: self.id,
                offset_bytes: self.offset_bytes,
                length_bytes: self.length_bytes,
            },
            Status::Complete | Status::Spent => Error::UploadClosed(self.id),
        }
    }
}

/// Ends a transaction that has begun one upload, or one byte, too many of an owner's.
async fn refuse_beyond(
    write: &mut Transaction<'static, Any>,
    new: &NewUpload,
) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT COUNT(CASE WHEN status = 'open' THEN 1 END) AS open, \
         CAST(COALESCE(SUM(length_bytes), 0) AS BIGINT) AS bytes FROM uploads \
         WHERE status IN ('open', 'complete') \
         AND (owner_id = $1 OR (owner_id IS NULL AND $1 IS NULL))",
    )
    .bind(new.owner.as_ref().map(UserId::as_str))
    .fetch_one(&mut **write)
    .await?;
    if row.try_get::<i64, _>("open")? > OPEN_MAX as i64 {
        return Err(Error::TooManyUploads);
    }
    let bytes_max = new.owner_bytes_max;
    let bytes: u64 = column::number(&row, "bytes", "uploads")?;
    match new.owner.is_some() && bytes > bytes_max {
        true => Err(Error::TooManyBytes { bytes_max }),
        false => Ok(()),
    }
}

/// Notes that nobody needs an upload's file any more.
pub(super) async fn spend(
    write: &mut Transaction<'static, Any>,
    id: &UploadId,
) -> Result<(), Error> {
    sqlx::query("UPDATE uploads SET status = 'spent' WHERE id = $1")
        .bind(id.as_str())
        .execute(&mut **write)
        .await?;
    Ok(())
}

fn upload_of(row: &AnyRow) -> Result<Upload, Error> {
    let id: String = row.try_get("id")?;
    let optional = |column: &str| row.try_get::<Option<String>, _>(column);
    let status: String = row.try_get("status")?;
    let video = optional("video_id")?.map(|video| VideoId::new(&video));
    let owner = optional("owner_id")?.map(|owner| UserId::new(&owner));
    Ok(Upload {
        video: video.transpose().map_err(|error| damaged(&id, error))?,
        owner: owner.transpose().map_err(|error| damaged(&id, error))?,
        status: Status::from_word(&status).ok_or_else(|| damaged(&id, "status is no status"))?,
        offset_bytes: column::number(row, "offset_bytes", &id)?,
        length_bytes: column::number(row, "length_bytes", &id)?,
        expires_at: from_unix_ms(row.try_get("expires_at_ms")?),
        metadata: row.try_get("metadata")?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        id: UploadId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}
