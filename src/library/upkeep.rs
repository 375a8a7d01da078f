//! What the library needs besides encoding: uploads that nobody goes on with are given up, files
//! that nobody needs are removed, and jobs of processes that died are put back.

use std::time::{Duration, SystemTime};

use media_core::UploadId;
use storage::videos::jobs::{KEPT_FOR, Next};
use storage::videos::{Error, Uploads};
use storage::{Videos, uploads};

use super::telling::tell_failed;
use crate::hooks::Events;
use crate::worker::Worker;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(30);

/// How long nothing is heard of a job's process until another one takes it up: ten notes and a
/// database that was restarted in between.
const SILENT_MAX: Duration = Duration::from_secs(180);

/// How long after it was last written a file is left that no row is there for: those that are kept
/// wait a week to be encoded, at the most, and as long again for another try. Until then it may be
/// another database's, and this one the wrong one.
const UNKNOWN_FOR: Duration = KEPT_FOR.saturating_mul(2);

/// Carries it out, again and again; ends with the process.
pub(super) async fn repeat(
    videos: Videos,
    folder: uploads::Folder,
    events: Events,
    worker: Worker,
) {
    let own = worker.as_str();
    if let Err(error) = remove_orphans(&videos.uploads(), &folder, SystemTime::now()).await {
        tracing::warn!(%error, "it is not known which files of uploads are needed");
    }
    loop {
        if let Err(error) = once(&videos, &folder, &events, own, SystemTime::now()).await {
            tracing::warn!(%error, "uploads are not kept in order");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(
    videos: &Videos,
    folder: &uploads::Folder,
    events: &Events,
    own: &str,
    now: SystemTime,
) -> Result<(), Error> {
    let expired = videos.uploads().expire(now).await?;
    if expired.uploads > 0 {
        tracing::info!(
            expired = expired.uploads,
            "uploads were not finished in time"
        );
    }
    for video in expired.failed {
        tracing::warn!(%video, "video failed: its file did not come");
        tell_failed(videos, events, &video).await?;
    }
    let jobs = videos.jobs();
    for (claim, next) in jobs.requeue_silent(own, now - SILENT_MAX, now).await? {
        let given_up = next == Next::GivenUp;
        tracing::warn!(video = %claim.video, worker = claim.worker, given_up, "nothing is heard of a file's encoding");
        if given_up {
            tell_failed(videos, events, &claim.video).await?;
        }
    }
    remove_spent(&videos.uploads(), folder).await
}

/// Removes the files that nobody needs any more, all of them: who begins many uploads is not faster.
pub(super) async fn remove_spent(uploads: &Uploads, folder: &uploads::Folder) -> Result<(), Error> {
    let mut after = None;
    loop {
        let spent = uploads.spent(after.as_ref()).await?;
        for id in &spent {
            if remove(folder, id).await {
                uploads.forget(id).await?;
            }
        }
        // Behind the last one, and not from the beginning: some may be left for now.
        after = spent.last().cloned();
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Removes at `now` files that no row is there for, as after the database was restored from a backup:
/// rows are there before their files are. Not before [`UNKNOWN_FOR`].
async fn remove_orphans(
    uploads: &Uploads,
    folder: &uploads::Folder,
    now: SystemTime,
) -> Result<(), Error> {
    let listing = folder.clone();
    let files = match tokio::task::spawn_blocking(move || listing.ids()).await {
        Ok(Ok(files)) => files,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the folder of uploads cannot be read");
            return Ok(());
        }
        // The process ends.
        Err(error) if error.is_cancelled() => return Ok(()),
        Err(error) => {
            tracing::error!(%error, "the folder of uploads was not read");
            return Ok(());
        }
    };
    let mut left = 0;
    for id in files {
        if uploads.find(&id).await?.is_some() {
            continue;
        }
        let age = written_at(folder, &id).await;
        let age = age.and_then(|at| now.duration_since(at).ok());
        if age.is_none_or(|age| age < UNKNOWN_FOR) {
            left += 1;
        } else if remove(folder, &id).await {
            tracing::warn!(upload = %id, "removed a file that nobody knows");
        }
    }
    if left > 0 {
        tracing::warn!(
            left,
            "this database does not know some files of uploads: they are left for two weeks"
        );
    }
    Ok(())
}

/// When an upload's file was last written; `None`: that is not known.
async fn written_at(folder: &uploads::Folder, id: &UploadId) -> Option<SystemTime> {
    let path = folder.path(id);
    let read = move || std::fs::metadata(path)?.modified();
    tokio::task::spawn_blocking(read).await.ok()?.ok()
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

#[cfg(test)]
mod tests {
    use storage::webhooks::EventType;

    use super::super::stage::Stage;
    use super::*;

    #[tokio::test]
    async fn an_upload_that_expires_is_told_of_as_a_video_that_failed() {
        let stage = Stage::new().await;
        let (events, mut told) = Events::channel();
        let now = SystemTime::now();
        let upload = stage.begun(now).await;
        once(&stage.videos, &stage.folder, &events, "own", now)
            .await
            .expect("kept in order");
        let told = told.try_recv().expect("it is told");
        assert_eq!(told.event_type, EventType::VideoFailed);
        let video = upload.video.expect("a video");
        assert_eq!(told.data["video_id"], video.as_str());
        assert_eq!(told.data["reason"], "the upload was not finished in time");
        assert!(!stage.folder.path(&upload.id).exists());
    }

    #[tokio::test]
    async fn an_encoding_that_ends_the_process_each_time_is_told_of_in_the_end() {
        let stage = Stage::new().await;
        let (events, mut told) = Events::channel();
        let upload = stage.queued().await;
        let mut now = SystemTime::now();
        for _ in 0..storage::videos::jobs::ATTEMPTS_MAX {
            assert!(told.try_recv().is_err());
            let claim = stage.videos.jobs().claim("dead", now).await;
            assert!(claim.expect("a database").is_some());
            now += SILENT_MAX + Duration::from_secs(1);
            once(&stage.videos, &stage.folder, &events, "own", now)
                .await
                .expect("kept in order");
        }
        let told = told.try_recv().expect("it is told");
        assert_eq!(told.event_type, EventType::VideoFailed);
        // It is not to blame: it is kept.
        assert!(stage.folder.path(&upload.id).exists());
    }

    /// It gave up its own encoding after a database that was away for three minutes, and hours of
    /// work with it.
    #[tokio::test]
    async fn a_process_never_takes_its_own_encoding_for_dead() {
        let stage = Stage::new().await;
        let (events, _told) = Events::channel();
        stage.queued().await;
        let now = SystemTime::now();
        let jobs = stage.videos.jobs();
        let claim = jobs.claim("own", now).await.expect("a database");
        let claim = claim.expect("a job");
        let later = now + 2 * SILENT_MAX;
        once(&stage.videos, &stage.folder, &events, "own", later)
            .await
            .expect("kept in order");
        jobs.heartbeat(&claim, 500, later).await.expect("its own");
    }

    /// A start with the wrong `database.url` removed all files of the right one.
    #[tokio::test]
    async fn files_that_no_row_knows_are_removed_when_nobody_can_miss_them_and_no_others() {
        let stage = Stage::new().await;
        let known = stage.begun(SystemTime::now()).await;
        let unknown = UploadId::new("nothere").expect("an id");
        stage.folder.create(&unknown, 1).expect("room");
        let uploads = stage.videos.uploads();
        let minute = Duration::from_secs(60);
        let soon = SystemTime::now() + UNKNOWN_FOR - minute;
        remove_orphans(&uploads, &stage.folder, soon)
            .await
            .expect("a database");
        assert_eq!(stage.folder.ids().expect("a folder").len(), 2);
        remove_orphans(&uploads, &stage.folder, soon + 2 * minute)
            .await
            .expect("a database");
        assert_eq!(stage.folder.ids().expect("a folder"), [known.id]);
    }

    #[tokio::test]
    async fn more_files_than_one_batch_are_removed_at_once() {
        let stage = Stage::new().await;
        let uploads = stage.videos.uploads();
        for _ in 0..storage::videos::uploads::BATCH_MAX + 1 {
            let upload = stage.begun(SystemTime::now()).await;
            uploads.abandon(&upload.id, "over").await.expect("open");
        }
        remove_spent(&uploads, &stage.folder)
            .await
            .expect("a database");
        assert_eq!(stage.folder.ids().expect("a folder"), []);
        assert_eq!(uploads.spent(None).await.expect("a database"), []);
    }
}
