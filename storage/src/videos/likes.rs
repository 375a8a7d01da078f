//! Who likes which video: one like a user and video. They are counted in the video's row too, by
//! which lists are sorted.

use media_core::VideoId;
use sqlx::{Any, Transaction};

use super::{Error, Videos, column, hold_owner, lock};
use crate::accounts::UserId;

impl Videos {
    /// `user` likes the video; again is as once. How many do now. [`Error::UnknownVideo`],
    /// [`Error::UnknownUser`].
    pub async fn like(&self, id: &VideoId, user: &UserId) -> Result<u64, Error> {
        let mut write = self.pool.begin().await?;
        // A deletion of the user, which takes its likes out of the counts, comes before or after.
        hold_owner(&mut write, Some(user)).await?;
        lock(&mut write, id).await?;
        sqlx::query(
            "INSERT INTO video_likes (video_id, user_id) VALUES ($1, $2) \
             ON CONFLICT (video_id, user_id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(user.as_str())
        .execute(&mut *write)
        .await?;
        recount(write, id).await
    }

    /// `user` likes the video no more. How many do now. [`Error::UnknownVideo`].
    pub async fn unlike(&self, id: &VideoId, user: &UserId) -> Result<u64, Error> {
        let mut write = self.pool.begin().await?;
        lock(&mut write, id).await?;
        sqlx::query("DELETE FROM video_likes WHERE video_id = $1 AND user_id = $2")
            .bind(id.as_str())
            .bind(user.as_str())
            .execute(&mut *write)
            .await?;
        recount(write, id).await
    }

    /// Whether `user` likes the video.
    pub async fn likes(&self, id: &VideoId, user: &UserId) -> Result<bool, Error> {
        let row =
            sqlx::query("SELECT user_id FROM video_likes WHERE video_id = $1 AND user_id = $2")
                .bind(id.as_str())
                .bind(user.as_str())
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.is_some())
    }
}

/// Counts a video's likes and commits. The video's row is held: others' likes of it are all there,
/// or come after.
async fn recount(mut write: Transaction<'static, Any>, id: &VideoId) -> Result<u64, Error> {
    let row = sqlx::query(
        "UPDATE videos SET likes = (SELECT COUNT(*) FROM video_likes WHERE video_id = $1) \
         WHERE id = $1 RETURNING likes",
    )
    .bind(id.as_str())
    .fetch_one(&mut *write)
    .await?;
    let likes = column::number(&row, "likes", id.as_str())?;
    write.commit().await?;
    Ok(likes)
}

/// Takes the likes of a user who is about to be deleted, and whose row is held, out of the counts.
pub(crate) async fn uncount_all_of(
    write: &mut Transaction<'static, Any>,
    user: &UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE videos SET likes = likes - 1 \
         WHERE id IN (SELECT video_id FROM video_likes WHERE user_id = $1)",
    )
    .bind(user.as_str())
    .execute(&mut **write)
    .await?;
    Ok(())
}
