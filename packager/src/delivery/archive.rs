//! Where a broadcast's older segments lie, so that viewers can rewind further than memory reaches.
//! The crate above provides it; nothing here knows a folder or a format.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use media_core::RenditionName;

use crate::segment::Segment;
use crate::sequence::MediaSequence;

/// One broadcast's archive. Its methods may be called from any thread and do not wait for a disk.
pub trait Archive: fmt::Debug + Send + Sync {
    /// Takes a complete segment, in the order of their numbers a rendition.
    fn store(&self, rendition: &RenditionName, segment: &Arc<Segment>);

    /// The oldest segment of a rendition such that it and every later one that was given to
    /// [`store`](Self::store) long enough ago can be found; `None`: there is none.
    fn oldest(&self, rendition: &RenditionName) -> Option<MediaSequence>;

    /// Where a segment lies.
    fn find(&self, rendition: &RenditionName, sequence: MediaSequence) -> Option<Stored>;

    /// Gives back the space of every segment before `sequence`.
    fn forget_before(&self, rendition: &RenditionName, sequence: MediaSequence);
}

/// A segment's bytes in a file.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The file, open for reading.
    pub file: Arc<File>,
    /// The segment's first byte.
    pub offset: u64,
    /// The segment's length.
    pub len_bytes: usize,
}
