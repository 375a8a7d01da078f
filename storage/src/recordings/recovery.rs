//! At the server's start: recordings whose process died become whole, or are noted as failed.

use media_core::AssetId;

use super::{Error, Filter, Recordings};
use crate::asset::{self, Folder};
use crate::recording::{End, Reason, Recording, Status};

/// Recovers every recording that the database says is running, and says what became of each. To be
/// called before anything is recorded. A recording that another living process writes, or that the
/// disk does not let recover at the moment, stays as it is until the next start; that is logged.
///
/// Files of which the database knows nothing are left alone, and logged: they are of a database
/// that was restored from a backup.
///
/// # Errors
/// The database does not answer.
pub async fn recover(recordings: &Recordings, folder: &Folder) -> Result<Vec<Recording>, Error> {
    let filter = Filter {
        status: Some(Status::Recording),
        ..Filter::default()
    };
    let mut recovered = Vec::new();
    for recording in recordings.all(&filter).await? {
        recovered.extend(recover_one(recordings, folder, &recording).await?);
    }
    name_strangers(recordings, folder).await?;
    Ok(recovered)
}

async fn recover_one(
    recordings: &Recordings,
    folder: &Folder,
    recording: &Recording,
) -> Result<Option<Recording>, Error> {
    let id = &recording.id;
    let found = match recording.asset.clone() {
        Some(asset) => on_disk(folder, move |folder| asset::recover(folder, &asset)).await,
        None => {
            let error = Error::DamagedRow {
                id: id.to_string(),
                what: "it is running and has no asset".into(),
            };
            return Err(error);
        }
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
        Err(error) => {
            tracing::error!(recording = %id, %error, "interrupted recording stays as it is");
            return Ok(None);
        }
    };
    let ended_at = match end {
        End::Playable { duration, .. } => recording.started_at + duration,
        End::Failed(_) => recording.started_at,
    };
    Ok(Some(recordings.finish(id, end, ended_at).await?))
}

/// Logs the folders that no row leads to.
async fn name_strangers(recordings: &Recordings, folder: &Folder) -> Result<(), Error> {
    let ids: Vec<AssetId> = match on_disk(folder, Folder::ids).await {
        Ok(ids) => ids,
        Err(error) => {
            tracing::error!(%error, "assets cannot be listed");
            return Ok(());
        }
    };
    for id in ids {
        if !recordings.knows(&id).await? {
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
