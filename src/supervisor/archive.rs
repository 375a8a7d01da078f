//! The packager's archive in storage's spool.

use bytes::Bytes;
use media_core::{BroadcastId, RenditionName};
use packager::MediaSequence;
use packager::delivery::{Archive, Stored};
use storage::dvr::{Folder, Spool};

/// See the module.
#[derive(Debug)]
pub(super) struct Dvr(Spool);

impl Dvr {
    pub(super) fn start(folder: &Folder, broadcast: &BroadcastId) -> std::io::Result<Self> {
        Spool::start(folder.clone(), broadcast.to_string()).map(Self)
    }
}

impl Archive for Dvr {
    fn store(&self, rendition: &RenditionName, sequence: MediaSequence, pieces: Vec<Bytes>) {
        self.0.store(rendition, sequence.as_u64(), pieces);
    }

    fn oldest(&self, rendition: &RenditionName) -> Option<MediaSequence> {
        self.0.oldest(rendition).map(MediaSequence::new)
    }

    fn find(&self, rendition: &RenditionName, sequence: MediaSequence) -> Option<Stored> {
        let extent = self.0.find(rendition, sequence.as_u64())?;
        Some(Stored {
            file: extent.file,
            offset: extent.offset,
            len_bytes: extent.len_bytes,
        })
    }

    fn forget_before(&self, rendition: &RenditionName, sequence: MediaSequence) {
        self.0.forget_before(rendition, sequence.as_u64());
    }
}
