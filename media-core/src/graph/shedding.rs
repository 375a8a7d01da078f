//! What broadcasts leave out while the machine is too small for all of it, in the order in which it
//! goes: whoever watches the machine says how much, the ladders do it where their next segment begins.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Segments' beginnings that are remembered. The lowest rung is behind a queue of one picture and a
/// scaler for each rung above it, which is less than the shortest segment's length.
const TURNS_MAX: usize = 8;

/// How much is left out. Each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shed {
    /// Everything is made.
    #[default]
    Nothing,
    /// No thumbnails.
    Thumbnails,
    /// x264 encodes by its fastest preset.
    Preset,
    /// The highest rung is not encoded: who watches it gets the pictures of the next one.
    TopRung,
}

impl Shed {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Thumbnails, Self::Preset, Self::TopRung];
}

impl fmt::Display for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Thumbnails => "thumbnails",
            Self::Preset => "preset",
            Self::TopRung => "top_rung",
        })
    }
}

/// Where it stands how much is left out now. Clones share it; by default nothing is.
#[derive(Clone, Debug, Default)]
pub struct Shedding(Arc<AtomicU8>);

impl Shedding {
    /// From now on so much is left out.
    pub fn set(&self, shed: Shed) {
        self.0.store(shed as u8, Ordering::Relaxed);
    }

    /// How much is left out.
    pub fn now(&self) -> Shed {
        let shed = usize::from(self.0.load(Ordering::Relaxed));
        Shed::ALL.get(shed).copied().unwrap_or_default()
    }
}

/// How much each of a broadcast's latest segments leaves out, by the grid point at which it begins:
/// a picture's encoders meet it one after the other.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<VecDeque<(u64, Shed)>>);

impl Turns {
    /// The segment that begins at grid point `index`, later than all before, leaves out so much.
    pub(super) fn note(&self, index: u64, shed: Shed) {
        let mut turns = self.turns();
        if turns.len() == TURNS_MAX {
            turns.pop_front();
        }
        turns.push_back((index, shed));
    }

    /// What the segment leaves out that begins at grid point `index`; `None`: none does.
    pub(super) fn beginning_at(&self, index: u64) -> Option<Shed> {
        let turns = self.turns();
        let found = turns.iter().rev().find(|(at, _)| *at == index);
        found.map(|(_, shed)| *shed)
    }

    /// What is left out at grid point `index`.
    pub(super) fn at(&self, index: u64) -> Shed {
        let turns = self.turns();
        let found = turns.iter().rev().find(|(at, _)| *at <= index);
        found.map_or(Shed::Nothing, |(_, shed)| *shed)
    }

    fn turns(&self) -> MutexGuard<'_, VecDeque<(u64, Shed)>> {
        // Entries are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_finds_what_its_segment_leaves_out() {
        let turns = Turns::default();
        assert_eq!((turns.at(0), turns.beginning_at(0)), (Shed::Nothing, None));
        for segment in 0..TURNS_MAX as u64 + 2 {
            turns.note(segment * 60, Shed::ALL[segment as usize % 4]);
        }
        assert_eq!(turns.beginning_at(540), Some(Shed::Thumbnails));
        assert_eq!(turns.beginning_at(541), None);
        assert_eq!(turns.at(541), Shed::Thumbnails);
        assert_eq!(turns.at(539), Shed::Nothing);
        assert_eq!(turns.turns().len(), TURNS_MAX);
    }

    #[test]
    fn what_is_set_is_read_back_by_every_clone() {
        let shedding = Shedding::default();
        let other = shedding.clone();
        for shed in Shed::ALL {
            shedding.set(shed);
            assert_eq!(other.now(), shed);
        }
    }
}
