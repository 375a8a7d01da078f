//! What is known of each of many addresses, in bounded memory. No clock: time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::peer::Address;

/// The most addresses that are told apart, at about 100 bytes each. Of those beyond it their networks
/// are, until others have been quiet: so one who has very many addresses shuts out its neighbours at
/// the most.
pub(crate) const ADDRESSES_MAX: usize = 65_536;

/// The most entries, networks included. Whoever is beyond that shares one.
const ENTRIES_MAX: usize = 2 * ADDRESSES_MAX;

/// How often a full table is searched for addresses that have been quiet.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What is known of an address; by default as of one that was never seen.
pub(crate) trait Entry: Default {
    /// Whether it is as good as an address that was never seen.
    fn is_fresh(&self, now: Instant) -> bool;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Table<T> {
    entries: HashMap<Address, T>,
    swept: Option<Instant>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            swept: None,
        }
    }
}

impl<T: Entry> Table<T> {
    /// What is known of `address`, and where that stands: by itself as long as there is room.
    pub(crate) fn of(&mut self, address: Address, now: Instant) -> (Address, &mut T) {
        let place = self.place(address, now);
        (place, self.at(place))
    }

    /// What stands at a place.
    pub(crate) fn at(&mut self, place: Address) -> &mut T {
        self.entries.entry(place).or_default()
    }

    fn place(&mut self, address: Address, now: Instant) -> Address {
        if self.entries.len() < ADDRESSES_MAX || self.entries.contains_key(&address) {
            return address;
        }
        let due = self.swept.is_none_or(|swept| now - swept >= SWEEP_EVERY);
        if due {
            self.entries.retain(|_, entry| !entry.is_fresh(now));
            self.swept = Some(now);
        }
        let network = address.network();
        match self.entries.len() {
            count if count < ADDRESSES_MAX => address,
            count if count < ENTRIES_MAX || self.entries.contains_key(&network) => network,
            _ => Address::Unknown,
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
