//! Reading what a store has: each read in so much time. How many there are at a time is the store's
//! to say: a bucket that hangs is to take nobody's place at a disk that works.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media_core::RenditionName;
use tokio::time::timeout;

use super::library::{Lost, Pending, Store};
use crate::progressive::Read;

/// Most bytes of one read: what a viewer of stored media holds in memory. A segment of 1080p is
/// five of them; a request to an object store takes some 30 ms, so that one viewer still gets
/// 60 Mbit/s.
pub const PIECE_BYTES: u64 = 256 * 1024;

/// Longest that anything is waited for: a store that takes longer is as good as gone, and players
/// ask again.
pub const READ_WITHIN: Duration = Duration::from_secs(10);

/// What a read gives, in time.
pub(super) async fn in_time<T>(read: Pending<Result<T, Lost>>) -> Result<T, Lost> {
    let done = timeout(READ_WITHIN, read).await;
    done.unwrap_or_else(|late| Err(Lost::Unavailable(late.into())))
}

/// The bytes of a file that `read` asks for, cut out of what lies between them.
pub(super) fn cut(
    store: Arc<dyn Store>,
    file: RenditionName,
    read: Read,
) -> Pending<Result<Vec<Bytes>, Lost>> {
    Box::pin(async move {
        let Read { span, cuts, .. } = read;
        let expected = span.end - span.start;
        let bytes = in_time(store.read(&file, span)).await?;
        if bytes.len() as u64 != expected {
            let found = bytes.len();
            return Err(Lost::Unavailable(io::Error::other(format!(
                "{file}: {found} bytes read, {expected} expected"
            ))));
        }
        Ok(cuts.into_iter().map(|cut| bytes.slice(cut)).collect())
    })
}
