//! The VOD library in the database: videos and what belongs to them, the files that are on their way
//! here, and what is to be encoded.
//!
//! A video is an imported recording ([`import`]), whose media it shares, or an upload ([`uploads`])
//! that a job ([`jobs`]) encodes. Its row is there from the beginning; its media is there once its
//! status is [`Status::Ready`]. The SQL is portable (SQLite, PostgreSQL); every transaction writes
//! first, as [`crate::streams`] does and for the same reason.

pub mod chapters;
mod column;
mod import;
pub mod jobs;
pub mod language;
pub(crate) mod likes;
pub mod list;
pub mod subtitles;
pub mod text;
pub mod uploads;
pub mod video;
pub mod webvtt;

use std::time::SystemTime;

use media_core::{JobId, RecordingId, RenditionName, UploadId, VideoId};
use rand::rand_core::OsError;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use crate::accounts::UserId;
use crate::holders;
use crate::listing::InvalidCursor;
use crate::random;
use crate::unix_time::to_unix_ms;

pub use chapters::{Chapter, Chapters};
pub use jobs::Jobs;
pub use language::Language;
pub use list::{Filter, Owner, Seen, Sort};
pub use subtitles::{NewSubtitles, Subtitles};
pub use text::{Description, Label, Tag, Tags, Title};
pub use uploads::Uploads;
pub use video::{Status, Video, Visibility};
pub use webvtt::WebVtt;

/// How many videos a database holds: more than the disks of one machine, and few enough to list.
pub const VIDEOS_MAX: u32 = 100_000;

/// How many of them one user may have: a hundredth of the disks' work, and no way to take the
/// library from everybody else. The operator's are bounded by [`VIDEOS_MAX`] alone.
pub const VIDEOS_OF_USER_MAX: u32 = 10_000;

/// Characters of base32 in the id of a video, an upload or a job: 70 bits, as in a recording's.
const ID_CHARS: usize = 14;

/// Why a query about the library has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No video has this id (any more).
    #[error("there is no video {0}")]
    UnknownVideo(VideoId),
    /// No user has this id (any more).
    #[error("there is no user {0}")]
    UnknownUser(UserId),
    /// No recording has this id (any more).
    #[error("there is no recording {0}")]
    UnknownRecording(RecordingId),
    /// The recording still runs, or has failed: it has no media to share.
    #[error("recording {0} cannot be played (yet)")]
    NotPlayable(RecordingId),
    /// The video has no subtitles of this name.
    #[error("video {video} has no subtitles {name}")]
    UnknownSubtitles {
        /// The video.
        video: VideoId,
        /// Which ones.
        name: RenditionName,
    },
    /// [`subtitles::SUBTITLES_MAX`] are there already.
    #[error("a video has at most {} subtitles", subtitles::SUBTITLES_MAX)]
    TooManySubtitles,
    /// [`VIDEOS_MAX`] are there already.
    #[error("the database holds {VIDEOS_MAX} videos already; delete some first")]
    TooManyVideos,
    /// The owner has [`VIDEOS_OF_USER_MAX`] already.
    #[error("a user has at most {VIDEOS_OF_USER_MAX} videos; delete some first")]
    TooManyOwnVideos,
    /// The video has not failed, or its file is gone.
    #[error("there is no file of video {0} that could be encoded again")]
    NothingToRetry(VideoId),
    /// No upload has this id (any more).
    #[error("there is no upload {0}")]
    UnknownUpload(UploadId),
    /// The video waits for no file: it has one already.
    #[error("video {0} has its file already")]
    NotUploading(VideoId),
    /// The upload is not where the caller thinks it is.
    #[error("upload {upload} is at {offset_bytes} of {length_bytes} bytes")]
    WrongOffset {
        /// Which one.
        upload: UploadId,
        /// How far it is.
        offset_bytes: u64,
        /// How far it goes.
        length_bytes: u64,
    },
    /// The upload is complete, or nobody needs it any more.
    #[error("upload {0} takes no more bytes")]
    UploadClosed(UploadId),
    /// [`uploads::OPEN_MAX`] of this owner are there already.
    #[error("at most {} files can be on their way at once", uploads::OPEN_MAX)]
    TooManyUploads,
    /// The owner's files that are on their way or not encoded yet would have more.
    #[error("your files that are on their way or not encoded yet have at most {bytes_max} bytes")]
    TooManyBytes {
        /// So many.
        bytes_max: u64,
    },
    /// The job was deleted with its video, or taken up by another process: stop.
    #[error("job {0} is not this process's (any more)")]
    JobLost(JobId),
    /// Not a place in this list.
    #[error("cursor: {0}")]
    Cursor(#[from] InvalidCursor),
    /// A row that this crate cannot have written.
    #[error("the database's row {id:?} is damaged: {what}")]
    DamagedRow {
        /// The row's id, whatever it is.
        id: String,
        /// Which column, and what is wrong with it.
        what: String,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] OsError),
    /// The database cannot be asked in time, or refuses.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// A video that is to be made.
#[derive(Clone, Debug)]
pub struct NewVideo {
    /// Whose it is; `None`: the operator's.
    pub owner: Option<UserId>,
    /// What viewers read.
    pub title: Title,
    /// More about it; may be empty.
    pub description: Description,
    /// Words to find it by.
    pub tags: Tags,
    /// Who may watch.
    pub visibility: Visibility,
}

/// What is to change in a video; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A new title.
    pub title: Option<Title>,
    /// A new text; an empty one is none.
    pub description: Option<Description>,
    /// All of its tags from now on.
    pub tags: Option<Tags>,
    /// Who may watch from now on.
    pub visibility: Option<Visibility>,
}

/// The VOD library of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Videos {
    pool: AnyPool,
}

impl Videos {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// The files on their way into it.
    pub fn uploads(&self) -> Uploads {
        Uploads::new(self.pool.clone())
    }

    /// What is to be encoded.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.pool.clone())
    }

    /// Makes a video at `now` whose file is to come. [`Error::TooManyVideos`],
    /// [`Error::TooManyOwnVideos`], [`Error::UnknownUser`].
    pub async fn create(&self, new: NewVideo, now: SystemTime) -> Result<Video, Error> {
        let id = new_id()?;
        let id = VideoId::new(&id).expect("base32 is valid in an id");
        let mut write = self.pool.begin().await?;
        hold_owner(&mut write, new.owner.as_ref()).await?;
        sqlx::query(
            "INSERT INTO videos (id, owner_id, title, title_lower, description, \
             description_lower, visibility, status, progress_permille, duration_ms, size_bytes, \
             views, likes, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'uploading', 0, 0, 0, 0, 0, $8)",
        )
        .bind(id.as_str())
        .bind(new.owner.as_ref().map(UserId::as_str))
        .bind(new.title.as_str())
        .bind(new.title.lower())
        .bind(new.description.as_str())
        .bind(new.description.lower())
        .bind(new.visibility.as_str())
        .bind(to_unix_ms(now))
        .execute(&mut *write)
        .await
        .map_err(|error| refused(error, new.owner.as_ref()))?;
        refuse_too_many(&mut write, new.owner.as_ref()).await?;
        put_tags(&mut write, &id, &new.tags).await?;
        write.commit().await?;
        self.existing(&id).await
    }

    /// The video with this id.
    pub async fn find(&self, id: &VideoId) -> Result<Option<Video>, Error> {
        let row = sqlx::query(column::SELECT_ONE)
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let mut video = column::video_of(&row)?;
        self.read_tags(std::slice::from_mut(&mut video)).await?;
        Ok(Some(video))
    }

    /// Changes a video. [`Error::UnknownVideo`].
    pub async fn change(&self, id: &VideoId, change: &Change) -> Result<Video, Error> {
        let mut write = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE videos SET title = COALESCE($1, title), \
             title_lower = COALESCE($2, title_lower), \
             description = COALESCE($3, description), \
             description_lower = COALESCE($4, description_lower), \
             visibility = COALESCE($5, visibility) WHERE id = $6",
        )
        .bind(change.title.as_ref().map(Title::as_str))
        .bind(change.title.as_ref().map(Title::lower))
        .bind(change.description.as_ref().map(Description::as_str))
        .bind(change.description.as_ref().map(Description::lower))
        .bind(change.visibility.map(Visibility::as_str))
        .bind(id.as_str())
        .execute(&mut *write)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(Error::UnknownVideo(id.clone()));
        }
        if let Some(tags) = &change.tags {
            sqlx::query("DELETE FROM video_tags WHERE video_id = $1")
                .bind(id.as_str())
                .execute(&mut *write)
                .await?;
            put_tags(&mut write, id, tags).await?;
        }
        write.commit().await?;
        self.existing(id).await
    }

    /// Deletes a video with all that belongs to it. Its media goes with
    /// [`crate::retention::sweep`], unless a recording or another video plays it too; a file on its
    /// way to it becomes [`uploads::Status::Spent`], and a process that encodes it is told by
    /// [`Error::JobLost`]. [`Error::UnknownVideo`].
    pub async fn delete(&self, id: &VideoId) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        let held = lock(&mut write, id).await?;
        let written = sqlx::query("SELECT asset_id FROM jobs WHERE video_id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut *write)
            .await?;
        let written: Option<String> = match &written {
            Some(row) => row.try_get(0)?,
            None => None,
        };
        sqlx::query("UPDATE uploads SET status = 'spent' WHERE video_id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        sqlx::query("DELETE FROM videos WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        for asset in [held, written] {
            holders::release(&mut write, asset.as_deref()).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Counts `views` more. How many there are now. [`Error::UnknownVideo`].
    pub async fn add_views(&self, id: &VideoId, views: u32) -> Result<u64, Error> {
        let row = sqlx::query("UPDATE videos SET views = views + $1 WHERE id = $2 RETURNING views")
            .bind(i64::from(views))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let row = row.ok_or_else(|| Error::UnknownVideo(id.clone()))?;
        column::number(&row, "views", id.as_str())
    }

    async fn existing(&self, id: &VideoId) -> Result<Video, Error> {
        let found = self.find(id).await?;
        found.ok_or_else(|| Error::UnknownVideo(id.clone()))
    }

    /// Gives each of a page's videos its tags.
    async fn read_tags(&self, videos: &mut [Video]) -> Result<(), Error> {
        if videos.is_empty() {
            return Ok(());
        }
        let places: Vec<String> = (1..=videos.len())
            .map(|place| format!("${place}"))
            .collect();
        let sql = format!(
            "SELECT video_id, tag FROM video_tags WHERE video_id IN ({}) \
             ORDER BY video_id, position",
            places.join(", ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for video in videos.iter() {
            query = query.bind(video.id.as_str().to_owned());
        }
        for row in query.fetch_all(&self.pool).await? {
            let id: String = row.try_get("video_id")?;
            let tag: String = row.try_get("tag")?;
            let tag = Tag::new(&tag).map_err(|error| damaged(&id, error))?;
            let mut videos = videos.iter_mut();
            if let Some(video) = videos.find(|video| video.id.as_str() == id) {
                video.tags.push(tag);
            }
        }
        Ok(())
    }
}

fn new_id() -> Result<String, OsError> {
    random::base32::<ID_CHARS>()
}

/// Holds a video's row until the transaction ends; the asset that it plays.
async fn lock(
    write: &mut Transaction<'static, Any>,
    id: &VideoId,
) -> Result<Option<String>, Error> {
    let row = sqlx::query("UPDATE videos SET status = status WHERE id = $1 RETURNING asset_id")
        .bind(id.as_str())
        .fetch_optional(&mut **write)
        .await?;
    let row = row.ok_or_else(|| Error::UnknownVideo(id.clone()))?;
    Ok(row.try_get(0)?)
}

/// Holds the row of a user until the transaction ends, so that what is counted of it stays so. Before
/// any video or recording: a user that is deleted is held before its videos and likes too.
async fn hold_owner(
    write: &mut Transaction<'static, Any>,
    owner: Option<&UserId>,
) -> Result<(), Error> {
    let Some(owner) = owner else {
        return Ok(());
    };
    let held = sqlx::query("UPDATE users SET role = role WHERE id = $1")
        .bind(owner.as_str())
        .execute(&mut **write)
        .await?;
    match held.rows_affected() {
        0 => Err(Error::UnknownUser(owner.clone())),
        _ => Ok(()),
    }
}

/// Why a row of `owner`'s was refused: of all that it refers to, the owner alone is not held.
fn refused(error: sqlx::Error, owner: Option<&UserId>) -> Error {
    let told = error.as_database_error();
    match owner {
        Some(owner) if told.is_some_and(|told| told.is_foreign_key_violation()) => {
            Error::UnknownUser(owner.clone())
        }
        _ => error.into(),
    }
}

/// Ends a transaction that has inserted one too many.
async fn refuse_too_many(
    write: &mut Transaction<'static, Any>,
    owner: Option<&UserId>,
) -> Result<(), Error> {
    let row: AnyRow =
        sqlx::query("SELECT COUNT(*), COUNT(CASE WHEN owner_id = $1 THEN 1 END) FROM videos")
            .bind(owner.map(UserId::as_str))
            .fetch_one(&mut **write)
            .await?;
    if row.try_get::<i64, _>(1)? > i64::from(VIDEOS_OF_USER_MAX) {
        return Err(Error::TooManyOwnVideos);
    }
    match row.try_get::<i64, _>(0)? > i64::from(VIDEOS_MAX) {
        true => Err(Error::TooManyVideos),
        false => Ok(()),
    }
}

async fn put_tags(
    write: &mut Transaction<'static, Any>,
    id: &VideoId,
    tags: &Tags,
) -> Result<(), Error> {
    for (tag, position) in tags.iter().zip(0_i64..) {
        sqlx::query(
            "INSERT INTO video_tags (video_id, position, tag, tag_lower) VALUES ($1, $2, $3, $4)",
        )
        .bind(id.as_str())
        .bind(position)
        .bind(tag.as_str())
        .bind(tag.lower())
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}

fn damaged(id: &str, what: impl ToString) -> Error {
    Error::DamagedRow {
        id: id.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests;
