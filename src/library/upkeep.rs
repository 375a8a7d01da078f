//! What the library needs besides encoding: uploads that nobody goes on with are given up, files
//! that nobody needs are removed, and jobs of processes that died are put back.

use std::time::{Duration, SystemTime};

use media_core::UploadId;
use storage::videos::Error;
use storage::videos::jobs::Next;
use storage::{Videos, uploads};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(30);

/// How long nothing is heard of a job's process until another one takes it up: ten notes and a
/// database that was restarted in between.
const SILENT_MAX: Duration = Duration::from_secs(180);

/// Carries it out, again and again; ends with the process.
pub(super) async fn repeat(videos: Videos, folder: uploads::Folder) {
    loop {
        if let Err(error) = once(&videos, &folder, SystemTime::now()).await {
            tracing::warn!(%error, "uploads are not kept in order");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(videos: &Videos, folder: &uploads::Folder, now: SystemTime) -> Result<(), Error> {
    let expired = videos.uploads().expire(now).await?;
    if expired > 0 {
        tracing::info!(expired, "uploads were not finished in time");
    }
    for (claim, next) in videos.jobs().requeue_silent(now - SILENT_MAX, now).await? {
        let given_up = next == Next::GivenUp;
        tracing::warn!(video = %claim.video, worker = claim.worker, given_up, "nothing is heard of a file's encoding");
    }
    remove_spent(videos, folder).await
}

/// Removes the files that nobody needs any more.
pub(super) async fn remove_spent(videos: &Videos, folder: &uploads::Folder) -> Result<(), Error> {
    for id in videos.uploads().spent().await? {
        if remove(folder, &id).await {
            videos.uploads().forget(&id).await?;
        }
    }
    Ok(())
}

/// Whether an upload's file is gone.
async fn remove(folder: &uploads::Folder, id: &UploadId) -> bool {
    let (folder, upload) = (folder.clone(), id.clone());
    let removed = tokio::task::spawn_blocking(move || folder.remove(&upload)).await;
    match removed {
        Ok(Ok(())) => true,
        // A request that will hear that the upload is gone.
        Ok(Err(uploads::Error::Busy(_))) => false,
        Ok(Err(error)) => {
            tracing::warn!(upload = %id, %error, "an upload's file is left");
            false
        }
        Err(error) => {
            tracing::error!(upload = %id, %error, "an upload's file is left");
            false
        }
    }
}
