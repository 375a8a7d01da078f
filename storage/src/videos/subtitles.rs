//! The subtitles of a video, in the database with all their text.

use media_core::{RenditionName, VideoId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::language::Language;
use super::text::Label;
use super::webvtt::WebVtt;
use super::{Error, Videos, damaged, lock};

/// The most subtitles of a video.
pub const SUBTITLES_MAX: usize = 20;

/// Subtitles of a video, without their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtitles {
    /// Stands in URLs; unique among a video's.
    pub name: RenditionName,
    /// What they are in.
    pub language: Language,
    /// What a player's menu calls them.
    pub label: Label,
    /// Whether a player shows them unless its user chose others; of one at most.
    pub is_default: bool,
}

/// Subtitles that a video is to have.
#[derive(Clone, Debug)]
pub struct NewSubtitles {
    /// What they are.
    pub about: Subtitles,
    /// What they say.
    pub webvtt: WebVtt,
}

impl Videos {
    /// A video's subtitles, by name.
    pub async fn subtitles(&self, id: &VideoId) -> Result<Vec<Subtitles>, Error> {
        let rows = sqlx::query(
            "SELECT name, language, label, is_default FROM video_subtitles WHERE video_id = $1 \
             ORDER BY name",
        )
        .bind(id.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| subtitles_of(row, id)).collect()
    }

    /// The text of a video's subtitles of this name.
    pub async fn webvtt(
        &self,
        id: &VideoId,
        name: &RenditionName,
    ) -> Result<Option<String>, Error> {
        let row =
            sqlx::query("SELECT webvtt FROM video_subtitles WHERE video_id = $1 AND name = $2")
                .bind(id.as_str())
                .bind(name.as_str())
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Gives a video subtitles, in place of those of the same name. [`Error::UnknownVideo`],
    /// [`Error::TooManySubtitles`].
    pub async fn put_subtitles(&self, id: &VideoId, new: &NewSubtitles) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        lock(&mut write, id).await?;
        let about = &new.about;
        if about.is_default {
            sqlx::query("UPDATE video_subtitles SET is_default = 0 WHERE video_id = $1")
                .bind(id.as_str())
                .execute(&mut *write)
                .await?;
        }
        sqlx::query(
            "INSERT INTO video_subtitles (video_id, name, language, label, is_default, webvtt) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (video_id, name) DO UPDATE SET \
             language = excluded.language, label = excluded.label, \
             is_default = excluded.is_default, webvtt = excluded.webvtt",
        )
        .bind(id.as_str())
        .bind(about.name.as_str())
        .bind(about.language.as_str())
        .bind(about.label.as_str())
        .bind(i64::from(about.is_default))
        .bind(new.webvtt.as_str())
        .execute(&mut *write)
        .await?;
        let row = sqlx::query("SELECT COUNT(*) FROM video_subtitles WHERE video_id = $1")
            .bind(id.as_str())
            .fetch_one(&mut *write)
            .await?;
        if row.try_get::<i64, _>(0)? > SUBTITLES_MAX as i64 {
            return Err(Error::TooManySubtitles);
        }
        write.commit().await?;
        Ok(())
    }

    /// Takes subtitles from a video. [`Error::UnknownSubtitles`].
    pub async fn delete_subtitles(&self, id: &VideoId, name: &RenditionName) -> Result<(), Error> {
        let deleted = sqlx::query("DELETE FROM video_subtitles WHERE video_id = $1 AND name = $2")
            .bind(id.as_str())
            .bind(name.as_str())
            .execute(&self.pool)
            .await?;
        match deleted.rows_affected() {
            0 => Err(Error::UnknownSubtitles {
                video: id.clone(),
                name: name.clone(),
            }),
            _ => Ok(()),
        }
    }
}

fn subtitles_of(row: &AnyRow, id: &VideoId) -> Result<Subtitles, Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let id = id.as_str();
    Ok(Subtitles {
        name: RenditionName::new(&text("name")?).map_err(|error| damaged(id, error))?,
        language: Language::new(&text("language")?).map_err(|error| damaged(id, error))?,
        label: Label::new(&text("label")?).map_err(|error| damaged(id, error))?,
        is_default: row.try_get::<i64, _>("is_default")? == 1,
    })
}
