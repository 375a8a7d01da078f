//! What the API asks of stored media, which may lie on this machine or in a store.

use std::pin::Pin;

use media_core::{AssetId, RenditionName};
use storage::asset::{self, Folder};

/// What comes later.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// See the module.
pub trait Media: Send + Sync {
    /// The renditions of an asset, from high to low; empty where it cannot be read (now).
    fn renditions(&self, asset: &AssetId) -> Pending<Vec<RenditionName>>;
}

/// What lies on this machine alone.
impl Media for Folder {
    fn renditions(&self, asset: &AssetId) -> Pending<Vec<RenditionName>> {
        let (folder, id) = (self.clone(), asset.clone());
        Box::pin(async move {
            let opened = tokio::task::spawn_blocking(move || asset::open(&folder, &id)).await;
            let Ok(Ok(asset)) = opened else {
                return Vec::new();
            };
            let renditions = asset.renditions().iter();
            renditions.map(|it| it.init.rendition.clone()).collect()
        })
    }
}
