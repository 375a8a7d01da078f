//! Reading what a store has: so many reads at a time, each in so much time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media_core::RenditionName;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::library::{Lost, Pending, Store};
use crate::progressive::Read;

/// Most bytes of one read: what a viewer of stored media holds in memory. A segment of 1080p is
/// five of them; a request to an object store takes some 30 ms, so that one viewer still gets
/// 60 Mbit/s.
pub const PIECE_BYTES: u64 = 256 * 1024;

/// Most reads at a time, so that viewers of stored media neither take every thread that may wait
/// for a disk nor more than 16 MiB for what is on its way.
pub const READS_MAX: usize = 64;

/// Longest that anything is waited for: a store that takes longer is as good as gone, and players
/// ask again.
pub const READ_WITHIN: Duration = Duration::from_secs(10);

/// The places of those who read. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Reads {
    places: Arc<Semaphore>,
}

impl Reads {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(READS_MAX)),
        }
    }

    /// What a read gives, from when a place is free.
    pub(super) async fn run<T>(
        &self,
        read: impl FnOnce() -> Pending<Result<T, Lost>>,
    ) -> Result<T, Lost> {
        let with_place = async {
            let place = self.places.acquire().await;
            let _place = place.map_err(io::Error::other)?;
            read().await
        };
        let done = timeout(READ_WITHIN, with_place).await;
        done.unwrap_or_else(|late| Err(Lost::Unavailable(late.into())))
    }

    /// The bytes of a file that `read` asks for, cut out of what lies between them.
    pub(super) fn cut(
        &self,
        store: Arc<dyn Store>,
        file: RenditionName,
        read: Read,
    ) -> Pending<Result<Vec<Bytes>, Lost>> {
        let reads = self.clone();
        Box::pin(async move {
            let Read { span, cuts, .. } = read;
            let expected = span.end - span.start;
            let bytes = reads.run(|| store.read(&file, span)).await?;
            if bytes.len() as u64 != expected {
                let found = bytes.len();
                return Err(Lost::Unavailable(io::Error::other(format!(
                    "{file}: {found} bytes read, {expected} expected"
                ))));
            }
            Ok(cuts.into_iter().map(|cut| bytes.slice(cut)).collect())
        })
    }
}
