//! A rendition's latest edition, and waiting for its next.

use std::sync::Arc;
use std::time::Instant;

use media_core::Histogram;
use tokio::sync::watch;

use crate::edition::Edition;

/// What a look at an edition says about a request.
pub(super) enum Look<T> {
    /// This is the answer.
    Answer(T),
    /// The next edition may have it.
    Later,
}

/// The latest edition; nothing before the initialization segment came.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    latest: watch::Sender<Option<Published>>,
    answered: Histogram,
}

#[derive(Clone, Debug)]
struct Published {
    edition: Arc<Edition>,
    at: Instant,
}

impl Feed {
    /// Replaces the edition and wakes everyone who waits.
    pub(crate) fn publish(&self, edition: Edition) {
        self.latest.send_replace(Some(Published {
            edition: Arc::new(edition),
            at: Instant::now(),
        }));
    }

    /// The latest edition.
    pub(crate) fn latest(&self) -> Option<Arc<Edition>> {
        let latest = self.latest.borrow();
        latest.as_ref().map(|it| Arc::clone(&it.edition))
    }

    /// From an edition's being published to the answer of each request that was held for it.
    pub(crate) fn answered(&self) -> &Histogram {
        &self.answered
    }

    /// Looks at each edition from the latest on until one has the answer; never ends while none
    /// has. The caller holds the broadcast, and so the sender, alive.
    pub(super) async fn wait<T>(&self, look: impl Fn(&Edition) -> Look<T>) -> T {
        let mut editions = self.latest.subscribe();
        loop {
            let latest = editions.borrow_and_update().clone();
            if let Some(Published { edition, at }) = latest
                && let Look::Answer(answer) = look(&edition)
            {
                self.answered.observe(at.elapsed());
                return answer;
            }
            editions
                .changed()
                .await
                .expect("the sender lives in self, which is borrowed");
        }
    }
}
