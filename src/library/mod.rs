//! The VOD library's work: uploaded files become videos, one at a time, and broadcasts go first.
//!
//! The queue is the database's ([`storage::videos::Jobs`]), so that it survives the process; [`Desk`]
//! takes up what is due, [`encoding`] makes media of it, [`courtesy`] says when that has to wait.
//! design/0020 has the reasons.

mod courtesy;
mod desk;
mod encoding;
mod segments;
#[cfg(test)]
mod stage;
mod telling;
mod upkeep;

use std::sync::Arc;
use std::time::SystemTime;

use media_core::graph::Settings;
use storage::asset::{self, Reserve};
use storage::videos::jobs::Next;
use storage::{Videos, uploads, videos};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::desk::Desk;
use self::telling::tell_failed;
use crate::hooks::Events;
use crate::lasting;
use crate::worker::Worker;

/// What the library works with.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) videos: Videos,
    pub(crate) uploads: uploads::Folder,
    pub(crate) assets: asset::Folder,
    pub(crate) reserve: Reserve,
    /// How files are encoded.
    pub(crate) settings: Settings,
    pub(crate) cores: usize,
    /// How many broadcasts run, which go first.
    pub(crate) live_count: Arc<dyn Fn() -> usize + Send + Sync>,
    pub(crate) events: Events,
    /// The name of this process.
    pub(crate) worker: Worker,
}

/// The library at work.
pub(crate) struct Library {
    closing: watch::Sender<bool>,
    desk: JoinHandle<()>,
}

impl Library {
    /// Begins to work on what is queued.
    pub(crate) fn start(options: Options) -> Self {
        let (closing, closes) = watch::channel(false);
        lasting::spawn("the library's upkeep", {
            let options = options.clone();
            move || {
                let Options {
                    videos,
                    uploads,
                    events,
                    worker,
                    ..
                } = options.clone();
                upkeep::repeat(videos, uploads, events, worker)
            }
        });
        let desk = lasting::spawn("the library", move || {
            Desk::new(options.clone()).work(closes.clone())
        });
        Self { closing, desk }
    }

    /// Gives back to the queue what is being encoded. Takes about a second.
    pub(crate) async fn close(self) {
        self.closing.send_replace(true);
        if let Err(error) = self.desk.await {
            tracing::error!(%error, "the library did not end in order");
        }
    }
}

/// Puts back what the process was encoding when it died, or could not see through. To be called where
/// it encodes nothing: before the files of assets that are given up are removed at its start, and
/// between two files.
pub(crate) async fn recover(
    videos: &Videos,
    worker: &Worker,
    events: &Events,
) -> Result<(), videos::Error> {
    let back = videos
        .jobs()
        .requeue(worker.as_str(), SystemTime::now())
        .await?;
    for (claim, next) in back {
        let given_up = next == Next::GivenUp;
        tracing::warn!(video = %claim.video, attempt = claim.attempt, given_up, "an encoding was interrupted");
        if given_up {
            tell_failed(videos, events, &claim.video).await?;
        }
    }
    Ok(())
}
