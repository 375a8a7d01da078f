//! Who of a broadcast's publishers is on the air, and who stands by. Pure: time is an argument.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Without a picture (or sound, where there are none) for so long a publisher gives way to the one
/// that stands by. With the tick's period it stays well below half a second.
const SWITCH_AFTER: Duration = Duration::from_millis(250);

/// Who was heard so recently is able to take over.
const HEARD_WITHIN: Duration = Duration::from_millis(200);

/// How long who took over keeps the air against the other's coming back, where both are there: two
/// poor links must not take turns several times a second.
const HOLD: Duration = Duration::from_secs(2);

/// Names a publication of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicationId(NonZeroU64);

/// Who is on the air, to be read without waiting for who decides it.
#[derive(Debug, Default)]
pub(super) struct Sign(AtomicU64);

impl Sign {
    /// Who is on the air, as of the last change.
    pub(super) fn current(&self) -> Option<PublicationId> {
        NonZeroU64::new(self.0.load(Ordering::Acquire)).map(PublicationId)
    }

    fn set(&self, current: Option<PublicationId>) {
        let current = current.map_or(0, |PublicationId(id)| id.get());
        self.0.store(current, Ordering::Release);
    }
}

/// As what a publisher comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What it sends is the broadcast from now on; whoever was on the air is left out.
    OnAir,
    /// What it sends is decoded, and used when the other one's stays away.
    StandBy,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OnAir {
    sign: Arc<Sign>,
    begun: u64,
    current: Option<Publisher>,
    standing_by: Option<Publisher>,
    switched: Option<Duration>,
}

#[derive(Debug)]
struct Publisher {
    id: PublicationId,
    heard: Option<Duration>,
}

/// What becomes of a broadcast that a publisher leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The one that stood by is on the air.
    TakenOver,
    /// Nobody is.
    Silent,
    /// It was not on the air.
    Unchanged,
}

impl OnAir {
    /// Where it is shown who is on the air.
    pub(super) fn sign(&self) -> Arc<Sign> {
        Arc::clone(&self.sign)
    }

    /// A further publication comes. Nobody stands by where nobody is on the air.
    pub(super) fn begin(&mut self, role: Role) -> PublicationId {
        self.begun += 1;
        let id = PublicationId(NonZeroU64::new(self.begun).expect("it was counted up"));
        let publisher = Some(Publisher { id, heard: None });
        match role {
            Role::StandBy if self.current.is_some() => self.standing_by = publisher,
            Role::StandBy | Role::OnAir => self.current = publisher,
        }
        self.sign.set(self.current());
        id
    }

    /// Who is on the air.
    pub(super) fn current(&self) -> Option<PublicationId> {
        self.current.as_ref().map(|publisher| publisher.id)
    }

    /// Whether `id` has not been replaced.
    pub(super) fn knows(&self, id: PublicationId) -> bool {
        let known = self.current.iter().chain(&self.standing_by);
        known.into_iter().any(|publisher| publisher.id == id)
    }

    /// Something of `id` came; whether it is on the air.
    pub(super) fn hear(&mut self, id: PublicationId, now: Duration) -> bool {
        let mut known = self.current.iter_mut().chain(&mut self.standing_by);
        if let Some(publisher) = known.find(|publisher| publisher.id == id) {
            publisher.heard = Some(now);
        }
        self.current() == Some(id)
    }

    /// `id` has left, and what it sent is decoded.
    pub(super) fn leave(&mut self, id: PublicationId) -> Left {
        if self.current() == Some(id) {
            self.current = self.standing_by.take();
            self.sign.set(self.current());
            return match self.current {
                Some(_) => Left::TakenOver,
                None => Left::Silent,
            };
        }
        self.standing_by.take_if(|publisher| publisher.id == id);
        Left::Unchanged
    }

    /// Gives the air to who stands by, where the other one has been silent for too long: longer
    /// than `usual`, its usual pause. Whether it did.
    pub(super) fn switch(&mut self, usual: Duration, now: Duration) -> bool {
        let (Some(current), Some(standing_by)) = (&self.current, &self.standing_by) else {
            return false;
        };
        let since = |heard: Option<Duration>| heard.map(|heard| now.saturating_sub(heard));
        let is_silent = since(current.heard).is_some_and(|since| since >= SWITCH_AFTER.max(usual));
        let is_able = since(standing_by.heard).is_some_and(|since| since <= HEARD_WITHIN);
        let is_held = since(self.switched).is_some_and(|since| since < HOLD);
        let switches = is_silent && is_able && !is_held;
        if switches {
            std::mem::swap(&mut self.current, &mut self.standing_by);
            self.switched = Some(now);
            self.sign.set(self.current());
        }
        switches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn two() -> (OnAir, PublicationId, PublicationId) {
        let mut on_air = OnAir::default();
        let first = on_air.begin(Role::OnAir);
        let second = on_air.begin(Role::StandBy);
        (on_air, first, second)
    }

    #[test]
    fn who_stands_by_takes_over_within_half_a_second_and_keeps_the_air() {
        let (mut on_air, first, second) = two();
        for ms in (0..1000).step_by(33) {
            assert!(on_air.hear(first, MS(ms)));
            assert!(!on_air.hear(second, MS(ms)));
            assert!(!on_air.switch(Duration::ZERO, MS(ms + 20)));
        }
        let switched = (1000..2000).step_by(100).find(|ms| {
            on_air.hear(second, MS(ms - 10));
            on_air.switch(Duration::ZERO, MS(*ms))
        });
        assert!(switched.is_some_and(|ms| ms <= 1300), "{switched:?}");
        assert_eq!(on_air.current(), Some(second));
        // The first is back, and waits for its turn.
        for ms in (2000..9000).step_by(100) {
            on_air.hear(first, MS(ms));
            on_air.hear(second, MS(ms));
            assert!(!on_air.switch(Duration::ZERO, MS(ms + 10)));
        }
    }

    #[test]
    fn two_poor_links_do_not_take_turns() {
        let (mut on_air, first, second) = two();
        let mut switches = 0;
        for ms in (0..10_000).step_by(100) {
            // Each is silent for every other half second.
            let speaks = if ms / 500 % 2 == 0 { first } else { second };
            on_air.hear(speaks, MS(ms));
            switches += u32::from(on_air.switch(Duration::ZERO, MS(ms)));
        }
        assert!((1..=5).contains(&switches), "{switches}");
    }

    #[test]
    fn a_source_that_sends_in_bursts_keeps_the_air_between_them() {
        let (mut on_air, first, second) = two();
        for ms in (0..10_000).step_by(100) {
            if ms % 1000 == 0 {
                on_air.hear(first, MS(ms));
            }
            on_air.hear(second, MS(ms));
            assert!(!on_air.switch(MS(1250), MS(ms)));
        }
    }

    #[test]
    fn who_leaves_gives_the_air_to_who_stands_by_and_then_to_nobody() {
        let (mut on_air, first, second) = two();
        assert_eq!(on_air.leave(first), Left::TakenOver);
        assert_eq!(on_air.current(), Some(second));
        assert!(!on_air.knows(first));
        assert_eq!(on_air.leave(first), Left::Unchanged);
        assert_eq!(on_air.leave(second), Left::Silent);
        let third = on_air.begin(Role::StandBy);
        assert_eq!(on_air.current(), Some(third), "there is no other");
    }

    #[test]
    fn who_is_silent_does_not_take_over_from_who_is_silent() {
        let (mut on_air, first, second) = two();
        on_air.hear(first, MS(0));
        on_air.hear(second, MS(0));
        assert!(!on_air.switch(Duration::ZERO, MS(5000)));
        assert_eq!(on_air.leave(second), Left::Unchanged);
        assert_eq!(on_air.current(), Some(first));
    }
}
