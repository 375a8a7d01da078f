//! Recordings whose process died, or could not bring them to an end, become whole, or are noted as
//! failed.

use std::time::SystemTime;

use media_core::AssetId;

use super::{Error, Filter, Recordings, Recovers};
use crate::asset::{self, Folder, MANIFEST};
use crate::recording::{End, Reason, Recording, Status};

/// Recovers the recordings that the database says are running, but for the assets that this process
/// says it `is_writing`; says what became of each. Only those of this server, and those that nobody
/// writes any more and whose files are here ([`Recordings::written_by`]). A recording that another
/// living process writes, or that the disk does not let recover at the moment, stays as it is until
/// the next call; that is logged.
///
/// # Errors
/// The database does not answer.
pub async fn recover(
    recordings: &Recordings,
    folder: &Folder,
    is_writing: impl Fn(&AssetId) -> bool,
    now: SystemTime,
) -> Result<Vec<Recording>, Error> {
    let filter = Filter {
        status: Some(Status::Recording),
        ..Filter::default()
    };
    let mut recovered = Vec::new();
    for recording in recordings.all(&filter).await? {
        // Asked now: one that has begun since the list was read is running.
        if recording.asset.as_ref().is_some_and(&is_writing) {
            continue;
        }
        match recordings.has_to_recover(&recording, now).await? {
            Recovers::Own => {}
            Recovers::WhatIsHere if is_here(folder, &recording).await => {}
            Recovers::WhatIsHere | Recovers::No => continue,
        }
        recovered.extend(recover_one(recordings, folder, &recording).await?);
    }
    Ok(recovered)
}

async fn is_here(folder: &Folder, recording: &Recording) -> bool {
    let Some(asset) = recording.asset.clone() else {
        return false;
    };
    on_disk(folder, move |folder| {
        folder.path(&asset).join(MANIFEST).exists()
    })
    .await
}

async fn recover_one(
    recordings: &Recordings,
    folder: &Folder,
    recording: &Recording,
) -> Result<Option<Recording>, Error> {
    let id = &recording.id;
    let found = match recording.asset.clone() {
        Some(asset) => on_disk(folder, move |folder| asset::recover(folder, &asset)).await,
        None => return Ok(None),
    };
    let end = match found {
        Ok(found) => {
            let (segments, lost_bytes) = (found.summary.segments, found.lost_bytes);
            tracing::info!(recording = %id, segments, lost_bytes, "interrupted recording recovered");
            End::Playable {
                bytes: found.summary.bytes,
                duration: found.summary.duration,
                cut_short: Some(Reason::Restart),
            }
        }
        Err(asset::Error::Unusable { why, .. }) => {
            tracing::warn!(recording = %id, %why, "interrupted recording cannot be recovered");
            End::Failed(why.into())
        }
        Err(asset::Error::Busy(_)) => return Ok(None),
        Err(error) => {
            tracing::error!(recording = %id, %error, "interrupted recording stays as it is");
            return Ok(None);
        }
    };
    let ended_at = match end {
        End::Playable { duration, .. } => recording.started_at + duration,
        End::Failed(_) => recording.started_at,
    };
    match recordings.finish(id, end, ended_at).await {
        // It came to its end, or was deleted, since the list was read.
        Err(Error::NotRunning(_) | Error::UnknownRecording(_)) => Ok(None),
        finished => finished.map(Some),
    }
}

/// Logs the folders that no row leads to, but for those that this process says it `is_writing`. They
/// are left alone: they are of a database that was restored from a backup. Asks for each: nothing is
/// to wait for it.
///
/// # Errors
/// The database does not answer.
pub async fn name_strangers(
    recordings: &Recordings,
    folder: &Folder,
    is_writing: impl Fn(&AssetId) -> bool,
) -> Result<(), Error> {
    let ids: Vec<AssetId> = match on_disk(folder, Folder::ids).await {
        Ok(ids) => ids,
        Err(error) => {
            tracing::error!(%error, "assets cannot be listed");
            return Ok(());
        }
    };
    for id in ids {
        if !recordings.knows(&id).await? && !is_writing(&id) {
            let path = folder.path(&id);
            tracing::warn!(path = %path.display(), "the database knows nothing of these files");
        }
    }
    Ok(())
}

/// What `work` gives, on a thread that may wait for the disk.
pub(crate) async fn on_disk<T: Send + 'static>(
    folder: &Folder,
    work: impl FnOnce(&Folder) -> T + Send + 'static,
) -> T {
    let folder = folder.clone();
    tokio::task::spawn_blocking(move || work(&folder))
        .await
        .expect("work on assets does not panic")
}
