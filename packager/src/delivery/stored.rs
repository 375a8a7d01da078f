//! Reads what the archive has, a piece at a time on threads that may wait for a disk.

use std::fmt;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::delivery::Stored;
use crate::disk::Disk;

/// Bytes read at a time: what one viewer of old media holds in memory. Large enough that the
/// hand-over to another thread costs less than the read.
const PIECE_BYTES: usize = 128 * 1024;

/// Longest that a piece is waited for: a disk that takes longer hangs, and players ask again.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// A segment's bytes from wherever the last piece ended.
pub(super) struct Reader {
    stored: Stored,
    disk: Disk,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

impl Reader {
    pub(super) fn new(stored: Stored, disk: Disk) -> Self {
        Self {
            stored,
            disk,
            reading: None,
        }
    }

    /// Leaves out the next `count` bytes. To be called before the first piece.
    pub(super) fn skip(&mut self, count: usize) {
        self.stored.offset += count as u64;
    }

    /// The next piece of the `remaining` bytes; at least one byte.
    pub(super) fn poll_piece(
        &mut self,
        remaining: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        let reading = self.reading.get_or_insert_with(|| {
            let (file, offset) = (Arc::clone(&self.stored.file), self.stored.offset);
            let (disk, len_bytes) = (self.disk.clone(), remaining.min(PIECE_BYTES));
            Box::pin(async move {
                let read = disk.run(move || {
                    let mut piece = vec![0; len_bytes];
                    file.read_exact_at(&mut piece, offset)?;
                    Ok(piece.into())
                });
                timeout(READ_WITHIN, read).await??
            })
        });
        let read = ready!(reading.as_mut().poll(context));
        self.reading = None;
        let piece = read?;
        self.stored.offset += piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reader");
        shown.field("stored", &self.stored).finish_non_exhaustive()
    }
}
