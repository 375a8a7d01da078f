//! The media of a recording on its way to the store while it is written.
//!
//! Only media is followed: indexes, manifest and pictures are smaller than a part, so that nothing
//! of them could go before the end.

use media_core::{AssetId, RenditionName};
use storage::asset::{Summary, Writer, media_file};
use storage::objects::{Growing, NotTaken};

use super::objects::{Inner, Objects};

/// See the module.
#[derive(Debug)]
pub(super) struct Trail {
    objects: Objects,
    asset: AssetId,
    growing: Vec<(RenditionName, Growing)>,
}

impl Trail {
    /// Follows the renditions of `asset`, whose writer has begun. Where there is no room, they are
    /// uploaded after their end.
    pub(super) fn begin(objects: Objects, asset: AssetId, renditions: &[RenditionName]) -> Self {
        let inner = objects.inner();
        let follow = |rendition: &RenditionName| {
            let name = media_file(rendition);
            let key = Inner::key(&asset, &name)?;
            let file = inner.folder.path(&asset).join(&name);
            match inner.uploads.follow(key, file) {
                Ok(growing) => Some((rendition.clone(), growing)),
                Err(NotTaken::Ended) => None,
                Err(error) => {
                    tracing::warn!(%asset, %rendition, %error, "uploaded when it is finished");
                    None
                }
            }
        };
        let growing = renditions.iter().filter_map(follow).collect();
        Self {
            objects,
            asset,
            growing,
        }
    }

    /// The writer was given a segment of `rendition`. Never waits.
    pub(super) fn grown(&self, rendition: &RenditionName, writer: &Writer) {
        let followed = self.growing.iter().find(|(name, _)| name == rendition);
        if let (Some((_, growing)), Some(bytes)) = (followed, writer.settled_bytes(rendition)) {
            growing.grown_to(bytes);
        }
    }

    /// The files have their final lengths.
    pub(super) fn finish(self, summary: &Summary) {
        for (name, growing) in self.growing {
            let found = summary.renditions.iter().find(|(it, _)| *it == name);
            if let Some((_, bytes)) = found {
                growing.finish(*bytes);
            }
        }
    }

    /// There is nothing to play: what the store has goes. To be called where tasks can be started.
    pub(super) fn abandon(self) {
        let inner = self.objects.inner();
        for (rendition, _growing) in &self.growing {
            let name = media_file(rendition);
            let file = inner.folder.path(&self.asset).join(&name);
            let removed = Inner::key(&self.asset, &name).map(|key| inner.uploads.remove(key, file));
            if let Some(Err(error)) = removed {
                tracing::warn!(asset = %self.asset, %rendition, %error, "an unfinished upload stays for now");
            }
        }
    }
}
