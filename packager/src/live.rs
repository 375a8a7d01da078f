//! Which broadcast each stream shows: the registry behind `/live/{stream}/`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use media_core::{BroadcastId, StreamId};

use crate::broadcast::Broadcast;
use crate::delivery::Archive;
use crate::plan::Plan;

/// The streams' current or last broadcasts. Clones share the same registry.
#[derive(Clone, Debug, Default)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Read by every request, written a few times a broadcast: readers take no lock.
    streams: ArcSwap<Streams>,
    /// Held while a new map is made, so that no writer loses another's change.
    writing: Mutex<()>,
}

type Streams = HashMap<Arc<str>, Channel>;

/// What a stream's URL leads to.
#[derive(Clone, Debug)]
struct Channel {
    current: Arc<Broadcast>,
    /// The last one before it that could be played, as long as it is not retired: viewers at its
    /// end still fetch its media by their own URLs.
    previous: Option<Arc<Broadcast>>,
}

impl Channel {
    /// What the playlists show: until the current broadcast can be played, the end of the one
    /// before it, so that whoever asks in between is not told that there is nothing.
    fn shown(&self) -> &Arc<Broadcast> {
        match &self.previous {
            Some(previous) if !self.current.playable() => previous,
            _ => &self.current,
        }
    }
}

impl Live {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a broadcast, which from now on is what the stream's URL shows. One that was there
    /// before is ended.
    ///
    /// Its numbers continue the old one's (draft-pantos-hls-rfc8216bis §6.2.2): the media
    /// sequence after the last segment, the discontinuity sequence one up; later ones that the
    /// plan asks for are kept.
    ///
    /// Without an archive viewers cannot rewind, whatever the plan says.
    pub fn start(
        &self,
        stream: StreamId,
        mut plan: Plan,
        archive: Option<Arc<dyn Archive>>,
    ) -> Arc<Broadcast> {
        self.write(|streams| {
            let channel = streams.get(stream.as_str());
            if let Some(Channel { current: old, .. }) = channel {
                old.end();
                let (sequence, discontinuity) = old.continuation();
                plan.first_sequence = plan.first_sequence.max(sequence);
                plan.discontinuity_sequence = plan.discontinuity_sequence.max(discontinuity);
            }
            let current = Arc::new(Broadcast::new(plan, archive));
            let channel = Channel {
                current: current.clone(),
                previous: channel.map(|old| old.shown().clone()),
            };
            streams.insert(stream.as_str().into(), channel);
            current
        })
    }

    /// The stream's current or last broadcast.
    pub fn broadcast(&self, stream: &StreamId) -> Option<Arc<Broadcast>> {
        let streams = self.shared.streams.load();
        Some(streams.get(stream.as_str())?.current.clone())
    }

    /// Forgets a stream, ending its broadcast; 404 from then on.
    pub fn remove(&self, stream: &StreamId) {
        let removed = self.write(|streams| streams.remove(stream.as_str()));
        if let Some(channel) = removed {
            channel.current.end();
        }
    }

    /// Forgets one broadcast of a stream, some time after its end; a newer one stays. Does
    /// nothing where it has been forgotten before.
    pub fn retire(&self, stream: &StreamId, broadcast: &BroadcastId) {
        let retired = self.write(|streams| {
            let channel = streams.get_mut(stream.as_str())?;
            if channel.current.id() == broadcast {
                return streams.remove(stream.as_str()).map(|old| old.current);
            }
            channel.previous.take_if(|old| old.id() == broadcast)
        });
        if let Some(retired) = retired {
            retired.end();
        }
    }

    /// The broadcast that the stream's playlists show.
    pub(crate) fn shown(&self, stream: &str) -> Option<Arc<Broadcast>> {
        let streams = self.shared.streams.load();
        Some(streams.get(stream)?.shown().clone())
    }

    /// The broadcast of the stream that a media URL names.
    pub(crate) fn named(&self, stream: &str, broadcast: &str) -> Option<Arc<Broadcast>> {
        let streams = self.shared.streams.load();
        let channel = streams.get(stream)?;
        let mut held = std::iter::once(&channel.current).chain(&channel.previous);
        held.find(|held| held.id().as_str() == broadcast).cloned()
    }

    fn write<T>(&self, change: impl FnOnce(&mut Streams) -> T) -> T {
        let writing = self.shared.writing.lock();
        let _writing = writing.unwrap_or_else(PoisonError::into_inner);
        let mut streams = Streams::clone(&self.shared.streams.load());
        let result = change(&mut streams);
        self.shared.streams.store(Arc::new(streams));
        result
    }
}

#[cfg(test)]
mod tests;
