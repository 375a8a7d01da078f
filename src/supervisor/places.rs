//! A broadcast's publishers: one, or two where another may stand by.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ingest::{Closed, Protocol, Publisher};
use media_core::graph::PublicationId;

use super::link::Meter;

/// How long a publisher may be silent and still hold its place against another connection with
/// the same key. Encoders send tens of times a second; a killed SRT caller lingers for 5 s.
const HOLDS_PLACE_FOR: Duration = Duration::from_millis(300);

/// A publisher's place, shared by the broadcast and the publisher's sink.
pub(super) struct Place {
    pub(super) protocol: Protocol,
    peer: IpAddr,
    taken: Instant,
    /// When media came last, in milliseconds after `taken`.
    heard_ms: AtomicU64,
    closed: Mutex<Option<Closed>>,
    /// What is known of the publisher and of its connection.
    pub(super) link: Meter,
    /// What its media is known by to the transcoder, once it is there.
    publication: OnceLock<PublicationId>,
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
            publication: OnceLock::new(),
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

    /// What its media is known by.
    pub(super) fn publication(&self) -> Option<PublicationId> {
        self.publication.get().copied()
    }

    /// Its media is known by `publication` from now on.
    pub(super) fn publishes_as(&self, publication: PublicationId) {
        // A place has one publication.
        let _before = self.publication.set(publication);
    }

    fn close(&self, why: Closed) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get_or_insert(why);
    }

    fn is_silent(&self) -> bool {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.taken.elapsed().saturating_sub(heard) >= HOLDS_PLACE_FOR
    }

    /// Whether its publisher keeps it against another one.
    fn is_held(&self) -> bool {
        self.check().is_ok() && !self.is_silent()
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Places(Vec<Arc<Place>>);

/// A place that was given.
pub(super) struct Taken {
    pub(super) place: Arc<Place>,
    /// Who had it before, and has been told.
    pub(super) instead_of: Option<Arc<Place>>,
    /// Whether another one is there.
    pub(super) beside_another: bool,
}

impl Places {
    /// Whether a further publisher would get a place; `most` is how many there are.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.0.len() < most || self.0.iter().any(|place| !place.is_held())
    }

    /// Gives `publisher` a place: one that somebody does not hold, or a further one of `most`. The
    /// one who loses it is told. `None`: all are held.
    pub(super) fn take(&mut self, publisher: &Publisher, most: usize) -> Option<Taken> {
        let place = Arc::new(Place::new(publisher));
        let free = self.0.iter().position(|place| !place.is_held());
        let instead_of = match free {
            Some(index) => {
                let previous = std::mem::replace(&mut self.0[index], Arc::clone(&place));
                previous.close(Closed::TakenOver);
                Some(previous)
            }
            None if self.0.len() < most => {
                self.0.push(Arc::clone(&place));
                None
            }
            None => return None,
        };
        Some(Taken {
            place,
            instead_of,
            beside_another: self.0.len() > 1,
        })
    }

    /// Gives a place back. `false`: somebody else has taken it since.
    pub(super) fn leave(&mut self, place: &Arc<Place>) -> bool {
        let before = self.0.len();
        self.0.retain(|other| !Arc::ptr_eq(other, place));
        self.0.len() < before
    }

    /// Whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those whose publishers were not told to go.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Place>> {
        self.0.iter().filter(|place| place.check().is_ok())
    }

    /// Ends the sessions of those publishers whose address is `one_of`.
    pub(super) fn close(&self, why: &Closed, one_of: impl Fn(IpAddr) -> bool) {
        let places = self.0.iter().filter(|place| one_of(place.peer));
        places.for_each(|place| place.close(why.clone()));
    }
}

#[cfg(test)]
mod tests {
    use ingest::Claims;

    use super::*;

    fn publisher(port: u16) -> Publisher {
        Publisher {
            peer: ([192, 0, 2, 1], port).into(),
            protocol: Protocol::Rtmp,
            claims: Claims::default(),
        }
    }

    fn fall_silent(place: &Place) {
        while !place.is_silent() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn one_place_is_kept_by_who_sends_and_taken_from_who_is_silent() {
        let mut places = Places::default();
        let first = places.take(&publisher(1), 1).expect("a place").place;
        assert!(!places.has_room(1) && places.take(&publisher(2), 1).is_none());
        fall_silent(&first);
        assert!(places.has_room(1));
        let second = places.take(&publisher(2), 1).expect("a place");
        let before = second.instead_of.expect("somebody lost it");
        assert!(Arc::ptr_eq(&before, &first) && !second.beside_another);
        assert_eq!(first.check(), Err(Closed::TakenOver));
        assert!(!places.leave(&first), "it is not there any more");
        assert!(places.leave(&second.place) && places.is_empty());
    }

    #[test]
    fn a_second_one_stands_by_and_a_third_one_takes_the_place_of_the_silent() {
        let mut places = Places::default();
        let first = places.take(&publisher(1), 2).expect("a place").place;
        let second = places.take(&publisher(2), 2).expect("a place");
        assert!(second.instead_of.is_none() && second.beside_another);
        assert!(places.take(&publisher(3), 2).is_none());
        fall_silent(&first);
        second.place.heard();
        let third = places.take(&publisher(3), 2).expect("a place");
        let before = third.instead_of.expect("somebody lost it");
        assert!(Arc::ptr_eq(&before, &first) && third.beside_another);
        places.close(&Closed::Ended, |_| true);
        assert_eq!(places.open().count(), 0);
        assert!(places.has_room(1), "who was told to go holds nothing");
    }
}
