//! A recording becomes a video: at once, since it plays the recording's own media. Each lives on
//! without the other, and the media as long as either.

use std::time::SystemTime;

use media_core::{RecordingId, VideoId};
use sqlx::Row;

use super::{
    Error, NewVideo, Video, Videos, hold_owner, new_id, put_tags, refuse_too_many, refused,
};
use crate::accounts::UserId;
use crate::holders;
use crate::unix_time::to_unix_ms;

impl Videos {
    /// Makes a ready video of a recording that has ended, at `now`; doing so again makes another
    /// one. [`Error::UnknownRecording`], [`Error::NotPlayable`], [`Error::TooManyVideos`],
    /// [`Error::TooManyOwnVideos`], [`Error::UnknownUser`].
    pub async fn import(
        &self,
        recording: &RecordingId,
        new: NewVideo,
        now: SystemTime,
    ) -> Result<Video, Error> {
        let id = new_id()?;
        let id = VideoId::new(&id).expect("base32 is valid in an id");
        let mut write = self.pool.begin().await?;
        hold_owner(&mut write, new.owner.as_ref()).await?;
        // Writes nothing: the transaction begins with what it must wait for.
        let locked =
            sqlx::query("UPDATE recordings SET status = status WHERE id = $1 RETURNING asset_id")
                .bind(recording.as_str())
                .fetch_optional(&mut *write)
                .await?;
        let locked = locked.ok_or_else(|| Error::UnknownRecording(recording.clone()))?;
        if let Some(asset) = locked.try_get::<Option<String>, _>("asset_id")? {
            holders::lock(&mut write, &asset).await?;
        }
        let inserted = sqlx::query(
            "INSERT INTO videos (id, owner_id, asset_id, recording_id, title, title_lower, \
             description, description_lower, visibility, status, progress_permille, duration_ms, \
             size_bytes, views, likes, created_at_ms, published_at_ms) \
             SELECT $1, $2, assets.id, recordings.id, $3, $4, $5, $6, $7, 'ready', 1000, \
             assets.duration_ms, assets.bytes, 0, 0, $8, $8 \
             FROM recordings JOIN assets ON assets.id = recordings.asset_id \
             WHERE recordings.id = $9 AND recordings.status IN ('ready', 'interrupted')",
        )
        .bind(id.as_str())
        .bind(new.owner.as_ref().map(UserId::as_str))
        .bind(new.title.as_str())
        .bind(new.title.lower())
        .bind(new.description.as_str())
        .bind(new.description.lower())
        .bind(new.visibility.as_str())
        .bind(to_unix_ms(now))
        .bind(recording.as_str())
        .execute(&mut *write)
        .await
        .map_err(|error| refused(error, new.owner.as_ref()))?;
        if inserted.rows_affected() == 0 {
            return Err(Error::NotPlayable(recording.clone()));
        }
        refuse_too_many(&mut write, new.owner.as_ref()).await?;
        put_tags(&mut write, &id, &new.tags).await?;
        write.commit().await?;
        self.existing(&id).await
    }
}
