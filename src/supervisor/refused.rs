//! Publishers with a valid key that were refused: of each stream the last one, for its owner, and how
//! many there were for each reason. In memory alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ingest::Refusal;
use media_core::StreamId;

use super::Supervisor;

/// Streams whose last refusal is remembered; beyond, the oldest is forgotten.
const STREAMS_MAX: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    last: Mutex<HashMap<StreamId, (Refusal, SystemTime)>>,
    counts: [AtomicU64; Refusal::ALL.len()],
}

impl Refused {
    /// A publisher of `stream` was refused.
    pub(super) fn note(&self, stream: &StreamId, refusal: Refusal, now: SystemTime) {
        // Who waits for another's place asks again and again, and mostly gets it.
        if refusal == Refusal::AlreadyLive {
            return;
        }
        if let Some(count) = self.counts.get(refusal as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let mut last = self.last();
        if last.len() >= STREAMS_MAX
            && !last.contains_key(stream)
            && let Some(oldest) = last.iter().min_by_key(|(_, (_, at))| *at)
        {
            let oldest = oldest.0.clone();
            last.remove(&oldest);
        }
        last.insert(stream.clone(), (refusal, now));
    }

    /// Why and when a publisher of `stream` was refused last.
    pub(super) fn last_of(&self, stream: &StreamId) -> Option<(Refusal, SystemTime)> {
        self.last().get(stream).copied()
    }

    /// How many were refused, by reason.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let all = Refusal::ALL.into_iter().zip(counts);
        all.filter(|(refusal, _)| *refusal != Refusal::AlreadyLive)
    }

    fn last(&self) -> MutexGuard<'_, HashMap<StreamId, (Refusal, SystemTime)>> {
        // Entries are put in and taken out whole.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Publishers with a valid key that were refused.
    pub(crate) fn refused(&self) -> &Refused {
        &self.inner.refused
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_refusal_of_each_stream_is_known_and_the_oldest_of_too_many_forgotten() {
        let refused = Refused::default();
        let stream = |number: usize| StreamId::new(&format!("s{number}")).expect("an id");
        let at = |second: usize| SystemTime::UNIX_EPOCH + Duration::from_secs(second as u64);
        for number in 0..STREAMS_MAX {
            refused.note(&stream(number), Refusal::Kicked, at(number));
        }
        refused.note(&stream(0), Refusal::Overloaded, at(STREAMS_MAX));
        refused.note(&stream(9), Refusal::AlreadyLive, at(STREAMS_MAX));
        refused.note(&stream(STREAMS_MAX), Refusal::Full, at(STREAMS_MAX));
        let overloaded = Some((Refusal::Overloaded, at(STREAMS_MAX)));
        assert_eq!(refused.last_of(&stream(0)), overloaded);
        assert_eq!(refused.last_of(&stream(1)), None);
        assert_eq!(refused.last_of(&stream(9)), Some((Refusal::Kicked, at(9))));
        assert_eq!(refused.last().len(), STREAMS_MAX);
        let of = |wanted| refused.counts().find(|(refusal, _)| *refusal == wanted);
        assert_eq!(
            of(Refusal::Kicked),
            Some((Refusal::Kicked, STREAMS_MAX as u64))
        );
        assert_eq!(of(Refusal::AlreadyLive), None);
    }
}
