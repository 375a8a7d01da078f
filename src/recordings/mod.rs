//! Recordings: written while a broadcast runs, played from the moment it ends, kept for as long as
//! is wanted.
//!
//! [`Recorder`] begins one a broadcast. [`Shelf`] plays those that have ended, and the videos of the
//! library. [`upkeep`] recovers what a crash cut short and carries out retention. [`Objects`] is the
//! store that they go to, where there is one.

mod catalogue;
mod copies;
mod far_files;
mod news;
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
mod writing;

use std::sync::Arc;
use std::time::SystemTime;

use media_core::ladder::AUDIO_RENDITION;
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
use self::writing::Writing;
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
    writing: Writing,
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
            writing: Writing::default(),
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
            let (recorded, is_wanted) = chosen(subject.renditions, wanted);
            subject.renditions = recorded;
            if !is_wanted {
                let (stream, names) = (&subject.stream, &subject.renditions);
                let recorded: Vec<_> = names.iter().map(RenditionName::as_str).collect();
                tracing::warn!(%stream, recorded = recorded.join(","), "the broadcast has no picture that is wanted for its recording: the best there is is taken");
            }
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

    /// Tells what became of recordings that an earlier process could not end.
    pub(crate) fn announce(&self, recovered: &[storage::recording::Recording]) {
        for row in recovered {
            news::announce(&self.events, row);
        }
    }

    /// Keeps the recordings of `streams` in order while the process runs.
    pub(crate) async fn keep_in_order(self, streams: Streams) {
        tokio::join!(
            upkeep::name_strangers(&self),
            upkeep::repeat(&self, &streams),
        );
    }
}

/// Those of `all` renditions that are wanted, and whether that is what was meant: who wants a
/// picture that the broadcast does not have wants one, and gets its best.
fn chosen(all: Vec<RenditionName>, wanted: &[RenditionName]) -> (Vec<RenditionName>, bool) {
    let is_video = |name: &&RenditionName| name.as_str() != AUDIO_RENDITION;
    // From high to low.
    let best = all.iter().find(is_video).cloned();
    let mut chosen: Vec<_> = all
        .into_iter()
        .filter(|name| wanted.contains(name))
        .collect();
    let lacks_video =
        wanted.iter().any(|name| is_video(&name)) && !chosen.iter().any(|name| is_video(&name));
    let instead = best.filter(|_| lacks_video);
    let is_wanted = instead.is_none();
    chosen.splice(0..0, instead);
    (chosen, is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<RenditionName> {
        let names = text.split_whitespace();
        names
            .map(|name| RenditionName::new(name).expect("a name"))
            .collect()
    }

    /// It was sound alone, and nobody was told.
    #[test]
    fn a_source_without_the_wanted_picture_is_recorded_in_its_best() {
        for (all, wanted, recorded, is_wanted) in [
            ("480p 360p audio", "720p audio", "480p audio", false),
            ("480p 360p audio", "720p", "480p", false),
            ("720p 360p audio", "720p audio", "720p audio", true),
            ("720p 360p audio", "audio", "audio", true),
            ("720p 360p audio", "1080p 360p", "360p", true),
            ("audio", "720p audio", "audio", true),
            ("audio", "720p", "", true),
        ] {
            let found = chosen(names(all), &names(wanted));
            assert_eq!(found, (names(recorded), is_wanted), "{wanted} of {all}");
        }
    }
}
