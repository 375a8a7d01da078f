//! One broadcast: its transcoder, its packaging, and who publishes to it now.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ingest::{Closed, Protocol, Publisher};
use media_core::graph::{Settings, Transcoder};
use media_core::{BroadcastId, StreamId};

use super::figures::Figures;
use super::link::{Meter, Publishing, Role};
use super::packaging::Packaging;

/// How long a publisher may be silent and still hold its place against another connection with
/// the same key. Encoders send tens of times a second; a killed SRT caller lingers for 5 s.
const HOLDS_PLACE_FOR: Duration = Duration::from_millis(300);

/// See the module.
pub(super) struct Broadcast {
    id: BroadcastId,
    stream: StreamId,
    transcoder: Transcoder,
    packaging: Arc<Packaging>,
    publisher: Mutex<Option<Arc<Place>>>,
    /// Of media, from all its publishers.
    received_bytes: AtomicU64,
    /// How often its publisher was lost: each loss has a wait of its own.
    losses: AtomicU64,
}

/// A publisher's place, shared by the broadcast and the publisher's sink.
pub(super) struct Place {
    protocol: Protocol,
    peer: IpAddr,
    taken: Instant,
    /// When media came last, in milliseconds after `taken`.
    heard_ms: AtomicU64,
    closed: Mutex<Option<Closed>>,
    /// What is known of the publisher and of its connection.
    pub(super) link: Meter,
}

impl Place {
    fn new(publisher: &Publisher) -> Self {
        Self {
            protocol: publisher.protocol,
            peer: publisher.peer.ip(),
            taken: Instant::now(),
            heard_ms: AtomicU64::new(0),
            closed: Mutex::new(None),
            link: Meter::new(publisher),
        }
    }

    /// Notes that media came.
    pub(super) fn heard(&self) {
        let ms = u64::try_from(self.taken.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(ms, Ordering::Relaxed);
    }

    /// Whether it was taken away, and why.
    pub(super) fn check(&self) -> Result<(), Closed> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.clone().map_or(Ok(()), Err)
    }

    fn close(&self, why: Closed) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get_or_insert(why);
    }

    fn is_silent(&self) -> bool {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.taken.elapsed().saturating_sub(heard) >= HOLDS_PLACE_FOR
    }
}

impl Broadcast {
    pub(super) fn new(
        id: BroadcastId,
        stream: StreamId,
        settings: Settings,
        packaging: Arc<Packaging>,
    ) -> Self {
        let output = Arc::clone(&packaging) as Arc<dyn media_core::graph::Output>;
        let transcoder = Transcoder::new(settings, output);
        Self {
            id,
            stream,
            transcoder,
            packaging,
            publisher: Mutex::new(None),
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

    pub(super) fn transcoder(&self) -> &Transcoder {
        &self.transcoder
    }

    /// Whether the ladder has failed: nothing more will come out of it.
    pub(super) fn failed(&self) -> bool {
        self.packaging.has_failed()
    }

    /// Whether media has come out of the ladder.
    pub(super) fn started(&self) -> bool {
        self.packaging.has_started()
    }

    /// Whether another publisher may not take the place now.
    pub(super) fn is_held(&self) -> bool {
        self.place()
            .as_ref()
            .is_some_and(|place| place.check().is_ok() && !place.is_silent())
    }

    /// Where its publisher is; `None` where it has none, or that was told to go.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        let place = self.place();
        let place = place.as_ref().filter(|place| place.check().is_ok());
        place.map(|place| place.peer)
    }

    /// Notes that the publisher was lost and returns which loss this is.
    pub(super) fn lose(&self) -> u64 {
        self.losses.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether nobody has published since loss number `loss`.
    pub(super) fn is_lost_since(&self, loss: u64) -> bool {
        self.place().is_none() && self.losses.load(Ordering::Acquire) == loss
    }

    /// Gives the place to a new publisher; the previous one, which has fallen silent, is told.
    pub(super) fn take_place(&self, publisher: &Publisher) -> Arc<Place> {
        let place = Arc::new(Place::new(publisher));
        if let Some(previous) = self.place().replace(Arc::clone(&place)) {
            previous.close(Closed::TakenOver);
        }
        place
    }

    /// Gives a place back. `false`: somebody else has taken it since.
    pub(super) fn leave_place(&self, place: &Arc<Place>) -> bool {
        let mut current = self.place();
        let own = current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, place));
        if own {
            *current = None;
        }
        own
    }

    /// Notes that a publisher sent so much media.
    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Who publishes now.
    pub(super) fn publishers(&self) -> Vec<Publishing> {
        let place = self.place();
        let places = place.iter();
        places.map(|place| place.link.read(Role::Primary)).collect()
    }

    /// What it has counted and measured.
    pub(super) fn figures(&self) -> Figures {
        let publisher = self.place().as_ref().map(|place| place.protocol);
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

    /// Ends the publisher's session, not the broadcast.
    pub(super) fn disconnect(&self, why: Closed) {
        if let Some(place) = self.place().as_ref() {
            place.close(why);
        }
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

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Arc<Place>>> {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
