//! Places of pieces that arrive at once: so many of all uploaders together, and of one user so few
//! that others find some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::accounts::UserId;

/// Pieces of all uploaders: each has a megabyte or two in memory.
pub(crate) const ALL_MAX: usize = 64;

/// Pieces of one user: more than the six that a browser sends to a server at a time. Whoever sends as
/// slowly as is allowed keeps a place for weeks.
pub(crate) const EACH_MAX: usize = 8;

/// See the module. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// How many are taken, by whom (`None`: the operator), without a zero.
    taken: Arc<Mutex<HashMap<Option<UserId>, usize>>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    of: Option<UserId>,
}

impl Places {
    /// Takes a place for a user (`None`: the operator, who may take all); `None`: there is none now.
    pub(super) fn take(&self, of: Option<UserId>) -> Option<Place> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let own = taken.get(&of).copied().unwrap_or(0);
        let each_max = match of {
            Some(_) => EACH_MAX,
            None => ALL_MAX,
        };
        if all >= ALL_MAX || own >= each_max {
            return None;
        }
        taken.insert(of.clone(), own + 1);
        let places = self.clone();
        Some(Place { places, of })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Option<UserId>, usize>> {
        // No change of it can stop half-way.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(own) = taken.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONA: &str = "aaaaaaaaaaaaaa";
    const KURT: &str = "bbbbbbbbbbbbbb";

    #[test]
    fn nobody_takes_the_places_of_others_and_what_is_given_back_is_free() {
        let places = Places::default();
        let take = |id: &str| places.take(Some(UserId::new(id).expect("an id")));
        let mut monas: Vec<_> = (0..EACH_MAX).map(|_| take(MONA).expect("one")).collect();
        assert!(take(MONA).is_none());
        let _kurts = take(KURT).expect("one");
        monas.pop();
        monas.push(take(MONA).expect("one was given back"));
        let rest: Vec<_> = (0..ALL_MAX - EACH_MAX - 1)
            .map(|_| places.take(None).expect("the operator may take all"))
            .collect();
        assert!(places.take(None).is_none());
        assert!(take(KURT).is_none());
        drop((monas, rest));
        assert_eq!(places.taken().len(), 1);
    }
}
