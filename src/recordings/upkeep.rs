//! What recordings need besides being written: made whole after a crash, deleted when their time
//! has come.

use std::time::{Duration, SystemTime};

use storage::asset::Folder;
use storage::retention::{self, Policy};
use storage::{Recordings, Streams, recordings};
use tokio::sync::Notify;

use super::Objects;

/// How often it is looked which recordings are to go.
const EVERY: Duration = Duration::from_secs(60);

/// Makes whole what the process was recording when it died. To be called before anything is
/// recorded.
pub(crate) async fn recover(
    recordings: &Recordings,
    folder: &Folder,
) -> Result<(), recordings::Error> {
    recordings::recover(recordings, folder).await?;
    Ok(())
}

/// Carries out retention and removes the files of what was deleted, again and again, and at once
/// where it is `untidy`; ends with the process.
pub(super) async fn repeat(
    recordings: &Recordings,
    folder: &Folder,
    objects: Option<&Objects>,
    streams: &Streams,
    policy: &Policy,
    untidy: &Notify,
) {
    loop {
        let now = SystemTime::now();
        let enforced = async {
            retention::enforce(recordings, streams, policy, now).await?;
            match objects {
                // What is in the store goes first.
                Some(objects) => objects.look(),
                None => _ = retention::sweep(recordings, folder).await?,
            }
            Ok::<_, recordings::Error>(())
        };
        if let Err(error) = enforced.await {
            tracing::warn!(%error, "retention is not carried out");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = untidy.notified() => {}
        }
    }
}
