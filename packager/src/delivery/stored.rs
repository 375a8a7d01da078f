//! Reads what the archive has, a piece at a time on threads that may wait for a disk.

use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::delivery::Stored;

/// Bytes read at a time: what one viewer of old media holds in memory. Large enough that the
/// hand-over to another thread costs less than the read.
const PIECE_BYTES: usize = 128 * 1024;

/// A segment's bytes from wherever the last piece ended.
#[derive(Debug)]
pub(super) struct Reader {
    stored: Stored,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reader {
    pub(super) fn new(stored: Stored) -> Self {
        Self {
            stored,
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
            let len_bytes = remaining.min(PIECE_BYTES);
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; len_bytes];
                file.read_exact_at(&mut piece, offset)?;
                Ok(piece.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let piece: Bytes = read.map_err(io::Error::other)??;
        self.stored.offset += piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}
