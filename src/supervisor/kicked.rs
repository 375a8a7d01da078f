//! Keys that open nothing for a while: their publishers were sent away, and an encoder that connects
//! anew by itself must not undo that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storage::KeyHash;

/// See the module. Holds one entry a key at most, and none that is over once another one comes.
#[derive(Debug, Default)]
pub(super) struct Kicked(Mutex<HashMap<KeyHash, Instant>>);

impl Kicked {
    /// `key` opens nothing until `refuse_for` after `now`.
    pub(super) fn refuse(&self, key: KeyHash, refuse_for: Duration, now: Instant) {
        let mut until = self.until();
        until.retain(|_, until| *until > now);
        until.insert(key, now + refuse_for);
    }

    /// Whether `key` opens nothing at `now`.
    pub(super) fn is_refused(&self, key: &KeyHash, now: Instant) -> bool {
        self.until().get(key).is_some_and(|until| *until > now)
    }

    fn until(&self) -> MutexGuard<'_, HashMap<KeyHash, Instant>> {
        // Entries are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_again_when_its_time_is_over() {
        let (kicked, now) = (Kicked::default(), Instant::now());
        let (key, other) = (KeyHash::of("mr_a"), KeyHash::of("mr_b"));
        let second = Duration::from_secs(1);
        kicked.refuse(key, 10 * second, now);
        assert!(kicked.is_refused(&key, now + 9 * second));
        assert!(!kicked.is_refused(&other, now));
        assert!(!kicked.is_refused(&key, now + 10 * second));
        kicked.refuse(other, second, now + 20 * second);
        assert_eq!(kicked.until().len(), 1);
    }
}
