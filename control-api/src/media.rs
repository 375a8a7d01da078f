//! What the API asks of stored media, which may lie on this machine or in a store.

use std::pin::Pin;

use media_core::{AssetId, RenditionName};

/// What comes later.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// See the module.
pub trait Media: Send + Sync {
    /// The renditions of an asset, from high to low; empty where it cannot be read (now). A request
    /// waits for it: it takes seconds at the most, whatever the disk or the store does.
    fn renditions(&self, asset: &AssetId) -> Pending<Vec<RenditionName>>;
}
