//! A video's row, read back.

use std::time::Duration;

use media_core::{AssetId, RecordingId, VideoId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::text::{Description, Title};
use super::video::{Status, Video, Visibility};
use super::{Error, damaged};
use crate::accounts::UserId;
use crate::recording::Place;
use crate::unix_time::from_unix_ms;

macro_rules! select {
    ($conditions:literal) => {
        concat!(
            "SELECT id, owner_id, asset_id, recording_id, title, title_lower, description, \
             visibility, status, reason, progress_permille, duration_ms, size_bytes, source_name, \
             views, likes, created_at_ms, published_at_ms, \
             COALESCE((SELECT place FROM assets WHERE assets.id = videos.asset_id), 'local') AS place \
             FROM videos",
            $conditions
        )
    };
}

/// All rows, before conditions.
pub(super) const SELECT: &str = select!("");

/// The row with an id.
pub(super) const SELECT_ONE: &str = select!(" WHERE id = $1");

/// The video of a row of [`SELECT`], without its tags.
pub(super) fn video_of(row: &AnyRow) -> Result<Video, Error> {
    let id: String = row.try_get("id")?;
    let text = |column: &str| row.try_get::<String, _>(column);
    let optional = |column: &str| row.try_get::<Option<String>, _>(column);
    let count = |column: &str| number(row, column, &id);
    let owner = optional("owner_id")?.map(|owner| UserId::new(&owner));
    let asset = optional("asset_id")?.map(|asset| AssetId::new(&asset));
    let recording = optional("recording_id")?.map(|recording| RecordingId::new(&recording));
    let published_at: Option<i64> = row.try_get("published_at_ms")?;
    Ok(Video {
        owner: owner.transpose().map_err(|error| damaged(&id, error))?,
        asset: asset.transpose().map_err(|error| damaged(&id, error))?,
        recording: recording.transpose().map_err(|error| damaged(&id, error))?,
        title: Title::new(&text("title")?).map_err(|error| damaged(&id, error))?,
        description: Description::new(&text("description")?)
            .map_err(|error| damaged(&id, error))?,
        tags: Vec::new(),
        visibility: Visibility::from_word(&text("visibility")?)
            .ok_or_else(|| damaged(&id, "visibility is none"))?,
        status: Status::from_word(&text("status")?)
            .ok_or_else(|| damaged(&id, "status is no status"))?,
        reason: optional("reason")?,
        progress_permille: u16::try_from(count("progress_permille")?)
            .map_err(|error| damaged(&id, error))?,
        duration: Duration::from_millis(count("duration_ms")?),
        bytes: count("size_bytes")?,
        source_name: optional("source_name")?,
        views: count("views")?,
        likes: count("likes")?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        published_at: published_at.map(from_unix_ms),
        place: Place::from_word(&text("place")?)
            .ok_or_else(|| damaged(&id, "place is no place"))?,
        id: VideoId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}

/// A column that is never negative.
pub(super) fn number(row: &AnyRow, column: &str, id: &str) -> Result<u64, Error> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| damaged(id, format!("{column} is negative")))
}

/// What stands in a column that holds no more.
pub(super) fn whole(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
