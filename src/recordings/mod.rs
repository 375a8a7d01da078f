//! Recordings: written while a broadcast runs, played from the moment it ends, kept for as long as
//! is wanted.
//!
//! [`Recorder`] begins one a broadcast. [`Shelf`] plays those that have ended, and the videos of the
//! library. [`upkeep`] recovers what a crash cut short and carries out retention. [`Objects`] is the
//! store that they go to, where there is one.

mod catalogue;
mod copies;
mod far_files;
mod objects;
mod pictures;
mod recording;
mod removing;
mod rows;
mod shelf;
mod stock;
mod stored_files;
mod subtitled;
mod trail;
pub(crate) mod upkeep;
mod uploading;

use std::sync::Arc;
use std::time::SystemTime;

use media_core::{BroadcastId, RenditionName, StreamId};
use storage::asset::{self, Reserve};
use storage::recording::Choice;
use storage::retention::Policy;
use storage::{Recordings, Streams};
use tokio::sync::Notify;

pub(crate) use self::objects::{Choice as ObjectsChoice, Objects};
pub(crate) use self::pictures::Pictures;
pub(crate) use self::recording::Recording;
pub(crate) use self::shelf::Shelf;
pub(crate) use self::stock::Media;
use crate::hooks::Events;

/// What is recorded where the stream's owner does not say.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) record: bool,
    /// Empty: all.
    pub(crate) renditions: Vec<RenditionName>,
    pub(crate) reserve: Reserve,
    pub(crate) retention: Policy,
}

/// Records broadcasts. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    database: Recordings,
    folder: asset::Folder,
    objects: Option<Objects>,
    defaults: Arc<Defaults>,
    events: Events,
    /// Something is to be tidied up at once.
    untidy: Arc<Notify>,
    runtime: tokio::runtime::Handle,
}

/// A broadcast that is to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) stream: StreamId,
    pub(crate) broadcast: BroadcastId,
    /// At its media time zero.
    pub(crate) began: SystemTime,
    /// All that it yields.
    pub(crate) renditions: Vec<RenditionName>,
}

impl Recorder {
    /// A recorder into `folder`, and from there into a store where there is one, that tells
    /// `events` what can be played. Must be called inside a tokio runtime.
    pub(crate) fn new(
        database: Recordings,
        folder: asset::Folder,
        objects: Option<Objects>,
        defaults: Defaults,
        events: Events,
    ) -> Self {
        Self {
            database,
            folder,
            objects,
            defaults: Arc::new(defaults),
            events,
            untidy: Arc::default(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Begins to record a broadcast of a stream with this choice; `None` where it is not wanted.
    pub(crate) fn record(&self, mut subject: Subject, choice: &Choice) -> Option<Arc<Recording>> {
        if !choice.record.unwrap_or(self.defaults.record) {
            return None;
        }
        let wanted = match choice.renditions.is_empty() {
            true => &self.defaults.renditions,
            false => &choice.renditions,
        };
        if !wanted.is_empty() {
            subject.renditions.retain(|name| wanted.contains(name));
        }
        if subject.renditions.is_empty() {
            let stream = &subject.stream;
            tracing::warn!(%stream, "not recorded: the broadcast has none of the wanted renditions");
            return None;
        }
        Some(Recording::begin(self.clone(), subject))
    }

    /// Somebody has deleted a recording: its files go now.
    pub(crate) fn tidy(&self) {
        self.untidy.notify_one();
    }

    /// Keeps the recordings of `streams` in order while the process runs.
    pub(crate) async fn keep_in_order(self, streams: Streams) {
        upkeep::repeat(
            &self.database,
            &self.folder,
            self.objects.as_ref(),
            &streams,
            &self.defaults.retention,
            &self.untidy,
        )
        .await;
    }
}
