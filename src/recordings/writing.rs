//! The assets that this process writes at the moment: whatever the database says of them, nobody has
//! to make them whole.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media_core::AssetId;

/// See the module. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Writing {
    assets: Arc<Mutex<HashSet<AssetId>>>,
}

/// One that is written until this is dropped.
#[derive(Debug)]
pub(super) struct Written {
    writing: Writing,
    asset: AssetId,
}

impl Writing {
    pub(super) fn note(&self, asset: &AssetId) -> Written {
        self.assets().insert(asset.clone());
        Written {
            writing: self.clone(),
            asset: asset.clone(),
        }
    }

    pub(super) fn has(&self, asset: &AssetId) -> bool {
        self.assets().contains(asset)
    }

    fn assets(&self) -> MutexGuard<'_, HashSet<AssetId>> {
        // No change of it can stop half-way.
        self.assets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.writing.assets().remove(&self.asset);
    }
}
