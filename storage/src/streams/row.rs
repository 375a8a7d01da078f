//! Between the rows of `streams` and what they mean.

use media_core::StreamId;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Error, Grant};
use crate::accounts::UserId;
use crate::key::KeyHash;
use crate::recording::{self, Choice, Limit};
use crate::stream::{
    Description, Publishers, ReconnectWindow, Reconnection, SrtPassphrase, Stream, Tags, Title,
    Visibility,
};
use crate::unix_time::from_unix_ms;

/// The stream of a row that has all of its columns.
pub(super) fn stream_of(row: &AnyRow) -> Result<Stream, Error> {
    let id: String = row.try_get("id")?;
    let title: String = row.try_get("title")?;
    let description: String = row.try_get("description")?;
    let tags: String = row.try_get("tags")?;
    Ok(Stream {
        title: Title::stored(&title).map_err(|error| damaged(&id, error))?,
        description: Description::new(&description).map_err(|error| damaged(&id, error))?,
        tags: Tags::from_column(&tags).map_err(|error| damaged(&id, error))?,
        publishers: publishers_of(row, &id)?,
        srt_passphrase: passphrase_of(row, &id)?,
        visibility: visibility_of(row, &id)?,
        recording: recording_of(row, &id)?,
        reconnection: reconnection_of(row, &id)?,
        owner: owner_of(row, &id)?,
        created_at: from_unix_ms(row.try_get("created_at_ms")?),
        id: StreamId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}

/// What the key of a row opens.
pub(super) fn grant_of(row: &AnyRow) -> Result<(KeyHash, Grant), Error> {
    let id: String = row.try_get("id")?;
    let hash: String = row.try_get("key_sha256")?;
    let hash = KeyHash::from_hex(&hash).ok_or_else(|| damaged(&id, "key_sha256 is no SHA-256"))?;
    let grant = Grant {
        owner: owner_of(row, &id)?,
        publishers: publishers_of(row, &id)?,
        srt_passphrase: passphrase_of(row, &id)?,
        recording: recording_of(row, &id)?,
        reconnection: reconnection_of(row, &id)?,
        stream: StreamId::new(&id).map_err(|error| damaged(&id, error))?,
    };
    Ok((hash, grant))
}

fn passphrase_of(row: &AnyRow, id: &str) -> Result<Option<SrtPassphrase>, Error> {
    let text: Option<String> = row.try_get("srt_passphrase")?;
    text.map(|text| SrtPassphrase::new(&text).map_err(|error| damaged(id, error)))
        .transpose()
}

fn publishers_of(row: &AnyRow, id: &str) -> Result<Publishers, Error> {
    let text: String = row.try_get("publishers")?;
    Publishers::from_column(&text).map_err(|error| damaged(id, error))
}

fn recording_of(row: &AnyRow, id: &str) -> Result<Choice, Error> {
    let record = match row.try_get::<Option<i64>, _>("record")? {
        None => None,
        Some(0) => Some(false),
        Some(1) => Some(true),
        Some(_) => return Err(damaged(id, "record is neither 0 nor 1")),
    };
    let renditions: Option<String> = row.try_get("record_renditions")?;
    let renditions = recording::from_column(renditions.as_deref());
    let limit = |column| damaged(id, format!("{column} is out of range"));
    let (days, bytes) = ("retention_days", "retention_bytes");
    Ok(Choice {
        record,
        renditions: renditions.map_err(|error| damaged(id, error))?,
        keep_days: Limit::from_column(row.try_get(days)?).ok_or_else(|| limit(days))?,
        keep_bytes: Limit::from_column(row.try_get(bytes)?).ok_or_else(|| limit(bytes))?,
    })
}

fn reconnection_of(row: &AnyRow, id: &str) -> Result<Reconnection, Error> {
    let window: Option<i64> = row.try_get("reconnect_s")?;
    let window = window.map(|seconds| {
        let seconds = u32::try_from(seconds).ok();
        seconds.and_then(|seconds| ReconnectWindow::from_secs(seconds).ok())
    });
    let backup = match row.try_get::<i64, _>("backup_publisher")? {
        0 => false,
        1 => true,
        _ => return Err(damaged(id, "backup_publisher is neither 0 nor 1")),
    };
    match window {
        Some(None) => Err(damaged(id, "reconnect_s is out of range")),
        window => Ok(Reconnection {
            window: window.flatten(),
            backup,
        }),
    }
}

fn owner_of(row: &AnyRow, id: &str) -> Result<Option<UserId>, Error> {
    let owner: Option<String> = row.try_get("owner_id")?;
    owner
        .map(|owner| UserId::new(&owner).map_err(|error| damaged(id, error)))
        .transpose()
}

/// Whom the column `private` lets watch, here and in recordings.
pub(crate) fn visibility_of(row: &AnyRow, id: &str) -> Result<Visibility, Error> {
    match row.try_get::<i64, _>("private")? {
        0 => Ok(Visibility::Public),
        1 => Ok(Visibility::Private),
        _ => Err(damaged(id, "private is neither 0 nor 1")),
    }
}

/// The column `private`.
pub(crate) fn to_private(visibility: Visibility) -> i64 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
    }
}

fn damaged(id: &str, what: impl ToString) -> Error {
    Error::DamagedRow {
        id: id.to_owned(),
        what: what.to_string(),
    }
}
