//! A broadcast's complete segments, behind the packager's back: what viewers rewind to, and its
//! recording. Media is written once: what the recording has is not in the spool too.

use std::sync::Arc;

use media_core::RenditionName;
use packager::MediaSequence;
use packager::delivery::{Archive, Stored};
use packager::segment::Segment;
use storage::dvr::{Extent, Spool};

use crate::recordings::Recording;

/// See the module.
#[derive(Debug)]
pub(super) struct Shelf {
    /// `None`: viewers cannot rewind further than memory reaches.
    spool: Option<Spool>,
    recording: Option<Arc<Recording>>,
}

impl Shelf {
    pub(super) fn new(spool: Option<Spool>, recording: Option<Arc<Recording>>) -> Self {
        Self { spool, recording }
    }

    /// The segments of a rendition in its recording: the first, and the one behind the last.
    fn recorded(&self, rendition: &RenditionName) -> Option<(MediaSequence, MediaSequence)> {
        self.recording.as_ref()?.extent(rendition)
    }
}

impl Archive for Shelf {
    fn store(&self, rendition: &RenditionName, segment: &Arc<Segment>) {
        let recorded = self.recording.as_ref();
        if recorded.is_some_and(|recording| recording.append(rendition, segment)) {
            return;
        }
        if let Some(spool) = &self.spool {
            let pieces = segment.pieces().cloned().collect();
            spool.store(rendition, segment.sequence.as_u64(), pieces);
        }
    }

    fn oldest(&self, rendition: &RenditionName) -> Option<MediaSequence> {
        let spooled = || {
            let spool = self.spool.as_ref()?;
            spool.oldest(rendition).map(MediaSequence::new)
        };
        let recording = self.recording.as_ref();
        let goes_on = recording.is_some_and(|recording| recording.takes(rendition));
        match self.recorded(rendition) {
            Some((first, _)) if goes_on => Some(first),
            // A recording that stopped, and nothing was lost between it and the spool.
            Some((first, next)) if spooled() == Some(next) => Some(first),
            _ => spooled(),
        }
    }

    fn find(&self, rendition: &RenditionName, sequence: MediaSequence) -> Option<Stored> {
        let recorded = || self.recording.as_ref()?.find(rendition, sequence);
        let spooled = || self.spool.as_ref()?.find(rendition, sequence.as_u64());
        let Extent {
            file,
            offset,
            len_bytes,
        } = recorded().or_else(spooled)?;
        Some(Stored {
            file,
            offset,
            len_bytes,
        })
    }

    fn forget_before(&self, rendition: &RenditionName, sequence: MediaSequence) {
        if let Some(spool) = &self.spool {
            spool.forget_before(rendition, sequence.as_u64());
        }
    }
}
