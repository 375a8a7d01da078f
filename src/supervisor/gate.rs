//! Who may publish: the answer to what the listeners ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use control_api::guesses::{Secret, Wrong};
use ingest::gate::Passphrase;
use ingest::{Admission, Gate, MediaSink, Publisher, Refusal, StreamKey};
use media_core::{BroadcastId, StreamId};
use storage::KeyHash;
use storage::streams::Grant;

use super::broadcast::Broadcast;
use super::packaging::{Packaging, Wanted};
use super::sink::Sink;
use super::{Inner, Supervisor, vetting};
use crate::overload::Room;

impl Gate for Supervisor {
    fn check(&self, key: &StreamKey, peer: IpAddr) -> Result<Admission, Refusal> {
        let keys = self.inner.keys.load();
        let Some(grant) = keys.find(key.reveal()) else {
            return Err(self.wrong(key, peer));
        };
        let opens = self.opens(key, grant, peer);
        self.inner.note_refusal(&grant.stream, opens)?;
        let srt_passphrase = grant
            .srt_passphrase
            .as_ref()
            .and_then(|passphrase| Passphrase::new(passphrase.reveal()));
        Ok(Admission {
            stream: grant.stream.clone(),
            srt_passphrase,
        })
    }

    fn publish(
        &self,
        stream: &StreamId,
        publisher: Publisher,
    ) -> Result<Box<dyn MediaSink>, Refusal> {
        match &self.inner.options.on_publish {
            Some(hook) => Ok(vetting::ask(self, hook, stream, publisher)),
            None => {
                let opened = self.open(stream, &publisher);
                Ok(Box::new(self.inner.note_refusal(stream, opened)?))
            }
        }
    }
}

impl Supervisor {
    /// Whether a valid key opens its stream from there now.
    fn opens(&self, key: &StreamKey, grant: &Grant, peer: IpAddr) -> Result<(), Refusal> {
        let guesses = &self.inner.options.guesses;
        if guesses.right(key.reveal(), peer).is_err() {
            return Err(Refusal::Banned);
        }
        if !grant.publishers.allow(peer) {
            return Err(Refusal::Address);
        }
        let key = KeyHash::of(key.reveal());
        if self.inner.kicked.is_refused(&key, Instant::now()) {
            return Err(Refusal::Kicked);
        }
        self.inner.has_room(&grant.stream)
    }

    /// Takes note of a key that is no stream's.
    fn wrong(&self, key: &StreamKey, peer: IpAddr) -> Refusal {
        let guesses = &self.inner.options.guesses;
        match guesses.wrong(Secret::StreamKey, key.reveal(), peer) {
            Wrong::New => Refusal::UnknownKey,
            Wrong::Again => Refusal::SameKey,
            Wrong::Bans | Wrong::Banned(_) => Refusal::Banned,
        }
    }

    /// Lets a publisher in whom nothing speaks against any more.
    pub(super) fn open(&self, stream: &StreamId, publisher: &Publisher) -> Result<Sink, Refusal> {
        let most = self.inner.publishers_max(stream);
        let (broadcast, taken) = {
            let mut broadcasts = self.inner.broadcasts();
            let existing = broadcasts.get(stream).cloned();
            let broadcast = match existing {
                Some(broadcast) => broadcast,
                None => {
                    let room = self.inner.room_for_one_more(&broadcasts)?;
                    let running = broadcasts.len() + 1;
                    let broadcast = Arc::new(self.inner.new_broadcast(stream, running, room));
                    broadcasts.insert(stream.clone(), Arc::clone(&broadcast));
                    broadcast
                }
            };
            let taken = broadcast.take_place(publisher, most)?;
            (broadcast, taken)
        };
        let intake = match broadcast.publication(&taken) {
            Ok(intake) => intake,
            Err(error) => {
                tracing::error!(%stream, peer = %publisher.peer, %error, "no intake for a publisher");
                broadcast.leave_place(&taken.place);
                if broadcast.is_deserted() {
                    self.inner.forget(&broadcast);
                }
                return Err(Refusal::Full);
            }
        };
        self.inner.publications.note_begun(publisher.protocol);
        let inner = Arc::clone(&self.inner);
        Ok(Sink::new(inner, broadcast, taken.place, intake))
    }
}

impl Inner {
    /// Whether a publisher of `stream` would be let in now.
    fn has_room(&self, stream: &StreamId) -> Result<(), Refusal> {
        let broadcasts = self.broadcasts();
        match broadcasts.get(stream) {
            Some(broadcast) if !broadcast.has_room(self.publishers_max(stream)) => {
                Err(Refusal::AlreadyLive)
            }
            Some(_) => self.is_open(),
            None => self.room_for_one_more(&broadcasts).map(|_| ()),
        }
    }

    /// How many may publish to `stream` at once.
    fn publishers_max(&self, stream: &StreamId) -> usize {
        let keys = self.keys.load();
        let stands_by = keys
            .of(stream)
            .is_some_and(|(_, grant)| grant.reconnection.backup);
        1 + usize::from(stands_by)
    }

    fn room_for_one_more(
        &self,
        running: &HashMap<StreamId, Arc<Broadcast>>,
    ) -> Result<Room, Refusal> {
        self.is_open()?;
        if running.len() >= self.options.broadcasts_max {
            return Err(Refusal::Full);
        }
        self.encodes_one_more(running).ok_or(Refusal::Overloaded)
    }

    /// Takes note of it where a publisher of `stream` is refused.
    pub(super) fn note_refusal<T>(
        &self,
        stream: &StreamId,
        asked: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        asked.inspect_err(|refusal| self.refused.note(stream, *refusal, SystemTime::now()))
    }

    fn is_open(&self) -> Result<(), Refusal> {
        match self.closing.load(Ordering::Acquire) {
            true => Err(Refusal::ShuttingDown),
            false => Ok(()),
        }
    }

    fn new_broadcast(&self, stream: &StreamId, running: usize, room: Room) -> Broadcast {
        let id = BroadcastId::new(&format!("{:012x}", rand::random::<u64>() >> 16))
            .expect("hexadecimal digits are a valid id");
        // What panics on its threads is logged with it; a publisher's span would outlive the publisher.
        let span = tracing::info_span!(parent: None, "broadcast", %stream, broadcast = %id);
        let _broadcast = span.enter();
        let keys = self.keys.load();
        let grant = keys.of(stream).map(|(_, grant)| grant.clone());
        let (owner, choice) = grant
            .map(|grant| (grant.owner, grant.recording))
            .unwrap_or_default();
        let packaging = Arc::new(Packaging::new(
            self.live.clone(),
            stream.clone(),
            owner,
            id.clone(),
            self.options.playlists.clone(),
            Wanted {
                recorder: self.options.recorder.clone(),
                choice,
            },
            self.options.events.clone(),
        ));
        let encoding = &self.options.encoding;
        let settings = match room {
            Room::Ladder => encoding.settings(running),
            Room::Source => {
                tracing::warn!(
                    "this machine is too small for another ladder: the source alone is passed on"
                );
                encoding.source_settings(running)
            }
        };
        tracing::info!(
            %stream,
            broadcast = %id,
            encoder = %settings.encoder,
            preset = %settings.preset,
            threads = settings.threads,
            "broadcast begins"
        );
        Broadcast::new(id, stream.clone(), settings, packaging)
    }
}
