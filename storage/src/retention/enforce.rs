//! Carries out what retention says: rows first, then files, so that a crash between the two leaves
//! rows that lead to the files.

use std::time::SystemTime;

use media_core::{AssetId, RecordingId};

use super::{Policy, Why, plan};
use crate::asset::Folder;
use crate::recording::Place;
use crate::recordings::{Error, Filter, Recordings, on_disk};
use crate::streams::Streams;

/// Deletes the recordings that are to go at `now`, logs each with its reason, and returns them. The
/// files go with [`sweep`].
///
/// # Errors
/// The database does not answer; what was deleted by then stays deleted.
pub async fn enforce(
    recordings: &Recordings,
    streams: &Streams,
    policy: &Policy,
    now: SystemTime,
) -> Result<Vec<(RecordingId, Why)>, Error> {
    let held = recordings.all(&Filter::default()).await?;
    let own = streams.retention().await?;
    let mut deleted = Vec::new();
    for (id, why) in plan(&held, policy, &own, now) {
        // Somebody may have protected or deleted it since it was read.
        if recordings.delete_where(&id, false).await? {
            tracing::info!(recording = %id, reason = %why, "recording deleted by retention");
            deleted.push((id, why));
        }
    }
    Ok(deleted)
}

/// The assets whose files this server removes, and where those are: its own, and another's that are
/// in its folder, which may be shared or have had another name, or in the object store.
///
/// # Errors
/// The database does not answer.
pub async fn to_remove(
    recordings: &Recordings,
    folder: &Folder,
) -> Result<Vec<(AssetId, Place)>, Error> {
    let mut gone = recordings.gone().await?;
    for (asset, place) in recordings.gone_of_others().await? {
        let id = asset.clone();
        let is_here = on_disk(folder, move |folder| folder.path(&id).exists());
        if place == Place::Objects || is_here.await {
            gone.push((asset, place));
        }
    }
    Ok(gone)
}

/// Removes the files of deleted recordings from the data folder, and then their assets' rows. To be
/// called at the start and after each deletion. Returns the assets that are in the object store too:
/// who removes them there calls [`Recordings::forget`].
///
/// # Errors
/// The database does not answer. Files that cannot be removed are logged, and tried again with the
/// next call.
pub async fn sweep(recordings: &Recordings, folder: &Folder) -> Result<Vec<AssetId>, Error> {
    let mut elsewhere = Vec::new();
    for (asset, place) in to_remove(recordings, folder).await? {
        let id = asset.clone();
        if let Err(error) = on_disk(folder, move |folder| folder.remove(&id)).await {
            tracing::error!(%asset, %error, "files of a deleted recording stay for now");
            continue;
        }
        match place {
            Place::Local => recordings.forget(&asset).await?,
            Place::Objects => elsewhere.push(asset),
        }
    }
    Ok(elsewhere)
}
