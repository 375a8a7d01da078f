//! Assets in the store of which a copy lies in the data folder too: so many bytes, and those that
//! were played last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use media_core::AssetId;

#[derive(Debug)]
pub(super) struct Copies {
    bytes_max: u64,
    held: Mutex<HashMap<AssetId, Copy>>,
}

#[derive(Clone, Copy, Debug)]
struct Copy {
    bytes: u64,
    played: Instant,
}

impl Copies {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            held: Mutex::default(),
        }
    }

    /// There is a copy of `asset` now. Returns those that have to go for it.
    pub(super) fn add(&self, asset: &AssetId, bytes: u64, now: Instant) -> Vec<AssetId> {
        let mut held = self.held();
        held.insert(asset.clone(), Copy { bytes, played: now });
        let mut sum: u64 = held.values().map(|it| it.bytes).sum();
        let mut going = Vec::new();
        while sum > self.bytes_max {
            let oldest = held.iter().min_by_key(|(_, it)| it.played);
            let Some((oldest, copy)) = oldest.map(|(asset, copy)| (asset.clone(), *copy)) else {
                break;
            };
            held.remove(&oldest);
            sum -= copy.bytes;
            going.push(oldest);
        }
        going
    }

    /// The copy of `asset` is played.
    pub(super) fn played(&self, asset: &AssetId, now: Instant) {
        if let Some(copy) = self.held().get_mut(asset) {
            copy.played = now;
        }
    }

    /// There is none of `asset` any more.
    pub(super) fn forget(&self, asset: &AssetId) {
        self.held().remove(asset);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<AssetId, Copy>> {
        // No change of it can stop half-way.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asset(id: &str) -> AssetId {
        AssetId::new(id).expect("an id")
    }

    #[test]
    fn those_that_were_played_last_stay() {
        let copies = Copies::new(100);
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(copies.add(&asset("a"), 40, at(0)), []);
        assert_eq!(copies.add(&asset("b"), 40, at(1)), []);
        copies.played(&asset("a"), at(2));
        assert_eq!(copies.add(&asset("c"), 40, at(3)), [asset("b")]);
        copies.forget(&asset("c"));
        assert_eq!(copies.add(&asset("d"), 60, at(4)), []);
        // One that is larger than all room does not stay, and takes no other with it in vain.
        assert_eq!(
            copies.add(&asset("e"), 101, at(5)),
            [asset("a"), asset("d"), asset("e")]
        );
    }

    #[test]
    fn nothing_stays_where_nothing_is_wanted() {
        let copies = Copies::new(0);
        assert_eq!(copies.add(&asset("a"), 1, Instant::now()), [asset("a")]);
    }
}
