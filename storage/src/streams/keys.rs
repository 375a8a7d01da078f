//! What listeners and playback answer from without asking the database.

use std::collections::{HashMap, HashSet};

use media_core::StreamId;

use crate::accounts::UserId;
use crate::key::KeyHash;
use crate::recording::Choice;
use crate::stream::{Publishers, Reconnection, SrtPassphrase};

/// Changes whenever any process writes to the streams. Later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub(super) i64);

/// What a stream key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Whose that is; the operator's where it is nobody's.
    pub owner: Option<UserId>,
    /// From where may be published.
    pub publishers: Publishers,
    /// The passphrase that SRT publishers must use, with an AES key of
    /// [`crate::stream::SRT_PBKEYLEN_BYTES`].
    pub srt_passphrase: Option<SrtPassphrase>,
    /// Whether and how a broadcast that it opens is recorded.
    pub recording: Choice,
    /// What becomes of the broadcast where its publisher is lost.
    pub reconnection: Reconnection,
}

/// All stream keys at one moment, by their hashes, and which streams are private: what is answered
/// from without asking the database.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Of two snapshots, the one with the greater revision is the newer.
    pub revision: Revision,
    pub(super) grants: HashMap<KeyHash, Grant>,
    pub(super) private: HashSet<StreamId>,
}

impl Keys {
    /// What `key` opens, as a peer sent it.
    pub fn find(&self, key: &str) -> Option<&Grant> {
        self.grants.get(&KeyHash::of(key))
    }

    /// Every key's hash and what it opens, in no order: for comparing two snapshots.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyHash, &Grant)> {
        self.grants.iter()
    }

    /// The id of a private stream; `None` where `stream` is public, or no stream at all.
    pub fn private(&self, stream: &str) -> Option<&StreamId> {
        self.private.get(stream)
    }

    /// All private streams, in no order.
    pub fn all_private(&self) -> impl Iterator<Item = &StreamId> {
        self.private.iter()
    }

    /// Holds streams private that are deleted, while something of them is still to be seen.
    pub fn keep_private(&mut self, deleted: impl IntoIterator<Item = StreamId>) {
        self.private.extend(deleted);
    }

    /// The key of `stream`, by its hash, and what it opens; `None` where there is no such stream, or
    /// its owner may not publish.
    pub fn of(&self, stream: &StreamId) -> Option<(&KeyHash, &Grant)> {
        self.iter().find(|(_, grant)| grant.stream == *stream)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.grants.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }
}
