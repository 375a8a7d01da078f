//! The reins of a transcoder: pause, cancel, and how far it has come.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::MediaTime;

/// Steers one transcoder, from any thread; clones steer the same one. Pausing and cancelling before
/// it starts holds too.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Reins>);

#[derive(Debug, Default)]
struct Reins {
    order: Mutex<Order>,
    changed: Condvar,
    done_nanos: AtomicI64,
    /// Zero: not known.
    expected_nanos: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Run,
    Pause,
    Cancel,
}

/// How far a transcoder has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Up to where the highest rung (without pictures: the sound) is encoded.
    pub done: MediaTime,
    /// How long the file is, where it says so.
    pub duration: Option<Duration>,
}

impl Control {
    /// Holds everything within a picture, and keeps what is in hand: the work goes on where it was.
    pub fn pause(&self) {
        self.give(Order::Pause);
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.give(Order::Run);
    }

    /// Ends the work within a second. Cannot be taken back.
    pub fn cancel(&self) {
        self.give(Order::Cancel);
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let expected = self.0.expected_nanos.load(Ordering::Relaxed);
        Progress {
            done: MediaTime::from_nanos(self.0.done_nanos.load(Ordering::Relaxed)),
            duration: (expected > 0).then(|| Duration::from_nanos(expected)),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        *self.order() == Order::Pause
    }

    pub(super) fn is_cancelled(&self) -> bool {
        *self.order() == Order::Cancel
    }

    /// Waits while it is paused; whether to go on then.
    pub(super) fn may_go_on(&self) -> bool {
        let paused = |order: &mut Order| *order == Order::Pause;
        let order = self.0.changed.wait_while(self.order(), paused);
        *order.unwrap_or_else(PoisonError::into_inner) == Order::Run
    }

    /// The file says that it is so long.
    pub(super) fn expect(&self, duration: Option<Duration>) {
        let nanos = duration.map_or(0, |duration| duration.as_nanos());
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.0.expected_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Everything before `time` is encoded.
    pub(super) fn advance(&self, time: MediaTime) {
        self.0.done_nanos.store(time.as_nanos(), Ordering::Relaxed);
    }

    fn give(&self, order: Order) {
        let mut current = self.order();
        if *current != Order::Cancel {
            *current = order;
        }
        self.0.changed.notify_all();
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_job_stays_cancelled() {
        let control = Control::default();
        assert!(control.may_go_on());
        control.cancel();
        control.resume();
        assert!(control.is_cancelled());
        assert!(!control.may_go_on());
    }

    #[test]
    fn who_waits_in_a_pause_goes_on_with_it_or_ends() {
        for cancelled in [false, true] {
            let control = Control::default();
            control.pause();
            let waiting = control.clone();
            let waiting = std::thread::spawn(move || waiting.may_go_on());
            match cancelled {
                true => control.cancel(),
                false => control.resume(),
            }
            assert_eq!(waiting.join().expect("it ends"), !cancelled);
        }
    }
}
