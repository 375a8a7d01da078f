//! What recordings need besides being written: made whole after a crash, deleted when their time
//! has come.

use std::time::{Duration, Instant, SystemTime};

use storage::asset::Folder;
use storage::recording::Recording;
use storage::{Recordings, Streams, recordings, retention};

use super::Recorder;

/// How often it is looked which recordings are to go.
const EVERY: Duration = Duration::from_secs(60);

/// How often it is tried again to make whole what could not be brought to an end: a disk that hung,
/// or a database that was away for long.
const RECOVER_EVERY: Duration = Duration::from_secs(5 * 60);

/// Makes whole what the process was recording when it died, and says what became of it. To be called
/// before anything is recorded.
pub(crate) async fn recover(
    recordings: &Recordings,
    folder: &Folder,
) -> Result<Vec<Recording>, recordings::Error> {
    let now = SystemTime::now();
    recordings::recover(recordings, folder, |_| false, now).await
}

/// Says in the log which files the database does not know. Nobody waits for it: it asks for each.
pub(super) async fn name_strangers(recorder: &Recorder) {
    let is_writing = |asset: &_| recorder.writing.has(asset);
    let Recorder {
        database, folder, ..
    } = recorder;
    if let Err(error) = recordings::name_strangers(database, folder, is_writing).await {
        tracing::warn!(%error, "it is not known which files the database does not know");
    }
}

/// Carries out retention and removes the files of what was deleted, again and again, and at once
/// where it is untidy; recovers what was left behind now and then. Ends with the process.
pub(super) async fn repeat(recorder: &Recorder, streams: &Streams) {
    let mut recovered = Instant::now();
    loop {
        if let Err(error) = tidy(recorder, streams).await {
            tracing::warn!(%error, "retention is not carried out");
        }
        if recovered.elapsed() >= RECOVER_EVERY {
            recovered = Instant::now();
            if let Err(error) = recover_again(recorder).await {
                tracing::warn!(%error, "recordings are not recovered");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = recorder.untidy.notified() => {}
        }
    }
}

async fn tidy(recorder: &Recorder, streams: &Streams) -> Result<(), recordings::Error> {
    let Recorder {
        database, folder, ..
    } = recorder;
    let policy = &recorder.defaults.retention;
    retention::enforce(database, streams, policy, SystemTime::now()).await?;
    match &recorder.objects {
        // What is in the store goes first.
        Some(objects) => objects.look(),
        None => _ = retention::sweep(database, folder).await?,
    }
    Ok(())
}

async fn recover_again(recorder: &Recorder) -> Result<(), recordings::Error> {
    let is_writing = |asset: &_| recorder.writing.has(asset);
    let Recorder {
        database, folder, ..
    } = recorder;
    let recovered = recordings::recover(database, folder, is_writing, SystemTime::now()).await?;
    recorder.announce(&recovered);
    if let (Some(objects), false) = (&recorder.objects, recovered.is_empty()) {
        objects.look();
    }
    Ok(())
}
