//! One broadcast: its transcoder, its packaging, and who publishes to it now.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ingest::{Closed, Publisher, Refusal};
use media_core::graph::{Intake, Preset, Role, Settings, SourceUse, Transcoder};
use media_core::{BroadcastId, StreamId};

use super::figures::Figures;
use super::link::{self, Publishing};
use super::packaging::Packaging;
use super::places::{Place, Places, Taken};
use crate::overload::{Load, Room};

/// See the module.
pub(super) struct Broadcast {
    id: BroadcastId,
    stream: StreamId,
    transcoder: Transcoder,
    preset: Preset,
    room: Room,
    packaging: Arc<Packaging>,
    places: Mutex<Places>,
    /// Of media, from all its publishers.
    received_bytes: AtomicU64,
    /// How often its publisher was lost: each loss has a wait of its own.
    losses: AtomicU64,
}

impl Broadcast {
    pub(super) fn new(
        id: BroadcastId,
        stream: StreamId,
        settings: Settings,
        packaging: Arc<Packaging>,
    ) -> Self {
        let output = Arc::clone(&packaging) as Arc<dyn media_core::graph::Output>;
        let preset = settings.preset;
        let room = match settings.source {
            SourceUse::Alone => Room::Source,
            SourceUse::Encode | SourceUse::Top => Room::Ladder,
        };
        let transcoder = Transcoder::new(settings, output);
        Self {
            id,
            stream,
            transcoder,
            preset,
            room,
            packaging,
            places: Mutex::default(),
            received_bytes: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        }
    }

    pub(super) fn id(&self) -> &BroadcastId {
        &self.id
    }

    pub(super) fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Whether the ladder has failed: nothing more will come out of it.
    pub(super) fn failed(&self) -> bool {
        self.packaging.has_failed()
    }

    /// Whether media has come out of the ladder.
    pub(super) fn started(&self) -> bool {
        self.packaging.has_started()
    }

    /// Whether a further publisher would get a place now; `most` is how many there are.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.places().has_room(most)
    }

    /// Whether somebody publishes who was not told to go.
    pub(super) fn is_published(&self) -> bool {
        self.places().open().next().is_some()
    }

    /// Whether nobody publishes (any more).
    pub(super) fn is_deserted(&self) -> bool {
        self.places().is_empty()
    }

    /// Notes that the publisher was lost and returns which loss this is.
    pub(super) fn lose(&self) -> u64 {
        self.losses.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether nobody has published since loss number `loss`.
    pub(super) fn is_lost_since(&self, loss: u64) -> bool {
        self.is_deserted() && self.losses.load(Ordering::Acquire) == loss
    }

    /// Gives a place to a new publisher, one of `most`; a previous one, which has fallen silent, is
    /// told.
    pub(super) fn take_place(&self, publisher: &Publisher, most: usize) -> Result<Taken, Refusal> {
        let taken = self.places().take(publisher, most);
        taken.ok_or(Refusal::AlreadyLive)
    }

    /// The intake of who has `taken` a place. Waits for an encoder that is busy.
    pub(super) fn publication(&self, taken: &Taken) -> Result<Intake, media_core::graph::Error> {
        let before = taken.instead_of.as_ref();
        if let Some(before) = before.and_then(|before| before.publication()) {
            // Its own end may be seconds away.
            self.transcoder.leave(before);
        }
        let role = match taken.beside_another {
            true => Role::StandBy,
            false => Role::OnAir,
        };
        let (intake, publication) = self.transcoder.publication(role)?;
        taken.place.publishes_as(publication);
        Ok(intake)
    }

    /// Gives a place back. `false`: somebody else has taken it since.
    pub(super) fn leave_place(&self, place: &Arc<Place>) -> bool {
        self.places().leave(place)
    }

    /// Notes that a publisher sent so much media.
    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Who publishes now.
    pub(super) fn publishers(&self) -> Vec<Publishing> {
        let on_air = self.transcoder.on_air();
        let role = |place: &Place| match place.publication() == on_air {
            true => link::Role::Primary,
            false => link::Role::Backup,
        };
        let places = self.places();
        let publishers = places.open().map(|place| place.link.read(role(place)));
        publishers.collect()
    }

    /// What it has counted and measured.
    pub(super) fn figures(&self) -> Figures {
        let on_air = self.transcoder.on_air();
        let is_on_air = |place: &&Arc<Place>| on_air.is_some() && place.publication() == on_air;
        let publisher = self.places().open().find(is_on_air).map(|it| it.protocol);
        let (window, renditions) = self.packaging.figures().unzip();
        Figures {
            stream: self.stream.clone(),
            publisher,
            publishers: self.publishers(),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            meters: Arc::clone(self.transcoder.meters()),
            window,
            renditions: renditions.unwrap_or_default(),
        }
    }

    /// What it costs.
    pub(super) fn load(&self) -> Load {
        Load {
            id: self.id.clone(),
            known: self
                .packaging
                .known(self.transcoder.meters().passes_source()),
            room: self.room,
            preset: self.preset,
            shortest_wait: None,
        }
    }

    /// The same, and how long pictures have waited since this was asked last.
    pub(super) fn take_load(&self) -> Load {
        Load {
            shortest_wait: self.transcoder.meters().take_shortest_intake(),
            ..self.load()
        }
    }

    /// Ends the publishers' sessions, not the broadcast.
    pub(super) fn disconnect(&self, why: &Closed) {
        self.disconnect_from(why, |_| true);
    }

    /// The same of those whose address is `one_of`.
    pub(super) fn disconnect_from(&self, why: &Closed, one_of: impl Fn(IpAddr) -> bool) {
        self.places().close(why, one_of);
    }

    /// Ends the broadcast: what the encoders hold comes out, playlists get their end. Waits.
    pub(super) fn end(&self) {
        self.transcoder.end();
        let counters = self.transcoder.meters().timeline();
        self.packaging.finish();
        tracing::info!(
            stream = %self.stream,
            broadcast = %self.id,
            frames_dropped = counters.frames_dropped,
            frames_repeated = counters.frames_repeated,
            frames_filled = counters.frames_filled,
            clock_jumps = counters.clock_jumps,
            "broadcast ended"
        );
    }

    /// After the end: frees the memory of what viewers can rewind to. How long that is to be
    /// served.
    pub(super) fn settle(&self) -> Duration {
        self.packaging.settle()
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
