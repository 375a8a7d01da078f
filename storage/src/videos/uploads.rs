//! Files on their way to this server, in the database: whose they are, how far they are, and which
//! of them nobody needs any more. The bytes are not kept here.
//!
//! The row is there before its file is, and goes when that is gone ([`Uploads::forget`]). Every
//! transaction locks the video first, and so none waits for another in a circle.

use std::fmt;
use std::time::SystemTime;

use media_core::{UploadId, VideoId};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use super::list::Owner;
use super::{Error, column, damaged, jobs, lock, new_id, refused};
use crate::accounts::UserId;
use crate::listing::{Column, Order, Page, Paging, Select};
use crate::recording::word;
use crate::unix_time::{from_unix_ms, to_unix_ms};

/// The most files of one owner that are on their way at once: a browser sends a folder one by one.
pub const OPEN_MAX: usize = 20;

/// The longest text that an uploader says of a file, in bytes.
pub const METADATA_BYTES_MAX: usize = 8 * 1024;

/// The most uploads that one call expires or returns.
pub const BATCH_MAX: u32 = 500;

/// What viewers of a failed video's page read where its file never came.
const EXPIRED: &str = "the upload was not finished in time";

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
    /// Up to when it is waited for more.
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
    /// What the file is called.
    pub source_name: Option<String>,
    /// What the uploader says of it: at most [`METADATA_BYTES_MAX`], and no U+0000.
    pub metadata: String,
    /// Up to when it is waited for more.
    pub expires_at: SystemTime,
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
    /// [`Error::UnknownUser`].
    pub async fn begin(&self, new: NewUpload, now: SystemTime) -> Result<Upload, Error> {
        let id = new_id()?;
        let id = UploadId::new(&id).expect("base32 is valid in an id");
        let mut write = self.pool.begin().await?;
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
        let open = sqlx::query(
            "SELECT COUNT(*) FROM uploads WHERE status = 'open' \
             AND (owner_id = $1 OR (owner_id IS NULL AND $1 IS NULL))",
        )
        .bind(new.owner.as_ref().map(UserId::as_str))
        .fetch_one(&mut *write)
        .await?;
        if open.try_get::<i64, _>(0)? > OPEN_MAX as i64 {
            return Err(Error::TooManyUploads);
        }
        write.commit().await?;
        self.existing(&id).await
    }

    /// The upload with this id.
    pub async fn find(&self, id: &UploadId) -> Result<Option<Upload>, Error> {
        let row = sqlx::query(select!(" WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(upload_of).transpose()
    }

    /// Uploads that are open or complete, those of one owner where one is given, the newest first.
    pub async fn list(
        &self,
        owner: Option<&Owner>,
        paging: &Paging,
    ) -> Result<Page<Upload>, Error> {
        let newest_first = Order {
            column: Column::Number("created_at_ms"),
            descending: true,
        };
        let select = Select::new(select!("")).always("status <> 'spent'");
        let select = match owner {
            None => select,
            Some(Owner::Operator) => select.always("owner_id IS NULL"),
            Some(Owner::User(user)) => select.only("owner_id", Some(user.as_str())),
        };
        select
            .page(&self.pool, newest_first, paging, upload_of)
            .await
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

    /// Gives up an upload that is open: its uploader does not want it any more. Its video waits for
    /// another one. [`Error::UnknownUpload`], [`Error::UploadClosed`].
    pub async fn abandon(&self, id: &UploadId) -> Result<(), Error> {
        let given_up =
            sqlx::query("UPDATE uploads SET status = 'spent' WHERE id = $1 AND status = 'open'")
                .bind(id.as_str())
                .execute(&self.pool)
                .await?;
        if given_up.rows_affected() == 0 {
            let upload = self.existing(id).await?;
            return Err(Error::UploadClosed(upload.id));
        }
        Ok(())
    }

    /// Gives up the open uploads that nothing has come of for too long at `now`, at most
    /// [`BATCH_MAX`]. A video that waits for nothing else has failed. How many there were.
    pub async fn expire(&self, now: SystemTime) -> Result<usize, Error> {
        let now_ms = to_unix_ms(now);
        let due = sqlx::query(
            "SELECT id, video_id FROM uploads WHERE status = 'open' AND expires_at_ms <= $1 \
             AND video_id IS NOT NULL ORDER BY expires_at_ms LIMIT $2",
        )
        .bind(now_ms)
        .bind(i64::from(BATCH_MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut expired = 0;
        for row in &due {
            let (id, video): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let video = VideoId::new(&video).map_err(|error| damaged(&id, error))?;
            expired += usize::from(self.expire_one(&id, &video, now_ms).await?);
        }
        Ok(expired)
    }

    async fn expire_one(&self, id: &str, video: &VideoId, now_ms: i64) -> Result<bool, Error> {
        let mut write = self.pool.begin().await?;
        match lock(&mut write, video).await {
            // Deleted since, and its uploads with it.
            Err(Error::UnknownVideo(_)) => return Ok(false),
            locked => locked?,
        };
        let spent = sqlx::query(
            "UPDATE uploads SET status = 'spent' \
             WHERE id = $1 AND status = 'open' AND expires_at_ms <= $2",
        )
        .bind(id)
        .bind(now_ms)
        .execute(&mut *write)
        .await?;
        if spent.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE videos SET status = 'failed', reason = $1 \
             WHERE id = $2 AND status = 'uploading' AND NOT EXISTS \
             (SELECT 1 FROM uploads WHERE video_id = $2 AND status = 'open')",
        )
        .bind(EXPIRED)
        .bind(video.as_str())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// At most [`BATCH_MAX`] uploads whose files are to be removed.
    pub async fn spent(&self) -> Result<Vec<UploadId>, Error> {
        let rows = sqlx::query("SELECT id FROM uploads WHERE status = 'spent' LIMIT $1")
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
