//! Who may watch: the answer to what delivery asks for every request of a viewer.

use std::sync::Arc;
use std::time::SystemTime;

use control_api::guesses::Secret;
use packager::delivery::{Access, Verdict};
use storage::PlaybackSecret;
use storage::playback_token::Refusal;

use super::{Inner, Supervisor};

/// Answers from the snapshot of the keys: a look into memory and, for a private stream, a hash.
struct PlaybackAccess {
    inner: Arc<Inner>,
    secret: PlaybackSecret,
}

impl Supervisor {
    /// Lets everyone watch public streams, and who has a token of `secret` private ones.
    pub(crate) fn access(&self, secret: PlaybackSecret) -> Arc<dyn Access> {
        Arc::new(PlaybackAccess {
            inner: Arc::clone(&self.inner),
            secret,
        })
    }
}

impl Access for PlaybackAccess {
    fn check(&self, stream: &str, token: Option<&str>) -> Verdict {
        let keys = self.inner.keys.load();
        // What is no stream at all has nothing to refuse: delivery does not find it.
        let Some(stream) = keys.private(stream) else {
            return Verdict::Public;
        };
        let Some(token) = token else {
            return Verdict::Refused;
        };
        match self.secret.check(stream, token, SystemTime::now()) {
            Ok(()) => Verdict::Granted,
            Err(refusal) => {
                if refusal == Refusal::Invalid {
                    let guesses = &self.inner.options.guesses;
                    guesses.note_wrong(Secret::PlaybackToken);
                }
                Verdict::Refused
            }
        }
    }
}
