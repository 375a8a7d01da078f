//! A publisher about whom somebody else is asked first: its media is held meanwhile, and nothing
//! else sees it. No broadcast begins and no place is taken before the answer.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ingest::gate::Unpublish;
use ingest::{Closed, Link, MediaSink, Publisher, Refusal};
use media_core::{Media, StreamId};
use storage::streams::Keys;

use super::Supervisor;
use super::sink::Sink;
use crate::hooks::OnPublish;

/// Coded media that waits for the answer: four seconds at 16 Mbit/s. Past it what was held is
/// dropped but for the codecs' parameters; decoding then begins at the next keyframe.
const HELD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where the listener puts the publisher's media.
struct Vetted(Arc<Mutex<Stage>>);

enum Stage {
    Held(Held),
    Open(Box<Sink>),
    Refused(Refusal),
    /// The publisher has left.
    Closed,
}

/// Media in the order in which it came.
#[derive(Default)]
struct Held {
    media: VecDeque<Media>,
    bytes: usize,
}

/// Asks `hook` about a publisher of `stream`, whose key was valid just now.
pub(super) fn ask(
    supervisor: &Supervisor,
    hook: &Arc<OnPublish>,
    stream: &StreamId,
    publisher: Publisher,
) -> Box<dyn MediaSink> {
    let stage = Arc::new(Mutex::new(Stage::Held(Held::default())));
    let decided = Arc::clone(&stage);
    let (hook, stream, asking) = (Arc::clone(hook), stream.clone(), supervisor.clone());
    let keys = supervisor.inner.keys.load_full();
    supervisor.inner.runtime.spawn(async move {
        let answer = hook.ask(&stream, &publisher).await;
        let mut stage = lock(&decided);
        let Stage::Held(held) = &mut *stage else {
            return;
        };
        let held = std::mem::take(held);
        let opened = answer
            .and_then(|()| asking.still_opens(&stream, &keys, publisher.peer.ip()))
            .and_then(|()| asking.open(&stream, &publisher));
        let opened = asking.inner.note_refusal(&stream, opened);
        *stage = match opened {
            Ok(sink) => Stage::Open(Box::new(held.release(sink))),
            Err(refusal) => Stage::Refused(refusal),
        };
    });
    Box::new(Vetted(stage))
}

impl Supervisor {
    /// Whether the stream's key is still the one that it was in `before`, and opens it for this
    /// address: somebody may have changed that, or sent the publisher away, while another was asked.
    fn still_opens(&self, stream: &StreamId, before: &Keys, peer: IpAddr) -> Result<(), Refusal> {
        let now = self.inner.keys.load();
        let (key, grant) = now.of(stream).ok_or(Refusal::UnknownKey)?;
        let known = before.of(stream).map(|(key, _)| key);
        if known != Some(key) {
            return Err(Refusal::UnknownKey);
        }
        if !grant.publishers.allow(peer) {
            return Err(Refusal::Address);
        }
        match self.inner.kicked.is_refused(key, Instant::now()) {
            true => Err(Refusal::Kicked),
            false => Ok(()),
        }
    }
}

impl Held {
    fn push(&mut self, media: Media) {
        if self.bytes + media.len_bytes() > HELD_BYTES_MAX {
            self.media.retain(is_configuration);
            self.bytes = self.media.iter().map(Media::len_bytes).sum();
        }
        self.bytes += media.len_bytes();
        self.media.push_back(media);
    }

    fn release(self, mut sink: Sink) -> Sink {
        for media in self.media {
            if sink.push(media).is_err() {
                // It says so again when it is next asked.
                break;
            }
        }
        sink
    }
}

fn is_configuration(media: &Media) -> bool {
    matches!(media, Media::VideoConfig(_) | Media::AudioConfig(_))
}

impl MediaSink for Vetted {
    fn push(&mut self, media: Media) -> Result<(), Closed> {
        match &mut *lock(&self.0) {
            Stage::Held(held) => {
                held.push(media);
                Ok(())
            }
            Stage::Open(sink) => sink.push(media),
            Stage::Refused(refusal) => Err(Closed::Refused(*refusal)),
            Stage::Closed => Err(Closed::Ended),
        }
    }

    fn check(&self) -> Result<(), Closed> {
        match &*lock(&self.0) {
            Stage::Held(_) => Ok(()),
            Stage::Open(sink) => sink.check(),
            Stage::Refused(refusal) => Err(Closed::Refused(*refusal)),
            Stage::Closed => Err(Closed::Ended),
        }
    }

    fn is_pending(&self) -> bool {
        matches!(*lock(&self.0), Stage::Held(_))
    }

    fn note_link(&self, link: &Link) {
        if let Stage::Open(sink) = &*lock(&self.0) {
            sink.note_link(link);
        }
    }

    fn close(self: Box<Self>, how: Unpublish) {
        let stage = std::mem::replace(&mut *lock(&self.0), Stage::Closed);
        if let Stage::Open(sink) = stage {
            sink.close(how);
        }
    }
}

impl Drop for Vetted {
    fn drop(&mut self) {
        // Outside of the lock: a sink that is dropped ends its publication.
        let stage = std::mem::replace(&mut *lock(&self.0), Stage::Closed);
        drop(stage);
    }
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    // A stage is replaced whole: a panic in between leaves a valid one.
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_begins_anew_past_the_bound() {
        let piece = Bytes::from(vec![0; 64 * 1024]);
        let mut held = Held::default();
        let pieces = HELD_BYTES_MAX / piece.len();
        for _ in 0..pieces {
            held.push(Media::TransportStream(piece.clone()));
        }
        assert_eq!((held.media.len(), held.bytes), (pieces, HELD_BYTES_MAX));
        held.push(Media::TransportStream(piece.clone()));
        assert_eq!((held.media.len(), held.bytes), (1, piece.len()));
    }
}
