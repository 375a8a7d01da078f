//! What the API asks of the process around it: what is live, and to make changes felt.

use std::time::{Duration, SystemTime};

use media_core::StreamId;
use storage::streams::Keys;

use crate::capacity::Capacity;
use crate::publishers::Publisher;

/// How many watch a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// At this time.
    pub now: u32,
    /// The most at a time since it began.
    pub peak: u32,
}

/// Why and when a publisher with a valid key was refused.
#[derive(Clone, Debug)]
pub struct LastRefusal {
    /// Its name for machines.
    pub reason: &'static str,
    /// What the publisher's log was told, or would have been.
    pub detail: String,
    /// When that was.
    pub at: SystemTime,
}

/// The broadcasts of this process. No method blocks or waits.
pub trait Broadcasts: Send + Sync + 'static {
    /// When the stream's running broadcast began; `None` where it has none.
    fn live_since(&self, stream: &StreamId) -> Option<SystemTime>;

    /// Who watches the stream's running broadcast; `None` where it has none.
    fn audience(&self, stream: &StreamId) -> Option<Audience>;

    /// Who publishes to the stream now, in no order.
    fn publishers(&self, stream: &StreamId) -> Vec<Publisher>;

    /// The last publisher of the stream with a valid key that was refused, since the process began.
    fn last_refusal(&self, stream: &StreamId) -> Option<LastRefusal>;

    /// What the machine can encode, and what broadcasts need.
    fn capacity(&self) -> Capacity;

    /// How far viewers can rewind the stream's running broadcast; `None` where it has none, or
    /// where they cannot.
    fn rewind(&self, stream: &StreamId) -> Option<Duration>;

    /// Whether the stream's running broadcast has a thumbnail, which it has not in its first second
    /// and without a picture.
    fn has_thumbnail(&self, stream: &StreamId) -> bool;

    /// A watch page plays the stream's running broadcast, and will say so again in a few seconds.
    fn page_plays(&self, stream: &StreamId);

    /// The streams with a running broadcast, in no order.
    fn live_streams(&self) -> Vec<StreamId>;

    /// How many broadcasts run.
    fn live_count(&self) -> usize;

    /// The streams, their keys or who may watch them were changed: from the return of this on,
    /// listeners and playback answer from `keys`, so that a key works as soon as its owner has it. A snapshot older than the one in
    /// use (by its revision) is to be ignored: calls may overtake each other.
    fn keys_changed(&self, keys: Keys);

    /// Disconnects the stream's publisher, whose key is no longer valid. The broadcast goes on as
    /// after any lost connection: a publisher with the new key takes it up again.
    fn disconnect(&self, stream: &StreamId);

    /// Disconnects the stream's publisher, and refuses its key for so long that an encoder's own
    /// reconnection does not undo it; a new key counts at once. Whether there was a publisher. The
    /// broadcast goes on as after any lost connection.
    fn kick(&self, stream: &StreamId, refuse_for: Duration) -> bool;

    /// Disconnects the stream's publisher and ends its broadcast: it is deleted, or somebody wants
    /// that.
    fn end(&self, stream: &StreamId);

    /// A recording was deleted: its files can go.
    fn recording_deleted(&self);
}
